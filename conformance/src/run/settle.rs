//! From what the cases reported to one final record for each declared check.
//!
//! Owns the declared denominator (a check that was to report and did not is the harness's error), the rule that a
//! rejection whose control did not pass is `blocked`, and the summing up of the monitors over all cases. Refuses to
//! decide what the records mean together; that is the verdict's.

use std::collections::BTreeMap;

use partenza_reports::log::{Blame, CheckRecord, Level, Outcome};

use super::Played;
use super::select::{Declared, Plan};

/// What became of each case that was to run: what it reported, or why it reported nothing.
pub type Results = BTreeMap<String, Result<Played, String>>;

/// One final record for each declared check and each monitor, in the order of the plan.
#[must_use]
pub fn settle(plan: &Plan, results: &Results) -> Vec<CheckRecord> {
    let mut records: Vec<CheckRecord> = plan
        .checks
        .iter()
        .map(|declared| reported(declared, results))
        .collect();
    block(plan, &mut records);
    records.extend(
        plan.monitors
            .iter()
            .map(|declared| monitored(declared, plan.filtered, results)),
    );
    records.extend(undeclared(plan, results));
    records
}

/// The records of a target that cannot be run: whatever was to be shown could not even be tried.
#[must_use]
pub(super) fn give_up(plan: &Plan, why: &str) -> Vec<CheckRecord> {
    let record = |declared: &Declared| match declared.runs {
        false => declared.record.clone(),
        true => CheckRecord {
            outcome: Outcome::PrerequisiteFailed,
            blame: Some(Blame::Subject),
            detail: Some(format!("the target cannot be run: {why}")),
            ..declared.record.clone()
        },
    };
    plan.checks.iter().chain(&plan.monitors).map(record).collect()
}

fn reported(declared: &Declared, results: &Results) -> CheckRecord {
    if !declared.runs {
        return declared.record.clone();
    }
    let missing = |why: String| CheckRecord {
        outcome: Outcome::HarnessError,
        blame: Some(Blame::Harness),
        detail: Some(why),
        ..declared.record.clone()
    };
    match results.get(&declared.record.case) {
        None => missing("the run ended before its case was played".to_owned()),
        Some(Err(why)) => missing(why.clone()),
        Some(Ok(played)) => match played
            .checks
            .iter()
            .find(|check| check.record.check == declared.record.check)
        {
            Some(check) => CheckRecord {
                case: declared.record.case.clone(),
                requirements: declared.record.requirements.clone(),
                level: declared.record.level,
                ..check.record.clone()
            },
            None => missing("the check is declared, and its case ended without reporting it".to_owned()),
        },
    }
}

/// A pass proves nothing when its positive control did not pass.
fn block(plan: &Plan, records: &mut [CheckRecord]) {
    let outcomes: BTreeMap<String, Outcome> = records
        .iter()
        .map(|record| (record.check.clone(), record.outcome))
        .collect();
    for (declared, record) in plan.checks.iter().zip(records) {
        let broken = declared
            .controls
            .iter()
            .find(|id| outcomes.get(*id) != Some(&Outcome::Pass));
        let Some(control) = broken.filter(|_| record.outcome == Outcome::Pass) else {
            continue;
        };
        let came = outcomes
            .get(control)
            .map_or("not declared", |outcome| outcome.as_str());
        record.outcome = Outcome::Blocked;
        record.blame = Some(Blame::Subject);
        record.detail = Some(format!("its positive control `{control}` came out as: {came}"));
    }
}

