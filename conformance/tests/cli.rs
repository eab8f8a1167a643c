//! The program as its users meet it: exit codes, messages and files, with small targets in sh.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use partenza_reports::log::Outcome;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use tempfile::TempDir;

const CONFORMANT: i32 = 0;
const USAGE: i32 = 2;
const INCOMPLETE: i32 = 3;
const BASELINE: i32 = 4;
const TARGET: i32 = 5;

/// A check that any conforming orchestrator of class minimal passes quickly.
const QUICK: &str = "lifecycle/sigint/sigint-begins-a-shutdown";

fn run(dir: &TempDir, words: &[&str]) -> Assert {
    Command::cargo_bin("partenza-conformance")
        .unwrap()
        .current_dir(dir)
        .args(words)
        .assert()
}

fn json(assert: &Assert) -> Value {
    serde_json::from_slice(&assert.get_output().stdout).unwrap()
}

/// A target file with this command; the claims are the smallest.
fn target(dir: &TempDir, command: &str) {
    let text = format!(
        "name: small\nversion: \"1\"\nrole: orchestrator\ncommand: {command}\nclaims: {{class: minimal}}\n"
    );
    fs::write(dir.path().join("target.yaml"), text).unwrap();
}

fn sibling_exists() -> bool {
    let exe = assert_cmd::cargo::cargo_bin("partenza-conformance");
    exe.parent()
        .is_some_and(|folder: &Path| folder.join("partenza").is_file())
}

