//! From the machine's launch specification to a child's exact properties.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use nix::errno::Errno;
use partenza_reference_core::machine::LaunchSpec;

use crate::sys::net::{filled_pipe, pair, pipe};
use crate::sys::spawn::{Launch, Passed, SpawnError, Spawner};

/// A module that is about to start, and the orchestrator's ends of its descriptors.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) launch: Launch,
    pub(super) socket: OwnedFd,
    pub(super) output: OwnedFd,
}

/// Makes the descriptors of a module and writes down what its child gets. `secret` goes into the secret pipe.
pub(super) fn prepare(spec: &LaunchSpec, secret: &[u8], spawner: &Spawner) -> Result<Prepared, SpawnError> {
    let failed = |stage| move |errno| SpawnError::new(stage, errno);
    let (socket, modules_end) = pair().map_err(failed("socketpair"))?;
    let key = filled_pipe(secret).map_err(failed("pipe"))?;
    let (output, writer) = pipe().map_err(failed("pipe"))?;
    let writer = Rc::new(writer);
    let descriptors = vec![
        Passed {
            target: 0,
            source: spawner.null(),
        },
        Passed {
            target: 1,
            source: Rc::clone(&writer),
        },
        Passed {
            target: 2,
            source: writer,
        },
        Passed {
            target: spec.protocol_fd,
            source: Rc::new(modules_end),
        },
        Passed {
            target: spec.secret_fd,
            source: Rc::new(key),
        },
    ];
    let launch = Launch {
        program: text("entrypoint", &spec.entrypoint)?,
        argv: argv(std::iter::once(&spec.entrypoint).chain(&spec.args))?,
        environment: environment(&spec.environment)?,
        working_directory: text("chdir", &spec.working_directory)?,
        umask: spec.umask,
        new_session: spec.new_session,
        descriptors,
        blocked: Vec::new(),
        ignored: Vec::new(),
    };
    Ok(Prepared {
        launch,
        socket,
        output,
    })
}

/// The same hygiene for the command of a probe, which has no wire and whose output nobody reads.
pub(super) fn probe_launch(
    command: &[String],
    variables: &[(String, String)],
    spawner: &Spawner,
) -> Result<Launch, SpawnError> {
    let program = command.first().ok_or(SpawnError::new("exec", Errno::ENOENT))?;
    Ok(Launch {
        program: text("exec", program)?,
        argv: argv(command.iter())?,
        environment: environment(variables)?,
        working_directory: c"/".to_owned(),
        umask: 0o077,
        new_session: true,
        descriptors: (0..3)
            .map(|target| Passed {
                target,
                source: spawner.null(),
            })
            .collect(),
        blocked: Vec::new(),
        ignored: Vec::new(),
    })
}

fn argv<'a>(words: impl Iterator<Item = &'a String>) -> Result<Vec<CString>, SpawnError> {
    words.map(|word| text("argv", word)).collect()
}

fn environment(variables: &[(String, String)]) -> Result<Vec<CString>, SpawnError> {
    variables
        .iter()
        .map(|(name, value)| text("environment", &format!("{name}={value}")))
        .collect()
}

/// A text for the kernel. A NUL would silently end it early, so it is refused.
fn text(stage: &'static str, text: &str) -> Result<CString, SpawnError> {
    CString::new(text).map_err(|_| SpawnError::new(stage, Errno::EINVAL))
}
