//! The orchestrator's ends of the module sockets.
//!
//! It owns the outbound queues, bounded at 256 KiB each, and reads a bounded amount per turn, so that a module that talks
//! without end or never listens costs the others nothing. It refuses to look at what the bytes mean.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use partenza_reference_core::ModuleId;
use partenza_reference_core::machine::Event;

use super::token::Token;
use crate::sys::net::{Moved, receive, transmit};
use crate::sys::poll::{Interest, Poller};

#[derive(Debug)]
struct Channel {
    socket: OwnedFd,
    module: ModuleId,
    generation: u64,
    queue: Vec<u8>,
    waits_for_room: bool,
}

/// All module sockets, by launch number.
#[derive(Debug, Default)]
pub(super) struct Channels {
    open: HashMap<u64, Channel>,
}

impl Channels {
    pub(super) fn add(
        &mut self,
        poller: &Poller,
        launch: u64,
        socket: OwnedFd,
        module: ModuleId,
        generation: u64,
    ) -> nix::Result<()> {
        poller.add(&socket, Token::Channel(launch).encode(), Interest::READ)?;
        let channel = Channel {
            socket,
            module,
            generation,
            queue: Vec::new(),
            waits_for_room: false,
        };
        self.open.insert(launch, channel);
        Ok(())
    }

    /// Queues bytes and writes what the socket takes. The answer is an overflow, if this is one.
    pub(super) fn send(&mut self, poller: &Poller, launch: u64, bytes: &[u8]) -> Option<Event> {
        let channel = self.open.get_mut(&launch)?;
        if channel.queue.len() + bytes.len() > QUEUE_BYTES {
            channel.queue = Vec::new();
            return Some(Event::Overflow {
                module: channel.module.clone(),
                generation: channel.generation,
            });
        }
        if channel.waits_for_room {
            channel.queue.extend_from_slice(bytes);
            return None;
        }
        let sent = match transmit(&channel.socket, bytes) {
            Moved::Bytes(count) => count,
            Moved::NotNow => 0,
            // Reading will report the end, after whatever the module still had to say.
            Moved::Ended => bytes.len(),
        };
        channel
            .queue
            .extend_from_slice(bytes.get(sent..).unwrap_or_default());
        channel.watch(poller, launch);
        None
    }

    /// Goes on writing a queue that had to wait.
    pub(super) fn write(&mut self, poller: &Poller, launch: u64) {
        let Some(channel) = self.open.get_mut(&launch) else {
            return;
        };
        match transmit(&channel.socket, &channel.queue) {
            Moved::Bytes(count) => drop(channel.queue.drain(..count)),
            Moved::NotNow => {}
            Moved::Ended => channel.queue.clear(),
        }
        channel.watch(poller, launch);
    }

    /// Reads once.
    pub(super) fn read(&mut self, poller: &Poller, launch: u64, events: &mut impl Extend<Event>) {
        let Some(channel) = self.open.get(&launch) else {
            return;
        };
        let mut buffer = [0; TURN_BYTES];
        match receive(&channel.socket, &mut buffer) {
            Moved::Bytes(count) => events.extend([channel.arrived(buffer.get(..count).unwrap_or_default())]),
            Moved::NotNow => {}
            Moved::Ended => {
                let (module, generation) = (channel.module.clone(), channel.generation);
                self.close(poller, launch);
                events.extend([Event::Eof { module, generation }]);
            }
        }
    }

    /// Reads what an ended module has left. Its descendants may go on writing, so this has a bound as well.
    pub(super) fn read_rest(&mut self, poller: &Poller, launch: u64, events: &mut impl Extend<Event>) {
        for _ in 0..REST_BYTES / TURN_BYTES {
            let mut got = Vec::new();
            self.read(poller, launch, &mut got);
            if got.is_empty() {
                return;
            }
            events.extend(got);
        }
    }

    pub(super) fn close(&mut self, poller: &Poller, launch: u64) {
        if let Some(channel) = self.open.remove(&launch) {
            poller.remove(&channel.socket);
        }
    }
}

impl Channel {
    fn arrived(&self, bytes: &[u8]) -> Event {
        Event::Bytes {
            module: self.module.clone(),
            generation: self.generation,
            bytes: bytes.to_vec(),
        }
    }

    fn watch(&mut self, poller: &Poller, launch: u64) {
        let wants_room = !self.queue.is_empty();
        if wants_room != self.waits_for_room {
            let interest = if wants_room {
                Interest::BOTH
            } else {
                Interest::READ
            };
            // It fails only for a descriptor that is not in the set, and this one is as long as the channel lives.
            if poller
                .change(&self.socket, Token::Channel(launch).encode(), interest)
                .is_ok()
            {
                self.waits_for_room = wants_room;
            }
        }
    }
}

/// The bound of an outbound queue (`faulty.never-reads`).
const QUEUE_BYTES: usize = 256 * 1024;

/// What one module may say per turn.
const TURN_BYTES: usize = 16 * 1024;

/// More than a socket buffer holds.
const REST_BYTES: usize = 1024 * 1024;
