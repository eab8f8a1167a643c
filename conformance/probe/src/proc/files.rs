//! The open files of a process, from `/proc/PID/fd` and `/proc/PID/fdinfo`.
use std::{fs, io, os::unix::fs::FileTypeExt, path::Path};

use nix::fcntl::OFlag;
use serde::Serialize;

/// One open file descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenFile {
    /// Its number.
    pub fd: i32,
    /// `socket`, `pipe`, `file`, `dir`, `char`, `block` or `anon`.
    pub kind: String,
    /// What the link in `/proc` says: a path, or `socket:[INODE]`.
    pub target: String,
    /// `read`, `write` or `read-write`, and any of `append`, `nonblock`, `cloexec`.
    pub flags: Vec<String>,
}

/// All of them, in the order of their numbers; empty when the process is gone.
///
/// When a process reads its own list, the descriptor that this function reads with is not in it.
///
/// # Errors
/// When the process may not be looked into.
pub fn open_files(pid: i32) -> io::Result<Vec<OpenFile>> {
    let dir = format!("/proc/{pid}/fd");
    let entries = match fs::read_dir(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let Ok(entry) = entry else { continue };
        let Some(fd) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        if target == Path::new(&dir) {
            continue;
        }
        let target = target.to_string_lossy().into_owned();
        files.push(OpenFile {
            fd,
            kind: kind(&target, &entry.path()),
            target,
            flags: flags(pid, fd),
        });
    }
    files.sort_by_key(|file| file.fd);
    Ok(files)
}

fn kind(target: &str, link: &Path) -> String {
    let by_name = match target.split_once(':') {
        Some(("socket", _)) => Some("socket"),
        Some(("pipe", _)) => Some("pipe"),
        Some(("anon_inode", _)) => Some("anon"),
        _ => None,
    };
    let by_type = || {
        let Ok(file_type) = fs::metadata(link).map(|data| data.file_type()) else {
            return "file";
        };
        match () {
            () if file_type.is_dir() => "dir",
            () if file_type.is_char_device() => "char",
            () if file_type.is_block_device() => "block",
            () if file_type.is_fifo() => "pipe",
            () if file_type.is_socket() => "socket",
            () => "file",
        }
    };
    by_name.unwrap_or_else(by_type).to_owned()
}

fn flags(pid: i32, fd: i32) -> Vec<String> {
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).unwrap_or_default();
    let Some(bits) = info
        .lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .and_then(|value| i32::from_str_radix(value.trim(), 8).ok())
        .map(OFlag::from_bits_retain)
    else {
        return Vec::new();
    };
    let access = match bits & OFlag::O_ACCMODE {
        OFlag::O_WRONLY => "write",
        OFlag::O_RDWR => "read-write",
        _ => "read",
    };
    let named = [
        (OFlag::O_APPEND, "append"),
        (OFlag::O_NONBLOCK, "nonblock"),
        (OFlag::O_CLOEXEC, "cloexec"),
    ];
    let others = named
        .into_iter()
        .filter(|(flag, _)| bits.contains(*flag))
        .map(|(_, name)| name);
    std::iter::once(access).chain(others).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::os::{fd::AsRawFd, unix::net::UnixStream};

    use super::*;

    #[test]
    fn kinds_targets_and_flags_are_told() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap();
        let (socket, _peer) = UnixStream::pair().unwrap();
        let (reader, _writer) = io::pipe().unwrap();
        let null = fs::File::open("/dev/null").unwrap();
        let files = open_files(pid).unwrap();
        let find = |fd: i32| files.iter().find(|file| file.fd == fd).unwrap();
        let entry = find(log.as_raw_fd());
        assert_eq!(
            (entry.kind.as_str(), entry.target.as_str()),
            ("file", path.to_str().unwrap())
        );
        assert_eq!(entry.flags, ["write", "append", "cloexec"]);
        assert_eq!(find(socket.as_raw_fd()).kind, "socket");
        assert_eq!(find(reader.as_raw_fd()).kind, "pipe");
        assert_eq!(find(reader.as_raw_fd()).flags, ["read", "cloexec"]);
        assert_eq!(
            (
                find(null.as_raw_fd()).kind.as_str(),
                find(null.as_raw_fd()).target.as_str()
            ),
            ("char", "/dev/null")
        );
        let own_list = format!("/proc/{pid}/fd");
        assert!(files.iter().all(|file| file.target != own_list));
    }
}
