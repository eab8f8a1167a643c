//! The verb `coverage`: which requirements are checked, which cannot be, and which are still to do.
//!
//! Owns the rendering of the join. Percentages are refused on purpose: a requirement is shown or it is not.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use partenza_spec_map::{Problem, Spec, Standing};
use serde_json::json;

use super::args::CoverageArguments;
use super::output::{self, Failure};
use super::{exit, input};
use crate::run::record;

pub(crate) fn act(arguments: &CoverageArguments) -> Result<u8, Failure> {
    let library = input::library()?;
    let spec = Spec::embedded();
    let mut problems: Vec<Problem> = spec.problems.clone();
    let rows = spec.join(
        &record::checks(&library),
        &record::faults(&library),
        &mut problems,
    );
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut sections: BTreeMap<(u32, u32), (&str, &str, [usize; 3])> = BTreeMap::new();
    for row in &rows {
        let requirement = row.requirement;
        let (at, kind) = match &row.standing {
            Standing::Checked(_) => (0, "checked"),
            Standing::Untestable(_) => (1, "untestable"),
            Standing::Todo(_) => (2, "todo"),
        };
        kinds.entry(kind).or_default().push(&requirement.id);
        let (chapter, section) = requirement
            .section
            .split_once('.')
            .unwrap_or((&requirement.section, "0"));
        let key = (
            chapter.parse().unwrap_or(u32::MAX),
            section.parse().unwrap_or(u32::MAX),
        );
        sections
            .entry(key)
            .or_insert((&requirement.section, &requirement.title, [0; 3]))
            .2[at] += 1;
    }
    let of = |kind: &str| kinds.get(kind).cloned().unwrap_or_default();
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if arguments.json {
        let ids: Vec<&str> = rows.iter().map(|row| row.requirement.id.as_str()).collect();
        output::print_json(&json!({
            "edition": partenza_spec_map::EDITION,
            "requirements": ids,
            "checked": of("checked"),
            "untestable": of("untestable"),
            "todo": of("todo"),
            "problems": problems,
        }))?;
    } else {
        let mut text = format!(
            "{:<7} {:>8} {:>11} {:>6}  Title\n",
            "Section", "checked", "untestable", "todo"
        );
        for (name, title, [checked, untestable, todo]) in sections.values() {
            let _ = writeln!(text, "{name:<7} {checked:>8} {untestable:>11} {todo:>6}  {title}");
        }
        let counts = ["checked", "untestable", "todo"].map(|kind| of(kind).len());
        let _ = writeln!(
            text,
            "{:<7} {:>8} {:>11} {:>6}  {} requirements",
            "all",
            counts[0],
            counts[1],
            counts[2],
            rows.len()
        );
        output::print(&text)?;
    }
    for problem in &problems {
        output::say(problem);
    }
    Ok(if problems.is_empty() {
        exit::CONFORMANT
    } else {
        exit::NON_CONFORMANT
    })
}
