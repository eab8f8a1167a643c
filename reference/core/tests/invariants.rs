//! Random systems, random peers, random operators: what must never happen, never happens.
//!
//! Most of the invariants are held by the simulated shell after every single event (`common::World`): one generation at a
//! time, no launch after the shutdown has begun, no rest state with processes, never ready without a valid L4, a
//! deadline for every wait, gapless event numbers. What needs the whole run is checked here.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod common;

use std::collections::BTreeMap;

use common::{Health, Hello, MS, Proof, SECOND, Script, World, file, load_texts};
use partenza_reference_core::machine::{Event, ExitStatus, State, Trigger, successors};
use partenza_reference_core::{ConnId, ModuleId};
use proptest::prelude::*;
use serde_json::json;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[derive(Debug, Clone)]
enum Act {
    Wait(u64),
    Ask(&'static str, usize),
    Die(usize, i32),
    Kill(usize, i32),
    Say(usize, Vec<u8>),
    Foreign(usize, u64, u8),
    Overflow(usize),
    Control(Vec<u8>),
    Shutdown,
}

fn acts() -> impl Strategy<Value = Act> {
    let module = 0..NAMES.len();
    prop_oneof![
        4 => (0_u64..3000).prop_map(|ms| Act::Wait(ms * MS)),
        4 => (prop::sample::select(vec!["start", "stop", "restart", "status"]), module.clone()).prop_map(|(m, i)| Act::Ask(m, i)),
        3 => (module.clone(), prop::sample::select(vec![0, 1, 76])).prop_map(|(i, code)| Act::Die(i, code)),
        1 => (module.clone(), 1..32).prop_map(|(i, signal)| Act::Kill(i, signal)),
        3 => (module.clone(), lines()).prop_map(|(i, bytes)| Act::Say(i, bytes)),
        2 => (module.clone(), 0_u64..4, 0_u8..7).prop_map(|(i, generation, kind)| Act::Foreign(i, generation, kind)),
        1 => module.prop_map(Act::Overflow),
        1 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Act::Control),
        1 => Just(Act::Shutdown),
    ]
}

fn lines() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"{\"jsonrpc\":\"2.0\",\"method\":\"ready\"}\n".to_vec()),
        Just(b"{\"jsonrpc\":\"2.0\",\"method\":\"status\",\"params\":{\"state\":\"degraded\"}}\n".to_vec()),
        Just(b"{\"jsonrpc\":\"2.0\",\"method\":\"status\",\"params\":{\"state\":\"ready\"}}\n".to_vec()),
        Just(b"{\"jsonrpc\":\"2.0\",\"method\":\"extend\",\"params\":{\"ms\":2000}}\n".to_vec()),
        Just(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{}}\n".to_vec()),
        Just(b"{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"state\":\"ready\"}}\n".to_vec()),
        Just(
            b"{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}\n{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":{}}\n"
                .to_vec()
        ),
        prop::collection::vec(any::<u8>(), 1..30),
    ]
}

fn scripts() -> impl Strategy<Value = Script> {
    let hello = prop_oneof![8 => Just(Hello::Honest), 1 => Just(Hello::Silent), 1 => Just(Hello::Close),
        1 => lines().prop_map(Hello::Raw)];
    let proof = prop_oneof![8 => Just(Proof::Honest), 1 => Just(Proof::Wrong), 1 => Just(Proof::Silent),
        1 => Just(Proof::Missing), 1 => lines().prop_map(Proof::Raw)];
    let ends = || prop::option::weighted(0.2, (0_u64..3000, prop::sample::select(vec![0, 1])));
    let health = prop::sample::select(vec![
        Health::Ready,
        Health::Degraded,
        Health::Error,
        Health::Silent,
    ]);
    let times = (
        prop::option::weighted(0.9, 0_u64..2000),
        ends(),
        ends(),
        prop::option::weighted(0.7, 0_u64..3000),
        prop::option::weighted(0.3, 0_u64..5000),
    );
    (
        hello,
        proof,
        times,
        any::<bool>(),
        health,
        prop::bool::weighted(0.1),
    )
        .prop_map(
            |(hello, proof, (ready, exits, dies, stops, leftovers), heeds_term, health, exec_fails)| Script {
                hello,
                proof,
                ready_after: ready.map(|ms| ms * MS),
                exits_after: exits.map(|(ms, code)| (ms * MS, ExitStatus::Code(code))),
                dies_after: dies.map(|(ms, code)| (ms * MS, ExitStatus::Code(code))),
                stops_after: stops.map(|ms| ms * MS),
                heeds_term,
                leftovers: leftovers.map(|ms| ms * MS),
                health,
                exec_fails,
            },
        )
}

/// The further lines of a module file. Modules depend only on earlier ones, so that there is no cycle.
fn manifests() -> impl Strategy<Value = Vec<String>> {
    let edge = (
        0_usize..6,
        prop::sample::select(vec!["started", "ready", "healthy", "completed"]),
        prop::sample::select(vec!["keep", "restart", "stop"]),
        any::<bool>(),
    );
    let one = (
        prop::collection::vec(edge, 0..3),
        prop::sample::select(vec!["always", "on-failure", "never"]),
        prop::sample::select(vec![
            "",
            "health: {probe: wire, interval: 1s, timeout: 300ms, failures: 2}\n",
            "health: {probe: {unix: /x}, interval: 700ms, failures: 1, on_unhealthy: keep}\n",
        ]),
        prop::sample::select(vec!["eager", "eager", "deferred", "on-demand"]),
        any::<bool>(),
    );
    prop::collection::vec(one, NAMES.len()).prop_map(|modules| {
        let text = |(i, (edges, policy, health, startup, critical)): (usize, (Vec<_>, &str, &str, &str, bool))| {
            let edges: Vec<String> = edges
                .into_iter()
                .filter(|(on, _, _, _): &(usize, &str, &str, bool)| *on < i)
                .map(|(on, condition, on_restart, optional)| {
                    format!("{{module: {}, condition: {condition}, on_restart: {on_restart}, optional: {optional}}}", NAMES[on])
                })
                .collect();
            format!(
                "requires: [{}]\nrestart: {{policy: {policy}, delay: 100ms, limit: 3, window: 20s, reset_after: 21s}}\n{health}startup: {startup}\ncritical: {critical}\nstop_timeout: 2s\nstart_timeout: 4s\n",
                edges.join(", ")
            )
        };
        modules.into_iter().enumerate().map(text).collect()
    })
}

