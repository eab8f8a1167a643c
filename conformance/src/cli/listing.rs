//! The verbs `list` and `explain`: what is checked, and what a requirement demands.
//!
//! Owns two renderings of the suites and the specification; nothing is run.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use partenza_reports::log::Level;
use partenza_reports::text::wrap;
use partenza_spec_map::join::nearest;
use partenza_spec_map::{Check, Row, Spec, Standing};
use serde_json::json;

use super::args::{ExplainArguments, ListArguments};
use super::output::{self, Failure};
use super::{exit, input};
use crate::run::{record, select};

/// How wide a sentence may be.
const WIDTH: usize = 92;

pub(crate) fn list(arguments: &ListArguments) -> Result<u8, Failure> {
    let library = input::library()?;
    let spec = Spec::embedded();
    let filter = select::Filter(arguments.filter.clone());
    let checks: Vec<Check> = record::checks(&library)
        .into_iter()
        .filter(|check| filter.selects(&check.id, &check.requirements))
        .collect();
    if arguments.json {
        let entry = |check: &Check| {
            json!({
                "id": check.id,
                "level": level(&spec, check),
                "requirements": check.requirements,
                "suite": check.id.split('/').next(),
            })
        };
        output::print_json(&json!(checks.iter().map(entry).collect::<Vec<_>>()))?;
    } else {
        let mut text = String::new();
        for check in &checks {
            let _ = writeln!(
                text,
                "{:<6} {}  {}",
                level(&spec, check),
                check.id,
                check.requirements.join(" ")
            );
        }
        output::print(&text)?;
    }
    Ok(if checks.is_empty() {
        exit::INCOMPLETE
    } else {
        exit::CONFORMANT
    })
}

fn level(spec: &Spec, check: &Check) -> Level {
    select::level(spec, &check.requirements)
}

pub(crate) fn explain(arguments: &ExplainArguments) -> Result<u8, Failure> {
    let library = input::library()?;
    let spec = Spec::embedded();
    let (checks, faults) = (record::checks(&library), record::faults(&library));
    let rows = spec.join(&checks, &faults, &mut Vec::new());
    // A check is explained by the requirements that it shows.
    let wanted: Vec<&str> = match checks.iter().find(|check| check.id == arguments.id) {
        Some(check) => check.requirements.iter().map(String::as_str).collect(),
        None => vec![&arguments.id],
    };
    let found: Vec<&Row<'_>> = rows
        .iter()
        .filter(|row| wanted.contains(&row.requirement.id.as_str()))
        .collect();
    if found.is_empty() {
        let known: BTreeSet<&str> = rows
            .iter()
            .map(|row| row.requirement.id.as_str())
            .chain(checks.iter().map(|check| check.id.as_str()))
            .collect();
        let near = nearest(&arguments.id, known.into_iter());
        let hint = near
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default();
        let message = format!("there is no requirement and no check `{}`{hint}", arguments.id);
        return Err(Failure::new(exit::USAGE, message));
    }
    if arguments.json {
        output::print_json(&json!(found.iter().map(|row| entry(row)).collect::<Vec<_>>()))?;
    } else {
        let pages: Vec<String> = found.iter().map(|row| page(row)).collect();
        output::print(&pages.join("\n"))?;
    }
    Ok(exit::CONFORMANT)
}

fn entry(row: &Row<'_>) -> serde_json::Value {
    let requirement = row.requirement;
    let (status, reason) = match &row.standing {
        Standing::Checked(_) => ("checked", None),
        Standing::Untestable(reason) => ("untestable", Some(reason)),
        Standing::Todo(reason) => ("todo", Some(reason)),
    };
    json!({
        "id": requirement.id,
        "version": requirement.version,
        "level": requirement.level.as_str(),
        "subject": requirement.subject.as_str(),
        "class": requirement.class,
        "sentence": requirement.sentence,
        "chapter": requirement.section,
        "title": requirement.title,
        "status": status,
        "reason": reason,
        "checks": row.faults.iter().map(|(check, faults)| json!({"id": check, "faults": faults})).collect::<Vec<_>>(),
    })
}

fn page(row: &Row<'_>) -> String {
    let requirement = row.requirement;
    let mut text = String::new();
    let revised = if requirement.version > 1 {
        format!(", version {}", requirement.version)
    } else {
        String::new()
    };
    let _ = writeln!(
        text,
        "{}\n  {} for {} {} of class or profile {}{revised}\n  {} {} ({}:{})\n",
        requirement.id,
        requirement.level,
        if requirement.subject.as_str() == "orchestrator" {
            "an"
        } else {
            "a"
        },
        requirement.subject,
        requirement.class,
        requirement.section,
        requirement.title,
        requirement.file,
        requirement.line,
    );
    for line in wrap(&requirement.sentence, WIDTH) {
        let _ = writeln!(text, "    {line}");
    }
    text.push('\n');
    match &row.standing {
        Standing::Checked(checks) => {
            text.push_str("  Shown by\n");
            for check in checks {
                let _ = writeln!(text, "    {check}");
                for fault in row.faults.get(check).into_iter().flatten() {
                    let _ = writeln!(text, "      turned red by the fault {fault}");
                }
            }
        }
        Standing::Untestable(reason) => {
            let _ = writeln!(text, "  Not testable: {reason}");
        }
        Standing::Todo(reason) => {
            let _ = writeln!(text, "  Not checked yet: {reason}");
        }
    }
    text
}
