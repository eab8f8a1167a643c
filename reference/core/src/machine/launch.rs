//! Launching: from `pending` to the first line of the handshake.

use super::deps::Ready;
use super::effect::{Effect, LaunchSpec, Level, Signal};
use super::engine::Machine;
use super::instance::{HealthRun, Phase, Run};
use super::state::{Reason, State, Trigger};
use super::timer::Timer;
use crate::wire::Key;
use crate::wire::handshake::{self, Hello};
use crate::wire::line::{HANDSHAKE_LINE, Splitter};

impl Machine {
    /// Launches a module whose conditions hold. Taking [`Ready`] by value shows that somebody has checked.
    ///
    /// Implements `unit.at-most-one-generation`, `unit.generation-counts`.
    pub(super) fn launch(&mut self, ready: Ready) {
        let i = ready.module();
        let instance = &mut self.modules[i];
        instance.generation += 1;
        instance.run = Some(Run {
            pid: None,
            leader: 0,
            phase: Phase::Spawning,
            splitter: Splitter::new(HANDSHAKE_LINE),
            next_id: FIRST_FREE_ID,
            was_ready: false,
            self_degraded: false,
            health: HealthRun::default(),
            ignored: 0,
            kills: 0,
        });
        let (handshake, start) = (instance.spec.handshake_timeout, instance.spec.start_timeout);
        self.system.running += 1;
        self.shift(i, Trigger::Launch, State::Initializing, None);
        self.arm(i, Timer::Handshake, self.now.saturating_add(handshake));
        self.arm(i, Timer::Start, self.now.saturating_add(start));
        let spec = self.launch_spec(i);
        self.out.push(Effect::Spawn(spec));
    }

    fn launch_spec(&self, i: usize) -> LaunchSpec {
        let instance = &self.modules[i];
        let id = &instance.spec.id;
        let runtime_dir = self.private_dir(i);
        let mut environment = self.environment(i);
        for (name, number) in [("PARTENZA_FD", PROTOCOL_FD), ("PARTENZA_SECRET_FD", SECRET_FD)] {
            environment.push((name.to_owned(), number.to_string()));
        }
        LaunchSpec {
            module: id.clone(),
            generation: instance.generation,
            entrypoint: instance.spec.entrypoint.clone(),
            args: instance.spec.args.clone(),
            environment,
            runtime_dir,
            protocol_fd: PROTOCOL_FD,
            secret_fd: SECRET_FD,
            umask: 0o077,
            working_directory: "/".to_owned(),
            new_session: true,
        }
    }

    /// The environment of a module and of its command probes, without the two descriptors that only the module has:
    /// the allowed names of the orchestrator's own, the file's, and those that the file cannot change.
    ///
    /// Implements `launch.environment-allow-list`, `launch.declared-environment-passed`,
    /// `launch.environment-variables`.
    pub(super) fn environment(&self, i: usize) -> Vec<(String, String)> {
        let instance = &self.modules[i];
        let mut environment = vec![("PATH".to_owned(), DEFAULT_PATH.to_owned())];
        let mut set = |name: &str, value: String| {
            environment.retain(|(other, _)| other != name);
            environment.push((name.to_owned(), value));
        };
        for (name, value) in &self.settings.environment {
            if ALLOWED.contains(&name.as_str()) {
                set(name, value.clone());
            }
        }
        for (name, value) in &instance.spec.environment {
            if !DESCRIPTORS.contains(&name.as_str()) {
                set(name, value.clone());
            }
        }
        set("PARTENZA_PROTOCOL", "1".to_owned());
        set("PARTENZA_MODULE", instance.spec.id.to_string());
        set("PARTENZA_GENERATION", instance.generation.to_string());
        set("PARTENZA_RUNTIME_DIR", self.private_dir(i));
        environment
    }

    fn private_dir(&self, i: usize) -> String {
        format!(
            "{}/modules/{}",
            self.settings.runtime_dir, self.modules[i].spec.id
        )
    }

