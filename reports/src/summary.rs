//! The summary for the terminal: each requirement's standing, then what is red, and last, where the eye rests, the verdict.
//!
//! Owns the layout. Text that a judged program had a hand in passes [`crate::text::visible`], and colours are used only
//! when the caller says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::log::{CheckRecord, Outcome, Verdict};
use crate::model::{Options, Report, Standing};
use crate::text::{visible, wrap};
use crate::verdict;

/// How many lines of evidence a failure shows at most.
const EVIDENCE: usize = 8;
const WIDTH: usize = 100;

/// How many lines one field of a failure shows at most.
const LINES: usize = 16;

/// How much of a line is shown.
const LONG: usize = 480;

/// Renders a run for people.
#[must_use]
pub fn summary(report: &Report, options: &Options) -> String {
    let mut page = Page {
        text: String::new(),
        colour: options.colour,
    };
    table(&mut page, report);
    let (mut red, mut excused, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for check in &report.checks {
        if check.outcome.is_red() && options.excused.contains_key(&check.check) {
            excused.push(check);
        } else if verdict::violates(check, options.strict) || verdict::leaves_open(check, options.strict) {
            red.push(check);
        } else if verdict::warns(check, options.strict) {
            warnings.push(check);
        }
    }
    red.sort_by_key(|check| (check.outcome != Outcome::Fail, check.check.as_str()));
    for check in red {
        let label = if check.outcome == Outcome::Fail {
            ("FAIL", RED)
        } else {
            ("OPEN", YELLOW)
        };
        entry(&mut page, report, check, label, options);
    }
    for check in warnings {
        entry(&mut page, report, check, ("WARN", YELLOW), options);
    }
    for check in excused {
        let reason = options.excused.get(&check.check).map_or("", String::as_str);
        page.line(&format!(
            "{} {}  {}",
            page.paint("KNOWN", YELLOW),
            check.check,
            visible(reason)
        ));
    }
    reruns(&mut page, report);
    verdict_lines(&mut page, report, options);
    page.text
}

const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();

struct Page {
    text: String,
    colour: bool,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn paint(&self, text: &str, style: Style) -> String {
        if self.colour {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

fn verdict_lines(page: &mut Page, report: &Report, options: &Options) {
    let run = &report.run;
    let (word, style) = match report.verdict(options.strict) {
        Verdict::Conformant => ("CONFORMANT", GREEN),
        Verdict::NonConformant => ("NON-CONFORMANT", RED),
        Verdict::Incomplete => ("INCOMPLETE", YELLOW),
    };
    let claims = &run.target.claims;
    let mut who = format!(
        "{} {}, class {}",
        run.target.name, run.target.version, claims.class
    );
    for (kind, names) in [("profile", &claims.profiles), ("extension", &claims.extensions)] {
        for name in names {
            let _ = write!(who, ", {kind} {name}");
        }
    }
    page.line(&format!(
        "{}  {}, by edition {}",
        page.paint(word, style),
        visible(&who),
        run.spec.edition
    ));
    let counts = verdict::counts(&report.checks);
    let parts: Vec<_> = Outcome::ALL
        .iter()
        .filter_map(|o| counts.get(o).map(|count| format!("{count} {}", phrase(*o))))
        .collect();
    let seconds = report
        .end
        .as_ref()
        .map(|end| format!(", {:.1} s", end.duration_us as f64 / 1e6));
    let checks = if parts.is_empty() {
        "no check".to_owned()
    } else {
        parts.join(", ")
    };
    page.line(&format!(
        "{checks}; seed {}{}",
        run.seed,
        seconds.unwrap_or_default()
    ));
    if let Some(overhead) = report.overhead() {
        let count = report.cases.len();
        let cases = if count == 1 {
            "1 case".to_owned()
        } else {
            format!("{count} cases")
        };
        page.line(&format!(
            "{cases}; the harness took {:.1} % of what they had to wait for",
            overhead * 100.0
        ));
    }
    if !run.selection.filter.is_empty() {
        let filters = visible(&run.selection.filter.join(", "));
        page.line(&format!(
            "Only the selection {filters} was judged; the verdict says nothing about the rest."
        ));
    }
    if !report.checks.iter().any(|check| check.outcome.is_executed()) {
        page.line("No check was executed, so nothing is known about the target.");
    }
    if report.end.is_none() {
        page.line("The log ends before the run did.");
    }
}

fn phrase(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "passed",
        Outcome::Fail => "failed",
        Outcome::PrerequisiteFailed => "without their prerequisite",
        Outcome::Blocked => "blocked by their control",
        Outcome::Environment => "stopped by the machine",
        Outcome::HarnessError => "lost by the harness",
        Outcome::NotClaimed => "not claimed",
        Outcome::NotApplicable => "not applicable",
        Outcome::Filtered => "filtered out",
    }
}

fn entry(page: &mut Page, report: &Report, check: &CheckRecord, label: (&str, Style), options: &Options) {
    let blame = check
        .blame
        .map(|blame| format!("  blame: {blame}"))
        .unwrap_or_default();
    let kind = if check.outcome == Outcome::Fail {
        String::new()
    } else {
        format!("  {}", check.outcome)
    };
    page.line(&format!(
        "{} {}{kind}{blame}",
        page.paint(label.0, label.1),
        check.check
    ));
    for id in &check.requirements {
        match report.requirement(id) {
            Some(requirement) => {
                page.line(&format!(
                    "  {id} ({}, {})",
                    requirement.level, requirement.chapter
                ));
                for line in wrap(&requirement.sentence, WIDTH - 4) {
                    page.line(&format!("    {line}"));
                }
            }
            None => page.line(&format!("  {id}")),
        }
    }
    let fields = [
        ("expected", &check.expected, GREEN),
        ("received", &check.actual, RED),
        ("detail  ", &check.detail, DIM),
    ];
    for (name, text, style) in fields {
        let mut name = page.paint(name, style);
        for line in text.iter().flat_map(|text| text.lines()).take(LINES) {
            page.line(&format!("  {name} {}", short(&visible(line))));
            " ".repeat(8).clone_into(&mut name);
        }
    }
    if check.attempts > 1 {
        page.line(
            "  It missed a deadline beside other cases and was run again alone; this is the second result.",
        );
    }
    let evidence: Vec<_> = report
        .transcript(&check.case, &check.evidence)
        .into_iter()
        .filter(|line| line.starts_with('>'))
        .collect();
    for line in evidence.iter().take(EVIDENCE) {
        page.line(&format!("  {}", short(&visible(line))));
    }
    if evidence.len() > EVIDENCE {
        page.line(&format!(
            "  ... and {} more lines in the event log",
            evidence.len() - EVIDENCE
        ));
    }
    if let Some(rerun) = &options.rerun {
        // A monitor watches every case; alone it is seen in the case in which it was red.
        let filter = if check.suite() == "monitor" {
            &check.case
        } else {
            &check.check
        };
        page.line(&format!("  alone    {} --filter {filter}", visible(rerun)));
    }
    page.line("");
}

/// A long line by its beginning; the whole of it is in the event log.
fn short(line: &str) -> String {
    match line.char_indices().nth(LONG) {
        Some((at, _)) => format!("{} ... ({} characters)", &line[..at], line.chars().count()),
        None => line.to_owned(),
    }
}

/// Each requirement under its section, by what this run says about it. What was not selected is left out.
fn table(page: &mut Page, report: &Report) {
    type Ids<'a> = BTreeMap<Standing, Vec<&'a str>>;
    let mut sections: BTreeMap<(u32, u32), (&str, Ids<'_>)> = BTreeMap::new();
    for requirement in &report.requirements {
        let (chapter, section) = requirement
            .chapter
            .split_once('.')
            .unwrap_or((&requirement.chapter, "0"));
        let key = (
            chapter.parse().unwrap_or(u32::MAX),
            section.parse().unwrap_or(u32::MAX),
        );
        let standing = report.standing(requirement);
        let judged = !matches!(
            standing,
            Standing::NotJudged | Standing::Untestable | Standing::Todo
        );
        if judged || (standing != Standing::NotJudged && report.run.selection.filter.is_empty()) {
            let entry = sections
                .entry(key)
                .or_insert_with(|| (requirement.chapter.as_str(), BTreeMap::new()));
            entry.1.entry(standing).or_default().push(&requirement.id);
        }
    }
    for (name, standings) in sections.values() {
        let mut name = *name;
        for standing in Standing::ALL {
            let Some(ids) = standings.get(&standing) else {
                continue;
            };
            let style = match standing {
                Standing::Shown => GREEN,
                Standing::Violated => RED,
                Standing::Open => YELLOW,
                Standing::NotJudged | Standing::Untestable | Standing::Todo => DIM,
            };
            let mut word = page.paint(&format!("{:<10}", standing.as_str()), style);
            for ids in wrap(&ids.join(" "), WIDTH - 17) {
                page.line(&format!("{name:<5} {word} {ids}"));
                name = "";
                " ".repeat(10).clone_into(&mut word);
            }
        }
    }
    if !sections.is_empty() {
        page.line("");
    }
}

fn reruns(page: &mut Page, report: &Report) {
    let again: Vec<_> = report
        .checks
        .iter()
        .filter(|check| check.attempts > 1 && !check.outcome.is_red())
        .collect();
    if again.is_empty() {
        return;
    }
    page.line("Missed a deadline beside other cases, and passed when run again alone:");
    for check in again {
        page.line(&format!("  {}", check.check));
    }
    page.line("");
}
