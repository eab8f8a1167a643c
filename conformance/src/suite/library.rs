//! The library: every suite and every fault, embedded in the program or read from a directory.
//!
//! Reads all files, finds all problems of all of them in one go, and gives out nothing unless everything is right: a
//! suite that loads halfway would be a certificate with holes.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::case::{read_suite, read_tree};
use super::comment;
use super::model::{Case, Check, Fault, Suite};
use super::read::{Help, Node, Problem};
use super::tree::locate;
use super::validate::validate;
use crate::input_error::InputError;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/suites.rs"));
}

const FAULTS: &str = "faults.yaml";

/// Every suite and every fault.
#[derive(Debug, Clone)]
pub struct Library {
    suites: Vec<Suite>,
    faults: Vec<Fault>,
    digest: String,
}

/// A case and the suite that it stands in.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'a> {
    /// The suite.
    pub suite: &'a Suite,
    /// The case.
    pub case: &'a Case,
}

impl Library {
    /// The suites that the program carries.
    ///
    /// # Errors
    /// Every problem of every file; a released program has none, and a test holds that.
    pub fn embedded() -> Result<Self, Vec<InputError>> {
        Self::from_texts(embedded::SUITES, Some(&requirement_ids()))
    }

    /// The suites of a directory: every `*.yaml` in it.
    ///
    /// # Errors
    /// Every problem of every file.
    pub fn load_dir(directory: &Path) -> Result<Self, Vec<InputError>> {
        let name = directory.display().to_string();
        let unreadable =
            |error: std::io::Error| vec![InputError::new(&name, format!("cannot be read: {error}"))];
        let mut files = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = std::fs::read_to_string(&path).map_err(unreadable)?;
                files.push((path.display().to_string(), text));
            }
        }
        files.sort();
        let texts: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        Self::from_texts(&texts, Some(&requirement_ids()))
    }

    /// Suites from their texts by file name; `requirements` are the ids that checks may name, all when `None`.
    ///
    /// # Errors
    /// Every problem of every file.
    pub fn from_texts(
        files: &[(&str, &str)],
        requirements: Option<&BTreeSet<String>>,
    ) -> Result<Self, Vec<InputError>> {
        let mut errors = Vec::new();
        let mut suites = Vec::new();
        let mut texts = Vec::new();
        let mut faults = None;
        let mut misread = BTreeSet::new();
        let mut digest = Sha256::new();
        for (name, text) in files {
            digest.update(format!("{name} {}\n", text.len()));
            digest.update(text);
            let tree = match read_tree(text) {
                Ok(tree) => tree,
                Err(unreadable) => {
                    // A comment that swallowed a bracket is the reason, wherever the reader noticed it.
                    let reason = comment::suspects(text).into_iter().next();
                    let (place, message) = reason.map_or((unreadable.place, unreadable.message), |cut| {
                        (Some(cut.place), cut.message())
                    });
                    errors.push(error_at(name, text, place, message, None));
                    continue;
                }
            };
            let problems = RefCell::new(Vec::new());
            for cut in comment::cuts(text, &tree) {
                misread.insert(*name);
                errors.push(error_at(name, text, Some(cut.place), cut.message(), None));
            }
            if Path::new(name).file_name().is_some_and(|file| file == FAULTS) {
                faults = Some((*name, *text, read_faults(&Node::root(&tree, &problems))));
            } else if let Some(suite) = read_suite(name, &tree, &problems) {
                suites.push(suite);
                texts.push((*name, *text));
            }
            let problems = problems.into_inner();
            if !problems.is_empty() {
                misread.insert(*name);
            }
            errors.extend(problems.into_iter().map(|problem| bind(name, text, problem)));
        }
        for (at, problem) in validate(&suites, requirements) {
            let (name, text) = texts[at];
            // What could not be read is not complained about a second time for what follows from it.
            if misread.contains(name) {
                continue;
            }
            errors.push(bind(name, text, problem));
        }
        let library = Self {
            suites,
            faults: faults
                .as_ref()
                .map(|(_, _, faults)| faults.clone())
                .unwrap_or_default(),
            digest: format!("sha256:{}", partenza_probe::mac::hex(&digest.finalize())),
        };
        if let Some((name, text, _)) = faults
            && misread.is_empty()
        {
            errors.extend(
                library
                    .check_faults()
                    .into_iter()
                    .map(|problem| bind(name, text, problem)),
            );
        }
        if errors.is_empty() {
            return Ok(library);
        }
        errors.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        Err(errors)
    }

    /// The suites, by file name.
    pub fn suites(&self) -> &[Suite] {
        &self.suites
    }

    /// Every case with its suite.
    pub fn cases(&self) -> impl Iterator<Item = Placed<'_>> {
        self.suites
            .iter()
            .flat_map(|suite| suite.cases.iter().map(move |case| Placed { suite, case }))
    }

    /// Every check with its case, without the monitors.
    pub fn checks(&self) -> impl Iterator<Item = (&Case, &Check)> {
        self.cases()
            .flat_map(|placed| placed.case.checks.iter().map(move |check| (placed.case, check)))
    }

    /// The named faults and the checks that have to notice them.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// A digest over all files, `sha256:` and 64 hex digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn check_faults(&self) -> Vec<Problem> {
        use super::tree::Segment;
        let mut known: BTreeSet<String> = self.checks().map(|(case, check)| check.name(case)).collect();
        known.extend(
            crate::judge::monitors::catalogue()
                .iter()
                .map(|monitor| monitor.check.to_owned()),
        );
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        for (index, fault) in self.faults.iter().enumerate() {
            let at = |name: &str| vec![Segment::Index(index), Segment::Key(name.to_owned())];
            if !seen.insert(&fault.fault) {
                let message = format!("the fault `{}` stands here twice", fault.fault);
                problems.push(Problem {
                    path: at("fault"),
                    message,
                    help: None,
                });
            }
            let named =
                std::iter::once(("kills", &fault.kills)).chain(fault.also.iter().map(|id| ("also", id)));
            for (name, id) in named.filter(|(_, id)| !known.contains(*id)) {
                let help = super::read::suggest(id, known.iter().map(String::as_str));
                let help = help.filter(|help| matches!(help, Help::Nearest(_)));
                problems.push(Problem {
                    path: at(name),
                    message: format!("there is no check `{id}`"),
                    help,
                });
            }
        }
        problems
    }
}

