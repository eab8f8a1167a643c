//! Changing what was loaded.

use partenza_reference_core::manifest::{Condition, Edge, Loaded};

/// The ids of all modules.
pub(crate) fn names(loaded: &Loaded) -> Vec<&str> {
    loaded.modules.iter().map(|module| module.id.as_str()).collect()
}

/// The place of a module.
pub(super) fn index_of(loaded: &Loaded, name: &str) -> Option<usize> {
    loaded
        .modules
        .iter()
        .position(|module| module.id.as_str() == name)
}

/// Takes a module away, and every dependency on it.
pub(crate) fn remove_module(loaded: &mut Loaded, name: &str) {
    let Some(gone) = index_of(loaded, name) else {
        return;
    };
    loaded.modules.remove(gone);
    loaded.edges.remove(gone);
    for edges in &mut loaded.edges {
        edges.retain(|edge| edge.on != gone);
        edges
            .iter_mut()
            .filter(|edge| edge.on > gone)
            .for_each(|edge| edge.on -= 1);
    }
}

/// Lets a module wait for another one. Only where some module of the directory has a dependency that can be copied.
pub(crate) fn add_need(loaded: &mut Loaded, name: &str, on: &str, condition: Condition) {
    let sample: Option<Edge> = loaded.edges.iter().flatten().next().cloned();
    let (Some(mut edge), Some(module), Some(on)) = (sample, index_of(loaded, name), index_of(loaded, on))
    else {
        return;
    };
    edge.on = on;
    edge.condition = condition;
    edge.optional = false;
    edge.interface = None;
    loaded.edges[module].push(edge);
}
