//! Faults of restarts and their bounds, of the operator's word, and of what dependents see.

use std::cell::RefCell;
use std::rc::Rc;

use partenza_reference_core::machine::{Effect, Event, LaunchSpec};
use partenza_reference_core::manifest::{Condition, OnRestart, Policy, Restart};
use serde_json::{Value, json};

use super::Entry;
use super::lifecycle::{secret_launch, shutdown};
use super::wire::sends;
use crate::toolkit::{Fault, Line, Task, call, command, names};

pub(super) const FAULTS: &[Entry] = &[
    ("never-restarts", || {
        restart("riser", |restart| restart.policy = Policy::Never)
    }),
    ("restarts-after-a-clean-end", || {
        restart("worker", |restart| restart.policy = Policy::Always).beside("herald")
    }),
    ("never-is-on-failure", || {
        restart("mortal", |restart| {
            restart.policy = Policy::OnFailure;
            restart.delay = 20_000;
            restart.jitter = 0.0;
        })
    }),
    ("always-is-on-failure", || {
        restart("daemon", |restart| restart.policy = Policy::OnFailure)
    }),
    ("delay-in-secret", || {
        Fault::new().tells("herald", "state", |event| {
            event.remove("delay_ms");
        })
    }),
    ("delay-skipped", || {
        let fault = restart("phoenix", |restart| restart.delay = 0).beside("herald");
        fault.tells("phoenix", "state", |event| {
            if event.contains_key("delay_ms") {
                event.insert("delay_ms".to_owned(), json!(600));
            }
        })
    }),
    ("delay-never-grows", || {
        restart("grower", |restart| restart.factor = 1.0)
    }),
    ("delay-without-cap", || {
        restart("capped", |restart| restart.max_delay = 3_600_000_000)
    }),
    ("limit-off-by-one", || {
        restart("looper", |restart| restart.limit += 1)
    }),
    ("limit-called-exit", || {
        Fault::new().reason("hopeless", "limit", "exit")
    }),
    ("stability-resets-nothing-for-solid", || count_stays("solid")),
    ("stability-resets-nothing", || count_stays("stable")),
    ("stability-keeps-the-delay", || {
        // The machine resets neither, and the count is shown as if it were reset.
        restart("solid", |restart| restart.reset_after = 3_600_000_000).status("solid", |status| {
            if status["state"] == "ready" {
                status.insert("restarts".to_owned(), json!(0));
            }
        })
    }),
    ("operator-resets-nothing", || count_stays("served")),
    ("stop-waits-for-the-delay", || {
        accepts("stop", "waiter", "restarting", "restarting")
    }),
    ("stop-forgets-the-timer", || {
        Fault::new().request(|desk, _, line| {
            if line.method() == "stop" && line.params()["module"] == "cancelled" {
                desk.after(500, Task::Tell(command("start", "cancelled")));
            }
            vec![line]
        })
    }),
    ("start-waits-for-the-delay", || {
        accepts("start", "hurried", "restarting", "restarting")
    }),
    ("restart-of-stopped-does-nothing", || {
        accepts("restart", "rested", "stopped", "stopped")
    }),
    ("two-generations-at-once", two_generations_at_once),
    ("keep-shows-nothing", || {
        Fault::new()
            .beside("keeper")
            .needs("reader", |edge| edge.optional = true)
    }),
    ("keep-stays-degraded", || {
        let (mut degraded, mut over) = (false, false);
        Fault::new()
            .status("keeper", move |status| {
                degraded |= status["state"] == "degraded";
                if degraded && status["state"] == "ready" {
                    status.insert("state".to_owned(), json!("degraded"));
                    status.insert("reason".to_owned(), json!("dependency"));
                }
            })
            .retells("keeper", "state", move |mut event| {
                over |= event["to"] == "degraded";
                if over && event["to"] == "ready" {
                    return Vec::new();
                }
                if over && event["from"] == "ready" && event["to"] != "degraded" {
                    event.insert("from".to_owned(), json!("degraded"));
                }
                vec![event]
            })
    }),
    ("restart-edge-ignored", || {
        Fault::new().needs("cache", |edge| edge.on_restart = OnRestart::Keep)
    }),
    ("restart-edge-at-once", || {
        Fault::new()
            .loaded(|loaded| {
                let index = names(loaded).iter().position(|name| *name == "index");
                index.into_iter().for_each(|index| loaded.edges[index].clear());
            })
            .event(|desk, event| {
                if matches!(&event, Event::Exited { module, generation: 1, .. } if module.as_str() == "store")
                {
                    desk.command("restart", "index");
                }
                vec![event]
            })
    }),
    ("stop-edge-comes-back", || {
        Fault::new().needs("view", |edge| edge.on_restart = OnRestart::Restart)
    }),
    ("dependents-fail-too", || {
        Fault::new().beside("cellar").status("app", |status| {
            if status["reason"] == "dependency" {
                status.insert("state".to_owned(), json!("failed"));
            }
        })
    }),
    // What it waits for is asked for something that it never does.
    ("parked-for-ever", || {
        Fault::new().needs("house", |edge| edge.condition = Condition::Completed)
    }),
    ("no-alert", || Fault::new().tells_health_instead("vital", "alert")),
    ("failure-without-reason", || {
        Fault::new()
            .status("plainly", |status| {
                if status["state"] == "failed" {
                    status.insert("reason".to_owned(), Value::Null);
                }
            })
            .tells("plainly", "state", |event| {
                if event["to"] == "failed" {
                    event.insert("reason".to_owned(), Value::Null);
                }
            })
    }),
    ("one-failure-stops-all", || {
        let (mut rock, mut failed) = (None, false);
        Fault::new().beside("crumbler").event(move |desk, event| {
            match &event {
                Event::Bytes {
                    module,
                    generation,
                    bytes,
                } if module.as_str() == "rock" && Line::read(bytes).method() == "ready" => {
                    rock = Some((module.clone(), *generation));
                }
                Event::GroupEmpty { module, .. } => failed |= module.as_str() == "crumbler",
                _ => {}
            }
            if let (true, Some((module, generation))) = (failed, &rock) {
                desk.send(module, *generation, &shutdown(2000));
                (rock, failed) = (None, false);
            }
            vec![event]
        })
    }),
];

