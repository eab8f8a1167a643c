//! Processes: which exist below us, and how they ended.
//!
//! This is the one place that waits for children, and it waits for all of them: a second waiter would steal
//! the exit status of the first. It reads `/proc` as untrusted text and treats what it cannot read as absent.

use std::fs;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::libc;
use nix::unistd::{Pid, getpgid};
use partenza_reference_core::machine::ExitStatus;

/// The next child that has ended, reaped by this very call.
pub(crate) fn reap() -> Option<(u32, ExitStatus)> {
    wait(libc::P_ALL, 0, libc::WNOHANG)
}

/// Waits for one child that is known to be ending right now.
pub(crate) fn reap_ending(pid: u32) {
    let _ = wait(libc::P_PID, pid, 0);
}

fn wait(kind: libc::idtype_t, pid: u32, flags: i32) -> Option<(u32, ExitStatus)> {
    loop {
        let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
        // The raw call, because nix cannot express the end by a real-time signal and would lose the child.
        // SAFETY: `info` is writable for the call, and zero is a value of this plain structure.
        let (result, info) = unsafe {
            let result = libc::waitid(kind, pid, info.as_mut_ptr(), libc::WEXITED | flags);
            (result, info.assume_init())
        };
        match Errno::result(result) {
            Err(Errno::EINTR) => {}
            Err(_) => return None,
            Ok(_) => {
                // SAFETY: after `waitid` the fields of the SIGCHLD form are the ones that are set; if nothing has
                // ended they are zero.
                let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
                let pid = u32::try_from(pid).ok().filter(|pid| *pid != 0)?;
                let exited = info.si_code == libc::CLD_EXITED;
                return Some((
                    pid,
                    if exited {
                        ExitStatus::Code(status)
                    } else {
                        ExitStatus::Signal(status)
                    },
                ));
            }
        }
    }
}

/// The children of this process, including those that ended and were not reaped.
pub(crate) fn own_children() -> Vec<u32> {
    let me = std::process::id();
    children_of_thread(me, me).unwrap_or_else(|| children_by_parent(me))
}

/// Every living descendant of a process, breadth first, without the process itself. Processes that start while this
/// runs may be missed; who needs them all asks again.
pub(crate) fn descendants(root: u32) -> Vec<u32> {
    let mut found: Vec<u32> = Vec::new();
    let mut next = 0;
    let mut parent = root;
    while found.len() < MOST_DESCENDANTS {
        found.extend(children(parent));
        let Some(following) = found.get(next) else { break };
        parent = *following;
        next += 1;
    }
    found
}

fn children(parent: u32) -> Vec<u32> {
    // A child hangs below the thread that forked it.
    let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else {
        return Vec::new();
    };
    if !has_children_files() {
        return children_by_parent(parent);
    }
    threads
        .flatten()
        .filter_map(|thread| thread.file_name().to_str()?.parse().ok())
        .filter_map(|thread| children_of_thread(parent, thread))
        .flatten()
        .collect()
}

fn has_children_files() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    let me = std::process::id();
    *ANSWER.get_or_init(|| children_of_thread(me, me).is_some())
}

fn children_of_thread(process: u32, thread: u32) -> Option<Vec<u32>> {
    let text = fs::read_to_string(format!("/proc/{process}/task/{thread}/children")).ok()?;
    Some(
        text.split_ascii_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect(),
    )
}

/// The slow way, for kernels without `CONFIG_PROC_CHILDREN`.
fn children_by_parent(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| stat(*pid).is_some_and(|stat| stat.parent == parent))
        .collect()
}

/// What `/proc/<pid>/stat` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Whether the process has ended and waits to be reaped.
    pub(crate) zombie: bool,
    /// The parent.
    pub(crate) parent: u32,
    /// The session.
    pub(crate) session: u32,
    /// When it started, in clock ticks since the boot of the machine. With the pid it names a process for good.
    pub(crate) started: u64,
}

pub(crate) fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&String::from_utf8_lossy(&text))
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name stands in parentheses and may itself hold any character, so only the last one counts.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Stat {
        zombie: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// The process group of a process.
pub(crate) fn group_of(pid: u32) -> Option<u32> {
    let pid = i32::try_from(pid).ok()?;
    getpgid(Some(Pid::from_raw(pid))).ok().map(number)
}

/// The environment with which a process was started, as far as we may read it.
pub(crate) fn environment(pid: u32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/environ")).ok()
}

fn number(pid: Pid) -> u32 {
    u32::try_from(pid.as_raw()).unwrap_or(0)
}

/// A bound on what one walk may collect. A fork bomb is killed in several rounds.
const MOST_DESCENDANTS: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = "77 (a) Z 1 (x) S 12 77 70 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 424242 0 0";
        let stat = parse_stat(text).unwrap();
        assert_eq!(
            stat,
            Stat {
                zombie: false,
                parent: 12,
                session: 70,
                started: 424_242
            }
        );
        assert_eq!(parse_stat("77 (a"), None);
        assert_eq!(parse_stat("77 (a) S 1"), None);
    }

    #[test]
    fn we_can_read_ourselves() {
        let me = std::process::id();
        assert!(stat(me).is_some_and(|stat| !stat.zombie && stat.parent != 0));
        assert!(environment(me).is_some());
        assert!(group_of(me).is_some());
    }
}
