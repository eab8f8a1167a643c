//! Faults of the control socket and of the files beside it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use partenza_reference_core::machine::{Effect, Event};
use partenza_reference_core::{ConnId, ModuleId};
use serde_json::{Map, Value, json};

use super::Entry;
use super::wire::sends;
use crate::toolkit::{ANY, Desk, Fault, Line};

pub(super) const FAULTS: &[Entry] = &[
    ("socket-for-everybody", || {
        Fault::new().only(DB_WEB).control_mode(0o666)
    }),
    ("status-without-orchestrator", || {
        Fault::new().only(DB_WEB).reply("status", |_, _, _, mut reply| {
            if let Some(orchestrator) = reply
                .pointer_mut("/result/orchestrator")
                .and_then(Value::as_object_mut)
            {
                orchestrator.remove("pid");
            }
            Some(reply)
        })
    }),
    ("status-forgets-a-member", || {
        Fault::new().only(DB_WEB).reply("status", |_, _, _, mut reply| {
            let modules = reply.pointer_mut("/result/modules").and_then(Value::as_array_mut);
            for module in modules.into_iter().flatten().filter_map(Value::as_object_mut) {
                if module["id"] == "web" {
                    module.remove("restarts");
                }
            }
            Some(reply)
        })
    }),
    ("status-of-one-shows-all", || {
        Fault::new().only(DB_WEB).request(|_, _, line| {
            let of_web = line.method() == "status" && line.params()["module"] == "web";
            vec![if of_web {
                line.edited(|json| json["params"] = json!({}))
            } else {
                line
            }]
        })
    }),
    ("start-twice-is-an-error", || {
        Fault::new()
            .only(DB_WEB)
            .refuses("start", -32007, |request, _| request["params"]["module"] == "db")
    }),
    ("start-twice-launches-twice", || {
        Fault::new().only(DB_WEB).request(|desk, _, line| {
            if line.method() == "start" && line.params()["module"] == "db" {
                desk.command("restart", "db");
            }
            vec![line]
        })
    }),
    ("status-file-one-behind", || {
        let mut last: Option<Map<String, Value>> = None;
        Fault::new().only(DB_WEB).file("web", move |status| {
            let now = status.clone();
            match last.replace(now) {
                Some(before) => *status = before,
                None => {}
            }
            true
        })
    }),
    ("unknown-method-called-invalid", || {
        Fault::new().error_called(-32601, -32600)
    }),
    ("malformed-called-invalid", || {
        Fault::new().error_called(-32700, -32600)
    }),
    ("params-ignored", || {
        Fault::new().request(|_, _, line| {
            let named = line
                .params()
                .get("module")
                .is_some_and(|module| !module.is_string());
            vec![if line.method() == "status" && named {
                line.edited(|json| json["params"] = json!({}))
            } else {
                line
            }]
        })
    }),
    ("unknown-module-called-bad-params", || {
        Fault::new().error_called(-32003, -32602)
    }),
    ("control-batches-accepted", || {
        let asked = Rc::new(Cell::new(false));
        let batch = Rc::clone(&asked);
        let fault = Fault::new().request(move |_, _, line| match line.json {
            Value::Array(requests) => {
                batch.set(true);
                requests.into_iter().map(Line::of).collect()
            }
            _ => vec![line],
        });
        fault.reply(ANY, move |_, _, _, reply| {
            Some(if asked.take() { json!([reply]) } else { reply })
        })
    }),
    ("sequence-from-zero", || {
        Fault::new().only(JOB_WEB).numbered(|event| {
            let number = number(event);
            event.insert("seq".to_owned(), json!(number - 1));
            number != 2
        })
    }),
    ("sequence-with-a-gap", || {
        Fault::new().only(JOB_WEB).numbered(|event| {
            let number = number(event);
            event.insert(
                "seq".to_owned(),
                json!(if number < 2 { number } else { number + 1 }),
            );
            true
        })
    }),
    ("events-only-retained", || {
        let mut over = false;
        Fault::new().only(JOB_WEB).numbered(move |event| {
            over |= event["type"] == "state" && event["module"] == "web" && event["to"] == "stopping";
            !over
        })
    }),
    ("second-stop-is-an-error", || {
        let mut asked = 0;
        Fault::new().only(&["once"]).refuses("stop", -32007, move |_, _| {
            asked += 1;
            asked > 1
        })
    }),
    ("waits-for-slow-clients", waits_for_slow_clients),
    ("oversize-requests-borne", || {
        Fault::new().request(|_, _, line| {
            if line.raw.len() > 65_536 {
                Vec::new()
            } else {
                vec![line]
            }
        })
    }),
    ("shutdown-unanswered", || {
        Fault::new().reply("shutdown", |desk, conn, request, reply| {
            if request["params"]["reason"] != "maintenance" {
                return Some(reply);
            }
            desk.perform(Effect::DropControl { conn });
            None
        })
    }),
    ("shutdown-forgets-to-exit", || {
        at_maintenance(|desk, module, generation| desk.kernel.signal_group(module, generation, 9))
    }),
    ("socket-left-behind", socket_left_behind),
];

