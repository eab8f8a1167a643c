//! Reading control requests and writing their replies. It knows the shapes and nothing of the modules.

use serde_json::{Map, Value, json};

use crate::machine::State;
use crate::wire::json::{self, BadJson};

/// The longest accepted line, with its LF.
pub(crate) const MAX_LINE: usize = 65_536;

/// The id of a request: an integer, or a text of 1 to 64 characters. It is given back as it came.
#[derive(Debug, Clone)]
pub(crate) struct Id(Value);

/// A request that was understood.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: Id,
    pub(crate) command: Command,
}

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Command {
    Status { module: Option<String> },
    Start { module: String },
    Stop { module: String },
    Restart { module: String },
    Events { since: u64 },
    Plan,
    Shutdown { reason: Option<String> },
}

/// Why a request is refused (`errors.wire-codes`).
#[derive(Debug)]
pub(crate) enum Problem {
    /// -32700
    Parse(String),
    /// -32600
    Invalid(&'static str),
    /// -32601
    UnknownMethod(String),
    /// -32602
    BadParams(&'static str),
    /// -32003
    UnknownModule {
        name: String,
        suggestion: Option<String>,
    },
    /// -32005
    ShuttingDown,
    /// -32007
    NotPossible(State),
}

/// Reads one line (`control.malformed-line`, `control.unknown-method`, `control.bad-params`).
pub(crate) fn read(line: &[u8]) -> Result<Request, (Option<Id>, Problem)> {
    let mut members = json::read(line).map_err(|bad| {
        let problem = match bad {
            BadJson::NotObject => Problem::Invalid("a request is one JSON object"),
            BadJson::NotUtf8 | BadJson::TooDeep | BadJson::NotJson(_) => Problem::Parse(bad.to_string()),
        };
        (None, problem)
    })?;
    let id = match members.remove("id") {
        Some(id) if id.as_i64().is_some() => Id(id),
        Some(Value::String(text)) if (1..=64).contains(&text.chars().count()) => Id(Value::String(text)),
        Some(_) | None => {
            return Err((
                None,
                Problem::Invalid("a request has an id: an integer or a text of 1 to 64 characters"),
            ));
        }
    };
    if members.remove("jsonrpc") != Some(Value::from("2.0")) {
        return Err((Some(id), Problem::Invalid("`jsonrpc` is not \"2.0\"")));
    }
    let Some(Value::String(method)) = members.remove("method") else {
        return Err((Some(id), Problem::Invalid("a request has a method")));
    };
    let params = match members.remove("params") {
        None => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err((Some(id), Problem::BadParams("`params` is no object"))),
    };
    match command(&method, &params) {
        Ok(command) => Ok(Request { id, command }),
        Err(problem) => Err((Some(id), problem)),
    }
}

fn command(method: &str, params: &Map<String, Value>) -> Result<Command, Problem> {
    let module = || match params.get("module") {
        Some(Value::String(module)) => Ok(module.clone()),
        Some(_) | None => Err(Problem::BadParams("`module` is the id of a module")),
    };
    Ok(match method {
        "status" => Command::Status {
            module: if params.contains_key("module") {
                Some(module()?)
            } else {
                None
            },
        },
        "start" => Command::Start { module: module()? },
        "stop" => Command::Stop { module: module()? },
        "restart" => Command::Restart { module: module()? },
        "events" => match params.get("since") {
            None => Command::Events { since: 0 },
            Some(since) => match since.as_u64() {
                Some(since) => Command::Events { since },
                None => return Err(Problem::BadParams("`since` is the number of an event")),
            },
        },
        "plan" => Command::Plan,
        "shutdown" => match params.get("reason") {
            None => Command::Shutdown { reason: None },
            Some(Value::String(reason)) => Command::Shutdown {
                reason: Some(reason.chars().take(200).collect()),
            },
            Some(_) => return Err(Problem::BadParams("`reason` is a text")),
        },
        other => return Err(Problem::UnknownMethod(other.chars().take(64).collect())),
    })
}

/// A reply as a line.
pub(crate) fn result(id: &Id, result: Value) -> Vec<u8> {
    line(&json!({"jsonrpc": "2.0", "id": id.0, "result": result}))
}

/// An error reply as a line; without an id when none could be read.
pub(crate) fn error(id: Option<&Id>, problem: &Problem) -> Vec<u8> {
    let (code, message) = match problem {
        Problem::Parse(text) => (-32700, text.clone()),
        Problem::Invalid(text) => (-32600, (*text).to_owned()),
        Problem::UnknownMethod(name) => (-32601, format!("unknown method {name}")),
        Problem::BadParams(text) => (-32602, (*text).to_owned()),
        Problem::UnknownModule { name, .. } => (
            -32003,
            format!("unknown module {}", name.chars().take(64).collect::<String>()),
        ),
        Problem::ShuttingDown => (-32005, "the orchestrator is shutting down".to_owned()),
        Problem::NotPossible(state) => (
            -32007,
            format!("not possible while the module is {}", state.name()),
        ),
    };
    let mut error = json!({"code": code, "message": message});
    if let Problem::UnknownModule {
        suggestion: Some(suggestion),
        ..
    } = problem
    {
        error["data"] = json!({"suggestion": suggestion});
    }
    line(&json!({"jsonrpc": "2.0", "id": id.map(|id| &id.0), "error": error}))
}

fn line(message: &Value) -> Vec<u8> {
    let mut bytes = message.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> (Value, i64) {
        let (id, problem) = read(line.as_bytes()).unwrap_err();
        let reply: Value = serde_json::from_slice(&error(id.as_ref(), &problem)).unwrap();
        (reply["id"].clone(), reply["error"]["code"].as_i64().unwrap())
    }

    #[test]
    fn what_is_refused_and_how() {
        assert_eq!(code("{"), (Value::Null, -32700));
        assert_eq!(code("[]"), (Value::Null, -32600));
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"plan"}"#),
            (Value::Null, -32700)
        );
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","method":"plan"}"#),
            (Value::Null, -32600)
        );
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":1.5,"method":"plan"}"#),
            (Value::Null, -32600)
        );
        assert_eq!(code(r#"{"id":1,"method":"plan"}"#), (json!(1), -32600));
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":"a"}"#), (json!("a"), -32600));
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":1,"method":"dance"}"#),
            (json!(1), -32601)
        );
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":1,"method":"start"}"#),
            (json!(1), -32602)
        );
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":1,"method":"start","params":{"module":1}}"#),
            (json!(1), -32602)
        );
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":1,"method":"start","params":["web"]}"#),
            (json!(1), -32602)
        );
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":1,"method":"events","params":{"since":-1}}"#),
            (json!(1), -32602)
        );
    }
}
