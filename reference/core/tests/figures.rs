//! Figures, on demand: `cargo test --release -p partenza-reference-core --test figures -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod common;

use std::time::Instant;

use common::{SECOND, World, load_texts};
use partenza_reference_core::plan::Plan;

#[test]
#[ignore = "prints figures; it asserts nothing"]
#[expect(clippy::disallowed_methods, reason = "measuring is the purpose of this test")]
fn figures() {
    for count in [1_000, 10_000] {
        let texts: Vec<(String, String)> = (0..count)
            .map(|i| {
                let id = format!("m{i:05}");
                let requires = if i % 100 == 0 {
                    String::new()
                } else {
                    format!("requires: [m{:05}]\n", i - 1)
                };
                (
                    id.clone(),
                    common::file(
                        &id,
                        &format!("{requires}restart: {{policy: on-failure, delay: 200ms}}\n"),
                    ),
                )
            })
            .collect();
        let texts: Vec<(&str, String)> = texts
            .iter()
            .map(|(id, text)| (id.as_str(), text.clone()))
            .collect();
        let begin = Instant::now();
        let loaded = load_texts(&texts);
        let loading = begin.elapsed();
        let begin = Instant::now();
        let plan = Plan::new(&loaded).to_json().to_string();
        let planning = begin.elapsed();
        println!(
            "{count} modules: load {loading:?}, plan {planning:?} ({} bytes)",
            plan.len()
        );
        if count == 1_000 {
            let begin = Instant::now();
            let mut world = World::of(loaded, 1).boot();
            world.run(30 * SECOND);
            println!(
                "{count} modules: boot, machine and simulation {:?}",
                begin.elapsed()
            );
        }
    }
}