/// One record over all cases: the first red one, or a pass.
fn monitored(declared: &Declared, filtered: bool, results: &Results) -> CheckRecord {
    if !declared.runs {
        return declared.record.clone();
    }
    let mut all: Vec<(&str, &CheckRecord)> = Vec::new();
    for (case, result) in results {
        let records = result
            .iter()
            .flat_map(|played| &played.checks)
            .map(|check| &check.record);
        all.extend(
            records
                .filter(|record| record.check == declared.record.check)
                .map(|record| (case.as_str(), record)),
        );
    }
    let mut red: Vec<_> = all.iter().filter(|(_, record)| record.outcome.is_red()).collect();
    red.sort_by_key(|(_, record)| record.outcome != Outcome::Fail);
    let (passed, seen) = (
        all.iter()
            .filter(|(_, record)| record.outcome == Outcome::Pass)
            .count(),
        all.len(),
    );
    let base = CheckRecord {
        t_us: 0,
        ..declared.record.clone()
    };
    if let Some((case, first)) = red.first() {
        let others: Vec<&str> = red.iter().skip(1).map(|(case, _)| *case).collect();
        let also = match others.len() {
            0 => String::new(),
            count => format!(
                "; also in {}{}",
                others[..count.min(5)].join(", "),
                if count > 5 { " ..." } else { "" }
            ),
        };
        let detail = format!(
            "in {case}{also}{}",
            first
                .detail
                .as_ref()
                .map(|text| format!(": {text}"))
                .unwrap_or_default()
        );
        return CheckRecord {
            case: (*case).to_owned(),
            requirements: base.requirements,
            level: base.level,
            detail: Some(detail),
            ..(*first).clone()
        };
    }
    if passed > 0 {
        return CheckRecord {
            outcome: Outcome::Pass,
            detail: Some(format!("watched {passed} cases")),
            ..base
        };
    }
    match all.first() {
        None if filtered => CheckRecord {
            outcome: Outcome::NotApplicable,
            detail: Some("the selected cases gave it nothing to watch".to_owned()),
            ..base
        },
        Some((_, record)) => CheckRecord {
            outcome: record.outcome,
            detail: record.detail.clone(),
            ..base
        },
        None => CheckRecord {
            outcome: Outcome::HarnessError,
            blame: Some(Blame::Harness),
            detail: Some(format!(
                "the monitor reported in none of {} cases ({seen} reports)",
                results.len()
            )),
            ..base
        },
    }
}

