//! What a module says: its handshake and its messages while it is live (chapters 6.1 and 7.2).

use serde_json::{Map, Value, json};

use super::effect::Level;
use super::engine::Machine;
use super::instance::{Check, Ending, Phase};
use super::state::{Reason, State, Trigger};
use super::timer::Timer;
use crate::manifest::{HealthProbe, duration};
use crate::wire::handshake::{Established, Refusal, RefusalKind};
use crate::wire::json::MAX_DEPTH;
use crate::wire::line::LIVE_LINE;
use crate::wire::message::{self, Message};

impl Machine {
    /// Bytes have arrived from a module.
    pub(super) fn received(&mut self, i: usize, bytes: &[u8]) {
        let Some(run) = &mut self.modules[i].run else {
            return;
        };
        if matches!(run.phase, Phase::Closed | Phase::Spawning) {
            return;
        }
        run.splitter.push(bytes);
        // Each line can end the conversation, so the phase is looked at anew for each.
        while let Some(run) = &mut self.modules[i].run {
            if matches!(run.phase, Phase::Closed | Phase::Spawning) {
                return;
            }
            match run.splitter.next_line() {
                None => return,
                Some(Ok(line)) => self.line(i, &line),
                // `handshake.oversize-hello-refused`, `wire.live-line-limit`
                Some(Err(_)) => {
                    self.protocol_failure(i, Reason::Protocol, "the line is too long");
                    return;
                }
            }
        }
    }

    fn line(&mut self, i: usize, line: &[u8]) {
        let state = self.modules[i].state;
        let Some(run) = &mut self.modules[i].run else {
            return;
        };
        match std::mem::replace(&mut run.phase, Phase::Closed) {
            // A module that is being stopped during its handshake is not greeted any further.
            Phase::Hello(_) | Phase::Proof(_) if state != State::Initializing => {}
            Phase::Hello(expect) => match expect.reply(line) {
                // `handshake.early-message-refused`, `handshake.second-reply-refused`: nobody has been given leave to
                // speak, so that whatever came with the reply was sent too early.
                Ok(_) if run.splitter.has_rest() => {
                    self.protocol_failure(i, Reason::Protocol, "more than the reply to hello was sent");
                }
                Ok((l3, expect)) => {
                    run.phase = Phase::Proof(Box::new(expect));
                    self.send(i, l3);
                }
                Err(refusal) => self.refuse(i, &refusal),
            },
            Phase::Proof(expect) => match expect.reply(line) {
                Ok(established) => self.live(i, established),
                Err(refusal) => self.refuse(i, &refusal),
            },
            Phase::Live { session } => {
                run.phase = Phase::Live { session };
                self.live_line(i, line);
            }
            Phase::Spawning | Phase::Closed => {}
        }
    }

    /// `handshake.live-follows`, `api.live-parameters`
    fn live(&mut self, i: usize, established: Established) {
        self.disarm(i, &[Timer::Handshake]);
        let instance = &mut self.modules[i];
        let interval = match &instance.spec.health {
            Some(health) if health.probe == HealthProbe::Wire => health.interval / 1000,
            Some(_) | None => 0,
        };
        let params = json!({
            "health_interval_ms": interval,
            "stop_timeout_ms": instance.spec.stop_timeout / 1000,
            "limits": {"line_bytes": LIVE_LINE, "depth": MAX_DEPTH, "outstanding": OUTSTANDING},
        });
        if let Some(run) = &mut instance.run {
            run.phase = Phase::Live {
                session: Box::new(established.session),
            };
            run.splitter.set_limit(LIVE_LINE);
        }
        self.send(i, message::notification("live", params));
        if let Some(offered) = &established.offer.provides {
            self.confirm_offers(i, offered);
        }
    }

    /// What the file declares and the module leaves out of its offer is worth a line in the log. A module that says
    /// nothing about it confirms its file.
    fn confirm_offers(&mut self, i: usize, offered: &[String]) {
        let declared = self.modules[i]
            .spec
            .provides
            .iter()
            .map(crate::manifest::Provided::shown);
        let silent: Vec<String> = declared.filter(|shown| !offered.contains(shown)).collect();
        if !silent.is_empty() {
            self.log(
                Some(i),
                Level::Warn,
                format!("declares and does not offer {}", silent.join(", ")),
            );
        }
    }

