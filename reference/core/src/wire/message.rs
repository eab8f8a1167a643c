//! JSON-RPC messages: what the orchestrator writes, and how it reads what a peer wrote.
//!
//! Written messages are compact and have their members in one order (`wire.compact`, `wire.json-rpc-version`,
//! `wire.object-params`, `wire.integer-ids`).

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::json::{self, BadJson};

/// A message from a peer.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// It asks and expects an answer.
    Request {
        /// The id to answer with.
        id: i64,
        /// What it asks for.
        method: String,
        /// The parameters; empty when absent.
        params: Map<String, Value>,
    },
    /// It tells.
    Notification {
        /// What it tells.
        method: String,
        /// The parameters; empty when absent.
        params: Map<String, Value>,
    },
    /// It answers with a result.
    Result {
        /// The id of the request.
        id: i64,
        /// The result.
        result: Map<String, Value>,
    },
    /// It answers with an error.
    Error {
        /// The id of the request; `None` stands for null.
        id: Option<i64>,
        /// The code of the error.
        code: i64,
        /// Its text.
        message: String,
    },
}

/// Why a line is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// Not even acceptable JSON.
    #[error(transparent)]
    Json(#[from] BadJson),
    /// JSON, but no message of this protocol; the id, where it could be read.
    #[error("the line is no message of this protocol: {0}")]
    Shape(&'static str, Option<i64>),
    /// A request whose params are no object.
    #[error("the params are no object")]
    Params(Option<i64>),
}

/// Reads one line.
pub fn read(line: &[u8]) -> Result<Message, BadMessage> {
    let mut members = json::read(line)?;
    let id = match members.remove("id") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(value) => match value.as_i64().filter(|id| (0..=MAX_ID).contains(id)) {
            Some(id) => Some(Some(id)),
            None => {
                return Err(BadMessage::Shape(
                    "the id is no integer from 0 to 2147483647",
                    None,
                ));
            }
        },
    };
    let shape = |text| BadMessage::Shape(text, id.flatten());
    if members.remove("jsonrpc") != Some(Value::from("2.0")) {
        return Err(shape("`jsonrpc` is not \"2.0\""));
    }
    match (
        members.remove("method"),
        members.remove("result"),
        members.remove("error"),
    ) {
        (Some(Value::String(method)), None, None) => {
            let params = match members.remove("params") {
                None => Map::new(),
                Some(Value::Object(params)) => params,
                Some(_) => return Err(BadMessage::Params(id.flatten())),
            };
            match id {
                None => Ok(Message::Notification { method, params }),
                Some(Some(id)) => Ok(Message::Request { id, method, params }),
                Some(None) => Err(shape("a request has the id null")),
            }
        }
        (None, Some(Value::Object(result)), None) => match id.flatten() {
            Some(id) => Ok(Message::Result { id, result }),
            None => Err(shape("a reply without an id")),
        },
        (None, None, Some(Value::Object(error))) => {
            let code = error.get("code").and_then(Value::as_i64);
            let text = error.get("message").and_then(Value::as_str);
            match (id, code, text) {
                (Some(id), Some(code), Some(message)) => Ok(Message::Error {
                    id,
                    code,
                    message: message.to_owned(),
                }),
                _ => Err(shape("an error reply without id, code or message")),
            }
        }
        _ => Err(shape("neither a request nor a reply")),
    }
}

#[derive(Serialize)]
struct Request<'a, P> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    method: &'a str,
    params: P,
}

#[derive(Serialize)]
struct Reply<R> {
    jsonrpc: &'static str,
    id: i64,
    result: R,
}

#[derive(Serialize)]
struct ErrorReply {
    jsonrpc: &'static str,
    id: Option<i64>,
    error: Value,
}

/// A request as a line with its LF.
pub fn request(id: i64, method: &str, params: impl Serialize) -> Vec<u8> {
    line(&Request {
        jsonrpc: "2.0",
        id: Some(id),
        method,
        params,
    })
}

/// A notification as a line with its LF.
pub fn notification(method: &str, params: impl Serialize) -> Vec<u8> {
    line(&Request {
        jsonrpc: "2.0",
        id: None,
        method,
        params,
    })
}

/// A reply as a line with its LF.
pub fn result(id: i64, result: impl Serialize) -> Vec<u8> {
    line(&Reply {
        jsonrpc: "2.0",
        id,
        result,
    })
}

/// An error reply as a line with its LF. `None` stands for an id that could not be read.
pub fn error(id: Option<i64>, code: i64, message: &str, data: Option<Value>) -> Vec<u8> {
    let mut error = json!({"code": code, "message": message});
    if let Some(data) = data {
        error["data"] = data;
    }
    line(&ErrorReply {
        jsonrpc: "2.0",
        id,
        error,
    })
}

fn line(message: &impl Serialize) -> Vec<u8> {
    // Serializing these types fails only for maps with keys that are no strings, and there are none.
    let mut bytes = serde_json::to_vec(message).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

const MAX_ID: i64 = 2_147_483_647;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_messages_are_compact_and_ordered() {
        let shown = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(
            shown(request(3, "shutdown", json!({"deadline_ms": 5, "reason": "a b"}))),
            "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"shutdown\",\"params\":{\"deadline_ms\":5,\"reason\":\"a b\"}}\n"
        );
        assert_eq!(
            shown(error(None, -32700, "parse error", None)),
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"parse error\"}}\n"
        );
    }

    #[test]
    fn messages_are_told_apart() {
        assert!(matches!(
            read(br#"{"jsonrpc":"2.0","method":"ready"}"#),
            Ok(Message::Notification { .. })
        ));
        assert!(matches!(
            read(br#"{"jsonrpc":"2.0","id":0,"method":"x","params":{}}"#),
            Ok(Message::Request { id: 0, .. })
        ));
        assert!(matches!(
            read(br#"{"jsonrpc":"2.0","id":7,"result":{}}"#),
            Ok(Message::Result { id: 7, .. })
        ));
        assert!(matches!(
            read(br#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"x"}}"#),
            Ok(Message::Error {
                id: None,
                code: -1,
                ..
            })
        ));
        for bad in [
            &br#"{"method":"ready"}"#[..],
            br#"{"jsonrpc":"1.0","method":"ready"}"#,
            br#"{"jsonrpc":"2.0","id":"1","method":"x"}"#,
            br#"{"jsonrpc":"2.0","id":1.5,"method":"x"}"#,
            br#"{"jsonrpc":"2.0","id":-1,"method":"x"}"#,
            br#"{"jsonrpc":"2.0","id":2147483648,"method":"x"}"#,
            br#"{"jsonrpc":"2.0","id":null,"method":"x"}"#,
            br#"{"jsonrpc":"2.0","id":1,"method":1}"#,
            br#"{"jsonrpc":"2.0","id":1,"method":"x","params":[]}"#,
            br#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#,
            br#"{"jsonrpc":"2.0","id":1,"result":1}"#,
            br#"{"jsonrpc":"2.0","result":{}}"#,
            br#"{"jsonrpc":"2.0","id":1,"error":{}}"#,
            br#"{"jsonrpc":"2.0","id":1}"#,
        ] {
            assert!(read(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
