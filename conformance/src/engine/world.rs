//! The shared memory of one running case: the trace, the launch secrets, and the way to wait for a change.
//!
//! Everything that happens becomes an entry here first, and whoever waits, waits for the trace to change. So there is one
//! total order, every wait has a deadline, and nothing sleeps. It belongs to one case on one thread.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout_at};

use partenza_mock_modules::Deed;

use crate::judge::trace::{Entry, Kind};
use crate::judge::view::Keys;

/// The shared memory of a case.
pub(crate) struct World {
    started: Instant,
    trace: RefCell<Vec<Entry>>,
    changed: Notify,
    waited: Cell<Duration>,
    /// The launch secrets, for the monitors and for the proofs.
    pub(crate) keys: RefCell<Keys>,
    /// The puppets that reported so far, by module, in the order of their launches.
    pub(crate) puppets: RefCell<BTreeMap<String, Vec<PuppetHandle>>>,
    /// What `/proc` showed of processes at their launch: whose it is, and the text.
    pub(crate) proc_texts: RefCell<Vec<(String, String)>>,
    /// When the last wait has to end early because the orchestrator is gone.
    over: Cell<Option<Instant>>,
}

/// How the script reaches a puppet.
pub(crate) struct PuppetHandle {
    pub(crate) deeds: mpsc::UnboundedSender<Deed>,
}

/// How long a puppet may still report after the orchestrator has ended.
const AFTERMATH: Duration = Duration::from_millis(400);

impl World {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            trace: RefCell::default(),
            changed: Notify::new(),
            waited: Cell::default(),
            keys: RefCell::default(),
            puppets: RefCell::default(),
            proc_texts: RefCell::default(),
            over: Cell::new(None),
        }
    }

    /// Appends a fact and wakes everybody who waits.
    pub(crate) fn record(&self, actor: &str, kind: Kind, data: Value) -> usize {
        let t_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut trace = self.trace.borrow_mut();
        trace.push(Entry {
            t_us,
            actor: actor.to_owned(),
            kind,
            data,
        });
        if kind == Kind::End {
            self.over.set(Some(Instant::now() + AFTERMATH));
        }
        self.changed.notify_waiters();
        trace.len() - 1
    }

    /// A look at the trace. Keep it short: nobody can record meanwhile.
    pub(crate) fn trace(&self) -> std::cell::Ref<'_, Vec<Entry>> {
        self.trace.borrow()
    }

    /// Waits until `look` finds something in the trace, at most until `deadline`, or until nothing can come any more.
    pub(crate) async fn wait<T>(
        &self,
        deadline: Instant,
        look: impl FnMut(&[Entry]) -> Option<T>,
    ) -> Option<T> {
        let begun = Instant::now();
        let found = self.look_until(deadline, look).await;
        self.add_wait(begun.elapsed());
        found
    }

    /// As [`World::wait`], beside another wait that is counted.
    pub(crate) async fn look_until<T>(
        &self,
        deadline: Instant,
        mut look: impl FnMut(&[Entry]) -> Option<T>,
    ) -> Option<T> {
        loop {
            // The future exists before the look, so that no change between the two is lost.
            let changed = self.changed.notified();
            if let Some(found) = look(&self.trace.borrow()) {
                return Some(found);
            }
            let limit = self.over.get().map_or(deadline, |over| deadline.min(over));
            if timeout_at(limit, changed).await.is_err() {
                return look(&self.trace.borrow());
            }
        }
    }

    /// Waits for the next change, at most until `deadline`; whether there was one.
    pub(crate) async fn change(&self, deadline: Instant) -> bool {
        let begun = Instant::now();
        let changed = timeout_at(deadline, self.changed.notified()).await.is_ok();
        self.add_wait(begun.elapsed());
        changed
    }

    /// Counts time that was spent waiting for something outside the trace.
    pub(crate) fn add_wait(&self, waited: Duration) {
        self.waited.set(self.waited.get() + waited);
    }

    /// When nothing can come any more, once the orchestrator has ended.
    pub(crate) fn over(&self) -> Option<Instant> {
        self.over.get()
    }

    /// Microseconds since the case began.
    pub(crate) fn elapsed_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// How much of that was waiting.
    pub(crate) fn waited_us(&self) -> u64 {
        u64::try_from(self.waited.get().as_micros()).unwrap_or(u64::MAX)
    }
}
