//! What a requirement is: id, version, subject, class, level, sentence and place.
//!
//! Owns the types and their spelling. Finding requirements in a chapter is the work of [`crate::extract`].

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// A normative sentence of the specification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// The permanent id, dotted.
    pub id: String,
    /// The version of the sentence, from 1.
    pub version: u32,
    /// Whom it binds.
    pub subject: Subject,
    /// The class, level or profile in which it binds.
    pub class: String,
    /// How strongly it binds.
    pub level: Level,
    /// The keyword as written, such as `MUST NOT`.
    pub keyword: &'static str,
    /// The sentence, on one line.
    pub sentence: String,
    /// The number of the section that holds it, such as `7.2`.
    pub section: String,
    /// The title of that section.
    pub title: String,
    /// The file, counted from the root of the repository.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

impl Requirement {
    /// The digest of the sentence, 64 hex digits.
    #[must_use]
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(self.sentence.as_bytes()))
    }

    /// The number of the chapter.
    #[must_use]
    pub fn chapter(&self) -> &str {
        self.section.split('.').next().unwrap_or(&self.section)
    }
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(digit)
        .collect()
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

/// Whom a requirement binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A program that starts and supervises modules.
    Orchestrator,
    /// A program that is started by an orchestrator.
    Module,
    /// A program around the two, such as a conformance tool.
    Tool,
}

impl Subject {
    /// The subject's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Orchestrator => "orchestrator",
            Self::Module => "module",
            Self::Tool => "tool",
        }
    }

    /// The classes in which a requirement on this subject can bind.
    #[must_use]
    pub fn classes(self) -> &'static [&'static str] {
        match self {
            Self::Orchestrator => &[
                "minimal",
                "core",
                "full",
                "pid1",
                "rootless",
                "resource-control",
                "sandbox",
                "switching",
            ],
            Self::Module => &["level-0", "level-1", "level-2", "provider", "sidecar"],
            Self::Tool => &["tool"],
        }
    }
}

impl FromStr for Subject {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "orchestrator" => Ok(Self::Orchestrator),
            "module" => Ok(Self::Module),
            "tool" => Ok(Self::Tool),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How strongly a requirement binds: MUST covers MUST NOT, SHALL and REQUIRED, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// An absolute requirement or prohibition.
    Must,
    /// A recommendation.
    Should,
    /// Truly optional.
    May,
}

impl Level {
    /// The name of the level.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        }
    }
}

impl FromStr for Level {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "MUST" => Ok(Self::Must),
            "SHOULD" => Ok(Self::Should),
            "MAY" => Ok(Self::May),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The keywords of RFC 2119, longer ones first so that `MUST NOT` is not read as `MUST`.
pub(crate) const KEYWORDS: [(&str, Level); 11] = [
    ("MUST NOT", Level::Must),
    ("SHALL NOT", Level::Must),
    ("SHOULD NOT", Level::Should),
    ("NOT RECOMMENDED", Level::Should),
    ("MUST", Level::Must),
    ("SHALL", Level::Must),
    ("SHOULD", Level::Should),
    ("REQUIRED", Level::Must),
    ("RECOMMENDED", Level::Should),
    ("MAY", Level::May),
    ("OPTIONAL", Level::May),
];
