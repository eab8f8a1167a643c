//! Which process belongs to which launch, and whether any is left.
//!
//! # How nothing gets away
//!
//! The group of a launch is every process that descends from its leader. Linux has no call that names them, but it
//! has a rule: a process whose parent ends becomes the child of its nearest subreaper, and that is us. So each living
//! group has at least one member that is our own child: the leader, or an *orphan* that was reparented to us. A group
//! is empty exactly when its leader and all its orphans are reaped, and a look at our own children after each
//! reaping finds the new ones, however often they forked and whatever session they are in.
//!
//! Whose an orphan is, its environment says (`PARTENZA_MODULE`, `PARTENZA_GENERATION`, `PARTENZA_RUNTIME_DIR`), else its
//! session, else an earlier walk over the descendants, else the fact that exactly one leader ended just before. An
//! orphan that none of these can place is a stray; strays are ended when the orchestrator ends.
//!
//! A group that was sent SIGKILL is *doomed*: each orphan found later is killed when it is found, so that a process
//! that forks while it is being killed gains nothing.

use std::collections::{HashMap, HashSet};

use nix::libc;
use partenza_reference_core::ModuleId;
use partenza_reference_core::machine::ExitStatus;

use crate::interpose::Interpose;
use crate::sys::{proc, signal};

/// A leader or a probe that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Leader {
        launch: u64,
        status: ExitStatus,
    },
    Probe {
        probe: u64,
        status: ExitStatus,
    },
    /// The leader and every other process of the launch are gone.
    Group {
        launch: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Leader(u64),
    Orphan(u64),
    Probe(u64),
    Stray,
    /// A child that this process had before it became an orchestrator. It is reaped, and otherwise left alone.
    Inherited,
}

#[derive(Debug)]
struct Group {
    module: ModuleId,
    generation: u64,
    leader: u32,
    leader_lives: bool,
    orphans: HashSet<u32>,
    /// Descendants that a walk has met, with their start time.
    met: HashMap<u32, u64>,
    doomed: bool,
}

/// All groups, by launch number.
#[derive(Debug)]
pub(super) struct Groups {
    groups: HashMap<u64, Group>,
    owners: HashMap<u32, Owner>,
    runtime_dir: String,
    /// Whether our children were looked at in this turn of the loop.
    looked: bool,
}

impl Groups {
    pub(super) fn new(runtime_dir: String) -> Self {
        let owners = proc::own_children()
            .into_iter()
            .map(|pid| (pid, Owner::Inherited))
            .collect();
        Self {
            groups: HashMap::new(),
            owners,
            runtime_dir,
            looked: false,
        }
    }

    pub(super) fn add(&mut self, launch: u64, leader: u32, module: ModuleId, generation: u64) {
        self.owners.insert(leader, Owner::Leader(launch));
        let (orphans, met) = (HashSet::new(), HashMap::new());
        let group = Group {
            module,
            generation,
            leader,
            leader_lives: true,
            orphans,
            met,
            doomed: false,
        };
        self.groups.insert(launch, group);
    }

    pub(super) fn add_probe(&mut self, probe: u64, pid: u32) {
        self.owners.insert(pid, Owner::Probe(probe));
    }

    pub(super) fn begin_turn(&mut self) {
        self.looked = false;
    }

    /// The leader, until it is reaped.
    pub(super) fn leader(&self, launch: u64) -> Option<u32> {
        self.groups
            .get(&launch)
            .filter(|group| group.leader_lives)
            .map(|group| group.leader)
    }

    /// Sends a signal to every process of the group.
    pub(super) fn signal(&mut self, launch: u64, number: i32) {
        if !self.looked {
            // Those that forked themselves away from a living leader are found here.
            self.adopt(&[]);
        }
        let Some(group) = self.groups.get_mut(&launch) else {
            return;
        };
        group.doomed |= number == libc::SIGKILL;
        let mut others: Vec<u32> = Vec::new();
        for top in group
            .orphans
            .iter()
            .copied()
            .chain(group.leader_lives.then_some(group.leader))
        {
            others.push(top);
            others.extend(proc::descendants(top));
        }
        for pid in others.iter().filter(|pid| **pid != group.leader) {
            if let Some(stat) = proc::stat(*pid) {
                group.met.insert(*pid, stat.started);
            }
        }
        // A process group lives as long as any of its members, so its number is ours if one of ours is in it.
        let in_group: HashSet<u32> = others
            .iter()
            .copied()
            .filter(|pid| proc::group_of(*pid) == Some(group.leader))
            .collect();
        if !in_group.is_empty() {
            signal::to_group(group.leader, number);
        }
        for pid in others.iter().filter(|pid| !in_group.contains(pid)) {
            if *pid == group.leader || group.orphans.contains(pid) {
                signal::to_child(*pid, number);
            } else {
                let met = group.met.get(pid).copied();
                signal::to_stranger(*pid, number, || proc::stat(*pid).map(|stat| stat.started) == met);
            }
        }
    }

    /// Sends a signal to the leader alone.
    pub(super) fn signal_leader(&self, launch: u64, number: i32) {
        if let Some(pid) = self.leader(launch) {
            signal::to_child(pid, number);
        }
    }

