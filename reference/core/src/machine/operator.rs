//! What the operator asks for on the control socket (chapter 6.2), and what it does to the modules.

use serde_json::{Value, json};

use super::effect::Effect;
use super::engine::Machine;
use super::instance::Ending;
use super::state::{Reason, State, Trigger};
use super::timer::Timer;
use crate::control::{Command, Id, MAX_LINE, Problem, Request, error, read, result};
use crate::id::ConnId;
use crate::manifest::nearest;
use crate::wire::line::Splitter;

impl Machine {
    /// Bytes on a control connection. Requests are answered in their order.
    pub(super) fn control_bytes(&mut self, conn: ConnId, bytes: &[u8]) {
        self.conns
            .entry(conn)
            .or_insert_with(|| Splitter::new(MAX_LINE))
            .push(bytes);
        while let Some(splitter) = self.conns.get_mut(&conn) {
            match splitter.next_line() {
                None => return,
                Some(Ok(line)) => self.request(conn, &line),
                // `control.oversize-line`
                Some(Err(_)) => {
                    self.conns.remove(&conn);
                    self.journal.unsubscribe(conn);
                    self.out.push(Effect::DropControl { conn });
                }
            }
        }
    }

    fn request(&mut self, conn: ConnId, line: &[u8]) {
        match read(line) {
            Err((id, problem)) => self.answer(conn, error(id.as_ref(), &problem)),
            Ok(Request { id, command }) => self.command(conn, &id, command),
        }
    }

    fn command(&mut self, conn: ConnId, id: &Id, command: Command) {
        match command {
            Command::Status { module: None } => self.answer(conn, result(id, self.whole_status())),
            Command::Status { module: Some(name) } => match self.find(&name) {
                Ok(i) => self.answer(conn, result(id, json!({"module": self.status_json(i)}))),
                Err(problem) => self.answer(conn, error(Some(id), &problem)),
            },
            Command::Start { module } => self.wish(conn, id, &module, Self::start_wish),
            Command::Stop { module } => self.wish(conn, id, &module, Self::stop_wish),
            Command::Restart { module } => self.wish(conn, id, &module, Self::restart_wish),
            Command::Events { since } => {
                self.answer(conn, result(id, json!({"seq": self.journal.last()})));
                self.journal.subscribe(conn, since, self.now, &mut self.out);
            }
            Command::Plan => self.answer(conn, result(id, self.plan.to_json())),
            // `control.shutdown`: the answer comes first.
            Command::Shutdown { reason } => {
                self.answer(conn, result(id, json!({})));
                self.shutdown(reason.as_deref().unwrap_or("control request"));
            }
        }
    }

    /// Carries out a wish and answers with the state of the moment.
    fn wish(&mut self, conn: ConnId, id: &Id, name: &str, act: fn(&mut Self, usize) -> Result<(), Problem>) {
        let bytes = match self.find(name).and_then(|i| act(self, i).map(|()| i)) {
            Ok(i) => result(id, json!({"module": name, "state": self.modules[i].state.name()})),
            Err(problem) => error(Some(id), &problem),
        };
        self.answer(conn, bytes);
    }

    fn answer(&mut self, conn: ConnId, bytes: Vec<u8>) {
        self.out.push(Effect::Reply { conn, bytes });
    }

    /// `control.unknown-module`
    fn find(&self, name: &str) -> Result<usize, Problem> {
        self.index.get(name).copied().ok_or_else(|| {
            let ids = self.modules.iter().map(|instance| instance.spec.id.as_str());
            Problem::UnknownModule {
                name: name.to_owned(),
                suggestion: nearest(name, ids).map(str::to_owned),
            }
        })
    }

    fn whole_status(&self) -> Value {
        json!({
            "orchestrator": {
                "name": "partenza",
                "version": self.settings.version,
                "boot": self.settings.boot,
                "pid": self.settings.pid,
                "state": self.system.state.name(),
            },
            "modules": (0..self.modules.len()).map(|i| self.status_json(i)).collect::<Vec<_>>(),
        })
    }

