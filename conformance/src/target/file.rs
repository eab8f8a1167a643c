//! The target file: how to start a target, and what it claims.
//!
//! It is read strictly. A claim that is misspelt would silently be a smaller claim, so every name is checked.
use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use crate::input_error::{InputError, UniqueMap, parse_yaml, read_text};

/// Which side of the contract a target plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It launches modules.
    Orchestrator,
    /// It is launched.
    Module,
}

/// What a target says that it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// `minimal`, `core` or `full` for an orchestrator; `level-0`, `level-1` or `level-2` for a module.
    pub class: String,
    /// Profiles of an orchestrator, roles of a module.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// Registered extensions.
    #[serde(default)]
    pub extensions: Vec<String>,
}

/// A target file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetFile {
    /// A short name.
    pub name: String,
    /// The version under judgement.
    pub version: String,
    /// Where to read about it.
    pub homepage: Option<String>,
    /// Orchestrator or module.
    pub role: Role,
    /// How to start it.
    pub command: Vec<String>,
    /// How to make it check a configuration offline.
    pub check: Option<Vec<String>>,
    /// Where its control socket will be.
    pub control: Option<String>,
    /// What it claims.
    pub claims: Claims,
    /// By how much every deadline is multiplied.
    pub time_scale: f64,
    /// Additional environment.
    pub environment: BTreeMap<String, String>,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    version: String,
    homepage: Option<String>,
    role: Role,
    command: Vec<String>,
    check: Option<Vec<String>>,
    control: Option<String>,
    claims: Claims,
    #[serde(default = "one")]
    time_scale: f64,
    #[serde(default)]
    environment: UniqueMap<String>,
}

impl TargetFile {
    /// Reads and checks a target file.
    ///
    /// # Errors
    /// When the file cannot be read, is no target file, or claims something unknown.
    pub fn load(path: &Path) -> Result<Self, InputError> {
        let name = path.display().to_string();
        let text =
            read_text(path).map_err(|error| InputError::new(&name, format!("cannot be read: {error}")))?;
        Self::parse(&name, &text)
    }

    /// As [`TargetFile::load`], from text; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As there.
    pub fn parse(name: &str, text: &str) -> Result<Self, InputError> {
        let written: Written = parse_yaml(name, text)?;
        let file = Self {
            name: written.name,
            version: written.version,
            homepage: written.homepage,
            role: written.role,
            command: written.command,
            check: written.check,
            control: written.control,
            claims: written.claims,
            time_scale: written.time_scale,
            environment: written.environment.0.into_iter().collect(),
        };
        file.validate(name, text).map(|()| file)
    }

    /// Whether it claims this class (a higher class includes the lower), profile, role or extension. `check-command` is
    /// claimed by naming one.
    #[must_use]
    pub fn claims(&self, need: &str) -> bool {
        let rank = |class: &str| self.classes().iter().position(|&known| known == class);
        match rank(need) {
            Some(needed) => rank(&self.claims.class).is_some_and(|claimed| claimed >= needed),
            None if need == "check-command" => self.check.is_some(),
            None => self
                .claims
                .profiles
                .iter()
                .chain(&self.claims.extensions)
                .any(|claim| claim == need),
        }
    }

