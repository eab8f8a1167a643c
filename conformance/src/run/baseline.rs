//! The baseline: checks that are known not to pass, each with a reason, a link and an end.
//!
//! A baselined check still runs. Owns the file's form, and the rule that a baseline may not rot: an id that no suite
//! declares, an entry whose check passes, and an entry that has expired are problems, and have an exit code of their own.

use std::collections::BTreeMap;
use std::path::Path;

use partenza_reports::log::{CheckRecord, Outcome};
use serde::Deserialize;

use crate::input_error::{InputError, load_yaml};

/// Why a check is in the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It fails, and that is known; when it passes, the entry is stale.
    KnownFail,
    /// It sometimes fails.
    KnownFlaky,
    /// It fails, and that is accepted; shown on the face of every report.
    Waiver,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::KnownFail => "known-fail",
            Self::KnownFlaky => "known-flaky",
            Self::Waiver => "waiver",
        }
    }
}

/// One entry of the file, which is a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The full id of the check.
    pub check: String,
    /// Why it is here.
    pub kind: Kind,
    /// The same in words.
    pub reason: String,
    /// Where the work on it is tracked.
    pub link: String,
    /// The last day on which the entry counts, as `YYYY-MM-DD`.
    pub expires: String,
}

/// What a baseline says about a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effect {
    /// The red checks that it excuses, with the reason.
    pub excused: BTreeMap<String, String>,
    /// What is wrong with the baseline itself.
    pub problems: Vec<String>,
}

/// A baseline file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline {
    file: String,
    entries: Vec<Entry>,
}

impl Baseline {
    /// Reads a baseline.
    ///
    /// # Errors
    /// When the file cannot be read or has another form.
    pub fn load(path: &Path) -> Result<Self, InputError> {
        let file = path.display().to_string();
        let entries: Vec<Entry> = load_yaml(path)?;
        for entry in &entries {
            let faulty = if entry.reason.trim().is_empty() || entry.link.trim().is_empty() {
                Some(format!(
                    "the entry of `{}` needs a reason and a link",
                    entry.check
                ))
            } else if !is_day(&entry.expires) {
                Some(format!("`{}` is no day; write it as 2027-01-31", entry.expires))
            } else {
                None
            };
            if let Some(message) = faulty {
                let text = std::fs::read_to_string(path).unwrap_or_default();
                return Err(InputError::new(&file, message).at_text(&text, &entry.check));
            }
        }
        Ok(Self { file, entries })
    }

    /// Holds the baseline against the final records; `today` is `YYYY-MM-DD`.
    #[must_use]
    pub fn hold(&self, records: &[CheckRecord], today: &str) -> Effect {
        let mut effect = Effect::default();
        for entry in &self.entries {
            let mut problem = |text: String| effect.problems.push(format!("{}: {text}", self.file));
            let Some(record) = records.iter().find(|record| record.check == entry.check) else {
                problem(format!("no suite declares `{}`", entry.check));
                continue;
            };
            if entry.expires.as_str() < today {
                problem(format!(
                    "the entry of `{}` expired on {}",
                    entry.check, entry.expires
                ));
                continue;
            }
            if record.outcome == Outcome::Pass && entry.kind != Kind::KnownFlaky {
                problem(format!(
                    "`{}` passes; its entry ({}) is stale",
                    entry.check,
                    entry.kind.as_str()
                ));
            }
            let reason = format!("{}: {} ({})", entry.kind.as_str(), entry.reason, entry.link);
            if effect.excused.contains_key(&entry.check) {
                problem(format!("`{}` stands there twice", entry.check));
            } else {
                effect.excused.insert(entry.check.clone(), reason);
            }
        }
        effect
    }
}

fn is_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| {
            if at == 4 || at == 7 {
                *byte == b'-'
            } else {
                byte.is_ascii_digit()
            }
        })
}

#[cfg(test)]
mod tests {
    use partenza_reports::log::Level;

    use super::*;

    fn held(kind: Kind, check: &str, outcome: Outcome, expires: &str) -> Effect {
        let entry = Entry {
            check: check.to_owned(),
            kind,
            reason: "slow".to_owned(),
            link: "#1".to_owned(),
            expires: expires.to_owned(),
        };
        let baseline = Baseline {
            file: "b.yaml".to_owned(),
            entries: vec![entry],
        };
        baseline.hold(
            &[CheckRecord::new("s/c", "s/c/k", Level::Must, outcome)],
            "2026-06-01",
        )
    }

    #[test]
    fn a_known_failure_is_excused() {
        let effect = held(Kind::KnownFail, "s/c/k", Outcome::Fail, "2026-06-01");
        assert_eq!(effect.problems, Vec::<String>::new());
        assert_eq!(effect.excused["s/c/k"], "known-fail: slow (#1)");
    }

    #[test]
    fn a_baseline_does_not_rot() {
        for (kind, check, outcome, expires, expected) in [
            (
                Kind::KnownFail,
                "s/c/x",
                Outcome::Fail,
                "2027-01-01",
                "no suite declares `s/c/x`",
            ),
            (
                Kind::KnownFail,
                "s/c/k",
                Outcome::Fail,
                "2026-05-31",
                "expired on 2026-05-31",
            ),
            (
                Kind::KnownFail,
                "s/c/k",
                Outcome::Pass,
                "2027-01-01",
                "`s/c/k` passes; its entry (known-fail) is stale",
            ),
            (Kind::Waiver, "s/c/k", Outcome::Pass, "2027-01-01", "is stale"),
        ] {
            let problems = held(kind, check, outcome, expires).problems;
            assert_eq!(problems.len(), 1);
            assert!(
                problems[0].starts_with("b.yaml: ") && problems[0].contains(expected),
                "{problems:?}"
            );
        }
        assert!(
            held(Kind::KnownFlaky, "s/c/k", Outcome::Pass, "2027-01-01")
                .problems
                .is_empty()
        );
    }

    #[test]
    fn days_have_one_form() {
        assert!(is_day("2027-01-31"));
        for text in ["2027-1-31", "tomorrow", "2027/01/31", "2027-01-311", ""] {
            assert!(!is_day(text), "{text}");
        }
    }
}
