//! Matchers: what a suite may claim of a single JSON value.
//!
//! A literal claims equality; a map whose keys are all matcher words claims each of them; any other map claims its members
//! and leaves further members free. Matching is pure. The words are listed in `suites/README.md`.

use regex::Regex;
use serde_json::Value;

use super::read::{Node, suggest};

/// A claim about one value, or about its absence.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// Equal to this; texts may hold placeholders.
    Equal(Value),
    /// A text that this expression matches somewhere.
    Matches(Regex),
    /// One of these matches.
    OneOf(Vec<Self>),
    /// A number not below this.
    AtLeast(f64),
    /// A number not above this.
    AtMost(f64),
    /// A text that contains it, a list with an item that matches it, a map with that key.
    Has(Box<Self>),
    /// A list each of whose items matches.
    Each(Box<Self>),
    /// A list whose items, or a map whose keys, are all among these.
    SubsetOf(Vec<String>),
    /// The list of a map's keys matches.
    Keys(Box<Self>),
    /// The number of items, members or characters matches.
    Length(Box<Self>),
    /// There is no value.
    Absent,
    /// There is a value.
    Present,
    /// A value that does not match.
    Not(Box<Self>),
    /// All of these match.
    All(Vec<Self>),
    /// A map with these members.
    Members(Vec<(String, Self)>),
    /// Equal to the value at this pointer of the same document.
    SameAs(String),
}

const WORDS: [&str; 15] = [
    "matches",
    "one-of",
    "at-least",
    "at-most",
    "has",
    "each",
    "subset-of",
    "keys",
    "length",
    "absent",
    "present",
    "not",
    "equals",
    "same-as",
    "file-digest",
];

/// Replaces the placeholders of a text.
pub type Expand<'a> = &'a dyn Fn(&str) -> String;

/// What a claim may refer to beside its value.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The whole document that the value is part of.
    pub root: &'a Value,
    /// Replaces placeholders.
    pub expand: Expand<'a>,
}

impl Matcher {
    /// Whether `value` (or its absence) is as claimed.
    pub fn holds(&self, value: Option<&Value>, scope: Scope<'_>) -> bool {
        let expand = scope.expand;
        let inner = |m: &Self, v: &Value| m.holds(Some(v), scope);
        match (self, value) {
            (Self::Absent, value) => value.is_none(),
            (Self::Not(matcher), value) => value.is_some() && !matcher.holds(value, scope),
            (Self::All(all), value) => all.iter().all(|m| m.holds(value, scope)),
            (_, None) => false,
            (Self::Present, Some(_)) => true,
            (Self::SameAs(pointer), Some(value)) => {
                lookup(scope.root, pointer).is_some_and(|other| same(other, value))
            }
            (Self::Equal(Value::String(text)), Some(value)) => value.as_str() == Some(&expand(text)),
            (Self::Equal(wanted), Some(value)) => same(wanted, value),
            (Self::Matches(expression), Some(value)) => match value {
                Value::String(text) => expression.is_match(text),
                other => expression.is_match(&other.to_string()),
            },
            (Self::OneOf(all), value) => all.iter().any(|m| m.holds(value, scope)),
            (Self::AtLeast(limit), Some(value)) => value.as_f64().is_some_and(|n| n >= *limit),
            (Self::AtMost(limit), Some(value)) => value.as_f64().is_some_and(|n| n <= *limit),
            (Self::Has(matcher), Some(value)) => match (value, matcher.as_ref()) {
                (Value::String(text), Self::Equal(Value::String(part))) => text.contains(&expand(part)),
                (Value::Array(items), matcher) => items.iter().any(|v| inner(matcher, v)),
                (Value::Object(map), Self::Equal(Value::String(key))) => map.contains_key(&expand(key)),
                _ => false,
            },
            (Self::Each(matcher), Some(Value::Array(items))) => items.iter().all(|v| inner(matcher, v)),
            (Self::SubsetOf(all), Some(Value::Array(items))) => items
                .iter()
                .all(|v| v.as_str().is_some_and(|s| all.iter().any(|a| a == s))),
            (Self::SubsetOf(all), Some(Value::Object(map))) => map.keys().all(|k| all.contains(k)),
            (Self::Keys(matcher), Some(Value::Object(map))) => {
                inner(matcher, &map.keys().map(|k| Value::from(k.as_str())).collect())
            }
            (Self::Length(matcher), Some(value)) => length(value).is_some_and(|n| inner(matcher, &n.into())),
            (Self::Members(members), Some(value @ Value::Object(_))) => members
                .iter()
                .all(|(name, m)| m.holds(lookup(value, name), scope)),
            _ => false,
        }
    }

