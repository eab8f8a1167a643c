//! The embedded files of the specification and the map, by path.
//!
//! Owns nothing but the table that `build.rs` writes; interprets no file.

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The contents of an embedded file; `path` counts from the root of the repository, as in
/// `spec/schemas/target.schema.json`.
#[must_use]
pub fn get(path: &str) -> Option<&'static [u8]> {
    let at = FILES.binary_search_by_key(&path, |(name, _)| name).ok()?;
    Some(FILES[at].1)
}

/// The same as text; nothing when the file is not UTF-8.
#[must_use]
pub fn text(path: &str) -> Option<&'static str> {
    get(path).and_then(|bytes| std::str::from_utf8(bytes).ok())
}

/// Every embedded file, sorted by path.
pub fn all() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().copied()
}
