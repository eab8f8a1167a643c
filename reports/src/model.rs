//! A run as read back from its event log.
//!
//! Owns the reading of the log, with the line of each error, and the questions that several reports ask. Refuses to
//! judge; that is [`crate::verdict`].

use std::collections::BTreeMap;
use std::io::BufRead;

use serde_json::Value;

use crate::log::{
    CaseEndRecord, CheckRecord, FORMAT, Outcome, Record, RequirementRecord, RunEndRecord, RunRecord, Status,
    TraceRecord, Verdict,
};
use crate::verdict;

/// A whole run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Who judged whom, with what.
    pub run: RunRecord,
    /// The requirements of the edition.
    pub requirements: Vec<RequirementRecord>,
    /// The checks, in the order in which they reported.
    pub checks: Vec<CheckRecord>,
    /// What was observed, by case.
    pub traces: BTreeMap<String, Vec<TraceRecord>>,
    /// How long the cases took, by case.
    pub cases: BTreeMap<String, CaseEndRecord>,
    /// How the run ended; nothing when the log was cut off.
    pub end: Option<RunEndRecord>,
}

/// How a report is to be made; what the log itself does not hold.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether a SHOULD that failed is red.
    pub strict: bool,
    /// Checks that a baseline excuses, each with the reason.
    pub excused: BTreeMap<String, String>,
    /// What to type before `--filter` to run one check alone; nothing leaves the hint out.
    pub rerun: Option<String>,
    /// Whether the terminal summary may use colours.
    pub colour: bool,
}

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file itself.
    #[error("line {line}: {source}")]
    Io {
        /// The line, from 1.
        line: usize,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line is not a record.
    #[error("line {line}: not a record of an event log: {source}")]
    Record {
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The records do not make up a run.
    #[error("line {line}: {message}")]
    Order {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

/// What a run says about one requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// All its checks that ran passed, and at least one ran.
    Shown,
    /// A check failed.
    Violated,
    /// No check failed, and at least one came to no result where one was due.
    Open,
    /// No check ran, because of the claims, the machine or the filter.
    NotJudged,
    /// It cannot be observed.
    Untestable,
    /// There is no check yet.
    Todo,
}

impl Standing {
    /// Every standing, in the order in which reports list them.
    pub const ALL: [Self; 6] = [
        Self::Shown,
        Self::Violated,
        Self::Open,
        Self::NotJudged,
        Self::Untestable,
        Self::Todo,
    ];

    /// The standing's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::Violated => "violated",
            Self::Open => "open",
            Self::NotJudged => "not-judged",
            Self::Untestable => "untestable",
            Self::Todo => "todo",
        }
    }
}

impl Report {
    /// Reads an event log.
    ///
    /// # Errors
    /// The first line that cannot be read, or that is not where it belongs.
    pub fn read(reader: impl BufRead) -> Result<Self, ReadError> {
        let mut report = Self::default();
        for (at, text) in reader.lines().enumerate() {
            let line = at + 1;
            let text = text.map_err(|source| ReadError::Io { line, source })?;
            if text.is_empty() {
                continue;
            }
            let record: Record =
                serde_json::from_str(&text).map_err(|source| ReadError::Record { line, source })?;
            report
                .push(record)
                .map_err(|message| ReadError::Order { line, message })?;
        }
        if report.run.format == 0 {
            let message = "the log does not begin with a `run` record".to_owned();
            return Err(ReadError::Order { line: 1, message });
        }
        Ok(report)
    }

    /// Takes the next record of a log.
    ///
    /// # Errors
    /// When the record is not where it belongs.
    pub fn push(&mut self, record: Record) -> Result<(), String> {
        if (self.run.format == 0) != matches!(record, Record::Run(_)) {
            return Err("a log begins with one `run` record".to_owned());
        }
        if self.end.is_some() {
            return Err("a record after `run-end`".to_owned());
        }
        match record {
            Record::Run(run) if run.format != FORMAT => {
                return Err(format!(
                    "format {} of the log is not known; this program reads {FORMAT}",
                    run.format
                ));
            }
            Record::Run(run) => self.run = *run,
            Record::Requirement(requirement) => self.requirements.push(requirement),
            Record::CaseStart(_) => {}
            Record::Trace(trace) => self.traces.entry(trace.case.clone()).or_default().push(trace),
            Record::Check(check) => {
                if self.checks.iter().any(|known| known.check == check.check) {
                    return Err(format!("`{}` reports for the second time", check.check));
                }
                self.checks.push(check);
            }
            Record::CaseEnd(end) => {
                self.cases.insert(end.case.clone(), end);
            }
            Record::RunEnd(end) => self.end = Some(end),
        }
        Ok(())
    }

    /// The verdict, by the one rule.
    #[must_use]
    pub fn verdict(&self, strict: bool) -> Verdict {
        verdict::judge(&self.checks, strict)
    }

