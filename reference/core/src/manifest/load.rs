//! All files together: the one check that the offline command and the boot share (`check.same-as-boot`).

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::decode::{Decoded, decode};
use super::diagnostic::{Diagnostic, Severity};
use super::model::Module;
use super::resolve::{Edge, resolve, unknown_module};
use super::yaml::{Place, START};
use crate::id::ModuleId;
use crate::wire::hex;

/// The largest accepted module file (`config.size-limit`).
pub const MAX_FILE_BYTES: usize = 256 * 1024;

/// What is at an entrypoint's path. The shell looks; the core decides what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrypoint {
    /// A regular file (after symbolic links) that the module's user may execute.
    Executable,
    /// Something exists, but it is no regular file or is not executable.
    NotExecutable,
    /// Nothing exists there, or it cannot be reached.
    Missing,
}

/// The one question that loading asks of the world.
pub trait EntrypointProbe {
    /// What is at this absolute path?
    fn inspect(&self, path: &str) -> Entrypoint;
}

/// The result of loading: every module that could be decoded, and every problem of every file.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// By id, in byte order, each id once.
    pub modules: Vec<Module>,
    /// For each module, in the same order, its resolved dependencies.
    pub edges: Vec<Vec<Edge>>,
    /// In the order of files and places.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether the boot has to be refused (`boot.refuses-configuration-errors`).
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }
}

/// Reads every file. `files` are (path as to be printed, bytes), in any order: only the `*.yaml` files of the module
/// directory. The shell reports a file that it could not read with [`unreadable`], and need not read more than
/// [`MAX_FILE_BYTES`] + 1 bytes of any.
///
/// Implements `boot.checks-before-launch`, `config.all-problems-reported`, `unit.id-unique`, `discovery.ghost-warned`.
pub fn load(files: &[(String, Vec<u8>)], probe: &dyn EntrypointProbe) -> Loaded {
    let mut order: Vec<&(String, Vec<u8>)> = files.iter().collect();
    order.sort_by(|a, b| a.0.cmp(&b.0));

    let mut diagnostics = Vec::new();
    let mut kept: BTreeMap<ModuleId, Module> = BTreeMap::new();
    let mut first: BTreeMap<ModuleId, (String, Place)> = BTreeMap::new();
    let mut named: Vec<(String, ModuleId, Place)> = Vec::new();
    for (file, bytes) in order {
        let decoded = decode_bytes(file, bytes);
        let right = decoded
            .problems
            .iter()
            .all(|problem| problem.severity == Severity::Warning);
        diagnostics.extend(decoded.problems);
        named.extend(
            decoded
                .named
                .into_iter()
                .map(|(id, place)| (file.clone(), id, place)),
        );
        let Some(mut module) = decoded.module else {
            continue;
        };
        module.digest = digest(bytes);
        if let Some((other, place)) = first.get(&module.id) {
            let message = format!("the module `{}` is declared twice", module.id);
            let help = format!(
                "the other declaration is at {other}:{}:{}",
                place.line, place.column
            );
            diagnostics.push(Diagnostic::error("PZ107", file, decoded.id_place, message).help(help));
            continue;
        }
        // The entrypoint of a module that takes no part, or whose file is wrong, is nobody's concern yet.
        if right && module.enabled {
            module.entrypoint_state = probe.inspect(&module.entrypoint);
            diagnostics.extend(entrypoint_problem(&module, decoded.entrypoint_place));
        }
        first.insert(module.id.clone(), (file.clone(), decoded.id_place));
        kept.insert(module.id.clone(), module);
    }

    let modules: Vec<Module> = kept.into_values().collect();
    let (edges, problems) = resolve(&modules);
    diagnostics.extend(problems);
    for (file, id, place) in named {
        if modules.binary_search_by(|m| m.id.cmp(&id)).is_err() {
            diagnostics.push(unknown_module(&file, place, &id, &modules));
        }
    }
    add_snippets(&mut diagnostics, files);
    diagnostics.sort_by(|a, b| (&a.file, a.line, a.column, a.code).cmp(&(&b.file, b.line, b.column, b.code)));
    Loaded {
        modules,
        edges,
        diagnostics,
    }
}

/// The diagnostic for a file or directory that the shell could not read: PZ100 at 1:1.
pub fn unreadable(file: &str, error: &str) -> Diagnostic {
    Diagnostic::error("PZ100", file, START, format!("cannot be read: {error}"))
}

/// The warning for a module directory without module files: PZ119 at 1:1.
pub fn empty_directory(directory: &str) -> Diagnostic {
    Diagnostic::error(
        "PZ119",
        directory,
        START,
        "the directory holds no module file (`*.yaml`)",
    )
    .warning()
}

fn decode_bytes(file: &str, bytes: &[u8]) -> Decoded {
    let refused = |code, place, message: String| Decoded {
        module: None,
        id_place: START,
        entrypoint_place: START,
        named: Vec::new(),
        problems: vec![Diagnostic::error(code, file, place, message)],
    };
    if bytes.len() > MAX_FILE_BYTES {
        return refused(
            "PZ113",
            START,
            format!("the file is larger than {MAX_FILE_BYTES} bytes"),
        );
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => decode(file, text),
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = valid.matches('\n').count() + 1;
            let column = valid
                .rsplit('\n')
                .next()
                .map_or(1, |last| last.chars().count() + 1);
            refused(
                "PZ102",
                Place { line, column },
                "the file is not UTF-8".to_owned(),
            )
        }
    }
}

fn entrypoint_problem(module: &Module, place: Place) -> Option<Diagnostic> {
    let path = &module.entrypoint;
    let (code, message) = match module.entrypoint_state {
        Entrypoint::Executable => return None,
        Entrypoint::Missing => (
            "PZ115",
            format!("the entrypoint `{path}` does not exist; the module is a ghost"),
        ),
        Entrypoint::NotExecutable => (
            "PZ116",
            format!("the entrypoint `{path}` is not an executable file; the module is invalid"),
        ),
    };
    Some(Diagnostic::error(code, &module.file, place, message).warning())
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(&Sha256::digest(bytes)))
}

fn add_snippets(diagnostics: &mut [Diagnostic], files: &[(String, Vec<u8>)]) {
    let mut wanted: BTreeMap<&str, Vec<&mut Diagnostic>> = BTreeMap::new();
    let bytes: BTreeMap<&str, &[u8]> = files
        .iter()
        .map(|(file, bytes)| (file.as_str(), bytes.as_slice()))
        .collect();
    for diagnostic in diagnostics {
        if let Some((file, _)) = bytes.get_key_value(diagnostic.file.as_str()) {
            wanted.entry(file).or_default().push(diagnostic);
        }
    }
    for (file, diagnostics) in wanted {
        let Some(text) = bytes.get(file).and_then(|bytes| std::str::from_utf8(bytes).ok()) else {
            continue;
        };
        if text.len() > MAX_FILE_BYTES {
            continue;
        }
        let lines: Vec<&str> = text.lines().collect();
        for diagnostic in diagnostics {
            diagnostic.set_snippet(&lines);
        }
    }
}
