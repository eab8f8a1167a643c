//! Deadlines: one slot per module and kind, and one heap over all of them.
//!
//! Setting or clearing a deadline never searches: an entry of the heap counts only while its slot still holds the same
//! time, and entries that no longer count are thrown away when they surface.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// L4 has to be there.
    Handshake,
    /// `ready` has to be there.
    Start,
    /// SIGTERM is due.
    Term,
    /// SIGKILL is due, and again until the group is empty.
    Kill,
    /// The delay before a restart.
    Backoff,
    /// The module has been ready long enough for its counters to be reset.
    Stable,
    /// The next health check.
    Health,
    /// The running wire check has taken too long.
    HealthReply,
    /// The socket is closed; the exit should have been seen by now.
    Exit,
}

/// The number of kinds.
const KINDS: usize = 9;

/// The slots of one module.
pub(super) type Slots = [Option<u64>; KINDS];

/// The heap over the deadlines of all modules.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(u64, usize, Timer)>>,
}

impl Deadlines {
    /// Sets the deadline of one module and kind, in place of an earlier one.
    pub(super) fn set(&mut self, slots: &mut Slots, module: usize, timer: Timer, at: u64) {
        let slot = &mut slots[timer as usize];
        if *slot != Some(at) {
            *slot = Some(at);
            self.heap.push(Reverse((at, module, timer)));
        }
    }

    /// The earliest deadline that still counts. `slot_of` looks a slot up.
    pub(super) fn earliest(
        &mut self,
        slot_of: impl Fn(usize, Timer) -> Option<u64>,
    ) -> Option<(u64, usize, Timer)> {
        while let Some(Reverse((at, module, timer))) = self.heap.peek().copied() {
            if slot_of(module, timer) == Some(at) {
                return Some((at, module, timer));
            }
            self.heap.pop();
        }
        None
    }

    /// The time of the first entry; after [`earliest`](Self::earliest) it is one that counts.
    pub(super) fn first(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_was_moved_or_cleared_does_not_count() {
        let mut deadlines = Deadlines::default();
        let mut slots: Slots = [None; KINDS];
        deadlines.set(&mut slots, 0, Timer::Start, 10);
        deadlines.set(&mut slots, 0, Timer::Start, 20);
        deadlines.set(&mut slots, 0, Timer::Kill, 15);
        assert_eq!(
            deadlines.earliest(|_, timer| slots[timer as usize]),
            Some((15, 0, Timer::Kill))
        );
        slots[Timer::Kill as usize] = None;
        assert_eq!(
            deadlines.earliest(|_, timer| slots[timer as usize]),
            Some((20, 0, Timer::Start))
        );
        slots[Timer::Start as usize] = None;
        assert_eq!(deadlines.earliest(|_, timer| slots[timer as usize]), None);
        assert_eq!(deadlines.first(), None);
    }
}
