//! The parts of the chapters that are written from data: the state table, the state diagram and the error codes.
//!
//! A chapter marks such a part with `<!-- generated: NAME -->` and `<!-- end generated -->`. Owns the renderings and the
//! replacement; the data (`spec/states.yaml`, `spec/errors.yaml`) is the norm, and a rendering that differs from it is stale.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::problem::Problem;

/// Where the state table is, counted from the root of the repository.
pub const STATES: &str = "spec/states.yaml";
/// Where the error codes are, counted from the root of the repository.
pub const ERRORS: &str = "spec/errors.yaml";

const BEGIN: &str = "<!-- generated: ";
const END: &str = "<!-- end generated -->";

/// The data that the generated parts are written from.
pub struct Sources {
    states: States,
    errors: Errors,
}

impl Sources {
    /// Reads both files.
    ///
    /// # Errors
    /// The first problem of either.
    pub fn read(states: &str, errors: &str) -> Result<Self, Problem> {
        Ok(Self {
            states: yaml(STATES, states)?,
            errors: yaml(ERRORS, errors)?,
        })
    }

    /// Fills every marked part of a chapter; a chapter without marks comes back unchanged.
    ///
    /// # Errors
    /// A mark that names nothing known, or that is never closed before the next one.
    pub fn fill(&self, file: &str, chapter: &str) -> Result<String, Problem> {
        let mut out = String::with_capacity(chapter.len());
        let mut lines = chapter.lines().enumerate().peekable();
        let mut fenced = false;
        while let Some((at, line)) = lines.next() {
            out.push_str(line);
            out.push('\n');
            fenced ^= line.starts_with("```");
            let Some(name) = line
                .trim()
                .strip_prefix(BEGIN)
                .and_then(|rest| rest.strip_suffix("-->"))
            else {
                continue;
            };
            if fenced {
                continue;
            }
            let part = self
                .part(name.trim())
                .ok_or_else(|| Problem::at(file, at + 1, format!("nothing generates `{}`", name.trim())))?;
            let rest: Vec<&str> = lines.clone().map(|(_, line)| line.trim()).collect();
            let end = rest.iter().position(|line| *line == END);
            let next = rest
                .iter()
                .position(|line| line.starts_with(BEGIN))
                .unwrap_or(usize::MAX);
            if let Some(end) = end.filter(|end| *end < next) {
                lines.nth(end);
            }
            let _ = write!(out, "\n{part}\n{END}\n");
        }
        Ok(out)
    }

    fn part(&self, name: &str) -> Option<String> {
        match name {
            "state-table" => Some(self.state_table()),
            "state-diagram" => Some(self.state_diagram()),
            "states" => Some(self.state_list()),
            "events" => Some(self.event_list()),
            "error-codes" => Some(self.error_codes()),
            "recovery-flags" => Some(self.recovery_flags()),
            _ => None,
        }
    }

    fn state_list(&self) -> String {
        table(
            ["State", "Meaning"],
            self.states
                .states
                .iter()
                .map(|state| [code(&state.name), state.meaning.clone()]),
        )
    }

    fn event_list(&self) -> String {
        table(
            ["Event", "Meaning"],
            self.states
                .events
                .iter()
                .map(|event| [code(&event.name), event.meaning.clone()]),
        )
    }

    fn state_table(&self) -> String {
        table(
            ["From", "Event", "To", "Note"],
            self.states.transitions.iter().map(|row| {
                let to: Vec<_> = row.to.iter().map(|name| code(name)).collect();
                [
                    code(&row.from),
                    code(&row.on),
                    to.join(", "),
                    row.note.clone().unwrap_or_default(),
                ]
            }),
        )
    }

    fn state_diagram(&self) -> String {
        let mut text = String::from("```mermaid\nstateDiagram-v2\n");
        for state in self.states.states.iter().filter(|state| state.initial) {
            let _ = writeln!(text, "    [*] --> {}", state.name);
        }
        let mut arrows: Vec<((&str, &str), Vec<&str>)> = Vec::new();
        for row in &self.states.transitions {
            for to in &row.to {
                let arrow = (row.from.as_str(), to.as_str());
                match arrows.iter_mut().find(|(known, _)| *known == arrow) {
                    Some((_, events)) if events.contains(&row.on.as_str()) => {}
                    Some((_, events)) => events.push(&row.on),
                    None => arrows.push((arrow, vec![&row.on])),
                }
            }
        }
        for ((from, to), events) in arrows {
            let _ = writeln!(text, "    {from} --> {to}: {}", events.join(", "));
        }
        text.push_str("```\n");
        text
    }

