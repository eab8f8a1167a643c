//! Says on a terminal what runs at the moment; says nothing anywhere else.
//!
//! Owns the one line that moves. Nothing in a report depends on it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{IsTerminal as _, stderr};

use indicatif::{ProgressBar, ProgressStyle};

/// A line with the number of cases that are done and the names of those that run.
pub struct Progress {
    bar: ProgressBar,
    running: RefCell<BTreeSet<String>>,
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
        self.running.borrow_mut().insert(name.to_owned());
        self.show();
    }

    /// This one is done.
    pub fn end(&self, name: &str) {
        self.running.borrow_mut().remove(name);
        self.bar.inc(1);
        self.show();
    }

    /// Everything is done; the line disappears.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self) {
        let running = self.running.borrow();
        let names: Vec<&str> = running.iter().map(String::as_str).collect();
        self.bar.set_message(names.join(", "));
    }
}
