//! What an orchestrator launches when a suite names a module: a process that reports and obeys.
//!
//! Its life: take the snapshot before anything is opened; connect to the side channel; say `hello`; then one loop over
//! `poll`. It reads the wire only when told to, interprets nothing, and ends when the channel ends. It uses the standard
//! library and a few system calls, no runtime and no argument parser, because a suite starts hundreds of it.
//!
//! It has to be the first thing its program does: [`run`] assumes that there is one thread.
mod flood;
mod fork;
mod signals;
mod snapshot;

mod wire;

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use partenza_probe::{frame::LineSplitter, mac};

pub use self::snapshot::{RuntimeDir, Snapshot};
use self::{
    flood::Flood,
    signals::{Reaction, Reactions},
    wire::Wire,
};
use crate::{
    channel::{Command, Order, PuppetEvent, to_line},
    raw,
};

/// The exit code for wrong arguments.
pub const EXIT_USAGE: u8 = 64;
/// The exit code when nobody listens on the channel.
pub const EXIT_UNAVAILABLE: u8 = 69;

/// How long a pipe that nobody closes is given before its contents are reported as they are.
const KEY_PATIENCE: Duration = Duration::from_millis(500);
/// How long an exit waits for bytes that the orchestrator does not take.
const EXIT_PATIENCE: Duration = Duration::from_millis(100);

