//! Reading the module directory. `check`, `plan` and `run` all begin here, so that they cannot disagree.

use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use partenza_reference_core::manifest::{
    Diagnostic, Loaded, MAX_FILE_BYTES, Severity, empty_directory, load, unreadable,
};
use serde_json::{Value, json};

use super::exit;
use super::say::{Outcome, complain, print};
use crate::interpose::Interpose;
use crate::sys::user::Entrypoints;

/// Reads and checks every `*.yaml` file of the directory.
pub(super) fn load_modules(dir: &Path, interpose: &mut impl Interpose) -> Loaded {
    let (files, mut diagnostics) = read_files(dir);
    let mut loaded = load(&files, &Entrypoints);
    if files.is_empty() && diagnostics.is_empty() {
        diagnostics.push(empty_directory(&dir.display().to_string()));
    }
    diagnostics.append(&mut loaded.diagnostics);
    // By file; the sort is stable, so that within a file the order of the lines stays.
    diagnostics.sort_by(|a, b| a.file.cmp(&b.file));
    loaded.diagnostics = diagnostics;
    interpose.loaded(&mut loaded);
    loaded
}

fn read_files(dir: &Path) -> (Vec<(String, Vec<u8>)>, Vec<Diagnostic>) {
    let shown = dir.display().to_string();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => return (Vec::new(), vec![unreadable(&shown, &plain(&error))]),
    };
    let mut paths: Vec<_> = entries
        .flatten()
        .filter(is_module_name)
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        let name = path.display().to_string();
        match read_file(&path) {
            Ok(Some(bytes)) => files.push((name, bytes)),
            Ok(None) => {}
            Err(error) => problems.push(unreadable(&name, &plain(&error))),
        }
    }
    (files, problems)
}

/// Names of module files end in `.yaml` and do not begin with a dot (`discovery.yaml-files-only`).
fn is_module_name(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    name.as_bytes().ends_with(b".yaml") && !name.as_bytes().starts_with(b".")
}

/// At most one byte more than a file may have, which is enough to refuse it. `None` is no regular file: a link is
/// followed, a directory is none, and opening a named pipe would wait for somebody to write.
fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    if !fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let cap = u64::try_from(MAX_FILE_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    File::open(path)?.take(cap).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// An error without the number that the standard library adds.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// Prints each problem on standard error.
pub(super) fn report(loaded: &Loaded) {
    for diagnostic in &loaded.diagnostics {
        complain(diagnostic);
    }
}

/// `partenza check`.
pub(super) fn check(dir: &Path, json: bool, interpose: &mut impl Interpose) -> Outcome {
    let loaded = load_modules(dir, interpose);
    let count = |severity| {
        loaded
            .diagnostics
            .iter()
            .filter(|found| found.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if json {
        let problems: Vec<Value> = loaded.diagnostics.iter().map(Diagnostic::to_json).collect();
        let modules: Vec<&str> = loaded.modules.iter().map(|module| module.id.as_str()).collect();
        print(json!({"ok": errors == 0, "modules": modules, "problems": problems}));
    } else {
        report(&loaded);
        let of = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let summary = match (errors, warnings) {
            (0, 0) => "no problems".to_owned(),
            _ => format!("{}, {}", of(errors, "error"), of(warnings, "warning")),
        };
        print(format!(
            "{}: {}, {summary}",
            dir.display(),
            of(loaded.modules.len(), "module")
        ));
    }
    Ok(if loaded.has_errors() {
        exit::CONFIGURATION
    } else {
        exit::OK
    })
}
