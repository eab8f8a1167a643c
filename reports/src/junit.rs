//! JUnit, for readers of continuous integration.
//!
//! One test suite for each suite, one test case for each check: `name` is the check's id, `classname` is `suite/case`.
//! A violation is a `failure`; a missing result is an `error`; everything that decides nothing is `skipped` and says
//! why, so that a reader of this file comes to the same verdict as [`crate::verdict`]. A run without a single executed
//! check is an error, never an empty and therefore green file.
//!
//! Owns that mapping. The XML itself is the work of `quick-junit`, which keeps it well formed whatever a judged program
//! prints.

use std::time::Duration;

use quick_junit::{
    NonSuccessKind, Property, Report as Junit, TestCase, TestCaseStatus, TestRerun, TestSuite,
};

use crate::log::{CheckRecord, Outcome};
use crate::model::{Options, Report};
use crate::verdict;

/// Why the file could not be made.
#[derive(Debug, thiserror::Error)]
#[error("failed to write JUnit: {0}")]
pub struct JunitError(#[from] quick_junit::SerializeError);

/// Renders a run as JUnit.
///
/// # Errors
/// When the XML cannot be written, which would be a fault of this program.
pub fn junit(report: &Report, options: &Options) -> Result<String, JunitError> {
    let mut junit = Junit::new(format!(
        "{} {}",
        report.run.target.name, report.run.target.version
    ));
    if let Some(end) = &report.end {
        junit.set_time(Duration::from_micros(end.duration_us));
    }
    let mut names: Vec<&str> = report.checks.iter().map(CheckRecord::suite).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let mut suite = suite(report, name);
        for check in report.checks.iter().filter(|check| check.suite() == name) {
            suite.add_test_case(test_case(report, check, options));
        }
        junit.add_test_suite(suite);
    }
    if !report.checks.iter().any(|check| check.outcome.is_executed()) {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message("no check was executed, so nothing is known about the target");
        let mut case = TestCase::new("run/selection/executes-something", status);
        case.set_classname("run/selection");
        let mut suite = suite(report, "run");
        suite.add_test_case(case);
        junit.add_test_suite(suite);
    }
    Ok(junit.to_string()?)
}

fn suite(report: &Report, name: &str) -> TestSuite {
    let run = &report.run;
    let mut suite = TestSuite::new(name);
    suite
        .extra
        .insert("timestamp".into(), run.started_at.as_str().into());
    let claims = &run.target.claims;
    let mut property = |name: &str, value: &str| {
        suite.add_property(Property::new(name, value));
    };
    property("target", &format!("{} {}", run.target.name, run.target.version));
    property(
        "harness",
        &format!("{} {}", run.harness.name, run.harness.version),
    );
    property("spec-version", &run.spec.edition);
    property("class", &claims.class);
    for profile in &claims.profiles {
        property("profile", profile);
    }
    for extension in &claims.extensions {
        property("extension", extension);
    }
    property("seed", &run.seed.to_string());
    for filter in &run.selection.filter {
        property("filter", filter);
    }
    suite
}

fn test_case(report: &Report, check: &CheckRecord, options: &Options) -> TestCase {
    let mut case = TestCase::new(check.check.as_str(), status(check, options));
    let classname = check
        .check
        .rsplit_once('/')
        .map_or(check.case.as_str(), |(case, _)| case);
    case.set_classname(classname);
    case.set_time(Duration::from_micros(check.t_us));
    for id in &check.requirements {
        case.add_property(Property::new("requirement", id.as_str()));
        if let Some(requirement) = report.requirement(id) {
            case.add_property(Property::new(
                "requirement-version",
                requirement.version.to_string(),
            ));
        }
    }
    case.add_property(Property::new("spec-version", report.run.spec.edition.as_str()));
    case.add_property(Property::new("profile", profile(report)));
    case.add_property(Property::new("level", check.level.as_str()));
    case.add_property(Property::new("outcome", check.outcome.as_str()));
    if let Some(blame) = check.blame {
        case.add_property(Property::new("blame", blame.as_str()));
    }
    if check.outcome.is_red() {
        let transcript = report.transcript(&check.case, &check.evidence).join("\n");
        if !transcript.is_empty() {
            case.set_system_out(transcript);
        }
    }
    case
}

/// Class and profiles as one word list; the class is the profile that everybody claims.
fn profile(report: &Report) -> String {
    let claims = &report.run.target.claims;
    let mut words = vec![claims.class.as_str()];
    words.extend(claims.profiles.iter().map(String::as_str));
    words.join(" ")
}

fn status(check: &CheckRecord, options: &Options) -> TestCaseStatus {
    let excuse = options.excused.get(&check.check);
    if check.outcome == Outcome::Pass {
        let mut status = TestCaseStatus::success();
        if check.attempts > 1 {
            let mut first = TestRerun::new(NonSuccessKind::Error);
            first.set_message("missed a deadline beside other cases; passed when it was run alone");
            status.add_rerun(first);
        }
        return status;
    }
    let kind = if verdict::violates(check, options.strict) {
        Some(NonSuccessKind::Failure)
    } else if verdict::leaves_open(check, options.strict) {
        Some(NonSuccessKind::Error)
    } else {
        None
    };
    match (kind, excuse) {
        (Some(kind), None) => {
            let mut status = TestCaseStatus::non_success(kind);
            status
                .set_message(message(check))
                .set_type(check.outcome.as_str())
                .set_description(description(check));
            status
        }
        (_, excuse) => {
            let mut status = TestCaseStatus::skipped();
            let reason = match excuse {
                Some(excuse) => format!("{}, excused by the baseline: {excuse}", check.outcome),
                None if check.outcome.is_red() => {
                    format!("warning, {} {}: {}", check.level, check.outcome, message(check))
                }
                None => format!("{}: {}", check.outcome, message(check)),
            };
            status.set_message(reason).set_type(check.outcome.as_str());
            status
        }
    }
}

fn message(check: &CheckRecord) -> String {
    match (&check.expected, &check.actual) {
        (Some(expected), Some(actual)) => format!("expected {expected}; received {actual}"),
        (Some(expected), None) => format!("expected {expected}"),
        _ => check
            .detail
            .clone()
            .unwrap_or_else(|| "no reason was recorded".to_owned()),
    }
}

fn description(check: &CheckRecord) -> String {
    let mut lines = vec![format!("requirements: {}", check.requirements.join(", "))];
    let mut line = |name: &str, text: Option<&str>| {
        lines.extend(text.map(|text| format!("{name}: {text}")));
    };
    line("blame", check.blame.map(|blame| blame.as_str()));
    line("expected", check.expected.as_deref());
    line("received", check.actual.as_deref());
    line("detail", check.detail.as_deref());
    lines.join("\n")
}
