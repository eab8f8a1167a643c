//! A module that runs: readiness, health, shutdown, and what a script makes it do.
use partenza_probe::{mac, signals::SignalName};
use serde_json::Value;

use super::{
    Follower, Later, Note, Stage,
    handshake::{READY, error_line, result_line},
};
use crate::{
    channel::Order,
    deed::Deed,
    deviations::{Deviations, HealthWord, Point, ReadyWord, ShutdownWord},
};

impl Follower {
    pub(super) fn got_fifth(&mut self, method: &str, id: Option<i64>) {
        if (method, id) != ("live", None) {
            return self.give_up("the line after the module's proof is not the notification `live`");
        }
        self.stage = Stage::Running;
        self.note(Note::HandshakeComplete);
        let ready = self.deviations.ready.as_ref();
        if ready.and_then(|ready| ready.does) == Some(ReadyWord::Never) {
            return;
        }
        let delay = ready.and_then(|ready| ready.delay);
        if self.put_off(delay, Later::SayReady).is_some() {
            self.say_ready();
        }
    }

    pub(super) fn say_ready(&mut self) {
        self.said_ready = true;
        let ready = self.deviations.ready.clone().unwrap_or_default();
        if let Some(code) = ready.exit {
            return self.last_order(Order::Exit { code });
        }
        if let Some(signal) = ready.signal {
            return self.last_order(Order::Raise { signal });
        }
        if let Some(text) = ready.raw {
            return self.send("ready", &text);
        }
        self.send("ready", READY);
        if ready.does == Some(ReadyWord::Twice) {
            self.send("ready", READY);
        }
    }

    pub(super) fn got_live(&mut self, method: &str, id: Option<i64>) {
        let Some(id) = id else {
            // Unknown notifications are ignored, and there is none yet that asks for something.
            return if method == "live" {
                self.surprise("a second `live`")
            };
        };
        match method {
            "health.check" => {
                let delay = self.deviations.health.as_ref().and_then(|health| health.delay);
                if self.put_off(delay, Later::AnswerHealth { id }).is_some() {
                    self.answer_health(id);
                }
            }
            "shutdown" => {
                let delay = self
                    .deviations
                    .shutdown
                    .as_ref()
                    .and_then(|shutdown| shutdown.delay);
                if self.put_off(delay, Later::AnswerShutdown { id }).is_some() {
                    self.answer_shutdown(id);
                }
            }
            _ => self.send(method, &error_line(id, -32601)),
        }
    }

    pub(super) fn answer_health(&mut self, id: i64) {
        let honest = result_line(id, "\"state\":\"ready\"");
        self.health_checks += 1;
        let health = match &self.deviations.health {
            Some(health) if health.after.is_none_or(|after| self.health_checks > after) => health.clone(),
            _ => return self.send("health.check", &honest),
        };
        let turn = usize::try_from(self.health_checks).unwrap_or(usize::MAX) - 1;
        let in_turn = health.replies.as_ref().and_then(|replies| replies.get(turn));
        let line = match health.does.or_else(|| in_turn.and_then(|reply| reply.word())) {
            Some(HealthWord::Silence) => return,
            Some(HealthWord::Degraded) => {
                result_line(id, "\"state\":\"degraded\",\"detail\":\"as the script says\"")
            }
            Some(HealthWord::Error) => error_line(id, -32603),
            Some(HealthWord::WrongId) => result_line(id + 1_000_000, "\"state\":\"ready\""),
            None => health.raw.unwrap_or(honest),
        };
        self.send("health.check", &line);
    }

    pub(super) fn answer_shutdown(&mut self, id: i64) {
        let shutdown = self.deviations.shutdown.clone().unwrap_or_default();
        match shutdown.does {
            Some(ShutdownWord::Ignore) => return,
            Some(ShutdownWord::Close) => return self.last_order(Order::Close),
            Some(ShutdownWord::Error) => return self.send("shutdown", &error_line(id, -32603)),
            Some(ShutdownWord::Stay) => return self.send("shutdown", &result_line(id, "")),
            None => {}
        }
        self.send("shutdown", &result_line(id, ""));
        match shutdown.signal {
            Some(signal) => self.last_order(Order::Raise { signal }),
            None => self.last_order(Order::Exit {
                code: shutdown.exit.unwrap_or(0),
            }),
        }
    }

