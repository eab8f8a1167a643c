//! Starting modules: the queue of launches, one at a time.

use std::io;

use nix::errno::Errno;
use nix::libc;
use partenza_reference_core::machine::{Event, LaunchSpec, Level};
use partenza_reference_core::wire::Key;
use zeroize::Zeroize;

use super::hands::Kernel;
use super::launch::prepare;
use crate::interpose::Interpose;
use crate::sys::spawn::SpawnError;

impl Kernel {
    /// Starts the launch that has waited longest.
    pub(crate) fn launch_next(&mut self, interpose: &mut impl Interpose) {
        let Some(spec) = self.waiting_launches.pop_front() else {
            return;
        };
        let (module, generation) = (spec.module.clone(), spec.generation);
        match self.launch(&spec, interpose) {
            Ok((pid, key, nonce)) => self.raise(Event::Spawned {
                module,
                generation,
                pid,
                key,
                nonce,
            }),
            Err(SpawnError { stage, errno }) => {
                self.runtime.remove_module_dir(&module);
                self.raise(Event::SpawnFailed {
                    module,
                    generation,
                    stage: stage.to_owned(),
                    errno,
                });
            }
        }
    }

    fn launch(
        &mut self,
        spec: &LaunchSpec,
        interpose: &mut impl Interpose,
    ) -> Result<(u32, Key, [u8; 32]), SpawnError> {
        let mut bytes = [0; 32];
        let mut nonce = [0; 32];
        let random = |_| SpawnError::new("getrandom", Errno::EIO);
        getrandom::fill(&mut bytes).map_err(random)?;
        getrandom::fill(&mut nonce).map_err(random)?;
        let key = Key::new(bytes);
        bytes.zeroize();
        let mut secret = key.pipe_line().to_vec();
        interpose.secret(spec, &mut secret);
        let prepared = prepare(spec, &secret, &self.spawner);
        secret.zeroize();
        let mut prepared = prepared?;
        let no_dir = |error: io::Error| SpawnError {
            stage: "runtime directory",
            errno: error.raw_os_error().unwrap_or(libc::EIO),
        };
        self.runtime.make_module_dir(&spec.module).map_err(no_dir)?;
        interpose.launch(spec, &mut prepared.launch);
        let launch = self.next_launch;
        self.next_launch += 1;
        let pid = self.spawner.spawn(&prepared.launch)?;
        // From here on the child exists, so nothing may fail without ending it.
        self.groups.add(launch, pid, spec.module.clone(), spec.generation);
        self.launches
            .insert((spec.module.clone(), spec.generation), launch);
        self.names.insert(launch, (spec.module.clone(), spec.generation));
        drop(prepared.launch);
        let now = self.now();
        let (module, generation) = (spec.module.clone(), spec.generation);
        let watched = self
            .channels
            .add(&self.poller, launch, prepared.socket, module, generation)
            .and_then(|()| {
                self.outputs
                    .add(&self.poller, launch, prepared.output, spec.module.clone(), now)
            });
        if let Err(errno) = watched {
            // Its socket is closed or will never be read: the machine sees a module that ends without a word.
            self.log.note(
                Some(&spec.module),
                Level::Error,
                &format!("cannot watch the module: {errno}"),
            );
            self.groups.signal(launch, libc::SIGKILL);
        }
        Ok((pid, key, nonce))
    }
}