    /// The errors, then the numbers of JSON-RPC: what chapter 12.3 publishes.
    fn error_codes(&self) -> String {
        let mut text = String::new();
        for rows in [&self.errors.errors, &self.errors.wire]
            .into_iter()
            .filter(|rows| !rows.is_empty())
        {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&table(
                ["Code", "Name", "Meaning", "Recovery"],
                rows.iter().map(ErrorCode::row),
            ));
        }
        text
    }

    fn recovery_flags(&self) -> String {
        let rows = self
            .errors
            .recovery_flags
            .iter()
            .map(|flag| [code(&flag.name), flag.meaning.clone()]);
        table(["Flag", "Meaning"], rows)
    }
}

#[derive(Deserialize)]
struct States {
    states: Vec<State>,
    #[serde(default)]
    events: Vec<Named>,
    transitions: Vec<Transition>,
}

#[derive(Deserialize)]
struct State {
    name: String,
    meaning: String,
    #[serde(default)]
    initial: bool,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    meaning: String,
}

#[derive(Deserialize)]
struct Transition {
    from: String,
    on: String,
    to: Vec<String>,
    note: Option<String>,
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    recovery_flags: Vec<Named>,
    errors: Vec<ErrorCode>,
    #[serde(default)]
    wire: Vec<ErrorCode>,
}

#[derive(Deserialize)]
struct ErrorCode {
    code: Code,
    name: String,
    severity: Option<String>,
    meaning: String,
    recovery: Vec<String>,
}

impl ErrorCode {
    fn row(&self) -> [String; 4] {
        let flags: Vec<_> = self.recovery.iter().map(|flag| code(flag)).collect();
        let name = match self.severity.as_deref() {
            Some("warning") => format!("{} (warning)", code(&self.name)),
            _ => code(&self.name),
        };
        [
            code(&self.code.text()),
            name,
            self.meaning.clone(),
            flags.join(", "),
        ]
    }
}

/// `PZ101`, or a number of JSON-RPC.
#[derive(Deserialize)]
#[serde(untagged)]
enum Code {
    Number(i64),
    Text(String),
}

impl Code {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

fn yaml<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, Problem> {
    serde_yaml::from_str(text).map_err(|error| {
        let line = error.location().map_or(0, |place| place.line());
        Problem::at(file, line, error.to_string())
    })
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), " --- |".repeat(N));
    for row in rows {
        let cells: Vec<_> = row
            .iter()
            .map(|cell| cell.replace('|', "\\|").replace('\n', " "))
            .collect();
        let _ = writeln!(text, "| {} |", cells.join(" | ").trim_end());
    }
    text
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;

    const STATES: &str = "states:\n- {name: pending, meaning: It waits., initial: true}\n- {name: ready, meaning: It serves.}\ntransitions:\n- {from: pending, \"on\": launch, to: [ready]}\n- {from: pending, \"on\": luck, to: [ready], note: seldom}\n";
    const ERRORS: &str = "errors:\n- {code: PZ101, name: unknown-key, meaning: A key is unknown., recovery: [operator]}\n- {code: -32700, name: parse, meaning: No JSON., recovery: []}\n";

    #[test]
    fn parts_are_filled_and_filling_again_changes_nothing() {
        let sources = Sources::read(STATES, ERRORS).unwrap();
        let chapter = "# 4\n<!-- generated: state-table -->\nold\n<!-- end generated -->\n<!-- generated: state-diagram -->\n<!-- generated: error-codes -->\nafter\n";
        let once = sources.fill("f", chapter).unwrap();
        assert!(
            once.contains("| `pending` | `luck` | `ready` | seldom |"),
            "{once}"
        );
        assert!(once.contains("    pending --> ready: launch, luck\n"), "{once}");
        assert!(once.contains("| `-32700` | `parse` | No JSON. |"), "{once}");
        assert!(!once.contains("old") && once.ends_with("after\n"), "{once}");
        assert_eq!(sources.fill("f", &once).unwrap(), once);
    }

    #[test]
    fn an_unknown_part_is_refused() {
        let sources = Sources::read(STATES, ERRORS).unwrap();
        let problem = sources
            .fill("f.md", "\n<!-- generated: weather -->\n")
            .unwrap_err();
        assert_eq!(problem.to_string(), "f.md:2: nothing generates `weather`");
    }
}
