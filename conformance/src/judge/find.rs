//! Finding patterns in a trace.
//!
//! Pure: a pattern and a trace in, positions out. What a missing occurrence means is decided by whoever asks.

use super::trace::{Entry, Kind};
use crate::suite::matcher::{Expand, members_hold};
use crate::suite::{Actor, Pattern, Verb};

/// The position of the occurrence that the pattern names.
pub fn find(trace: &[Entry], pattern: &Pattern, expand: Expand<'_>) -> Option<usize> {
    occurrences(trace, pattern, expand).nth(pattern.nth - 1)
}

/// The positions of all occurrences of the pattern, whatever number it names.
pub fn occurrences<'t>(
    trace: &'t [Entry],
    pattern: &'t Pattern,
    expand: Expand<'t>,
) -> impl Iterator<Item = usize> + 't {
    trace
        .iter()
        .enumerate()
        .filter(move |(_, entry)| is_occurrence(entry, pattern, expand))
        .map(|(at, _)| at)
}

fn is_occurrence(entry: &Entry, pattern: &Pattern, expand: Expand<'_>) -> bool {
    if let Some(generation) = pattern.generation
        && entry.generation() != Some(generation)
    {
        return false;
    }
    match &pattern.actor {
        Actor::Module(module) => of_module(entry, module, &pattern.verb),
        Actor::System => {
            let Verb::Reaches(state) = &pattern.verb else {
                return false;
            };
            entry.kind == Kind::Event && entry.text("type") == "system" && entry.text("state") == state
        }
        Actor::Orchestrator => match &pattern.verb {
            Verb::Started => entry.kind == Kind::Start,
            Verb::Exited => entry.kind == Kind::End,
            Verb::Signalled(signal) => entry.kind == Kind::Signalled && entry.text("signal") == signal,
            _ => false,
        },
        Actor::Control(label) => match &pattern.verb {
            Verb::Asked => entry.kind == Kind::Ask && entry.text("label") == label,
            Verb::Answered => matches!(entry.kind, Kind::Reply | Kind::Run) && entry.text("label") == label,
            _ => false,
        },
        Actor::Events => match &pattern.verb {
            Verb::Event(members) => entry.kind == Kind::Event && members_hold(members, &entry.data, expand),
            _ => false,
        },
    }
}

fn of_module(entry: &Entry, module: &str, verb: &Verb) -> bool {
    match verb {
        Verb::Reaches(state) => {
            entry.kind == Kind::Event
                && entry.text("type") == "state"
                && entry.text("module") == module
                && entry.text("to") == state
        }
        Verb::Launched => entry.is(module, Kind::Launch),
        Verb::Exited => entry.is(module, Kind::Exit),
        Verb::Received(method) => {
            (entry.is(module, Kind::Rx) || entry.is(module, Kind::Answer)) && entry.text("method") == method
        }
        Verb::Sent(method) => entry.is(module, Kind::Tx) && entry.text("method") == method,
        Verb::GotSignal(signal) => entry.is(module, Kind::Signal) && entry.text("name") == signal,
        Verb::SawEof => entry.is(module, Kind::Eof),
        _ => false,
    }
}
