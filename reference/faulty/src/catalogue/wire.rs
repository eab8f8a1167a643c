//! Faults of lines and messages.

use std::cell::Cell;
use std::rc::Rc;

use partenza_reference_core::machine::{Effect, Event, ExitStatus};
use serde_json::{Value, json};

use super::Entry;
use crate::toolkit::{Fault, Line, Phase};

pub(super) const FAULTS: &[Entry] = &[
    ("two-objects-per-line", || {
        Fault::new().outgoing("honest", |_, _, line| {
            if line.method() != "live" {
                return vec![line];
            }
            let mut twice = line.raw.strip_suffix(b"\n").unwrap_or_default().to_vec();
            twice.extend(Line::of(json!({"jsonrpc": "2.0", "method": "log", "params": {}})).raw);
            vec![Line {
                raw: twice,
                json: line.json,
            }]
        })
    }),
    ("json-rpc-version-1", || {
        Fault::new().says("scribe", "shutdown", |_, json| json["jsonrpc"] = json!("1.0"))
    }),
    ("params-as-a-list", || {
        Fault::new().says("scribe", "shutdown", |_, json| {
            json["params"] = json!([json["params"]["reason"], json["params"]["deadline_ms"]]);
        })
    }),
    ("ids-as-text", || {
        let asked = Rc::new(Cell::new(0));
        let id = Rc::clone(&asked);
        Fault::new()
            .says("scribe", "shutdown", move |_, json| {
                id.set(json["id"].as_i64().unwrap_or_default());
                json["id"] = Value::from(json["id"].to_string());
            })
            .hears("scribe", move |_, json| {
                if json["id"].is_string() {
                    json["id"] = json!(asked.get());
                }
            })
    }),
    ("one-id-for-all", || {
        Fault::new()
            .says("scribe", "prove", |_, json| json["id"] = json!(1))
            .hears("scribe", |at, json| {
                if at.phase == Phase::Proof && json["id"] == 1 {
                    json["id"] = json!(2);
                }
            })
    }),
    ("spaces-after-colons", || {
        Fault::new().outgoing("honest", |_, _, line| {
            if line.method() != "live" {
                return vec![line];
            }
            let text = String::from_utf8_lossy(&line.raw)
                .replace(':', ": ")
                .replace(',', ", ");
            vec![Line {
                raw: text.into_bytes(),
                json: line.json,
            }]
        })
    }),
    ("live-with-fixed-times", || {
        let fault = Fault::new().says_param("scribe", "live", "health_interval_ms", 5000);
        fault.says_param("scribe", "live", "stop_timeout_ms", 10_000)
    }),
    ("live-with-other-limits", || {
        Fault::new().says("scribe", "live", |_, json| {
            json["params"]["limits"]["line_bytes"] = json!(4096);
            json["params"]["limits"]["depth"] = json!(8);
        })
    }),
    // None of the texts of this module holds a space.
    ("spacing-is-malformed", || {
        Fault::new().fatal("spacious", |_, line| line.raw.contains(&b' '))
    }),
    ("one-read-one-line", || {
        Fault::new().event(|_, event| match event {
            Event::Bytes {
                module,
                generation,
                mut bytes,
            } if module.as_str() == "halver" => {
                let end = bytes
                    .iter()
                    .rposition(|byte| *byte == b'\n')
                    .map_or(0, |last| last + 1);
                bytes.truncate(end);
                if end == 0 {
                    Vec::new()
                } else {
                    vec![Event::Bytes {
                        module,
                        generation,
                        bytes,
                    }]
                }
            }
            other => vec![other],
        })
    }),
    ("unknown-requests-unanswered", || {
        Fault::new().deaf_to("asker", |_, line| unknown(line) && line.id().is_some())
    }),
    ("unknown-requests-fatal", || {
        Fault::new().incoming("curious", |_, _, line| {
            if unknown(&line) && line.id().is_some() {
                vec![line, Line::garbage()]
            } else {
                vec![line]
            }
        })
    }),
    ("unknown-notifications-fatal", || {
        Fault::new().fatal("chatter", |_, line| unknown(line) && line.id().is_none())
    }),
    // The ids of the orchestrator are small.
    ("unknown-replies-fatal", || {
        Fault::new().fatal("replier", |_, line| {
            line.is_reply() && line.id().is_some_and(|id| id > 1000)
        })
    }),
    ("second-line-lost", || {
        Fault::new().event(|_, event| match event {
            Event::Bytes {
                module,
                generation,
                mut bytes,
            } if module.as_str() == "joiner" => {
                let end = bytes
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .map_or(bytes.len(), |first| first + 1);
                bytes.truncate(end);
                vec![Event::Bytes {
                    module,
                    generation,
                    bytes,
                }]
            }
            other => vec![other],
        })
    }),
    ("second-ready-fatal", || {
        let heard = Cell::new(0);
        Fault::new().fatal("repeater", move |_, line| {
            heard.set(heard.get() + u32::from(line.method() == "ready"));
            line.method() == "ready" && heard.get() > 1
        })
    }),
    ("limit-without-the-line-feed", || {
        Fault::new().fatal("brimful", |_, line| line.raw.len() == 65_536)
    }),
    ("log-is-fatal", || {
        Fault::new().fatal("teller", |_, line| line.method() == "log")
    }),
    ("long-lines-truncated", || {
        let mut skipping = false;
        Fault::new().event(move |_, event| match event {
            Event::Bytes { module, bytes, .. }
                if module.as_str() == "long" && (skipping || bytes.windows(16).any(|run| run == PADDING)) =>
            {
                skipping = !bytes.ends_with(b"\n");
                Vec::new()
            }
            other => vec![other],
        })
    }),
    ("nesting-unlimited", || {
        Fault::new().deaf_to("deep", |_, line| {
            line.raw.windows(16).any(|run| run == [b'['; 16])
        })
    }),
    ("malformed-lines-skipped", || {
        Fault::new()
            .beside("duplicate")
            .deaf_to("broken", |at, line| at.phase == Phase::Live && !line.is_json())
    }),
    // Reading the line with a parser that takes the last member and writing it anew is what such an orchestrator does.
    ("last-member-wins", || {
        Fault::new().incoming("duplicate", |_, at, line| {
            vec![if at.phase == Phase::Live {
                Line::of(line.json)
            } else {
                line
            }]
        })
    }),
    ("utf-8-replaced", || {
        Fault::new().incoming("latin", |_, _, line| {
            vec![Line::read(String::from_utf8_lossy(&line.raw).as_bytes())]
        })
    }),
    ("batches-accepted", || {
        Fault::new().incoming("batch", |_, _, line| match line.json {
            Value::Array(messages) => messages.into_iter().map(Line::of).collect(),
            _ => vec![line],
        })
    }),
    ("eof-overlooked", || {
        Fault::new().event(|_, event| match event {
            Event::Eof { module, .. } if module.as_str() == "hangup" => Vec::new(),
            other => vec![other],
        })
    }),
    ("malformed-called-exit", || {
        Fault::new().reason("smasher", "protocol", "exit")
    }),
    ("live-breach-not-recorded", || {
        Fault::new().tells_health_instead("stray", "protocol")
    }),
    ("waits-for-the-shutdown-reply", || {
        let answered = Rc::new(Cell::new(false));
        let (heard, told) = (Rc::clone(&answered), Rc::clone(&answered));
        Fault::new()
            .incoming("terse", move |_, at, line| {
                heard.set(heard.get() || at.phase == Phase::Live && line.is_reply());
                vec![line]
            })
            .status("terse", move |status| {
                if status["state"] == "stopped" && !answered.get() {
                    status.insert("state".to_owned(), json!("failed"));
                    status.insert("reason".to_owned(), json!("protocol"));
                }
            })
            .tells("terse", "state", move |event| {
                if event["to"] == "stopped" && !told.get() {
                    event.insert("to".to_owned(), json!("failed"));
                    event.insert("reason".to_owned(), json!("protocol"));
                }
            })
    }),
    ("extend-ignored", || {
        Fault::new().deaf_to("slowpoke", |_, line| line.method() == "extend")
    }),
];

const PADDING: &[u8] = b"xxxxxxxxxxxxxxxx";

/// Whether a message has a method that the contract does not know.
fn unknown(line: &Line) -> bool {
    matches!(
        line.method(),
        "no.such.method" | "neither.this" | "no.such.notification"
    )
}

/// Whether a module has ended in this way.
pub(super) fn exited(event: &Event, name: &str, how: ExitStatus) -> bool {
    matches!(event, Event::Exited { module, status, .. } if module.as_str() == name && *status == how)
}

/// Whether a line of this method goes to a module.
pub(super) fn sends(effect: &Effect, name: &str, method: &str) -> bool {
    matches!(effect, Effect::Send { module, bytes, .. }
        if module.as_str() == name && Line::read(bytes).method() == method)
}
