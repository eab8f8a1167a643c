//! Faults of who waits for whom, and of what can never be launched.

use std::cell::Cell;
use std::rc::Rc;

use partenza_reference_core::machine::{Effect, LaunchSpec};
use partenza_reference_core::manifest::{Condition, Loaded, Startup};
use serde_json::{Value, json};

use super::Entry;
use super::configuration::terse;
use super::wire::sends;
use crate::toolkit::{Fault, Task, add_need, instead_of, names};

pub(super) const FAULTS: &[Entry] = &[
    ("default-condition-started", || {
        condition("top", Condition::Started)
    }),
    ("ready-means-live", || {
        let live = Cell::new(false);
        let mut held = None;
        condition("strict", Condition::Started).effect(move |_, effect| {
            live.set(live.get() || sends(&effect, "base", "live"));
            let mut effects = vec![effect];
            if matches!(&effects[..], [Effect::Spawn(spec)] if spec.module.as_str() == "strict") {
                held = effects.pop();
            }
            if live.get() {
                effects.extend(held.take());
            }
            effects
        })
    }),
    ("started-means-ready", || condition("keen", Condition::Ready)),
    ("healthy-means-ready", || {
        // The first check comes so soon after ready that a launch is hardly ever sooner; so it is put off.
        condition("careful", Condition::Ready).effect(|desk, effect| {
            if !sends(&effect, "checked", "health.check") {
                return vec![effect];
            }
            desk.after(1000, Task::Do(effect));
            Vec::new()
        })
    }),
    ("completed-means-ready", || condition("later", Condition::Ready)),
    ("optional-is-required", || {
        // A dependency on a module that does not exist cannot be made, but on one that is never ready.
        Fault::new()
            .beside("never-up")
            .loaded(|loaded| add_need(loaded, "casual", "never-up", Condition::Ready))
    }),
    ("launches-one-after-the-other", || {
        Fault::new().loaded(|loaded| add_need(loaded, "hermit", "never-up", Condition::Ready))
    }),
    ("interfaces-order-nothing", || {
        Fault::new().beside("chooser").loaded(|loaded| {
            let client = names(loaded).iter().position(|name| *name == "client");
            client.into_iter().for_each(|client| loaded.edges[client].clear());
        })
    }),
    ("greatest-id-provides", || {
        Fault::new().loaded(|loaded| {
            let place = |wanted: &str| names(loaded).iter().position(|name| *name == wanted);
            if let (Some(chooser), Some(other)) = (place("chooser"), place("bb-log")) {
                loaded.edges[chooser].iter_mut().for_each(|edge| edge.on = other);
            }
        })
    }),
    ("provides-without-version", || {
        Fault::new().status("logger", |status| {
            for provided in status
                .get_mut("provides")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                *provided = json!(provided.as_str().and_then(|text| text.split('@').next()));
            }
        })
    }),
    ("cycles-accepted", || {
        Fault::new().beside("red").unreported("PZ109", "")
    }),
    ("cycle-without-names", || {
        Fault::new().beside("three").loaded(|loaded| {
            terse(
                loaded,
                "PZ109",
                "",
                "the module `one` depends on itself in a roundabout way",
            );
        })
    }),
    ("self-dependency-dropped", || Fault::new().unreported("PZ117", "")),
    ("unknown-modules-ignored", || {
        Fault::new().only_warned("PZ108", "seeker.yaml")
    }),
    ("no-suggestion-for-modules", || {
        Fault::new().loaded(|loaded| terse(loaded, "PZ108", "seeker.yaml", "the module is unknown"))
    }),
    ("any-version-satisfies", || {
        Fault::new().unreported("PZ110", "wanter.yaml")
    }),
    ("disabled-called-stopped", || {
        Fault::new().state_called("sleeper", "disabled", "stopped")
    }),
    ("disabled-launched-all-the-same", disabled_launched_all_the_same),
    ("ghost-called-failed", || {
        Fault::new().state_called("phantom", "ghost", "failed")
    }),
    ("invalid-called-failed", || {
        Fault::new().state_called("paper", "invalid", "failed")
    }),
    ("ghosts-hold-up-others", || {
        Fault::new()
            .beside("wraith")
            .module("unmoved", |module| module.startup = Startup::OnDemand)
    }),
    ("silent-about-ghosts", || {
        Fault::new().unreported("PZ115", "poltergeist.yaml")
    }),
    ("ghosts-start-without-effect", || {
        Fault::new().reply("start", |_, _, request, reply| {
            Some(if request["params"]["module"] == "wraith" {
                json!({"jsonrpc": "2.0", "id": reply["id"], "result": {"module": "wraith", "state": "ghost"}})
            } else {
                reply
            })
        })
    }),
    ("degraded-never-said", || {
        Fault::new().beside("phantom").journal(|mut event| {
            if event["type"] == "system" && event["state"] == "degraded" {
                event.insert("state".to_owned(), json!("ready"));
            }
            vec![event]
        })
    }),
    ("completed-is-not-up", || {
        Fault::new().beside("chore").journal(|event| {
            let up = event["type"] == "system" && event["state"] == "ready";
            vec![if up { instead_of(&event, "chore") } else { event }]
        })
    }),
];

fn condition(module: &'static str, condition: Condition) -> Fault {
    Fault::new().needs(module, move |edge| edge.condition = condition)
}

/// The machine never asks for this launch, so that everything about it has to be said here.
fn disabled_launched_all_the_same() -> Fault {
    let wanted = Rc::new(Cell::new(None));
    let found = Rc::clone(&wanted);
    let find = move |loaded: &mut Loaded| {
        found.set(
            loaded
                .modules
                .iter()
                .find(|module| module.id.as_str() == "sleeper")
                .cloned(),
        );
    };
    Fault::new().beside("sleeper").loaded(find).boot(move |desk| {
        let Some(module) = wanted.take() else { return };
        let runtime_dir = desk
            .kernel
            .runtime_dir()
            .join("modules/sleeper")
            .display()
            .to_string();
        let fixed = [
            ("PARTENZA_FD", "3"),
            ("PARTENZA_SECRET_FD", "4"),
            ("PARTENZA_PROTOCOL", "1"),
            ("PARTENZA_MODULE", "sleeper"),
            ("PARTENZA_GENERATION", "1"),
            ("PARTENZA_RUNTIME_DIR", &runtime_dir),
        ];
        let environment = fixed
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        desk.perform(Effect::Spawn(LaunchSpec {
            module: module.id,
            generation: 1,
            entrypoint: module.entrypoint,
            args: module.args,
            environment,
            runtime_dir,
            protocol_fd: 3,
            secret_fd: 4,
            umask: 0o077,
            working_directory: "/".to_owned(),
            new_session: true,
        }));
    })
}
