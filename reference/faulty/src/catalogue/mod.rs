//! Every fault by its name. What each of them is to do, and which check it has to turn red, stands in `suites/faults.yaml`.

mod configuration;
mod control;
mod dependencies;
mod handshake;
mod health;
mod launch;
mod lifecycle;
mod monitor;
mod recovery;
mod security;
mod wire;

use crate::toolkit::Fault;

/// A fault and how to make it.
pub(crate) type Entry = (&'static str, fn() -> Fault);

/// All of them, by chapter.
pub(crate) fn all() -> impl Iterator<Item = &'static Entry> {
    let chapters = [
        handshake::FAULTS,
        lifecycle::FAULTS,
        launch::FAULTS,
        configuration::FAULTS,
        wire::FAULTS,
        dependencies::FAULTS,
        control::FAULTS,
        security::FAULTS,
        health::FAULTS,
        recovery::FAULTS,
        monitor::FAULTS,
    ];
    chapters.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn catalogue_and_suites_name_the_same_faults() {
        let text = include_str!("../../../../suites/faults.yaml");
        let wanted: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("- fault: "))
            .map(str::trim)
            .collect();
        let made: BTreeSet<&str> = all().map(|(name, _)| *name).collect();
        let missing: Vec<_> = wanted.difference(&made).collect();
        let unknown: Vec<_> = made.difference(&wanted).collect();
        assert!(
            missing.is_empty() && unknown.is_empty(),
            "missing: {missing:?}, unknown: {unknown:?}"
        );
        assert_eq!(all().count(), made.len(), "a name stands twice");
    }

    #[test]
    fn every_fault_can_be_made() {
        for (_, make) in all() {
            let _ = make();
        }
    }
}
