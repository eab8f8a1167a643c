//! Embeds the specification and the map, so that one binary is enough for an implementer.
//!
//! Writes a sorted table of `(path, contents)` for `src/files.rs` to include. Refuses to interpret anything: a malformed
//! chapter is reported by the library, with its line, and never as a failed build.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    let spec = here.join("../spec");
    let mut files = Vec::new();
    collect(&spec, "spec", &mut files)?;
    for entry in fs::read_dir(&here)? {
        let path = entry?.path();
        let name = name_of(&path);
        if (name.starts_with("map") || name == "monitors.yaml") && name.ends_with(".yaml") {
            files.push((format!("spec-map/{name}"), path));
        }
    }
    println!("cargo::rerun-if-changed={}", here.display());
    files.sort();
    let mut code = String::from("pub(crate) static FILES: &[(&str, &[u8])] = &[\n");
    for (name, path) in &files {
        let path = path.canonicalize()?;
        writeln!(
            code,
            "    ({name:?}, include_bytes!({:?})),",
            path.display().to_string()
        )
        .map_err(io::Error::other)?;
    }
    code.push_str("];\n");
    fs::write(out.join("files.rs"), code)
}

/// Adds every file of the specification below `dir`; the directories themselves are watched so that new files count.
fn collect(dir: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", dir.display());
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = name_of(&path);
        if path.is_dir() {
            collect(&path, &format!("{prefix}/{name}"), files)?;
        } else if [".md", ".yaml", ".json", ".snapshot"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            files.push((format!("{prefix}/{name}"), path));
        }
    }
    Ok(())
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
