//! Starting a process.
//!
//! # How a child comes to life
//!
//! A launch has to be fast, because a boot is a thousand of them, and exact, because whatever the orchestrator holds and
//! forgets to take away is a hole. So everything the child needs is prepared before it exists: argument vectors, the
//! numbers of its descriptors, its mask. The child is made by `clone` with `CLONE_VM | CLONE_VFORK | CLONE_FILES`: it
//! borrows the memory of the orchestrator, which sleeps until the child has become another program or has failed. Nothing
//! is copied, not even the descriptor table: the sources are first moved to a few reserved high numbers, the *stage*;
//! the child's first call, `close_range(…, CLOSE_RANGE_UNSHARE)`, gives it a table of its own that reaches no further than the
//! stage, however many thousand descriptors the orchestrator holds. Then it moves each source to its place and closes
//! the gaps. If a step fails, the child notes step and error number in the memory it shares and exits.
//!
//! Every signal is blocked in the orchestrator ([`super::signal`]), so no handler can run in the borrowed memory.
//!
//! This file owns the child up to `execve`. It refuses to choose: what the child gets is in [`Launch`], all of it.

use std::ffi::{CString, c_char, c_int, c_void};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::Mode;

use super::proc::reap_ending;

/// A descriptor that a child gets.
#[derive(Debug, Clone)]
pub struct Passed {
    /// Its number in the child.
    pub target: RawFd,
    /// What it is. The orchestrator's copy is closed when the last owner lets go of it.
    pub source: Rc<OwnedFd>,
}

/// Everything that a child is given. Nothing else passes: a descriptor, a variable or a signal state that is not
/// written here does not reach it.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program's absolute path.
    pub program: CString,
    /// The argument vector, `argv[0]` included.
    pub argv: Vec<CString>,
    /// The environment, as `NAME=value`.
    pub environment: Vec<CString>,
    /// The working directory.
    pub working_directory: CString,
    /// The file mode creation mask.
    pub umask: u32,
    /// Whether it starts a session, and with it a process group, of its own.
    pub new_session: bool,
    /// The descriptors, at most [`MOST_PASSED`], with distinct targets below [`HIGHEST_TARGET`].
    pub descriptors: Vec<Passed>,
    /// Signals that stay blocked; none in an honest launch.
    pub blocked: Vec<i32>,
    /// Signals that are ignored; none in an honest launch.
    pub ignored: Vec<i32>,
}

/// A step of a launch that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{stage}: {}", Errno::from_raw(*errno).desc())]
pub(crate) struct SpawnError {
    /// The step, named by its call.
    pub(crate) stage: &'static str,
    /// Why.
    pub(crate) errno: i32,
}

impl SpawnError {
    pub(crate) fn new(stage: &'static str, errno: Errno) -> Self {
        Self {
            stage,
            errno: errno as i32,
        }
    }
}

/// How many descriptors one child can get.
pub const MOST_PASSED: usize = 16;

/// Targets are below this number.
pub const HIGHEST_TARGET: RawFd = 64;

/// Makes children. It holds the stage and the stack on which they take their first steps.
#[derive(Debug)]
pub(crate) struct Spawner {
    null: Rc<OwnedFd>,
    stage: Vec<OwnedFd>,
    stack: Box<[Aligned]>,
    /// The limits of open files with which we were started, and with which the children shall start.
    files: (libc::rlim_t, libc::rlim_t),
    can_unshare: bool,
}

