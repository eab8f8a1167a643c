//! Every requirement of the edition has exactly one standing, and what the specification's gate knows of the monitors is
//! what the monitors are.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use partenza_conformance::run::record;
use partenza_conformance::suite::Library;
use partenza_spec_map::suites::MONITORS;
use partenza_spec_map::{Spec, files};
use serde_json::{Value, json};

fn library() -> Library {
    Library::embedded().unwrap_or_else(|errors| {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        panic!("{}", errors.join("\n"))
    })
}

#[test]
fn the_suites_load() {
    assert!(library().cases().count() > 0);
}

#[test]
fn requirements_checks_faults_and_reasons_fit_together() {
    let library = library();
    let spec = Spec::embedded();
    let mut problems = spec.problems.clone();
    spec.join(
        &record::checks(&library),
        &record::faults(&library),
        &mut problems,
    );
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_gate_knows_the_monitors() {
    let written: Value = serde_yaml::from_str(files::text(MONITORS).unwrap()).unwrap();
    let monitors = record::monitors();
    let real: Value = monitors
        .iter()
        .map(|monitor| json!({"check": monitor.check, "shows": monitor.requirements}))
        .collect();
    let lines: Vec<String> = monitors
        .iter()
        .map(|monitor| {
            format!(
                "- check: {}\n  shows: [{}]\n",
                monitor.check,
                monitor.requirements.join(", ")
            )
        })
        .collect();
    assert_eq!(written, real, "{MONITORS} should hold:\n{}", lines.concat());
}
