//! The clients of the control socket: the watcher of events, the asker of status, and the requests of the script.
//!
//! Each request of the script has a connection of its own, so that what one does to the connection cannot touch the
//! others. Whatever arrives becomes an entry of the trace.

use std::rc::Rc;

use partenza_probe::frame::LineSplitter;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::Notify;
use tokio::task::spawn_local;

use super::world::World;
use crate::judge::trace::Kind;

/// The longest line of the control socket.
const LINE_LIMIT: usize = 65_536;

/// The label of the harness's own subscription.
pub(crate) const EVENTS: &str = "events (harness)";

/// A request line.
pub(crate) fn request(method: &str, params: &Value) -> String {
    format!(
        "{}\n",
        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    )
}

/// Lines from a connection, without losing what came together.
struct Reader {
    read: OwnedReadHalf,
    splitter: LineSplitter,
    ready: std::collections::VecDeque<String>,
}

impl Reader {
    fn new(read: OwnedReadHalf) -> Self {
        Self {
            read,
            splitter: LineSplitter::new(LINE_LIMIT),
            ready: std::collections::VecDeque::new(),
        }
    }

    async fn next(&mut self) -> Option<String> {
        let mut chunk = vec![0; 16_384];
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(line);
            }
            let count = self.read.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
            let lines = self.splitter.push(&chunk[..count]);
            self.ready.extend(
                lines
                    .iter()
                    .map(|line| String::from_utf8_lossy(&line.raw).into_owned()),
            );
        }
    }
}

/// Subscribes to all events and records them for as long as the connection lasts.
pub(crate) async fn watch(stream: UnixStream, world: Rc<World>) {
    let (read, mut write) = stream.into_split();
    if write
        .write_all(request("events", &json!({"since": 0})).as_bytes())
        .await
        .is_err()
    {
        return;
    }
    let mut reader = Reader::new(read);
    while let Some(line) = reader.next().await {
        let message: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        match message.pointer("/params") {
            Some(params) if message.get("method").and_then(Value::as_str) == Some("event") => {
                world.record("orchestrator", Kind::Event, params.clone());
            }
            _ => {
                world.record(
                    "control",
                    Kind::Reply,
                    json!({"label": EVENTS, "line": line, "message": message}),
                );
            }
        }
    }
    world.record("control", Kind::Closed, json!({"label": EVENTS}));
    drop(write);
}

/// Asks for the status whenever somebody wants to know, and records each answer.
pub(crate) async fn observe(stream: UnixStream, world: Rc<World>, wanted: Rc<Notify>) {
    let (read, mut write) = stream.into_split();
    let mut reader = Reader::new(read);
    let line = request("status", &json!({}));
    loop {
        wanted.notified().await;
        if write.write_all(line.as_bytes()).await.is_err() {
            return;
        }
        let Some(line) = reader.next().await else { return };
        let message: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        let kind = if message.get("result").is_some() {
            Kind::Status
        } else {
            Kind::Note
        };
        let data = message
            .get("result")
            .cloned()
            .unwrap_or_else(|| json!({"text": format!("status: {line}")}));
        world.record("orchestrator", kind, data);
    }
}

/// Sends the bytes of a script's request and records what comes back under its label.
pub(crate) async fn ask(stream: UnixStream, world: Rc<World>, label: String, line: String) {
    let (read, mut write) = stream.into_split();
    world.record("control", Kind::Ask, json!({"label": label, "line": line}));
    // Writing beside reading: a long line may only be taken while the reply to its beginning is read.
    let writer = spawn_local(async move {
        let _ = write.write_all(line.as_bytes()).await;
        write
    });
    let mut reader = Reader::new(read);
    while let Some(line) = reader.next().await {
        let message: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        let kind = if message.get("method").is_some() {
            Kind::Note
        } else {
            Kind::Reply
        };
        let text = line.trim_end().to_owned();
        world.record(
            "control",
            kind,
            json!({"label": label, "text": text, "line": line, "message": message}),
        );
    }
    world.record("control", Kind::Closed, json!({"label": label}));
    drop(writer.await);
}

/// Asks for all events, and never reads one.
pub(crate) async fn play_deaf(mut stream: UnixStream, world: Rc<World>, label: String) {
    let line = request("events", &json!({"since": 0}));
    world.record("control", Kind::Ask, json!({"label": label, "line": line}));
    let _ = stream.write_all(line.as_bytes()).await;
    // The connection stays open until the case is over and this task is dropped.
    std::future::pending::<()>().await;
}
