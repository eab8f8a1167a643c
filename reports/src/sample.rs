//! A run for the tests of this crate: one of everything, with hostile output in it.
//!
//! Owns nothing that ships.

use std::fmt::Write as _;

use serde_json::json;

use crate::log::{
    Blame, CaseEndRecord, CheckRecord, ClaimsRecord, DigestsRecord, FORMAT, Level, MachineRecord, Outcome,
    Program, Record, RequirementRecord, RunEndRecord, RunRecord, SelectionRecord, SpecRecord, Status,
    TargetRecord, TraceRecord, Verdict,
};
use crate::model::Report;
use crate::verdict;

/// What a hostile module prints.
pub(crate) const HOSTILE: &str = "\u{1b}[31m \0 ]]> \u{202e}<b>";

pub(crate) fn report() -> Report {
    let mut report = Report {
        run: RunRecord {
            format: FORMAT,
            harness: program("partenza-conformance", "0.1.0"),
            spec: SpecRecord {
                edition: "1.0".to_owned(),
            },
            target: TargetRecord {
                name: "acme".to_owned(),
                version: "2.1".to_owned(),
                claims: ClaimsRecord {
                    class: "core".to_owned(),
                    profiles: vec!["rootless".to_owned()],
                    extensions: vec![],
                },
                role: "orchestrator".to_owned(),
                command: vec!["acme".to_owned()],
            },
            seed: 7,
            jobs: 2,
            started_at: "2026-01-02T03:04:05Z".to_owned(),
            machine: MachineRecord {
                kernel: "Linux 6".to_owned(),
                cpus: 2,
                uid: 1000,
            },
            selection: SelectionRecord::default(),
            digests: DigestsRecord {
                suites: digest('a'),
                spec: digest('b'),
            },
        },
        requirements: requirements(),
        checks: checks(),
        ..Report::default()
    };
    let case = "handshake/module-proof";
    report.traces.insert(
        case.to_owned(),
        vec![
            trace(case, 1_000, "orchestrator", "launch", json!({"module": "liar"})),
            trace(
                case,
                2_500,
                "liar",
                "tx",
                json!("{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"mac\":\"00\"}}\n"),
            ),
            trace(case, 3_000, "liar", "output", json!(HOSTILE)),
        ],
    );
    let end = CaseEndRecord {
        case: case.to_owned(),
        duration_us: 250_000,
        necessary_wait_us: 240_000,
    };
    report.cases.insert(case.to_owned(), end);
    report.end = Some(RunEndRecord {
        verdict: Verdict::NonConformant,
        exit_code: 1,
        duration_us: 1_250_000,
        counts: verdict::counts(&report.checks),
    });
    report
}

/// The same run as the lines of its log.
pub(crate) fn log() -> String {
    let report = report();
    let mut records = vec![Record::Run(Box::new(report.run))];
    records.extend(report.requirements.into_iter().map(Record::Requirement));
    records.extend(report.traces.into_values().flatten().map(Record::Trace));
    records.extend(report.checks.into_iter().map(Record::Check));
    records.extend(report.cases.into_values().map(Record::CaseEnd));
    records.extend(report.end.map(Record::RunEnd));
    let mut text = String::new();
    for record in records {
        writeln!(text, "{}", json!(record)).expect("writing into a string cannot fail");
    }
    text
}

fn requirements() -> Vec<RequirementRecord> {
    let of =
        |id: &str, level, chapter: &str, status, reason: Option<&str>, sentence: &str| RequirementRecord {
            id: id.to_owned(),
            version: 1,
            level,
            subject: "orchestrator".to_owned(),
            class: "core".to_owned(),
            sentence: sentence.to_owned(),
            chapter: chapter.to_owned(),
            status,
            reason: reason.map(str::to_owned),
        };
    let checked = Status::Checked;
    vec![
        of(
            "role.reaps-children",
            Level::Must,
            "2.1",
            checked,
            None,
            "It MUST reap every process.",
        ),
        of(
            "stop.reverse-order",
            Level::Must,
            "4.1",
            checked,
            None,
            "A module MUST be asked to stop last.",
        ),
        of(
            "stop.independent-in-parallel",
            Level::Should,
            "4.1",
            checked,
            None,
            "It SHOULD stop them together.",
        ),
        of(
            "handshake.module-proof-verified",
            Level::Must,
            "7.2",
            checked,
            None,
            "An orchestrator MUST verify the proof of a module before it sends anything else to it.",
        ),
        of(
            "handshake.bad-proof-ends-group",
            Level::Must,
            "7.2",
            checked,
            None,
            "It MUST end the whole group.",
        ),
        of(
            "handshake.constant-time",
            Level::Must,
            "7.2",
            Status::Untestable,
            Some("not visible"),
            "It MUST be constant.",
        ),
        of(
            "sidecar.lifetime",
            Level::Must,
            "6.4",
            Status::Todo,
            Some("no text yet"),
            "A sidecar MUST live as long.",
        ),
    ]
}

fn checks() -> Vec<CheckRecord> {
    let case = "handshake/module-proof";
    let of = |case: &str, id: &str, shows: &str, level, outcome| CheckRecord {
        requirements: vec![shows.to_owned()],
        t_us: 3_500,
        ..CheckRecord::new(case, format!("{case}/{id}"), level, outcome)
    };
    let must = Level::Must;
    vec![
        of(
            case,
            "kills-the-whole-group",
            "handshake.bad-proof-ends-group",
            must,
            Outcome::Pass,
        ),
        CheckRecord {
            blame: Some(Blame::Subject),
            expected: Some("liar: state failed, reason auth".to_owned()),
            actual: Some(format!("liar: state ready {HOSTILE}")),
            detail: Some("seen in status".to_owned()),
            evidence: vec![1],
            attempts: 2,
            ..of(
                case,
                "rejects-random-mac",
                "handshake.module-proof-verified",
                must,
                Outcome::Fail,
            )
        },
        CheckRecord {
            blame: Some(Blame::Subject),
            expected: Some("a stops beside b".to_owned()),
            actual: Some("a waited for b".to_owned()),
            ..of(
                "stop/together",
                "no-waiting",
                "stop.independent-in-parallel",
                Level::Should,
                Outcome::Fail,
            )
        },
        CheckRecord {
            blame: Some(Blame::Harness),
            detail: Some("the check did not report".to_owned()),
            ..of(
                "stop/order",
                "reverse",
                "stop.reverse-order",
                must,
                Outcome::HarnessError,
            )
        },
        CheckRecord {
            detail: Some("the target does not claim `pid1`".to_owned()),
            ..of(
                "pid1/reaping",
                "reaps",
                "role.reaps-children",
                must,
                Outcome::NotClaimed,
            )
        },
    ]
}

fn trace(case: &str, t_us: u64, actor: &str, kind: &str, data: serde_json::Value) -> TraceRecord {
    TraceRecord {
        case: case.to_owned(),
        t_us,
        actor: actor.to_owned(),
        kind: kind.to_owned(),
        data,
    }
}

fn program(name: &str, version: &str) -> Program {
    Program {
        name: name.to_owned(),
        version: version.to_owned(),
    }
}

fn digest(digit: char) -> String {
    format!("sha256:{}", String::from(digit).repeat(64))
}
