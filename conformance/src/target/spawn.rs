//! Starting a program of the target: finding it, giving it a session of its own, listening to it, and learning how it
//! ends. What it leaves behind is not dealt with here.
use std::{
    env, fmt, fs, io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::unistd::{AccessFlags, access};
use partenza_mock_modules::own_session;
use partenza_probe::{
    proc::{self, Process},
    signals::long_name,
};
use tokio::{process::Command, sync::watch};

use super::output::Capture;

/// The variable that marks the processes of a case. Its value is the case's private directory.
pub(super) const MARK: &str = "PARTENZA_CONFORMANCE_CASE";

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With this exit code.
    Exited(i32),
    /// Of this signal: `SIGKILL`.
    Killed(String),
}

impl Ending {
    /// From the words of the standard library.
    #[must_use]
    pub fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, signal) => Self::Killed(long_name(signal.unwrap_or(0))),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Killed(signal) => f.write_str(signal),
        }
    }
}

/// Why a subject could not be started or reached.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// No such program.
    #[error("the program {program} was not found{hint}")]
    NotFound {
        /// As in the target file.
        program: String,
        /// Where it was looked for.
        hint: String,
    },
    /// The file is there, but cannot be run.
    #[error("the program {program} is not executable: {reason}")]
    NotExecutable {
        /// As in the target file.
        program: String,
        /// The system's words.
        reason: String,
    },
    /// It ended before it could be talked to.
    #[error("the target ended ({ending}) before {awaited}{output}")]
    Died {
        /// How it ended.
        ending: Ending,
        /// What was awaited of it.
        awaited: String,
        /// Its last lines, ready to be appended.
        output: String,
    },
    /// It runs, but did not do what was awaited.
    #[error("the target (pid {pid}) did not {awaited} within {:.1} s{output}", .waited.as_secs_f64())]
    NeverAnswered {
        /// Its process id.
        pid: i32,
        /// What was awaited.
        awaited: String,
        /// For how long.
        waited: Duration,
        /// Its last lines, ready to be appended.
        output: String,
    },
    /// Somebody else answers on the control socket.
    #[error("pid {found} answers on {path}, which is neither the target (pid {pid}) nor a descendant of it")]
    Impostor {
        /// The process that was started.
        pid: i32,
        /// The process that answered.
        found: i32,
        /// Where.
        path: PathBuf,
    },
    /// The system refused something.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was being done.
        doing: String,
        /// The system's words.
        source: io::Error,
    },
}

impl SubjectError {
    pub(super) fn system(doing: impl Into<String>, source: io::Error) -> Self {
        Self::System {
            doing: doing.into(),
            source,
        }
    }
}

/// A program that was started.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) pid: i32,
    /// Pid and start time together name the process for good.
    pub(super) identity: Option<Process>,
    pub(super) ending: watch::Receiver<Option<Ending>>,
}

/// Where a program's output goes: both streams into one capture, or each into its own.
pub(super) struct Captures<'c> {
    pub(super) stdout: &'c Capture,
    pub(super) stderr: &'c Capture,
}

/// Starts a program. It has to be called within a runtime, which then listens to the program and waits for its end.
pub(super) fn start(
    command: &[String],
    environment: &[(String, String)],
    root: &Path,
    captures: &Captures<'_>,
) -> Result<Started, SubjectError> {
    let (program, arguments) = command.split_first().ok_or_else(|| SubjectError::NotFound {
        program: String::new(),
        hint: ": the command is empty".to_owned(),
    })?;
    let path = find(program)?;
    let mut prepared = std::process::Command::new(&path);
    prepared
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        // What an outer supervisor told the harness is not meant for the target.
        if text.starts_with("PARTENZA_") || ["NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID"].contains(&&*text) {
            prepared.env_remove(&name);
        }
    }
    prepared
        .env(MARK, root)
        .envs(environment.iter().map(|(name, value)| (name, value)));
    own_session(&mut prepared);
    let mut child = Command::from(prepared)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| refusal(program, error))?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or(0);
    let identity = proc::process(pid);
    captures.stdout.listen(child.stdout.take());
    captures.stderr.listen(child.stderr.take());
    let (tell, ending) = watch::channel(None);
    tokio::spawn(async move {
        let ended = match child.wait().await {
            Ok(status) => Ending::of(status),
            // Somebody else reaped it; how it ended is lost, that it ended is not.
            Err(_) => Ending::Killed("an unknown cause".to_owned()),
        };
        tell.send_replace(Some(ended));
    });
    Ok(Started {
        pid,
        identity,
        ending,
    })
}

/// Waits for the end, however long that takes.
pub(super) async fn ended(mut ending: watch::Receiver<Option<Ending>>) -> Ending {
    let unknown = || Ending::Killed("an unknown cause".to_owned());
    ending
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|ending| (*ending).clone())
        .unwrap_or_else(unknown)
}

fn find(program: &str) -> Result<PathBuf, SubjectError> {
    if program.contains('/') {
        return runnable(program, PathBuf::from(program), "");
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file());
    match found {
        Some(file) => runnable(program, file, ""),
        None => {
            let hint = format!(" in PATH ({})", path.to_string_lossy());
            Err(SubjectError::NotFound {
                program: program.to_owned(),
                hint,
            })
        }
    }
}

fn runnable(program: &str, file: PathBuf, hint: &str) -> Result<PathBuf, SubjectError> {
    let refuse = |reason: &str| SubjectError::NotExecutable {
        program: program.to_owned(),
        reason: reason.to_owned(),
    };
    match fs::metadata(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(SubjectError::NotFound {
            program: program.to_owned(),
            hint: hint.to_owned(),
        }),
        Err(error) => Err(refuse(&error.to_string())),
        Ok(data) if data.is_dir() => Err(refuse("it is a directory")),
        Ok(_) => match access(&file, AccessFlags::X_OK) {
            Ok(()) => Ok(file),
            Err(_) => Err(refuse("nobody may execute it; is `chmod +x` missing?")),
        },
    }
}

fn refusal(program: &str, error: io::Error) -> SubjectError {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => {
            "the interpreter that its first line or its header names does not exist".to_owned()
        }
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        // ENOEXEC
        _ if error.raw_os_error() == Some(8) => {
            "it is neither a binary for this machine nor a script with `#!`".to_owned()
        }
        _ => return SubjectError::system(format!("start {program}"), error),
    };
    SubjectError::NotExecutable {
        program: program.to_owned(),
        reason,
    }
}
