//! One running target, owned from its start to its last descendant.
//!
//! Every wait has a deadline. When a subject is dropped without [`Subject::end`], everything of it is killed.
use std::{
    io,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::{sys::signal::kill, unistd::Pid};
use partenza_probe::{
    proc::{self, Process},
    signals::SignalName,
};
use tokio::{net::UnixStream, time::Instant};

use super::{
    output::Capture,
    spawn::{self, Captures, Ending, Started, SubjectError},
    tree::Tree,
};

/// A process that stayed behind when the target was gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Its process id.
    pub pid: i32,
    /// Its command line, or its name when the command line is empty.
    pub command: String,
    /// The session it was in.
    pub session: i32,
}

/// What [`Subject::end`] found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndReport {
    /// How the target itself ended; `None` only when even SIGKILL did not end it in time.
    pub ending: Option<Ending>,
    /// Whether the target was still running when it was asked to end.
    pub was_running: bool,
    /// Whether it had to be killed because it did not end within its grace.
    pub had_to_kill: bool,
    /// What was still alive after the target had ended by itself or on TERM. All of it has been killed and reaped.
    pub leftovers: Vec<Leftover>,
    /// What was alive after the target had to be killed. Nobody's fault but the kill's.
    pub orphans: Vec<Leftover>,
    /// Processes that could not be got rid of in time. The environment's fault, and a reason to stop.
    pub undead: Vec<Leftover>,
}

/// What a command of the target printed and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandReport {
    /// How it ended; `None` when its deadline came first, in which case it was killed.
    pub ending: Option<Ending>,
    /// Its standard output, at most 1 MiB.
    pub stdout: String,
    /// Its standard error, at most 1 MiB.
    pub stderr: String,
}

/// One running target.
#[derive(Debug)]
pub struct Subject {
    started: Started,
    output: Capture,
    tree: Mutex<Tree>,
}

impl Subject {
    /// Starts a command (already expanded) in a session of its own, with standard input from `/dev/null`.
    ///
    /// `root` is the case's private directory: it marks the processes of this case. It has to be called within a
    /// runtime.
    ///
    /// # Errors
    /// [`SubjectError::NotFound`], [`SubjectError::NotExecutable`] or [`SubjectError::System`].
    pub fn start(
        command: &[String],
        environment: &[(String, String)],
        root: &Path,
    ) -> Result<Self, SubjectError> {
        become_subreaper().map_err(|error| SubjectError::system("become the reaper of orphans", error))?;
        let output = Capture::new();
        let started = spawn::start(
            command,
            environment,
            root,
            &Captures {
                stdout: &output,
                stderr: &output,
            },
        )?;
        let tree = Mutex::new(Tree::new(started.pid, root));
        Ok(Self {
            started,
            output,
            tree,
        })
    }