    fn classes(&self) -> &'static [&'static str] {
        match self.role {
            Role::Orchestrator => &["minimal", "core", "full"],
            Role::Module => &["level-0", "level-1", "level-2"],
        }
    }

    fn profiles(&self) -> &'static [&'static str] {
        match self.role {
            Role::Orchestrator => &["pid1", "rootless", "resource-control", "sandbox", "switching"],
            Role::Module => &["provider", "sidecar"],
        }
    }

    fn validate(&self, file: &str, text: &str) -> Result<(), InputError> {
        let fault = |message: String, at: &str| Err(InputError::new(file, message).at_text(text, at));
        for (what, value, at) in [
            ("name", &self.name, "name:"),
            ("version", &self.version, "version:"),
        ] {
            if value.trim().is_empty() {
                return fault(format!("the {what} is empty"), at);
            }
        }
        let class = &self.claims.class;
        if !self.classes().contains(&class.as_str()) {
            return Err(unknown(file, text, "class", class, self.classes()));
        }
        for profile in &self.claims.profiles {
            if !self.profiles().contains(&profile.as_str()) {
                return Err(unknown(file, text, "profile", profile, self.profiles()));
            }
        }
        if self.command.first().is_none_or(String::is_empty) {
            return fault("the command is empty".to_owned(), "command:");
        }
        if self
            .check
            .as_ref()
            .is_some_and(|check| check.first().is_none_or(String::is_empty))
        {
            return fault("the check command is empty".to_owned(), "check:");
        }
        if !(self.time_scale.is_finite() && self.time_scale > 0.0 && self.time_scale <= MAX_TIME_SCALE) {
            return fault(
                format!("the time scale has to be above 0 and at most {MAX_TIME_SCALE}"),
                "time_scale:",
            );
        }
        if self.role == Role::Orchestrator && self.control.is_none() && self.claims.class != "minimal" {
            return fault(
                format!("an orchestrator of class {class} has a control socket: `control` is missing"),
                "claims:",
            );
        }
        Ok(())
    }
}

/// Beyond this, a run of the suites would take days.
const MAX_TIME_SCALE: f64 = 100.0;

fn one() -> f64 {
    1.0
}

fn unknown(file: &str, text: &str, what: &str, written: &str, expected: &[&str]) -> InputError {
    InputError::new(file, format!("unknown {what} \"{written}\""))
        .instead_of(written, expected)
        .at_text(text, written)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name: partenza\nversion: \"0.1.0\"\nrole: orchestrator\ncommand: [\"{bin}/partenza\", run]\n\
                        control: \"{runtime}/control.sock\"\nclaims: {class: core, profiles: [rootless]}\n";

    #[test]
    fn a_good_file_is_read_with_its_defaults() {
        let file = TargetFile::parse("t.yaml", GOOD).unwrap();
        assert_eq!(
            (file.time_scale, file.check.is_none(), file.environment.len()),
            (1.0, true, 0)
        );
        for (need, claimed) in [
            ("minimal", true),
            ("core", true),
            ("full", false),
            ("rootless", true),
            ("pid1", false),
            ("check-command", false),
        ] {
            assert_eq!(file.claims(need), claimed, "{need}");
        }
    }

    #[test]
    fn each_fault_has_a_place_and_a_suggestion_where_there_is_one() {
        for (from, to, expected) in [
            (
                "class: core",
                "class: cor",
                "t.yaml:6:17: unknown class \"cor\"; did you mean \"core\"?",
            ),
            (
                "[rootless]",
                "[rootles]",
                "t.yaml:6:34: unknown profile \"rootles\"; did you mean \"rootless\"?",
            ),
            (
                "role: orchestrator",
                "role: module",
                "t.yaml:6:17: unknown class \"core\"; expected one of level-0",
            ),
            (
                "command: [\"{bin}/partenza\", run]",
                "command: []",
                "t.yaml:4:1: the command is empty",
            ),
            (
                "control: \"{runtime}/control.sock\"",
                "time_scale: 2",
                "t.yaml:6:1: an orchestrator of class core",
            ),
            ("role:", "time_scale: .nan\nrole:", "t.yaml:3:1: the time scale"),
            (
                "claims: {class",
                "claims: {clas",
                "t.yaml:6:10: unknown key \"clas\"; did you mean \"class\"?",
            ),
            ("role:", "environment: {A: x, A: y}\nrole:", "t.yaml:3:21: "),
        ] {
            let text = GOOD.replace(from, to);
            let error = TargetFile::parse("t.yaml", &text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{to}:\n{error}");
        }
    }

    #[test]
    fn a_minimal_orchestrator_needs_no_control_socket() {
        let text = GOOD
            .replace("control: \"{runtime}/control.sock\"\n", "")
            .replace("core", "minimal");
        assert!(TargetFile::parse("t.yaml", &text).unwrap().claims("minimal"));
    }
}