    /// The process runs: the handshake begins.
    pub(super) fn spawned(&mut self, i: usize, pid: u32, key: Key, nonce: [u8; 32]) {
        let instance = &mut self.modules[i];
        let Some(run) = instance
            .run
            .as_mut()
            .filter(|run| matches!(run.phase, Phase::Spawning))
        else {
            return;
        };
        run.pid = Some(pid);
        run.leader = pid;
        run.phase = Phase::Closed;
        let (module, generation) = (instance.spec.id.clone(), instance.generation);
        self.emit(serde_json::json!({
            "type": "launch", "module": module.as_str(), "generation": generation, "pid": pid,
        }));
        // The condition `started` may hold now.
        self.touch(i);
        if self.modules[i].state != State::Initializing {
            // Somebody wanted it ended before it was there. It has not been greeted, so it cannot be asked.
            let kills = self.modules[i].run.as_ref().map_or(0, |run| run.kills);
            self.signal(i, if kills > 0 { Signal::Kill } else { Signal::Term });
            return;
        }
        let hello = Hello {
            versions: &[handshake::VERSION],
            orchestrator: &self.program,
            boot: &self.settings.boot,
            module: module.as_str(),
            generation,
            manifest: &self.modules[i].spec.digest,
            grants: &[],
            extensions: &[],
            nonce: handshake::nonce_text(&nonce),
        };
        let (l1, expect) = handshake::begin(key, nonce, &hello);
        if let Some(run) = &mut self.modules[i].run {
            run.phase = Phase::Hello(Box::new(expect));
        }
        self.send(i, l1);
    }

    /// `launch.exec-failure-reported`, `restart.no-retry-after-exec-failure`
    pub(super) fn spawn_failed(&mut self, i: usize, stage: &str, errno: i32) {
        let spawning = self.modules[i]
            .run
            .as_ref()
            .is_some_and(|run| matches!(run.phase, Phase::Spawning));
        if !spawning {
            return;
        }
        if self.modules[i].state != State::Initializing {
            // It was to be stopped anyway.
            self.group_empty(i);
            return;
        }
        self.clear_run(i);
        let detail = format!(
            "{}: {} (errno {errno}, {stage})",
            stage_name(stage),
            errno_name(errno)
        );
        self.log(Some(i), Level::Error, format!("cannot be launched: {detail}"));
        self.shift(i, Trigger::ExecFailed, State::Failed, Some(Reason::Exec));
        self.set_detail(i, &detail);
        self.ended(i);
    }

    /// Queues bytes for a module.
    pub(super) fn send(&mut self, i: usize, bytes: Vec<u8>) {
        let (module, generation) = self.named(i);
        self.out.push(Effect::Send {
            module,
            generation,
            bytes,
        });
    }

    /// Signals the group of a module, once the shell has reported it.
    pub(super) fn signal(&mut self, i: usize, signal: Signal) {
        let launched = self.modules[i].run.as_ref().is_some_and(|run| run.leader != 0);
        if launched {
            let (module, generation) = self.named(i);
            self.out.push(Effect::SignalGroup {
                module,
                generation,
                signal,
            });
        }
    }

    pub(super) fn named(&self, i: usize) -> (crate::id::ModuleId, u64) {
        (self.modules[i].spec.id.clone(), self.modules[i].generation)
    }
}

/// The names that a module may take over from the orchestrator's environment.
const ALLOWED: [&str; 6] = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ"];
/// What `PATH` is when the orchestrator has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// These are said by the launch and by nobody else.
const DESCRIPTORS: [&str; 2] = ["PARTENZA_FD", "PARTENZA_SECRET_FD"];
/// `launch.fd-numbers-low`
const PROTOCOL_FD: i32 = 3;
const SECRET_FD: i32 = 4;
/// The ids 1 and 2 belong to the handshake.
const FIRST_FREE_ID: i64 = 3;

/// The stage of the specification to which a step of the shell belongs.
fn stage_name(step: &str) -> &'static str {
    match step {
        "clone" | "fork" => "fork",
        "setsid" => "session",
        "chdir" | "runtime directory" => "directory",
        "setuid" | "setgid" | "setgroups" => "user",
        "exec" | "entrypoint" | "argv" | "environment" => "exec",
        _ => "descriptors",
    }
}

/// The names of the errors that a launch can meet on Linux, for people.
fn errno_name(errno: i32) -> &'static str {
    match errno {
        1 => "EPERM, operation not permitted",
        2 => "ENOENT, no such file or directory",
        7 => "E2BIG, argument list too long",
        8 => "ENOEXEC, exec format error",
        11 => "EAGAIN, resource temporarily unavailable",
        12 => "ENOMEM, out of memory",
        13 => "EACCES, permission denied",
        20 => "ENOTDIR, not a directory",
        22 => "EINVAL, invalid argument",
        23 => "ENFILE, too many open files in system",
        24 => "EMFILE, too many open files",
        26 => "ETXTBSY, text file busy",
        28 => "ENOSPC, no space left on device",
        30 => "EROFS, read-only file system",
        36 => "ENAMETOOLONG, file name too long",
        40 => "ELOOP, too many symbolic links",
        _ => "error",
    }
}
