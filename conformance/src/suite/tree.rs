//! YAML text to a tree of values, with repeated keys refused and every place findable again.
//!
//! The YAML library knows where a value stands only while it reads it. So the tree itself carries no places: when a problem
//! has been found at a path, [`locate`] reads the text once more, walks to that path and reports where the reader stands.
//! That costs nothing as long as a file is right. This file knows YAML and paths, and nothing about suites.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// One step from a value to a value inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// The value of this key.
    Key(String),
    /// The item at this index.
    Index(usize),
    /// The key itself, not its value; only as the last segment.
    Name(String),
}

/// The place of a value in a tree, from the root.
pub(crate) type Path = Vec<Segment>;

/// Why a text is no tree: the message and, when the library knows it, line and column (both from 1).
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) message: String,
    pub(crate) place: Option<(usize, usize)>,
}

/// Reads one YAML document.
pub(crate) fn read(text: &str) -> Result<Value, Unreadable> {
    let document = serde_yaml::Deserializer::from_str(text);
    Tree.deserialize(document).map_err(|error| {
        let place = error.location().map(|at| (at.line(), at.column()));
        let mut message = error.to_string();
        // The library repeats the place at the end of its sentence; ours stands in front of it.
        if let Some(cut) = message.find(" at line ") {
            message.truncate(cut);
        }
        Unreadable { message, place }
    })
}

/// Finds line and column (both from 1) of the value or key at `path`, or of its nearest ancestor that has a place.
pub(crate) fn locate(text: &str, path: &[Segment]) -> (usize, usize) {
    for length in (0..=path.len()).rev() {
        let found = RefCell::new(false);
        let seek = Seek {
            path: &path[..length],
            found: &found,
        };
        if let Err(error) = seek.deserialize(serde_yaml::Deserializer::from_str(text))
            && *found.borrow()
            && let Some(at) = error.location()
        {
            return (at.line(), at.column());
        }
    }
    (1, 1)
}

struct Tree;

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let seen = RefCell::new(BTreeSet::new());
        let mut map = Map::new();
        while let Some(key) = entries.next_key_seed(Key {
            seen: &seen,
            wanted: None,
        })? {
            let value = entries.next_value_seed(Self)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// Reads a key; fails at its place when it is a repetition or the one that is sought.
struct Key<'a> {
    seen: &'a RefCell<BTreeSet<String>>,
    wanted: Option<(&'a str, &'a RefCell<bool>)>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        if let Some((wanted, found)) = self.wanted
            && wanted == key
        {
            *found.borrow_mut() = true;
            return Err(E::custom("here"));
        }
        if !self.seen.borrow_mut().insert(key.to_owned()) {
            return Err(E::custom(format!("the key `{key}` stands here twice")));
        }
        Ok(key.to_owned())
    }
}

/// Walks along a path and fails on purpose at its end, because an error is the only thing that carries a place.
struct Seek<'a> {
    path: &'a [Segment],
    found: &'a RefCell<bool>,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Seek<'_> {
    fn end<T, E: de::Error>(&self) -> Result<T, E> {
        *self.found.borrow_mut() = self.path.is_empty();
        Err(E::custom("here"))
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.end()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.end()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.end()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.end()
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        self.end()
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.end()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((Segment::Index(wanted), rest)) = self.path.split_first() else {
            return self.end();
        };
        let mut index = 0;
        loop {
            let more = if index == *wanted {
                items
                    .next_element_seed(Seek {
                        path: rest,
                        found: self.found,
                    })?
                    .is_some()
            } else {
                items.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                return self.end();
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let seen = RefCell::new(BTreeSet::new());
        let (wanted_key, wanted_value, rest) = match self.path.split_first() {
            Some((Segment::Name(name), _)) => (Some((name.as_str(), self.found)), None, &[][..]),
            Some((Segment::Key(key), rest)) => (None, Some(key.as_str()), rest),
            _ => return self.end(),
        };
        while let Some(key) = entries.next_key_seed(Key {
            seen: &seen,
            wanted: wanted_key,
        })? {
            if wanted_value == Some(key.as_str()) {
                entries.next_value_seed(Seek {
                    path: rest,
                    found: self.found,
                })?;
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        self.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "suite: a\ncases:\n  - id: one\n    steps: [boot, {web: reaches ready}]\n  - id: two\n";

    fn key(name: &str) -> Segment {
        Segment::Key(name.into())
    }

    #[test]
    fn a_value_and_a_key_are_found_again() {
        let path = [key("cases"), Segment::Index(0), key("steps"), Segment::Index(1)];
        assert_eq!(locate(TEXT, &path), (4, 19));
        let path = [key("cases"), Segment::Index(1), Segment::Name("id".into())];
        assert_eq!(locate(TEXT, &path), (5, 5));
        assert_eq!(
            locate(TEXT, &[key("cases"), Segment::Index(1), key("id")]),
            (5, 9)
        );
    }

    #[test]
    fn a_missing_place_is_the_place_of_its_ancestor() {
        assert_eq!(
            locate(TEXT, &[key("cases"), Segment::Index(1), key("steps")]),
            (5, 5)
        );
    }

    #[test]
    fn a_repeated_key_is_refused_where_it_stands() {
        let error = read("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!(error.place, Some((3, 1)));
        assert!(error.message.contains("`a`"), "{}", error.message);
    }
}
