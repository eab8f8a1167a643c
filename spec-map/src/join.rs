//! Joins requirement, check, known-bad counterpart and outcome.
//!
//! Owns the rule that every requirement has exactly one of: checks, a reason why it is untestable, a reason why it is
//! still to do. Checks and faults come in as data, because they are known elsewhere; nothing is run here.

use std::collections::{BTreeMap, BTreeSet};

use crate::map::{Map, Reason};
use crate::problem::Problem;
use crate::requirement::Requirement;

/// A declared check, as far as the join needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The full id, `suite/case/check`.
    pub id: String,
    /// The requirements that it shows.
    pub requirements: Vec<String>,
    /// Where it is declared, for messages.
    pub file: String,
}

/// A known-bad counterpart, as far as the join needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its name.
    pub name: String,
    /// What is wrong with it, for people.
    pub about: String,
    /// The full id of the check that it must turn red.
    pub kills: String,
    /// Further checks that it may turn red.
    pub also: Vec<String>,
}

/// How the kit stands to a requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Shown by these checks.
    Checked(Vec<String>),
    /// Not observable, for this reason.
    Untestable(String),
    /// Not checked yet, for this reason.
    Todo(String),
}

/// One requirement with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// The requirement.
    pub requirement: &'a Requirement,
    /// How the kit stands to it.
    pub standing: Standing,
    /// The faults that turn one of its checks red, by check.
    pub faults: BTreeMap<String, Vec<String>>,
}

/// Joins them; a requirement without any standing is reported, and counted as to do.
pub fn join<'a>(
    requirements: &'a [Requirement],
    checks: &[Check],
    faults: &[Fault],
    map: &Map,
    problems: &mut Vec<Problem>,
) -> Vec<Row<'a>> {
    let known: BTreeSet<&str> = requirements
        .iter()
        .map(|requirement| requirement.id.as_str())
        .collect();
    let mut shown: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for check in checks {
        for id in &check.requirements {
            if !known.contains(id.as_str()) {
                let message = format!(
                    "`{}` shows `{id}`, and there is no such requirement{}",
                    check.id,
                    hint(id, &known)
                );
                problems.push(Problem::of(&check.file, message));
            }
            shown.entry(id).or_default().push(check.id.clone());
        }
    }
    for (id, (_, file)) in map {
        if !known.contains(id.as_str()) {
            problems.push(Problem::of(
                file,
                format!("there is no requirement `{id}`{}", hint(id, &known)),
            ));
        }
    }
    let check_ids: BTreeSet<&str> = checks.iter().map(|check| check.id.as_str()).collect();
    for fault in faults {
        for id in std::iter::once(&fault.kills).chain(&fault.also) {
            if !check_ids.contains(id.as_str()) {
                let message = format!(
                    "fault `{}`: there is no check `{id}`{}",
                    fault.name,
                    hint(id, &check_ids)
                );
                problems.push(Problem::of("suites/faults.yaml", message));
            }
        }
    }
    requirements
        .iter()
        .map(|requirement| row(requirement, &shown, faults, map, problems))
        .collect()
}

fn row<'a>(
    requirement: &'a Requirement,
    shown: &BTreeMap<&str, Vec<String>>,
    faults: &[Fault],
    map: &Map,
    problems: &mut Vec<Problem>,
) -> Row<'a> {
    let id = requirement.id.as_str();
    let problem = |message: String| Problem::at(&requirement.file, requirement.line, message);
    let standing = match (shown.get(id), map.get(id)) {
        (Some(checks), mapped) => {
            if let Some((_, file)) = mapped {
                problems.push(problem(format!(
                    "`{id}` has checks, and {file} says that it has none"
                )));
            }
            Standing::Checked(checks.clone())
        }
        (None, Some((Reason::Untestable(reason), _))) => Standing::Untestable(reason.clone()),
        (None, Some((Reason::Todo(reason), _))) => Standing::Todo(reason.clone()),
        (None, None) => {
            problems.push(problem(format!(
                "`{id}` has no check, and the map gives no reason for that"
            )));
            Standing::Todo("not mapped".to_owned())
        }
    };
    let mut killers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    if let Standing::Checked(checks) = &standing {
        for check in checks {
            let names = faults
                .iter()
                .filter(|fault| fault.kills == *check)
                .map(|fault| fault.name.clone())
                .collect();
            killers.insert(check.clone(), names);
        }
    }
    Row {
        requirement,
        standing,
        faults: killers,
    }
}

