//! The snapshot gate: a sentence that was edited without a new version fails.
//!
//! `spec/requirements.snapshot` holds one line for each requirement: `id version level sha256(sentence)`, sorted by id.
//! It is reviewed beside the chapter. An id that once existed stays reserved: a requirement that is withdrawn keeps its
//! line as `id version retired -`. Owns that file's form, the comparison, and the refusal to bless a silent edit.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::problem::Problem;
use crate::requirement::{Level, Requirement};

/// Where the snapshot is, counted from the root of the repository.
pub const FILE: &str = "spec/requirements.snapshot";

/// The snapshot by requirement id.
pub type Snapshot = BTreeMap<String, Entry>;

/// What the snapshot holds about one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The version of the sentence.
    pub version: u32,
    /// Its level and digest; nothing once the id is retired.
    pub text: Option<(Level, String)>,
    /// The line of the snapshot, from 1.
    pub line: usize,
}

/// Reads a snapshot.
pub fn read(text: &str, problems: &mut Vec<Problem>) -> Snapshot {
    let mut snapshot = Snapshot::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((id, entry)) = entry(line, at + 1) else {
            problems.push(Problem::at(
                FILE,
                at + 1,
                "malformed line; the form is `id version level sha256`",
            ));
            continue;
        };
        if snapshot.insert(id.clone(), entry).is_some() {
            problems.push(Problem::at(FILE, at + 1, format!("`{id}` stands here twice")));
        }
    }
    snapshot
}

fn entry(line: &str, number: usize) -> Option<(String, Entry)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [id, version, level, hash] = words.as_slice() else {
        return None;
    };
    let version = version.parse().ok()?;
    let text = match (*level, *hash) {
        ("retired", "-") => None,
        (level, hash) if hash.len() == 64 => Some((level.parse().ok()?, hash.to_owned())),
        _ => return None,
    };
    Some((
        (*id).to_owned(),
        Entry {
            version,
            text,
            line: number,
        },
    ))
}

/// What differs between the chapters and the snapshot, as problems that [`bless`] must not hide and problems that it
/// solves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Silent edits, removals and reused ids: somebody has to change the chapter.
    pub forbidden: Vec<Problem>,
    /// New or openly revised requirements: `bless` writes them down.
    pub pending: Vec<Problem>,
}

/// Compares the chapters with the snapshot.
#[must_use]
pub fn compare(requirements: &[Requirement], snapshot: &Snapshot) -> Difference {
    let mut difference = Difference::default();
    for requirement in requirements {
        let id = &requirement.id;
        let problem = |message| Problem::at(&requirement.file, requirement.line, message);
        let Some(old) = snapshot.get(id) else {
            difference.pending.push(problem(format!(
                "`{id}` is not in the snapshot; run `partenza-spec-map bless`"
            )));
            continue;
        };
        let Some((level, hash)) = &old.text else {
            difference
                .forbidden
                .push(problem(format!("`{id}` is retired and stays so; take a new id")));
            continue;
        };
        let next = format!("{id}+{}", old.version + 1);
        if requirement.version < old.version {
            let message = format!(
                "`{id}` goes back from version {} to {}",
                old.version, requirement.version
            );
            difference.forbidden.push(problem(message));
        } else if requirement.version > old.version + 1 {
            difference.forbidden.push(problem(format!(
                "`{id}` skips a version; the next one is `{next}`"
            )));
        } else if requirement.version > old.version {
            difference.pending.push(problem(format!(
                "`{id}` was revised; run `partenza-spec-map bless`"
            )));
        } else if *level != requirement.level {
            let message = format!(
                "`{id}` changed from {level} to {} without a new version; write `{next}`",
                requirement.level
            );
            difference.forbidden.push(problem(message));
        } else if *hash != requirement.hash() {
            difference.forbidden.push(problem(format!(
                "`{id}` was edited without a new version; write `{next}`"
            )));
        }
    }
    for (id, entry) in snapshot {
        if entry.text.is_some() && !requirements.iter().any(|requirement| requirement.id == *id) {
            let message = format!("`{id}` is gone from the chapters; restore it, or `bless --retire {id}`");
            difference.forbidden.push(Problem::at(FILE, entry.line, message));
        }
    }
    difference
}

