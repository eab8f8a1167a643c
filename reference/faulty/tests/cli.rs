//! The words of the program itself; what its faults do is proven by the kill matrix.

use assert_cmd::Command;
use predicates::prelude::predicate;

fn faulty() -> Command {
    Command::new(env!("CARGO_BIN_EXE_partenza-faulty"))
}

#[test]
fn the_list_has_one_name_per_line() {
    faulty()
        .arg("--list")
        .assert()
        .success()
        .stdout(predicate::str::contains("accepts-any-proof\n"));
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest_one() {
    let refused = faulty().args(["--fault", "accepts-any-prof", "run"]).assert();
    refused
        .code(64)
        .stderr(predicate::str::contains("did you mean `accepts-any-proof`?"));
}

#[test]
fn without_a_fault_there_is_nothing_to_run() {
    faulty()
        .arg("run")
        .assert()
        .code(64)
        .stderr(predicate::str::contains("--fault NAME"));
}
