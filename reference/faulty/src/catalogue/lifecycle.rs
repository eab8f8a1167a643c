//! Faults of the orchestrator's own life, of stopping, and of the usual way through the states.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use nix::sys::signal::{Signal as Number, killpg};
use nix::unistd::Pid;
use partenza_reference_core::ModuleId;
use partenza_reference_core::machine::{Effect, Event, ExitStatus, LaunchSpec, Signal};
use serde_json::json;

use super::Entry;
use super::wire::{exited, sends};
use crate::toolkit::{Fault, Line, Phase, Task, call, instead_of};

pub(super) const FAULTS: &[Entry] = &[
    ("gives-up-with-the-first-failure", || {
        Fault::new().leaves_processes().event(|desk, event| {
            if exited(&event, "quitter", ExitStatus::Code(1)) {
                // Not so soon that nobody has noticed yet that it was there at all.
                desk.after(300, Task::Do(Effect::Exit { code: 1 }));
            }
            vec![event]
        })
    }),
    ("sigterm-kills-at-once", || {
        Fault::new().never_says("courteous", "shutdown")
    }),
    ("shutdown-without-a-reason", || {
        Fault::new()
            .only(SIGTERM)
            .says_param("second", "shutdown", "reason", "")
    }),
    ("deadline-in-microseconds", || {
        Fault::new().says("parent", "shutdown", |_, json| {
            let deadline = json["params"]["deadline_ms"].as_u64().unwrap_or_default();
            json["params"]["deadline_ms"] = json!(deadline * 1000);
        })
    }),
    ("exits-with-143", || {
        Fault::new()
            .beside("parent")
            .exit(|code| if code == 0 { 143 } else { code })
    }),
    ("restarts-during-shutdown", restarts_during_shutdown),
    ("forgets-the-children-at-exit", || {
        Fault::new()
            .empty_with_leader("parent", |_| true)
            .leaves_processes()
    }),
    ("sigint-ends-it-at-once", sigint_ends_it_at_once),
    ("second-signal-kills", || {
        second_signal(|desk, module, generation| desk.kernel.signal_group(module, generation, 9))
    }),
    ("second-signal-asks-again", || {
        second_signal(|desk, module, generation| desk.send(module, generation, &shutdown(600)))
    }),
    ("signal-before-request", || {
        Fault::new().beside("mule").effect(|desk, effect| match &effect {
            Effect::Send {
                module,
                generation,
                bytes,
            } if module.as_str() == "steady" && Line::read(bytes).method() == "shutdown" => {
                desk.kernel.signal_group(module, *generation, 15);
                desk.after(100, Task::Do(effect));
                Vec::new()
            }
            _ => vec![effect],
        })
    }),
    ("signal-with-request", || {
        Fault::new().outgoing("patient", |desk, at, line| {
            if line.method() == "shutdown" {
                desk.kernel.signal_group(&at.module, at.generation, 15);
            }
            vec![line]
        })
    }),
    ("no-sigterm", || Fault::new().never_signals("dull", Signal::Term)),
    ("sigkill-at-half", || {
        Fault::new().signal("deaf", |_, _, _| Some(Signal::Kill))
    }),
    ("no-sigkill", || Fault::new().never_signals("mule", Signal::Kill)),
    ("signals-only-the-leader", || Fault::new().signals_leader("clan")),
    ("stopped-with-the-leader", || {
        Fault::new()
            .empty_with_leader("brood", |_| true)
            .event(|desk, event| {
                if let Event::Exited {
                    module, generation, ..
                } = &event
                    && module.as_str() == "brood"
                {
                    let (module, generation) = (module.clone(), *generation);
                    desk.after(
                        600,
                        call(move |kernel| kernel.signal_group(&module, generation, 9)),
                    );
                }
                vec![event]
            })
    }),
    ("loses-other-sessions", loses_other_sessions),
    ("leaves-orphans-behind", || {
        let over = Rc::new(Cell::new(false));
        let seen = Rc::clone(&over);
        Fault::new()
            .event(move |_, event| {
                if matches!(&event, Event::Exited { module, generation: 1, .. } if module.as_str() == "orphaner") {
                    seen.set(true);
                }
                vec![event]
            })
            .empty_with_leader("orphaner", |generation| generation == 1)
            .signal("orphaner", move |_, effect, signal| {
                let first = matches!(effect, Effect::SignalGroup { generation: 1, .. });
                (!first || !over.get()).then_some(signal)
            })
            .leaves_processes()
    }),
    ("stops-front-and-web-together", || {
        stops_early("web", |event| sends(event, "front", "shutdown"), |_| false)
    }),
    ("stops-db-early", || {
        stops_early(
            "db",
            |_| false,
            |event| matches!(event, Event::Exited { module, .. } if module.as_str() == "front"),
        )
    }),
    ("waits-for-the-reply-to-shutdown", || {
        Fault::new().event(|desk, event| match &event {
            Event::Exited { module, .. } | Event::GroupEmpty { module, .. }
                if module.as_str() == "wordless" =>
            {
                desk.after(60_000, Task::Tell(event));
                Vec::new()
            }
            _ => vec![event],
        })
    }),
    ("stops-one-by-one", || {
        let held = Rc::new(RefCell::new(Vec::new()));
        let hold = Rc::clone(&held);
        Fault::new()
            .effect(move |_, effect| {
                if sends(&effect, "lone", "shutdown") {
                    hold.borrow_mut().push(effect);
                    return Vec::new();
                }
                vec![effect]
            })
            .event(move |desk, event| {
                if matches!(&event, Event::Exited { module, .. } if module.as_str() == "web") {
                    held.borrow_mut()
                        .drain(..)
                        .for_each(|effect| desk.perform(effect));
                }
                vec![event]
            })
    }),
    ("no-initial-event", || {
        Fault::new().tells("usual", "state", |event| {
            if event["from"].is_null() {
                event.insert("from".to_owned(), json!("stopped"));
            }
        })
    }),
    ("skips-initializing", || {
        Fault::new().tells("regular", "state", |event| {
            if event["to"] == "initializing" {
                *event = instead_of(event, "regular");
            }
        })
    }),
    ("ready-after-handshake", || {
        Fault::new().incoming("holdback", |_, at, line| match at.phase {
            Phase::Proof => vec![
                line,
                Line::of(json!({"jsonrpc": "2.0", "method": "ready", "params": {}})),
            ],
            Phase::Hello | Phase::Live => vec![line],
        })
    }),
    ("ignores-degraded", || {
        Fault::new().deaf_to("moody", |_, line| line.method() == "status")
    }),
    ("never-better-again", || {
        Fault::new().deaf_to("better", |_, line| {
            line.method() == "status" && line.params()["state"] == "ready"
        })
    }),
    ("completed-called-exit", || {
        Fault::new().reason("finisher", "completed", "exit")
    }),
    ("failure-called-signal", || {
        Fault::new()
            .beside("victim")
            .event_reason("breaker", "crashed", "signal")
    }),
    ("signal-called-exit", || {
        Fault::new().event_reason("victim", "crashed", "exit")
    }),
    ("exit-code-lost", || {
        Fault::new().status("coder", |status| {
            if status["exit"]["code"].as_i64().is_some_and(|code| code != 0) {
                status.insert("exit".to_owned(), json!({"code": 1}));
            }
        })
    }),
    ("signal-shown-as-code", || {
        Fault::new().status("sniped", |status| {
            if status["exit"]["signal"].is_string() {
                status.insert("exit".to_owned(), json!({"code": 139}));
            }
        })
    }),
    ("no-start-deadline", || {
        Fault::new().module("sluggish", |module| module.start_timeout = 3_600_000_000)
    }),
];