const DB_WEB: &[&str] = &["db", "web"];
const JOB_WEB: &[&str] = &["job", "web"];

fn number(event: &Map<String, Value>) -> u64 {
    event["seq"].as_u64().unwrap_or_default()
}

/// What happens instead of the request to stop, when the reason of the shutdown is `maintenance`.
fn at_maintenance(mut act: impl FnMut(&mut Desk<'_>, &ModuleId, u64) + 'static) -> Fault {
    let asked = Rc::new(Cell::new(false));
    let heard = Rc::clone(&asked);
    Fault::new()
        .only(&["web"])
        .request(move |_, _, line| {
            asked.set(asked.get() || line.params()["reason"] == "maintenance");
            vec![line]
        })
        .effect(move |desk, effect| match &effect {
            Effect::Send {
                module, generation, ..
            } if heard.get() && sends(&effect, "web", "shutdown") => {
                act(desk, module, *generation);
                Vec::new()
            }
            _ => vec![effect],
        })
}

/// A client that has begun a line keeps all other complete requests waiting.
fn waits_for_slow_clients() -> Fault {
    let mut unfinished: HashMap<ConnId, Vec<u8>> = HashMap::new();
    let held: RefCell<Vec<Event>> = RefCell::new(Vec::new());
    Fault::new().beside("busy").event(move |desk, event| {
        match &event {
            Event::ControlBytes { conn, bytes } => {
                let complete = bytes.ends_with(b"\n");
                if complete {
                    unfinished.remove(conn);
                } else {
                    unfinished.entry(*conn).or_default().extend_from_slice(bytes);
                }
                // Nobody waits for a line that is too long to be one.
                if complete && unfinished.values().any(|partial| partial.len() < 1024) {
                    held.borrow_mut().push(event);
                    return Vec::new();
                }
            }
            Event::ControlClosed { conn } => drop(unfinished.remove(conn)),
            _ => {}
        }
        if unfinished.is_empty() {
            held.borrow_mut().drain(..).for_each(|event| desk.tell(event));
        }
        vec![event]
    })
}

fn socket_left_behind() -> Fault {
    let dir = Rc::new(RefCell::new(None::<PathBuf>));
    let known = Rc::clone(&dir);
    Fault::new()
        .only(&["web"])
        .leaves_files()
        .boot(move |desk| *known.borrow_mut() = Some(desk.kernel.runtime_dir().to_owned()))
        .exit(move |code| {
            for name in ["modules", "status"] {
                // What is not there needs no removing.
                let _ = dir
                    .borrow()
                    .as_ref()
                    .map(|dir| fs::remove_dir_all(dir.join(name)));
            }
            code
        })
}
