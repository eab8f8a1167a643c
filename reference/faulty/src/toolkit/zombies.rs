//! Children that a fault leaves unreaped.
//!
//! It owns the one thing that cannot be done from events and effects: to reap all children but some.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::rc::Rc;

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use partenza_reference_core::machine::{Event, ExitStatus};

use super::fault::Fault;

/// The pids that are left alone, known as soon as their parent has spoken.
pub(super) type Spared = Rc<RefCell<BTreeSet<u32>>>;

impl Fault {
    /// The children of this module are never reaped, and its group counts as empty when its leader has ended.
    pub(crate) fn leaves_zombies(mut self, name: &'static str) -> Self {
        let spared = Spared::default();
        self.spared = Some(Rc::clone(&spared));
        let mut leader = None;
        self.event(move |_, event| {
            match &event {
                Event::Spawned { module, pid, .. } if module.as_str() == name => leader = Some(*pid),
                Event::Bytes { module, .. } if module.as_str() == name => {
                    spared
                        .borrow_mut()
                        .extend(leader.iter().flat_map(|pid| children(*pid)));
                }
                _ => {}
            }
            vec![event]
        })
        .empty_with_leader(name, |_| true)
    }
}

/// Reaps one child that has ended and is not spared.
pub(super) fn reap_others(spared: &Spared) -> Option<(u32, ExitStatus)> {
    let spared = spared.borrow();
    let others = children(std::process::id())
        .into_iter()
        .filter(|pid| !spared.contains(pid));
    others.into_iter().find_map(|pid| {
        let id = Id::Pid(Pid::from_raw(i32::try_from(pid).ok()?));
        match waitid(id, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
            Ok(WaitStatus::Exited(_, code)) => Some((pid, ExitStatus::Code(code))),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some((pid, ExitStatus::Signal(signal as i32))),
            Ok(_) | Err(_) => None,
        }
    })
}

/// The children of a process; the orchestrator has one thread, and so have the modules of the suites.
fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_ascii_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}
