//! Faults of chapter 7.2: the launch secret, the five lines, and what becomes of a false proof.

use std::cell::RefCell;
use std::rc::Rc;

use partenza_reference_core::machine::{Effect, Event, Signal};
use partenza_reference_core::wire::{Key, mac};
use serde_json::{Value, json};

use super::Entry;
use crate::toolkit::{ANY, Fault, Line, Phase, Task, hex};

pub(super) const FAULTS: &[Entry] = &[
    ("live-before-hello", || {
        Fault::new().outgoing("gamma", |_, _, line| match line.method() {
            "hello" => vec![live(), line],
            _ => vec![line],
        })
    }),
    ("hello-names-another-module", || {
        Fault::new().says_param("alpha", "hello", "module", "beta")
    }),
    ("generation-counts-from-zero", || {
        Fault::new().says("alpha", "hello", |at, json| {
            if at.generation == 1 {
                json["params"]["generation"] = json!(0);
            }
        })
    }),
    ("digest-of-nothing", || {
        Fault::new().says_param("alpha", "hello", "manifest", DIGEST_OF_NOTHING)
    }),
    ("offers-only-version-2", || {
        Fault::new().says_param("alpha", "hello", "versions", vec!["2.0"])
    }),
    ("boot-per-module", || {
        Fault::new().says_param("beta", "hello", "boot", another_boot())
    }),
    ("nonce-shared-by-modules", || {
        let fault = Fault::new();
        ["alpha", "beta"].into_iter().fold(fault, |fault, module| {
            fault.says(module, "hello", |at, json| {
                if at.generation == 1 {
                    json["params"]["nonce"] = Value::from("a".repeat(64));
                }
            })
        })
    }),
    ("key-shared-by-modules", || {
        let shared = Rc::new(RefCell::new(None::<Vec<u8>>));
        ["alpha", "beta"].into_iter().fold(Fault::new(), |fault, module| {
            let shared = Rc::clone(&shared);
            fault.secret(module, move |_, line| {
                line.clone_from(shared.borrow_mut().get_or_insert(line.clone()))
            })
        })
    }),
    ("asks-for-proof-without-its-own", || {
        Fault::new().says_param("delta", "prove", "mac", "")
    }),
    ("signs-with-the-modules-label", || {
        Fault::new().says("epsilon", "prove", |at, json| {
            json["params"]["mac"] = Value::from(hex(&mac::mac(&Key::new(at.key), mac::MODULE, &at.seen)));
        })
    }),
    ("forgets-live", || Fault::new().never_says("gamma", "live")),
    ("live-with-prove", || {
        Fault::new().outgoing("silent", |_, _, line| match line.method() {
            "prove" => vec![line, live()],
            _ => vec![line],
        })
    }),
    ("waits-forever-for-the-proof", || patient("silent")),
    ("accepts-any-proof", || {
        Fault::new().trusts("guesser", |_, proof| {
            proof.given.is_some_and(|given| given.len() == 64)
        })
    }),
    ("live-before-the-kill", live_before_the_kill),
    ("verifies-with-a-zero-key", || {
        Fault::new().trusts("stranger", |_, _| true)
    }),
    ("proof-without-the-exchange", || {
        Fault::new().trusts("deja-vu", |_, _| true)
    }),
    ("accepts-its-own-proof-back", || {
        Fault::new().trusts(ANY, |_, proof| proof.given == Some(proof.offered))
    }),
    ("compares-only-a-prefix", || {
        let prefix = |given: &str, right: &str| {
            !given.is_empty() && given.len() < right.len() && right.starts_with(given)
        };
        Fault::new().trusts(ANY, move |_, proof| {
            proof.given.is_some_and(|given| prefix(given, proof.right))
        })
    }),
    ("compares-without-case", || {
        Fault::new().trusts(ANY, |_, proof| {
            proof
                .given
                .is_some_and(|given| given.eq_ignore_ascii_case(proof.right))
        })
    }),
    ("empty-proof-compares-equal", || {
        Fault::new().trusts(ANY, |_, proof| proof.given == Some(""))
    }),
    ("proof-is-optional", || {
        Fault::new().trusts(ANY, |_, proof| proof.given.is_none())
    }),
    ("kills-only-the-liar-itself", || {
        Fault::new()
            .signals_leader("herd")
            .empty_with_leader("herd", |_| true)
    }),
    ("ignores-lines-before-hello", || {
        Fault::new().deaf_to("hasty", |at, line| at.phase == Phase::Hello && !line.is_reply())
    }),
    ("keeps-early-ready", || {
        Fault::new().deaf_to("eager", |at, line| {
            at.phase != Phase::Live && line.method() == "ready"
        })
    }),
    ("takes-the-first-of-two-replies", || {
        Fault::new().deaf_to("double", |at, line| {
            at.phase != Phase::Hello && line.id() == Some(1)
        })
    }),
    ("no-limit-before-proof", || {
        Fault::new().event(|_, event| match event {
            Event::Bytes { module, .. } if module.as_str() == "huge" => Vec::new(),
            other => vec![other],
        })
    }),
    ("skips-garbage", || {
        Fault::new().deaf_to("noise", |at, line| at.phase == Phase::Hello && !line.is_json())
    }),
    ("ignores-an-error-reply", || {
        Fault::new().deaf_to("refuser", |_, line| line.json.get("error").is_some())
    }),
    ("overlooks-eof-before-proof", || {
        Fault::new().event(|_, event| match event {
            Event::Eof { module, .. } if module.as_str() == "leaver" => Vec::new(),
            other => vec![other],
        })
    }),
    ("takes-any-id", || {
        let fault = Fault::new().deaf_to("misnumbered", |at, _| at.phase != Phase::Hello);
        fault.hears("misnumbered", |_, json| json["id"] = json!(1))
    }),
    ("takes-any-nonce", || heard_nonce("short-nonce")),
    ("takes-any-version", || {
        Fault::new().hears(ANY, |_, json| {
            if json
                .pointer("/result/version")
                .is_some_and(|version| version == "9.9")
            {
                json["result"]["version"] = json!("1.0");
            }
        })
    }),
    ("takes-its-own-nonce", || heard_nonce("mirror")),
    ("no-handshake-deadline", || patient("mute")),
    ("auth-failure-called-exit", || {
        Fault::new().reason("cheat", "auth", "exit")
    }),
    ("no-security-event", || {
        Fault::new().tells_health_instead("cheat", "security")
    }),
    ("ready-before-verification", || {
        Fault::new().tells("cheat", "state", |event| {
            if event["from"] == "initializing" && event["to"] == "stopping" {
                event.insert("to".to_owned(), json!("ready"));
            }
        })
    }),
    // The machine fails a liar for good, but retries after garbage.
    ("retries-liars", || {
        Fault::new().fatal("liar", |at, _| at.phase == Phase::Proof)
    }),
    ("garbage-called-exit", || {
        Fault::new().reason("noise", "protocol", "exit")
    }),
    ("no-protocol-event", || {
        Fault::new().tells_health_instead("noise", "protocol")
    }),
    ("version-called-protocol", || {
        Fault::new().reason("futurist", "version", "protocol")
    }),
    ("handshake-timeout-called-protocol", || {
        Fault::new().reason("mute", "timeout", "protocol")
    }),
    ("nonce-drawn-once", || {
        let mut first = None;
        Fault::new().says("phoenix", "hello", move |_, json| {
            let nonce = &mut json["params"]["nonce"];
            nonce.clone_from(first.get_or_insert(nonce.clone()));
        })
    }),
    ("key-drawn-once", || {
        let mut first = None;
        Fault::new().secret("phoenix", move |_, line| {
            line.clone_from(first.get_or_insert(line.clone()))
        })
    }),
    ("generation-stands-still-in-hello", || {
        Fault::new().says_param("phoenix", "hello", "generation", 1)
    }),
    ("boot-per-launch", || {
        Fault::new().says("phoenix", "hello", |at, json| {
            if at.generation == 2 {
                json["params"]["boot"] = Value::from(another_boot());
            }
        })
    }),
    ("trusts-an-old-proof", || {
        let old = Rc::new(RefCell::new(None::<String>));
        let heard = Rc::clone(&old);
        let fault = Fault::new().incoming("replayer", move |_, at, line| {
            let proof = line.json.pointer("/result/mac").and_then(Value::as_str);
            if at.generation == 1 && proof.is_some() {
                *heard.borrow_mut() = proof.map(str::to_owned);
            }
            vec![line]
        });
        fault.trusts("replayer", move |at, proof| {
            at.generation == 2 && proof.given == old.borrow().as_deref()
        })
    }),
];

