//! Reads `/proc`: which processes there are, what they were given and what they hold.
//!
//! Processes come and go while one reads. A process that is gone is `None` or an empty list, never an error, and a pid
//! is only trusted together with its start time. Nothing here sends a signal or waits.
mod files;

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read},
    path::PathBuf,
};

pub use files::{OpenFile, open_files};

/// One process, as `/proc/PID/stat` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its parent's id.
    pub ppid: i32,
    /// Its process group.
    pub pgid: i32,
    /// Its session.
    pub sid: i32,
    /// The kernel's letter: `R`, `S`, `D`, `T`, `Z` and so on.
    pub state: char,
    /// When it started, in clock ticks since boot. With the pid it names a process for good.
    pub starttime: u64,
    /// Its name, at most 15 bytes.
    pub comm: String,
}

impl Process {
    /// Whether it still runs: a zombie has only its parent to wait for.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Whether this pid still is this process, alive or not.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.pid == other.pid && self.starttime == other.starttime
    }
}

/// What `/proc/PID/status` says about a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The file mode mask.
    pub umask: Option<u32>,
    /// Signals that it blocks, as a mask; bit 0 is signal 1.
    pub blocked: u64,
    /// Signals that it ignores.
    pub ignored: u64,
    /// Signals that it handles.
    pub caught: u64,
    /// Real, effective, saved and file system user.
    pub uids: Vec<u32>,
    /// Real, effective, saved and file system group.
    pub gids: Vec<u32>,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// The effective capabilities, as a mask.
    pub capabilities: u64,
    /// Whether it can never gain privileges.
    pub no_new_privs: bool,
}

/// Every process there is.
///
/// # Errors
/// When `/proc` cannot be read at all.
pub fn processes() -> io::Result<Vec<Process>> {
    let mut list = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        if let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) {
            list.extend(process(pid));
        }
    }
    Ok(list)
}

/// One process.
#[must_use]
pub fn process(pid: i32) -> Option<Process> {
    parse_stat(&read_text(pid, "stat")?)
}

/// Every process below this one, children before grandchildren. The process itself is not among them.
///
/// # Errors
/// When `/proc` cannot be read at all.
pub fn descendants(pid: i32) -> io::Result<Vec<Process>> {
    Ok(below(pid, processes()?))
}

/// As [`descendants`], among processes that were listed before.
#[must_use]
pub fn below(pid: i32, all: Vec<Process>) -> Vec<Process> {
    let mut children: HashMap<i32, Vec<Process>> = HashMap::new();
    for process in all {
        children.entry(process.ppid).or_default().push(process);
    }
    let mut found = children.remove(&pid).unwrap_or_default();
    let mut next = 0;
    while next < found.len() {
        // Removing what was taken makes this end even if the listing, which is no snapshot, holds a circle.
        found.extend(children.remove(&found[next].pid).unwrap_or_default());
        next += 1;
    }
    found
}

/// The children of a process by the kernel's own list, or `None` where the kernel keeps none for us.
///
/// It costs a few reads instead of a look at every process of the machine. But a child that ends while the list is
/// read can hide its siblings, so that a child in the list proves something and an empty list proves nothing.
#[must_use]
pub fn children(pid: i32) -> Option<Vec<Process>> {
    let mut found = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let task = task.ok()?.file_name();
        let list = read_text(pid, &format!("task/{}/children", task.to_str()?))?;
        let pids = list
            .split_ascii_whitespace()
            .filter_map(|child| child.parse().ok());
        found.extend(pids.filter_map(process));
    }
    Some(found)
}

/// The command line; empty for a zombie and for a kernel thread.
#[must_use]
pub fn cmdline(pid: i32) -> Vec<String> {
    strings(pid, "cmdline")
}

/// The environment the process was started with, entry by entry; empty when it may not be read.
#[must_use]
pub fn environ(pid: i32) -> Vec<String> {
    strings(pid, "environ")
}

