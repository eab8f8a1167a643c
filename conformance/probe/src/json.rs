//! Reads JSON so strictly that the judge sees what a lenient parser forgives.
//!
//! `serde_json` keeps the last of two members with one name, which is how two parsers come to believe two different
//! things about one message. This reader reports every such member with its JSON pointer, and the depth of the nesting.
//! It reports; whether a message may look like that is decided elsewhere.
use std::{cell::RefCell, fmt};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A JSON text and what is remarkable about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Strict {
    /// The value; of members with one name, the last.
    pub value: Value,
    /// JSON pointers of the members that occurred more than once, in the order in which that showed.
    pub duplicates: Vec<String>,
    /// How deep arrays and objects are nested; 0 for a scalar, 1 for `{}`.
    pub depth: usize,
}

/// Why a text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// The bytes are not UTF-8.
    #[error("byte {offset} is not UTF-8")]
    Utf8 {
        /// The first wrong byte, from 0.
        offset: usize,
    },
    /// The text is not JSON, or is nested deeper than 127 levels.
    #[error("not JSON at line {line} column {column}: {message}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// The parser's words.
        message: String,
    },
}

/// Reads one JSON text; white space around it is allowed.
///
/// # Errors
/// See [`JsonFault`].
pub fn parse_strict(raw: &[u8]) -> Result<Strict, JsonFault> {
    let text = std::str::from_utf8(raw).map_err(|error| JsonFault::Utf8 {
        offset: error.valid_up_to(),
    })?;
    let record = RefCell::new(Record::default());
    let mut source = serde_json::Deserializer::from_str(text);
    let seed = Node {
        record: &record,
        depth: 0,
    };
    let value = seed
        .deserialize(&mut source)
        .and_then(|value| source.end().map(|()| value))
        .map_err(fault)?;
    let Record {
        duplicates, depth, ..
    } = record.into_inner();
    Ok(Strict {
        value,
        duplicates,
        depth,
    })
}

/// Whether a JSON text has no white space outside its strings. The LF at the end of a line is not counted.
#[must_use]
pub fn is_compact(raw: &[u8]) -> bool {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    let mut in_string = false;
    let mut escaped = false;
    raw.iter().all(|&byte| {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            return true;
        }
        in_string = byte == b'"';
        !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
    })
}

fn fault(error: serde_json::Error) -> JsonFault {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
    JsonFault::Syntax {
        line: error.line(),
        column: error.column(),
        message,
    }
}

#[derive(Default)]
struct Record {
    path: String,
    duplicates: Vec<String>,
    depth: usize,
}

#[derive(Clone, Copy)]
struct Node<'r> {
    record: &'r RefCell<Record>,
    depth: usize,
}

impl Node<'_> {
    fn inner(self) -> Self {
        let mut record = self.record.borrow_mut();
        record.depth = record.depth.max(self.depth + 1);
        Self {
            depth: self.depth + 1,
            ..self
        }
    }

    /// Extends the pointer by one step and says how long it was before.
    fn enter(self, step: &str) -> usize {
        let path = &mut self.record.borrow_mut().path;
        let before = path.len();
        path.push('/');
        path.push_str(&step.replace('~', "~0").replace('/', "~1"));
        before
    }

    fn leave(self, before: usize) {
        self.record.borrow_mut().path.truncate(before);
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner();
        let mut list = Vec::new();
        loop {
            let before = inner.enter(&list.len().to_string());
            let item = items.next_element_seed(inner)?;
            inner.leave(before);
            match item {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner();
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let before = inner.enter(&name);
            let value = members.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                let mut record = inner.record.borrow_mut();
                let pointer = record.path.clone();
                record.duplicates.push(pointer);
            }
            inner.leave(before);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_repeated_member_is_reported_with_its_place() {
        let strict = parse_strict(br#"{"a":1,"b":[{"x/y":1,"x/y":2}],"a":{"c":null,"c":true}}"#).unwrap();
        assert_eq!(strict.duplicates, ["/b/0/x~1y", "/a/c", "/a"]);
        assert_eq!(strict.value, json!({"a": {"c": true}, "b": [{"x/y": 2}]}));
        // An escape does not hide that two names are one.
        assert_eq!(
            parse_strict(br#"{"id":1,"\u0069d":2}"#).unwrap().duplicates,
            ["/id"]
        );
    }

    #[test]
    fn depth_counts_containers() {
        for (text, depth) in [("1", 0), ("{}", 1), ("[[]]", 2), (r#"{"a":[{"b":1}]}"#, 3)] {
            assert_eq!(parse_strict(text.as_bytes()).unwrap().depth, depth, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(matches!(
            parse_strict(deep.as_bytes()),
            Err(JsonFault::Syntax { .. })
        ));
    }

    #[test]
    fn what_is_not_json_says_where() {
        assert_eq!(
            parse_strict(b"{\"a\":\"\xff\"}"),
            Err(JsonFault::Utf8 { offset: 6 })
        );
        let Err(JsonFault::Syntax {
            line,
            column,
            message,
        }) = parse_strict(b"{\"a\":}")
        else {
            panic!()
        };
        assert_eq!((line, column), (1, 6));
        assert!(!message.contains("line"), "{message}");
        for wrong in [
            b"".as_slice(),
            b"{} {}",
            b"{'a':1}",
            b"NaN",
            b"[1,]",
            b"01",
            b"\"\x01\"",
        ] {
            assert!(parse_strict(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn white_space_counts_only_outside_strings() {
        assert!(is_compact(b"{\"a b\":\"c\\\" d\",\"e\\\\\":1}\n"));
        for loose in [
            b"{\"a\": 1}".as_slice(),
            b" {}",
            b"{}\r\n",
            b"{}\n\n",
            b"{\"a\\\\\" :1}",
            b"[1,\t2]",
        ] {
            assert!(!is_compact(loose), "{loose:?}");
        }
    }
}