const SIGTERM: &[&str] = &["courteous", "parent", "second"];

/// The request to stop, with an id that the machine does not use.
pub(super) fn shutdown(deadline_ms: u64) -> Line {
    let params = json!({"reason": "shutdown", "deadline_ms": deadline_ms});
    Line::of(json!({"jsonrpc": "2.0", "id": 9001, "method": "shutdown", "params": params}))
}

/// What happens at a signal that comes when `slow` has been asked to stop.
fn second_signal(mut act: impl FnMut(&mut crate::toolkit::Desk<'_>, &ModuleId, u64) + 'static) -> Fault {
    let asked = Rc::new(RefCell::new(None));
    let note = Rc::clone(&asked);
    Fault::new()
        .effect(move |_, effect| {
            if let Effect::Send {
                module, generation, ..
            } = &effect
                && sends(&effect, "slow", "shutdown")
            {
                *note.borrow_mut() = Some((module.clone(), *generation));
            }
            vec![effect]
        })
        .event(move |desk, event| {
            if let (Event::ShutdownSignal { .. }, Some((module, generation))) = (&event, &*asked.borrow()) {
                act(desk, module, *generation);
            }
            vec![event]
        })
}

/// Asks a module to stop when it is not its turn, and not again when it is.
fn stops_early(
    name: &'static str,
    at_effect: impl Fn(&Effect) -> bool + 'static,
    at_event: impl Fn(&Event) -> bool + 'static,
) -> Fault {
    let known = Rc::new(RefCell::new(None::<(ModuleId, u64)>));
    let asked = Rc::new(Cell::new(false));
    let (launched, asked_then) = (Rc::clone(&known), Rc::clone(&asked));
    Fault::new()
        .beside("front")
        .event(move |desk, event| {
            if let Event::Spawned {
                module, generation, ..
            } = &event
                && module.as_str() == name
            {
                *launched.borrow_mut() = Some((module.clone(), *generation));
            }
            if let (true, Some((module, generation))) = (at_event(&event), &*launched.borrow()) {
                asked_then.set(true);
                desk.send(module, *generation, &shutdown(2000));
            }
            vec![event]
        })
        .effect(move |desk, effect| {
            if let (true, Some((module, generation))) = (at_effect(&effect), &*known.borrow()) {
                asked.set(true);
                desk.send(module, *generation, &shutdown(600));
            }
            if asked.get() && sends(&effect, name, "shutdown") {
                Vec::new()
            } else {
                vec![effect]
            }
        })
}

/// A launch of which the machine knows nothing: its generation is far away from all others.
pub(super) fn secret_launch(spec: &LaunchSpec) -> Effect {
    let mut spec = spec.clone();
    spec.generation += 1000;
    Effect::Spawn(spec)
}

fn restarts_during_shutdown() -> Fault {
    let (seen, open) = (
        Rc::new(RefCell::new(None::<LaunchSpec>)),
        Rc::new(Cell::new(false)),
    );
    let (last, held) = (Rc::clone(&seen), Rc::new(Cell::new(None)));
    let (still_open, waiting) = (Rc::clone(&open), Rc::clone(&held));
    Fault::new()
        .only(SIGTERM)
        .remembers("second", move |spec| *seen.borrow_mut() = Some(spec.clone()))
        .event(move |desk, event| {
            match (&event, &*last.borrow()) {
                (_, Some(spec)) if exited(&event, "second", ExitStatus::Code(1)) => {
                    open.set(true);
                    desk.perform(secret_launch(spec));
                }
                (
                    Event::Spawned {
                        module, generation, ..
                    },
                    _,
                ) if *generation > 1000 => {
                    let (module, generation) = (module.clone(), *generation);
                    desk.after(
                        300,
                        call(move |kernel| kernel.signal_group(&module, generation, 9)),
                    );
                }
                (Event::GroupEmpty { generation, .. }, _) if *generation > 1000 => {
                    open.set(false);
                    if let Some(code) = held.take() {
                        desk.perform(Effect::Exit { code });
                    }
                }
                _ => {}
            }
            vec![event]
        })
        .effect(move |_, effect| match effect {
            Effect::Exit { code } if still_open.get() => {
                waiting.set(Some(code));
                Vec::new()
            }
            other => vec![other],
        })
}

fn sigint_ends_it_at_once() -> Fault {
    let mut launched: Vec<(ModuleId, u64)> = Vec::new();
    Fault::new().event(move |desk, event| match event {
        Event::ShutdownSignal { signal: 2 } => {
            launched
                .iter()
                .for_each(|(module, generation)| desk.kernel.signal_group(module, *generation, 9));
            desk.perform(Effect::Exit { code: 0 });
            Vec::new()
        }
        Event::Spawned {
            ref module,
            generation,
            ..
        } => {
            launched.push((module.clone(), generation));
            vec![event]
        }
        other => vec![other],
    })
}

fn loses_other_sessions() -> Fault {
    Fault::new()
        .leaves_processes()
        .empty_with_leader("fugitive", |_| true)
        .signal("fugitive", |desk, effect, signal| {
            if let Effect::SignalGroup {
                module, generation, ..
            } = effect
                && let Some(leader) = desk
                    .kernel
                    .leader(module, *generation)
                    .and_then(|pid| i32::try_from(pid).ok())
            {
                let number = if signal == Signal::Kill {
                    Number::SIGKILL
                } else {
                    Number::SIGTERM
                };
                // It fails when the group has just ended, which is as well.
                let _ = killpg(Pid::from_raw(leader), number);
            }
            None
        })
}
