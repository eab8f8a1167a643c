//! One line of JSON-RPC, as it is and as it reads.

use serde_json::{Map, Value};

/// A line with its LF. `json` is null when the line is no JSON.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) raw: Vec<u8>,
    pub(crate) json: Value,
}

impl Line {
    /// Of bytes that somebody sent.
    pub(crate) fn read(raw: &[u8]) -> Self {
        Self {
            raw: raw.to_vec(),
            json: serde_json::from_slice(raw).unwrap_or_default(),
        }
    }

    /// Of a message that we make up.
    pub(crate) fn of(json: Value) -> Self {
        let mut raw = json.to_string().into_bytes();
        raw.push(b'\n');
        Self { raw, json }
    }

    /// The same line after a change. A line that is no JSON stays as it is.
    pub(crate) fn edited(mut self, edit: impl FnOnce(&mut Value)) -> Self {
        let before = self.json.clone();
        edit(&mut self.json);
        if self.json == before {
            self
        } else {
            Self::of(self.json)
        }
    }

    /// The method, or nothing.
    pub(crate) fn method(&self) -> &str {
        self.json
            .get("method")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn params(&self) -> &Value {
        self.json.get("params").unwrap_or(&Value::Null)
    }

    pub(crate) fn id(&self) -> Option<i64> {
        self.json.get("id").and_then(Value::as_i64)
    }

    /// Whether it answers something.
    pub(crate) fn is_reply(&self) -> bool {
        self.json.get("result").is_some() || self.json.get("error").is_some()
    }

    pub(crate) fn is_json(&self) -> bool {
        !self.json.is_null()
    }

    /// What nobody takes for a message.
    pub(crate) fn garbage() -> Self {
        Self {
            raw: b"no json\n".to_vec(),
            json: Value::Null,
        }
    }
}

/// The member of an object, made when it is missing.
pub(super) fn object<'a>(value: &'a mut Value, name: &str) -> &'a mut Map<String, Value> {
    if !value.get(name).is_some_and(Value::is_object) {
        value[name] = Value::Object(Map::new());
    }
    match &mut value[name] {
        Value::Object(members) => members,
        _ => unreachable!("it was just made an object"),
    }
}

/// Complete lines of a stream, and what is left of it.
pub(super) fn split(partial: &mut Vec<u8>, bytes: &[u8]) -> Vec<Line> {
    partial.extend_from_slice(bytes);
    let end = partial
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |last| last + 1);
    let complete: Vec<u8> = partial.drain(..end).collect();
    complete
        .split_inclusive(|byte| *byte == b'\n')
        .map(Line::read)
        .collect()
}
