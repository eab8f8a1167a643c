//! External health probes: commands, and connections over TCP, HTTP and Unix sockets.
//!
//! It owns running them beside everything else and giving exactly one answer each, at the latest at the deadline. It
//! refuses to resolve names over a network, because that waits; numbers, `localhost` and `/etc/hosts` are enough for
//! a service on this machine.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use partenza_reference_core::ModuleId;
use partenza_reference_core::machine::{Event, ExitStatus, ProbeSpec};

use super::group::Groups;
use super::launch::probe_launch;
use super::probe_http::Exchange;
use super::token::Token;
use crate::sys::net::{begin_tcp, begin_unix, outcome};
use crate::sys::poll::{Interest, Poller};
use crate::sys::spawn::Spawner;

#[derive(Debug)]
struct Probe {
    module: ModuleId,
    generation: u64,
    deadline: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Command { pid: u32 },
    Connect { socket: OwnedFd },
    Http { socket: OwnedFd, exchange: Exchange },
}

/// What a probe needs of its surroundings.
pub(super) struct Around<'a> {
    pub(super) poller: &'a Poller,
    pub(super) spawner: &'a mut Spawner,
    pub(super) groups: &'a mut Groups,
}

/// All running probes.
#[derive(Debug, Default)]
pub(super) struct Probes {
    running: HashMap<u64, Probe>,
    deadlines: BTreeSet<(u64, u64)>,
    next: u64,
}

impl Probes {
    /// Starts a probe. The answer is there at once if it could not even begin.
    pub(super) fn start(
        &mut self,
        around: &mut Around<'_>,
        (module, generation): (ModuleId, u64),
        spec: ProbeSpec,
        deadline: u64,
    ) -> Option<Event> {
        let number = self.next;
        self.next += 1;
        match begin(around, number, spec) {
            Ok(kind) => {
                self.deadlines.insert((deadline, number));
                self.running.insert(
                    number,
                    Probe {
                        module,
                        generation,
                        deadline,
                        kind,
                    },
                );
                None
            }
            Err(detail) => Some(Event::ProbeDone {
                module,
                generation,
                ok: false,
                detail,
            }),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Ends the probes whose time is over.
    pub(super) fn expire(&mut self, around: &Around<'_>, now: u64, events: &mut impl Extend<Event>) {
        while let Some((_, number)) = self
            .deadlines
            .first()
            .copied()
            .filter(|(deadline, _)| *deadline <= now)
        {
            events.extend(self.finish(around, number, Err("timed out".to_owned())));
        }
    }

    /// The socket of a probe is ready.
    pub(super) fn progress(&mut self, around: &Around<'_>, number: u64, events: &mut impl Extend<Event>) {
        let Some(probe) = self.running.get_mut(&number) else {
            return;
        };
        let result = match &mut probe.kind {
            Kind::Command { .. } => return,
            Kind::Connect { socket } => outcome(&*socket).map_err(describe),
            Kind::Http { socket, exchange } => match exchange.advance(socket) {
                Some(result) => result,
                None => {
                    if exchange.asked() {
                        let token = Token::Probe(number).encode();
                        // It fails only for a descriptor that is not in the set.
                        let _ = around.poller.change(&*socket, token, Interest::READ);
                    }
                    return;
                }
            },
        };
        events.extend(self.finish(around, number, result));
    }

    /// The process of a probe was reaped.
    pub(super) fn exited(
        &mut self,
        around: &Around<'_>,
        number: u64,
        status: ExitStatus,
        events: &mut impl Extend<Event>,
    ) {
        if let Some(probe) = self.running.get_mut(&number) {
            // Its number may be used again from now on.
            probe.kind = Kind::Command { pid: 0 };
        }
        let result = if status.is_success() {
            Ok(())
        } else {
            Err(status.to_string())
        };
        events.extend(self.finish(around, number, result));
    }

    /// Ends the probes of a launch that is over. Nobody wants their answers any more.
    pub(super) fn cancel(&mut self, around: &Around<'_>, module: &ModuleId, generation: u64) {
        let of_launch = |probe: &Probe| probe.module == *module && probe.generation == generation;
        let numbers: Vec<u64> = self
            .running
            .iter()
            .filter(|(_, probe)| of_launch(probe))
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            self.finish(around, number, Err(String::new()));
        }
    }

    fn finish(&mut self, around: &Around<'_>, number: u64, result: Result<(), String>) -> Option<Event> {
        let probe = self.running.remove(&number)?;
        self.deadlines.remove(&(probe.deadline, number));
        match &probe.kind {
            Kind::Command { pid: 0 } => {}
            Kind::Command { pid } => around.groups.kill_probe(*pid),
            Kind::Connect { socket } | Kind::Http { socket, .. } => around.poller.remove(socket),
        }
        let (ok, detail) = match result {
            Ok(()) => (true, String::new()),
            Err(detail) => (false, detail),
        };
        Some(Event::ProbeDone {
            module: probe.module,
            generation: probe.generation,
            ok,
            detail,
        })
    }
}

fn begin(around: &mut Around<'_>, number: u64, spec: ProbeSpec) -> Result<Kind, String> {
    let kind = match spec {
        ProbeSpec::Command { argv, environment } => {
            let launch =
                probe_launch(&argv, &environment, around.spawner).map_err(|failed| failed.to_string())?;
            let pid = around
                .spawner
                .spawn(&launch)
                .map_err(|failed| failed.to_string())?;
            around.groups.add_probe(number, pid);
            return Ok(Kind::Command { pid });
        }
        ProbeSpec::Unix { path } => Kind::Connect {
            socket: begin_unix(Path::new(&path)).map_err(plain)?,
        },
        ProbeSpec::Tcp { host, port } => Kind::Connect {
            socket: begin_tcp(resolve(&host, port)?).map_err(plain)?,
        },
        ProbeSpec::Http { host, port, path } => Kind::Http {
            socket: begin_tcp(resolve(&host, port)?).map_err(plain)?,
            exchange: Exchange::new(&host, port, &path),
        },
    };
    if let Kind::Connect { socket } | Kind::Http { socket, .. } = &kind {
        around
            .poller
            .add(socket, Token::Probe(number).encode(), Interest::WRITE)
            .map_err(describe)?;
    }
    Ok(kind)
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, String> {
    let address = match host.parse() {
        Ok(address) => Some(address),
        Err(_) if host.eq_ignore_ascii_case("localhost") => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Err(_) => std::fs::read_to_string("/etc/hosts")
            .ok()
            .and_then(|hosts| find_host(&hosts, host)),
    };
    address
        .map(|address| SocketAddr::new(address, port))
        .ok_or_else(|| format!("`{host}` is no address and not in /etc/hosts"))
}

fn find_host(hosts: &str, wanted: &str) -> Option<IpAddr> {
    hosts.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        let address = words.next()?.parse().ok()?;
        words
            .any(|name| name.eq_ignore_ascii_case(wanted))
            .then_some(address)
    })
}

fn describe(errno: Errno) -> String {
    errno.desc().to_lowercase()
}

fn plain(error: io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |number| describe(Errno::from_raw(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_without_a_network() {
        let hosts = "# comment\n127.0.0.1 localhost\n10.0.0.7\tdb db.example # db\n";
        assert_eq!(find_host(hosts, "DB.example"), "10.0.0.7".parse().ok());
        assert_eq!(find_host(hosts, "comment"), None);
        assert_eq!(resolve("::1", 80).map(|address| address.is_ipv6()), Ok(true));
        assert!(resolve("no-such-name.invalid", 80).is_err());
    }
}
