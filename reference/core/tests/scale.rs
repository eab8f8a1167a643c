//! Size: nothing recurses, and an event costs the same among ten modules and among ten thousand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod common;

use common::{SECOND, World, load_texts};
use partenza_reference_core::machine::{Effect, Event, ExitStatus};
use partenza_reference_core::plan::Plan;
use serde_json::json;

/// `m00000` … in a chain: each requires the one before.
fn chain(length: usize, more: &str) -> Vec<(String, String)> {
    (0..length)
        .map(|i| {
            let requires = if i == 0 {
                String::new()
            } else {
                format!("requires: [m{:05}]\n", i - 1)
            };
            let id = format!("m{i:05}");
            let text = common::file(&id, &format!("{requires}{more}"));
            (id, text)
        })
        .collect()
}

fn texts(chain: &[(String, String)]) -> Vec<(&str, String)> {
    chain
        .iter()
        .map(|(id, text)| (id.as_str(), text.clone()))
        .collect()
}

#[test]
fn a_chain_of_ten_thousand_is_planned_and_a_cycle_of_ten_thousand_is_printed() {
    let modules = chain(10_000, "");
    let loaded = load_texts(&texts(&modules));
    assert!(!loaded.has_errors());
    let plan = Plan::new(&loaded).to_json();
    assert_eq!(plan["order"].as_array().unwrap().len(), 10_000);
    assert_eq!(plan["modules"][9_999]["layer"], 9_999);

    let mut cycle = modules;
    cycle[0].1.push_str("requires: [m09999]\n");
    let loaded = load_texts(&texts(&cycle));
    assert_eq!(loaded.diagnostics.len(), 1);
    let text = &loaded.diagnostics[0].message;
    assert!(
        text.contains("m00000 -> m09999 -> m09998 -> ") && text.ends_with("m00001 -> m00000"),
        "{}",
        &text[..100]
    );
}

#[test]
fn a_chain_of_two_thousand_boots_parks_and_shuts_down() {
    let modules = chain(2_000, "restart: never\n");
    let mut world = World::of(load_texts(&texts(&modules)), 1).boot();
    world.statuses.clear();
    world.run(10 * SECOND);
    assert_eq!(world.system(), ["starting", "ready"]);
    world.feed(Event::ShutdownSignal { signal: 15 });
    world.run(60 * SECOND);
    assert_eq!(world.exit.unwrap().1, 0);
}

#[test]
fn a_failure_at_the_bottom_parks_the_whole_chain_at_once() {
    let modules = chain(5_000, "restart: never\n");
    let mut world = World::of(load_texts(&texts(&modules)), 1)
        .script("m00000", |script| {
            script.dies_after = Some((0, ExitStatus::Code(1)))
        })
        .boot();
    world.run(SECOND);
    assert_eq!(world.statuses["m04999"]["reason"], "dependency");
    assert_eq!(world.system(), ["starting", "degraded"]);
}

/// Counts effects instead of time: what one event of one module leads to does not depend on how many others there are.
#[test]
fn one_event_touches_one_module() {
    for count in [10, 1_000] {
        let modules: Vec<(String, String)> = (0..count)
            .map(|i| {
                let id = format!("m{i:05}");
                let text = common::file(&id, "");
                (id, text)
            })
            .collect();
        let mut world = World::of(load_texts(&texts(&modules)), 1).boot();
        world.run(SECOND);
        let bytes =
            common::line_of(&json!({"jsonrpc": "2.0", "method": "status", "params": {"state": "degraded"}}));
        let module = partenza_reference_core::ModuleId::try_from("m00003").unwrap();
        let effects = world.machine.handle(
            world.now,
            Event::Bytes {
                module,
                generation: 1,
                bytes,
            },
        );
        let shown: Vec<_> = effects
            .iter()
            .filter(|effect| !matches!(effect, Effect::Log { .. }))
            .collect();
        assert_eq!(shown.len(), 2, "one event line, one status: {shown:?}");
    }
}
