//! `start`, `stop`, `restart` and `shutdown`: ask, then watch until it has happened, and say what happened.

use std::time::Instant;

use serde_json::{Value, json};

use super::args::{Act, Waiting};
use super::client::{Client, Waited};
use super::exit;
use super::say::{Outcome, Trouble, print};

/// What a module is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Start,
    Stop,
    Restart,
}

impl Verb {
    fn method(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }
}

pub(super) fn act(verb: Verb, arguments: &Act, mut client: Client) -> Outcome {
    let module = arguments.module.as_str();
    let deadline = Instant::now() + arguments.waiting.timeout;
    let before = client.ask("status", json!({"module": module}))?;
    let generation = number(before.pointer("/module/generation"));
    // Subscribing first, so that nothing can happen unseen.
    let seen = if arguments.waiting.no_wait {
        0
    } else {
        number(client.ask("events", json!({}))?.get("seq"))
    };
    let accepted = client.ask(verb.method(), json!({"module": module}))?;
    let state = text(accepted.get("state"));
    if arguments.waiting.no_wait {
        return finish(
            arguments,
            exit::OK,
            state,
            None,
            &format!("{module}: {} accepted ({state})", verb.method()),
        );
    }
    let watch = Watch {
        verb,
        module,
        generation,
    };
    if let Some(verdict) = watch.judge_now(state) {
        return verdict.tell(arguments, "already ");
    }
    loop {
        match client.event(Some(deadline)) {
            Waited::Event(event) if number(event.get("seq")) > seen => {
                if let Some(verdict) = watch.judge(&event) {
                    return verdict.tell(arguments, "");
                }
            }
            Waited::Event(_) => {}
            Waited::TimedOut => return timed_out(&mut client, arguments, verb),
            Waited::Ended => {
                return Err(Trouble::new(
                    exit::UNREACHABLE,
                    "the orchestrator ended meanwhile",
                ));
            }
        }
    }
}

/// What is being waited for.
struct Watch<'a> {
    verb: Verb,
    module: &'a str,
    /// The generation before the request.
    generation: u64,
}

/// How it ended.
struct Verdict {
    ok: bool,
    state: String,
    reason: Option<String>,
}

impl Watch<'_> {
    /// Whether the state in the reply already is the goal. A restart always needs something to happen.
    fn judge_now(&self, state: &str) -> Option<Verdict> {
        let there = match self.verb {
            Verb::Start => matches!(state, "ready" | "degraded"),
            Verb::Stop => is_at_rest(state),
            Verb::Restart => false,
        };
        there.then(|| Verdict {
            ok: true,
            state: state.to_owned(),
            reason: None,
        })
    }

    fn judge(&self, event: &Value) -> Option<Verdict> {
        if text(event.get("type")) != "state" || text(event.get("module")) != self.module {
            return None;
        }
        let (state, reason) = (text(event.get("to")), event.get("reason").and_then(Value::as_str));
        let is_new = self.verb != Verb::Restart || number(event.get("generation")) > self.generation;
        let ok = match (self.verb, state) {
            (Verb::Stop, _) if is_at_rest(state) => true,
            (Verb::Start | Verb::Restart, "ready" | "degraded" | "unhealthy") if is_new => {
                state != "unhealthy"
            }
            (Verb::Start | Verb::Restart, "stopped") if reason == Some("completed") && is_new => true,
            (Verb::Start, "stopped") | (Verb::Start | Verb::Restart, "failed") => false,
            (Verb::Restart, "stopped") if is_new => false,
            _ => return None,
        };
        Some(Verdict {
            ok,
            state: state.to_owned(),
            reason: reason.map(str::to_owned),
        })
    }
}

impl Verdict {
    fn tell(self, arguments: &Act, already: &str) -> Outcome {
        let code = if self.ok { exit::OK } else { exit::FAILED };
        let why = self
            .reason
            .as_ref()
            .map(|reason| format!(" ({reason})"))
            .unwrap_or_default();
        let line = format!("{}: {already}{}{why}", arguments.module, self.state);
        finish(arguments, code, &self.state, self.reason.as_deref(), &line)
    }
}

fn finish(arguments: &Act, code: u8, state: &str, reason: Option<&str>, line: &str) -> Outcome {
    if arguments.json {
        print(json!({"module": arguments.module, "ok": code == exit::OK, "state": state, "reason": reason}));
    } else if code == exit::OK {
        print(line);
    } else {
        return Err(Trouble::new(code, line).help(format!(
            "`partenza status {}` tells more, and its last output is in the log",
            arguments.module
        )));
    }
    Ok(code)
}

/// Says what the module is waiting for instead of only that it did not get there.
fn timed_out(client: &mut Client, arguments: &Act, verb: Verb) -> Outcome {
    let answer = client.ask("status", json!({"module": arguments.module}))?;
    let module = answer.get("module").cloned().unwrap_or(Value::Null);
    let state = text(module.get("state"));
    let waiting: Vec<&str> = module
        .get("waiting_for")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let whom = if waiting.is_empty() {
        String::new()
    } else {
        format!(", waiting for {}", waiting.join(", "))
    };
    if arguments.json {
        print(json!({"module": arguments.module, "ok": false, "state": state, "waiting_for": waiting}));
        return Ok(exit::TIMEOUT);
    }
    let line = format!(
        "{}: {} has not finished in time: still {state}{whom}",
        arguments.module,
        verb.method()
    );
    Err(Trouble::new(exit::TIMEOUT, line).help("the orchestrator goes on; `--timeout` waits longer"))
}

/// `partenza shutdown`.
pub(super) fn shutdown(reason: Option<&str>, waiting: &Waiting, json: bool, mut client: Client) -> Outcome {
    let deadline = Instant::now() + waiting.timeout;
    client.ask(
        "shutdown",
        reason.map_or_else(|| json!({}), |reason| json!({"reason": reason})),
    )?;
    let ended = waiting.no_wait || client.wait_for_end(deadline);
    let code = if ended { exit::OK } else { exit::TIMEOUT };
    if json {
        print(json!({"ok": ended, "ended": ended && !waiting.no_wait}));
    } else if waiting.no_wait {
        print("shutdown accepted");
    } else if ended {
        print("all modules have stopped and the orchestrator has ended");
    } else {
        return Err(Trouble::new(code, "the shutdown has not finished in time")
            .help("`partenza status` shows which modules are still stopping"));
    }
    Ok(code)
}

/// States in which no process of the module exists and none will start by itself.
fn is_at_rest(state: &str) -> bool {
    matches!(state, "stopped" | "failed" | "disabled" | "ghost" | "invalid")
}

fn number(value: Option<&Value>) -> u64 {
    value.and_then(Value::as_u64).unwrap_or(0)
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}
