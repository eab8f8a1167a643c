//! One problem of the configuration, its place, and how it is shown (`config.location-reported`).
//!
//! It owns escaping: whatever a file holds, no control character and no bidirectional override reaches the terminal.

use std::fmt;

use super::yaml::Place;

/// How grave a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration is refused (exit status 2).
    Error,
    /// Worth knowing; nothing is refused.
    Warning,
}

/// One problem of the configuration, at its place. `Display` renders the form that `check` and `run` print:
/// `FILE:LINE:COLUMN: error[PZ101]: message`, then indented snippet and help lines; without a trailing LF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The code of the table of errors: `PZ101` (`errors.code-in-report`).
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// The file as it was given to [`load`](super::load).
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// One line, lower case.
    pub message: String,
    /// A further line: the nearest valid spelling, or what to do.
    pub help: Option<String>,
    /// The line of the file, without its LF, control characters escaped.
    pub snippet: Option<String>,
}

impl Diagnostic {
    /// An error without snippet and help.
    pub(crate) fn error(code: &'static str, file: &str, place: Place, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            file: file.to_owned(),
            line: place.line,
            column: place.column,
            message: escape(&message.into()),
            help: None,
            snippet: None,
        }
    }

    /// The same as a warning.
    pub(crate) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// With a help line.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(escape(&help.into()));
        self
    }

    /// Adds the line that it is about.
    pub(crate) fn set_snippet(&mut self, lines: &[&str]) {
        let line = lines.get(self.line.saturating_sub(1)).copied().unwrap_or("");
        let cropped: String = line.chars().take(SNIPPET_CHARS).collect();
        if !cropped.trim().is_empty() {
            self.snippet = Some(escape(&cropped));
        }
    }

    /// The diagnostic as JSON, for `check --json`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "code": self.code,
            "severity": match self.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "file": self.file, "line": self.line, "column": self.column,
            "message": self.message, "help": self.help,
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let Self {
            code,
            file,
            line,
            column,
            message,
            ..
        } = self;
        write!(out, "{file}:{line}:{column}: {word}[{code}]: {message}")?;
        if let Some(snippet) = &self.snippet {
            let number = line.to_string();
            let pad = " ".repeat(number.len());
            write!(out, "\n  {number} | {snippet}")?;
            if *column <= snippet.chars().count() + 1 {
                write!(out, "\n  {pad} | {}^", " ".repeat(column - 1))?;
            }
        }
        match &self.help {
            Some(help) => write!(out, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// Makes text harmless for a terminal: control characters and bidirectional controls become `\u{…}`.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        let bidi = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}');
        if character.is_control() || bidi {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// The nearest of `candidates`, when it is near enough to be meant (`config.unknown-key-suggests`).
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // The comparison is quadratic in the length of the word, which a peer chooses.
    let word: String = word
        .chars()
        .take(MAX_SUGGESTED_CHARS)
        .collect::<String>()
        .to_lowercase()
        .replace('-', "_");
    let limit = (word.chars().count() / 3).max(2);
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(&word, &c.replace('-', "_")), c))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

const SNIPPET_CHARS: usize = 200;
const MAX_SUGGESTED_CHARS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_is_shown_with_place_snippet_and_help() {
        let mut problem = Diagnostic::error(
            "PZ101",
            "m/web.yaml",
            Place { line: 2, column: 1 },
            "unknown key `entrypont`",
        )
        .help("did you mean `entrypoint`?");
        problem.set_snippet(&["id: web", "entrypont: /bin/\u{1b}[31m"]);
        assert_eq!(
            problem.to_string(),
            "m/web.yaml:2:1: error[PZ101]: unknown key `entrypont`\n  2 | entrypont: /bin/\\u{1b}[31m\n    | ^\n  help: did you mean `entrypoint`?"
        );
    }

    #[test]
    fn suggestions_are_near() {
        let keys = ["entrypoint", "environment", "restart", "id"];
        assert_eq!(nearest("entrypont", keys), Some("entrypoint"));
        assert_eq!(nearest("enviroment", keys), Some("environment"));
        assert_eq!(nearest("colour", keys), None);
    }
}