/// The working directory.
#[must_use]
pub fn cwd(pid: i32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// Signals, users and the like.
#[must_use]
pub fn status(pid: i32) -> Option<Status> {
    Some(parse_status(&read_text(pid, "status")?))
}

fn read_text(pid: i32, file: &str) -> Option<String> {
    // `fs::read` asks for the size, which is 0 here, and then feels its way in small steps; these files are read
    // thousands of times in a run.
    let mut file = File::open(format!("/proc/{pid}/{file}")).ok()?;
    let mut bytes = Vec::with_capacity(PAGE);
    while file.by_ref().take(PAGE as u64).read_to_end(&mut bytes).ok()? == PAGE {
        bytes.reserve(PAGE);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn strings(pid: i32, file: &str) -> Vec<String> {
    let text = read_text(pid, file).unwrap_or_default();
    let text = text.strip_suffix('\0').unwrap_or(&text);
    if text.is_empty() {
        Vec::new()
    } else {
        text.split('\0').map(str::to_owned).collect()
    }
}

/// The name may hold spaces and parentheses, so that the line is taken apart from its last `)`.
fn parse_stat(line: &str) -> Option<Process> {
    let (head, tail) = line.rsplit_once(')')?;
    let (pid, comm) = head.split_once('(')?;
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<i32>().ok();
    Some(Process {
        pid: pid.trim().parse().ok()?,
        ppid: number(1)?,
        pgid: number(2)?,
        sid: number(3)?,
        state: fields.first()?.chars().next()?,
        starttime: fields.get(19)?.parse().ok()?,
        comm: comm.to_owned(),
    })
}

fn parse_status(text: &str) -> Status {
    let mut status = Status::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        let mask = || u64::from_str_radix(value, 16).unwrap_or(0);
        let list = || {
            value
                .split_ascii_whitespace()
                .filter_map(|id| id.parse().ok())
                .collect()
        };
        match key {
            "Umask" => status.umask = u32::from_str_radix(value, 8).ok(),
            "SigBlk" => status.blocked = mask(),
            "SigIgn" => status.ignored = mask(),
            "SigCgt" => status.caught = mask(),
            "Uid" => status.uids = list(),
            "Gid" => status.gids = list(),
            "Groups" => status.groups = list(),
            "CapEff" => status.capabilities = mask(),
            "NoNewPrivs" => status.no_new_privs = value == "1",
            _ => {}
        }
    }
    status
}

/// How much is read at once: what the kernel hands out of such a file in one go.
const PAGE: usize = 4096;

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_is_no_trap() {
        let line = "42 (a) S 1 (b) S 7 40 39 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 987 1 2 3";
        let process = parse_stat(line).unwrap();
        assert_eq!(
            (process.pid, process.ppid, process.pgid, process.sid),
            (42, 7, 40, 39)
        );
        assert_eq!(
            (process.comm.as_str(), process.state, process.starttime),
            ("a) S 1 (b", 'S', 987)
        );
        assert_eq!(parse_stat("garbage"), None);
    }

    #[test]
    fn this_very_process_is_read_right() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let own = process(pid).unwrap();
        assert!(own.is_alive() && own.ppid == nix::unistd::getppid().as_raw());
        assert!(own.is_same(&process(pid).unwrap()));
        assert_eq!(cmdline(pid), std::env::args().collect::<Vec<_>>());
        assert_eq!(cwd(pid).unwrap(), std::env::current_dir().unwrap());
        let status = status(pid).unwrap();
        assert_eq!(status.uids[0], nix::unistd::getuid().as_raw());
        // The Rust runtime ignores SIGPIPE.
        assert!(crate::signals::names_in_mask(status.ignored).contains(&"PIPE".to_owned()));
        assert_eq!(process_that_is_gone(), (None, Vec::new()));
    }

    fn process_that_is_gone() -> (Option<Status>, Vec<String>) {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        (status(pid), cmdline(pid))
    }

    #[test]
    fn descendants_are_found_through_generations() {
        // The shell tells when its child is up, and both live until standard input ends.
        let mut shell = Command::new("sh")
            .args(["-c", "sh -c 'echo up; read line' & echo up; wait; read line"])
            .env("MARK", "a b")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = io::BufRead::lines(io::BufReader::new(shell.stdout.take().unwrap()));
        assert_eq!(lines.next().unwrap().unwrap(), "up");
        let pid = i32::try_from(shell.id()).unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(descendants(own).unwrap().iter().any(|process| process.pid == pid));
        assert!(environ(pid).contains(&"MARK=a b".to_owned()));
        shell.kill().unwrap();
        assert_eq!(shell.wait().unwrap().code(), None);
    }

    #[test]
    fn a_listing_with_a_circle_is_no_endless_loop() {
        let make = |pid, ppid| Process {
            pid,
            ppid,
            pgid: 1,
            sid: 1,
            state: 'S',
            starttime: 0,
            comm: String::new(),
        };
        let found = below(1, vec![make(2, 1), make(3, 2), make(1, 3), make(9, 8)]);
        assert_eq!(
            found.iter().map(|process| process.pid).collect::<Vec<_>>(),
            [2, 3, 1]
        );
    }
}
