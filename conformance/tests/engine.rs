//! The engine against a small orchestrator of our own, so that neither depends on the reference.
//!
//! The right one has to be found right, and each wrong one wrong at the very check that is about its fault. Needs `python3`,
//! which the fake orchestrator is written for.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop at that very line"
)]

use std::collections::BTreeMap;
use std::path::Path;

use partenza_conformance::engine::{CaseReport, EngineOptions, run_case};
use partenza_conformance::suite::Library;
use partenza_conformance::target::{TargetFile, become_subreaper};
use partenza_probe::proc;
use partenza_reports::log::{Blame, CheckRecord, Outcome, Record};

const SUITE: &str = r#"
suite: engine
about: Enough of everything to see the engine work.
cases:
  - id: trust
    needs: [core]
    control: honest
    modules:
      honest: { follows: contract }
      liar: { follows: contract, except: { prove: { mac: random } } }
    steps:
      - boot
      - together: [{ honest: reaches ready }, { liar: sent prove }]
      - control: { method: restart, params: { module: honest } }
      - honest: reaches ready again
      - control: { method: no-such-method, as: wrong }
    checks:
      - { id: auth, shows: a.a, that: { liar: { state: failed, reason: auth } }, within: 1s }
      - { id: ended, shows: a.a, that: { liar: { processes: none } }, within: 1s }
      - { id: proof, shows: a.a, that: { honest: { proof: correct, generation: 2 } } }
      - { id: keys, shows: a.a, that: { distinct: { of: honest, key: true } } }
      - { id: never-ready, shows: a.a, that: { never-event: { type: state, module: liar, to: ready } } }
      - { id: order, shows: a.a, that: { order: [honest received hello, honest received live, honest reaches ready] } }
      - { id: once, shows: a.a, that: { liar: { launches: 1 } }, until: honest launched 2 times }
      - { id: socket, shows: a.a, that: { path: { at: "{runtime}/control.sock", kind: socket } } }
      - { id: error, shows: a.a, that: { reply: { of: wrong, error: { /code: -32601 } } } }
      - { id: digest, shows: a.a, that: { honest: { received: hello, where: { /params/manifest: { file-digest: honest.yaml } } } } }
      - { id: refuted, shows: a.a, that: { honest: { generation: 7 } }, within: 100ms }
      - { id: too-late, shows: a.a, that: { honest: { launches: 2 } }, until: liar reaches ready, within: 100ms }
      - { id: contradicted, shows: a.a, that: { never: "honest launched #2" }, until: liar reaches ready }
  - id: step-that-fails
    needs: [core]
    modules:
      mute: { follows: contract, except: { ready: never } }
      honest: { follows: contract }
    steps:
      - boot
      - honest: reaches ready
      - mute: reaches ready
        within: 200ms
    checks:
      - { id: seen-before, shows: a.a, that: { honest: { received: live } } }
      - { id: unknown, shows: a.a, that: { mute: { state: ready } } }
      - { id: absence, shows: a.a, that: { mute: { never-received: shutdown } }, control: honest }
      - { id: denied, shows: a.a, that: { never: honest launched }, until: mute reaches ready, control: honest }
  - id: refused
    needs: [core]
    modules:
      honest: { follows: contract }
    steps:
      - boot: refused
        within: 300ms
    checks:
      - { id: exit-status, shows: a.a, that: { boot: { exit: 2 } }, within: 100ms, control: shutdown/asked-first }
      - { id: launches-nothing, shows: a.a, that: { honest: { launches: 0 } }, until: orchestrator exited, within: 100ms, control: shutdown/asked-first }
  - id: shutdown
    needs: [core]
    modules:
      honest: { follows: contract }
    steps:
      - boot
      - honest: reaches ready
      - orchestrator: { signal: TERM }
      - orchestrator: exits
    checks:
      - { id: asked-first, shows: a.a, that: { order: [orchestrator signalled TERM, honest received shutdown, honest exited, orchestrator exited] } }
      - { id: zero, shows: a.a, that: { orchestrator: { exit: 0 } } }
      - { id: empty, shows: a.a, that: { honest: { processes: none } }, control: honest }
      - { id: socket-gone, shows: a.a, that: { path: { at: "{runtime}/control.sock", exists: false } }, control: honest }
"#;

fn options() -> EngineOptions {
    let mut options = EngineOptions::new(
        env!("CARGO_BIN_EXE_partenza-conformance").into(),
        vec!["mock".to_owned()],
    );
    // A machine that builds at the same time is slow, and only what fails has to wait for its deadline.
    options.time_scale = 2.0;
    options
}