    /// Its process id, which is also its process group and its session.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.started.pid
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.started.ending.borrow().clone()
    }

    /// Waits until it ends. Borrow-free, so that it can be awaited beside everything else.
    pub fn exited(&self) -> impl Future<Output = Ending> + Send + 'static + use<> {
        spawn::ended(self.started.ending.clone())
    }

    /// Sends it a signal. Nothing happens when it has ended.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&self, signal: SignalName) -> io::Result<()> {
        if self.ending().is_some() {
            return Ok(());
        }
        match kill(Pid::from_raw(self.started.pid), signal.as_nix()) {
            Err(nix::errno::Errno::ESRCH) => Ok(()),
            other => other.map_err(io::Error::from),
        }
    }

    /// What it has printed so far on both streams: the first MiB, or that and a sentence about what is missing.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// The last lines it printed.
    #[must_use]
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        self.output.last_lines(count)
    }

    /// Every living process of this case: descendants, and orphans that show this case's directory.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        self.tree().census()
    }

    /// Connects to a socket of the target as soon as it accepts, and proves that the target is who answers.
    ///
    /// # Errors
    /// [`SubjectError::Died`], [`SubjectError::NeverAnswered`], [`SubjectError::Impostor`] or, for a path that can
    /// never work, [`SubjectError::System`].
    pub async fn connect(&self, path: &Path, deadline: Duration) -> Result<UnixStream, SubjectError> {
        let until = Instant::now() + deadline;
        let awaited = format!("answer on {}", path.display());
        loop {
            match UnixStream::connect(path).await {
                Ok(stream) => return self.verified(stream, path),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::InvalidInput | io::ErrorKind::NotADirectory
                    ) =>
                {
                    return Err(SubjectError::system(
                        format!("connect to {}", path.display()),
                        error,
                    ));
                }
                Err(_) => {}
            }
            if self.ending().is_some() {
                self.output.settle(OUTPUT_PATIENCE).await;
            }
            if let Some(ending) = self.ending() {
                return Err(SubjectError::Died {
                    ending,
                    awaited: format!("it could {awaited}"),
                    output: self.output.appendix(),
                });
            }
            if Instant::now() >= until {
                let (pid, output) = (self.started.pid, self.output.appendix());
                return Err(SubjectError::NeverAnswered {
                    pid,
                    awaited,
                    waited: deadline,
                    output,
                });
            }
            // Nothing announces that somebody listens now. The end of the target cuts the wait short.
            let _ = tokio::time::timeout(CONNECT_TICK, self.exited()).await;
        }
    }

    /// Ends it: TERM, KILL after the grace, then everything that stayed behind. Never takes longer than the grace
    /// and a few seconds. A second call finds nothing to do.
    pub async fn end(&mut self, grace: Duration) -> EndReport {
        self.tree().census();
        let was_running = self.ending().is_none();
        let mut had_to_kill = false;
        if was_running {
            had_to_kill = self.signal(SignalName::TERM).is_err() || !self.ends_within(grace).await;
        }
        if had_to_kill {
            // What was alive before the kill would otherwise be lost when its parent is gone.
            self.tree().census();
            let _ = self.signal(SignalName::KILL);
            self.ends_within(KILL_PATIENCE).await;
        }
        let alive = self.tree().census();
        let stayed: Vec<Leftover> = alive.iter().map(Leftover::of).collect();
        let undead = self.sweep(alive).await;
        self.output.settle(OUTPUT_PATIENCE).await;
        let (leftovers, orphans) = if had_to_kill {
            (Vec::new(), stayed)
        } else {
            (stayed, Vec::new())
        };
        EndReport {
            ending: self.ending(),
            was_running,
            had_to_kill,
            leftovers,
            orphans,
            undead,
        }
    }

    async fn sweep(&mut self, alive: Vec<Process>) -> Vec<Leftover> {
        let tree = self.tree.get_mut().unwrap_or_else(PoisonError::into_inner);
        tree.sweep(alive, SWEEP_PATIENCE)
            .await
            .iter()
            .map(Leftover::of)
            .collect()
    }

    async fn ends_within(&self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.exited()).await.is_ok()
    }

    /// Whoever listens on the socket has to be the target or one of its own.
    fn verified(&self, stream: UnixStream, path: &Path) -> Result<UnixStream, SubjectError> {
        let credentials = stream
            .peer_cred()
            .map_err(|error| SubjectError::system("ask who answers", error))?;
        let (pid, found) = (self.started.pid, credentials.pid().unwrap_or(0));
        let is_descendant =
            || proc::descendants(pid).is_ok_and(|all| all.iter().any(|process| process.pid == found));
        if found == pid || is_descendant() {
            return Ok(stream);
        }
        Err(SubjectError::Impostor {
            pid,
            found,
            path: path.to_owned(),
        })
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        // A census that panicked half-way has at worst forgotten somebody, who will be found again.
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let still_same = || {
            let now = proc::process(self.started.pid)?;
            self.started.identity.as_ref().map(|then| then.is_same(&now))
        };
        if self.ending().is_none() && still_same() == Some(true) {
            self.tree().census();
            let _ = self.signal(SignalName::KILL);
        }
        self.tree().abandon();
    }
}

impl Leftover {
    fn of(process: &Process) -> Self {
        let arguments = proc::cmdline(process.pid);
        let command = if arguments.is_empty() {
            process.comm.clone()
        } else {
            arguments.join(" ")
        };
        Self {
            pid: process.pid,
            command,
            session: process.sid,
        }
    }
}

/// Makes orphans of all targets children of this process, so that they can be seen and reaped. It may be called again.
///
/// # Errors
/// When the kernel refuses.
pub fn become_subreaper() -> io::Result<()> {
    nix::sys::prctl::set_child_subreaper(true).map_err(io::Error::from)
}

/// Runs a command to its end or to its deadline, in a session of its own; what it leaves behind is killed.
///
/// # Errors
/// As [`Subject::start`].
pub async fn run_command(
    command: &[String],
    environment: &[(String, String)],
    root: &Path,
    deadline: Duration,
) -> Result<CommandReport, SubjectError> {
    become_subreaper().map_err(|error| SubjectError::system("become the reaper of orphans", error))?;
    let (stdout, stderr) = (Capture::new(), Capture::new());
    let started = spawn::start(
        command,
        environment,
        root,
        &Captures {
            stdout: &stdout,
            stderr: &stderr,
        },
    )?;
    // The command gets a tree of its own, which must not take the target's processes: they show the same directory.
    let mut tree = Tree::of_descendants(started.pid);
    let ended = tokio::time::timeout(deadline, spawn::ended(started.ending.clone())).await;
    let mut alive = tree.census();
    if ended.is_err() {
        let _ = kill(Pid::from_raw(started.pid), SignalName::KILL.as_nix());
        let _ = tokio::time::timeout(KILL_PATIENCE, spawn::ended(started.ending.clone())).await;
        alive = tree.census();
    }
    tree.sweep(alive, SWEEP_PATIENCE).await;
    stdout.settle(OUTPUT_PATIENCE).await;
    stderr.settle(OUTPUT_PATIENCE).await;
    Ok(CommandReport {
        ending: ended.ok(),
        stdout: stdout.text(),
        stderr: stderr.text(),
    })
}

/// How long a killed process is given to be gone.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// How long what stayed behind is given to be gone.
const SWEEP_PATIENCE: Duration = Duration::from_secs(3);
/// How long output that is still on its way is waited for.
const OUTPUT_PATIENCE: Duration = Duration::from_millis(200);
/// How often a socket is tried.
const CONNECT_TICK: Duration = Duration::from_millis(3);
