//! The command line: every exit code, and the words beside it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has to fail")]

mod common;

use assert_cmd::Command;
use common::Scene;
use predicates::prelude::*;
use predicates::str::contains;

fn partenza(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("partenza").unwrap();
    command.args(arguments);
    command
}

fn on_modules(word: &str, scene: &Scene) -> Command {
    let mut command = partenza(&[word, "--modules"]);
    command.arg(scene.modules());
    command
}

const GOOD: &str = "id: web\nversion: 1.0.0\nentrypoint: '{module}'\n";

#[test]
fn a_clean_configuration_exits_with_0() {
    let scene = Scene::new(&[("web", GOOD)]);
    on_modules("check", &scene)
        .assert()
        .code(0)
        .stdout(contains("1 module, no problems"))
        .stderr("");
    on_modules("plan", &scene)
        .assert()
        .code(0)
        .stdout(contains("web"));
    on_modules("check", &scene)
        .arg("--json")
        .assert()
        .code(0)
        .stdout(contains("\"ok\":true"));
}

#[test]
fn help_and_version_are_no_errors() {
    partenza(&["--help"])
        .assert()
        .code(0)
        .stdout(contains("Exit status"));
    partenza(&["--version"])
        .assert()
        .code(0)
        .stdout(contains("partenza"));
}

#[test]
fn wrong_usage_exits_with_64() {
    partenza(&[]).assert().code(64);
    partenza(&["bot"]).assert().code(64);
    partenza(&["start"]).assert().code(64).stderr(contains("MODULE"));
    partenza(&["start", "web", "--timeout", "soon"])
        .assert()
        .code(64)
        .stderr(contains("as in `500ms`"));
}

#[test]
fn an_unknown_key_is_named_with_place_and_nearest_key() {
    let scene = Scene::new(&[("web", &format!("{GOOD}restrat: never\n"))]);
    let place = scene.modules().join("web.yaml").display().to_string();
    for word in ["check", "plan"] {
        on_modules(word, &scene)
            .assert()
            .code(2)
            .stderr(contains(format!("{place}:4:1: error[PZ101]: ")).and(contains("`restart`")));
    }
    on_modules("run", &scene)
        .arg("--runtime")
        .arg(scene.runtime())
        .assert()
        .code(2)
        .stderr(contains("error[PZ101]"));
    assert!(!scene.runtime().exists(), "a refused boot makes nothing");
}

#[test]
fn a_cycle_is_printed_with_all_its_modules() {
    let file = |id: &str, needs: &str| {
        format!("id: {id}\nversion: 1.0.0\nentrypoint: '{{module}}'\nrequires: [{needs}]\n")
    };
    let scene = Scene::new(&[
        ("a", &file("a", "b")),
        ("b", &file("b", "c")),
        ("c", &file("c", "a")),
    ]);
    on_modules("check", &scene)
        .assert()
        .code(2)
        .stderr(contains("error[PZ109]").and(predicate::str::is_match("a.*b.*c").unwrap()));
}

#[test]
fn every_problem_is_reported_in_one_run() {
    let scene = Scene::new(&[
        ("bad", "id: Bad_Id\nversion: one\nentrypoint: relative\n"),
        ("also", "- 1\n"),
    ]);
    let output = on_modules("check", &scene)
        .assert()
        .code(2)
        .get_output()
        .stderr
        .clone();
    let text = String::from_utf8(output).unwrap();
    assert!(text.matches("error[PZ").count() >= 4, "{text}");
}

#[test]
fn an_absent_directory_is_a_configuration_error() {
    partenza(&["check", "--modules", "/nonexistent/modules"])
        .assert()
        .code(2)
        .stderr(contains("/nonexistent/modules:1:1: error[PZ100]"));
}

#[test]
fn only_regular_files_with_the_right_name_are_read() {
    let scene = Scene::new(&[("web", GOOD)]);
    let other = |name: &str| scene.modules().join(name);
    for name in [".hidden.yaml", ".yaml", "web.yml", "web.yaml~", "README"] {
        std::fs::write(other(name), "no module: [").unwrap();
    }
    // Nobody writes into it, so reading it would never end.
    nix::unistd::mkfifo(&other("pipe.yaml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::fs::create_dir(other("folder.yaml")).unwrap();
    on_modules("check", &scene)
        .assert()
        .code(0)
        .stdout(contains("1 module, no problems"));
    std::os::unix::fs::symlink("/nonexistent", other("dangling.yaml")).unwrap();
    on_modules("check", &scene)
        .assert()
        .code(2)
        .stderr(contains("dangling.yaml:1:1: error[PZ100]"));
}

#[test]
fn nobody_there_exits_with_69() {
    let scene = Scene::new(&[]);
    for word in [
        &["status"][..],
        &["start", "web"],
        &["stop", "web"],
        &["restart", "web"],
        &["events"],
        &["shutdown"],
    ] {
        partenza(word)
            .arg("--runtime")
            .arg(scene.runtime())
            .assert()
            .code(69)
            .stderr(contains("no orchestrator answers").and(contains("partenza run")));
    }
}

#[test]
fn completions_and_man_page_come_from_the_same_definition() {
    partenza(&["generate", "bash"])
        .assert()
        .code(0)
        .stdout(contains("shutdown"));
    partenza(&["generate", "man"])
        .assert()
        .code(0)
        .stdout(contains(".TH partenza"));
}
