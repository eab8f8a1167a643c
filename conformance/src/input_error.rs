//! Errors in files that people write for the harness: target files, suites, baselines.
use std::{fmt, path::Path};

use serde::de::DeserializeOwned;

/// What is wrong in an input file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// The file as it was named to us.
    pub file: String,
    /// From 1; `None` when the fault has no place, such as an unreadable file.
    pub line: Option<usize>,
    /// From 1.
    pub column: Option<usize>,
    /// One sentence in lower case without a full stop.
    pub message: String,
    /// What would have been accepted.
    pub expected: Vec<String>,
    /// The nearest of the accepted spellings.
    pub suggestion: Option<String>,
    /// The line of the file, for the excerpt.
    pub source_line: Option<String>,
}

impl InputError {
    /// An error without a place.
    #[must_use]
    pub fn new(_file: &str, _message: impl Into<String>) -> Self {
        todo!()
    }

    /// The same error, with the accepted names and the one nearest to what was written.
    #[must_use]
    pub fn instead_of(self, _written: &str, _expected: &[&str]) -> Self {
        todo!()
    }

    /// The same error at the first place where `needle` stands in `text`. For faults found after parsing.
    #[must_use]
    pub fn at_text(self, _text: &str, _needle: &str) -> Self {
        todo!()
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl std::error::Error for InputError {}

/// Reads a YAML file, at most 1 MiB, refusing repeated keys at any depth.
///
/// # Errors
/// When it cannot be read or is not a `T`.
pub fn load_yaml<T: DeserializeOwned>(_path: &Path) -> Result<T, InputError> {
    todo!()
}

/// As [`load_yaml`], from text; `name` stands for the file in messages.
///
/// # Errors
/// When the text is not a `T`.
pub fn parse_yaml<T: DeserializeOwned>(_name: &str, _text: &str) -> Result<T, InputError> {
    todo!()
}

/// A map in the order in which it was written. A repeated key is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UniqueMap<V>(pub Vec<(String, V)>);

impl<V> UniqueMap<V> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, _key: &str) -> Option<&V> {
        todo!()
    }
    /// All entries, in the order in which they were written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
