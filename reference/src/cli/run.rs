//! `partenza run`: from module files to a running orchestrator.

use std::path::Path;

use nix::errno::Errno;
use partenza_reference_core::machine::{Level, Machine, Settings};

use super::exit;
use super::load::{load_modules, report};
use super::say::{Outcome, Trouble};
use crate::event_loop;
use crate::interpose::Interpose;
use crate::kernel::{Kernel, StartError};
use crate::sys::user::environment;

pub(super) struct Options<'a> {
    pub(super) modules: &'a Path,
    pub(super) runtime: &'a Path,
    pub(super) json: bool,
    pub(super) verbose: bool,
}

pub(super) fn run(options: &Options<'_>, interpose: &mut impl Interpose) -> Outcome {
    let loaded = load_modules(options.modules, interpose);
    report(&loaded);
    if loaded.has_errors() {
        return Ok(exit::CONFIGURATION);
    }
    let runtime = std::path::absolute(options.runtime).map_err(Trouble::internal)?;
    let Some(runtime_dir) = runtime.to_str().map(str::to_owned) else {
        return Err(Trouble::new(
            exit::USAGE,
            "the path of the runtime directory is not UTF-8",
        ));
    };
    let settings = Settings {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        boot: random_uuid().map_err(Trouble::internal)?,
        pid: std::process::id(),
        seed: getrandom::u64().map_err(Trouble::internal)?,
        environment: environment(),
        runtime_dir,
    };
    let mut kernel = Kernel::start(&runtime, options.json, options.verbose).map_err(trouble)?;
    if let Some(mode) = interpose.control_mode() {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(kernel.control_path(), mode).map_err(Trouble::internal)?;
    }
    let text = format!(
        "boot {} listens at {}",
        settings.boot,
        kernel.control_path().display()
    );
    kernel.note(None, Level::Info, &text);
    let mut machine = Machine::new(settings, loaded);
    let result = event_loop::run(&mut machine, &mut kernel, interpose);
    kernel.finish(interpose);
    match result {
        Ok(code) => Ok(u8::try_from(code).unwrap_or(exit::INTERNAL)),
        Err(errno) => Err(Trouble::internal(format!(
            "cannot wait for events: {}",
            errno.desc()
        ))),
    }
}

fn trouble(error: StartError) -> Trouble {
    let too_long = matches!(
        error,
        StartError::Control {
            source: Errno::ENAMETOOLONG,
            ..
        }
    );
    let code = if matches!(error, StartError::Kernel { .. }) {
        exit::INTERNAL
    } else {
        exit::FAILED
    };
    let trouble = Trouble::new(code, error);
    if too_long {
        trouble.help("the path of a socket has at most 107 bytes; choose a shorter --runtime")
    } else {
        trouble
    }
}

/// A random UUID (version 4), lower case.
fn random_uuid() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    let number = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let digits = format!("{number:032x}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_has_a_well_formed_name() {
        let uuid = random_uuid().unwrap();
        let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        assert_ne!(uuid, random_uuid().unwrap());
    }
}