    pub(super) fn do_deed(&mut self, deed: &Deed) {
        match deed {
            Deed::Exit(code) => self.last_order(Order::Exit { code: *code }),
            // A module that was only stopped goes on when somebody continues it.
            Deed::Signal(signal) if survives(*signal) => self.order(Order::Raise { signal: *signal }),
            Deed::Signal(signal) => self.last_order(Order::Raise { signal: *signal }),
            Deed::Send(message) => self.send_message(message),
            Deed::SendRaw(text) => self.send("raw", text),
            Deed::SendHex(digits) => match mac::unhex(digits) {
                Some(bytes) => self.send_bytes("raw", &bytes, false),
                None => self.note(Note::PuppetTrouble {
                    detail: format!("`{digits}` is no even number of hexadecimal digits"),
                }),
            },
            Deed::LongLog(bytes) => {
                let bare = LOG.len() - TEXT.len();
                let length = usize::try_from(*bytes).unwrap_or(usize::MAX).saturating_sub(bare);
                self.send("log", &LOG.replace(TEXT, &"x".repeat(length)));
            }
            Deed::Fork(spec) => self.order(Order::Fork(spec.clone())),
            Deed::Ignore(signals) => self.order(Order::Ignore {
                signals: signals.clone(),
            }),
            Deed::FloodStdout(bytes) => self.order(Order::FloodStdout { bytes: *bytes }),
            Deed::FloodWire(count) => {
                self.note(Note::Sent {
                    method: "log".to_owned(),
                    raw: LOG.as_bytes().to_vec(),
                });
                self.order(Order::FloodWire {
                    hex: mac::hex(LOG.as_bytes()),
                    count: *count,
                });
            }
            Deed::FloodRequests(count) => {
                self.note(Note::Sent {
                    method: "raw".to_owned(),
                    raw: REQUEST.as_bytes().to_vec(),
                });
                self.order(Order::FloodWire {
                    hex: mac::hex(REQUEST.as_bytes()),
                    count: *count,
                });
            }
            Deed::Leave(points) => points.iter().for_each(|point| self.leave(*point)),
            Deed::Take(deviations) => self.take(deviations),
            Deed::StopReading => self.order(Order::StopReading),
            Deed::StartReading => self.order(Order::StartReading),
            Deed::Close => self.last_order(Order::Close),
            Deed::Hang => self.last_order(Order::Hang),
        }
    }

    fn send_message(&mut self, message: &Value) {
        let method = message["method"].as_str().unwrap_or("raw").to_owned();
        if let Some(id) = message["id"].as_i64() {
            self.asked.insert(id, method.clone());
        }
        self.send(&method, &format!("{message}\n"));
    }

    fn leave(&mut self, point: Point) {
        self.deviations.leave(point);
        match point {
            // A module that held back its readiness says it now.
            Point::Ready if self.stage == Stage::Running && !self.said_ready => self.say_ready(),
            Point::Launch | Point::Signals => self.order(Order::ExitOn {
                signals: vec![SignalName::TERM],
                code: 0,
            }),
            _ => {}
        }
    }

    fn take(&mut self, deviations: &Deviations) {
        self.deviations.take(deviations.clone());
        // Checks count from here, so that `after` speaks about what follows the step.
        self.health_checks = 0;
        if deviations.signals.is_some() {
            self.handle_signals();
        }
    }
}

/// One request of a flood.
const REQUEST: &str = "{\"jsonrpc\":\"2.0\",\"id\":1000,\"method\":\"no.such.method\",\"params\":{}}\n";
/// The text of [`LOG`].
const TEXT: &str = "one of very many";
/// One message of a flood.
const LOG: &str = "{\"jsonrpc\":\"2.0\",\"method\":\"log\",\"params\":{\"level\":\"info\",\"message\":\"one of very many\"}}\n";

fn survives(signal: SignalName) -> bool {
    matches!(
        signal.short(),
        "STOP" | "TSTP" | "TTIN" | "TTOU" | "CONT" | "CHLD" | "URG" | "WINCH"
    )
}