fn state_named(name: &str) -> State {
    State::ALL.into_iter().find(|state| state.name() == name).unwrap()
}

/// Every state event continues where the last one ended, along some row of the table.
fn check_paths(world: &World) {
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    for event in world.of_type("state") {
        let (module, to) = (event["module"].as_str().unwrap(), event["to"].as_str().unwrap());
        assert_eq!(event["from"].as_str(), last.get(module).copied(), "{event}");
        if let Some(from) = event["from"].as_str() {
            let reachable = Trigger::ALL
                .iter()
                .any(|trigger| successors(state_named(from), *trigger).contains(&state_named(to)));
            assert!(reachable, "lifecycle.states-only-by-table: {event}");
        }
        last.insert(module, to);
    }
}

/// `restart.limit`, as long as no operator has asked for anything.
fn check_limits(world: &World) {
    for name in NAMES {
        let restarts = world.times(name, "restarting");
        for window in restarts.windows(4) {
            assert!(
                window[3] - window[0] >= 20_000,
                "{name} was restarted four times within 20 s: {restarts:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_must_not_happen_happens(
        manifests in manifests(),
        scripts in prop::collection::vec(scripts(), NAMES.len()),
        acts in prop::collection::vec(acts(), 0..40),
        seed in any::<u64>(),
    ) {
        let texts: Vec<_> = NAMES.iter().zip(&manifests).map(|(name, more)| (*name, file(name, more))).collect();
        let loaded = load_texts(&texts);
        prop_assert!(!loaded.has_errors());
        let mut world = World::of(loaded, seed);
        for (name, script) in NAMES.iter().zip(scripts) {
            world.scripts.insert((*name).to_owned(), script);
        }
        let mut world = world.boot();
        let mut asked = false;
        for act in acts {
            if world.exit.is_some() {
                break;
            }
            match act {
                Act::Wait(time) => world.run(time),
                Act::Ask(method, i) => {
                    asked |= method != "status";
                    world.ask(method, json!({"module": NAMES[i]}));
                }
                Act::Die(i, code) if world.generation(NAMES[i]).is_some() => world.dies(NAMES[i], ExitStatus::Code(code)),
                Act::Kill(i, signal) if world.generation(NAMES[i]).is_some() => {
                    world.dies(NAMES[i], ExitStatus::Signal(signal));
                }
                Act::Say(i, bytes) if world.generation(NAMES[i]).is_some() => world.sends(NAMES[i], &bytes),
                Act::Overflow(i) if world.generation(NAMES[i]).is_some() => world.overflow(NAMES[i]),
                Act::Die(..) | Act::Kill(..) | Act::Say(..) | Act::Overflow(_) => {}
                // Events of a generation that never was, or is over, change nothing.
                Act::Foreign(i, generation, kind) => {
                    if world.generation(NAMES[i]) != Some(generation) {
                        let before = world.journal.len();
                        let living = world.spawned.iter().any(|(_, s)| s.module.as_str() == NAMES[i] && s.generation == generation);
                        if !living {
                            world.feed(foreign(NAMES[i], generation, kind));
                            prop_assert_eq!(world.journal.len(), before);
                        }
                    }
                }
                Act::Control(bytes) => world.feed(Event::ControlBytes { conn: ConnId(9), bytes }),
                Act::Shutdown => world.feed(Event::ShutdownSignal { signal: 15 }),
            }
        }
        if !asked {
            world.run(5 * SECOND);
            check_limits(&world);
        }
        // Whatever has happened: an ordered shutdown ends, and in bounded time, because the shell obeys.
        let begin = world.now;
        if world.exit.is_none() {
            world.feed(Event::ShutdownSignal { signal: 15 });
            world.run(60 * SECOND);
        }
        let (end, code) = world.exit.expect("an ordered shutdown ends");
        prop_assert_eq!(code, 0);
        // Six modules in a chain at most, each at most stop_timeout, and the sweep of what a leader left.
        prop_assert!(end <= begin + 6 * 3 * SECOND + SECOND, "{} after {}", end, begin);
        check_paths(&world);
        for event in world.of_type("state").iter().filter(|event| event["to"] == "ready") {
            prop_assert!(event["reason"].is_null());
        }
    }
}

fn foreign(module: &str, generation: u64, kind: u8) -> Event {
    let module = ModuleId::try_from(module).unwrap();
    match kind {
        0 => Event::Exited {
            module,
            generation,
            status: ExitStatus::Code(1),
        },
        1 => Event::GroupEmpty { module, generation },
        2 => Event::Bytes {
            module,
            generation,
            bytes: b"{}\n".to_vec(),
        },
        3 => Event::Eof { module, generation },
        4 => Event::Overflow { module, generation },
        5 => Event::ProbeDone {
            module,
            generation,
            ok: false,
            detail: String::new(),
        },
        _ => Event::SpawnFailed {
            module,
            generation,
            stage: "exec".to_owned(),
            errno: 2,
        },
    }
}