    /// `control.start-idempotent`, `restart.operator-start-cancels-backoff`, `discovery.start-of-ghost-refused`
    fn start_wish(&mut self, i: usize) -> Result<(), Problem> {
        self.may_launch(i)?;
        match self.modules[i].state {
            State::Initializing | State::Ready | State::Degraded | State::Unhealthy | State::Pending => {}
            // It has to end first; then it is launched again.
            State::Crashed | State::Stopping => self.modules[i].ending = Ending::Again,
            State::Restarting | State::Stopped | State::Failed => {
                self.disarm(i, &[Timer::Backoff]);
                self.shift(i, Trigger::StartRequested, State::Pending, None);
            }
            State::Disabled | State::Ghost | State::Invalid => {}
        }
        self.launch_wanted(i);
        Ok(())
    }

    /// `restart.operator-restart-fresh`
    fn restart_wish(&mut self, i: usize) -> Result<(), Problem> {
        self.may_launch(i)?;
        match self.modules[i].state {
            State::Initializing | State::Ready | State::Degraded | State::Unhealthy => {
                self.stop(i, Trigger::RestartRequested, Reason::Operator, Ending::Again);
            }
            State::Crashed => {
                self.shift(
                    i,
                    Trigger::RestartRequested,
                    State::Stopping,
                    Some(Reason::Operator),
                );
                self.modules[i].ending = Ending::Again;
            }
            State::Stopping => self.modules[i].ending = Ending::Again,
            State::Restarting | State::Stopped | State::Failed => {
                self.disarm(i, &[Timer::Backoff]);
                self.shift(i, Trigger::RestartRequested, State::Pending, None);
            }
            State::Pending | State::Disabled | State::Ghost | State::Invalid => {}
        }
        self.launch_wanted(i);
        Ok(())
    }

    /// `control.stop-idempotent`, `restart.stop-cancels-backoff`
    fn stop_wish(&mut self, i: usize) -> Result<(), Problem> {
        match self.modules[i].state {
            State::Initializing | State::Ready | State::Degraded | State::Unhealthy => {
                self.stop(
                    i,
                    Trigger::StopRequested,
                    Reason::Operator,
                    Ending::Stay(Reason::Operator),
                );
            }
            State::Crashed => {
                self.shift(i, Trigger::StopRequested, State::Stopping, Some(Reason::Operator));
                self.modules[i].ending = Ending::Stay(Reason::Operator);
            }
            State::Stopping => match self.modules[i].ending {
                // What cannot be started again need not be stopped any further, and its reason is worth more.
                Ending::Fatal(_) | Ending::Stay(_) => {}
                Ending::Again | Ending::Park | Ending::Failure(_) | Ending::Completed => {
                    self.modules[i].ending = Ending::Stay(Reason::Operator);
                }
            },
            State::Pending | State::Restarting => {
                self.disarm(i, &[Timer::Backoff]);
                self.shift(i, Trigger::StopRequested, State::Stopped, Some(Reason::Operator));
            }
            State::Stopped | State::Failed | State::Disabled | State::Ghost | State::Invalid => {}
        }
        self.modules[i].wanted = false;
        self.touch(i);
        Ok(())
    }

    fn may_launch(&self, i: usize) -> Result<(), Problem> {
        if self.system.shutting_down() {
            return Err(Problem::ShuttingDown);
        }
        match self.modules[i].state {
            state @ (State::Disabled | State::Ghost | State::Invalid) => Err(Problem::NotPossible(state)),
            State::Pending
            | State::Initializing
            | State::Ready
            | State::Degraded
            | State::Unhealthy
            | State::Crashed
            | State::Restarting
            | State::Stopping
            | State::Stopped
            | State::Failed => Ok(()),
        }
    }

    /// The operator vouches for the module: its counters begin anew (`restart.counters-reset-by-operator`).
    fn launch_wanted(&mut self, i: usize) {
        let instance = &mut self.modules[i];
        instance.forgive();
        if instance.state == State::Pending {
            instance.wanted = false;
            self.want(i);
        } else {
            instance.wanted = true;
        }
        self.mark(i);
    }
}
