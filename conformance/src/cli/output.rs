//! How the program speaks: results on standard output, everything else on standard error.
//!
//! Owns the failure that ends a verb and the decision about colours.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use partenza_reports::text::visible;
use serde_json::Value;

use super::exit;
use crate::input_error::InputError;

/// Why a verb could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    /// What to tell the user; several paragraphs when there are several problems.
    pub(crate) messages: Vec<String>,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            messages: vec![message.into()],
        }
    }

    /// A fault of this program or its surroundings.
    pub(crate) fn harness(doing: &str, error: impl std::fmt::Display) -> Self {
        Self::new(exit::HARNESS, format!("failed to {doing}: {error}"))
    }

    /// Input files that are not right.
    pub(crate) fn input(errors: impl IntoIterator<Item = InputError>) -> Self {
        Self {
            code: exit::USAGE,
            messages: errors.into_iter().map(|error| error.to_string()).collect(),
        }
    }
}

/// Says on standard error why a verb failed.
pub(crate) fn complain(failure: &Failure) {
    for message in &failure.messages {
        for line in message.lines() {
            say(&visible(line));
        }
    }
}

/// Says something on standard error. Nobody may be listening, and that is no error.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Prints to standard output. A reader that has gone away, as `head` does, is no error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::harness("print", error)),
        _ => Ok(()),
    }
}

/// Prints JSON to standard output.
pub(crate) fn print_json(value: &Value) -> Result<(), Failure> {
    print(&format!("{value:#}\n"))
}

/// Whether standard output may be coloured: a terminal, and nobody who asks for none.
pub(crate) fn colour() -> bool {
    match anstream::AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => false,
        anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi => true,
        anstream::ColorChoice::Auto => io::stdout().is_terminal(),
    }
}

/// Writes a file, and makes its folder.
pub(crate) fn write(path: &Path, contents: &str) -> Result<(), Failure> {
    let failed = |error| Failure::harness(&format!("write {}", path.display()), error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, contents).map_err(failed)
}
