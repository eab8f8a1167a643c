//! The renderings of one run that holds everything, hostile output included.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::log::Outcome;
use crate::{Options, Report, json, junit, sample, summary};

fn options() -> Options {
    Options {
        rerun: Some("partenza-conformance run --seed 7".to_owned()),
        ..Options::default()
    }
}

/// The elements of an XML text with their attributes and their text; panics when it is not well formed.
fn elements(xml: &str) -> Vec<(String, BTreeMap<String, String>, String)> {
    let mut reader = Reader::from_str(xml);
    let mut found: Vec<(String, BTreeMap<String, String>, String)> = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) | Event::Empty(element) => {
                let name = element.name().as_ref().to_owned();
                let attributes = element.attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    let key = attribute.key.as_ref().to_owned();
                    let value = quick_xml::escape::unescape(&attribute.value).unwrap();
                    (key, value.into_owned())
                });
                found.push((name, attributes.collect(), String::new()));
            }
            Event::Text(text) => {
                if let Some(last) = found.last_mut() {
                    last.2.push_str(&text);
                }
            }
            Event::GeneralRef(name) => {
                if let Some(last) = found.last_mut() {
                    last.2.extend(["&", &*name, ";"]);
                }
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

fn all<'a>(
    elements: &'a [(String, BTreeMap<String, String>, String)],
    name: &str,
) -> Vec<&'a (String, BTreeMap<String, String>, String)> {
    elements.iter().filter(|(found, _, _)| found == name).collect()
}

#[test]
fn junit_is_well_formed_whatever_a_module_prints() {
    let xml = junit(&sample::report(), &options()).unwrap();
    for forbidden in ['\u{1b}', '\0'] {
        assert!(!xml.contains(forbidden), "{xml}");
    }
    let elements = elements(&xml);
    let root = &elements[0];
    assert_eq!(root.0, "testsuites");
    let counts =
        ["tests", "failures", "errors", "skipped"].map(|key| root.1.get(key).map_or("0", String::as_str));
    assert_eq!(counts, ["5", "1", "1", "2"]);
    let out = all(&elements, "system-out");
    assert!(out.iter().any(|(_, _, text)| text.contains("]]&gt;")), "{xml}");
}

#[test]
fn junit_names_checks_as_readers_expect() {
    let xml = junit(&sample::report(), &options()).unwrap();
    let elements = elements(&xml);
    let cases = all(&elements, "testcase");
    let red = cases
        .iter()
        .find(|(_, attributes, _)| attributes["name"].ends_with("rejects-random-mac"))
        .unwrap();
    assert_eq!(red.1["classname"], "handshake/module-proof");
    assert_eq!(red.1["name"], "handshake/module-proof/rejects-random-mac");
    let failures = all(&elements, "failure");
    assert_eq!(failures.len(), 1, "{xml}");
    assert!(
        failures[0].1["message"]
            .starts_with("expected liar: state failed, reason auth; received liar: state ready")
    );
    let skips: Vec<_> = all(&elements, "skipped")
        .iter()
        .map(|(_, a, _)| a["message"].clone())
        .collect();
    assert_eq!(
        skips,
        [
            "not-claimed: the target does not claim `pid1`",
            "warning, SHOULD fail: expected a stops beside b; received a waited for b"
        ]
    );
    let properties: Vec<_> = all(&elements, "property")
        .iter()
        .map(|(_, a, _)| (a["name"].clone(), a["value"].clone()))
        .collect();
    for (name, value) in [
        ("requirement", "handshake.module-proof-verified"),
        ("spec-version", "1.0"),
        ("profile", "core rootless"),
        ("blame", "harness"),
    ] {
        assert!(
            properties.contains(&(name.to_owned(), value.to_owned())),
            "{name} {value}: {properties:?}"
        );
    }
}

#[test]
fn a_strict_reader_and_a_baseline_change_what_is_red() {
    let strict = Options {
        strict: true,
        ..options()
    };
    let xml = junit(&sample::report(), &strict).unwrap();
    assert_eq!(all(&elements(&xml), "failure").len(), 2);
    let mut excused = options();
    excused.excused.insert(
        "handshake/module-proof/rejects-random-mac".to_owned(),
        "known-fail: #12".to_owned(),
    );
    let xml = junit(&sample::report(), &excused).unwrap();
    let elements = elements(&xml);
    assert!(all(&elements, "failure").is_empty());
    assert!(xml.contains("excused by the baseline: known-fail: #12"), "{xml}");
}

#[test]
fn a_run_without_checks_is_an_error() {
    let mut report = sample::report();
    report.checks.retain(|check| check.outcome == Outcome::NotClaimed);
    for report in [
        report,
        Report {
            run: sample::report().run,
            ..Report::default()
        },
    ] {
        let xml = junit(&report, &options()).unwrap();
        let elements = elements(&xml);
        assert_eq!(elements[0].1["errors"], "1");
        assert!(all(&elements, "error")[0].1["message"].contains("no check was executed"));
        assert!(format!("\n{}", summary(&report, &options())).contains("\nINCOMPLETE"));
    }
}

#[test]
fn the_summary_of_a_red_run() {
    let text = summary(&sample::report(), &options());
    assert!(!text.contains('\u{1b}'), "colours were not asked for");
    insta::assert_snapshot!("red", text);
}

#[test]
fn the_summary_of_a_green_run() {
    let mut report = sample::report();
    report.checks.retain(|check| check.outcome == Outcome::Pass);
    report.run.selection.filter = vec!["handshake/*".to_owned()];
    insta::assert_snapshot!("green", summary(&report, &options()));
}

#[test]
fn colours_come_only_when_told() {
    let colour = Options {
        colour: true,
        ..options()
    };
    let text = summary(&sample::report(), &colour);
    assert!(
        text.contains("\n\u{1b}[1m\u{1b}[31mNON-CONFORMANT\u{1b}[0m"),
        "{text:?}"
    );
    assert!(
        !text.contains("\u{1b}[31m \\u{0}"),
        "what the module printed stays written out"
    );
}

#[test]
fn json_holds_what_the_log_says() {
    let value = json(&sample::report(), &options());
    assert_eq!(value["verdict"], "non-conformant");
    assert_eq!(value["counts"]["fail"], 2);
    assert_eq!(value["counts"]["blocked"], 0);
    assert_eq!(value["standings"]["todo"], 1);
    assert_eq!(
        value["checks"][1]["id"],
        "handshake/module-proof/rejects-random-mac"
    );
    assert_eq!(value["checks"][1]["attempts"], 2);
}

/// The schema is part of the specification, and the only thing of it that this crate is held against.
#[test]
fn every_record_fits_the_published_schema() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../spec/schemas/event-log.schema.json"
    );
    let schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for line in sample::log().lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&record)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{line}: {errors:?}");
    }
}
