//! What a predicate sees: the trace, and the few things that are looked up at the moment of judging.
//!
//! Looking up files and processes goes through closures that the engine gives, so that predicates are tested without a
//! running orchestrator.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::trace::Entry;

/// The launch secrets of a case, by module and generation, exactly as the pipe held them.
pub type Keys = BTreeMap<(String, u64), Vec<u8>>;

/// Everything that predicates may look at.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The trace, up to the moment of judging.
    pub trace: &'a [Entry],
    /// Only status replies from this position on count as the present.
    pub status_since: usize,
    /// The launch secrets.
    pub keys: &'a Keys,
    /// Replaces placeholders.
    pub expand: &'a dyn Fn(&str) -> String,
    /// What the orchestrator has printed so far.
    pub output: &'a dyn Fn() -> String,
    /// The living processes of a module, each on one line.
    pub processes: &'a dyn Fn(&str) -> Vec<String>,
    /// By how much deadlines are multiplied.
    pub time_scale: f64,
}

impl View<'_> {
    /// The same view, ending before position `end`.
    pub fn until(&self, end: usize) -> Self {
        Self {
            trace: &self.trace[..end.min(self.trace.len())],
            ..*self
        }
    }

    /// A path with its placeholders replaced.
    pub fn path(&self, text: &str) -> PathBuf {
        PathBuf::from((self.expand)(text))
    }
}

/// What judging a predicate came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The result.
    pub state: State,
    /// What was seen, on one line.
    pub actual: String,
    /// The positions in the trace that show it.
    pub evidence: Vec<usize>,
}

/// Whether a predicate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It holds.
    Holds,
    /// It does not hold, and may yet.
    NotYet,
    /// It does not hold and never will.
    Broken,
}

impl Finding {
    pub(crate) fn new(
        state: State,
        actual: impl Into<String>,
        evidence: impl IntoIterator<Item = usize>,
    ) -> Self {
        Self {
            state,
            actual: actual.into(),
            evidence: evidence.into_iter().collect(),
        }
    }

    pub(crate) fn holds(actual: impl Into<String>, evidence: impl IntoIterator<Item = usize>) -> Self {
        Self::new(State::Holds, actual, evidence)
    }

    pub(crate) fn not_yet(actual: impl Into<String>) -> Self {
        Self::new(State::NotYet, actual, [])
    }

    pub(crate) fn broken(actual: impl Into<String>, evidence: impl IntoIterator<Item = usize>) -> Self {
        Self::new(State::Broken, actual, evidence)
    }
}
