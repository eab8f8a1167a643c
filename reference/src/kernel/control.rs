//! The control socket and its connections.
//!
//! It owns who may connect (our own user and root), how many (64, and 16 per user), and bounded outbound queues: a peer that
//! does not read loses event lines, and is cut off when it does not even read replies. It refuses to parse anything.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use partenza_reference_core::ConnId;
use partenza_reference_core::machine::Event;

use super::token::Token;
use crate::sys::net::{Moved, accept, receive, transmit};
use crate::sys::poll::{Interest, Poller};
use crate::sys::user::may_control;

#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    uid: u32,
    queue: Vec<u8>,
    sent: usize,
    /// What was pending when the last turn ended.
    carried: usize,
    /// How much of that came in one burst, such as a replay, which no peer could have read meanwhile.
    burst: usize,
    /// Event lines that found no room since the queue was last empty.
    lost: u64,
    /// The peer has said all it will; what is queued is still written.
    hears_only: bool,
    watched: Interest,
    /// Whether it is in the list of those to be flushed at the end of the turn.
    touched: bool,
}

#[derive(Debug)]
pub(super) struct Control {
    listener: Option<OwnedFd>,
    /// Given up for a moment when no descriptor is left, so that a waiting peer can be turned away: left alone it would
    /// wake the loop for ever.
    spare: Option<OwnedFd>,
    open: HashMap<u64, Connection>,
    next: u64,
    touched: Vec<u64>,
}

impl Control {
    pub(super) fn new(poller: &Poller, listener: OwnedFd) -> nix::Result<Self> {
        poller.add(&listener, Token::Listener.encode(), Interest::READ)?;
        let spare = copy(&listener);
        Ok(Self {
            listener: Some(listener),
            spare,
            open: HashMap::new(),
            next: 1,
            touched: Vec::new(),
        })
    }

    /// Takes the connections that wait.
    pub(super) fn accept(&mut self, poller: &Poller) {
        for _ in 0..MOST_CONNECTIONS {
            let Some(listener) = self.listener.as_ref() else {
                return;
            };
            let (socket, uid) = match accept(listener) {
                Ok(Some(accepted)) => accepted,
                Err(Errno::EMFILE | Errno::ENFILE) if self.spare.take().is_some() => {
                    if let Ok(Some((socket, _))) = accept(listener) {
                        refuse(&socket, "no descriptor is left");
                    }
                    self.spare = copy(listener);
                    continue;
                }
                Ok(None) | Err(_) => return,
            };
            if !may_control(uid) {
                refuse(&socket, "this user may not control the orchestrator");
                continue;
            }
            let of_user = self
                .open
                .values()
                .filter(|connection| connection.uid == uid)
                .count();
            if self.open.len() >= MOST_CONNECTIONS || of_user >= MOST_PER_USER {
                refuse(&socket, "too many connections");
                continue;
            }
            let number = self.next;
            self.next += 1;
            if poller
                .add(&socket, Token::Control(number).encode(), Interest::READ)
                .is_ok()
            {
                self.open.insert(number, Connection::new(socket, uid));
            }
        }
    }

    /// Reads once.
    pub(super) fn read(&mut self, poller: &Poller, number: u64, events: &mut impl Extend<Event>) {
        let Some(connection) = self
            .open
            .get_mut(&number)
            .filter(|connection| !connection.hears_only)
        else {
            return;
        };
        let mut buffer = [0; TURN_BYTES];
        match receive(&connection.socket, &mut buffer) {
            Moved::Bytes(count) => {
                let bytes = buffer.get(..count).unwrap_or_default().to_vec();
                events.extend([Event::ControlBytes {
                    conn: ConnId(number),
                    bytes,
                }]);
            }
            Moved::NotNow => {}
            Moved::Ended => {
                connection.hears_only = true;
                events.extend([Event::ControlClosed { conn: ConnId(number) }]);
                self.touch(number);
                self.flush(poller, events);
            }
        }
    }

