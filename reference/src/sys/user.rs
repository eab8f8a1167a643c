//! Who we are, and what we may execute.

use std::fs;
use std::path::PathBuf;

use nix::unistd::{AccessFlags, Uid, eaccess, geteuid};
use partenza_reference_core::manifest::{Entrypoint, EntrypointProbe};

/// Our effective user.
pub(crate) fn own_uid() -> u32 {
    geteuid().as_raw()
}

/// Whether a user may talk to us: ourselves and root.
pub(crate) fn may_control(uid: u32) -> bool {
    Uid::from_raw(uid).is_root() || uid == own_uid()
}

/// The environment as text; variables that are none are left out, because no module could be given them.
pub(crate) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The directories to use when the command line names none.
#[derive(Debug)]
pub(crate) struct DefaultDirs {
    pub(crate) modules: PathBuf,
    pub(crate) runtime: PathBuf,
}

/// The system's directories for root, the user's own for everybody else.
pub(crate) fn default_dirs() -> DefaultDirs {
    if own_uid() == 0 {
        return DefaultDirs {
            modules: "/etc/partenza/modules".into(),
            runtime: "/run/partenza".into(),
        };
    }
    let home = || std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    // The specification of these variables says that a relative path is to be ignored.
    let named = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let own = format!("/tmp/partenza-{}", own_uid());
    DefaultDirs {
        modules: named("XDG_CONFIG_HOME")
            .unwrap_or_else(|| home().join(".config"))
            .join("partenza/modules"),
        // Without a directory of the user's own, one below /tmp, whose owner is checked before it is used.
        runtime: named("XDG_RUNTIME_DIR").map_or_else(|| own.into(), |above| above.join("partenza")),
    }
}

/// Looks at entrypoints as the kernel will when it executes them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entrypoints;

impl EntrypointProbe for Entrypoints {
    fn inspect(&self, path: &str) -> Entrypoint {
        match fs::metadata(path) {
            Err(_) => Entrypoint::Missing,
            Ok(found) if found.is_file() && eaccess(path, AccessFlags::X_OK).is_ok() => {
                Entrypoint::Executable
            }
            Ok(_) => Entrypoint::NotExecutable,
        }
    }
}
