//! A client of the control socket.
//!
//! It owns one connection: requests, replies, and the events that arrive between them. Every wait has a deadline.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::exit;
use super::say::Trouble;

#[derive(Debug)]
pub(super) struct Client {
    stream: UnixStream,
    buffer: Vec<u8>,
    events: VecDeque<Value>,
    next_id: u64,
}

/// What waiting for an event came to.
#[derive(Debug)]
pub(super) enum Waited {
    Event(Value),
    /// The deadline has passed.
    TimedOut,
    /// The orchestrator has closed the connection.
    Ended,
}

impl Client {
    pub(super) fn connect(runtime: &Path) -> Result<Self, Trouble> {
        let path = runtime.join("control.sock");
        let stream = UnixStream::connect(&path).map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::NotFound => "there is no such socket".to_owned(),
                io::ErrorKind::ConnectionRefused => "nobody listens there any more".to_owned(),
                _ => error.to_string(),
            };
            Trouble::new(
                exit::UNREACHABLE,
                format!("no orchestrator answers at {}: {why}", path.display()),
            )
            .help("start one with `partenza run`, or name its directory with --runtime")
        })?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            events: VecDeque::new(),
            next_id: 1,
        })
    }

    /// Sends a request and waits for its reply.
    pub(super) fn ask(&mut self, method: &str, params: Value) -> Result<Value, Trouble> {
        let id = self.next_id;
        self.next_id += 1;
        let mut line = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string();
        line.push('\n');
        let gone = || Trouble::new(exit::UNREACHABLE, "the orchestrator closed the connection");
        self.stream.write_all(line.as_bytes()).map_err(|_| gone())?;
        let deadline = Instant::now() + REPLY_TIME;
        loop {
            match self.line(Some(deadline)) {
                Waited::Ended => return Err(gone()),
                Waited::TimedOut => {
                    return Err(Trouble::new(exit::TIMEOUT, "the orchestrator does not answer"));
                }
                Waited::Event(message) => {
                    if message.get("method").is_some() {
                        self.events.push_back(message);
                    } else if let Some(error) = message.get("error") {
                        return Err(refusal(error));
                    } else if message.get("id").and_then(Value::as_u64) == Some(id) {
                        return Ok(message.get("result").cloned().unwrap_or(Value::Null));
                    }
                }
            }
        }
    }

    /// The next event's parameters; without a deadline it waits for ever.
    pub(super) fn event(&mut self, deadline: Option<Instant>) -> Waited {
        loop {
            let message = match self.events.pop_front() {
                Some(message) => message,
                None => match self.line(deadline) {
                    Waited::Event(message) => message,
                    other => return other,
                },
            };
            if message.get("method").and_then(Value::as_str) == Some("event") {
                return Waited::Event(message.get("params").cloned().unwrap_or(Value::Null));
            }
        }
    }

    /// Waits until the orchestrator closes the connection. The answer is whether it did.
    pub(super) fn wait_for_end(&mut self, deadline: Instant) -> bool {
        loop {
            match self.line(Some(deadline)) {
                Waited::Event(_) => {}
                Waited::TimedOut => return false,
                Waited::Ended => return true,
            }
        }
    }

    fn line(&mut self, deadline: Option<Instant>) -> Waited {
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer.iter().skip(searched).position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=searched + end).collect();
                match serde_json::from_slice(&line) {
                    Ok(message) => return Waited::Event(message),
                    Err(_) => return Waited::Ended,
                }
            }
            searched = self.buffer.len();
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // A timeout of zero would mean none.
            if left == Some(Duration::ZERO) || self.stream.set_read_timeout(left).is_err() {
                return Waited::TimedOut;
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Waited::Ended,
                Ok(count) => self
                    .buffer
                    .extend_from_slice(chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Waited::TimedOut;
                }
                Err(_) => return Waited::Ended,
            }
        }
    }
}

fn refusal(error: &Value) -> Trouble {
    let message = error
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or("the request was refused");
    let code = match error.get("code").and_then(Value::as_i64) {
        Some(-32003) => exit::NO_SUCH_MODULE,
        _ => exit::FAILED,
    };
    let trouble = Trouble::new(code, message);
    match error.pointer("/data/suggestion").and_then(Value::as_str) {
        Some(name) => trouble.help(format!("did you mean `{name}`?")),
        None if code == exit::NO_SUCH_MODULE => trouble.help("`partenza status` lists the modules"),
        None => trouble,
    }
}

/// The orchestrator answers at once unless it is stopped.
const REPLY_TIME: Duration = Duration::from_secs(10);