    /// The claim in words, for the `expected` line of a report.
    pub fn describe(&self, expand: Expand<'_>) -> String {
        let list = |all: &[Self], word: &str| {
            all.iter()
                .map(|m| m.describe(expand))
                .collect::<Vec<_>>()
                .join(word)
        };
        match self {
            Self::Equal(Value::String(text)) => format!("{:?}", expand(text)),
            Self::Equal(value) => value.to_string(),
            Self::Matches(expression) => format!("something that matches /{expression}/"),
            Self::OneOf(all) => list(all, " or "),
            Self::AtLeast(limit) => format!("at least {limit}"),
            Self::AtMost(limit) => format!("at most {limit}"),
            Self::Has(matcher) => format!("something that has {}", matcher.describe(expand)),
            Self::Each(matcher) => format!("a list with each item {}", matcher.describe(expand)),
            Self::SubsetOf(all) => format!("nothing but {}", all.join(", ")),
            Self::Keys(matcher) => format!("keys {}", matcher.describe(expand)),
            Self::Length(matcher) => format!("a length of {}", matcher.describe(expand)),
            Self::Absent => "nothing".into(),
            Self::Present => "something".into(),
            Self::Not(matcher) => format!("not {}", matcher.describe(expand)),
            Self::All(all) => list(all, " and "),
            Self::Members(members) => describe_members(members, expand),
            Self::SameAs(pointer) => format!("the same as {pointer}"),
        }
    }

    /// Reads a matcher as a suite writes it.
    pub(crate) fn read(node: &Node<'_>) -> Self {
        let Some(map) = node.value.as_object() else {
            return Self::Equal(node.value.clone());
        };
        let words = map.keys().filter(|key| WORDS.contains(&key.as_str())).count();
        if words == 0 {
            return Self::Members(
                node.entries()
                    .iter()
                    .map(|(k, n)| ((*k).to_owned(), Self::read(n)))
                    .collect(),
            );
        }
        let mut all: Vec<Self> = node
            .entries()
            .iter()
            .map(|(word, inner)| Self::word(node, word, inner))
            .collect();
        if all.len() == 1 {
            all.remove(0)
        } else {
            Self::All(all)
        }
    }

    fn word(node: &Node<'_>, word: &str, inner: &Node<'_>) -> Self {
        let read = || Box::new(Self::read(inner));
        let number = || {
            inner.value.as_f64().unwrap_or_else(|| {
                inner.problem("expected a number", None);
                0.0
            })
        };
        match word {
            "equals" => Self::Equal(inner.value.clone()),
            "matches" => match Regex::new(inner.text().unwrap_or_default()) {
                Ok(expression) => Self::Matches(expression),
                Err(error) => {
                    inner.problem(format!("this is no regular expression: {error}"), None);
                    Self::Absent
                }
            },
            "one-of" => Self::OneOf(inner.items().iter().map(Self::read).collect()),
            "at-least" => Self::AtLeast(number()),
            "at-most" => Self::AtMost(number()),
            "has" => Self::Has(read()),
            "each" => Self::Each(read()),
            "subset-of" => Self::SubsetOf(inner.texts()),
            "keys" => Self::Keys(read()),
            "same-as" => Self::SameAs(inner.text().unwrap_or_default().to_owned()),
            "file-digest" => Self::Equal(format!("{{digest:{}}}", inner.text().unwrap_or_default()).into()),
            "length" => Self::Length(read()),
            "not" => Self::Not(read()),
            "absent" | "present" => {
                let absent = (word == "absent") == inner.flag().unwrap_or(true);
                if absent { Self::Absent } else { Self::Present }
            }
            other => {
                let help = suggest(other, WORDS.into_iter());
                node.problem_at_key(
                    other,
                    format!("`{other}` is no matcher and stands beside one"),
                    help,
                );
                Self::Absent
            }
        }
    }

