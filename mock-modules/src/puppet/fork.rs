//! Children of a puppet: processes that a careless or hostile module leaves around.
//!
//! A child has a connection of its own to the harness. Its end is visible there, however the child dies, and when the
//! harness goes away the child goes too, even if it ignores every signal that can be ignored.
use std::{
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
};

use nix::{
    sys::signal::SigSet,
    unistd::{getpid, setsid},
};

use super::{signals::NOTICED, wire::Wire};
use crate::{
    channel::{ForkSpec, Inherited, PuppetEvent, SessionOf, to_line},
    raw,
};

/// What a child inherits and has to get rid of.
pub(super) struct Belongings<'p> {
    pub(super) path: &'p Path,
    pub(super) name: &'p str,
    pub(super) channel: &'p mut UnixStream,
    pub(super) wire: &'p mut Wire,
    pub(super) key: &'p mut Option<OwnedFd>,
}

/// Forks as told and gives back the children's ids, when they are all set up.
pub(super) fn children(spec: &ForkSpec, mut of: Belongings<'_>) -> io::Result<Vec<i32>> {
    let parent = getpid().as_raw();
    let mut pids = Vec::new();
    for _ in 0..spec.count {
        let (mut set_up, tell) = io::pipe()?;
        let Some(pid) = raw::fork()? else {
            drop(set_up);
            std::process::exit(i32::from(live(spec, &mut of, parent, tell).is_err()));
        };
        drop(tell);
        // The child writes one byte when it is ready; its death ends the pipe, so that this cannot wait for ever.
        if set_up.read(&mut [0])? == 0 {
            return Err(io::Error::other(format!("the child {pid} did not come up")));
        }
        pids.push(pid);
    }
    Ok(pids)
}

/// The life of a child, in the child.
fn live(spec: &ForkSpec, of: &mut Belongings<'_>, parent: i32, mut tell: io::PipeWriter) -> io::Result<()> {
    if spec.session == SessionOf::New {
        setsid()?;
    }
    // The copy of the puppet's connection has to go first: the harness takes its end for the puppet's end.
    *of.channel = UnixStream::connect(of.path)?;
    *of.key = None;
    if spec.wire == Inherited::Close {
        of.wire.close();
    }
    for signal in NOTICED {
        raw::set_ignored(signal, spec.ignore.iter().any(|name| name.as_nix() == signal))?;
    }
    SigSet::all().thread_unblock()?;
    let hello = PuppetEvent::ForkHello {
        name: of.name.to_owned(),
        pid: getpid().as_raw(),
        parent,
    };
    of.channel.write_all(&to_line(&hello))?;
    tell.write_all(b".")?;
    drop(tell);
    // Nothing is ever said to a child. The end of the connection is what it waits for.
    while of.channel.read(&mut [0; 64])? > 0 {}
    Ok(())
}
