//! The suites: their language, and the library that reads them.
//!
//! Suites are data in `suites/*.yaml`; `suites/README.md` describes the language. This module reads and checks them and
//! hands out plain types. It refuses to load a library that has a single problem, and it decides nothing about a run.

mod case;
mod comment;
mod library;
pub mod matcher;
mod model;
mod pattern;
mod predicates;
mod read;
mod steps;
#[cfg(test)]
mod tests;
mod tree;
mod validate;

pub use library::{Library, Placed};
pub use matcher::Matcher;
pub use model::*;

/// A predicate as a suite writes it, for tests of the judge.
#[cfg(test)]
pub(crate) fn read_predicate_for_tests(claim: &serde_json::Value, modules: &[&str]) -> Predicate {
    let problems = std::cell::RefCell::new(Vec::new());
    let predicate = predicates::read_predicate(&read::Node::root(claim, &problems), modules);
    assert!(problems.borrow().is_empty(), "{claim}: {problems:?}");
    predicate.unwrap()
}