/// Runs the puppet. `arguments` are those after the program (and after `mock`): `--channel PATH --name NAME`; others
/// are left alone, for the snapshot to show.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (channel, name) = match parse(arguments) {
        Ok(parsed) => parsed,
        Err(complaint) => {
            eprintln!("mock-module: {complaint}\nusage: mock-module --channel PATH --name NAME");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let snapshot = Snapshot::take();
    let started = Puppet::start(channel, name, &snapshot);
    let ended = match started {
        Ok(puppet) => puppet.live(),
        Err(error) => {
            eprintln!("mock-module: cannot reach the harness: {error}");
            return ExitCode::from(EXIT_UNAVAILABLE);
        }
    };
    // An error means that the channel is gone, and with it everything there was to do.
    ExitCode::from(ended.unwrap_or(0))
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<(PathBuf, String), String> {
    let mut channel = None;
    let mut name = None;
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--channel") => channel = arguments.next().map(PathBuf::from),
            Some("--name") => name = arguments.next().map(|name| name.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    Ok((
        channel.ok_or("--channel PATH is missing")?,
        name.ok_or("--name NAME is missing")?,
    ))
}

/// The process between its hello and its end.
struct Puppet {
    path: PathBuf,
    name: String,
    channel: UnixStream,
    commands: LineSplitter,
    wire: Wire,
    key: Option<OwnedFd>,
    key_bytes: Vec<u8>,
    /// Until when the key pipe is read in patience; `None` when it is not being read.
    key_deadline: Option<Instant>,
    key_wanted: bool,
    flood: Option<Flood>,
    reactions: Reactions,
    hung: bool,
    exiting: Option<(Instant, u64, i32)>,
}

impl Puppet {
    fn start(path: PathBuf, name: String, snapshot: &Snapshot) -> io::Result<Self> {
        // First of all, so that a number which nobody passed is not mistaken for something opened here.
        let (wire, key) = (inherited("PARTENZA_FD"), inherited("PARTENZA_SECRET_FD"));
        let reactions = Reactions::install()?;
        let channel = UnixStream::connect(&path)?;
        let hello = PuppetEvent::Hello {
            name: name.clone(),
            pid: snapshot.pid,
            snapshot: serde_json::to_value(snapshot).map_err(io::Error::other)?,
        };
        (&channel).write_all(&to_line(&hello))?;
        let mut puppet = Self {
            path,
            name,
            channel,
            commands: LineSplitter::new(usize::MAX),
            wire: Wire::new(None),
            key: None,
            key_bytes: Vec::new(),
            key_deadline: None,
            key_wanted: false,
            flood: None,
            reactions,
            hung: false,
            exiting: None,
        };
        match wire {
            Ok(wire) => puppet.wire = Wire::new(Some(wire)),
            Err(detail) => puppet.report(&PuppetEvent::Trouble { detail })?,
        }
        match key {
            Ok(key) => puppet.key = Some(key),
            Err(detail) => puppet.report(&PuppetEvent::Trouble { detail })?,
        }
        Ok(puppet)
    }

    /// The loop. It ends with an exit code, or with an error when the channel is gone.
    fn live(mut self) -> io::Result<u8> {
        loop {
            let ready = self.wait()?;
            if ready.signal {
                self.take_signals()?;
            }
            if ready.channel && !self.take_commands()? {
                return Ok(0);
            }
            if !self.hung {
                if ready.wire_in {
                    let event = self.wire.read();
                    self.report_some(event)?;
                }
                if ready.wire_out {
                    self.pump_wire()?;
                }
                if ready.key || self.key_deadline.is_some_and(|end| end <= Instant::now()) {
                    self.take_key(ready.key)?;
                }
                if ready.stdout {
                    self.pump_flood()?;
                }
            }
            if let Some((until, id, code)) = self.exiting
                && (self.wire.is_idle() || until <= Instant::now())
            {
                self.done(id, None)?;
                return Ok(u8::try_from(code & 0xff).unwrap_or(0));
            }
        }
    }

    fn wait(&self) -> io::Result<Ready> {
        // With something to exit for, there may be nothing left to wait for.
        if self.exiting.is_some() && self.wire.is_idle() {
            return Ok(Ready::default());
        }
        let stdout = io::stdout();
        let none = PollFlags::empty();
        let active = !self.hung;
        let out = |wanted: bool| if wanted { PollFlags::POLLOUT } else { none };
        let into = |wanted: bool| if wanted { PollFlags::POLLIN } else { none };
        let wire_flags = into(active && self.wire.is_reading()) | out(active && !self.wire.is_idle());
        let key_flags = into(active && self.key_wanted);
        let flood_flags = out(active && self.flood.is_some());
        let sources: [(Option<BorrowedFd<'_>>, PollFlags); 5] = [
            (Some(self.channel.as_fd()), PollFlags::POLLIN),
            (Some(self.reactions.as_fd()), PollFlags::POLLIN),
            (self.wire.as_fd(), wire_flags),
            (self.key.as_ref().map(AsFd::as_fd), key_flags),
            (Some(stdout.as_fd()), flood_flags),
        ];
        // A descriptor that nothing is wanted of is left out, because `poll` reports a hang-up unasked, over and over.
        let wanted: Vec<(usize, BorrowedFd<'_>, PollFlags)> = sources
            .into_iter()
            .enumerate()
            .filter_map(|(index, (fd, flags))| fd.filter(|_| !flags.is_empty()).map(|fd| (index, fd, flags)))
            .collect();
        let mut fds: Vec<PollFd<'_>> = wanted
            .iter()
            .map(|(_, fd, flags)| PollFd::new(*fd, *flags))
            .collect();
        match poll(&mut fds, self.timeout()) {
            Err(nix::errno::Errno::EINTR) => return Ok(Ready::default()),
            other => other?,
        };
        let mut ready = Ready::default();
        for ((index, _, flags), found) in wanted.iter().zip(&fds) {
            let events = found.revents().unwrap_or(none);
            let ended = events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL);
            let readable = flags.contains(PollFlags::POLLIN) && (ended || events.contains(PollFlags::POLLIN));
            let writable =
                flags.contains(PollFlags::POLLOUT) && (ended || events.contains(PollFlags::POLLOUT));
            match index {
                0 => ready.channel = readable,
                1 => ready.signal = readable,
                2 => (ready.wire_in, ready.wire_out) = (readable, writable),
                3 => ready.key = readable,
                _ => ready.stdout = writable,
            }
        }
        Ok(ready)
    }

    fn timeout(&self) -> PollTimeout {
        let ends = [
            self.key_deadline.filter(|_| !self.hung),
            self.exiting.map(|(until, ..)| until),
        ];
        ends.into_iter().flatten().min().map_or(PollTimeout::NONE, |end| {
            // One more millisecond, so that the end has passed when poll returns.
            let left = end.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        })
    }

    /// Says `false` when the channel has ended.
    fn take_commands(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 65536];
        let count = self.channel.read(&mut buffer)?;
        for line in self.commands.push(&buffer[..count]) {
            match serde_json::from_slice::<Command>(&line.raw) {
                Ok(command) => self.obey(command)?,
                Err(error) => {
                    self.report(&PuppetEvent::Trouble {
                        detail: format!("a command that is none: {error}"),
                    })?;
                }
            }
        }
        Ok(count > 0)
    }

    fn obey(&mut self, Command { id, order }: Command) -> io::Result<()> {
        let outcome = match order {
            Order::Exit { code } => {
                // A hung program leaves what it has not written.
                let patience = if self.hung { Duration::ZERO } else { EXIT_PATIENCE };
                self.exiting = Some((Instant::now() + patience, id, code));
                return Ok(());
            }
            Order::Raise { signal } => {
                // The acknowledgement comes first: afterwards there may be nobody to give it.
                self.done(id, None)?;
                return self.reactions.raise(signal);
            }
            _ if self.hung => Err("the puppet hangs, as it was told to".to_owned()),
            Order::Tx { hex, bytewise } => {
                let Some(bytes) = mac::unhex(&hex) else {
                    return self.done(id, Some("not hexadecimal".to_owned()));
                };
                self.wire.queue(id, bytes, 1, bytewise);
                return self.pump_wire();
            }
            Order::FloodWire { hex, count } => {
                let Some(bytes) = mac::unhex(&hex) else {
                    return self.done(id, Some("not hexadecimal".to_owned()));
                };
                self.wire.queue(id, bytes, count, false);
                return self.pump_wire();
            }
            Order::FloodStdout { bytes } => {
                self.flood = Some(Flood::new(id, bytes));
                return self.pump_flood();
            }
            Order::ReadKey => {
                self.key_wanted = self.key.is_some();
                self.key_deadline = self.key.as_ref().map(|_| Instant::now() + KEY_PATIENCE);
                self.key
                    .as_ref()
                    .map(drop)
                    .ok_or_else(|| "there is no secret pipe to read".to_owned())
            }
            Order::StartReading => self.wire.set_reading(true),
            Order::StopReading => self.wire.set_reading(false),
            Order::Close => {
                for (id, error) in self.wire.close() {
                    self.done(id, error)?;
                }
                Ok(())
            }
            Order::Hang => {
                self.hung = true;
                Ok(())
            }
            Order::Ignore { signals } => self.reactions.set(&signals, Reaction::Ignore),
            Order::ExitOn { signals, code } => self.reactions.set(&signals, Reaction::Exit(code)),
            Order::Restore { signals } => self.reactions.set(&signals, Reaction::Default),
            Order::Fork(spec) => match fork::children(&spec, self.belongings()) {
                Ok(pids) => {
                    for pid in pids {
                        self.report(&PuppetEvent::Forked { pid })?;
                    }
                    Ok(())
                }
                Err(error) => Err(error.to_string()),
            },
        };
        self.done(id, outcome.err())
    }

    fn belongings(&mut self) -> fork::Belongings<'_> {
        fork::Belongings {
            path: &self.path,
            name: &self.name,
            channel: &mut self.channel,
            wire: &mut self.wire,
            key: &mut self.key,
        }
    }

    fn take_signals(&mut self) -> io::Result<()> {
        while let Some((signal, reaction)) = self.reactions.next()? {
            self.report(&PuppetEvent::Signal {
                name: signal.short().to_owned(),
            })?;
            match reaction {
                Reaction::Ignore => {}
                Reaction::Exit(code) => std::process::exit(code),
                Reaction::Default => self.reactions.raise(signal)?,
            }
        }
        Ok(())
    }

    fn take_key(&mut self, readable: bool) -> io::Result<()> {
        let mut eof = false;
        if readable && let Some(key) = &self.key {
            let mut buffer = [0; 4096];
            // A pipe that cannot be read is at its end as far as the key is concerned.
            let count = nix::unistd::read(key, &mut buffer).unwrap_or(0);
            self.key_bytes.extend_from_slice(&buffer[..count]);
            eof = count == 0;
        }
        let late = self.key_deadline.is_some_and(|end| end <= Instant::now());
        if eof {
            (self.key, self.key_wanted, self.key_deadline) = (None, false, None);
        } else if late {
            self.key_deadline = None;
        }
        if eof || late {
            self.report(&PuppetEvent::Key {
                hex: mac::hex(&self.key_bytes),
                eof,
            })?;
        }
        Ok(())
    }

    fn pump_wire(&mut self) -> io::Result<()> {
        for (id, error) in self.wire.write() {
            self.done(id, error)?;
        }
        Ok(())
    }

    fn pump_flood(&mut self) -> io::Result<()> {
        let Some(flood) = &mut self.flood else {
            return Ok(());
        };
        if let Some((id, error)) = flood.write() {
            self.flood = None;
            self.done(id, error)?;
        }
        Ok(())
    }

    fn done(&mut self, id: u64, error: Option<String>) -> io::Result<()> {
        self.report(&PuppetEvent::Done { id, error })
    }

    fn report_some(&mut self, event: Option<PuppetEvent>) -> io::Result<()> {
        event.map_or(Ok(()), |event| self.report(&event))
    }

    fn report(&mut self, event: &PuppetEvent) -> io::Result<()> {
        self.channel.write_all(&to_line(event))
    }
}

#[derive(Default)]
struct Ready {
    channel: bool,
    signal: bool,
    wire_in: bool,
    wire_out: bool,
    key: bool,
    stdout: bool,
}

fn inherited(variable: &str) -> Result<OwnedFd, String> {
    let value = std::env::var(variable).map_err(|_| format!("{variable} is not set"))?;
    let fd = value
        .parse()
        .map_err(|_| format!("{variable} is `{}`, not a number", value.escape_debug()))?;
    raw::adopt(fd).map_err(|error| format!("{variable} is {fd}: {error}"))
}