/// `; did you mean …?` when something known is close.
pub(crate) fn hint(wrong: &str, known: &BTreeSet<&str>) -> String {
    nearest(wrong, known.iter().copied())
        .map(|near| format!("; did you mean `{near}`?"))
        .unwrap_or_default()
}

/// The known name that is nearest to a mistyped one, if any is near.
pub fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (strsim::normalized_damerau_levenshtein(wrong, name), name))
        .filter(|(score, _)| *score >= 0.6)
        .max_by(|(one, _), (two, _)| one.total_cmp(two))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{extract, map};

    const TEXT: &str = "## 7.2 X\n- **[a.checked]** *(module, level-0)* It MUST x.\n- **[a.unseen]** *(module, level-0)* It MUST y.\n- **[a.later]** *(module, level-0)* It MUST z.\n";

    fn problems(checks: &[(&str, &str)], kills: &str, reasons: &str) -> (Vec<Standing>, Vec<String>) {
        let mut problems = Vec::new();
        let chapter = extract::chapter("spec/07-x.md", TEXT, &mut problems);
        let mut map = Map::new();
        map::read("spec-map/map.yaml", reasons, &mut map, &mut problems);
        let checks: Vec<Check> = checks
            .iter()
            .map(|(id, shows)| Check {
                id: (*id).to_owned(),
                requirements: vec![(*shows).to_owned()],
                file: "suites/s.yaml".to_owned(),
            })
            .collect();
        let fault = Fault {
            name: "bad".to_owned(),
            about: String::new(),
            kills: kills.to_owned(),
            also: Vec::new(),
        };
        let rows = join(&chapter.requirements, &checks, &[fault], &map, &mut problems);
        let standings = rows.iter().map(|row| row.standing.clone()).collect();
        (standings, problems.iter().map(ToString::to_string).collect())
    }

    const MAP: &str = "- {id: a.unseen, untestable: u}\n- {id: a.later, todo: t}\n";

    #[test]
    fn each_requirement_has_one_standing() {
        let (standings, problems) = problems(&[("s/c/k", "a.checked")], "s/c/k", MAP);
        assert_eq!(problems, Vec::<String>::new());
        let expected = [
            Standing::Checked(vec!["s/c/k".to_owned()]),
            Standing::Untestable("u".to_owned()),
            Standing::Todo("t".to_owned()),
        ];
        assert_eq!(standings, expected);
    }

    #[test]
    fn every_gap_is_reported() {
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, String, &'a str);
        let cases: [Case<'_>; 5] = [
            (
                &[("s/c/k", "a.checkd"), ("s/c/l", "a.checked")],
                "s/c/k",
                MAP.to_owned(),
                "did you mean `a.checked`?",
            ),
            (
                &[("s/c/k", "a.checked")],
                "s/c/kk",
                MAP.to_owned(),
                "there is no check `s/c/kk`; did you mean `s/c/k`?",
            ),
            (
                &[("s/c/k", "a.checked")],
                "s/c/k",
                format!("{MAP}- {{id: a.x, todo: t}}\n"),
                "there is no requirement `a.x`",
            ),
            (
                &[("s/c/k", "a.checked")],
                "s/c/k",
                format!("{MAP}- {{id: a.checked, todo: t}}\n"),
                "has checks, and",
            ),
            (
                &[("s/c/k", "a.checked")],
                "s/c/k",
                "- {id: a.later, todo: t}\n".to_owned(),
                "`a.unseen` has no check",
            ),
        ];
        for (checks, kills, reasons, expected) in cases {
            let (_, found) = problems(checks, kills, &reasons);
            assert_eq!(found.len(), 1, "{expected}: {found:?}");
            assert!(found[0].contains(expected), "{expected}: {found:?}");
        }
    }
}
