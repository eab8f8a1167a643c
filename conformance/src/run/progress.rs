//! Says on a terminal what runs at the moment and what it waits for; says nothing anywhere else.
//!
//! Owns the one line that moves. Nothing in a report depends on it.

use std::cell::RefCell;
use std::io::{IsTerminal as _, stderr};

use indicatif::{ProgressBar, ProgressStyle};

/// A line with the number of cases that are done, and the case that has run longest with what it waits for.
pub struct Progress {
    bar: ProgressBar,
    /// What runs and what it waits for, in the order in which it was started.
    running: RefCell<Vec<(String, String)>>,
}

impl Progress {
    /// A line for `total` things; hidden unless standard error is a terminal and `wanted`.
    #[must_use]
    pub fn new(total: usize, wanted: bool) -> Self {
        let bar = if wanted && stderr().is_terminal() {
            ProgressBar::new(total as u64)
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} {pos}/{len} {wide_msg}") {
            bar.set_style(style);
        }
        Self {
            bar,
            running: RefCell::default(),
        }
    }

    /// This one runs now.
    pub fn start(&self, name: &str) {
        self.running.borrow_mut().push((name.to_owned(), String::new()));
        self.show();
    }

    /// This one waits for that now.
    pub fn wait(&self, name: &str, what: &str) {
        for (running, awaited) in &mut *self.running.borrow_mut() {
            if running == name {
                what.clone_into(awaited);
            }
        }
        self.show();
    }

    /// This one is done.
    pub fn end(&self, name: &str) {
        self.running.borrow_mut().retain(|(running, _)| running != name);
        self.bar.inc(1);
        self.show();
    }

    /// Everything is done; the line disappears.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self) {
        if !self.bar.is_hidden() {
            self.bar.set_message(line(&self.running.borrow()));
        }
    }
}

/// One line about all that runs: whoever has run longest is most probably what everybody waits for.
fn line(running: &[(String, String)]) -> String {
    let Some((name, awaited)) = running.first() else {
        return String::new();
    };
    let others = match running.len() - 1 {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    match awaited.as_str() {
        "" => format!("{name}{others}"),
        awaited => format!("{name}{others}: {awaited}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_about_who_has_run_longest() {
        let progress = Progress::new(3, false);
        let shown = || line(&progress.running.borrow());
        assert_eq!(shown(), "");
        progress.start("wire/long");
        assert_eq!(shown(), "wire/long");
        progress.wait("wire/long", "web: reaches ready");
        progress.start("wire/short");
        assert_eq!(shown(), "wire/long and 1 more: web: reaches ready");
        progress.end("wire/long");
        progress.wait("wire/long", "too late");
        assert_eq!(shown(), "wire/short");
    }
}