    /// The requirement of an id.
    #[must_use]
    pub fn requirement(&self, id: &str) -> Option<&RequirementRecord> {
        self.requirements.iter().find(|requirement| requirement.id == id)
    }

    /// The checks that show a requirement.
    pub fn checks_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a CheckRecord> {
        self.checks
            .iter()
            .filter(move |check| check.requirements.iter().any(|shown| shown == id))
    }

    /// What the run says about a requirement.
    #[must_use]
    pub fn standing(&self, requirement: &RequirementRecord) -> Standing {
        match requirement.status {
            Status::Untestable => return Standing::Untestable,
            Status::Todo => return Standing::Todo,
            Status::Checked => {}
        }
        let mut standing = Standing::NotJudged;
        for check in self.checks_of(&requirement.id) {
            standing = match (standing, check.outcome) {
                (_, Outcome::Fail) | (Standing::Violated, _) => Standing::Violated,
                (Standing::Open, _) => Standing::Open,
                (_, outcome) if outcome.is_inconclusive() => Standing::Open,
                (_, Outcome::Pass) => Standing::Shown,
                (before, _) => before,
            };
        }
        standing
    }

    /// What the harness itself cost: the time of all cases beyond the waits that they could not avoid, in parts of those
    /// waits. Nothing when nothing was waited for.
    #[must_use]
    pub fn overhead(&self) -> Option<f64> {
        let necessary: u64 = self.cases.values().map(|case| case.necessary_wait_us).sum();
        let total: u64 = self.cases.values().map(|case| case.duration_us).sum();
        (necessary > 0).then(|| total.saturating_sub(necessary) as f64 / necessary as f64)
    }

    /// What was observed in a case, one line for each record; `evidence` is marked.
    #[must_use]
    pub fn transcript(&self, case: &str, evidence: &[u64]) -> Vec<String> {
        let records = self.traces.get(case).map_or(&[][..], Vec::as_slice);
        let line = |(number, trace): (usize, &TraceRecord)| {
            let mark = if evidence.contains(&(number as u64)) {
                '>'
            } else {
                ' '
            };
            format!("{mark} {}", trace_line(trace))
        };
        records.iter().enumerate().map(line).collect()
    }
}

/// One trace record as one line of text.
#[must_use]
pub fn trace_line(trace: &TraceRecord) -> String {
    let seconds = trace.t_us / 1_000_000;
    let micros = trace.t_us % 1_000_000;
    let data = match &trace.data {
        Value::Null => String::new(),
        Value::String(text) => text.trim_end_matches('\n').to_owned(),
        // A line of the wire says everything that the harness noted beside it.
        other => match other.get("line").and_then(Value::as_str) {
            Some(line) => line.trim_end_matches('\n').to_owned(),
            None => other.to_string(),
        },
    };
    format!("{seconds:3}.{micros:06} {} {} {data}", trace.actor, trace.kind)
        .trim_end()
        .to_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_log_is_read_back_as_it_was_written() {
        let log = sample::log();
        let report = Report::read(log.as_bytes()).unwrap();
        assert_eq!(report, sample::report());
    }

    #[test]
    fn errors_name_their_line() {
        let log = sample::log();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len() - 1];
        let check = lines
            .iter()
            .position(|line| line.contains("\"type\":\"check\""))
            .unwrap();
        for (text, expected) in [
            (
                format!("{}\n{{\n", lines[0]),
                "line 2: not a record of an event log",
            ),
            (
                format!("{}\n{{\"type\":\"news\"}}\n", lines[0]),
                "line 2: not a record",
            ),
            (
                format!("{}\n", lines[1]),
                "line 1: a log begins with one `run` record",
            ),
            (
                format!("{}\n{}\n", lines[0], lines[0]),
                "line 2: a log begins with one",
            ),
            (
                format!("{}\n{last}\n{last}\n", lines[0]),
                "line 3: a record after `run-end`",
            ),
            (
                format!("{}\n{}\n{}\n", lines[0], lines[check], lines[check]),
                "line 3: `",
            ),
            (
                lines[0].replace("\"format\":1", "\"format\":2"),
                "line 1: format 2 of the log is not known",
            ),
            (String::new(), "line 1: the log does not begin"),
        ] {
            let error = Report::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn requirements_get_their_standing() {
        let report = sample::report();
        let standing = |id: &str| report.standing(report.requirement(id).unwrap()).as_str();
        assert_eq!(standing("handshake.module-proof-verified"), "violated");
        assert_eq!(standing("handshake.bad-proof-ends-group"), "shown");
        assert_eq!(standing("stop.reverse-order"), "open");
        assert_eq!(standing("role.reaps-children"), "not-judged");
        assert_eq!(standing("handshake.constant-time"), "untestable");
        assert_eq!(standing("sidecar.lifetime"), "todo");
    }
}
