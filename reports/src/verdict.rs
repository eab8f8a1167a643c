//! *The* verdict function: what a set of check records says about the target.
//!
//! Everybody who needs a verdict (the run itself, every report, whoever verifies a log later) calls [`judge`]; there is
//! no second one. The rule:
//!
//! 1. A MUST that failed makes the run **non-conformant**. So does a MAY that failed, because a MAY is only checked where
//!    the target claims it, and what is claimed and lacking is a violation. With `strict`, so does a SHOULD.
//! 2. Otherwise a MUST without a result where one was due (prerequisite-failed, blocked, environment, harness-error) makes
//!    it **incomplete**, and so does a run in which nothing was executed. With `strict`, so does a SHOULD.
//! 3. Otherwise it is **conformant**. Not-claimed, not-applicable and filtered decide nothing.

use std::collections::BTreeMap;

use crate::log::{CheckRecord, Level, Outcome, Verdict};

/// The exit code of a conformant run.
pub const EXIT_CONFORMANT: u8 = 0;
/// The exit code of a non-conformant run.
pub const EXIT_NON_CONFORMANT: u8 = 1;
/// The exit code of an incomplete run.
pub const EXIT_INCOMPLETE: u8 = 3;

/// The exit code that belongs to a verdict.
#[must_use]
pub fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Conformant => EXIT_CONFORMANT,
        Verdict::NonConformant => EXIT_NON_CONFORMANT,
        Verdict::Incomplete => EXIT_INCOMPLETE,
    }
}

/// Decides. See the top of this file for the rule.
pub fn judge<'a>(checks: impl IntoIterator<Item = &'a CheckRecord>, strict: bool) -> Verdict {
    let mut executed = false;
    let mut violated = false;
    let mut open = false;
    for check in checks {
        executed |= check.outcome.is_executed();
        violated |= violates(check, strict);
        open |= leaves_open(check, strict);
    }
    if violated {
        Verdict::NonConformant
    } else if open || !executed {
        Verdict::Incomplete
    } else {
        Verdict::Conformant
    }
}

/// Whether this check alone makes a run non-conformant.
#[must_use]
pub fn violates(check: &CheckRecord, strict: bool) -> bool {
    check.outcome == Outcome::Fail && (check.level != Level::Should || strict)
}

/// Whether this check alone keeps a run from being conformant, without violating anything.
#[must_use]
pub fn leaves_open(check: &CheckRecord, strict: bool) -> bool {
    check.outcome.is_inconclusive()
        && (check.level == Level::Must || (check.level == Level::Should && strict))
}

/// Whether this check decides nothing and yet deserves to be seen.
#[must_use]
pub fn warns(check: &CheckRecord, strict: bool) -> bool {
    check.outcome.is_red() && !violates(check, strict) && !leaves_open(check, strict)
}

/// How many checks had each outcome; outcomes that did not occur are absent.
pub fn counts<'a>(checks: impl IntoIterator<Item = &'a CheckRecord>) -> BTreeMap<Outcome, u64> {
    let mut counts = BTreeMap::new();
    for check in checks {
        *counts.entry(check.outcome).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(level: Level, outcome: Outcome) -> CheckRecord {
        CheckRecord::new("s/c", "s/c/k", level, outcome)
    }

    /// The verdict of one check of this kind beside a MUST that passed: lenient, strict.
    fn row(level: Level, outcome: Outcome) -> (Verdict, Verdict) {
        let checks = [check(Level::Must, Outcome::Pass), check(level, outcome)];
        (judge(&checks, false), judge(&checks, true))
    }

    #[test]
    fn the_truth_table() {
        use Verdict::{Conformant as C, Incomplete as I, NonConformant as N};
        for outcome in Outcome::ALL {
            let expected = match outcome {
                Outcome::Pass | Outcome::NotClaimed | Outcome::NotApplicable | Outcome::Filtered => {
                    [(C, C); 3]
                }
                Outcome::Fail => [(N, N), (C, N), (N, N)],
                Outcome::PrerequisiteFailed
                | Outcome::Blocked
                | Outcome::Environment
                | Outcome::HarnessError => [(I, I), (C, I), (C, C)],
            };
            for (level, expected) in [Level::Must, Level::Should, Level::May].into_iter().zip(expected) {
                assert_eq!(row(level, outcome), expected, "{level} {outcome}");
            }
        }
    }

    #[test]
    fn nothing_executed_is_never_green() {
        assert_eq!(judge(&[], false), Verdict::Incomplete);
        for outcome in Outcome::ALL.into_iter().filter(|outcome| !outcome.is_executed()) {
            for level in [Level::Must, Level::Should, Level::May] {
                assert_eq!(
                    judge(&[check(level, outcome)], false),
                    Verdict::Incomplete,
                    "{level} {outcome}"
                );
            }
        }
    }

    #[test]
    fn a_violation_outweighs_what_is_open() {
        let checks = [
            check(Level::Must, Outcome::HarnessError),
            check(Level::Must, Outcome::Fail),
        ];
        assert_eq!(judge(&checks, false), Verdict::NonConformant);
    }

    #[test]
    fn every_red_check_violates_leaves_open_or_warns() {
        for outcome in Outcome::ALL {
            for level in [Level::Must, Level::Should, Level::May] {
                for strict in [false, true] {
                    let check = check(level, outcome);
                    let kinds = [
                        violates(&check, strict),
                        leaves_open(&check, strict),
                        warns(&check, strict),
                    ];
                    let count = kinds.iter().filter(|kind| **kind).count();
                    assert_eq!(count, usize::from(outcome.is_red()), "{level} {outcome}");
                }
            }
        }
    }

    #[test]
    fn exit_codes_are_what_the_documentation_says() {
        assert_eq!(
            [Verdict::Conformant, Verdict::NonConformant, Verdict::Incomplete].map(exit_code),
            [0, 1, 3]
        );
    }
}