impl Spawner {
    /// Prepares stage and stack, and raises our own limit of open files as far as it goes.
    pub(crate) fn new() -> Result<Self, SpawnError> {
        let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|errno| SpawnError::new("open", errno))?;
        let files =
            getrlimit(Resource::RLIMIT_NOFILE).map_err(|errno| SpawnError::new("getrlimit", errno))?;
        // Not fatal: with many modules the launch that finds no descriptor says so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, files.1, files.1);
        let mut stage = Vec::with_capacity(MOST_PASSED);
        for _ in 0..MOST_PASSED {
            let number = fcntl(&null, FcntlArg::F_DUPFD_CLOEXEC(HIGHEST_TARGET))
                .map_err(|errno| SpawnError::new("fcntl", errno))?;
            // SAFETY: `fcntl` has just made this descriptor, so nothing else owns it.
            stage.push(unsafe { OwnedFd::from_raw_fd(number) });
        }
        // A range beyond every descriptor: it asks the kernel whether it knows the call, and closes nothing.
        // SAFETY: the call takes three numbers.
        let answer = unsafe { libc::syscall(libc::SYS_close_range, u32::MAX - 1, u32::MAX, 0) };
        Ok(Self {
            null: Rc::new(null),
            stage,
            stack: vec![Aligned([0; 16]); STACK_BYTES / 16].into_boxed_slice(),
            files,
            can_unshare: answer == 0,
        })
    }

    /// `/dev/null`, for whoever builds a [`Launch`].
    pub(crate) fn null(&self) -> Rc<OwnedFd> {
        Rc::clone(&self.null)
    }

    /// Starts a process and returns its pid once it runs the program.
    pub(crate) fn spawn(&mut self, launch: &Launch) -> Result<u32, SpawnError> {
        self.set_stage(launch)?;
        let result = self.spawn_staged(launch);
        // The stage must not keep a module's end of a socket open, or its end would never be seen.
        for slot in self.stage.iter().take(launch.descriptors.len()) {
            duplicate(self.null.as_raw_fd(), slot.as_raw_fd(), libc::O_CLOEXEC)
                .map_err(|errno| SpawnError::new("dup3", errno))?;
        }
        result
    }

    fn set_stage(&self, launch: &Launch) -> Result<(), SpawnError> {
        let wanted = &launch.descriptors;
        let in_range = wanted
            .iter()
            .all(|passed| (0..HIGHEST_TARGET).contains(&passed.target));
        if wanted.len() > MOST_PASSED || !in_range {
            return Err(SpawnError::new("descriptors", Errno::EMFILE));
        }
        for (passed, slot) in wanted.iter().zip(&self.stage) {
            duplicate(passed.source.as_raw_fd(), slot.as_raw_fd(), libc::O_CLOEXEC)
                .map_err(|errno| SpawnError::new("dup3", errno))?;
        }
        Ok(())
    }

    fn spawn_staged(&mut self, launch: &Launch) -> Result<u32, SpawnError> {
        let argv = pointers(&launch.argv);
        let environment = pointers(&launch.environment);
        let mut moves: Vec<(RawFd, RawFd)> = self
            .stage
            .iter()
            .zip(&launch.descriptors)
            .map(|(slot, passed)| (slot.as_raw_fd(), passed.target))
            .collect();
        moves.sort_by_key(|(_, target)| *target);
        let highest = self
            .stage
            .iter()
            .map(AsRawFd::as_raw_fd)
            .max()
            .unwrap_or(HIGHEST_TARGET);
        let mut order = Order {
            program: launch.program.as_ptr(),
            argv: argv.as_ptr(),
            environment: environment.as_ptr(),
            working_directory: launch.working_directory.as_ptr(),
            umask: launch.umask,
            new_session: launch.new_session,
            moves: &moves,
            above_stage: u32::try_from(highest).unwrap_or(0) + 1,
            unshare: self.can_unshare,
            files: libc::rlimit {
                rlim_cur: self.files.0,
                rlim_max: self.files.1,
            },
            mask: signal_set(&launch.blocked),
            ignored: &launch.ignored,
            failed: None,
        };
        let mut flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        if self.can_unshare {
            flags |= libc::CLONE_FILES;
        }
        let top = self.stack.as_mut_ptr_range().end;
        // SAFETY: the child runs `child_main` on a stack of its own, which nobody else uses, because CLONE_VFORK
        // suspends this thread until the child has called `execve` or `_exit`. `order` and all that it points to
        // live in this frame, thus until after that. No other thread exists, and every signal but the fault
        // signals is blocked, so nothing else runs in the shared memory. The child allocates nothing.
        let result = unsafe { libc::clone(child_main, top.cast::<c_void>(), flags, (&raw mut order).cast()) };
        let pid = Errno::result(result).map_err(|errno| SpawnError::new("clone", errno))?;
        let pid = u32::try_from(pid).unwrap_or(0);
        // SAFETY: `order` is ours alone again. The read is volatile because the compiler did not see the write.
        match unsafe { (&raw const order.failed).read_volatile() } {
            None => Ok(pid),
            Some((stage, errno)) => {
                reap_ending(pid);
                Err(SpawnError { stage, errno })
            }
        }
    }
}

