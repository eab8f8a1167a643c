//! How the program speaks: results on standard output, troubles on standard error, both ending quietly when
//! nobody listens.

use std::fmt;
use std::io::Write;

use super::exit;

/// A trouble in plain words, and the exit code it leads to.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) code: u8,
    pub(super) text: String,
    /// What to do about it.
    pub(super) help: Option<String>,
}

impl Trouble {
    pub(super) fn new(code: u8, text: impl fmt::Display) -> Self {
        Self {
            code,
            text: text.to_string(),
            help: None,
        }
    }

    pub(super) fn help(mut self, help: impl fmt::Display) -> Self {
        self.help = Some(help.to_string());
        self
    }

    pub(super) fn internal(text: impl fmt::Display) -> Self {
        Self::new(exit::INTERNAL, text)
    }

    pub(super) fn say(&self) {
        let mut err = anstream::stderr();
        let _ = writeln!(err, "partenza: {}", self.text);
        if let Some(help) = &self.help {
            let _ = writeln!(err, "  help: {help}");
        }
    }
}

/// What a command comes to: an exit code, or a trouble to be told.
pub(super) type Outcome = Result<u8, Trouble>;

/// Prints a line; the answer is whether somebody still reads.
pub(super) fn print(line: impl fmt::Display) -> bool {
    let mut out = anstream::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// Prints a line on standard error.
pub(super) fn complain(line: impl fmt::Display) {
    let _ = writeln!(anstream::stderr(), "{line}");
}
