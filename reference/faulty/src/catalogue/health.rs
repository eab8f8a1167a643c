//! Faults of health checks and of what they make of a module.

use std::cell::Cell;

use partenza_reference_core::machine::Effect;
use partenza_reference_core::manifest::{Health, OnUnhealthy, Policy};
use serde_json::{Value, json};

use super::Entry;
use crate::toolkit::{Fault, Line, Phase, Task};

pub(super) const FAULTS: &[Entry] = &[
    ("checks-twice-as-often", || {
        // The module is told the interval of its file all the same.
        let fault = health("pacer", |health| health.interval /= 2);
        fault.says("pacer", "live", |_, json| {
            json["params"]["health_interval_ms"] =
                json!(json["params"]["health_interval_ms"].as_u64().map(|ms| ms * 2));
        })
    }),
    ("checks-before-ready", || {
        Fault::new().outgoing("unready", |_, _, line| {
            if line.method() == "live" {
                vec![line, check(9001)]
            } else {
                vec![line]
            }
        })
    }),
    ("checks-pile-up", || {
        let mut asked = 9000;
        Fault::new().outgoing("mum", move |desk, at, line| {
            if line.method() == "health.check" {
                for nth in 1..=4 {
                    asked += 1;
                    let (module, generation, bytes) = (at.module.clone(), at.generation, check(asked).raw);
                    desk.after(
                        50 * nth,
                        Task::Do(Effect::Send {
                            module,
                            generation,
                            bytes,
                        }),
                    );
                }
            }
            vec![line]
        })
    }),
    ("unhealthy-one-too-early", || {
        health("sick", |health| health.failures -= 1)
    }),
    ("an-error-is-an-answer", || passes("erring", |_| true)),
    ("silence-is-patience", || {
        health("lazy", |health| health.timeout = 3_600_000_000)
    }),
    ("keep-restarts", || {
        let fault = health("kept", |health| health.on_unhealthy = OnUnhealthy::Restart);
        fault.module("kept", |module| module.restart.policy = Policy::OnFailure)
    }),
    ("degraded-reply-overlooked", || {
        Fault::new().hears("weak", |at, json| {
            if at.phase == Phase::Live
                && json
                    .pointer("/result/state")
                    .is_some_and(|state| state == "degraded")
            {
                json["result"]["state"] = json!("ready");
            }
        })
    }),
    ("unhealthy-called-protocol", || {
        Fault::new().event_reason("dying", "stopping", "protocol")
    }),
    ("unhealthy-ends-for-good", || {
        Fault::new().module("dying", |module| module.restart.policy = Policy::Never)
    }),
    ("well-again-too-early", || {
        health("healing", |health| health.successes = 1)
    }),
    ("failures-add-up", || {
        // The machine counts failures in a row; one is enough for it once there were two in all.
        let failures = Cell::new(0);
        let fault = passes("flaky", move |_| {
            failures.set(failures.get() + 1);
            failures.get() < 3
        });
        fault.module("flaky", |module| {
            if let Some(health) = &mut module.health {
                health.failures = 1;
            }
        })
    }),
    ("commands-never-pass", || Fault::new().probes("passing", false)),
    ("commands-always-pass", || Fault::new().probes("failing", true)),
    ("commands-run-without-end", || {
        Fault::new().effect(|_, effect| match effect {
            Effect::Probe {
                module,
                generation,
                probe,
                ..
            } if module.as_str() == "hanging" => {
                vec![Effect::Probe {
                    module,
                    generation,
                    probe,
                    timeout_us: 3_600_000_000,
                }]
            }
            other => vec![other],
        })
    }),
    ("unix-never-passes", || Fault::new().probes("unix-up", false)),
    ("unix-always-passes", || Fault::new().probes("unix-down", true)),
    ("tcp-never-passes", || Fault::new().probes("tcp-up", false)),
    ("tcp-always-passes", || Fault::new().probes("tcp-down", true)),
    ("http-never-passes", || Fault::new().probes("http-up", false)),
    ("http-any-status-passes", || {
        Fault::new().probes("http-down", true)
    }),
];

/// Changes the health check of a module.
fn health(module: &'static str, mut edit: impl FnMut(&mut Health) + 'static) -> Fault {
    Fault::new().module(module, move |module| {
        if let Some(health) = &mut module.health {
            edit(health);
        }
    })
}

/// Takes the error replies of a live module of which this holds for passed checks.
fn passes(module: &'static str, mut passed: impl FnMut(&Value) -> bool + 'static) -> Fault {
    Fault::new().hears(module, move |at, json| {
        if at.phase == Phase::Live && json.get("error").is_some() && passed(json) {
            *json = json!({"jsonrpc": "2.0", "id": json["id"], "result": {"state": "ready"}});
        }
    })
}

fn check(id: i64) -> Line {
    Line::of(json!({"jsonrpc": "2.0", "id": id, "method": "health.check", "params": {}}))
}
