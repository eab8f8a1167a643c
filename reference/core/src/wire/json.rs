//! Strict JSON: one object per line, nothing that two readers could understand differently.
//!
//! It refuses duplicate members (`wire.duplicate-members-refused`), deep nesting before anything is built
//! (`wire.depth-limit`), invalid UTF-8 (`wire.invalid-utf8-refused`) and everything that is no object, batches among it
//! (`wire.batch-refused`). Any spacing and any order of members is accepted (`wire.accepts-any-json-spacing`).

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The deepest nesting that is accepted.
pub const MAX_DEPTH: usize = 16;

/// Why a line is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadJson {
    /// Not UTF-8.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// Nested too deeply.
    #[error("the line is nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// Not JSON, or with a repeated member.
    #[error("the line is not acceptable JSON: {0}")]
    NotJson(String),
    /// JSON, but no object.
    #[error("the line is no JSON object")]
    NotObject,
}

/// Reads one line, with or without its LF.
pub fn read(line: &[u8]) -> Result<Map<String, Value>, BadJson> {
    let text = std::str::from_utf8(line).map_err(|_| BadJson::NotUtf8)?;
    if depth(text) > MAX_DEPTH {
        return Err(BadJson::TooDeep);
    }
    match serde_json::from_str::<Unique>(text) {
        Ok(Unique(Value::Object(members))) => Ok(members),
        Ok(Unique(_)) => Err(BadJson::NotObject),
        // The position is of no use to anyone, and the text holds nothing that the peer wrote but member names.
        Err(error) => Err(BadJson::NotJson(error.to_string())),
    }
}

/// How deep the brackets of a text nest, strings skipped. For text that is no JSON the number is an upper bound.
fn depth(text: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    let mut in_string = false;
    let mut escaped = false;
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// A value whose objects name every member once.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        UniqueSeed.deserialize(deserializer).map(Self)
    }
}

struct UniqueSeed;

impl<'de> DeserializeSeed<'de> for UniqueSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueSeed {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
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

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(Self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom("a member is given twice"));
            }
            let value = access.next_value_seed(Self)?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacing_and_order_do_not_matter() {
        let spaced = read(b" {\t\"b\" : [ 1 , {} ] ,\"a\":null}\r\n").unwrap();
        assert_eq!(
            Value::Object(spaced),
            serde_json::json!({"a": null, "b": [1, {}]})
        );
    }

    #[test]
    fn what_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(16), "]".repeat(16));
        let fine = format!("{{\"a\":{}{}}}", "[".repeat(15), "]".repeat(15));
        assert!(read(fine.as_bytes()).is_ok());
        assert_eq!(read(deep.as_bytes()), Err(BadJson::TooDeep));
        assert_eq!(read("[".repeat(60_000).as_bytes()), Err(BadJson::TooDeep));
        assert_eq!(read(b"{\"a\":\"\xff\"}"), Err(BadJson::NotUtf8));
        assert_eq!(read(b"[{}]"), Err(BadJson::NotObject));
        assert_eq!(read(b"1"), Err(BadJson::NotObject));
        for bad in [
            &b"{\"a\":1,\"a\":1}"[..],
            b"{\"a\":{\"b\":1,\"\\u0062\":2}}",
            b"",
            b"\n",
            b"{",
            b"{} {}",
            b"{'a':1}",
            b"{\"a\":01}",
            b"{\"a\":NaN}",
            b"{\"a\":\"\\ud800\"}",
            b"\xef\xbb\xbf{}",
            b"{\"a\":1,}",
        ] {
            assert!(
                matches!(read(bad), Err(BadJson::NotJson(_))),
                "{}",
                String::from_utf8_lossy(bad)
            );
        }
        assert!(
            read(b"{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\"}").is_ok(),
            "brackets in a string do not nest"
        );
    }
}