/// The texts that the program carries, by file name.
#[cfg(test)]
pub(super) fn embedded_texts() -> &'static [(&'static str, &'static str)] {
    embedded::SUITES
}

fn read_faults(root: &Node<'_>) -> Vec<Fault> {
    let fault = |node: &Node<'_>| {
        node.only(&["fault", "about", "kills", "also"]);
        Some(Fault {
            fault: node.need("fault")?.text()?.to_owned(),
            about: node
                .need("about")
                .and_then(|n| n.text())
                .unwrap_or_default()
                .to_owned(),
            kills: node.need("kills")?.text()?.to_owned(),
            also: node.get("also").map(|n| n.texts()).unwrap_or_default(),
        })
    };
    root.items().iter().filter_map(fault).collect()
}

/// The ids that chapters define, from the embedded specification.
fn requirement_ids() -> BTreeSet<String> {
    crate::judge::requirements::requirements()
        .keys()
        .cloned()
        .collect()
}

fn bind(name: &str, text: &str, problem: Problem) -> InputError {
    let place = locate(text, &problem.path);
    error_at(name, text, Some(place), problem.message, problem.help)
}

fn error_at(
    name: &str,
    text: &str,
    place: Option<(usize, usize)>,
    message: String,
    help: Option<Help>,
) -> InputError {
    let mut error = InputError {
        file: name.to_owned(),
        line: place.map(|(line, _)| line),
        column: place.map(|(_, column)| column),
        message,
        expected: Vec::new(),
        suggestion: None,
        source_line: place
            .and_then(|(line, _)| text.lines().nth(line.saturating_sub(1)))
            .map(str::to_owned),
    };
    match help {
        Some(Help::Nearest(word)) => error.suggestion = Some(word),
        Some(Help::Known(words)) => error.expected = words,
        Some(Help::Say(sentence)) => error.message = format!("{}: {sentence}", error.message),
        None => {}
    }
    error
}
