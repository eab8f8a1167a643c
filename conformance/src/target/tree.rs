//! The processes of one case: which they are, and how to get rid of them.
//!
//! A process belongs to a case when it descends from the target, or when it is an orphan that this harness inherited and
//! that shows the case: it was seen as a descendant before, it is in a session that was, or its environment or its
//! arguments hold the case's directory. Only such processes are signalled or reaped, each by its pid. Several cases run
//! in one harness, so that `waitpid(-1)` would steal from the others.
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::{Pid, getpid},
};
use partenza_probe::proc::{self, Process};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

/// The processes of one case.
#[derive(Debug)]
pub(super) struct Tree {
    /// The pid of the target.
    target: i32,
    /// The case's private directory as text, when it marks processes of this tree and of no other.
    root: Option<String>,
    /// Every process ever seen, by pid and start time.
    seen: BTreeMap<(i32, u64), Process>,
    /// Every session ever seen that is not the harness's own.
    sessions: BTreeSet<i32>,
    /// Children of the harness that were found to belong to somebody else, so that each is asked once.
    strangers: BTreeSet<(i32, u64)>,
    /// Whether a sweep has found that nobody is left; the target had ended before.
    swept: bool,
}

impl Tree {
    /// The tree of a target, to which everything belongs that shows the case's directory.
    pub(super) fn new(target: i32, root: &Path) -> Self {
        Self {
            root: Some(root.to_string_lossy().into_owned()),
            ..Self::of_descendants(target)
        }
    }

    /// The tree of a command that runs beside a target, to which only its descendants belong.
    pub(super) fn of_descendants(target: i32) -> Self {
        Self {
            target,
            root: None,
            seen: BTreeMap::new(),
            sessions: BTreeSet::from([target]),
            strangers: BTreeSet::new(),
            swept: false,
        }
    }

    /// Looks around, and gives back who is alive. The target itself is not among them.
    ///
    /// The quick look can only miss somebody, so that whom it finds is there; that nobody is there takes the full one.
    pub(super) fn census(&mut self) -> Vec<Process> {
        let quick = self.quick_look();
        let found = if quick.is_empty() { self.full_look() } else { quick };
        for process in &found {
            self.sessions.insert(process.sid);
            self.seen
                .insert((process.pid, process.starttime), process.clone());
        }
        let mut alive = found;
        alive.retain(Process::is_alive);
        alive.sort_by_key(|process| process.pid);
        alive.dedup_by_key(|process| process.pid);
        alive
    }

    /// The living by the kernel's lists of children: below the target, and below the orphans that became ours.
    fn quick_look(&mut self) -> Vec<Process> {
        let mut found = proc::children(self.target).unwrap_or_default();
        for process in proc::children(getpid().as_raw()).unwrap_or_default() {
            if self.belongs(&process) {
                found.push(process);
            }
        }
        let mut next = 0;
        while next < found.len() && found.len() < CROWD {
            found.extend(proc::children(found[next].pid).unwrap_or_default());
            next += 1;
        }
        found.retain(Process::is_alive);
        found
    }

    /// Descendants and inherited orphans, dead or alive, among all processes of the machine.
    fn full_look(&mut self) -> Vec<Process> {
        let own = getpid().as_raw();
        let all = proc::processes().unwrap_or_default();
        let mut found = proc::below(self.target, all.clone());
        for orphan in &all {
            if (orphan.ppid == own || orphan.ppid == 1) && self.belongs(orphan) {
                found.extend(proc::below(orphan.pid, all.clone()));
                found.push(orphan.clone());
            }
        }
        found
    }

    /// Kills and reaps `alive`, as a census has just found them, and whoever shows up meanwhile, until nobody is left or
    /// the time is over; gives back who is left.
    pub(super) async fn sweep(&mut self, mut alive: Vec<Process>, patience: Duration) -> Vec<Process> {
        let until = Instant::now() + patience;
        let mut deaths = signal(SignalKind::child()).ok();
        loop {
            for process in &alive {
                // It may be gone by now, which is what is wanted.
                let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
            }
            self.reap();
            if alive.is_empty() || Instant::now() >= until {
                self.swept = alive.is_empty();
                return alive;
            }
            // A death wakes this up at once; the tick is for processes that are not our children yet.
            match &mut deaths {
                Some(deaths) => drop(tokio::time::timeout(TICK, deaths.recv()).await),
                None => tokio::time::sleep(TICK).await,
            }
            alive = self.census();
        }
    }

    /// Kills everybody that is known, without waiting. For a harness that gives up; after a sweep there is nobody.
    pub(super) fn abandon(&mut self) {
        if self.swept {
            return;
        }
        for process in self.census() {
            let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
        }
        self.reap();
    }

    /// Reaps the dead of this case that became our children. The target itself has its own waiter.
    fn reap(&self) {
        let own = getpid().as_raw();
        // Whom the kernel's list of children hides for a moment is reaped with the next tree, or with the harness.
        let ours = proc::children(own).or_else(|| proc::processes().ok());
        for process in ours.unwrap_or_default() {
            let inherited = process.ppid == own && process.pid != self.target && !process.is_alive();
            if inherited && self.is_ours(&process) {
                let _ = waitpid(Pid::from_raw(process.pid), Some(WaitPidFlag::WNOHANG));
            }
        }
    }

    fn is_ours(&self, process: &Process) -> bool {
        self.seen.contains_key(&(process.pid, process.starttime)) || self.sessions.contains(&process.sid)
    }

    fn belongs(&mut self, process: &Process) -> bool {
        if process.pid == self.target || process.pid == getpid().as_raw() {
            return false;
        }
        let identity = (process.pid, process.starttime);
        if self.is_ours(process) {
            return true;
        }
        if self.strangers.contains(&identity) {
            return false;
        }
        let shows = |text: &String| self.root.as_ref().is_some_and(|root| text.contains(root));
        let ours =
            proc::environ(process.pid).iter().any(shows) || proc::cmdline(process.pid).iter().any(shows);
        if !ours {
            self.strangers.insert(identity);
        }
        ours
    }
}

/// No case has as many processes; more is a listing that runs in a circle, or a fork bomb that the full look shall count.
const CROWD: usize = 4096;

const TICK: Duration = Duration::from_millis(10);
