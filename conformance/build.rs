//! Embeds the suites, so that one binary is enough for an implementer.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let suites = Path::new(&root).join("../suites");
    println!("cargo::rerun-if-changed={}", suites.display());
    let mut files: Vec<_> = fs::read_dir(&suites)
        .expect("the suites stand beside this crate")
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    let mut table = String::from("pub(super) const SUITES: &[(&str, &str)] = &[\n");
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.file_name().expect("a file").to_string_lossy().into_owned();
        let path = file.canonicalize().expect("a path");
        writeln!(
            table,
            "    ({:?}, include_str!({:?})),",
            format!("suites/{name}"),
            path.display()
        )
        .expect("a text can be written to");
    }
    table.push_str("];\n");
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("suites.rs"), table).expect("the output directory is writable");
}
