//! The command as a whole: each gate is shown to fail on a checkout that is bad in exactly one way.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::str::contains;
use tempfile::TempDir;

const CHAPTER: &str = "# 7. Security\n\n## 7.2 Identity\n\n- **[a.shown]** *(orchestrator, minimal)* It MUST x.\n- **[a.later]** *(orchestrator, core)* It SHOULD y.\n\n<!-- generated: state-table -->\n";
const SUITE: &str = "suite: s\nabout: x\ncases:\n- id: c\n  steps: [boot]\n  checks:\n  - {id: k, shows: a.shown, that: {}}\n";

/// A checkout in which everything is right.
fn good() -> TempDir {
    let dir = TempDir::new().unwrap();
    write(&dir, "spec/07-security.md", CHAPTER);
    write(&dir, "spec/states.yaml", "states: []\ntransitions: []\n");
    write(&dir, "spec/errors.yaml", "errors: []\n");
    write(&dir, "spec-map/map.yaml", "- {id: a.later, todo: no suite yet}\n");
    write(&dir, "suites/s.yaml", SUITE);
    write(
        &dir,
        "suites/faults.yaml",
        "- {fault: f, about: x, kills: s/c/k}\n",
    );
    run(&dir, &["generate"]).success().stdout("spec/07-security.md\n");
    run(&dir, &["bless"]).success().stdout("2 requirements blessed\n");
    run(&dir, &["check"])
        .success()
        .stdout("2 requirements, no problem\n");
    dir
}

fn write(dir: &TempDir, file: &str, text: &str) {
    let path = dir.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn change(dir: &TempDir, file: &str, from: &str, to: &str) {
    let path = dir.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} does not hold {from:?}");
    fs::write(path, text.replace(from, to)).unwrap();
}

fn run(dir: &TempDir, arguments: &[&str]) -> assert_cmd::assert::Assert {
    run_at(dir.path(), arguments)
}

fn run_at(root: &Path, arguments: &[&str]) -> assert_cmd::assert::Assert {
    Command::cargo_bin("partenza-spec-map")
        .unwrap()
        .arg("--root")
        .arg(root)
        .args(arguments)
        .assert()
}

#[test]
fn each_gate_fails_on_its_bad_checkout() {
    for (file, from, to, expected) in [
        (
            "spec/07-security.md",
            "MUST x",
            "MUST z",
            "07-security.md:5: `a.shown` was edited without a new version",
        ),
        (
            "spec/07-security.md",
            "MUST x",
            "SHOULD x",
            "`a.shown` changed from MUST to SHOULD",
        ),
        (
            "spec/07-security.md",
            "It MUST x",
            "It may x",
            "`a.shown` has no RFC 2119 keyword",
        ),
        (
            "spec/07-security.md",
            "It MUST x.",
            "It MUST x and MAY y.",
            "2 RFC 2119 keywords",
        ),
        (
            "spec/07-security.md",
            "[a.later]",
            "[a.shown]",
            "the id `a.shown` is already used",
        ),
        (
            "spec/07-security.md",
            "[a.later]",
            "[Later]",
            "malformed id `Later`",
        ),
        (
            "spec/07-security.md",
            "- **[a.later]**",
            "* **[a.later]**",
            "malformed requirement",
        ),
        (
            "spec/07-security.md",
            "# 7. Security\n",
            "# 7. Security\n\nIt MUST.\n",
            "`MUST` outside a requirement line",
        ),
        (
            "spec/07-security.md",
            "| From",
            "| Whence",
            "a generated part is stale",
        ),
        (
            "spec/07-security.md",
            ": state-table",
            ": weather",
            "nothing generates `weather`",
        ),
        (
            "spec/requirements.snapshot",
            "a.shown 1 MUST",
            "a.gone 1 MUST",
            "`a.gone` is gone from the chapters",
        ),
        (
            "spec/requirements.snapshot",
            "a.shown 1 MUST",
            "a.shown one MUST",
            "malformed line",
        ),
        (
            "spec-map/map.yaml",
            "a.later",
            "a.latr",
            "no requirement `a.latr`; did you mean `a.later`?",
        ),
        (
            "spec-map/map.yaml",
            "todo: no suite yet",
            "todo: ''",
            "`a.later` gives no reason",
        ),
        (
            "spec-map/map.yaml",
            "a.later",
            "a.shown",
            "`a.shown` has checks, and spec-map/map.yaml says",
        ),
        (
            "suites/s.yaml",
            "shows: a.shown",
            "shows: a.shwn",
            "no such requirement; did you mean `a.shown`?",
        ),
        (
            "suites/faults.yaml",
            "s/c/k",
            "s/c/j",
            "there is no check `s/c/j`",
        ),
    ] {
        let dir = good();
        change(&dir, file, from, to);
        run(&dir, &["check"]).code(1).stderr(contains(expected));
    }
}

#[test]
fn a_silent_edit_cannot_be_blessed_and_an_open_one_can() {
    let dir = good();
    change(&dir, "spec/07-security.md", "MUST x", "MUST z");
    run(&dir, &["bless"])
        .code(1)
        .stderr(contains("write `a.shown+2`"));
    change(&dir, "spec/07-security.md", "[a.shown]", "[a.shown+2]");
    run(&dir, &["check"])
        .code(1)
        .stderr(contains("`a.shown` was revised; run `partenza-spec-map bless`"));
    run(&dir, &["bless"]).success();
    run(&dir, &["check"]).success();
}

#[test]
fn a_requirement_is_withdrawn_only_by_name() {
    let dir = good();
    change(
        &dir,
        "spec/07-security.md",
        "- **[a.later]** *(orchestrator, core)* It SHOULD y.\n",
        "",
    );
    change(
        &dir,
        "spec-map/map.yaml",
        "- {id: a.later, todo: no suite yet}\n",
        "",
    );
    run(&dir, &["bless"])
        .code(1)
        .stderr(contains("`a.later` is gone from the chapters"));
    run(&dir, &["bless", "--retire", "a.later"]).success();
    run(&dir, &["check"]).success();
}

#[test]
fn a_folder_without_a_specification_is_an_error() {
    let dir = TempDir::new().unwrap();
    run(&dir, &["check"]).code(70);
}
