//! The records of the event log: one JSON object per line, the truth of a run.
//!
//! Owns the shapes and their names (`spec/schemas/event-log.schema.json` says the same as data). Refuses to judge: what
//! a run means is decided in [`crate::verdict`], from these records alone.
//!
//! A run writes its records in this order: one `run`, one `requirement` for each requirement of the edition, then for
//! each case `case-start`, any number of `trace`, its `check` records and `case-end`; at last `run-end`. Cases run side
//! by side, so the records of several cases may interleave; each names its case.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the log's format that this crate writes and reads.
pub const FORMAT: u32 = 1;

/// One line of the event log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Record {
    /// Who judged whom, with what.
    Run(Box<RunRecord>),
    /// One requirement of the edition, and how the kit stands to it.
    Requirement(RequirementRecord),
    /// A case begins.
    CaseStart(CaseStartRecord),
    /// Something was observed.
    Trace(TraceRecord),
    /// A check reported.
    Check(CheckRecord),
    /// A case ended.
    CaseEnd(CaseEndRecord),
    /// The run ended.
    RunEnd(RunEndRecord),
}

/// Name and version of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The program's name.
    pub name: String,
    /// The program's version.
    pub version: String,
}

/// The head of a log: who judged whom, with what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`FORMAT`].
    pub format: u32,
    /// The judge.
    pub harness: Program,
    /// The specification it judged by.
    pub spec: SpecRecord,
    /// The judged.
    pub target: TargetRecord,
    /// The seed of the order in which the cases ran.
    pub seed: u64,
    /// How many cases ran side by side.
    pub jobs: u32,
    /// When the run began, RFC 3339.
    pub started_at: String,
    /// The machine.
    pub machine: MachineRecord,
    /// What was selected.
    pub selection: SelectionRecord,
    /// Digests of what judged.
    pub digests: DigestsRecord,
}

/// The edition of the specification.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecRecord {
    /// The edition's name.
    pub edition: String,
}

/// The judged, as its target file names it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetRecord {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it claims to conform to.
    pub claims: ClaimsRecord,
    /// `orchestrator` or `module`.
    pub role: String,
    /// The command that starts it, placeholders unexpanded.
    pub command: Vec<String>,
}

/// What a target claims.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimsRecord {
    /// `minimal`, `core` or `full`.
    pub class: String,
    /// The profiles on top of the class.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// The extensions.
    #[serde(default)]
    pub extensions: Vec<String>,
}

/// The machine of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineRecord {
    /// Kernel name and release.
    pub kernel: String,
    /// How many processors the harness may use.
    pub cpus: u32,
    /// The user who ran the harness.
    pub uid: u32,
}

/// The selection of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelectionRecord {
    /// The filters; none means that everything was selected.
    #[serde(default)]
    pub filter: Vec<String>,
}

/// Digests of what judged, `sha256:` and 64 hex digits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestsRecord {
    /// Over all suites.
    pub suites: String,
    /// Over the whole specification.
    pub spec: String,
}

/// One requirement of the edition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequirementRecord {
    /// Its permanent id.
    pub id: String,
    /// The version of its sentence.
    pub version: u32,
    /// How strongly it binds.
    pub level: Level,
    /// `orchestrator`, `module` or `tool`.
    pub subject: String,
    /// The class, level or profile that it belongs to.
    pub class: String,
    /// The sentence.
    pub sentence: String,
    /// The section that holds it, such as `7.2`.
    pub chapter: String,
    /// How the kit stands to it.
    pub status: Status,
    /// Why it is `untestable` or `todo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How the kit stands to a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// At least one check shows it.
    Checked,
    /// It cannot be observed from outside; the reason says why.
    Untestable,
    /// A check can exist and does not yet.
    Todo,
}

/// How strongly a requirement binds: MUST covers MUST NOT, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// An absolute requirement or prohibition.
    Must,
    /// A recommendation; missing it is a warning.
    Should,
    /// Truly optional.
    May,
}

impl Level {
    /// The keyword of the level.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        }
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A case begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseStartRecord {
    /// `suite/case`.
    pub case: String,
    /// The private directory of the case, when it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
}

/// Something was observed during a case. The number of a trace record, which evidence refers to, is its position among
/// the trace records of its case, from 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceRecord {
    /// `suite/case`.
    pub case: String,
    /// Microseconds since the case began.
    pub t_us: u64,
    /// Whose doing it was: a module of the case, `orchestrator`, `control` or `harness`.
    pub actor: String,
    /// What kind of thing: `rx`, `tx`, `event`, `launch`, `exit`, `signal`, `step`, `output`, ...
    pub kind: String,
    /// The thing itself; wire lines are text, with what is not UTF-8 replaced.
    #[serde(default)]
    pub data: Value,
}