/// What the child reads, and the one field that it writes. It lives in the suspended parent's frame.
struct Order<'a> {
    program: *const c_char,
    argv: *const *const c_char,
    environment: *const *const c_char,
    working_directory: *const c_char,
    umask: u32,
    new_session: bool,
    /// (number on the stage, number in the child), ordered by the latter.
    moves: &'a [(RawFd, RawFd)],
    above_stage: u32,
    unshare: bool,
    files: libc::rlimit,
    mask: libc::sigset_t,
    ignored: &'a [i32],
    failed: Option<(&'static str, c_int)>,
}

/// The child's whole life before its program.
extern "C" fn child_main(order: *mut c_void) -> c_int {
    // SAFETY: `spawn_staged` passes a pointer to its `Order` and sleeps while we hold it.
    let order = unsafe { &mut *order.cast::<Order<'_>>() };
    // SAFETY: see `child_steps`; we are the child of a `clone` with CLONE_VFORK.
    order.failed = Some(unsafe { child_steps(order) });
    // SAFETY: `_exit` ends this process at once, without running what the parent registered for its own exit.
    unsafe { libc::_exit(127) }
}

/// Carries out the order. It returns only when a step failed, and says which.
///
/// # Safety
/// Only in a child that shares memory with a suspended parent: it changes the state of the process as a whole. It calls
/// nothing but async-signal-safe functions and allocates nothing.
unsafe fn child_steps(order: &Order<'_>) -> (&'static str, c_int) {
    let failed = |stage| (stage, Errno::last_raw());
    // SAFETY: for the whole block: every call takes numbers, or pointers from `order`, which are valid
    // null-terminated strings and null-terminated vectors of such, and initialised structures.
    unsafe {
        if order.unshare {
            let flags = libc::CLOSE_RANGE_UNSHARE;
            if libc::syscall(libc::SYS_close_range, order.above_stage, u32::MAX, flags) != 0 {
                return failed("close_range");
            }
        }
        if order.new_session && libc::setsid() == -1 {
            return failed("setsid");
        }
        libc::umask(order.umask as libc::mode_t);
        if libc::chdir(order.working_directory) != 0 {
            return failed("chdir");
        }
        let mut next = 0;
        for (slot, target) in order.moves {
            if libc::dup2(*slot, *target) == -1 {
                return failed("dup2");
            }
            if close_between(next, *target, order).is_err() {
                return failed("close_range");
            }
            next = *target + 1;
        }
        if close_between(next, RawFd::MAX, order).is_err() {
            return failed("close_range");
        }
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const order.files) != 0 {
            return failed("setrlimit");
        }
        for signal in order.ignored {
            libc::signal(*signal, libc::SIG_IGN);
        }
        if libc::sigprocmask(libc::SIG_SETMASK, &raw const order.mask, ptr::null_mut()) != 0 {
            return failed("sigprocmask");
        }
        libc::execve(order.program, order.argv, order.environment);
        failed("exec")
    }
}

/// Closes the descriptors from `first` up to but not including `end`. Targets lie below the stage, so what is still to
/// be moved is never in such a range, except in the last one, when everything was moved.
///
/// # Safety
/// As for [`child_steps`].
unsafe fn close_between(first: RawFd, end: RawFd, order: &Order<'_>) -> Result<(), ()> {
    if first >= end {
        return Ok(());
    }
    if order.unshare {
        // SAFETY: the call takes three numbers.
        let result = unsafe { libc::syscall(libc::SYS_close_range, first as u32, (end - 1) as u32, 0) };
        return if result == 0 { Ok(()) } else { Err(()) };
    }
    let limit = RawFd::try_from(order.files.rlim_max)
        .unwrap_or(RawFd::MAX)
        .min(FALLBACK_HIGHEST);
    for number in first..end.min(limit) {
        // SAFETY: this is the child's own table, and nothing in the child owns these numbers.
        unsafe { libc::close(number) };
    }
    Ok(())
}

