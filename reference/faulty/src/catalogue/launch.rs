//! Faults of what a module finds when it wakes up.

use std::cell::RefCell;
use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::rc::Rc;

use nix::fcntl::OFlag;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::pipe2;
use partenza_reference::{Launch, Passed};
use partenza_reference_core::machine::{Event, ExitStatus};
use partenza_reference_core::wire::Key;

use super::Entry;
use crate::toolkit::Fault;

pub(super) const FAULTS: &[Entry] = &[
    ("channel-is-a-pipe", || {
        let mut kept = Vec::new();
        Fault::new().launch("specimen", move |_, launch| {
            if let Ok((read, write)) = pipe2(OFlag::O_CLOEXEC) {
                // The read end stays open, so that writing does not kill the module.
                kept.push(read);
                put(launch, 3, write);
            }
        })
    }),
    ("key-in-a-file", || {
        let key = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&key);
        Fault::new()
            .secret("specimen", move |_, line| seen.borrow_mut().clone_from(line))
            .launch("specimen", move |_, launch| {
                if let Ok(file) = memfd_create("key", MFdFlags::MFD_CLOEXEC) {
                    let mut file = File::from(file);
                    if file.write_all(&key.borrow()).and_then(|()| file.rewind()).is_ok() {
                        put(launch, 4, file.into());
                    }
                }
            })
    }),
    ("key-without-line-feed", || {
        Fault::new().secret("specimen", |_, line| line.truncate(64))
    }),
    ("channel-number-20", || {
        Fault::new().variable("specimen", "PARTENZA_FD", "20")
    }),
    ("secret-number-21", || {
        Fault::new().variable("specimen", "PARTENZA_SECRET_FD", "21")
    }),
    ("leaks-a-descriptor", || {
        Fault::new().launch("specimen", |_, launch| {
            if let Ok(file) = File::open("/dev/zero") {
                put(launch, 7, file.into());
            }
        })
    }),
    ("stdin-inherited", || {
        Fault::new().launch("specimen", |_, launch| {
            if let Ok((read, _)) = pipe2(OFlag::O_CLOEXEC) {
                put(launch, 0, read);
            }
        })
    }),
    ("stdout-thrown-away", || {
        Fault::new().launch("specimen", |_, launch| throw_away(launch, 1))
    }),
    ("stderr-thrown-away", || {
        Fault::new().launch("specimen", |_, launch| throw_away(launch, 2))
    }),
    ("environment-inherited", || {
        Fault::new().launch("specimen", |_, launch| {
            for (name, value) in std::env::vars() {
                if !launch
                    .environment
                    .iter()
                    .any(|entry| entry.to_bytes().starts_with(format!("{name}=").as_bytes()))
                {
                    launch.environment.extend(CString::new(format!("{name}={value}")));
                }
            }
        })
    }),
    ("file-overrides-the-protocol", || {
        Fault::new().variable("specimen", "PARTENZA_PROTOCOL", "7")
    }),
    ("wrong-module-variable", || {
        Fault::new().variable("specimen", "PARTENZA_MODULE", "module")
    }),
    ("generation-variable-padded", || {
        Fault::new().variable("specimen", "PARTENZA_GENERATION", "01")
    }),
    ("runtime-directory-relative", || {
        Fault::new().variable("specimen", "PARTENZA_RUNTIME_DIR", "run/specimen")
    }),
    ("empty-variables-dropped", || {
        Fault::new().launch("specimen", |_, launch| {
            launch
                .environment
                .retain(|entry| !entry.to_bytes().ends_with(b"="));
        })
    }),
    ("arguments-split-at-spaces", || {
        Fault::new().launch("specimen", |_, launch| {
            let words = std::mem::take(&mut launch.argv);
            let split = |word: CString| -> Vec<CString> {
                if word.is_empty() {
                    return vec![word];
                }
                let parts = word.to_bytes().split(|byte| *byte == b' ');
                parts.filter_map(|part| CString::new(part).ok()).collect()
            };
            launch.argv = words.into_iter().flat_map(split).collect();
        })
    }),
    ("signals-stay-blocked", || {
        Fault::new().launch("specimen", |_, launch| launch.blocked.push(17))
    }),
    ("sigpipe-stays-ignored", || {
        Fault::new().launch("specimen", |_, launch| launch.ignored.push(13))
    }),
    ("no-session-of-its-own", || {
        Fault::new().launch("specimen", |_, launch| launch.new_session = false)
    }),
    ("working-directory-inherited", || {
        Fault::new().launch("specimen", |_, launch| {
            launch.working_directory = c"/tmp".to_owned()
        })
    }),
    ("umask-022", || {
        Fault::new().launch("specimen", |_, launch| launch.umask = 0o022)
    }),
    // What the next three do cannot fail here, and if it did, the fault would only not show.
    ("no-runtime-directory", || {
        Fault::new().launch("tenant", |spec, _| {
            let _ = fs::remove_dir(&spec.runtime_dir);
        })
    }),
    ("runtime-directory-for-all", || {
        Fault::new().launch("lodger", |spec, _| {
            let _ = fs::set_permissions(&spec.runtime_dir, Permissions::from_mode(0o755));
        })
    }),
    ("runtime-directory-shared", || {
        Fault::new().launch("neighbour", |spec, launch| {
            let dir = spec.runtime_dir.replace("neighbour", "lodger");
            launch
                .environment
                .retain(|entry| !entry.to_bytes().starts_with(b"PARTENZA_RUNTIME_DIR="));
            launch
                .environment
                .extend(CString::new(format!("PARTENZA_RUNTIME_DIR={dir}")));
        })
    }),
    ("needs-root", || {
        Fault::new().launch("commoner", |_, launch| {
            launch.program = c"/nonexistent/needs-root".to_owned()
        })
    }),
    ("exec-failure-called-exit", || {
        Fault::new().reason("unloadable", "exec", "exit")
    }),
    ("exec-failure-without-detail", || {
        Fault::new().status("wrecked", |status| {
            status.insert("detail".to_owned(), serde_json::Value::Null);
        })
    }),
    // To the machine the failed launch is a process that exits with 127.
    ("retries-exec", || {
        Fault::new().beside("wrecked").event(|_, event| match event {
            Event::SpawnFailed {
                module, generation, ..
            } if module.as_str() == "broken" => vec![
                Event::Spawned {
                    module: module.clone(),
                    generation,
                    pid: NOBODY,
                    key: Key::new([0; 32]),
                    nonce: [0; 32],
                },
                Event::Exited {
                    module: module.clone(),
                    generation,
                    status: ExitStatus::Code(127),
                },
                Event::GroupEmpty { module, generation },
            ],
            other => vec![other],
        })
    }),
];

/// Gives the child this descriptor under this number.
fn put(launch: &mut Launch, target: i32, source: OwnedFd) {
    launch.descriptors.retain(|passed| passed.target != target);
    launch.descriptors.push(Passed {
        target,
        source: Rc::new(source),
    });
}

fn throw_away(launch: &mut Launch, target: i32) {
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        put(launch, target, null.into());
    }
}

/// A pid that the kernel gives to nobody.
const NOBODY: u32 = 4_194_304;