/// The proof is wrong; the module hears `live`, and only then the machine's hang-up and kill are carried out.
fn live_before_the_kill() -> Fault {
    let mut told = false;
    Fault::new().effect(move |desk, effect| match effect {
        Effect::Hangup { module, generation } if module.as_str() == "guesser" => {
            if !told {
                desk.send(&module, generation, &live());
                told = true;
            }
            desk.after(300, Task::Do(Effect::Hangup { module, generation }));
            Vec::new()
        }
        Effect::SignalGroup {
            module,
            generation,
            signal: Signal::Kill,
        } if module.as_str() == "guesser" => {
            desk.after(
                300,
                Task::Do(Effect::SignalGroup {
                    module,
                    generation,
                    signal: Signal::Kill,
                }),
            );
            Vec::new()
        }
        other => vec![other],
    })
}

/// Takes any nonce of this module for a good one.
fn heard_nonce(module: &'static str) -> Fault {
    Fault::new().hears(module, |at, json| {
        if at.phase == Phase::Hello && json.pointer("/result/nonce").is_some() {
            json["result"]["nonce"] = Value::from("5".repeat(64));
        }
    })
}

/// No deadline ends the start of this module.
fn patient(module: &'static str) -> Fault {
    Fault::new().module(module, |module| {
        module.handshake_timeout = 3_600_000_000;
        module.start_timeout = 3_600_000_000;
    })
}

fn live() -> Line {
    let limits = json!({"line_bytes": 65536, "depth": 16, "outstanding": 32});
    let params = json!({"health_interval_ms": 0, "stop_timeout_ms": 2000, "limits": limits});
    Line::of(json!({"jsonrpc": "2.0", "method": "live", "params": params}))
}

fn another_boot() -> String {
    let mut bytes = [0; 6];
    // A constant would do as well: no other boot has it.
    let _ = getrandom::fill(&mut bytes);
    format!("0b5f7c1e-3c39-4f59-8d1e-{}", hex(&bytes))
}

const DIGEST_OF_NOTHING: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
