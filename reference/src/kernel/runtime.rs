//! The runtime directory of one run: module directories, status files and the control socket's place.
//!
//! It owns making it, keeping a second orchestrator out, and taking it away. Status files are written when the loop
//! has nothing better to do, and at the latest a moment after they changed: during a boot a module passes several
//! states in a blink, and only the last is worth a file.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::fcntl::Flock;
use partenza_reference_core::ModuleId;

use crate::sys::dir::PrivateDir;
use crate::sys::net::somebody_listens;

#[derive(Debug)]
pub(super) struct Runtime {
    root: PrivateDir,
    modules: PrivateDir,
    status: PrivateDir,
    _alone: Flock<OwnedFd>,
    waiting: HashMap<ModuleId, String>,
    order: VecDeque<(ModuleId, u64)>,
}

impl Runtime {
    /// Takes the directory, unless another orchestrator lives there.
    pub(super) fn take(path: &Path) -> io::Result<Self> {
        let root = PrivateDir::make(path)?;
        let lock = root.lock()?;
        let socket = path.join(SOCKET);
        let Some(alone) = lock.filter(|_| !somebody_listens(&socket)) else {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another orchestrator runs here; `partenza shutdown` ends it",
            ));
        };
        // What a run left behind that could not clean up.
        for name in [SOCKET, MODULES, STATUS] {
            root.remove(name);
        }
        Ok(Self {
            modules: root.sub(MODULES)?,
            status: root.sub(STATUS)?,
            root,
            _alone: alone,
            waiting: HashMap::new(),
            order: VecDeque::new(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.root.path().join(SOCKET)
    }

    pub(super) fn make_module_dir(&self, module: &ModuleId) -> io::Result<()> {
        self.modules.fresh(module.as_str())
    }

    /// Removes a module's endpoints, which are of no use once it has ended.
    pub(super) fn remove_module_dir(&self, module: &ModuleId) {
        self.modules.remove(module.as_str());
    }

    pub(super) fn queue_status(&mut self, module: ModuleId, json: String, now: u64) {
        if self.waiting.insert(module.clone(), json).is_none() {
            self.order.push_back((module, now));
        }
    }

    /// When the oldest status that waits has to be written.
    pub(super) fn status_deadline(&self) -> Option<u64> {
        self.order.front().map(|(_, since)| since + STATUS_LATEST_US)
    }

    pub(super) fn has_status(&self) -> bool {
        !self.order.is_empty()
    }

    /// Writes up to `most` status files. The answer is the first failure.
    pub(super) fn write_status(&mut self, most: usize) -> io::Result<()> {
        let mut result = Ok(());
        for _ in 0..most {
            let Some((module, _)) = self.order.pop_front() else {
                break;
            };
            if let Some(mut json) = self.waiting.remove(&module) {
                json.push('\n');
                result = result.and(self.status.replace(&format!("{module}.json"), json.as_bytes()));
            }
        }
        result
    }

    /// Takes away everything that this run has made.
    pub(super) fn clean_up(&self) {
        for name in [SOCKET, MODULES, STATUS] {
            self.root.remove(name);
        }
        if self.root.was_made() {
            // It stays if somebody else has put something into it.
            let _ = std::fs::remove_dir(self.root.path());
        }
    }
}

const SOCKET: &str = "control.sock";
const MODULES: &str = "modules";
const STATUS: &str = "status";

/// How long a changed status may wait for a quiet moment.
const STATUS_LATEST_US: u64 = 50_000;