/// The text of the new snapshot; refused while there is anything forbidden that `retire` does not name.
///
/// # Errors
/// The forbidden differences.
pub fn bless(
    requirements: &[Requirement],
    snapshot: &Snapshot,
    retire: &[String],
) -> Result<String, Vec<Problem>> {
    let mut old = snapshot.clone();
    let mut problems = Vec::new();
    for id in retire {
        match old.get_mut(id) {
            Some(_) if requirements.iter().any(|requirement| requirement.id == *id) => {
                problems.push(Problem::of(FILE, format!("`{id}` is still in the chapters")));
            }
            Some(entry) => entry.text = None,
            None => problems.push(Problem::of(FILE, format!("`{id}` is not in the snapshot"))),
        }
    }
    problems.extend(compare(requirements, &old).forbidden);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut lines: BTreeMap<&str, String> = BTreeMap::new();
    for (id, entry) in &old {
        lines.insert(id, format!("{id} {} retired -", entry.version));
    }
    for requirement in requirements {
        let line = format!(
            "{} {} {} {}",
            requirement.id,
            requirement.version,
            requirement.level,
            requirement.hash()
        );
        lines.insert(&requirement.id, line);
    }
    let mut text = String::from(HEADER);
    for line in lines.values() {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{line}");
    }
    Ok(text)
}

const HEADER: &str =
    "# id version level sha256(sentence). Written by `partenza-spec-map bless`, reviewed by people.\n";

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use crate::extract;

    fn requirements(text: &str) -> Vec<Requirement> {
        let mut problems = Vec::new();
        let chapter = extract::chapter("spec/07-x.md", &format!("## 7.2 X\n{text}\n"), &mut problems);
        assert_eq!(problems, []);
        chapter.requirements
    }

    fn blessed(text: &str) -> Snapshot {
        let text = bless(&requirements(text), &Snapshot::new(), &[]).unwrap();
        let mut problems = Vec::new();
        let snapshot = read(&text, &mut problems);
        assert_eq!(problems, []);
        snapshot
    }

    const OLD: &str = "- **[a.b]** *(module, level-0)* It MUST x.\n- **[a.c]** *(module, level-0)* It MAY y.";

    #[test]
    fn an_unchanged_text_passes() {
        assert_eq!(compare(&requirements(OLD), &blessed(OLD)), Difference::default());
    }

    #[test]
    fn silent_changes_are_forbidden_and_cannot_be_blessed() {
        let snapshot = blessed(OLD);
        for (from, to, expected) in [
            (
                "It MUST x.",
                "It MUST z.",
                "`a.b` was edited without a new version; write `a.b+2`",
            ),
            (
                "It MUST x.",
                "It SHOULD x.",
                "changed from MUST to SHOULD without a new version",
            ),
            ("a.b", "a.d", "`a.b` is gone from the chapters"),
            ("a.b]", "a.b+3]", "skips a version"),
        ] {
            let new = requirements(&OLD.replace(from, to));
            let difference = compare(&new, &snapshot);
            assert_eq!(difference.forbidden.len(), 1, "{to}");
            assert!(
                difference.forbidden[0].message.contains(expected),
                "{difference:?}"
            );
            assert!(bless(&new, &snapshot, &[]).is_err(), "{to}");
        }
        let newer = blessed(&OLD.replace("a.b]", "a.b+2]"));
        assert!(
            compare(&requirements(OLD), &newer).forbidden[0]
                .message
                .contains("goes back from version 2 to 1")
        );
    }

    #[test]
    fn open_changes_wait_for_a_blessing() {
        let snapshot = blessed(OLD);
        let revised = requirements(&OLD.replace("a.b]", "a.b+2]").replace("MUST x", "MUST z"));
        let difference = compare(&revised, &snapshot);
        assert_eq!((difference.forbidden.len(), difference.pending.len()), (0, 1));
        let mut problems = Vec::new();
        let after = read(&bless(&revised, &snapshot, &[]).unwrap(), &mut problems);
        assert_eq!(compare(&revised, &after), Difference::default());
    }

    #[test]
    fn a_retired_id_stays_reserved() {
        let snapshot = blessed(OLD);
        let rest = requirements("- **[a.b]** *(module, level-0)* It MUST x.");
        let text = bless(&rest, &snapshot, &["a.c".to_owned()]).unwrap();
        assert!(text.contains("a.c 1 retired -"), "{text}");
        let after = read(&text, &mut Vec::new());
        assert_eq!(compare(&rest, &after), Difference::default());
        assert!(
            compare(&requirements(OLD), &after).forbidden[0]
                .message
                .contains("is retired")
        );
        assert!(bless(&requirements(OLD), &snapshot, &["a.c".to_owned()]).is_err());
    }

    #[test]
    fn a_malformed_snapshot_is_refused() {
        for text in ["a.b 1 MUST", "a.b x MUST 00", "a.b 1 WILL 00", "a.b 1 retired x"] {
            let mut problems = Vec::new();
            read(text, &mut problems);
            assert_eq!(problems.len(), 1, "{text}");
        }
    }
}