    fn refuse(&mut self, i: usize, refusal: &Refusal) {
        match refusal.kind {
            // `handshake.bad-proof-security-event`, `handshake.bad-proof-ends-group`, `restart.no-retry-after-auth`
            RefusalKind::Auth => {
                self.emit_incident(i, "security", "auth-failed", &refusal.detail);
                self.kill(
                    i,
                    Trigger::AuthFailure,
                    Reason::Auth,
                    Ending::Fatal(Reason::Auth),
                    &refusal.detail,
                );
            }
            RefusalKind::Protocol => self.protocol_failure(i, Reason::Protocol, &refusal.detail),
            RefusalKind::Version => self.protocol_failure(i, Reason::Version, &refusal.detail),
        }
    }

    /// The rules of the wire are broken: nothing that the module says can be relied on any more.
    ///
    /// Implements `faulty.protocol-event` and every `wire.*-refused`.
    pub(super) fn protocol_failure(&mut self, i: usize, reason: Reason, detail: &str) {
        if !self.modules[i].state.runs() {
            // It is being ended already. Its words do not matter any more.
            if let Some(run) = &mut self.modules[i].run {
                run.phase = Phase::Closed;
            }
            return;
        }
        let code = match reason {
            Reason::Version => "version-unsupported",
            Reason::Overload => "overloaded",
            Reason::Auth
            | Reason::Protocol
            | Reason::Exec
            | Reason::Exit
            | Reason::Signal
            | Reason::Timeout
            | Reason::Health
            | Reason::Limit
            | Reason::Dependency
            | Reason::Operator
            | Reason::Shutdown
            | Reason::Completed
            | Reason::Config
            | Reason::Ghost => "protocol-violation",
        };
        self.emit_incident(i, "protocol", code, detail);
        self.kill(
            i,
            Trigger::ProtocolFailure,
            reason,
            Ending::Failure(reason),
            detail,
        );
    }

    /// `faulty.never-reads`
    pub(super) fn overflowed(&mut self, i: usize) {
        self.protocol_failure(i, Reason::Overload, "the module does not read what is sent to it");
    }

    fn live_line(&mut self, i: usize, line: &[u8]) {
        match message::read(line) {
            // `wire.malformed-ends-connection` and its kin
            Err(error) => self.protocol_failure(i, Reason::Protocol, &error.to_string()),
            // `wire.unknown-request-answered`, `wire.unknown-request-not-fatal`. The reserved methods are not offered yet.
            Ok(Message::Request { id, method, .. }) => {
                let shown: String = method.chars().take(64).collect();
                let text = format!("unknown method {shown}");
                self.send(i, message::error(Some(id), METHOD_NOT_FOUND, &text, None));
            }
            Ok(Message::Notification { method, params }) => self.notified(i, &method, &params),
            Ok(Message::Result { id, result }) => self.replied(i, id, Ok(result)),
            Ok(Message::Error {
                id: Some(id),
                code,
                message,
            }) => {
                self.replied(i, id, Err(format!("error {code}: {message}")));
            }
            Ok(Message::Error {
                id: None, message, ..
            }) => {
                self.ignored(i, &format!("an error without an id: {message}"));
            }
        }
    }

    fn replied(&mut self, i: usize, id: i64, result: Result<Map<String, Value>, String>) {
        let Some(run) = &self.modules[i].run else { return };
        if run.health.outstanding == Some(Check::Wire(id)) {
            self.health_reply(i, result);
        } else if !(FIRST_OWN_ID..run.next_id).contains(&id) {
            // `wire.unknown-reply-ignored`. A late reply to a check, or the one to `shutdown`, is no surprise.
            self.ignored(i, &format!("a reply to the id {id}, by which nothing was asked"));
        }
    }