#[test]
fn mistakes_on_the_command_line_are_usage() {
    let dir = TempDir::new().unwrap();
    for words in [
        &[][..],
        &["judge"][..],
        &["run", "--jobs", "0"][..],
        &["run", "--seed", "x"][..],
    ] {
        run(&dir, words).code(USAGE).stdout("");
    }
    run(&dir, &["--help"])
        .code(CONFORMANT)
        .stdout(contains("Exit status:").and(contains("70 the harness")));
    run(&dir, &["--version"])
        .code(CONFORMANT)
        .stdout(contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_bad_target_file_is_usage_with_its_place() {
    let dir = TempDir::new().unwrap();
    run(&dir, &["run", "--target", "absent.yaml"])
        .code(USAGE)
        .stderr(contains("absent.yaml"));
    for (text, expected) in [
        ("name: [\n", "target.yaml:"),
        (
            "name: x\nversion: \"1\"\nrole: orchestrator\ncommand: [x]\nclaims: {class: huge}\n",
            "target.yaml:5:",
        ),
        (
            "name: x\nversion: \"1\"\nrole: orchestrator\ncommnd: [x]\nclaims: {class: core}\n",
            "target.yaml:4:1",
        ),
        ("name: x\nname: y\n", "target.yaml:2:1"),
    ] {
        fs::write(dir.path().join("target.yaml"), text).unwrap();
        run(&dir, &["run", "--target", "target.yaml"])
            .code(USAGE)
            .stderr(contains(expected));
        run(&dir, &["doctor", "--target", "target.yaml"])
            .code(USAGE)
            .stderr(contains(expected));
    }
}

#[test]
fn a_fault_needs_a_target_that_can_have_one() {
    let dir = TempDir::new().unwrap();
    target(&dir, "[/bin/true]");
    run(&dir, &["run", "--target", "target.yaml", "--fault", "x"])
        .code(USAGE)
        .stderr(contains("{fault}"));
    run(&dir, &["kill-matrix", "--target", "target.yaml"])
        .code(USAGE)
        .stderr(contains("{fault}"));
    target(&dir, "[/bin/true, \"{fault}\"]");
    run(&dir, &["run", "--target", "target.yaml"])
        .code(USAGE)
        .stderr(contains("--fault"));
    let nonsense = [
        "kill-matrix",
        "--target",
        "target.yaml",
        "--fault",
        "no-such-fault",
    ];
    run(&dir, &nonsense)
        .code(USAGE)
        .stderr(contains("there is no fault `no-such-fault`"));
}

#[test]
fn a_filter_that_matches_nothing_is_incomplete() {
    let dir = TempDir::new().unwrap();
    target(&dir, "[/bin/true]");
    run(
        &dir,
        &["run", "--target", "target.yaml", "--filter", "no-such-check"],
    )
    .code(INCOMPLETE)
    .stdout(contains("INCOMPLETE").and(contains("No check was executed")))
    .stderr(contains("the filter no-such-check selects no check"));
    let junit = fs::read_to_string(dir.path().join("conformance-results/junit.xml")).unwrap();
    assert!(junit.contains("no check was executed"), "{junit}");
    run(&dir, &["list", "--filter", "no-such-check"])
        .code(INCOMPLETE)
        .stdout("");
}

#[test]
fn a_target_that_cannot_run_is_told_by_its_last_words() {
    let dir = TempDir::new().unwrap();
    for (command, expected) in [
        ("[/no/such/program]", "/no/such/program"),
        ("[/bin/sh, -c, \"echo out of luck >&2; exit 9\"]", "out of luck"),
        ("[/bin/sh, -c, \"echo goodbye; kill -SEGV $$\"]", "SIGSEGV"),
    ] {
        target(&dir, command);
        run(&dir, &["run", "--target", "target.yaml"])
            .code(TARGET)
            .stderr(contains("the target cannot be run").and(contains(expected)));
        run(&dir, &["doctor", "--target", "target.yaml"])
            .code(TARGET)
            .stdout(contains(expected));
    }
}

#[test]
fn coverage_says_where_every_requirement_stands() {
    let dir = TempDir::new().unwrap();
    let value = json(&run(&dir, &["coverage", "--json"]));
    let ids = |key: &str| {
        value[key]
            .as_array()
            .unwrap_or_else(|| panic!("no list `{key}`"))
            .clone()
    };
    let total = ids("checked").len() + ids("untestable").len() + ids("todo").len();
    assert_eq!(ids("requirements").len(), total);
    assert!(ids("requirements").iter().all(Value::is_string));
}

#[test]
fn list_names_every_check_with_its_requirements() {
    let dir = TempDir::new().unwrap();
    let value = json(&run(&dir, &["list", "--json"]).code(CONFORMANT));
    let checks = value.as_array().unwrap();
    let quick = checks.iter().find(|check| check["id"] == QUICK).unwrap();
    assert_eq!(quick["level"], "MUST");
    assert_eq!(quick["suite"], "lifecycle");
    assert_eq!(quick["requirements"][0], "role.sigterm-shuts-down");
    assert!(checks.iter().any(|check| check["suite"] == "monitor"));
    run(&dir, &["list", "--filter", QUICK])
        .code(CONFORMANT)
        .stdout(contains(QUICK));
}

#[test]
fn explain_quotes_the_sentence_and_helps_with_typing() {
    let dir = TempDir::new().unwrap();
    run(&dir, &["explain", "role.sigterm-shuts-down"])
        .code(CONFORMANT)
        .stdout(
            contains("2.1 The Role of the Orchestrator")
                .and(contains("MUST"))
                .and(contains(QUICK)),
        );
    run(&dir, &["explain", QUICK])
        .code(CONFORMANT)
        .stdout(contains("role.sigterm-shuts-down"));
    run(&dir, &["explain", "role.sigterm-shut-down"])
        .code(USAGE)
        .stderr(contains("did you mean `role.sigterm-shuts-down`?"));
    let value = json(&run(&dir, &["explain", "handshake.constant-time", "--json"]));
    assert_eq!(value[0]["status"], "untestable");
}

#[test]
fn init_writes_a_target_file_and_never_twice() {
    let dir = TempDir::new().unwrap();
    run(&dir, &["init"])
        .code(CONFORMANT)
        .stdout(contains("target.yaml is written"));
    fs::write(dir.path().join("target.yaml"), "mine").unwrap();
    run(&dir, &["init"])
        .code(USAGE)
        .stderr(contains("target.yaml exists and is left as it is"));
    assert_eq!(
        fs::read_to_string(dir.path().join("target.yaml")).unwrap(),
        "mine"
    );
}

#[test]
fn completions_and_man_pages_come_from_the_command_line() {
    let dir = TempDir::new().unwrap();
    run(&dir, &["generate", "completions", "--shell", "zsh"])
        .code(CONFORMANT)
        .stdout(contains("kill-matrix"));
    run(&dir, &["generate", "man", "--out", "man"]).code(CONFORMANT);
    assert!(dir.path().join("man/partenza-conformance.1").is_file());
    assert!(dir.path().join("man/partenza-conformance-run.1").is_file());
}

#[test]
fn a_bad_baseline_file_is_usage() {
    let dir = TempDir::new().unwrap();
    target(&dir, "[/bin/true]");
    for (text, expected) in [
        (
            "- {check: a/b/c, kind: known-fail, reason: x, link: y}\n",
            "expires",
        ),
        (
            "- {check: a/b/c, kind: hopeless, reason: x, link: y, expires: 2027-01-01}\n",
            "hopeless",
        ),
        (
            "- {check: a/b/c, kind: waiver, reason: x, link: y, expires: someday}\n",
            "someday",
        ),
        (
            "- {check: a/b/c, kind: waiver, reason: \"\", link: y, expires: 2027-01-01}\n",
            "a reason and a link",
        ),
    ] {
        fs::write(dir.path().join("baseline.yaml"), text).unwrap();
        run(
            &dir,
            &["run", "--target", "target.yaml", "--baseline", "baseline.yaml"],
        )
        .code(USAGE)
        .stderr(contains("baseline.yaml").and(contains(expected)));
    }
}

/// The rest needs a target that runs: the reference beside this program, which `cargo test --workspace` builds.
#[test]
fn the_bundled_target_is_judged_and_reported() {
    assert!(
        sibling_exists(),
        "`partenza` is missing beside the harness; build it with `cargo build -p partenza-reference`"
    );
    let dir = TempDir::new().unwrap();
    run(
        &dir,
        &[
            "run",
            "--filter",
            QUICK,
            "--seed",
            "1",
            "--junit",
            "deep/junit.xml",
        ],
    )
    .code(CONFORMANT)
    .stdout(contains("\nCONFORMANT").and(contains(format!("Only the selection {QUICK}"))));
    for file in [
        "deep/junit.xml",
        "conformance-results/report.json",
        "conformance-results/summary.txt",
    ] {
        assert!(dir.path().join(file).is_file(), "{file}");
    }
    let log = fs::read_to_string(dir.path().join("conformance-results/events.jsonl")).unwrap();
    let schema = partenza_spec_map::files::text("spec/schemas/event-log.schema.json").unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    for line in log.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let errors: Vec<_> = schema
            .iter_errors(&record)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{line}: {errors:?}");
    }
    let report = partenza_reports::Report::read(log.as_bytes()).unwrap();
    assert_eq!(report.verdict(false), report.end.unwrap().verdict);

    let value = json(&run(&dir, &["run", "--filter", QUICK, "--json"]));
    assert_eq!(value["verdict"], "conformant");
    assert_eq!(value["exit_code"], 0);
}

#[test]
fn a_baseline_may_not_rot() {
    assert!(
        sibling_exists(),
        "`partenza` is missing beside the harness; build it with `cargo build -p partenza-reference`"
    );
    let dir = TempDir::new().unwrap();
    for (check, expires, expected) in [
        (QUICK, "2099-01-01", "is stale"),
        ("lifecycle/sigint/no-such", "2099-01-01", "no suite declares"),
        (QUICK, "2020-01-01", "expired on 2020-01-01"),
    ] {
        let text =
            format!("- {{check: {check}, kind: known-fail, reason: slow, link: '#1', expires: {expires}}}\n");
        fs::write(dir.path().join("baseline.yaml"), text).unwrap();
        run(&dir, &["run", "--filter", QUICK, "--baseline", "baseline.yaml"])
            .code(BASELINE)
            .stderr(contains(expected));
    }
}

/// `sleep` is alive, launches nothing and answers nobody. Neither way of waiting for it may last.
#[test]
fn a_target_that_never_answers_cannot_run_and_does_not_hang_the_harness() {
    let dir = TempDir::new().unwrap();
    for (further, expected) in [
        ("", "it launched no module"),
        ("control: \"{runtime}/control.sock\"\n", "did not answer on"),
    ] {
        target(&dir, &format!("[/bin/sleep, \"600\"]\n{further}time_scale: 0.1"));
        let began = Instant::now();
        run(&dir, &["run", "--target", "target.yaml"])
            .code(TARGET)
            .stderr(contains("the target cannot be run").and(contains(expected)));
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    }
}

#[test]
fn a_small_target_without_a_control_socket_can_be_conformant() {
    assert!(
        sibling_exists(),
        "`partenza` is missing beside the harness; build it with `cargo build -p partenza-reference`"
    );
    let dir = TempDir::new().unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/targets/minimal.yaml");
    let words = ["run", "--target", file, "--filter", QUICK, "--json"];
    let value = json(&run(&dir, &words).code(CONFORMANT));
    assert_eq!(value["verdict"], "conformant");
    let log = fs::read(dir.path().join("conformance-results/events.jsonl")).unwrap();
    let report = partenza_reports::Report::read(log.as_slice()).unwrap();
    let outcome = |monitor: &str| {
        let id = format!("monitor/every-case/{monitor}");
        let record = report.checks.iter().find(|check| check.check == id).unwrap();
        (record.outcome, record.detail.clone())
    };
    for monitor in [
        "state-table",
        "event-sequence",
        "no-file-left",
        "status-file-agrees",
    ] {
        assert_eq!(
            outcome(monitor).0,
            Outcome::NotClaimed,
            "{monitor}: {:?}",
            outcome(monitor).1
        );
    }
    for monitor in ["wire-schema", "wire-order", "no-process-left", "secret-hidden"] {
        assert_eq!(
            outcome(monitor).0,
            Outcome::Pass,
            "{monitor}: {:?}",
            outcome(monitor).1
        );
    }
}

/// A copy of the program in a folder of its own; gives back where it is.
fn lonely(dir: &TempDir) -> std::path::PathBuf {
    let folder = dir.path().join("target/debug");
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("partenza-conformance");
    fs::copy(assert_cmd::cargo::cargo_bin("partenza-conformance"), &program).unwrap();
    program
}

#[test]
fn an_absent_reference_is_built_aloud_in_a_checkout_and_missed_elsewhere() {
    let dir = TempDir::new().unwrap();
    let program = lonely(&dir);
    let run = || {
        let mut command = Command::new(&program);
        command
            .current_dir(&dir)
            .arg("run")
            .env("CARGO", dir.path().join("cargo"));
        command.assert()
    };
    run().code(TARGET).stderr(contains("name a target with --target"));

    fs::create_dir(dir.path().join("reference")).unwrap();
    for file in ["Cargo.toml", "reference/Cargo.toml"] {
        fs::write(dir.path().join(file), "").unwrap();
    }
    let script = |text: &str| {
        let path = dir.path().join("cargo");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    script("exit 101");
    run().code(TARGET).stderr(contains(
        "`cargo build -p partenza-reference` failed: exit status: 101",
    ));
    let built = "#!/bin/sh\\necho built just now\\nexit 9\\n";
    script(&format!(
        "printf '{built}' > target/debug/partenza; chmod 755 target/debug/partenza"
    ));
    run()
        .code(TARGET)
        .stderr(contains("running `cargo build -p partenza-reference`").and(contains("built just now")));
}