fn duplicate(from: RawFd, to: RawFd, flags: c_int) -> nix::Result<()> {
    // SAFETY: the call takes three numbers; `to` is a slot of the stage, which stays owned by the same `OwnedFd`.
    let result = unsafe { libc::dup3(from, to, flags) };
    Errno::result(result).map(drop)
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts
        .iter()
        .map(|text| text.as_ptr())
        .chain([ptr::null()])
        .collect()
}

fn signal_set(signals: &[i32]) -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: `sigemptyset` initialises the set, and `sigaddset` refuses numbers that are no signals.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}

/// Sixteen bytes at an address that every architecture accepts as the top of a stack.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(16))]
struct Aligned([u8; 16]);

/// Generous for a function that calls the kernel and nothing else.
const STACK_BYTES: usize = 64 * 1024;

/// Without `close_range` (before Linux 5.9) each number is closed alone, up to this one.
const FALLBACK_HIGHEST: RawFd = 65_536;

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use nix::unistd::pipe2;

    use super::*;
    use crate::sys::proc::reap_ending;

    fn launch(spawner: &Spawner, program: &str, arguments: &[&str]) -> Launch {
        let text = |text: &str| CString::new(text).unwrap();
        Launch {
            program: text(program),
            argv: [program]
                .iter()
                .chain(arguments)
                .map(|argument| text(argument))
                .collect(),
            environment: vec![text("A=1")],
            working_directory: text("/"),
            umask: 0o77,
            new_session: true,
            descriptors: vec![Passed {
                target: 0,
                source: spawner.null(),
            }],
            blocked: Vec::new(),
            ignored: Vec::new(),
        }
    }

    fn output_of(arguments: &[&str]) -> String {
        let mut spawner = Spawner::new().unwrap();
        let (read, write) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let mut launch = launch(&spawner, "/bin/sh", arguments);
        launch.descriptors.push(Passed {
            target: 7,
            source: spawner.null(),
        });
        launch.descriptors.push(Passed {
            target: 2,
            source: spawner.null(),
        });
        launch.descriptors.push(Passed {
            target: 1,
            source: Rc::new(write),
        });
        let pid = spawner.spawn(&launch).unwrap();
        drop(launch);
        let mut text = String::new();
        File::from(read).read_to_string(&mut text).unwrap();
        reap_ending(pid);
        text
    }

    #[test]
    fn a_child_gets_what_is_written_and_nothing_else() {
        let _leak = File::open("/dev/zero").unwrap();
        let script = "umask; pwd; echo $A; cd /proc/self/fd && echo *; \
                      [ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] && echo leader";
        let text = output_of(&["-c", script]);
        let lines: Vec<&str> = text.lines().collect();
        // Number 3 is the shell's own, for the listing.
        assert_eq!(lines, ["0077", "/", "1", "0 1 2 3 7", "leader"], "{text}");
    }

    #[test]
    fn a_failure_names_its_step_and_leaves_no_child() {
        let mut spawner = Spawner::new().unwrap();
        let missing = launch(&spawner, "/nonexistent/program", &[]);
        assert_eq!(
            spawner.spawn(&missing),
            Err(SpawnError::new("exec", Errno::ENOENT))
        );
        let mut nowhere = launch(&spawner, "/bin/true", &[]);
        nowhere.working_directory = CString::new("/nonexistent").unwrap();
        assert_eq!(
            spawner.spawn(&nowhere),
            Err(SpawnError::new("chdir", Errno::ENOENT))
        );
        let mut crowded = launch(&spawner, "/bin/true", &[]);
        crowded.descriptors.push(Passed {
            target: HIGHEST_TARGET,
            source: spawner.null(),
        });
        assert_eq!(
            spawner.spawn(&crowded),
            Err(SpawnError::new("descriptors", Errno::EMFILE))
        );
    }
}
