//! What the verbs read before they act: suites, targets, seeds.
//!
//! Owns the defaults, and that a mistake in an input file ends with exit code 2 and its place.

use std::env;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use super::exit;
use super::output::Failure;
use crate::run::bundled::{Bundled, BundledError, mentions, substitute};
use crate::suite::Library;
use crate::target::TargetFile;

/// The suites that this program carries.
pub(crate) fn library() -> Result<Library, Failure> {
    // The caller cannot mend what is embedded, so a mistake in it is the harness's.
    Library::embedded().map_err(|errors| Failure {
        code: exit::HARNESS,
        ..Failure::input(errors)
    })
}

/// The target of a file, or the bundled one.
pub(crate) fn target(
    file: Option<&Path>,
    bundled: Bundled,
    fault: Option<&str>,
) -> Result<TargetFile, Failure> {
    let mut target = match file {
        Some(file) => TargetFile::load(file).map_err(|error| Failure::input([error]))?,
        None => bundled.target().map_err(|error| {
            let code = if matches!(error, BundledError::File(_)) {
                exit::HARNESS
            } else {
                exit::TARGET
            };
            Failure::new(code, error.to_string())
        })?,
    };
    match (fault, mentions(&target, "fault")) {
        (Some(fault), true) => substitute(&mut target, "fault", fault),
        (Some(_), false) => {
            let message = "--fault is given, and no command of the target holds `{fault}`";
            return Err(Failure::new(exit::USAGE, message));
        }
        // Which fault is decided later, by whoever plays all of them.
        (None, _) => {}
    }
    Ok(target)
}

/// The seed that was given, or a new one.
pub(crate) fn seed(given: Option<u32>) -> Result<u64, Failure> {
    match given {
        Some(seed) => Ok(u64::from(seed)),
        None => getrandom::u32()
            .map(u64::from)
            .map_err(|error| Failure::harness("choose a seed", error)),
    }
}

/// How many cases run side by side. They spend their time waiting, so there are more of them than processors; `each` is
/// how many for one processor.
pub(crate) fn jobs(given: Option<u16>, each: usize) -> usize {
    let cpus = available_parallelism().map_or(1, std::num::NonZero::get);
    given.map_or_else(|| (cpus * each).min(each * 4), usize::from)
}

/// This program, which is also the puppet.
pub(crate) fn this_program() -> Result<PathBuf, Failure> {
    env::current_exe().map_err(|error| Failure::harness("find this program", error))
}

/// The runtime that everything runs on: one thread.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::harness("start the runtime", error))
}
