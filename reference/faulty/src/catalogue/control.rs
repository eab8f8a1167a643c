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
        Fault::new().beside("portal").control_mode(0o666)
    }),
    ("status-without-orchestrator", || {
        Fault::new()
            .beside("portal")
            .reply("status", |_, _, request, mut reply| {
                if request["params"]["module"].is_string() {
                    return Some(reply);
                }
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
        Fault::new().reply("status", |_, _, _, mut reply| {
            let modules = reply.pointer_mut("/result/modules").and_then(Value::as_array_mut);
            for module in modules.into_iter().flatten().filter_map(Value::as_object_mut) {
                if module["id"] == "portal" {
                    module.remove("restarts");
                }
            }
            Some(reply)
        })
    }),
    ("status-of-one-shows-all", || {
        Fault::new().request(|_, _, line| {
            let of_web = line.method() == "status" && line.params()["module"] == "portal";
            vec![if of_web {
                line.edited(|json| json["params"] = json!({}))
            } else {
                line
            }]
        })
    }),
    ("start-twice-is-an-error", || {
        Fault::new().refuses("start", -32007, |request, _| {
            request["params"]["module"] == "vault"
        })
    }),
    ("start-twice-launches-twice", || {
        Fault::new().request(|desk, _, line| {
            if line.method() == "start" && line.params()["module"] == "vault" {
                desk.command("restart", "vault");
            }
            vec![line]
        })
    }),
    ("status-file-one-behind", || {
        let mut last: Option<Map<String, Value>> = None;
        Fault::new().file("portal", move |status| {
            let now = status.clone();
            if let Some(before) = last.replace(now) {
                *status = before;
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
    ("sequence-from-two", || {
        Fault::new().beside("ticker").numbered(|event| event["seq"] != 1)
    }),
    ("sequence-with-a-gap", || {
        Fault::new().beside("ticker").numbered(|event| event["seq"] != 2)
    }),
    ("events-only-retained", || {
        let mut over = false;
        Fault::new().beside("ticker").numbered(move |event| {
            over |= event["type"] == "state" && event["module"] == "ticker" && event["to"] == "stopping";
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
    ("shutdown-without-asking", || {
        at_maintenance(|desk, module, generation| desk.kernel.signal_group(module, generation, 9))
    }),
    ("socket-left-behind", socket_left_behind),
];

/// What happens instead of the request to stop, when the reason of the shutdown is `maintenance`.
fn at_maintenance(mut act: impl FnMut(&mut Desk<'_>, &ModuleId, u64) + 'static) -> Fault {
    let asked = Rc::new(Cell::new(false));
    let heard = Rc::clone(&asked);
    Fault::new()
        .beside("lamp")
        .request(move |_, _, line| {
            asked.set(asked.get() || line.params()["reason"] == "maintenance");
            vec![line]
        })
        .effect(move |desk, effect| match &effect {
            Effect::Send {
                module, generation, ..
            } if heard.get() && sends(&effect, "lamp", "shutdown") => {
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
        .beside("lamp")
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
