//! What a module was given at its launch, taken before the puppet opens or changes anything.
use std::{collections::BTreeMap, env, fs, os::unix::fs::MetadataExt};

use nix::unistd::{getgid, getpid, getuid};
use partenza_probe::{
    proc::{self, OpenFile},
    signals::names_in_mask,
};
use serde::Serialize;

use crate::raw;

/// What a module was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The arguments, the program's name included.
    pub argv: Vec<String>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// Every open descriptor; the kind of a socket says more than `socket`, such as `unix-stream`.
    pub fds: Vec<OpenFile>,
    /// The working directory.
    pub cwd: String,
    /// The file mode mask, four octal digits: `0077`.
    pub umask: String,
    /// The process id.
    pub pid: i32,
    /// The parent's id.
    pub ppid: i32,
    /// The process group.
    pub pgid: i32,
    /// The session.
    pub sid: i32,
    /// Blocked signals, by name without `SIG`.
    pub sigmask: Vec<String>,
    /// Ignored signals.
    pub sigign: Vec<String>,
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// What standard input is: `null`, `pipe`, `file`, `char`, `unix-stream`, or `closed`.
    pub stdin: String,
    /// What standard output is.
    pub stdout: String,
    /// What standard error is.
    pub stderr: String,
    /// The directory that `PARTENZA_RUNTIME_DIR` names.
    pub runtime_dir: RuntimeDir,
}

/// The runtime directory as the module finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuntimeDir {
    /// The value of the variable; null when it is not set.
    pub path: Option<String>,
    /// Whether there is a directory.
    pub exists: bool,
    /// Its mode, four octal digits: `0700`.
    pub mode: Option<String>,
    /// Its owner.
    pub uid: Option<u32>,
}

impl Snapshot {
    /// Takes it. What cannot be read is empty: the judge sees that something is missing.
    #[must_use]
    pub fn take() -> Self {
        let pid = getpid().as_raw();
        let status = proc::status(pid).unwrap_or_default();
        let stat = proc::process(pid);
        let fds = open_files(pid);
        let kind = |fd: i32| kind_of(fd, &fds);
        Self {
            argv: env::args_os()
                .map(|text| text.to_string_lossy().into_owned())
                .collect(),
            env: env::vars_os()
                .map(|(key, value)| {
                    (
                        key.to_string_lossy().into_owned(),
                        value.to_string_lossy().into_owned(),
                    )
                })
                .collect(),
            cwd: env::current_dir()
                .map(|path| path.to_string_lossy().into_owned())
                .unwrap_or_default(),
            umask: status.umask.map(|mask| format!("{mask:04o}")).unwrap_or_default(),
            pid,
            ppid: stat.as_ref().map_or(0, |stat| stat.ppid),
            pgid: stat.as_ref().map_or(0, |stat| stat.pgid),
            sid: stat.as_ref().map_or(0, |stat| stat.sid),
            sigmask: names_in_mask(status.blocked & !LIBRARY_SIGNALS),
            sigign: ignored(status.ignored),
            uid: getuid().as_raw(),
            gid: getgid().as_raw(),
            stdin: kind(0),
            stdout: kind(1),
            stderr: kind(2),
            runtime_dir: RuntimeDir::look(),
            fds,
        }
    }
}

impl RuntimeDir {
    fn look() -> Self {
        let Some(path) = env::var_os("PARTENZA_RUNTIME_DIR") else {
            return Self::default();
        };
        let found = fs::metadata(&path).ok().filter(fs::Metadata::is_dir);
        Self {
            path: Some(path.to_string_lossy().into_owned()),
            exists: found.is_some(),
            mode: found.as_ref().map(|data| format!("{:04o}", data.mode() & 0o7777)),
            uid: found.as_ref().map(MetadataExt::uid),
        }
    }
}

fn open_files(pid: i32) -> Vec<OpenFile> {
    let mut files = proc::open_files(pid).unwrap_or_default();
    files.retain(|file| !raw::was_closed_at_start(file.fd));
    for file in &mut files {
        if file.kind == "socket"
            && let Some(kind) = raw::socket_kind(file.fd)
        {
            file.kind = kind;
        }
    }
    files
}

fn kind_of(fd: i32, files: &[OpenFile]) -> String {
    match files.iter().find(|file| file.fd == fd) {
        None => "closed".to_owned(),
        Some(file) if file.target == "/dev/null" => "null".to_owned(),
        Some(file) => file.kind.clone(),
    }
}

/// The runtime ignores SIGPIPE before anybody can look, so that for this one the note from before counts.
fn ignored(mask: u64) -> Vec<String> {
    let mut names = names_in_mask(mask & !LIBRARY_SIGNALS);
    if !raw::was_pipe_ignored_at_start() {
        names.retain(|name| name != "PIPE");
    }
    names
}

/// Signals 32 and 33 belong to the C library, which lets no program set them. Whatever they are is nobody's fault.
const LIBRARY_SIGNALS: u64 = 0b11 << 31;
