//! Dependencies at run time: who may be launched, who is parked, who has lost what it needs.
//!
//! Every module keeps for each of its dependencies whether its condition holds, and three sums over them. When a module
//! changes, its dependents' entries are brought up to date, and only those. The queue of changed modules replaces
//! recursion, so that a chain may have any length.

use std::collections::VecDeque;

use super::engine::Machine;
use super::instance::Ending;
use super::state::{Reason, State, Trigger};
use crate::manifest::OnRestart;

/// A module that depends on another, and by which of its needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dependent {
    pub(super) module: usize,
    pub(super) need: usize,
}

/// A module that may be launched now. Only [`Machine::settle`] makes one, so that nothing is launched unchecked.
#[derive(Debug)]
pub(super) struct Ready(usize);

impl Ready {
    pub(super) fn module(&self) -> usize {
        self.0
    }
}

impl Machine {
    /// Carries all changes along the edges until nothing changes any more.
    pub(super) fn settle(&mut self) {
        let mut candidates = VecDeque::new();
        loop {
            while let Some(i) = self.changed.pop_front() {
                self.refresh(i);
                candidates.push_back(i);
                for position in 0..self.dependents[i].len() {
                    let dependent = self.dependents[i][position];
                    if self.update_need(i, dependent) {
                        candidates.push_back(dependent.module);
                    }
                }
            }
            match candidates.pop_front() {
                Some(i) => {
                    if let Some(ready) = self.check(i) {
                        self.launch(ready);
                    }
                }
                // The first time that the system has come to rest, deferred modules are launched.
                None if self.announce_system() => self.want_deferred(),
                None => break,
            }
        }
    }

    /// `boot.dependency-order`, `role.no-launch-after-shutdown`
    fn check(&self, i: usize) -> Option<Ready> {
        let instance = &self.modules[i];
        let free = instance.state == State::Pending && instance.wanted && instance.run.is_none();
        (free && instance.blocking == 0 && !self.system.shutting_down()).then_some(Ready(i))
    }

    /// Brings what a module shows about its own dependencies up to date.
    fn refresh(&mut self, i: usize) {
        let instance = &mut self.modules[i];
        if instance.state == State::Pending {
            // `recovery.dependents-parked`
            let parked = instance.is_parked();
            let reason = match instance.reason {
                _ if parked => Some(Reason::Dependency),
                Some(Reason::Dependency) if instance.missing == 0 => None,
                other => other,
            };
            if instance.reason != reason {
                instance.reason = reason;
                self.mark(i);
            }
        }
        self.recount(i);
    }

    /// Brings one entry of a dependent up to date. Returns whether anything about it has changed.
    fn update_need(&mut self, on: usize, dependent: Dependent) -> bool {
        let i = dependent.module;
        let condition = self.modules[i].needs[dependent.need].edge.condition;
        let upheld = self.modules[i].needs[dependent.need].met
            && self.modules[i].run.is_some()
            && self.modules[on].upholds(condition);
        let (met, hopeless) = (
            upheld || self.modules[on].satisfies(condition),
            self.modules[on].is_hopeless(),
        );
        let instance = &mut self.modules[i];
        let was_parked = instance.is_hopeless();
        let need = &mut instance.needs[dependent.need];
        if need.met == met && need.hopeless == hopeless {
            // What it shows may still have changed: the reason of the one that it waits for.
            if instance.reason == Some(Reason::Dependency) {
                self.mark(i);
            }
            return false;
        }
        let lost = need.met && !met && !need.edge.optional;
        let on_restart = need.edge.on_restart;
        instance.learn(dependent.need, met, hopeless);
        self.mark(i);
        if self.modules[i].is_hopeless() != was_parked {
            self.changed.push_back(i);
        }
        self.refresh(i);
        if !self.system.shutting_down() {
            if lost {
                self.dependency_lost(i, on_restart);
            } else if self.modules[i].missing == 0 {
                self.dependencies_back(i);
            }
        }
        true
    }

    fn dependency_lost(&mut self, i: usize, on_restart: OnRestart) {
        let instance = &mut self.modules[i];
        if !instance.state.runs() {
            // Of several lost edges the one that says stop is the strongest.
            if instance.ending == Ending::Park
                && instance.state == State::Stopping
                && on_restart == OnRestart::Stop
            {
                instance.ending = Ending::Stay(Reason::Dependency);
            }
            return;
        }
        match on_restart {
            // `recovery.keep-degrades`
            OnRestart::Keep => match self.modules[i].state {
                State::Ready => {
                    self.shift(
                        i,
                        Trigger::DependencyLost,
                        State::Degraded,
                        Some(Reason::Dependency),
                    );
                }
                // It was degraded by its own word; now it is so for two reasons, and this one is shown.
                State::Degraded => {
                    self.modules[i].reason = Some(Reason::Dependency);
                    self.mark(i);
                    self.recount(i);
                }
                State::Pending
                | State::Initializing
                | State::Unhealthy
                | State::Crashed
                | State::Restarting
                | State::Disabled
                | State::Stopping
                | State::Stopped
                | State::Failed
                | State::Ghost
                | State::Invalid => {}
            },
            // `recovery.restart-edge`
            OnRestart::Restart => self.stop(i, Trigger::DependencyLost, Reason::Dependency, Ending::Park),
            // `recovery.stop-edge`
            OnRestart::Stop => {
                self.stop(
                    i,
                    Trigger::DependencyLost,
                    Reason::Dependency,
                    Ending::Stay(Reason::Dependency),
                );
            }
        }
    }

    /// A generation has ended, and with it what only a running dependent may hold on to.
    pub(super) fn let_go(&mut self, i: usize) {
        for need in 0..self.modules[i].needs.len() {
            let on = &self.modules[self.modules[i].needs[need].on];
            let (met, hopeless) = (
                on.satisfies(self.modules[i].needs[need].edge.condition),
                on.is_hopeless(),
            );
            self.modules[i].learn(need, met, hopeless);
        }
    }

    /// `recovery.keep-returns`
    fn dependencies_back(&mut self, i: usize) {
        let instance = &mut self.modules[i];
        if instance.state != State::Degraded || instance.reason != Some(Reason::Dependency) {
            return;
        }
        if instance.run.as_ref().is_some_and(|run| run.self_degraded) {
            instance.reason = None;
            self.mark(i);
            self.recount(i);
        } else {
            self.shift(i, Trigger::DependencyBack, State::Ready, None);
        }
    }

    /// Marks a module as wanted, and with it what it needs and what has not been asked for yet: a dependency that is
    /// launched on demand is demanded by whoever requires it.
    pub(super) fn want(&mut self, i: usize) {
        let mut stack = vec![i];
        while let Some(i) = stack.pop() {
            if self.modules[i].wanted || !matches!(self.modules[i].state, State::Pending) {
                continue;
            }
            self.modules[i].wanted = true;
            self.touch(i);
            stack.extend(self.modules[i].needs.iter().map(|need| need.on));
        }
    }
}
