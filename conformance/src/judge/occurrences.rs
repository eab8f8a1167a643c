//! Predicates about occurrences and the time between them.

use std::time::Duration;

use super::find::find;
use super::predicate::{positions, quote};
use super::trace::Kind;
use super::view::{Finding, State, View};
use crate::suite::Pattern;

/// By how much a report of a puppet may lag behind what it reports. An `at-least` is shortened by it, because the earlier
/// occurrence may have been reported late.
const REPORT_LAG: Duration = Duration::from_millis(15);

pub(super) fn occurs(view: &View<'_>, patterns: &[Pattern]) -> Finding {
    let found: Vec<Option<usize>> = patterns
        .iter()
        .map(|p| find(view.trace, p, view.expand))
        .collect();
    let evidence = found.iter().flatten().copied();
    match patterns.iter().zip(&found).find(|(_, at)| at.is_none()) {
        None => Finding::holds("all of them", evidence),
        Some((missing, _)) => Finding::new(State::NotYet, format!("not seen: {missing}"), evidence),
    }
}

pub(super) fn order(view: &View<'_>, patterns: &[Pattern]) -> Finding {
    let seen = occurs(view, patterns);
    if seen.state != State::Holds {
        return seen;
    }
    let mut sorted: Vec<(usize, &Pattern)> = seen.evidence.iter().copied().zip(patterns).collect();
    let good = sorted.is_sorted_by_key(|(at, _)| *at);
    sorted.sort_by_key(|(at, _)| *at);
    let time = |at: usize| format!("{:.3} ms", view.trace[at].t_us as f64 / 1000.0);
    let actual: Vec<String> = sorted
        .iter()
        .map(|(at, pattern)| format!("{pattern} at {}", time(*at)))
        .collect();
    Finding::new(
        if good { State::Holds } else { State::Broken },
        actual.join(", then "),
        seen.evidence,
    )
}

pub(super) fn gap(
    view: &View<'_>,
    from: &Pattern,
    to: &Pattern,
    least: Option<Duration>,
    most: Option<Duration>,
) -> Finding {
    let Some(start) = find(view.trace, from, view.expand) else {
        return Finding::not_yet(format!("not seen: {from}"));
    };
    let Some(end) = find(view.trace, to, view.expand) else {
        return Finding::new(State::NotYet, format!("not seen: {to}"), [start]);
    };
    let times = (view.trace[start].t_us, view.trace[end].t_us);
    let Some(between) = times.1.checked_sub(times.0).map(Duration::from_micros) else {
        return Finding::broken(format!("`{to}` came before `{from}`"), [start, end]);
    };
    let short = least.is_some_and(|least| between + REPORT_LAG < least);
    let long = most.is_some_and(|most| between > most.mul_f64(view.time_scale));
    let state = if short || long {
        State::Broken
    } else {
        State::Holds
    };
    Finding::new(
        state,
        format!("{:.3} ms", between.as_secs_f64() * 1000.0),
        [start, end],
    )
}

pub(super) fn overlap(view: &View<'_>, modules: &[String]) -> Finding {
    let moment = |verb: Kind, module: &String| {
        positions(view, |e| {
            e.is(module, verb) || (verb == Kind::Tx && e.is(module, Kind::Tx))
        })
        .into_iter()
        .find(|at| verb != Kind::Tx || view.trace[*at].text("method") == "ready")
    };
    let launched: Vec<Option<usize>> = modules.iter().map(|m| moment(Kind::Launch, m)).collect();
    let ready: Vec<Option<usize>> = modules.iter().map(|m| moment(Kind::Tx, m)).collect();
    if let Some(missing) = modules.iter().zip(&launched).find(|(_, at)| at.is_none()) {
        return Finding::not_yet(format!("{} was not launched", missing.0));
    }
    let last_launch = launched.iter().flatten().max().copied().unwrap_or(0);
    let first_ready = ready.iter().flatten().min().copied();
    match first_ready {
        Some(first) if first < last_launch => Finding::broken(
            format!(
                "one was ready before the last was launched: {}",
                quote(view, first)
            ),
            [first, last_launch],
        ),
        _ => Finding::holds(
            "all were launched before any was ready",
            launched.into_iter().flatten(),
        ),
    }
}
