//! Health checks: when they are made, and what their results lead to (chapter 5.3).

use serde_json::{Map, Value, json};

use super::effect::{Effect, Level, ProbeSpec};
use super::engine::Machine;
use super::instance::{Check, Ending, Phase};
use super::state::{Reason, State, Trigger};
use super::timer::Timer;
use crate::manifest::{HealthProbe, OnUnhealthy, duration};
use crate::wire::message;

/// What a module says of itself in a reply: whether it is ready, and the detail.
type Word = (bool, Option<String>);

impl Machine {
    /// Starts a check; the next one is due an interval later (`health.wire-interval`, `health.starts-after-ready`).
    pub(super) fn check_health(&mut self, i: usize) {
        let Some(health) = self.modules[i].spec.health.clone() else {
            return;
        };
        let Some(run) = &mut self.modules[i].run else {
            return;
        };
        run.health.due = false;
        let probe = match &health.probe {
            HealthProbe::Wire => {
                if !matches!(run.phase, Phase::Live { .. }) {
                    return;
                }
                let id = run.next_id;
                run.next_id += 1;
                run.health.outstanding = Some(Check::Wire(id));
                self.send(i, message::request(id, "health.check", Map::new()));
                self.arm(i, Timer::HealthReply, self.now.saturating_add(health.timeout));
                None
            }
            HealthProbe::Command(argv) => Some(ProbeSpec::Command {
                argv: argv.clone(),
                environment: self.environment(i),
            }),
            HealthProbe::Http { host, port, path } => Some(ProbeSpec::Http {
                host: host.clone(),
                port: *port,
                path: path.clone(),
            }),
            HealthProbe::Tcp { host, port } => Some(ProbeSpec::Tcp {
                host: host.clone(),
                port: *port,
            }),
            HealthProbe::Unix(path) => Some(ProbeSpec::Unix { path: path.clone() }),
        };
        if let Some(probe) = probe {
            if let Some(run) = &mut self.modules[i].run {
                run.health.outstanding = Some(Check::External);
            }
            let (module, generation) = self.named(i);
            self.out.push(Effect::Probe {
                module,
                generation,
                probe,
                timeout_us: health.timeout,
            });
        }
        self.arm(i, Timer::Health, self.now.saturating_add(health.interval));
    }

    /// `health.one-outstanding`
    pub(super) fn health_elapsed(&mut self, i: usize) {
        if !self.modules[i].state.serves() {
            return;
        }
        match self.modules[i].run.as_mut() {
            Some(run) if run.health.outstanding.is_some() => run.health.due = true,
            Some(_) => self.check_health(i),
            None => {}
        }
    }

    /// `health.timeout-counts-as-failure`
    pub(super) fn health_reply_elapsed(&mut self, i: usize) {
        let timeout = self.modules[i]
            .spec
            .health
            .as_ref()
            .map_or(0, |health| health.timeout);
        self.health_result(i, Err(format!("no answer within {}", duration::show(timeout))));
    }

    /// The shell has run a probe.
    pub(super) fn probe_done(&mut self, i: usize, ok: bool, detail: &str) {
        let external = self.modules[i]
            .run
            .as_ref()
            .is_some_and(|run| run.health.outstanding == Some(Check::External));
        if external {
            self.health_result(i, if ok { Ok(None) } else { Err(detail.to_owned()) });
        }
    }

    /// A reply to `health.check`. The result is `None` for an error (`health.error-reply-counts-as-failure`).
    pub(super) fn health_reply(&mut self, i: usize, result: Result<Map<String, Value>, String>) {
        let outcome = result.and_then(|result| match result.get("state").and_then(Value::as_str) {
            Some(state @ ("ready" | "degraded")) => {
                let detail = result.get("detail").and_then(Value::as_str);
                Ok(Some((state == "ready", detail.map(str::to_owned))))
            }
            Some(_) | None => Err("the reply names neither the state ready nor degraded".to_owned()),
        });
        self.health_result(i, outcome);
    }

    /// One check has come to a result: passed, with the module's own word if it gave one, or failed.
    ///
    /// Implements `health.failures-threshold`, `health.success-resets-count`, `health.recovers`.
    fn health_result(&mut self, i: usize, outcome: Result<Option<Word>, String>) {
        self.disarm(i, &[Timer::HealthReply]);
        let instance = &mut self.modules[i];
        let (Some(health), Some(run)) = (&instance.spec.health, &mut instance.run) else {
            return;
        };
        if run.health.outstanding.take().is_none() {
            return;
        }
        let due = run.health.due;
        if !instance.state.serves() {
            return;
        }
        let (failures, successes, on_unhealthy) = (health.failures, health.successes, health.on_unhealthy);
        let detail = outcome.as_ref().err().cloned();
        let before = run.health.passed;
        match &outcome {
            Ok(_) => {
                run.health.failures = 0;
                run.health.successes = run.health.successes.saturating_add(1);
                run.health.passed |= run.health.successes >= successes;
            }
            Err(_) => {
                run.health.successes = 0;
                run.health.failures = run.health.failures.saturating_add(1);
            }
        }
        let (passed, failed) = (run.health.passed, run.health.failures >= failures);
        let (module, generation) = (instance.spec.id.clone(), instance.generation);
        self.emit(json!({
            "type": "health", "module": module.as_str(), "generation": generation,
            "ok": outcome.is_ok(), "detail": detail,
        }));
        if let Ok(Some((ready, word))) = &outcome {
            self.own_word(i, *ready, word.as_deref());
        }
        if outcome.is_ok() {
            if passed && !before {
                // The condition `healthy` may hold now.
                self.touch(i);
            }
            if passed && self.modules[i].state == State::Unhealthy {
                self.recover(i);
            }
        } else if failed && self.modules[i].state != State::Unhealthy {
            let why = detail.as_deref().unwrap_or_default();
            let plural = if failures == 1 { "" } else { "s" };
            let detail = format!("PZ209: {failures} health check{plural} failed; the last: {why}");
            self.unhealthy(i, on_unhealthy, &detail);
        }
        if due && self.modules[i].state.serves() {
            self.check_health(i);
        }
    }

    fn recover(&mut self, i: usize) {
        let instance = &self.modules[i];
        let own = instance.run.as_ref().is_some_and(|run| run.self_degraded);
        if instance.missing > 0 {
            self.shift(
                i,
                Trigger::ProbeRecovered,
                State::Degraded,
                Some(Reason::Dependency),
            );
        } else if own {
            self.shift(i, Trigger::ProbeRecovered, State::Degraded, None);
        } else {
            self.shift(i, Trigger::ProbeRecovered, State::Ready, None);
        }
    }

    /// `health.unhealthy-restarts`, `health.unhealthy-keep`
    fn unhealthy(&mut self, i: usize, on_unhealthy: OnUnhealthy, detail: &str) {
        if let Some(run) = &mut self.modules[i].run {
            run.health.passed = false;
        }
        self.shift(i, Trigger::ProbeFailed, State::Unhealthy, Some(Reason::Health));
        self.set_detail(i, detail);
        self.log(Some(i), Level::Error, format!("unhealthy: {detail}"));
        match on_unhealthy {
            OnUnhealthy::Keep => {}
            OnUnhealthy::Restart => {
                self.stop(
                    i,
                    Trigger::ProbeFailed,
                    Reason::Health,
                    Ending::Failure(Reason::Health),
                );
                self.set_detail(i, detail);
            }
        }
    }
}
