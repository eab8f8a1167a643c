//! Ending: asking, signalling, waiting for the group to be empty, and what comes after.
//!
//! Whatever ends a module, it passes `stopping` (we end it) or `crashed` (it ended itself with a failure), and leaves that
//! state only when no process of its group is left (`stop.stopped-means-empty`). What it becomes then is decided when
//! the ending begins and kept in [`Ending`], where a later wish of the operator may replace it.

use serde_json::json;

use super::effect::{Effect, Level, Signal};
use super::engine::Machine;
use super::event::ExitStatus;
use super::instance::{Ending, Phase, exit_json};
use super::state::{Reason, State, Trigger};
use super::timer::Timer;
use crate::manifest::{Policy, duration};
use crate::wire::message;

/// How long after a SIGKILL the group is killed once more.
const KILL_AGAIN: u64 = duration::SECOND;
/// Between the end of the socket and the end of the process there may be this long: the exit is what counts.
const EXIT_GRACE: u64 = 100 * duration::MILLISECOND;

impl Machine {
    /// Ends a module in order: a request if it can be asked, SIGTERM at half of its time, SIGKILL at the end.
    ///
    /// Implements `stop.request-first`, `stop.request-parameters`, `stop.grace-before-signal`.
    pub(super) fn stop(&mut self, i: usize, trigger: Trigger, reason: Reason, ending: Ending) {
        if !self.shift(i, trigger, State::Stopping, Some(reason)) {
            return;
        }
        self.disarm(i, RUNNING_TIMERS);
        self.modules[i].ending = ending;
        let timeout = self.modules[i].spec.stop_timeout;
        self.arm(i, Timer::Kill, self.now.saturating_add(timeout));
        let Some(run) = &mut self.modules[i].run else {
            return;
        };
        if let Phase::Live { .. } = run.phase {
            let id = run.next_id;
            run.next_id += 1;
            let params = json!({"reason": reason.name(), "deadline_ms": (timeout / 1000).max(1)});
            self.send(i, message::request(id, "shutdown", params));
            self.arm(i, Timer::Term, self.now.saturating_add(timeout / 2));
        } else if run.leader != 0 {
            // It has not proved itself, so it is not asked: the next line that it may get is not this one.
            self.signal(i, Signal::Term);
        }
    }

    /// Ends a module at once (`handshake.bad-proof-ends-group`).
    pub(super) fn kill(&mut self, i: usize, trigger: Trigger, reason: Reason, ending: Ending, detail: &str) {
        if !self.shift(i, trigger, State::Stopping, Some(reason)) {
            return;
        }
        self.disarm(i, RUNNING_TIMERS);
        self.log(
            Some(i),
            Level::Error,
            format!("is being killed, {}: {detail}", reason.name()),
        );
        self.set_detail(i, detail);
        self.modules[i].ending = ending;
        if let Some(run) = &mut self.modules[i].run {
            run.phase = if matches!(run.phase, Phase::Spawning) {
                Phase::Spawning
            } else {
                Phase::Closed
            };
            run.kills += 1;
        }
        let (module, generation) = self.named(i);
        self.out.push(Effect::Hangup { module, generation });
        self.signal(i, Signal::Kill);
        self.arm(i, Timer::Kill, self.now.saturating_add(KILL_AGAIN));
    }

    /// `stop.term-after-half`
    pub(super) fn term_elapsed(&mut self, i: usize) {
        self.signal(i, Signal::Term);
    }

    /// `stop.kill-at-timeout`; repeated, because a wait without a deadline would be worse than a needless signal.
    pub(super) fn kill_elapsed(&mut self, i: usize) {
        let Some(run) = &mut self.modules[i].run else {
            return;
        };
        run.kills += 1;
        let (times, leader) = (run.kills, run.leader);
        if times == 1 {
            let instance = &mut self.modules[i];
            let waited = (self.now - instance.since) / duration::MILLISECOND;
            let killed = format!("PZ213: killed after {waited} ms");
            // Why it had to end stays the more important half.
            let detail = match instance.detail.take() {
                Some(why) => format!("{why}; {killed}"),
                None => killed,
            };
            self.set_detail(i, &detail);
        }
        if times.is_power_of_two() {
            let text =
                format!("did not end in time (PZ213); SIGKILL to the group of pid {leader}, attempt {times}");
            self.log(Some(i), Level::Warn, text);
        }
        self.signal(i, Signal::Kill);
        self.arm(i, Timer::Kill, self.now.saturating_add(KILL_AGAIN));
    }

    /// `handshake.silence-times-out`
    pub(super) fn handshake_elapsed(&mut self, i: usize) {
        if self.modules[i].state == State::Initializing {
            let detail = "the proof did not arrive within handshake_timeout (PZ204)";
            self.kill(
                i,
                Trigger::HandshakeTimeout,
                Reason::Timeout,
                Ending::Failure(Reason::Timeout),
                detail,
            );
        }
    }

