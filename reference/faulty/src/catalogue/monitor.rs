//! Faults of what is watched in every case.

use std::cell::RefCell;
use std::ffi::CString;
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;

use serde_json::{Value, json};

use super::Entry;
use crate::toolkit::Fault;

pub(super) const FAULTS: &[Entry] = &[
    ("unschematic-live", || {
        Fault::new().says("honest", "live", |_, json| {
            json["params"]
                .as_object_mut()
                .and_then(|params| params.remove("limits"));
        })
    }),
    ("live-twice", || {
        Fault::new().outgoing("honest", |_, _, line| match line.method() {
            "live" => vec![line.clone(), line],
            _ => vec![line],
        })
    }),
    ("wrong-state-of-departure", || {
        Fault::new().tells("plain", "state", |event| {
            if event["to"] == "ready" {
                event.insert("from".to_owned(), json!("pending"));
            }
        })
    }),
    ("an-event-is-lost", || {
        Fault::new().numbered(|event| {
            !(event["type"] == "state" && event["module"] == "honest" && event["to"] == "initializing")
        })
    }),
    ("leaves-a-process", || {
        // What was there before the kernel began is not taken for a module's and outlives it.
        Fault::new()
            .when(|_| std::env::args_os().any(|argument| argument == "run"))
            .loaded(|_| {
                let mut command = Command::new("/bin/sh");
                command.args(["-c", "exec setsid sleep 600"]);
                // Without it the fault would not show.
                let _ = command
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn();
            })
    }),
    ("leaves-status-files-of-nobody", || {
        Fault::new().boot(|desk| {
            // Without it the fault would not show.
            let _ = UnixListener::bind(desk.kernel.runtime_dir().join("leftover.sock"));
        })
    }),
    ("key-in-the-environment", || {
        with_key(|fault, key| {
            fault.launch("honest", move |_, launch| {
                launch
                    .environment
                    .extend(CString::new(format!("PARTENZA_KEY={}", key.borrow())));
            })
        })
    }),
    ("key-in-the-arguments", || {
        with_key(|fault, key| {
            fault.launch("honest", move |_, launch| {
                launch.argv.extend(CString::new(key.borrow().as_str()))
            })
        })
    }),
    ("key-in-the-log", || {
        with_key(|fault, key| fault.launch("honest", move |_, _| eprintln!("key {}", key.borrow())))
    }),
    ("key-in-the-status", || {
        with_key(|fault, key| {
            fault.status("honest", move |status| {
                if !key.borrow().is_empty() {
                    status.insert("detail".to_owned(), Value::from(key.borrow().clone()));
                }
            })
        })
    }),
    ("key-in-a-status-file", || {
        with_key(|fault, key| {
            fault.launch("honest", move |_, _| {
                if let Some(dir) = state_directory() {
                    // Without it the fault would not show.
                    let _ = fs::create_dir_all(&dir)
                        .and_then(|()| fs::write(dir.join("key.txt"), key.borrow().as_str()));
                }
            })
        })
    }),
    ("status-file-of-yesterday", || {
        let mut written = false;
        Fault::new().file("honest", move |_| !std::mem::replace(&mut written, true))
    }),
];

/// A fault that knows the key of the module `honest`.
fn with_key(make: impl FnOnce(Fault, Rc<RefCell<String>>) -> Fault) -> Fault {
    let key = Rc::new(RefCell::new(String::new()));
    let seen = Rc::clone(&key);
    let fault = Fault::new().secret("honest", move |_, line| {
        *seen.borrow_mut() = String::from_utf8_lossy(line).trim_end().to_owned();
    });
    make(fault, key)
}

/// The state directory of the command line.
fn state_directory() -> Option<PathBuf> {
    let mut arguments = std::env::args_os().skip_while(|argument| argument != "--state");
    arguments.nth(1).map(PathBuf::from)
}
