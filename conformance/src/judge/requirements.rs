//! What the judge has to know of the requirements: which exist, and how strongly each binds.
//!
//! Read once from the embedded specification, which does not change while the program runs.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use partenza_reports::log::Level;

/// Every requirement and its level.
pub fn requirements() -> &'static BTreeMap<String, Level> {
    static ALL: OnceLock<BTreeMap<String, Level>> = OnceLock::new();
    ALL.get_or_init(|| {
        let spec = partenza_spec_map::Spec::embedded();
        spec.requirements
            .iter()
            .map(|r| (r.id.clone(), level(r.level)))
            .collect()
    })
}

/// The strongest level among these requirements; MUST when one is not known, so that nothing is judged too mildly.
pub fn strongest<'i>(ids: impl Iterator<Item = &'i str>) -> Level {
    ids.map(|id| requirements().get(id).copied().unwrap_or(Level::Must))
        .min()
        .unwrap_or(Level::Must)
}

fn level(level: partenza_spec_map::Level) -> Level {
    match level {
        partenza_spec_map::Level::Must => Level::Must,
        partenza_spec_map::Level::Should => Level::Should,
        partenza_spec_map::Level::May => Level::May,
    }
}
