//! Faults of reading and checking module files.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use partenza_reference_core::machine::{Effect, Event};
use partenza_reference_core::manifest::{Diagnostic, Entrypoint, Loaded, Severity};

use super::Entry;
use crate::toolkit::{Fault, remove_module};

pub(super) const FAULTS: &[Entry] = &[
    ("skips-a-module-file", || {
        Fault::new().loaded(|loaded| remove_module(loaded, "sibling"))
    }),
    ("reads-yml-files", || {
        Fault::new().loaded(|loaded| {
            if directory().is_some_and(|dir| dir.join("module.yml").exists()) {
                loaded.diagnostics.push(Diagnostic {
                    code: "PZ102",
                    severity: Severity::Error,
                    file: "module.yml".to_owned(),
                    line: 1,
                    column: 12,
                    message: "this is no YAML".to_owned(),
                    help: None,
                    snippet: None,
                });
            }
        })
    }),
    ("configuration-error-exits-with-one", || {
        Fault::new()
            .when(|loaded| has_error(loaded, "zz-late.yaml"))
            .exit(|code| if code == 2 { 1 } else { code })
    }),
    ("launches-what-is-good-first", launches_what_is_good_first),
    ("ignores-unknown-keys", || {
        Fault::new().only_warned("PZ101", "unknown-key.yaml")
    }),
    ("no-suggestion-for-keys", || {
        Fault::new().loaded(|loaded| terse(loaded, "PZ101", "unknown-key.yaml", "unknown key"))
    }),
    ("lines-count-from-zero", || {
        Fault::new().loaded(|loaded| {
            for found in loaded
                .diagnostics
                .iter_mut()
                .filter(|found| found.file.ends_with("place.yaml"))
            {
                found.line -= 1;
                found.column -= 1;
                // There is no place under which a mark could stand.
                found.snippet = None;
            }
        })
    }),
    ("last-key-wins", || Fault::new().unreported("PZ106", "")),
    ("entrypoint-is-optional", || {
        let fault = Fault::new().unreported("PZ104", "missing-key.yaml");
        fault.loaded(|loaded| remove_module(loaded, "missing-key"))
    }),
    ("coerces-types", || {
        Fault::new().unreported("PZ103", "wrong-type.yaml")
    }),
    ("yes-is-true", || {
        Fault::new().unreported("PZ103", "old-boolean.yaml")
    }),
    ("any-version-will-do", || {
        Fault::new().unreported("PZ105", "bad-version.yaml")
    }),
    ("relative-entrypoint-allowed", || {
        let ghost = |module: &mut partenza_reference_core::manifest::Module| {
            module.entrypoint_state = Entrypoint::Missing
        };
        Fault::new()
            .unreported("PZ111", "relative-entrypoint.yaml")
            .module("relative-entrypoint", ghost)
    }),
    ("durations-by-prefix", || {
        let fault = Fault::new()
            .unreported("PZ105", "bad-duration.yaml")
            .unreported("PZ103", "bad-duration.yaml");
        fault.module("bad-duration", |module| module.stop_timeout = 5_000_000)
    }),
    ("first-document-only", || {
        Fault::new().unreported("PZ102", "two-documents.yaml")
    }),
    ("no-size-limit", || Fault::new().unreported("PZ113", "")),
    ("any-id-will-do", || {
        Fault::new().unreported("PZ105", "bad-id.yaml")
    }),
    ("second-file-wins", || Fault::new().unreported("PZ107", "")),
    ("wrong-code-for-timeouts", || {
        Fault::new().loaded(|loaded| {
            let found = loaded.diagnostics.iter_mut();
            found
                .filter(|found| found.code == "PZ118")
                .for_each(|found| found.code = "PZ105");
        })
    }),
    ("limit-arithmetic-unchecked", || {
        Fault::new().unreported("PZ112", "")
    }),
    ("stops-at-the-first-problem", || {
        Fault::new()
            .when(|loaded| has_error(loaded, "second-bad.yaml"))
            .first_error_only()
    }),
    ("drafts-refused", || {
        Fault::new().module("veteran", |module| {
            module.entrypoint_state = Entrypoint::NotExecutable
        })
    }),
    ("drafts-accepted-silently", || {
        Fault::new().unreported("PZ114", "")
    }),
    ("default-stop-timeout-90s", || {
        Fault::new().says_param("bare", "live", "stop_timeout_ms", 90_000)
    }),
    ("default-health-interval", || {
        Fault::new().says_param("bare", "live", "health_interval_ms", 5000)
    }),
    ("default-delay-one-second", || {
        Fault::new().module("spare", |module| module.restart.delay = 1_000_000)
    }),
    ("check-exits-with-one", || {
        Fault::new()
            .when(|loaded| checking() && has_error(loaded, "offline-bad.yaml"))
            .exit(|code| if code == 2 { 1 } else { code })
    }),
    ("check-stops-at-the-first-problem", || {
        Fault::new()
            .when(|loaded| checking() && has_error(loaded, "offline-bad.yaml"))
            .first_error_only()
    }),
    ("check-never-satisfied", || {
        Fault::new()
            .when(|_| checking())
            .beside("examined")
            .exit(|code| if code == 0 { 2 } else { code })
    }),
    ("check-tries-the-program", || {
        Fault::new()
            .when(|_| checking())
            .beside("examined")
            .loaded(try_program)
    }),
    ("descriptions-unknown", || {
        Fault::new().module("replete", |module| {
            module.entrypoint_state = Entrypoint::NotExecutable
        })
    }),
];