fn target(fault: &str) -> TargetFile {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fake_orchestrator.py");
    let text = format!(
        "name: fake\nversion: '0.1.0'\nrole: orchestrator\ncontrol: '{{runtime}}/control.sock'\n\
         claims: {{class: core}}\ncommand: [python3, {}, --modules, '{{config}}', --runtime, '{{runtime}}', --fault, '{fault}']\n",
        program.display()
    );
    TargetFile::parse("fake.yaml", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn library() -> Library {
    Library::from_texts(&[("suites/engine.yaml", SUITE)], None).unwrap_or_else(|errors| {
        panic!(
            "{}",
            errors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        )
    })
}

/// Plays the cases side by side on one thread, as a run does.
fn play(fault: &str, only: &[&str]) -> BTreeMap<String, CaseReport> {
    become_subreaper().unwrap();
    let library = library();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (target, options) = (target(fault), options());
    let mut reports = BTreeMap::new();
    runtime.block_on(async {
        let play = async |id: &str| {
            let placed = library.cases().find(|placed| placed.case.id == id).unwrap();
            let mut traces = 0;
            let mut sink = |record: Record| traces += u64::from(matches!(record, Record::Trace(_)));
            let report = run_case(placed.case, &target, &options, &mut sink).await;
            for record in report.checks.iter().chain(&report.monitors) {
                assert!(
                    record.evidence.iter().all(|at| *at < traces),
                    "{record:?} beyond {traces}"
                );
            }
            report
        };
        match only {
            [one] => {
                reports.insert((*one).to_owned(), play(one).await);
            }
            _ => {
                let (a, b, c) = tokio::join!(play("trust"), play("step-that-fails"), play("shutdown"));
                reports.extend([
                    ("trust".into(), a),
                    ("step-that-fails".into(), b),
                    ("shutdown".into(), c),
                ]);
            }
        }
    });
    reports
}

fn outcomes(records: &[CheckRecord]) -> BTreeMap<&str, Outcome> {
    records
        .iter()
        .map(|record| (record.check.rsplit('/').next().unwrap(), record.outcome))
        .collect()
}

fn describe(records: &[CheckRecord]) -> String {
    let line = |r: &CheckRecord| {
        format!(
            "{} {}: {:?} / {:?} / {:?}",
            r.outcome, r.check, r.expected, r.actual, r.detail
        )
    };
    records.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_right_orchestrator_is_found_right() {
    let reports = play("", &[]);
    let trust = &reports["trust"];
    assert_eq!(trust.target_cannot_run, None);
    for (check, outcome) in outcomes(&trust.checks) {
        let expected = match check {
            // What contradicts a claim counts, whether the end of the wait comes or not.
            "refuted" | "contradicted" => Outcome::Fail,
            "too-late" => Outcome::PrerequisiteFailed,
            _ => Outcome::Pass,
        };
        assert_eq!(outcome, expected, "{check}\n{}", describe(&trust.checks));
    }
    for report in reports.values() {
        assert!(
            report.monitors.iter().all(|r| r.outcome == Outcome::Pass),
            "{}",
            describe(&report.monitors)
        );
    }
    assert_eq!(trust.monitors.len(), 8, "{}", describe(&trust.monitors));

    let failed = outcomes(&reports["step-that-fails"].checks);
    assert_eq!(failed["seen-before"], Outcome::Pass);
    assert_eq!(failed["unknown"], Outcome::PrerequisiteFailed);
    assert_eq!(failed["absence"], Outcome::PrerequisiteFailed);
    assert_eq!(failed["denied"], Outcome::Fail);
    assert!(reports["step-that-fails"].missed_deadline);

    let shutdown = &reports["shutdown"].checks;
    assert!(
        shutdown.iter().all(|r| r.outcome == Outcome::Pass),
        "{}",
        describe(shutdown)
    );
}

#[test]
fn an_orchestrator_that_trusts_everybody_is_found_wrong() {
    let reports = play("trusting", &["trust"]);
    let found = outcomes(&reports["trust"].checks);
    for check in ["auth", "ended", "never-ready"] {
        assert_eq!(
            found[check],
            Outcome::Fail,
            "{}",
            describe(&reports["trust"].checks)
        );
    }
    assert_eq!(found["proof"], Outcome::Pass);
}

#[test]
fn an_orchestrator_that_prints_secrets_is_found_wrong() {
    let reports = play("talkative", &["shutdown"]);
    let found = outcomes(&reports["shutdown"].monitors);
    assert_eq!(
        found["secret-hidden"],
        Outcome::Fail,
        "{}",
        describe(&reports["shutdown"].monitors)
    );
    assert_eq!(found["wire-order"], Outcome::Pass);
}

#[test]
fn whoever_boots_what_it_should_refuse_fails_the_check_and_not_the_step() {
    let refusing = play("refusing", &["refused"]);
    assert!(
        refusing["refused"]
            .checks
            .iter()
            .all(|r| r.outcome == Outcome::Pass),
        "{}",
        describe(&refusing["refused"].checks)
    );
    let booting = &play("", &["refused"])["refused"];
    let found = outcomes(&booting.checks);
    assert_eq!(
        found["exit-status"],
        Outcome::Fail,
        "{}",
        describe(&booting.checks)
    );
    assert_eq!(found["launches-nothing"], Outcome::Fail);
    assert!(booting.checks.iter().all(|r| r.blame == Some(Blame::Subject)));
}

#[test]
fn what_stays_behind_is_reported_and_ended() {
    let report = &play("littering", &["shutdown"])["shutdown"];
    let left = report
        .monitors
        .iter()
        .find(|r| r.check.ends_with("no-process-left"))
        .unwrap();
    assert_eq!(left.outcome, Outcome::Fail, "{}", describe(&report.monitors));
    assert_eq!(left.blame, Some(Blame::Subject));
    assert!(left.actual.as_ref().unwrap().contains("sleep 86399"), "{left:?}");
    let lives = |p: &proc::Process| p.is_alive() && proc::cmdline(p.pid) == ["sleep", "86399"];
    assert!(!proc::processes().unwrap().iter().any(lives), "it was not ended");
}

#[test]
fn a_target_that_is_not_there_cannot_run() {
    become_subreaper().unwrap();
    let library = library();
    let text = "name: none\nversion: '1'\nrole: orchestrator\ncontrol: '{runtime}/c'\nclaims: {class: core}\ncommand: [/no/such/program]\n";
    let target = TargetFile::parse("none.yaml", text).unwrap_or_else(|error| panic!("{error}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let placed = library.cases().next().unwrap();
    let report = runtime.block_on(run_case(placed.case, &target, &options(), &mut |_| {}));
    assert!(report.target_cannot_run.unwrap().contains("/no/such/program"));
    assert!(
        report
            .checks
            .iter()
            .all(|record| record.outcome == Outcome::PrerequisiteFailed)
    );
}