    /// Queues lines that must arrive. The answer is the end of a connection that does not read.
    pub(super) fn reply(&mut self, poller: &Poller, conn: ConnId, bytes: &[u8]) -> Option<Event> {
        let connection = self.open.get_mut(&conn.0)?;
        if connection.pending() + bytes.len() > REPLY_BYTES {
            let told = connection.hears_only;
            self.close(poller, conn.0);
            return (!told).then_some(Event::ControlClosed { conn });
        }
        connection.queue.extend_from_slice(bytes);
        self.touch(conn.0);
        None
    }

    /// Queues an event line, or counts it as lost.
    pub(super) fn notify(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(connection) = self.open.get_mut(&conn.0) else {
            return;
        };
        if connection.lost > 0 || connection.is_behind() || connection.pending() + bytes.len() > NOTIFY_BYTES
        {
            connection.lost += 1;
        } else {
            connection.queue.extend_from_slice(bytes);
        }
        self.touch(conn.0);
    }

    /// Closes a connection after writing what goes without waiting.
    pub(super) fn hang_up(&mut self, poller: &Poller, conn: ConnId) -> Option<Event> {
        let connection = self.open.get_mut(&conn.0)?;
        connection.write();
        connection.discard();
        let told = connection.hears_only;
        self.close(poller, conn.0);
        (!told).then_some(Event::ControlClosed { conn })
    }

    /// A connection whose socket has room again.
    pub(super) fn ready_to_write(&mut self, number: u64) {
        if self.open.contains_key(&number) {
            self.touch(number);
        }
    }

    /// Writes what was queued in this turn, as far as the peers take it.
    pub(super) fn flush(&mut self, poller: &Poller, events: &mut impl Extend<Event>) {
        for number in std::mem::take(&mut self.touched) {
            let Some(connection) = self.open.get_mut(&number) else {
                continue;
            };
            connection.touched = false;
            if !connection.write() || (connection.hears_only && connection.pending() == 0) {
                let told = connection.hears_only;
                self.close(poller, number);
                events.extend((!told).then_some(Event::ControlClosed { conn: ConnId(number) }));
                continue;
            }
            if connection.pending() == 0 && connection.lost > 0 {
                let count = std::mem::take(&mut connection.lost);
                events.extend([Event::ControlLost {
                    conn: ConnId(number),
                    count,
                }]);
            }
            connection.end_turn();
            connection.watch(poller, number);
        }
    }

    /// Stops listening.
    pub(super) fn stop_listening(&mut self, poller: &Poller) {
        if let Some(listener) = self.listener.take() {
            poller.remove(&listener);
        }
    }

    fn touch(&mut self, number: u64) {
        if let Some(connection) = self
            .open
            .get_mut(&number)
            .filter(|connection| !connection.touched)
        {
            connection.touched = true;
            self.touched.push(number);
        }
    }

    fn close(&mut self, poller: &Poller, number: u64) {
        if let Some(connection) = self.open.remove(&number) {
            poller.remove(&connection.socket);
        }
    }
}

impl Connection {
    fn new(socket: OwnedFd, uid: u32) -> Self {
        Self {
            socket,
            uid,
            queue: Vec::new(),
            sent: 0,
            carried: 0,
            burst: 0,
            lost: 0,
            hears_only: false,
            watched: Interest::READ,
            touched: false,
        }
    }

    /// Whether the peer had time to read and did not.
    fn is_behind(&self) -> bool {
        self.carried > self.burst + UNREAD_BYTES
    }

    fn end_turn(&mut self) {
        let pending = self.pending();
        self.burst = if pending > self.carried + UNREAD_BYTES {
            pending
        } else {
            self.burst.min(pending)
        };
        self.carried = pending;
    }

