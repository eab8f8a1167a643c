//! The map: why a requirement has no check.
//!
//! `spec-map/map*.yaml` is a list of `{id, untestable: reason}` and `{id, todo: reason}`. Owns that form; which
//! requirements have checks is known from the suites, and the two are held against each other in [`crate::join`].

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::problem::Problem;

/// Why a requirement has no check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It cannot be observed from outside.
    Untestable(String),
    /// A check can exist and does not yet.
    Todo(String),
}

/// The reasons by requirement id, each with the file it comes from.
pub type Map = BTreeMap<String, (Reason, String)>;

/// Reads one file of the map into `map`.
pub fn read(file: &str, text: &str, map: &mut Map, problems: &mut Vec<Problem>) {
    let entries: Option<Vec<Entry>> = match serde_yaml::from_str(text) {
        Ok(entries) => entries,
        Err(error) => {
            let line = error.location().map_or(0, |place| place.line());
            problems.push(Problem::at(file, line, error.to_string()));
            return;
        }
    };
    for Entry { id, untestable, todo } in entries.unwrap_or_default() {
        let line = line_of(text, &id);
        let reason = match (untestable, todo) {
            (Some(reason), None) => Reason::Untestable(reason),
            (None, Some(reason)) => Reason::Todo(reason),
            _ => {
                problems.push(Problem::at(
                    file,
                    line,
                    format!("`{id}` needs exactly one of `untestable` and `todo`"),
                ));
                continue;
            }
        };
        let (Reason::Untestable(text) | Reason::Todo(text)) = &reason;
        if text.trim().is_empty() {
            problems.push(Problem::at(file, line, format!("`{id}` gives no reason")));
        } else if let Some((_, first)) = map.get(&id) {
            problems.push(Problem::at(
                file,
                line,
                format!("`{id}` is mapped twice, first in {first}"),
            ));
        } else {
            map.insert(id, (reason, file.to_owned()));
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    untestable: Option<String>,
    todo: Option<String>,
}

/// The parser gives no place for single entries; the last line that names the id is the place a reader looks for.
fn line_of(text: &str, id: &str) -> usize {
    let names = |line: &str| line.split(['"', '\'', ' ', ',', '{', '}']).any(|word| word == id);
    text.lines()
        .collect::<Vec<_>>()
        .iter()
        .rposition(|line| names(line))
        .map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let (mut map, mut problems) = (Map::new(), Vec::new());
        read("spec-map/map.yaml", text, &mut map, &mut problems);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn reasons_are_read() {
        let (mut map, mut problems) = (Map::new(), Vec::new());
        read(
            "m",
            "- {id: a.b, todo: later}\n- id: a.c\n  untestable: unseen\n",
            &mut map,
            &mut problems,
        );
        assert_eq!(problems, []);
        assert_eq!(map["a.b"].0, Reason::Todo("later".to_owned()));
        assert_eq!(map["a.c"].0, Reason::Untestable("unseen".to_owned()));
    }

    #[test]
    fn an_empty_map_is_a_map() {
        assert_eq!(problems("# nothing yet\n"), Vec::<String>::new());
    }

    #[test]
    fn bad_entries_are_refused() {
        for (text, expected) in [
            ("- {id: a.b, todo: later, untestable: no}", "exactly one of"),
            ("- {id: a.b}", "exactly one of"),
            ("- {id: a.b, todo: \" \"}", "gives no reason"),
            (
                "- {id: x.y, todo: a}\n- {id: a.b, todo: a}\n- {id: a.b, todo: a}",
                "map.yaml:3: `a.b` is mapped twice",
            ),
            ("- {id: a.b, tod: later}", "unknown field"),
            ("a.b: {todo: later}", "map.yaml:1: "),
        ] {
            let found = problems(text);
            assert_eq!(found.len(), 1, "{text}");
            assert!(found[0].contains(expected), "{text}: {found:?}");
        }
    }
}
