//! Reads the specification and joins requirement, check, known-bad counterpart and outcome.
//!
//! # Theory of operation
//! The chapters carry one line for each requirement. [`extract`] finds them; [`snapshot`] holds them against the
//! reviewed snapshot, so that no sentence changes silently; [`map`] knows why a requirement has no check; [`join`] puts
//! requirement, checks and faults together and insists that every requirement has exactly one standing; [`generate`]
//! writes the parts of the chapters that are data. The crate owns the reading of `spec/` and `spec-map/`, which the
//! binary carries within itself ([`files`]). It refuses to run anything: checks and outcomes come to it as data.

use std::collections::BTreeMap;

pub mod extract;
pub mod files;
pub mod generate;
pub mod join;
pub mod map;
pub mod problem;
pub mod requirement;
pub mod snapshot;
pub mod suites;
pub mod tree;

pub use join::{Check, Fault, Row, Standing};
pub use problem::Problem;
pub use requirement::{Level, Requirement, Subject};

/// The edition of the specification that this kit carries.
pub const EDITION: &str = "1.0-draft";

/// The specification as read: requirements, sections, examples, and what is wrong with the sources.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    /// Every requirement, in the order of the chapters.
    pub requirements: Vec<Requirement>,
    /// Every section: number and title.
    pub sections: Vec<(String, String)>,
    /// Every fenced example, with the file that holds it.
    pub examples: Vec<(String, extract::Example)>,
    /// Why requirements have no check.
    pub map: map::Map,
    /// What is wrong with the sources.
    pub problems: Vec<Problem>,
}

impl Spec {
    /// Reads the specification that this binary carries.
    #[must_use]
    pub fn embedded() -> Self {
        Self::read(&tree::embedded())
    }

    /// Reads a specification.
    #[must_use]
    pub fn read(tree: &tree::Tree) -> Self {
        let mut spec = Self::default();
        for (file, text) in tree.iter().filter(|(path, _)| is_chapter(path)) {
            let chapter = extract::chapter(file, text, &mut spec.problems);
            spec.requirements.extend(chapter.requirements);
            spec.sections.extend(chapter.sections);
            spec.examples.extend(
                chapter
                    .examples
                    .into_iter()
                    .map(|example| (file.clone(), example)),
            );
        }
        extract::duplicates(&spec.requirements, &mut spec.problems);
        for (file, text) in tree.iter().filter(|(path, _)| path.starts_with("spec-map/map")) {
            map::read(file, text, &mut spec.map, &mut spec.problems);
        }
        spec
    }

    /// The requirement of an id.
    #[must_use]
    pub fn requirement(&self, id: &str) -> Option<&Requirement> {
        self.requirements.iter().find(|requirement| requirement.id == id)
    }

    /// The nearest known id to one that is not known.
    #[must_use]
    pub fn nearest(&self, id: &str) -> Option<&str> {
        join::nearest(
            id,
            self.requirements
                .iter()
                .map(|requirement| requirement.id.as_str()),
        )
    }

    /// The strongest level among the given requirements; the weakest when none of them is known.
    pub fn level<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Level {
        ids.filter_map(|id| self.requirement(id))
            .map(|requirement| requirement.level)
            .min()
            .unwrap_or(Level::May)
    }

    /// Joins the requirements with checks and faults; see [`join::join`].
    pub fn join(&self, checks: &[Check], faults: &[Fault], problems: &mut Vec<Problem>) -> Vec<Row<'_>> {
        join::join(&self.requirements, checks, faults, &self.map, problems)
    }
}

/// A chapter is `spec/NN-title.md`.
#[must_use]
pub fn is_chapter(path: &str) -> bool {
    path.strip_prefix("spec/").is_some_and(|name| {
        let mut bytes = name.bytes();
        let mut digit = || bytes.next().is_some_and(|byte| byte.is_ascii_digit());
        digit()
            && digit()
            && name.as_bytes().get(2) == Some(&b'-')
            && name.ends_with(".md")
            && !name.contains('/')
    })
}

/// Everything that a checkout must satisfy: sources, snapshot, generated parts, and the join with the suites.
///
/// Returns the problems that an author has to solve, sorted by place.
#[must_use]
pub fn check(tree: &tree::Tree) -> Vec<Problem> {
    let spec = Spec::read(tree);
    let mut problems = spec.problems.clone();
    let old = snapshot::read(tree.get(snapshot::FILE).map_or("", String::as_str), &mut problems);
    let difference = snapshot::compare(&spec.requirements, &old);
    problems.extend(difference.forbidden);
    problems.extend(difference.pending);
    match generated(tree) {
        Ok(fresh) => problems.extend(fresh.keys().map(|file| {
            Problem::of(
                file,
                "a generated part is stale; run `partenza-spec-map generate`",
            )
        })),
        Err(problem) => problems.push(problem),
    }
    if tree.keys().any(|path| path.starts_with("suites/")) {
        let checks = suites::checks(tree, &mut problems);
        let faults = suites::faults(tree, &mut problems);
        spec.join(&checks, &faults, &mut problems);
    }
    problems.sort();
    problems
}

/// The chapters whose generated parts are stale, with their new text.
///
/// # Errors
/// When the data or a mark is malformed.
pub fn generated(tree: &tree::Tree) -> Result<BTreeMap<String, String>, Problem> {
    let source = |file: &str| {
        tree.get(file)
            .ok_or_else(|| Problem::of(file, "this file is missing"))
    };
    let sources = generate::Sources::read(source(generate::STATES)?, source(generate::ERRORS)?)?;
    let mut fresh = BTreeMap::new();
    for (file, text) in tree.iter().filter(|(path, _)| is_chapter(path)) {
        let filled = sources.fill(file, text)?;
        if filled != *text {
            fresh.insert(file.clone(), filled);
        }
    }
    Ok(fresh)
}