    /// `wire.unknown-notification-ignored`
    fn notified(&mut self, i: usize, method: &str, params: &Map<String, Value>) {
        match method {
            "ready" => match params.get("endpoints") {
                None | Some(Value::Array(_)) => self.became_ready(i),
                Some(_) => self.ignored(i, "`endpoints` of ready is no list"),
            },
            "status" => {
                let detail = params.get("detail").and_then(Value::as_str);
                match params.get("state").and_then(Value::as_str) {
                    Some("ready") => self.own_word(i, true, detail),
                    Some("degraded") => self.own_word(i, false, detail),
                    Some(_) | None => self.ignored(i, "status names neither the state ready nor degraded"),
                }
            }
            "extend" => match params.get("ms").and_then(Value::as_u64) {
                Some(ms @ 1..=MAX_EXTEND_MS) => self.extend(i, ms),
                Some(_) | None => self.ignored(i, "`ms` of extend is no integer from 1 to 3600000"),
            },
            "log" => {
                let level = match params.get("level").and_then(Value::as_str) {
                    Some("debug") => Some(Level::Debug),
                    Some("info") => Some(Level::Info),
                    Some("warning") => Some(Level::Warn),
                    Some("error") => Some(Level::Error),
                    Some(_) | None => None,
                };
                // `api.log-accepted`
                match (level, params.get("message").and_then(Value::as_str)) {
                    (Some(level), Some(text)) => {
                        let text = text.chars().take(MAX_LOG_CHARS).collect();
                        self.log(Some(i), level, text);
                    }
                    _ => self.ignored(i, "log without a level or a message"),
                }
            }
            // `alive` changes nothing, and neither does what a later edition may have added.
            _ => {}
        }
    }

    /// `lifecycle.ready-needs-notification`, `lifecycle.ready-needs-handshake`, `api.ready-idempotent`. Only a live line
    /// leads here, and only a verified proof makes a line live.
    fn became_ready(&mut self, i: usize) {
        let instance = &mut self.modules[i];
        let Some(run) = &mut instance.run else { return };
        if run.was_ready || instance.state != State::Initializing {
            return;
        }
        run.was_ready = true;
        let lost = instance.missing > 0;
        self.disarm(i, &[Timer::Start]);
        if lost {
            self.shift(i, Trigger::BecameReady, State::Degraded, Some(Reason::Dependency));
        } else {
            self.shift(i, Trigger::BecameReady, State::Ready, None);
        }
        self.log(Some(i), Level::Info, self.modules[i].state.name().to_owned());
        self.check_health(i);
    }

    /// The module's judgement on itself (`lifecycle.self-degraded`, `lifecycle.self-recovers`, `health.degraded-reply`).
    pub(super) fn own_word(&mut self, i: usize, ready: bool, detail: Option<&str>) {
        let instance = &mut self.modules[i];
        let missing = instance.missing > 0;
        let Some(run) = instance.run.as_mut().filter(|run| run.was_ready) else {
            return;
        };
        run.self_degraded = !ready;
        match (instance.state, ready) {
            (State::Ready, false) => {
                self.shift(i, Trigger::SelfDegraded, State::Degraded, None);
            }
            (State::Degraded, true) if !missing => {
                self.shift(i, Trigger::SelfReady, State::Ready, None);
            }
            // It does not outrank a failing probe, nor a lost dependency.
            (_, true | false) => {}
        }
        if let (Some(detail), State::Degraded) = (detail, self.modules[i].state) {
            self.set_detail(i, detail);
        }
    }

    /// `api.extend-moves-start-deadline`
    fn extend(&mut self, i: usize, ms: u64) {
        let deadline = self.modules[i].timers[Timer::Start as usize];
        if let (State::Initializing, Some(deadline)) = (self.modules[i].state, deadline) {
            let wanted = self.now.saturating_add(ms * duration::MILLISECOND);
            self.arm(i, Timer::Start, deadline.max(wanted));
        }
    }

    /// Records that something was ignored. Bounded per generation: events that matter must not be pushed out.
    fn ignored(&mut self, i: usize, detail: &str) {
        let Some(run) = &mut self.modules[i].run else {
            return;
        };
        run.ignored += 1;
        if run.ignored <= MAX_IGNORED {
            self.emit_incident(i, "protocol", "ignored-message", detail);
        }
    }
}

const METHOD_NOT_FOUND: i64 = -32601;
/// The ids 1 and 2 belong to the handshake. Once it is over, nobody asks by them any more.
const FIRST_OWN_ID: i64 = 3;
const OUTSTANDING: u32 = 32;
const MAX_EXTEND_MS: u64 = 3_600_000;
const MAX_LOG_CHARS: usize = 16_384;
const MAX_IGNORED: u32 = 16;
