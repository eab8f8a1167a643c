//! The suites: their language, and the library that reads them.
//!
//! Suites are data in `suites/*.yaml`; `suites/README.md` describes the language. This module reads and checks them and
//! hands out plain types. It refuses to load a library that has a single problem, and it decides nothing about a run.

mod case;
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