/// A check reported. There is exactly one such record for each declared check of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckRecord {
    /// `suite/case` that the evidence belongs to. For a monitor that is red, the first case in which it was.
    pub case: String,
    /// The full id, `suite/case/check`.
    pub check: String,
    /// The ids of the requirements that it shows.
    pub requirements: Vec<String>,
    /// The strongest level among them.
    pub level: Level,
    /// What came out.
    pub outcome: Outcome,
    /// Whose fault it is, when the outcome is not `pass`.
    #[serde(default)]
    pub blame: Option<Blame>,
    /// What should have been seen, as one line of text.
    #[serde(default)]
    pub expected: Option<String>,
    /// What was seen instead, as one line of text.
    #[serde(default)]
    pub actual: Option<String>,
    /// Anything more that helps; the reason of a check that did not run.
    #[serde(default)]
    pub detail: Option<String>,
    /// Microseconds since the case began.
    #[serde(default)]
    pub t_us: u64,
    /// Numbers of the trace records (see [`TraceRecord`]) that show it.
    #[serde(default)]
    pub evidence: Vec<u64>,
    /// 2 when the check missed a deadline beside other cases and was run again alone; what is reported then is the
    /// second result.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub attempts: u32,
}

fn one() -> u32 {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_one(n: &u32) -> bool {
    *n == 1
}

impl CheckRecord {
    /// A record with the outcome, and everything else left open.
    #[must_use]
    pub fn new(case: impl Into<String>, check: impl Into<String>, level: Level, outcome: Outcome) -> Self {
        Self {
            case: case.into(),
            check: check.into(),
            requirements: Vec::new(),
            level,
            outcome,
            blame: None,
            expected: None,
            actual: None,
            detail: None,
            t_us: 0,
            evidence: Vec::new(),
            attempts: 1,
        }
    }

    /// The suite, from the check's id.
    #[must_use]
    pub fn suite(&self) -> &str {
        self.check.split('/').next().unwrap_or(&self.check)
    }
}

/// What came out of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The requirement was shown.
    Pass,
    /// The requirement was violated.
    Fail,
    /// The target does not claim what the check is about.
    NotClaimed,
    /// The check has no meaning for this target or machine.
    NotApplicable,
    /// A step before the check did not happen, so that nothing can be said.
    PrerequisiteFailed,
    /// The positive control of a rejection did not hold, so that the rejection proves nothing.
    Blocked,
    /// The user's filter left it out.
    Filtered,
    /// The machine does not let the check run.
    Environment,
    /// The harness is at fault; a declared check that did not report is one of these.
    HarnessError,
}

impl Outcome {
    /// Every outcome, in the order in which reports list them.
    pub const ALL: [Self; 9] = [
        Self::Pass,
        Self::Fail,
        Self::PrerequisiteFailed,
        Self::Blocked,
        Self::Environment,
        Self::HarnessError,
        Self::NotClaimed,
        Self::NotApplicable,
        Self::Filtered,
    ];

    /// The name that the log uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotClaimed => "not-claimed",
            Self::NotApplicable => "not-applicable",
            Self::PrerequisiteFailed => "prerequisite-failed",
            Self::Blocked => "blocked",
            Self::Filtered => "filtered",
            Self::Environment => "environment",
            Self::HarnessError => "harness-error",
        }
    }

    /// Whether the check was executed and came to a result about the target.
    #[must_use]
    pub fn is_executed(self) -> bool {
        matches!(self, Self::Pass | Self::Fail)
    }

    /// Whether the check should have come to a result and did not.
    #[must_use]
    pub fn is_inconclusive(self) -> bool {
        matches!(
            self,
            Self::PrerequisiteFailed | Self::Blocked | Self::Environment | Self::HarnessError
        )
    }

    /// Whether a reader has to look: a failure, or no result where one was due.
    #[must_use]
    pub fn is_red(self) -> bool {
        self == Self::Fail || self.is_inconclusive()
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose fault it is that a check is not green.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// The judged.
    Subject,
    /// The mock that stood opposite it.
    Counterpart,
    /// The judge.
    Harness,
    /// The machine.
    Environment,
}

impl Blame {
    /// The name that the log uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Counterpart => "counterpart",
            Self::Harness => "harness",
            Self::Environment => "environment",
        }
    }
}

impl std::fmt::Display for Blame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A case ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseEndRecord {
    /// `suite/case`.
    pub case: String,
    /// How long it took.
    pub duration_us: u64,
    /// How much of that was waiting that the case could not avoid: for the judged, or for a time of the specification.
    pub necessary_wait_us: u64,
}

/// The run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEndRecord {
    /// The verdict.
    pub verdict: Verdict,
    /// The exit code of the harness.
    pub exit_code: u8,
    /// How long the run took.
    pub duration_us: u64,
    /// How many checks had each outcome.
    pub counts: BTreeMap<Outcome, u64>,
}

/// What a run says about its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that binds was shown.
    Conformant,
    /// Something that binds was violated.
    NonConformant,
    /// Nothing was violated, and not everything could be shown.
    Incomplete,
}

impl Verdict {
    /// The name that the log uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conformant => "conformant",
            Self::NonConformant => "non-conformant",
            Self::Incomplete => "incomplete",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