/// The module directory of the command line.
fn directory() -> Option<PathBuf> {
    let mut arguments = std::env::args_os().skip_while(|argument| argument != "--modules");
    arguments.nth(1).map(PathBuf::from)
}

/// Whether the command is `check`.
fn checking() -> bool {
    std::env::args_os().any(|argument| argument == "check")
}

fn has_error(loaded: &Loaded, file: &str) -> bool {
    let errors = loaded
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error);
    errors.into_iter().any(|found| found.file.ends_with(file))
}

/// Says no more than this about a problem.
pub(super) fn terse(loaded: &mut Loaded, code: &str, file: &str, message: &str) {
    let found = loaded.diagnostics.iter_mut();
    for found in found.filter(|found| found.code == code && found.file.ends_with(file)) {
        message.clone_into(&mut found.message);
        found.help = None;
        found.snippet = None;
    }
}

/// The errors are set aside; they are reported when the module has answered.
fn launches_what_is_good_first() -> Fault {
    let errors = Rc::new(RefCell::new(Vec::new()));
    let (kept, answered) = (Rc::clone(&errors), Rc::new(Cell::new(false)));
    let heard = Rc::clone(&answered);
    Fault::new()
        .when(|loaded| has_error(loaded, "zz-late.yaml") && !checking())
        .loaded(move |loaded| {
            let (bad, rest) = std::mem::take(&mut loaded.diagnostics)
                .into_iter()
                .partition(|found: &Diagnostic| found.severity == Severity::Error);
            loaded.diagnostics = rest;
            *kept.borrow_mut() = bad;
            remove_module(loaded, "late");
        })
        .incoming("bystander", move |desk, at, line| {
            heard.set(true);
            desk.kernel.signal_group(&at.module, at.generation, 9);
            vec![line]
        })
        .event(move |desk, event| {
            if answered.get()
                && matches!(&event, Event::GroupEmpty { module, .. } if module.as_str() == "bystander")
            {
                errors.borrow().iter().for_each(|found| eprintln!("{found}"));
                desk.perform(Effect::Exit { code: 2 });
            }
            vec![event]
        })
}

/// Runs the entry point for a moment, as somebody would who does not trust the file.
fn try_program(loaded: &mut Loaded) {
    for module in loaded
        .modules
        .iter()
        .filter(|module| module.id.as_str() == "examined")
    {
        let mut command = Command::new(&module.entrypoint);
        command
            .args(&module.args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else { continue };
        let until = Instant::now() + Duration::from_millis(500);
        while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        // It has ended or will end at once; either is as well.
        let _ = child.kill();
        let _ = child.wait();
    }
}
