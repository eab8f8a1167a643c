//! Plays many things side by side, never more than `jobs` of them, in an order that a seed decides.
//!
//! Owns the bound, the order, and the loss of one: a job that panics is reported and takes nobody with it. Everything
//! runs on the one thread of the caller's runtime, because cases spend their time waiting.

use std::any::Any;
use std::collections::HashMap;
use std::ops::ControlFlow;

use tokio::task::JoinSet;

/// Runs every item; `done` gets the position of each in `items` with its result, or why there is none.
///
/// Has to be called within a `LocalSet`. When `done` breaks, nothing more is started and what runs is dropped.
pub async fn bounded<I, T, F>(
    items: Vec<I>,
    jobs: usize,
    mut start: impl FnMut(usize, I) -> F,
    mut done: impl FnMut(usize, Result<T, String>) -> ControlFlow<()>,
) where
    T: 'static,
    F: Future<Output = T> + 'static,
{
    let mut waiting = items.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut positions = HashMap::new();
    loop {
        while running.len() < jobs.max(1) {
            let Some((position, item)) = waiting.next() else {
                break;
            };
            let handle = running.spawn_local(start(position, item));
            positions.insert(handle.id(), position);
        }
        let (id, result) = match running.join_next_with_id().await {
            None => return,
            Some(Ok((id, value))) => (id, Ok(value)),
            Some(Err(error)) => {
                let id = error.id();
                let why = match error.try_into_panic() {
                    Ok(panic) => format!("the harness lost the case: {}", words(panic.as_ref())),
                    Err(_) => "the case was cancelled".to_owned(),
                };
                (id, Err(why))
            }
        };
        let Some(position) = positions.remove(&id) else {
            continue;
        };
        if done(position, result).is_break() {
            running.abort_all();
            while running.join_next().await.is_some() {}
            return;
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}

/// Puts items into the order that belongs to a seed.
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        let bound = last as u64 + 1;
        let pick = usize::try_from(next(&mut state) % bound).unwrap_or(0);
        items.swap(last, pick);
    }
}

/// The generator SplitMix64: small, well known, and the same on every machine.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, future)
    }

    #[test]
    fn no_more_than_the_bound_run_and_all_report() {
        let (now, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let mut seen = [false; 20];
        block_on(bounded(
            (0..20).collect(),
            3,
            |_, item| {
                let (now, most) = (Rc::clone(&now), Rc::clone(&most));
                async move {
                    now.set(now.get() + 1);
                    most.set(most.get().max(now.get()));
                    for _ in 0..item % 5 {
                        tokio::task::yield_now().await;
                    }
                    now.set(now.get() - 1);
                    item
                }
            },
            |position, result| {
                assert_eq!(result, Ok(position));
                seen[position] = true;
                ControlFlow::Continue(())
            },
        ));
        assert!(seen.iter().all(|seen| *seen));
        assert_eq!(most.get(), 3);
    }

    #[test]
    fn one_that_panics_is_reported_and_harms_nobody() {
        let mut results = Vec::new();
        block_on(bounded(
            vec![0, 1, 2],
            1,
            |_, item| async move {
                assert!(item != 1, "boom");
                item
            },
            |position, result| {
                results.push((position, result));
                ControlFlow::Continue(())
            },
        ));
        assert_eq!(results[0], (0, Ok(0)));
        assert_eq!(results[1], (1, Err("the harness lost the case: boom".to_owned())));
        assert_eq!(results[2], (2, Ok(2)));
    }

    #[test]
    fn a_break_stops_the_rest() {
        let mut count = 0;
        block_on(bounded(
            vec![(); 10],
            1,
            |_, ()| async {},
            |_, _| {
                count += 1;
                if count == 3 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        ));
        assert_eq!(count, 3);
    }

    #[test]
    fn a_seed_is_an_order() {
        let order = |seed| {
            let mut items: Vec<u32> = (0..50).collect();
            shuffle(&mut items, seed);
            items
        };
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
        let mut sorted = order(7);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    }
}