    /// Kills a probe's process and all below it.
    pub(super) fn kill_probe(&self, pid: u32) {
        let below = proc::descendants(pid);
        signal::to_group(pid, libc::SIGKILL);
        for pid in below {
            let started = proc::stat(pid).map(|stat| stat.started);
            signal::to_stranger(pid, libc::SIGKILL, || {
                started.is_some() && proc::stat(pid).map(|stat| stat.started) == started
            });
        }
    }

    /// Reaps every child that has ended, and finds out which groups are empty.
    pub(super) fn reap(&mut self, interpose: &mut impl Interpose) -> Vec<Ended> {
        let mut ended = Vec::new();
        loop {
            let mut left: Vec<u64> = Vec::new();
            let mut anything = false;
            while let Some((pid, status)) = interpose.next_ended(proc::reap) {
                anything = true;
                match self.owners.remove(&pid) {
                    Some(Owner::Leader(launch)) => {
                        if let Some(group) = self.groups.get_mut(&launch) {
                            group.leader_lives = false;
                        }
                        left.push(launch);
                        ended.push(Ended::Leader { launch, status });
                    }
                    Some(Owner::Orphan(launch)) => {
                        if let Some(group) = self.groups.get_mut(&launch) {
                            group.orphans.remove(&pid);
                        }
                    }
                    Some(Owner::Probe(probe)) => ended.push(Ended::Probe { probe, status }),
                    Some(Owner::Stray | Owner::Inherited) | None => {}
                }
            }
            if !anything {
                break;
            }
            // What these processes have left behind is ours now. If some of it has ended too, reap once more.
            if !self.adopt(&left) {
                break;
            }
        }
        self.groups.retain(|launch, group| {
            let empty = !group.leader_lives && group.orphans.is_empty();
            if empty {
                ended.push(Ended::Group { launch: *launch });
            }
            !empty
        });
        ended
    }

    /// Looks for children that we did not start. The answer is whether one of them has already ended.
    fn adopt(&mut self, just_ended: &[u64]) -> bool {
        self.looked = true;
        let mut zombies = false;
        for pid in proc::own_children() {
            if self.owners.contains_key(&pid) {
                continue;
            }
            let Some(stat) = proc::stat(pid) else { continue };
            if stat.zombie {
                zombies = true;
                continue;
            }
            let launch = self.place(pid, &stat).or(match just_ended {
                [only] => Some(*only),
                _ => None,
            });
            let group = launch.and_then(|launch| Some((launch, self.groups.get_mut(&launch)?)));
            let Some((launch, group)) = group else {
                self.owners.insert(pid, Owner::Stray);
                continue;
            };
            group.orphans.insert(pid);
            self.owners.insert(pid, Owner::Orphan(launch));
            if group.doomed {
                kill_tree(pid);
            }
        }
        zombies
    }

    /// Whose process this is, by what can be read from it.
    fn place(&self, pid: u32, stat: &proc::Stat) -> Option<u64> {
        let environment = proc::environment(pid).unwrap_or_default();
        let variable = |name: &str| {
            environment
                .split(|byte| *byte == 0)
                .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
                .and_then(|value| std::str::from_utf8(value).ok())
        };
        let ours = variable("PARTENZA_RUNTIME_DIR").is_some_and(|dir| dir.starts_with(&self.runtime_dir));
        let named = variable("PARTENZA_MODULE")
            .zip(variable("PARTENZA_GENERATION"))
            .filter(|_| ours);
        self.find(|group| {
            named.is_some_and(|(module, generation)| {
                group.module.as_str() == module && generation.parse() == Ok(group.generation)
            })
        })
        .or_else(|| self.find(|group| group.leader == stat.session))
        .or_else(|| self.find(|group| group.met.get(&pid) == Some(&stat.started)))
    }

    fn find(&self, mut wanted: impl FnMut(&Group) -> bool) -> Option<u64> {
        self.groups
            .iter()
            .find_map(|(launch, group)| wanted(group).then_some(*launch))
    }

    /// Kills whatever is left below us that we did not inherit. The answer is whether anything is.
    pub(super) fn sweep(&mut self) -> bool {
        while let Some((pid, _)) = proc::reap() {
            self.owners.remove(&pid);
        }
        let left: Vec<u32> = proc::own_children()
            .into_iter()
            .filter(|pid| self.owners.get(pid) != Some(&Owner::Inherited))
            .collect();
        left.iter().for_each(|pid| kill_tree(*pid));
        !left.is_empty()
    }
}

/// Kills a child of ours and all below it.
fn kill_tree(pid: u32) {
    let below: Vec<(u32, Option<u64>)> = proc::descendants(pid)
        .into_iter()
        .map(|pid| (pid, proc::stat(pid).map(|stat| stat.started)))
        .collect();
    signal::to_child(pid, libc::SIGKILL);
    for (pid, started) in below {
        signal::to_stranger(pid, libc::SIGKILL, || {
            started.is_some() && proc::stat(pid).map(|stat| stat.started) == started
        });
    }
}
