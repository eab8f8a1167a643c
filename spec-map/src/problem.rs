//! One problem of the specification's sources, with its place.
//!
//! Owns how a problem is written; decides nothing.

use std::fmt;

/// A problem, as `FILE:LINE: message`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, counted from the root of the repository.
    pub file: String,
    /// The line, from 1; 0 when the problem has no line.
    pub line: usize,
    /// What is wrong, and what to do about it.
    pub message: String,
}

impl Problem {
    /// A problem at a line.
    pub fn at(file: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line,
            message: message.into(),
        }
    }

    /// A problem of a whole file.
    pub fn of(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self::at(file, 0, message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.message)
        } else {
            write!(f, "{}:{}: {}", self.file, self.line, self.message)
        }
    }
}
