//! The console examples of the README, run as they stand.
//!
//! It owns that what the README shows is what a reader sees. Commands that build are not among the examples; the
//! continuous integration runs those itself.

use std::path::{Path, PathBuf};

/// The programs of the same build profile lie beside the one of this package.
fn sibling(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_BIN_EXE_partenza-conformance"));
    let path = own.with_file_name(name);
    assert!(
        path.exists(),
        "{} is not built; `cargo test --workspace` builds it",
        path.display()
    );
    path
}

#[test]
fn the_readme_shows_what_happens() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::set_current_dir(root).unwrap_or_else(|error| panic!("the checkout: {error}"));
    let out = std::env::temp_dir().join("partenza-tour-target.yaml");
    // What an earlier run left; `init` refuses to overwrite.
    let _ = std::fs::remove_file(out);
    trycmd::TestCases::new()
        .register_bin("partenza", sibling("partenza"))
        .register_bin(
            "partenza-conformance",
            Path::new(env!("CARGO_BIN_EXE_partenza-conformance")).to_owned(),
        )
        .case("README.md");
}