/// Changes the restart policy of a module.
fn restart(module: &'static str, mut edit: impl FnMut(&mut Restart) + 'static) -> Fault {
    Fault::new().module(module, move |module| edit(&mut module.restart))
}

/// The number of restarts of a module that is shown never goes down.
fn count_stays(module: &'static str) -> Fault {
    let mut most = 0;
    Fault::new().status(module, move |status| {
        most = most.max(status["restarts"].as_u64().unwrap_or_default());
        status.insert("restarts".to_owned(), json!(most));
    })
}

/// Answers a request about a module in this state, and does nothing else.
fn accepts(method: &'static str, module: &'static str, state: &'static str, answer: &'static str) -> Fault {
    let shown = Rc::new(RefCell::new(String::new()));
    let now = Rc::clone(&shown);
    Fault::new()
        .effect(move |_, effect| {
            if let Effect::WriteStatus { module: of, json } = &effect
                && of.as_str() == module
            {
                let status: Value = serde_json::from_str(json).unwrap_or_default();
                *now.borrow_mut() = status["state"].as_str().unwrap_or_default().to_owned();
            }
            vec![effect]
        })
        .request(move |desk, conn, line| {
            if line.method() != method || line.params()["module"] != module || *shown.borrow() != state {
                return vec![line];
            }
            let id = line.json["id"].clone();
            let result = json!({"module": module, "state": answer});
            desk.kernel.reply(
                conn,
                &Line::of(json!({"jsonrpc": "2.0", "id": id, "result": result})).raw,
            );
            Vec::new()
        })
}

fn two_generations_at_once() -> Fault {
    let last = Rc::new(RefCell::new(None::<LaunchSpec>));
    let seen = Rc::clone(&last);
    Fault::new()
        .remembers("successor", move |spec| {
            seen.borrow_mut().get_or_insert_with(|| spec.clone());
        })
        .effect(move |desk, effect| {
            if sends(&effect, "successor", "shutdown")
                && let Some(mut spec) = last.borrow_mut().take()
            {
                if let Some((_, value)) = spec
                    .environment
                    .iter_mut()
                    .find(|(name, _)| name == "PARTENZA_GENERATION")
                {
                    "2".clone_into(value);
                }
                desk.perform(secret_launch(&spec));
                // It goes before the true second generation comes.
                let (module, generation) = (spec.module.clone(), spec.generation + 1000);
                desk.after(
                    250,
                    call(move |kernel| kernel.signal_group(&module, generation, 9)),
                );
            }
            vec![effect]
        })
}
