//! Sockets and pipes that never make anybody wait.
//!
//! It owns creating them with close-on-exec and reading and writing them without blocking. It refuses to set
//! `O_NONBLOCK` on anything that a module shares; where one call must not wait, the call says so.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, SockaddrIn, SockaddrIn6, SockaddrLike, UnixAddr,
    accept4, bind, connect, getsockopt, listen, recv, send, socket, socketpair, sockopt,
};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{pipe2, read, write};

/// What a read or a write without waiting came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    /// So many bytes, at least one.
    Bytes(usize),
    /// It would have to wait.
    NotNow,
    /// The other side is gone.
    Ended,
}

impl Moved {
    fn from(result: nix::Result<usize>) -> Self {
        match result {
            Ok(0) => Self::Ended,
            Ok(count) => Self::Bytes(count),
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS | Errno::ENOMEM) => Self::NotNow,
            Err(_) => Self::Ended,
        }
    }
}

/// Two connected stream sockets.
pub(crate) fn pair() -> nix::Result<(OwnedFd, OwnedFd)> {
    socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
}

/// A pipe: the end to read and the end to write.
pub(crate) fn pipe() -> nix::Result<(OwnedFd, OwnedFd)> {
    pipe2(OFlag::O_CLOEXEC)
}

/// The read end of a pipe that holds `bytes` and whose write end is closed. At most 4096 bytes, which every pipe holds.
pub(crate) fn filled_pipe(bytes: &[u8]) -> nix::Result<OwnedFd> {
    let (reader, writer) = pipe()?;
    let written = write(&writer, bytes)?;
    if written == bytes.len() {
        Ok(reader)
    } else {
        Err(Errno::EIO)
    }
}

/// Reads from a socket what is there.
pub(crate) fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Moved {
    Moved::from(recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT))
}

/// Writes to a socket what it takes.
pub(crate) fn transmit(socket: &OwnedFd, bytes: &[u8]) -> Moved {
    Moved::from(send(
        socket.as_raw_fd(),
        bytes,
        MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
    ))
}

/// Reads from a pipe what is there. A pipe has no call that refuses to wait, so its fill is asked first; we are its
/// only reader.
pub(crate) fn drain(pipe: &OwnedFd, buffer: &mut [u8]) -> Moved {
    let mut asked = libc::pollfd {
        fd: pipe.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one pollfd is passed and one is announced; it lives on this stack frame.
    match Errno::result(unsafe { libc::poll(&raw mut asked, 1, 0) }) {
        Ok(1) => Moved::from(read(pipe, buffer)),
        Ok(_) | Err(_) => Moved::NotNow,
    }
}

/// Listens at a path, which must be free, with mode 0600 from the first moment.
pub(crate) fn listen_at(path: &Path) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let address = UnixAddr::new(path)?;
    // The file gets its mode when it is bound; a chmod afterwards would come too late.
    let before = umask(Mode::from_bits_truncate(0o177));
    let bound = bind(socket.as_raw_fd(), &address);
    umask(before);
    bound?;
    listen(&socket, Backlog::MAXALLOWABLE)?;
    Ok(socket)
}

/// Whether somebody answers at a path.
pub(crate) fn somebody_listens(path: &Path) -> bool {
    UnixStream::connect(path).is_ok()
}

/// The next connection that waits, with the user who opened it.
pub(crate) fn accept(listener: &OwnedFd) -> nix::Result<Option<(OwnedFd, u32)>> {
    match accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
        Ok(number) => {
            // SAFETY: `accept4` has just made this descriptor, so nothing else owns it.
            let connection = unsafe { OwnedFd::from_raw_fd(number) };
            let peer = getsockopt(&connection, sockopt::PeerCredentials)?;
            Ok(Some((connection, peer.uid())))
        }
        Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNABORTED) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Begins to connect to an internet address. When the socket becomes writable, [`outcome`] tells how it went.
pub(crate) fn begin_tcp(address: SocketAddr) -> io::Result<OwnedFd> {
    match address {
        SocketAddr::V4(address) => begin(AddressFamily::Inet, &SockaddrIn::from(address)),
        SocketAddr::V6(address) => begin(AddressFamily::Inet6, &SockaddrIn6::from(address)),
    }
}

/// Begins to connect to a path.
pub(crate) fn begin_unix(path: &Path) -> io::Result<OwnedFd> {
    begin(AddressFamily::Unix, &UnixAddr::new(path)?)
}

fn begin(family: AddressFamily, address: &impl SockaddrLike) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(family, SockType::Stream, flags, None)?;
    match connect(socket.as_raw_fd(), address) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(socket),
        Err(errno) => Err(errno.into()),
    }
}

/// How a connection attempt went.
pub(crate) fn outcome(socket: impl AsFd) -> Result<(), Errno> {
    match getsockopt(&socket, sockopt::SocketError)? {
        0 => Ok(()),
        errno => Err(Errno::from_raw(errno)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn reading_never_waits() {
        let (ours, theirs) = pair().unwrap();
        let mut buffer = [0; 8];
        assert_eq!(receive(&ours, &mut buffer), Moved::NotNow);
        assert_eq!(transmit(&theirs, b"hello"), Moved::Bytes(5));
        assert_eq!(receive(&ours, &mut buffer), Moved::Bytes(5));
        drop(theirs);
        assert_eq!(receive(&ours, &mut buffer), Moved::Ended);
        assert_eq!(transmit(&ours, b"hello"), Moved::Ended);
        let (reader, writer) = pipe().unwrap();
        assert_eq!(drain(&reader, &mut buffer), Moved::NotNow);
        drop(writer);
        assert_eq!(drain(&reader, &mut buffer), Moved::Ended);
    }

    #[test]
    fn the_control_socket_is_private_and_knows_its_peer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        assert!(!somebody_listens(&path));
        let listener = listen_at(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(accept(&listener).unwrap().is_none());
        let _client = UnixStream::connect(&path).unwrap();
        let (_, uid) = accept(&listener).unwrap().unwrap();
        assert_eq!(uid, nix::unistd::getuid().as_raw());
    }
}