    /// Throws away what the peer has sent. Closing a socket with unread bytes would reach the peer as a failure
    /// instead of an end.
    fn discard(&self) {
        let mut buffer = [0; TURN_BYTES];
        for _ in 0..DISCARD_BYTES / TURN_BYTES {
            if !matches!(receive(&self.socket, &mut buffer), Moved::Bytes(_)) {
                return;
            }
        }
    }

    fn pending(&self) -> usize {
        self.queue.len() - self.sent
    }

    /// Writes what the socket takes. The answer is whether the peer is still there.
    fn write(&mut self) -> bool {
        while let Some(rest) = self.queue.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match transmit(&self.socket, rest) {
                Moved::Bytes(count) => self.sent += count,
                Moved::NotNow => {
                    // Moving the rest to the front is worth it only when it is little beside what goes away.
                    if self.sent > self.queue.len() / 2 {
                        self.queue.drain(..self.sent);
                        self.sent = 0;
                    }
                    return true;
                }
                Moved::Ended => return false,
            }
        }
        // A large replay does not stay allocated for the rest of a long subscription.
        self.queue = Vec::new();
        self.sent = 0;
        true
    }

    fn watch(&mut self, poller: &Poller, number: u64) {
        // After the peer's end, reading would be ready for ever.
        let wanted = Interest {
            read: !self.hears_only,
            write: self.pending() > 0,
        };
        if wanted != self.watched
            && poller
                .change(&self.socket, Token::Control(number).encode(), wanted)
                .is_ok()
        {
            self.watched = wanted;
        }
    }
}

/// Any descriptor will do as a spare, and this one is at hand.
fn copy(listener: &OwnedFd) -> Option<OwnedFd> {
    listener.try_clone().ok()
}

/// Tells a peer that is not wanted why, in one line that the socket surely takes.
fn refuse(socket: &OwnedFd, why: &str) {
    let line =
        format!("{{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{{\"code\":-32000,\"message\":\"{why}\"}}}}\n");
    let _ = transmit(socket, line.as_bytes());
}

const MOST_CONNECTIONS: usize = 64;
const MOST_PER_USER: usize = 16;

/// What one peer may say per turn.
const TURN_BYTES: usize = 16 * 1024;

/// More than a socket buffer holds.
const DISCARD_BYTES: usize = 1024 * 1024;

/// A peer that leaves this much unread loses events. A burst within one turn does not count, because nobody could have
/// read meanwhile: a replay of all retained events is larger than this.
const UNREAD_BYTES: usize = 256 * 1024;

/// Room for event lines, bursts included.
const NOTIFY_BYTES: usize = 2 * 1024 * 1024;

/// Room for everything. Beyond it the peer asks and never reads.
const REPLY_BYTES: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::net::pair;

    /// A connection whose peer reads nothing.
    fn deaf() -> (Connection, OwnedFd) {
        let (ours, theirs) = pair().unwrap();
        (Connection::new(ours, 0), theirs)
    }

    #[test]
    fn a_burst_is_no_sign_of_a_slow_peer_and_a_growing_queue_is() {
        let (mut connection, _peer) = deaf();
        connection.queue = vec![b'x'; 3 * UNREAD_BYTES];
        connection.end_turn();
        assert!(!connection.is_behind(), "a replay of one turn");
        let mut turns = 0;
        while !connection.is_behind() {
            connection.queue.extend([b'x'; 10_000]);
            connection.end_turn();
            turns += 1;
        }
        assert_eq!(turns, UNREAD_BYTES / 10_000 + 1);
    }

    #[test]
    fn what_was_read_is_forgiven() {
        let (mut connection, peer) = deaf();
        connection.queue = vec![b'x'; 2 * UNREAD_BYTES];
        assert!(connection.write());
        let mut buffer = vec![0; 4 * UNREAD_BYTES];
        while let Moved::Bytes(_) = receive(&peer, &mut buffer) {
            assert!(connection.write());
        }
        assert_eq!(connection.pending(), 0);
        connection.end_turn();
        assert!(!connection.is_behind());
    }
}
