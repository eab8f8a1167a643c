//! The monitors: what has to hold in every case, whatever the case is about.
//!
//! Each monitor looks at the whole trace of a case and at what was found at its end, and comes to one verdict. They are
//! checks of the built-in suite `monitor`; a run reports each once, summed up over its cases. A monitor tells
//! the orchestrator's fault from the harness's own: a mock that follows the contract and still breaks it is ours.

mod end;
mod events;
mod order;
mod schema;

use partenza_reports::log::{Blame, Outcome};

use super::trace::Entry;
use super::view::Keys;
use crate::engine::Aftermath;
use crate::suite::Case;

/// A check that runs in every case.
#[derive(Debug)]
pub struct Monitor {
    /// Its full id.
    pub check: &'static str,
    /// The requirements that it shows.
    pub shows: &'static [&'static str],
    /// One sentence for people.
    pub about: &'static str,
    /// What has to be seen.
    pub expected: &'static str,
    judge: fn(&Material<'_>) -> Option<Found>,
}

/// What monitors look at.
pub(crate) struct Material<'a> {
    pub(crate) case: &'a Case,
    pub(crate) trace: &'a [Entry],
    pub(crate) keys: &'a Keys,
    pub(crate) proc_texts: &'a [(String, String)],
    pub(crate) aftermath: &'a Aftermath,
}

/// What a monitor found: nothing wrong, or the first thing that is.
pub(crate) struct Found {
    outcome: Outcome,
    blame: Option<Blame>,
    actual: String,
    detail: Option<String>,
    evidence: Vec<usize>,
}

impl Found {
    fn good(actual: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Pass,
            blame: None,
            actual: actual.into(),
            detail: None,
            evidence: Vec::new(),
        }
    }

    fn bad(actual: impl Into<String>, evidence: impl IntoIterator<Item = usize>) -> Self {
        Self {
            outcome: Outcome::Fail,
            blame: Some(Blame::Subject),
            actual: actual.into(),
            detail: None,
            evidence: evidence.into_iter().collect(),
        }
    }

    fn ours(actual: impl Into<String>, evidence: impl IntoIterator<Item = usize>) -> Self {
        Self {
            outcome: Outcome::HarnessError,
            blame: Some(Blame::Harness),
            ..Self::bad(actual, evidence)
        }
    }

    fn saying(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// What a monitor came to in one case.
pub(crate) struct Verdict {
    pub(crate) monitor: &'static Monitor,
    pub(crate) outcome: Outcome,
    pub(crate) blame: Option<Blame>,
    pub(crate) actual: String,
    pub(crate) detail: Option<String>,
    pub(crate) evidence: Vec<usize>,
}

/// Every monitor.
pub fn catalogue() -> &'static [Monitor] {
    &CATALOGUE
}

/// Has every monitor judge a case; those that have nothing to judge by are left out.
pub(crate) fn judge_all(material: &Material<'_>) -> Vec<Verdict> {
    let judge = |monitor: &'static Monitor| {
        let found = (monitor.judge)(material)?;
        let Found {
            outcome,
            blame,
            actual,
            detail,
            evidence,
        } = found;
        Some(Verdict {
            monitor,
            outcome,
            blame,
            actual,
            detail,
            evidence,
        })
    };
    CATALOGUE.iter().filter_map(judge).collect()
}

static CATALOGUE: [Monitor; 8] = [
    Monitor {
        check: "monitor/every-case/wire-schema",
        shows: &[
            "wire.one-object-per-line",
            "wire.json-rpc-version",
            "wire.object-params",
            "wire.integer-ids",
            "wire.compact",
            "wire.utf8",
        ],
        about: "Every line that the orchestrator sends to a module is a message of the published schema.",
        expected: "every line is compact UTF-8 JSON that the schema of its message accepts",
        judge: schema::judge,
    },
    Monitor {
        check: "monitor/every-case/wire-order",
        shows: &[
            "handshake.hello-first",
            "handshake.live-after-proof",
            "wire.unique-ids",
        ],
        about: "On every connection the messages come in the order of the contract.",
        expected: "hello, prove, live, and only then anything else; no id used twice at a time",
        judge: order::judge,
    },
    Monitor {
        check: "monitor/every-case/state-table",
        shows: &["lifecycle.states-only-by-table"],
        about: "Every change of state is a row of the state table.",
        expected: "each state event leads along a row of spec/states.yaml and begins where the last one ended",
        judge: events::state_table,
    },
    Monitor {
        check: "monitor/every-case/event-sequence",
        shows: &["control.events-sequence"],
        about: "Events are numbered from 1 without a gap.",
        expected: "seq 1, 2, 3 and so on",
        judge: events::sequence,
    },
    Monitor {
        check: "monitor/every-case/no-process-left",
        shows: &["role.shutdown-leaves-no-process"],
        about: "When the orchestrator has ended in order, no process of a module is left.",
        expected: "it ends on SIGTERM, and no process remains",
        judge: end::no_process_left,
    },
    Monitor {
        check: "monitor/every-case/no-file-left",
        shows: &["control.socket-removed"],
        about: "When the orchestrator has ended in order, its sockets are gone.",
        expected: "no socket remains in the runtime directory",
        judge: end::no_file_left,
    },
    Monitor {
        check: "monitor/every-case/secret-hidden",
        shows: &[
            "secret.not-in-environment",
            "secret.not-in-argv",
            "secret.not-in-logs",
            "secret.not-in-status",
            "secret.not-in-files",
        ],
        about: "No launch secret shows in output, status, events, files, command lines or environments.",
        expected: "no launch secret, as digits or as bytes, anywhere but in its pipe",
        judge: end::secret_hidden,
    },
    Monitor {
        check: "monitor/every-case/status-file-agrees",
        shows: &["control.status-files"],
        about: "The status file of each module holds the object that the status reply holds.",
        expected: "status/ID.json equals the module's object in the status reply",
        judge: end::status_file_agrees,
    },
];
