//! Reading typed values out of the tree, and saying exactly what is wrong where.
//!
//! It owns the general errors: unknown, repeated, missing keys and wrong types. It never stops at the first one
//! (`config.all-problems-reported`); a reader returns `None` after it has reported.

use std::collections::{BTreeMap, HashSet};

use super::diagnostic::{Diagnostic, nearest};
use super::duration;
use super::yaml::{Node, Place, Value};

/// Collects the problems of one file.
pub(super) struct Report<'f> {
    pub(super) file: &'f str,
    pub(super) problems: Vec<Diagnostic>,
}

impl Report<'_> {
    pub(super) fn error(&mut self, code: &'static str, place: Place, message: impl Into<String>) {
        self.problems
            .push(Diagnostic::error(code, self.file, place, message));
    }

    pub(super) fn error_with_help(
        &mut self,
        code: &'static str,
        place: Place,
        message: String,
        help: String,
    ) {
        self.problems
            .push(Diagnostic::error(code, self.file, place, message).help(help));
    }

    /// A spelling of an early draft (`config.aliases-warn`).
    pub(super) fn deprecated(&mut self, place: Place, old: &str, new: &str) {
        let message = format!("`{old}` is deprecated");
        let warning = Diagnostic::error("PZ114", self.file, place, message).warning();
        self.problems.push(warning.help(format!("write `{new}`")));
    }

    /// PZ103 (`config.wrong-type-refused`, `config.yaml-1.2-booleans`).
    pub(super) fn wrong_type(&mut self, key: &str, wanted: &str, node: &Node) {
        let found = node.value.kind();
        let message = match &node.value {
            Value::Text(text) if text.len() <= 40 => format!("`{key}` takes {wanted}, not the text `{text}`"),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_) => format!("`{key}` takes {wanted}, not {found}"),
        };
        let help = match &node.value {
            Value::Null => Some("leave the key out to get its default".to_owned()),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) if wanted == "text" => {
                Some(format!("put it in quotes: \"{}\"", node.written))
            }
            Value::Text(word) if wanted == "a boolean" => match word.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" | "true" => Some("write `true`".to_owned()),
                "no" | "off" | "n" | "false" => Some("write `false`".to_owned()),
                _ => None,
            },
            Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_) => None,
        };
        match help {
            Some(help) => self.error_with_help("PZ103", node.place, message, help),
            None => self.error("PZ103", node.place, message),
        }
    }

    pub(super) fn text<'n>(&mut self, key: &str, node: &'n Node) -> Option<&'n str> {
        match &node.value {
            Value::Text(text) if text.contains('\0') => {
                self.error(
                    "PZ105",
                    node.place,
                    format!("`{key}` must not hold a NUL character"),
                );
                None
            }
            Value::Text(text) => Some(text),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::List(_)
            | Value::Map(_) => {
                self.wrong_type(key, "text", node);
                None
            }
        }
    }

    /// A text of at most `most` characters.
    pub(super) fn short_text<'n>(&mut self, key: &str, node: &'n Node, most: usize) -> Option<&'n str> {
        let text = self.text(key, node)?;
        if text.chars().count() <= most {
            return Some(text);
        }
        self.error(
            "PZ105",
            node.place,
            format!("`{key}` has more than {most} characters"),
        );
        None
    }

    pub(super) fn boolean(&mut self, key: &str, node: &Node) -> Option<bool> {
        // YAML 1.2 also knows `True` and `TRUE`; the specification allows one spelling.
        match node.value {
            Value::Bool(value) if matches!(node.written.as_str(), "true" | "false" | "") => Some(value),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_) => {
                self.wrong_type(key, "a boolean", node);
                None
            }
        }
    }

    pub(super) fn count(&mut self, key: &str, node: &Node) -> Option<u32> {
        let Value::Int(number) = node.value else {
            self.wrong_type(key, "an integer", node);
            return None;
        };
        match u32::try_from(number) {
            Ok(count) if (1..=MAX_COUNT).contains(&count) => Some(count),
            Ok(_) | Err(_) => {
                let message = format!("`{key}` is {number}, outside of 1 to {MAX_COUNT}");
                self.error("PZ105", node.place, message);
                None
            }
        }
    }

    pub(super) fn ratio(&mut self, key: &str, node: &Node, least: f64, most: f64) -> Option<f64> {
        let number = match node.value {
            // Every integer that passes the range check below is exact.
            #[expect(
                clippy::cast_precision_loss,
                reason = "only values up to `most` survive the range check"
            )]
            Value::Int(number) => number as f64,
            Value::Float(number) => number,
            Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
                self.wrong_type(key, "a number", node);
                return None;
            }
        };
        if (least..=most).contains(&number) {
            return Some(number);
        }
        self.error(
            "PZ105",
            node.place,
            format!("`{key}` is {}, outside of {least} to {most}", node.written),
        );
        None
    }

    /// A duration (`config.duration-syntax`) of at least `least` microseconds.
    pub(super) fn duration(&mut self, key: &str, node: &Node, least: u64) -> Option<u64> {
        let text = match &node.value {
            Value::Text(text) => text.as_str(),
            Value::Int(_) | Value::Float(_) => node.written.as_str(),
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => {
                self.wrong_type(key, "a duration such as `5s`", node);
                return None;
            }
        };
        match duration::parse(text) {
            Some(us) if (least..=duration::MAX).contains(&us) => Some(us),
            Some(_) => {
                let (least, most) = (duration::show(least), duration::show(duration::MAX));
                let message = format!("`{key}` is `{text}`, outside of {least} to {most}");
                self.error("PZ105", node.place, message);
                None
            }
            None => {
                let message = format!("`{text}` is no duration");
                let help = "write an integer directly followed by ms, s, m or h, such as `5s`".to_owned();
                self.error_with_help("PZ105", node.place, message, help);
                None
            }
        }
    }

    /// A list with at most `most` items.
    pub(super) fn list<'n>(&mut self, key: &str, node: &'n Node, most: usize) -> &'n [Node] {
        match &node.value {
            Value::List(items) => {
                if let Some(item) = items.get(most) {
                    self.error(
                        "PZ105",
                        item.place,
                        format!("`{key}` holds more than {most} items"),
                    );
                }
                items
            }
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Map(_) => {
                self.wrong_type(key, "a list", node);
                &[]
            }
        }
    }

    pub(super) fn texts(&mut self, key: &str, node: &Node, most: usize) -> Vec<String> {
        let items = self.list(key, node, most);
        items
            .iter()
            .filter_map(|item| self.text(key, item).map(str::to_owned))
            .collect()
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, key: &str, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key, node)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let valid: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let help = match nearest(text, words.iter().map(|(word, _)| *word)) {
            Some(near) => format!("did you mean `{near}`? valid are {}", valid.join(", ")),
            None => format!("valid are {}", valid.join(", ")),
        };
        self.error_with_help("PZ105", node.place, format!("`{key}` cannot be `{text}`"), help);
        None
    }

    /// The entries of a mapping by their valid names; reports unknown and repeated keys.
    pub(super) fn fields<'n>(
        &mut self,
        what: &str,
        node: &'n Node,
        known: &[&'static str],
        aliases: &[(&str, &'static str)],
    ) -> Option<Fields<'n>> {
        let Value::Map(entries) = &node.value else {
            self.wrong_type(what, "a mapping", node);
            return None;
        };
        let mut found = BTreeMap::new();
        for (key, value) in entries {
            let Some(written) = self.key(what, key) else {
                continue;
            };
            let name = match known.iter().find(|name| **name == written) {
                Some(name) => *name,
                None => match aliases.iter().find(|(old, _)| *old == written) {
                    Some((old, name)) => {
                        self.deprecated(key.place, old, name);
                        *name
                    }
                    None => {
                        self.unknown_key(what, written, key.place, known);
                        continue;
                    }
                },
            };
            // The first one stays; every further one is reported.
            if found.contains_key(name) {
                self.duplicate(written, key.place);
            } else {
                found.insert(name, value);
            }
        }
        Some(Fields {
            place: node.place,
            found,
        })
    }

    /// The entries of a mapping with free keys, at most `most` of them.
    pub(super) fn entries<'n>(
        &mut self,
        what: &str,
        node: &'n Node,
        most: usize,
    ) -> Vec<(&'n str, Place, &'n Node)> {
        let Value::Map(entries) = &node.value else {
            self.wrong_type(what, "a mapping", node);
            return Vec::new();
        };
        if let Some((key, _)) = entries.get(most) {
            let message = format!("`{what}` holds more than {most} entries");
            self.error("PZ105", key.place, message);
        }
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for (key, value) in entries {
            let Some(name) = self.key(what, key) else { continue };
            if seen.insert(name) {
                found.push((name, key.place, value));
            } else {
                self.duplicate(name, key.place);
            }
        }
        found
    }

    fn key<'n>(&mut self, what: &str, key: &'n Node) -> Option<&'n str> {
        match &key.value {
            Value::Text(text) => Some(text),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::List(_)
            | Value::Map(_) => {
                self.error(
                    "PZ103",
                    key.place,
                    format!("a key of `{what}` is {}, not text", key.value.kind()),
                );
                None
            }
        }
    }

    /// PZ106 (`config.duplicate-key-refused`).
    fn duplicate(&mut self, key: &str, place: Place) {
        self.error("PZ106", place, format!("the key `{key}` is given twice"));
    }

    /// PZ101 (`config.unknown-key-refused`, `config.unknown-key-suggests`).
    fn unknown_key(&mut self, what: &str, key: &str, place: Place, known: &[&'static str]) {
        let shown: String = key.chars().take(80).collect();
        let message = match what {
            TOP => format!("unknown key `{shown}`"),
            _ => format!("unknown key `{shown}` in `{what}`"),
        };
        match nearest(key, known.iter().copied()) {
            Some(near) => self.error_with_help(
                "PZ101",
                place,
                format!("{message}; did you mean `{near}`?"),
                format!("valid are {}", known.join(", ")),
            ),
            None => self.error_with_help("PZ101", place, message, format!("valid are {}", known.join(", "))),
        }
    }
}

/// The found entries of a mapping.
pub(super) struct Fields<'n> {
    pub(super) place: Place,
    found: BTreeMap<&'static str, &'n Node>,
}

impl<'n> Fields<'n> {
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.found.get(key).copied()
    }

    /// The entry, or PZ104 (`config.missing-key-refused`).
    pub(super) fn need(&self, report: &mut Report<'_>, key: &str) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            report.error("PZ104", self.place, format!("the key `{key}` is missing"));
        }
        found
    }
}

/// The name under which the module file itself is reported.
pub(super) const TOP: &str = "module file";

/// The range of every count in a module file begins with 1 and ends here.
const MAX_COUNT: u32 = 1000;
