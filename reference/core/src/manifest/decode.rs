//! From the tree of one file to a module.
//!
//! It owns the fields of chapter 12.2 and their defaults (`yaml.defaults`), one function per group. A broken field is
//! reported and replaced by its default, so that the rest of the file and the other files are still checked.

use semver::Version;

use super::decode_edges::{provides, requires};
use super::decode_policy::{health, restart};
use super::diagnostic::Diagnostic;
use super::duration::{MILLISECOND, SECOND, show};
use super::fields::{Fields, Report, TOP};
use super::load::Entrypoint;
use super::model::{Module, Permissions, Startup};
use super::yaml::{self, Node, Place, START, Value};
use crate::id::ModuleId;

/// What one file gave.
pub(super) struct Decoded {
    /// The module, when at least its id is valid.
    pub(super) module: Option<Module>,
    /// Where the id stands.
    pub(super) id_place: Place,
    /// Where the entrypoint stands.
    pub(super) entrypoint_place: Place,
    /// The sidecars and the fallback with their places, to be resolved later.
    pub(super) named: Vec<(ModuleId, Place)>,
    pub(super) problems: Vec<Diagnostic>,
}

/// Decodes one file. The digest and the entrypoint's state are filled in by the caller.
pub(super) fn decode(file: &str, text: &str) -> Decoded {
    let mut report = Report {
        file,
        problems: Vec::new(),
    };
    let mut decoded = Decoded {
        module: None,
        id_place: START,
        entrypoint_place: START,
        named: Vec::new(),
        problems: Vec::new(),
    };
    match yaml::parse(text) {
        Err(error) => report.error("PZ102", error.place, error.message),
        Ok(_) if text.lines().all(holds_nothing) => {
            report.error("PZ102", START, "the file holds no document");
        }
        Ok(tree) => {
            if let Some(fields) = report.fields(TOP, &tree, FIELDS, ALIASES) {
                module(&mut report, &fields, &mut decoded);
            }
        }
    }
    decoded.problems = report.problems;
    decoded
}

/// Whether a line belongs to no document: it is blank, a comment or a mark between documents.
fn holds_nothing(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
}

fn module(report: &mut Report<'_>, fields: &Fields<'_>, decoded: &mut Decoded) {
    let id = fields.need(report, "id").and_then(|node| {
        decoded.id_place = node.place;
        module_id(report, "id", node)
    });
    let version = fields
        .need(report, "version")
        .and_then(|node| version(report, node));
    let entrypoint = fields.need(report, "entrypoint").and_then(|node| {
        decoded.entrypoint_place = node.place;
        let path = report.text("entrypoint", node)?;
        if path.len() > MAX_PATH_BYTES {
            report.error(
                "PZ105",
                node.place,
                format!("the entrypoint is longer than {MAX_PATH_BYTES} bytes"),
            );
            return None;
        }
        if path.starts_with('/') {
            return Some(path.to_owned());
        }
        // `config.relative-entrypoint-refused`
        let message = format!("the entrypoint `{path}` is not an absolute path");
        report.error("PZ111", node.place, message);
        None
    });
    let description = fields
        .get("description")
        .and_then(|n| report.short_text("description", n, 1024))
        .map(str::to_owned);
    let args = fields
        .get("args")
        .map(|n| report.texts("args", n, 1024))
        .unwrap_or_default();
    let environment = fields
        .get("environment")
        .map(|n| environment(report, n))
        .unwrap_or_default();
    let provides = fields
        .get("provides")
        .map(|n| provides(report, n))
        .unwrap_or_default();
    let requires = fields
        .get("requires")
        .map(|n| requires(report, n))
        .unwrap_or_default();
    let restart = restart(report, fields.get("restart"));
    let health = fields.get("health").and_then(|n| health(report, n));

    let start_node = fields.get("start_timeout");
    let start_timeout = start_node
        .and_then(|n| report.duration("start_timeout", n, MILLISECOND))
        .unwrap_or(30 * SECOND);
    let handshake_timeout = match fields.get("handshake_timeout") {
        // The default never contradicts a short start_timeout: the shorter of the two ends the wait anyway.
        None => 5 * SECOND,
        Some(node) => {
            let declared = report
                .duration("handshake_timeout", node, MILLISECOND)
                .unwrap_or(5 * SECOND);
            if declared > start_timeout {
                let (declared, start) = (show(declared), show(start_timeout));
                let message = format!("handshake_timeout {declared} is longer than start_timeout {start}");
                report.error("PZ118", node.place, message);
            }
            declared
        }
    };
    let stop_timeout = fields
        .get("stop_timeout")
        .and_then(|n| report.duration("stop_timeout", n, MILLISECOND))
        .unwrap_or(10 * SECOND);
    let startup = fields
        .get("startup")
        .and_then(|n| report.word("startup", n, STARTUPS))
        .unwrap_or(Startup::Eager);
    let enabled = fields
        .get("enabled")
        .and_then(|n| report.boolean("enabled", n))
        .unwrap_or(true);
    let critical = fields
        .get("critical")
        .and_then(|n| report.boolean("critical", n))
        .unwrap_or(false);
    let permissions = fields
        .get("permissions")
        .and_then(|n| permissions(report, n))
        .unwrap_or_default();
    let sidecars = fields
        .get("sidecars")
        .map(|n| named(report, decoded, "sidecars", n))
        .unwrap_or_default();
    let fallback_module = fields.get("fallback_module").and_then(|node| {
        let id = module_id(report, "fallback_module", node)?;
        decoded.named.push((id.clone(), node.place));
        Some(id)
    });

    decoded.module = id.map(|id| Module {
        id,
        version: version.unwrap_or(Version::new(0, 0, 0)),
        description,
        entrypoint: entrypoint.unwrap_or_default(),
        args,
        environment,
        provides,
        requires,
        restart,
        health,
        handshake_timeout,
        start_timeout,
        stop_timeout,
        startup,
        enabled,
        critical,
        permissions,
        sidecars,
        fallback_module,
        digest: String::new(),
        file: report.file.to_owned(),
        entrypoint_state: Entrypoint::Executable,
    });
}

