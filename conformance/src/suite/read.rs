//! Typed reading of a tree that collects every problem, with its place, instead of stopping at the first.
//!
//! A [`Node`] is a value together with its path and the list that problems go to. It knows nothing about suites, and it never
//! fails: what cannot be read is `None` plus a problem, and the caller goes on with the rest of the file.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::{Map, Value};

use super::tree::{Path, Segment};

/// One thing that is wrong with a file, not yet bound to line and column.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) path: Path,
    pub(crate) message: String,
    pub(crate) help: Option<Help>,
}

/// What helps to put a problem right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Help {
    /// The nearest accepted spelling.
    Nearest(String),
    /// Everything that would be accepted.
    Known(Vec<String>),
    /// A sentence.
    Say(String),
}

impl From<&str> for Help {
    fn from(sentence: &str) -> Self {
        Self::Say(sentence.to_owned())
    }
}

/// A value, where it stands, and where problems go.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    pub(crate) value: &'a Value,
    pub(crate) path: Path,
    problems: &'a RefCell<Vec<Problem>>,
}

impl<'a> Node<'a> {
    /// The root of a file.
    pub(crate) fn root(value: &'a Value, problems: &'a RefCell<Vec<Problem>>) -> Self {
        Self {
            value,
            path: Path::new(),
            problems,
        }
    }

    /// Reports a problem at this value.
    pub(crate) fn problem(&self, message: impl Into<String>, help: Option<Help>) {
        self.report(self.path.clone(), message.into(), help);
    }

    /// Reports a problem at a key of this map.
    pub(crate) fn problem_at_key(&self, key: &str, message: impl Into<String>, help: Option<Help>) {
        let mut path = self.path.clone();
        path.push(Segment::Name(key.to_owned()));
        self.report(path, message.into(), help);
    }

    fn report(&self, path: Path, message: String, help: Option<Help>) {
        self.problems.borrow_mut().push(Problem { path, message, help });
    }

    fn inner(&self, segment: Segment, value: &'a Value) -> Self {
        let mut path = self.path.clone();
        path.push(segment);
        Self {
            value,
            path,
            problems: self.problems,
        }
    }

    /// The entries of a map; a problem and nothing when it is none.
    pub(crate) fn map(&self) -> Option<&'a Map<String, Value>> {
        let map = self.value.as_object();
        if map.is_none() {
            self.problem(format!("expected a map, found {}", name_of(self.value)), None);
        }
        map
    }

    /// Refuses every key of this map that is not among `known`, with the nearest spelling.
    pub(crate) fn only(&self, known: &[&str]) -> bool {
        let Some(map) = self.map() else { return false };
        let mut good = true;
        for key in map.keys() {
            if !known.contains(&key.as_str()) {
                let help = suggest(key, known.iter().copied());
                self.problem_at_key(key, format!("unknown key `{key}`"), help);
                good = false;
            }
        }
        good
    }

    /// The value of a key, when the map has it.
    pub(crate) fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.as_object()?.get(key)?;
        Some(self.inner(Segment::Key(key.to_owned()), value))
    }

    /// The value of a key that has to be there.
    pub(crate) fn need(&self, key: &str) -> Option<Self> {
        let found = self.get(key);
        if found.is_none() && self.value.is_object() {
            self.problem(format!("the key `{key}` is missing"), None);
        }
        found
    }

    /// Every key with its value.
    pub(crate) fn entries(&self) -> Vec<(&'a str, Self)> {
        let Some(map) = self.map() else { return Vec::new() };
        map.iter()
            .map(|(key, value)| (key.as_str(), self.inner(Segment::Key(key.clone()), value)))
            .collect()
    }

    /// Every item of a list.
    pub(crate) fn items(&self) -> Vec<Self> {
        let Some(list) = self.value.as_array() else {
            self.problem(format!("expected a list, found {}", name_of(self.value)), None);
            return Vec::new();
        };
        list.iter()
            .enumerate()
            .map(|(index, item)| self.inner(Segment::Index(index), item))
            .collect()
    }

    /// The items of a list, or the one value that stands in its place.
    pub(crate) fn one_or_many(&self) -> Vec<Self> {
        if self.value.is_array() {
            self.items()
        } else {
            vec![self.clone()]
        }
    }

    /// A text.
    pub(crate) fn text(&self) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.problem(format!("expected a text, found {}", name_of(self.value)), None);
        }
        text
    }

    /// A text, or a list of texts.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.one_or_many()
            .iter()
            .filter_map(Node::text)
            .map(str::to_owned)
            .collect()
    }

    /// A whole number that is not negative.
    pub(crate) fn count(&self) -> Option<u64> {
        let count = self.value.as_u64();
        if count.is_none() {
            self.problem(
                format!("expected a whole number, found {}", name_of(self.value)),
                None,
            );
        }
        count
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.problem(
                format!("expected true or false, found {}", name_of(self.value)),
                None,
            );
        }
        flag
    }

    /// A duration such as `250ms`.
    pub(crate) fn duration(&self) -> Option<Duration> {
        partenza_probe::duration::parse(self.text()?)
            .map_err(|message| self.problem(message, None))
            .ok()
    }

    /// An id: lower-case letters, digits and hyphens.
    pub(crate) fn id(&self) -> Option<String> {
        let id = self.text()?;
        if !is_id(id) {
            self.problem(
                format!("`{id}` is no id"),
                Some("use lower-case letters, digits and hyphens".into()),
            );
            return None;
        }
        Some(id.to_owned())
    }
}

/// Says which of `known` was probably meant, or lists them when they are few.
pub(crate) fn suggest<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone) -> Option<Help> {
    let nearest = known
        .clone()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min();
    if let Some((_, candidate)) = nearest {
        return Some(Help::Nearest(candidate.to_owned()));
    }
    let all: Vec<String> = known.map(str::to_owned).collect();
    (!all.is_empty() && all.len() <= 40).then_some(Help::Known(all))
}

fn is_id(text: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty()
        && text.len() <= 64
        && text.chars().all(word)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested() {
        let known = ["steps", "checks", "modules"];
        assert_eq!(
            suggest("chekcs", known.into_iter()),
            Some(Help::Nearest("checks".into()))
        );
        assert!(matches!(
            suggest("zzzzzzz", known.into_iter()),
            Some(Help::Known(_))
        ));
    }
}