/// A report that nobody declared would be a number without a denominator, so it is the harness's error too.
fn undeclared(plan: &Plan, results: &Results) -> Vec<CheckRecord> {
    let known = |id: &str| {
        plan.checks
            .iter()
            .chain(&plan.monitors)
            .any(|declared| declared.record.check == id)
    };
    let mut extra: BTreeMap<&str, CheckRecord> = BTreeMap::new();
    for (case, result) in results {
        for check in result
            .iter()
            .flat_map(|played| &played.checks)
            .filter(|check| !known(&check.record.check))
        {
            let mut record = CheckRecord::new(case, &check.record.check, Level::Must, Outcome::HarnessError);
            record.blame = Some(Blame::Harness);
            record.detail = Some("the case reported a check that no suite declares".to_owned());
            extra.insert(&check.record.check, record);
        }
    }
    extra.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::PlayedCheck;

    fn declared(id: &str, controls: &[&str]) -> Declared {
        let case = id.rsplit_once('/').map_or(id, |(case, _)| case);
        Declared {
            record: CheckRecord::new(case, id, Level::Must, Outcome::Pass),
            controls: controls.iter().map(|id| (*id).to_owned()).collect(),
            runs: true,
        }
    }

    fn played(case: &str, checks: &[(&str, Outcome)]) -> (String, Result<Played, String>) {
        let checks = checks.iter().map(|(id, outcome)| PlayedCheck {
            record: CheckRecord::new(case, *id, Level::Must, *outcome),
            by_deadline: false,
        });
        (
            case.to_owned(),
            Ok(Played {
                checks: checks.collect(),
                ..Played::default()
            }),
        )
    }

    const WATCH: &str = "monitor/every-case/watch";

    fn outcomes(plan: &Plan, results: &Results) -> Vec<(String, Outcome)> {
        settle(plan, results)
            .into_iter()
            .map(|record| (record.check, record.outcome))
            .collect()
    }

    fn plan(checks: Vec<Declared>) -> Plan {
        Plan {
            cases: vec!["s/c".to_owned()],
            checks,
            monitors: vec![declared(WATCH, &[])],
            filtered: false,
        }
    }

    #[test]
    fn a_declared_check_that_does_not_report_is_red() {
        let plan = plan(vec![
            declared("s/c/k", &[]),
            declared("s/c/l", &[]),
            declared("s/d/m", &[]),
            declared("s/e/n", &[]),
        ]);
        let mut results = Results::from([played("s/c", &[("s/c/k", Outcome::Pass), (WATCH, Outcome::Pass)])]);
        results.insert(
            "s/d".to_owned(),
            Err("the harness lost the case: boom".to_owned()),
        );
        let expected = [
            ("s/c/k", Outcome::Pass),
            ("s/c/l", Outcome::HarnessError),
            ("s/d/m", Outcome::HarnessError),
            ("s/e/n", Outcome::HarnessError),
            (WATCH, Outcome::Pass),
        ];
        assert_eq!(
            outcomes(&plan, &results),
            expected.map(|(id, outcome)| (id.to_owned(), outcome))
        );
    }

    #[test]
    fn a_report_that_nobody_declared_is_red() {
        let plan = plan(vec![]);
        let results = Results::from([played(
            "s/c",
            &[("s/c/ghost", Outcome::Pass), (WATCH, Outcome::Pass)],
        )]);
        assert_eq!(
            outcomes(&plan, &results)[1],
            ("s/c/ghost".to_owned(), Outcome::HarnessError)
        );
    }

    #[test]
    fn a_pass_without_its_control_is_blocked() {
        for (control, rejection, expected) in [
            (Outcome::Pass, Outcome::Pass, Outcome::Pass),
            (Outcome::Fail, Outcome::Pass, Outcome::Blocked),
            (Outcome::NotClaimed, Outcome::Pass, Outcome::Blocked),
            (Outcome::Fail, Outcome::Fail, Outcome::Fail),
        ] {
            let plan = plan(vec![declared("s/c/ok", &[]), declared("s/c/no", &["s/c/ok"])]);
            let reports = [("s/c/ok", control), ("s/c/no", rejection), (WATCH, Outcome::Pass)];
            assert_eq!(
                outcomes(&plan, &Results::from([played("s/c", &reports)]))[1].1,
                expected,
                "{control}"
            );
        }
    }

    #[test]
    fn a_control_in_another_case_counts_as_one_in_the_same() {
        use partenza_reports::log::Verdict;
        use partenza_reports::verdict;
        for (control, outcome, judged) in [
            (Outcome::Pass, Outcome::Pass, Verdict::Conformant),
            (Outcome::Fail, Outcome::Blocked, Verdict::NonConformant),
            (Outcome::PrerequisiteFailed, Outcome::Blocked, Verdict::Incomplete),
        ] {
            let plan = plan(vec![declared("s/c/ok", &[]), declared("s/d/no", &["s/c/ok"])]);
            let results = Results::from([
                played("s/c", &[("s/c/ok", control), (WATCH, Outcome::Pass)]),
                played("s/d", &[("s/d/no", Outcome::Pass), (WATCH, Outcome::Pass)]),
            ]);
            let records = settle(&plan, &results);
            assert_eq!(records[1].outcome, outcome, "{control}");
            assert_eq!(verdict::judge(&records, false), judged, "{control}");
            if outcome == Outcome::Blocked {
                assert_eq!(records[1].blame, Some(Blame::Subject));
                assert!(records[1].detail.as_ref().unwrap().contains("`s/c/ok`"));
            }
        }
    }

    #[test]
    fn a_monitor_is_one_check_over_all_cases() {
        let plan = plan(vec![]);
        let results = Results::from([
            played("s/a", &[(WATCH, Outcome::Pass)]),
            played("s/b", &[(WATCH, Outcome::HarnessError)]),
            played("s/c", &[(WATCH, Outcome::Fail)]),
        ]);
        let records = settle(&plan, &results);
        assert_eq!(records.len(), 1);
        assert_eq!(
            (records[0].case.as_str(), records[0].outcome),
            ("s/c", Outcome::Fail)
        );
        assert_eq!(records[0].detail.as_deref(), Some("in s/c; also in s/b"));
        let silent = Results::from([played("s/a", &[])]);
        assert_eq!(outcomes(&plan, &silent)[0].1, Outcome::HarnessError);
    }
}