    /// Every value that is claimed by equality, to see what a claim is about.
    pub(crate) fn literals(&self) -> Vec<&Value> {
        match self {
            Self::Equal(value) => vec![value],
            Self::OneOf(all) => all.iter().flat_map(Self::literals).collect(),
            _ => Vec::new(),
        }
    }
}

/// Whether a document has all these members.
pub(crate) fn members_hold(members: &[(String, Matcher)], root: &Value, expand: Expand<'_>) -> bool {
    members
        .iter()
        .all(|(name, matcher)| matcher.holds(lookup(root, name), Scope { root, expand }))
}

/// Reads members by pointer, or by name for direct members.
pub(crate) fn read_members(node: &Node<'_>) -> Vec<(String, Matcher)> {
    node.entries()
        .iter()
        .map(|(name, inner)| ((*name).to_owned(), Matcher::read(inner)))
        .collect()
}

/// The member of a value by JSON pointer, or by name when it does not begin with a slash.
pub(crate) fn lookup<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    if name.is_empty() || name.starts_with('/') {
        value.pointer(name)
    } else {
        value.get(name)
    }
}

/// Members in words.
pub(crate) fn describe_members(members: &[(String, Matcher)], expand: Expand<'_>) -> String {
    members
        .iter()
        .map(|(name, m)| format!("{name} = {}", m.describe(expand)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn same(a: &Value, b: &Value) -> bool {
    // 1 and 1.0 are the same number to whoever writes a suite.
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < f64::EPSILON,
        _ => a == b,
    }
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(items) => Some(items.len()),
        Value::Object(map) => Some(map.len()),
        _ => None,
    }
}

impl PartialEq for Matcher {
    /// Two claims are equal when they are written alike; a regular expression has no other equality.
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::json;

    use super::*;

    fn matcher(value: &Value) -> Matcher {
        let problems = RefCell::new(Vec::new());
        let matcher = Matcher::read(&Node::root(value, &problems));
        assert!(problems.borrow().is_empty(), "{problems:?}");
        matcher
    }

    fn check(claim: &Value, value: &Value) -> bool {
        matcher(claim).holds(
            Some(value),
            Scope {
                root: value,
                expand: &|text| text.replace("{x}", "X"),
            },
        )
    }

    #[test]
    fn each_word_accepts_and_refuses() {
        let table = [
            (json!("a{x}"), json!("aX"), json!("a{x}")),
            (json!(3), json!(3), json!(4)),
            (json!({"matches": "^a.c$"}), json!("abc"), json!("abcd")),
            (json!({"one-of": [1, 2]}), json!(2), json!(3)),
            (json!({"at-least": 1, "at-most": 3}), json!(3), json!(4)),
            (json!({"has": "b"}), json!("abc"), json!("acd")),
            (
                json!({"has": {"fd": 3}}),
                json!([{"fd": 3, "kind": "socket"}]),
                json!([{"fd": 4}]),
            ),
            (
                json!({"each": {"matches": "^x"}}),
                json!(["xa", "xb"]),
                json!(["xa", "b"]),
            ),
            (json!({"subset-of": ["a", "b"]}), json!(["a"]), json!(["a", "c"])),
            (
                json!({"keys": {"subset-of": ["a", "b"]}}),
                json!({"a": 1}),
                json!({"c": 1}),
            ),
            (json!({"length": 2}), json!([1, 2]), json!([1])),
            (json!({"length": {"at-most": 2}}), json!("ab"), json!("abc")),
            (json!({"not": "a"}), json!("b"), json!("a")),
            (
                json!({"sid": {"same-as": "/pid"}}),
                json!({"sid": 7, "pid": 7}),
                json!({"sid": 7, "pid": 8}),
            ),
            (
                json!({"state": "ready"}),
                json!({"state": "ready", "pid": 1}),
                json!({"state": "failed"}),
            ),
        ];
        for (claim, good, bad) in table {
            assert!(check(&claim, &good), "{claim} refuses {good}");
            assert!(!check(&claim, &bad), "{claim} accepts {bad}");
        }
    }

    #[test]
    fn absence_is_only_accepted_where_it_is_claimed() {
        let free = Scope {
            root: &Value::Null,
            expand: &|text| text.to_owned(),
        };
        assert!(matcher(&json!({"absent": true})).holds(None, free));
        assert!(!matcher(&json!({"not": "a"})).holds(None, free));
        assert!(!matcher(&json!({"present": true})).holds(None, free));
    }
}