/// `unit.id-syntax`
pub(super) fn module_id(report: &mut Report<'_>, key: &str, node: &Node) -> Option<ModuleId> {
    let text = report.text(key, node)?;
    let id = ModuleId::try_from(text);
    if let Err(error) = &id {
        report.error_with_help(
            "PZ105",
            node.place,
            format!("`{text}` is no module id"),
            error.to_string(),
        );
    }
    id.ok()
}

/// `config.invalid-version-refused`
fn version(report: &mut Report<'_>, node: &Node) -> Option<Version> {
    let text = match &node.value {
        Value::Text(text) => text.as_str(),
        // An unquoted `1.0` is a number to YAML; what the author got wrong is the version, not the type.
        Value::Int(_) | Value::Float(_) => node.written.as_str(),
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => {
            report.wrong_type("version", "text", node);
            return None;
        }
    };
    let version = Version::parse(text)
        .ok()
        .filter(|_| text.len() <= MAX_VERSION_BYTES);
    if version.is_none() {
        let help = "write MAJOR.MINOR.PATCH, such as `1.2.0`".to_owned();
        report.error_with_help(
            "PZ105",
            node.place,
            format!("`{text}` is no semantic version of at most {MAX_VERSION_BYTES} characters"),
            help,
        );
    }
    version
}

fn environment(report: &mut Report<'_>, node: &Node) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for (name, place, value) in report.entries("environment", node, 1024) {
        let begins = name
            .chars()
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !begins || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let message = format!("`{name}` cannot be the name of an environment variable");
            let help = "write letters, digits and `_`, not beginning with a digit".to_owned();
            report.error_with_help("PZ105", place, message, help);
        } else if let Some(value) = report.text(name, value) {
            variables.push((name.to_owned(), value.to_owned()));
        }
    }
    variables
}

fn permissions(report: &mut Report<'_>, node: &Node) -> Option<Permissions> {
    let fields = report.fields("permissions", node, &["run_as", "capabilities"], &[])?;
    Some(Permissions {
        run_as: fields
            .get("run_as")
            .and_then(|n| run_as(report, n))
            .map(str::to_owned),
        capabilities: fields
            .get("capabilities")
            .map(|n| capabilities(report, n))
            .unwrap_or_default(),
    })
}

fn run_as<'n>(report: &mut Report<'_>, node: &'n Node) -> Option<&'n str> {
    let name = report.short_text("run_as", node, 64)?;
    if name.is_empty() {
        report.error("PZ105", node.place, "`run_as` is empty");
        return None;
    }
    Some(name)
}

/// The form of the names; which of them the kernel knows is not the core's to say.
fn capabilities(report: &mut Report<'_>, node: &Node) -> Vec<String> {
    let mut names = Vec::new();
    for item in report.list("capabilities", node, 64) {
        let Some(name) = report.text("capabilities", item) else {
            continue;
        };
        let word = name.strip_prefix("CAP_").unwrap_or_default();
        if word.is_empty() || !word.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
            let message = format!("`{name}` is no name of a capability such as `CAP_NET_BIND_SERVICE`");
            report.error("PZ105", item.place, message);
        } else {
            names.push(name.to_owned());
        }
    }
    names
}

fn named(report: &mut Report<'_>, decoded: &mut Decoded, key: &str, node: &Node) -> Vec<ModuleId> {
    let mut ids = Vec::new();
    for item in report.list(key, node, 64) {
        if let Some(id) = module_id(report, key, item) {
            decoded.named.push((id.clone(), item.place));
            ids.push(id);
        }
    }
    ids
}

/// Every key of a module file, in the order of chapter 12.2.
const FIELDS: &[&str] = &[
    "id",
    "version",
    "description",
    "entrypoint",
    "args",
    "environment",
    "provides",
    "requires",
    "restart",
    "health",
    "handshake_timeout",
    "start_timeout",
    "stop_timeout",
    "startup",
    "enabled",
    "critical",
    "permissions",
    "sidecars",
    "fallback_module",
];

const MAX_PATH_BYTES: usize = 4095;
const MAX_VERSION_BYTES: usize = 64;

/// The spellings of early drafts.
const ALIASES: &[(&str, &str)] = &[
    ("name", "id"),
    ("depends_on", "requires"),
    ("interfaces", "provides"),
    ("healthcheck", "health"),
];

const STARTUPS: &[(&str, Startup)] = &[
    ("eager", Startup::Eager),
    ("deferred", Startup::Deferred),
    ("on-demand", Startup::OnDemand),
];