    /// `lifecycle.start-timeout`
    pub(super) fn start_elapsed(&mut self, i: usize) {
        if self.modules[i].state == State::Initializing {
            let detail = "it was not ready within start_timeout (PZ205)";
            self.kill(
                i,
                Trigger::StartTimeout,
                Reason::Timeout,
                Ending::Failure(Reason::Timeout),
                detail,
            );
        }
    }

    /// The module closed its socket. A process that exits does so, too, a moment before its exit is seen.
    pub(super) fn closed(&mut self, i: usize) {
        if self.modules[i].state.runs() {
            self.arm(i, Timer::Exit, self.now.saturating_add(EXIT_GRACE));
        }
    }

    /// `wire.eof-while-live-is-failure`, `handshake.eof-refused`
    pub(super) fn exit_elapsed(&mut self, i: usize) {
        if self.modules[i].state.runs() {
            self.protocol_failure(
                i,
                Reason::Protocol,
                "the module closed its socket and goes on running",
            );
        }
    }

    /// The leader has ended.
    pub(super) fn exited(&mut self, i: usize, status: ExitStatus) {
        let instance = &mut self.modules[i];
        let Some(run) = &mut instance.run else { return };
        let pid = run.leader;
        run.pid = None;
        let live = matches!(run.phase, Phase::Live { .. });
        run.phase = Phase::Closed;
        instance.exit = Some(status);
        let mut event = json!({
            "type": "exit", "module": instance.spec.id.as_str(), "generation": instance.generation, "pid": pid,
        });
        if let (Some(event), Some(exit)) = (event.as_object_mut(), exit_json(status).as_object()) {
            event.extend(exit.clone());
        }
        self.emit(event);
        self.mark(i);
        if !self.modules[i].state.runs() {
            return;
        }
        self.disarm(i, RUNNING_TIMERS);
        if status.is_success() && live {
            // `lifecycle.clean-exit-completes`
            self.shift(i, Trigger::ExitedClean, State::Stopping, Some(Reason::Completed));
            self.modules[i].ending = Ending::Completed;
        } else {
            // `lifecycle.failure-exit-crashes`
            let reason = match status {
                ExitStatus::Code(_) => Reason::Exit,
                ExitStatus::Signal(_) => Reason::Signal,
            };
            // A module that never proved itself has completed nothing, whatever its status says.
            let early = if status.is_success() {
                " before it was live"
            } else {
                ""
            };
            let detail = format!("{status}{early}");
            self.log(Some(i), Level::Error, format!("crashed: {detail}"));
            self.shift(i, Trigger::ExitedFailure, State::Crashed, Some(reason));
            self.modules[i].ending = Ending::Failure(reason);
            self.set_detail(i, &detail);
            if self.system.shutting_down() {
                self.shift(i, Trigger::StopRequested, State::Stopping, Some(Reason::Shutdown));
                self.modules[i].ending = Ending::Stay(Reason::Shutdown);
            }
        }
        // `stop.leader-exit-sweeps-group`: nobody is left to ask.
        self.signal(i, Signal::Term);
        let half = self.modules[i].spec.stop_timeout / 2;
        self.arm(i, Timer::Kill, self.now.saturating_add(half));
    }

    /// The last process has gone.
    pub(super) fn group_empty(&mut self, i: usize) {
        if self.modules[i].state.runs() {
            // The shell owes an `Exited` before; without one the end is a failure of unknown kind.
            self.exited(i, ExitStatus::Code(255));
        }
        // A stop says nothing about its cause beyond its reason, but it says if the module had to be killed.
        let killed = self.modules[i].run.as_ref().is_some_and(|run| run.kills > 0);
        self.clear_run(i);
        let detail = self.modules[i].detail.take();
        let ending = self.modules[i].ending;
        let over = self.system.shutting_down();
        match ending {
            Ending::Fatal(reason) => self.conclude(i, State::Failed, Some(reason)),
            Ending::Completed if over || self.modules[i].spec.restart.policy != Policy::Always => {
                self.conclude(i, State::Stopped, Some(Reason::Completed));
            }
            Ending::Stay(reason) => self.conclude(i, State::Stopped, Some(reason)),
            Ending::Again | Ending::Park | Ending::Failure(_) | Ending::Completed if over => {
                self.conclude(i, State::Stopped, Some(Reason::Shutdown));
            }
            Ending::Again => self.conclude(i, State::Pending, None),
            Ending::Park if self.modules[i].missing == 0 => self.conclude(i, State::Pending, None),
            Ending::Park => self.conclude(i, State::Pending, Some(Reason::Dependency)),
            Ending::Completed => self.retry(i, Reason::Completed, None),
            Ending::Failure(reason) => self.retry(i, reason, detail.as_deref()),
        }
        let instance = &mut self.modules[i];
        let shown = match instance.state {
            State::Pending => false,
            State::Stopped => killed,
            _ => true,
        };
        if instance.detail.is_none() && shown {
            instance.detail = detail;
        }
        self.ended(i);
    }

