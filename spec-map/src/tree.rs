//! Where the sources come from: the binary itself, or a checkout.
//!
//! Owns the reading of files as text by their path in the repository; interprets none.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use crate::files;
use crate::requirement::hex;
use sha2::{Digest as _, Sha256};

/// The sources as text, by path from the root of the repository.
pub type Tree = BTreeMap<String, String>;

/// The sources that this binary carries.
#[must_use]
pub fn embedded() -> Tree {
    files::all()
        .map(|(path, bytes)| (path.to_owned(), String::from_utf8_lossy(bytes).into_owned()))
        .collect()
}

/// The sources of a checkout: the specification, the map and the suites.
///
/// # Errors
/// When a folder or a file cannot be read.
pub fn checkout(root: &Path) -> io::Result<Tree> {
    let mut tree = Tree::new();
    for folder in ["spec", "spec-map", "suites"] {
        collect(&root.join(folder), folder, &mut tree)?;
    }
    tree.retain(|path, _| {
        let wanted = |folder: &str, ends: &[&str]| {
            path.starts_with(folder) && ends.iter().any(|end| path.ends_with(end))
        };
        wanted("spec/", &[".md", ".yaml", ".json", ".snapshot"])
            || wanted("spec-map/map", &[".yaml"])
            || path == crate::suites::MONITORS
            || wanted("suites/", &[".yaml"])
    });
    Ok(tree)
}

fn collect(dir: &Path, prefix: &str, tree: &mut Tree) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            // The crate's own sources lie beside its map and are none of the specification.
            if prefix != "spec-map" {
                collect(&entry.path(), &path, tree)?;
            }
        } else {
            tree.insert(
                path,
                String::from_utf8_lossy(&fs::read(entry.path())?).into_owned(),
            );
        }
    }
    Ok(())
}

/// The digest over the specification that this binary carries, `sha256:` and 64 hex digits.
#[must_use]
pub fn digest() -> String {
    let mut hash = Sha256::new();
    for (path, bytes) in files::all().filter(|(path, _)| path.starts_with("spec/")) {
        hash.update(format!("{path}\0{}\0", bytes.len()));
        hash.update(bytes);
    }
    format!("sha256:{}", hex(&hash.finalize()))
}
