//! From text to a tree of values with their places. The only file that knows the YAML library.
//!
//! It owns the strict profile: one document, YAML 1.2 booleans, no merge keys, no foreign tags, bounded depth, size
//! and aliases (`config.one-document`, `config.yaml-1.2-booleans`). It refuses to interpret: repeated keys are kept
//! in the tree, because the decoder reports them together with every other problem of the file.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

/// A place in a file: line and column in characters, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// The beginning of a file.
pub(crate) const START: Place = Place { line: 1, column: 1 };

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
    /// The text of a scalar as it is written, or empty.
    pub(crate) written: String,
}

/// A YAML value of the core schema. Floats keep only their kind: no key of a module file but the two ratios of
/// `restart` takes one.
#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Value {
    /// The word for this kind in messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Why a text is no acceptable YAML document.
#[derive(Debug)]
pub(crate) struct NotYaml {
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// Reads one document.
pub(crate) fn parse(text: &str) -> Result<Node, NotYaml> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        merge_keys: MergeKeyPolicy::Error,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        reject_unsupported_tags: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_aliases: 16, max_anchors: 16, max_depth: 32, max_nodes: 20_000, max_documents: 1
        },
    };
    let raw: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map_or(START, place_of);
        let full = error.without_snippet().to_string();
        let message = full.lines().next().unwrap_or("not valid YAML").to_owned();
        NotYaml { place, message }
    })?;
    Ok(node(raw, text))
}

fn place_of(location: serde_saphyr::Location) -> Place {
    let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).max(1);
    Place {
        line: index(location.line()),
        column: index(location.column()),
    }
}

/// The depth of this recursion is bounded by `max_depth` above.
fn node(raw: Spanned<Raw>, text: &str) -> Node {
    let place = place_of(raw.referenced);
    let written = || {
        let span = raw.defined.span();
        let range = span
            .byte_offset()
            .zip(span.byte_len())
            .and_then(|(offset, length)| {
                let start = usize::try_from(offset).ok()?;
                Some(start..start.checked_add(usize::try_from(length).ok()?)?)
            });
        range
            .and_then(|range| text.get(range))
            .unwrap_or_default()
            .to_owned()
    };
    let (value, written) = match raw.value {
        Raw::Null => (Value::Null, String::new()),
        Raw::Bool(b) => (Value::Bool(b), written()),
        Raw::Int(n) => (Value::Int(n), written()),
        Raw::Float(x) => (Value::Float(x), written()),
        Raw::Text(t) => (Value::Text(t), written()),
        Raw::List(items) => (
            Value::List(items.into_iter().map(|i| node(i, text)).collect()),
            String::new(),
        ),
        Raw::Map(entries) => {
            let entries = entries.into_iter().map(|(k, v)| (node(k, text), node(v, text)));
            (Value::Map(entries.collect()), String::new())
        }
    };
    Node {
        place,
        value,
        written,
    }
}

/// The tree as the library delivers it.
enum Raw {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<Self>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Int(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key()? {
            entries.push((key, access.next_value()?));
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(node: &Node) -> &[(Node, Node)] {
        match &node.value {
            Value::Map(entries) => entries,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_keep_their_places() {
        let tree = parse("a: [1, x]\nb:\n  c: \"1.0\"\na: yes\n").unwrap();
        let entries = pairs(&tree);
        assert_eq!(entries.len(), 3, "repeated keys are kept");
        assert_eq!(entries[2].0.place, Place { line: 4, column: 1 });
        assert!(
            matches!(&entries[2].1.value, Value::Text(t) if t == "yes"),
            "{:?}",
            entries[2].1
        );
        let inner = pairs(&entries[1].1);
        assert_eq!(inner[0].1.place, Place { line: 3, column: 6 });
        assert!(matches!(&inner[0].1.value, Value::Text(t) if t == "1.0"));
    }

    #[test]
    fn plain_scalars_keep_their_spelling() {
        let tree = parse("a: 1.0\nb: 010\nc: off\nd: null\ne: 1_000\n").unwrap();
        let entries = pairs(&tree);
        assert_eq!(entries[0].1.written, "1.0");
        assert!(matches!(entries[0].1.value, Value::Float(_)));
        assert!(matches!(entries[1].1.value, Value::Text(_)));
        assert!(matches!(entries[2].1.value, Value::Text(_)));
        assert!(matches!(entries[3].1.value, Value::Null));
        assert!(matches!(entries[4].1.value, Value::Text(_)));
    }

    #[test]
    fn what_the_profile_refuses() {
        for bad in [
            "a: 1\n---\nb: 2\n",
            "<<: {a: 1}\n",
            "a: !foo b\n",
            "a: [",
            "a: &x [*x]\n",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert!(parse(&"[".repeat(1000)).is_err());
    }
}