    fn conclude(&mut self, i: usize, to: State, reason: Option<Reason>) {
        self.shift(i, Trigger::GroupEmpty, to, reason);
        let level = if to == State::Failed {
            Level::Error
        } else {
            Level::Info
        };
        let why = reason
            .map(|reason| format!(", {}", reason.name()))
            .unwrap_or_default();
        self.log(Some(i), level, format!("{}{why}", to.name()));
    }

    /// The restart policy after a failure, or after any end with `always`.
    ///
    /// Implements `restart.on-failure-after-failure`, `restart.never`, `restart.limit`, `restart.limit-reason`,
    /// `restart.delay-grows`, `restart.delay-capped`, `restart.delay-announced`.
    fn retry(&mut self, i: usize, reason: Reason, detail: Option<&str>) {
        let now = self.now;
        let chance = self.chance();
        let instance = &mut self.modules[i];
        let restart = &instance.spec.restart;
        if restart.policy == Policy::Never {
            self.conclude(i, State::Failed, Some(reason));
            return;
        }
        while instance
            .history
            .front()
            .is_some_and(|at| at.saturating_add(restart.window) <= now)
        {
            instance.history.pop_front();
        }
        if instance.history.len() >= usize::try_from(restart.limit).unwrap_or(usize::MAX) {
            let window = duration::show(restart.window);
            let last = match reason {
                Reason::Exit | Reason::Signal => detail.unwrap_or(reason.name()),
                _ => reason.name(),
            };
            let limit = restart.limit;
            let plural = if limit == 1 { "" } else { "s" };
            let detail =
                format!("PZ210: {limit} restart{plural} within {window}; the last failure was {last}");
            self.conclude(i, State::Failed, Some(Reason::Limit));
            self.set_detail(i, &detail);
            return;
        }
        instance.history.push_back(now);
        let delay = jittered(
            restart.nominal_delay(instance.restarts),
            restart.jitter,
            chance,
            restart.max_delay,
        );
        instance.restarts = instance.restarts.saturating_add(1);
        let text = format!(
            "will be launched again in {}, {}",
            duration::show(delay),
            reason.name()
        );
        self.shift_with(
            i,
            Trigger::GroupEmpty,
            State::Restarting,
            Some(reason),
            Some(delay),
        );
        self.log(Some(i), Level::Warn, text);
        self.arm(i, Timer::Backoff, now.saturating_add(delay));
    }

    /// `restart.delay-respected`
    pub(super) fn backoff_elapsed(&mut self, i: usize) {
        if self.modules[i].state == State::Restarting {
            self.shift(i, Trigger::BackoffElapsed, State::Pending, None);
        }
    }

    /// `restart.counters-reset-after-stability`: the number of restarts, the next delay, and those in the window.
    pub(super) fn stable_elapsed(&mut self, i: usize) {
        if self.modules[i].state == State::Ready && self.modules[i].restarts > 0 {
            self.modules[i].forgive();
            self.mark(i);
        }
    }

    /// Forgets the processes of a generation.
    pub(super) fn clear_run(&mut self, i: usize) {
        self.modules[i].run = None;
        self.modules[i].timers = super::timer::Slots::default();
        self.system.running -= 1;
        self.let_go(i);
    }
}

/// The timers of a module that runs. Those of its end are not among them.
const RUNNING_TIMERS: &[Timer] = &[
    Timer::Handshake,
    Timer::Start,
    Timer::Stable,
    Timer::Health,
    Timer::HealthReply,
    Timer::Exit,
];

/// The delay with jitter, rounded to whole milliseconds, never above the cap.
fn jittered(nominal: u64, jitter: f64, chance: f64, cap: u64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "durations are at most 24 hours, far below 2^53 microseconds"
    )]
    let exact = nominal as f64 * (1.0 + jitter * (2.0 * chance - 1.0)) / duration::MILLISECOND as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "jitter is at most 1"
    )]
    let milliseconds = exact.round() as u64;
    milliseconds.saturating_mul(duration::MILLISECOND).min(cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_share_and_the_cap() {
        assert_eq!(jittered(1_000_000, 0.1, 0.0, u64::MAX), 900_000);
        assert_eq!(jittered(1_000_000, 0.1, 0.5, u64::MAX), 1_000_000);
        assert_eq!(jittered(1_000_000, 0.1, 1.0, u64::MAX), 1_100_000);
        assert_eq!(jittered(1_000_000, 0.1, 1.0, 1_000_000), 1_000_000);
        assert_eq!(jittered(7_000, 0.5, 0.7, u64::MAX), 8_000, "8.4 ms");
        assert_eq!(jittered(0, 1.0, 1.0, 5), 0);
    }
}
