//! Judging predicates over a view: pure apart from looking at paths and processes.
//!
//! Each predicate comes to one of three states. `NotYet` lets the engine wait on; `Broken` lets it stop waiting early. A
//! predicate that claims an absence holds as long as nothing contradicts it, so the engine judges it last.

use partenza_probe::mac;
use serde_json::{Value, json};

use super::find::find;
use super::trace::{Entry, Kind, clip};
use super::view::{Finding, State, View};
use super::{occurrences, outside};
use crate::suite::matcher::{Scope, lookup, members_hold};
use crate::suite::{LinePattern, Matcher, Predicate, ValueSource, Values};

/// The longest line that is quoted in `actual`.
pub(super) const QUOTE: usize = 600;

/// Judges one predicate.
pub fn judge(predicate: &Predicate, view: &View<'_>) -> Finding {
    match predicate {
        Predicate::Status { module, members } => status(view, module, members),
        Predicate::NoProcess { module } => {
            let left = (view.processes)(module);
            if left.is_empty() {
                Finding::holds("none", last(view, module))
            } else {
                Finding::new(State::NotYet, left.join("; "), last(view, module))
            }
        }
        Predicate::Launches { module, count } => {
            let launches: Vec<usize> = positions(view, |e| e.is(module, Kind::Launch));
            counted(count, launches, "launches", view)
        }
        Predicate::Received { module, line, count } => received(view, module, line, count.as_ref()),
        Predicate::NeverReceived { module, line } => never(view, matching_lines(view, module, line)),
        Predicate::EveryReceived {
            module,
            line,
            members,
        } => every_received(view, module, line, members),
        Predicate::Launch {
            module,
            generation,
            members,
        } => {
            let wanted = |e: &Entry| e.is(module, Kind::Launch) && e.generation() == Some(*generation);
            of_document(
                view,
                positions(view, wanted),
                "/snapshot",
                members,
                "it was not launched",
            )
        }
        Predicate::Key {
            module,
            generation,
            members,
        } => {
            let wanted = |e: &Entry| e.is(module, Kind::Key) && e.generation() == Some(*generation);
            of_document(
                view,
                positions(view, wanted),
                "",
                members,
                "it has not read its secret",
            )
        }
        Predicate::Answered { module, to, members } => {
            let wanted = |e: &Entry| {
                e.is(module, Kind::Answer)
                    && (to.as_str() == Some(e.text("method")) || e.data.pointer("/message/id") == Some(to))
            };
            of_document(
                view,
                positions(view, wanted),
                "/message",
                members,
                "no answer came",
            )
        }
        Predicate::NeverSignal { module, signal } => never(
            view,
            positions(view, |e| e.is(module, Kind::Signal) && e.text("name") == signal),
        ),
        Predicate::Proof { module } => proof(view, module),
        Predicate::Event { members, count } => {
            let events = positions(view, |e| {
                e.kind == Kind::Event && members_hold(members, &e.data, view.expand)
            });
            match count {
                Some(count) => counted(count, events, "such events", view),
                None if events.is_empty() => Finding::not_yet(nearest_event(view, members)),
                None => Finding::holds(view.trace[events[0]].data.to_string(), events.into_iter().take(1)),
            }
        }
        Predicate::NeverEvent { members } => never(
            view,
            positions(view, |e| {
                e.kind == Kind::Event && members_hold(members, &e.data, view.expand)
            }),
        ),
        Predicate::Never(pattern) => {
            never(view, find(view.trace, pattern, view.expand).into_iter().collect())
        }
        Predicate::Occurs(patterns) => occurrences::occurs(view, patterns),
        Predicate::Order(patterns) => occurrences::order(view, patterns),
        Predicate::Gap {
            from,
            to,
            at_least,
            at_most,
        } => occurrences::gap(view, from, to, *at_least, *at_most),
        Predicate::Overlap(modules) => occurrences::overlap(view, modules),
        Predicate::Orchestrator(facts) | Predicate::BootRun(facts) => outside::orchestrator(view, facts),
        Predicate::Run { of, facts } => outside::run(view, of, facts),
        Predicate::Reply {
            of,
            result,
            error,
            closed,
        } => outside::reply(view, of, result.as_deref(), error.as_deref(), *closed),
        Predicate::Path(facts) => outside::path(view, facts),
        Predicate::Distinct(values) => compare(view, values, true),
        Predicate::Same(values) => compare(view, values, false),
        Predicate::All(all) => combine(all.iter().map(|p| judge(p, view)).collect(), true),
        Predicate::Any(all) => combine(all.iter().map(|p| judge(p, view)).collect(), false),
    }
}

/// The positions of the entries that are wanted.
pub(super) fn positions(view: &View<'_>, wanted: impl Fn(&Entry) -> bool) -> Vec<usize> {
    view.trace
        .iter()
        .enumerate()
        .filter(|(_, entry)| wanted(entry))
        .map(|(at, _)| at)
        .collect()
}

/// The last few entries about a module, as evidence for an absence.
fn last(view: &View<'_>, module: &str) -> Vec<usize> {
    let mut all = positions(view, |e| {
        e.actor == module || (e.kind == Kind::Event && e.text("module") == module)
    });
    all.split_off(all.len().saturating_sub(3))
}

/// An entry as `actual` shows it.
pub(super) fn quote(view: &View<'_>, at: usize) -> String {
    let entry = &view.trace[at];
    match entry.kind {
        Kind::Rx | Kind::Tx | Kind::Answer | Kind::Reply => clip(entry.text("line").trim_end(), QUOTE),
        _ => clip(&entry.data.to_string(), QUOTE),
    }
}

fn never(view: &View<'_>, found: Vec<usize>) -> Finding {
    match found.first() {
        None => Finding::holds("none", []),
        Some(first) => Finding::broken(quote(view, *first), found.iter().take(3).copied()),
    }
}

fn counted(count: &Matcher, found: Vec<usize>, what: &str, view: &View<'_>) -> Finding {
    let number = json!(found.len());
    let state = if count.holds(
        Some(&number),
        Scope {
            root: &number,
            expand: view.expand,
        },
    ) {
        State::Holds
    } else if let Matcher::Equal(Value::Number(wanted)) = count
        && wanted.as_u64().is_some_and(|wanted| found.len() as u64 > wanted)
    {
        State::Broken
    } else {
        State::NotYet
    };
    Finding::new(state, format!("{} {what}", found.len()), found)
}

fn status(view: &View<'_>, module: &str, members: &[(String, Matcher)]) -> Finding {
    let replies = view.trace.iter().enumerate().skip(view.status_since).rev();
    let Some((at, entry)) = replies.into_iter().find(|(_, e)| e.kind == Kind::Status) else {
        return Finding::not_yet("no answer to `status`");
    };
    let modules = entry.data.get("modules").and_then(Value::as_array);
    let Some(object) = modules
        .into_iter()
        .flatten()
        .find(|m| m.get("id").and_then(Value::as_str) == Some(module))
    else {
        return Finding::new(State::NotYet, format!("status does not list {module}"), [at]);
    };
    let state = if members_hold(members, object, view.expand) {
        State::Holds
    } else {
        State::NotYet
    };
    Finding::new(state, clip(&object.to_string(), QUOTE), [at])
}

fn matching_lines(view: &View<'_>, module: &str, line: &LinePattern) -> Vec<usize> {
    positions(view, |e| {
        (e.is(module, Kind::Rx) || e.is(module, Kind::Answer))
            && e.text("method") == line.method
            && line
                .generation
                .is_none_or(|generation| e.generation() == Some(generation))
            && members_hold(
                &line.members,
                e.data.get("message").unwrap_or(&Value::Null),
                view.expand,
            )
    })
}

fn received(view: &View<'_>, module: &str, line: &LinePattern, count: Option<&Matcher>) -> Finding {
    let found = matching_lines(view, module, line);
    if let Some(count) = count {
        return counted(count, found, "such lines", view);
    }
    if let Some(first) = found.first() {
        return Finding::holds(quote(view, *first), [*first]);
    }
    let alike = LinePattern {
        members: Vec::new(),
        ..line.clone()
    };
    if let Some(at) = matching_lines(view, module, &alike).last() {
        return Finding::new(State::NotYet, quote(view, *at), [*at]);
    }
    let all: Vec<&str> = view
        .trace
        .iter()
        .filter(|e| e.is(module, Kind::Rx))
        .map(|e| e.text("method"))
        .collect();
    let actual = if all.is_empty() {
        "nothing was received".to_owned()
    } else {
        format!("only {}", all.join(", "))
    };
    Finding::new(State::NotYet, actual, last(view, module))
}

fn every_received(
    view: &View<'_>,
    module: &str,
    line: &LinePattern,
    members: &[(String, Matcher)],
) -> Finding {
    let found = matching_lines(view, module, line);
    let good = |at: &usize| {
        let entry = &view.trace[*at];
        members_hold(
            members,
            entry.data.get("message").unwrap_or(&Value::Null),
            view.expand,
        )
    };
    if let Some(bad) = found.iter().find(|at| !good(at)) {
        return Finding::broken(quote(view, *bad), [*bad]);
    }
    match found.last() {
        None => Finding::not_yet(format!("no {} was received", line.method)),
        Some(at) => Finding::holds(quote(view, *at), found),
    }
}

/// Judges members of a document inside the first of these entries that has them all, or else the last.
fn of_document(
    view: &View<'_>,
    entries: Vec<usize>,
    pointer: &str,
    members: &[(String, Matcher)],
    missing: &str,
) -> Finding {
    let document = |at: usize| view.trace[at].data.pointer(pointer).unwrap_or(&Value::Null);
    let good = entries
        .iter()
        .copied()
        .find(|at| members_hold(members, document(*at), view.expand));
    let Some(at) = good.or(entries.last().copied()) else {
        return Finding::not_yet(missing);
    };
    // Only the members that are claimed are quoted: a whole snapshot does not fit on a line.
    let actual: Vec<String> = members
        .iter()
        .map(|(name, _)| {
            format!(
                "{name} = {}",
                lookup(document(at), name).map_or("nothing".into(), Value::to_string)
            )
        })
        .collect();
    let state = if good.is_some() {
        State::Holds
    } else {
        State::NotYet
    };
    Finding::new(state, clip(&actual.join(", "), QUOTE), [at])
}

fn proof(view: &View<'_>, module: &str) -> Finding {
    let line = |kind, method: &str| {
        let wanted = |e: &Entry| e.is(module, kind) && e.text("method") == method;
        positions(view, wanted).first().copied()
    };
    let (Some(l1), Some(l2), Some(l3)) = (
        line(Kind::Rx, "hello"),
        line(Kind::Tx, "hello"),
        line(Kind::Rx, "prove"),
    ) else {
        return Finding::not_yet("no `prove` was received");
    };
    let generation = view.trace[l1].generation().unwrap_or(1);
    let key = view.keys.get(&(module.to_owned(), generation));
    let key = key
        .and_then(|raw| std::str::from_utf8(raw).ok())
        .and_then(|text| mac::unhex_32(text.trim_end()));
    let Some(key) = key else {
        return Finding::broken("the secret pipe held no key", [l1]);
    };
    let raw = |at: usize| view.trace[at].text("line").as_bytes();
    let wanted = mac::hex(&mac::orchestrator_proof(&key, raw(l1), raw(l2)));
    let found = view.trace[l3]
        .data
        .pointer("/message/params/mac")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let state = if found == wanted {
        State::Holds
    } else {
        State::Broken
    };
    Finding::new(
        state,
        format!("mac {found}, and the key gives {wanted}"),
        [l1, l2, l3],
    )
}

fn nearest_event(view: &View<'_>, members: &[(String, Matcher)]) -> String {
    let score = |e: &Entry| {
        let holds = |(name, m): &&(String, Matcher)| {
            m.holds(
                lookup(&e.data, name),
                Scope {
                    root: &e.data,
                    expand: view.expand,
                },
            )
        };
        members.iter().filter(holds).count()
    };
    let events = view.trace.iter().filter(|e| e.kind == Kind::Event);
    match events
        .map(|e| (score(e), e))
        .filter(|(score, _)| *score > 1)
        .max_by_key(|(score, _)| *score)
    {
        Some((_, event)) => format!("no such event; nearest: {}", event.data),
        None => "no such event".into(),
    }
}

fn compare(view: &View<'_>, values: &Values, distinct: bool) -> Finding {
    let mut found: Vec<(usize, String, Value)> = Vec::new();
    for (at, entry) in view
        .trace
        .iter()
        .enumerate()
        .filter(|(_, e)| values.of.contains(&e.actor))
    {
        let generation = entry.generation().unwrap_or(1);
        let value = match (&values.source, entry.kind) {
            (ValueSource::Launch(pointer), Kind::Launch) => {
                entry.data.pointer(&format!("/snapshot{pointer}")).cloned()
            }
            (ValueSource::Received(method, pointer), Kind::Rx) if entry.text("method") == method => {
                entry.data.pointer(&format!("/message{pointer}")).cloned()
            }
            // The keys themselves never leave this function.
            (ValueSource::Key, Kind::Key) => {
                let key = view.keys.get(&(entry.actor.clone(), generation));
                key.map(|raw| Value::from(String::from_utf8_lossy(raw).into_owned()))
            }
            _ => None,
        };
        let name = format!("{} generation {generation}", entry.actor);
        if let Some(value) = value
            && !found.iter().any(|(_, known, _)| *known == name)
        {
            found.push((at, name, value));
        }
    }
    let show = |value: &Value| match values.source {
        ValueSource::Key => "(a key)".to_owned(),
        _ => clip(&value.to_string(), 80),
    };
    for (index, (at, name, value)) in found.iter().enumerate() {
        for (other_at, other_name, other) in &found[..index] {
            if (value == other) == distinct {
                let actual = format!("{other_name}: {}, {name}: {}", show(other), show(value));
                return Finding::broken(actual, [*other_at, *at]);
            }
        }
    }
    let evidence = found.iter().map(|(at, _, _)| *at);
    let missing = values
        .of
        .iter()
        .find(|module| !found.iter().any(|(at, _, _)| view.trace[*at].actor == **module));
    if let Some(module) = missing {
        return Finding::new(State::NotYet, format!("{module} shows no such value"), evidence);
    }
    let state = if found.len() >= values.at_least {
        State::Holds
    } else {
        State::NotYet
    };
    Finding::new(state, format!("{} values", found.len()), evidence)
}

fn combine(findings: Vec<Finding>, all: bool) -> Finding {
    let decisive = if all { State::Broken } else { State::Holds };
    let wanted = if all { State::Holds } else { State::Broken };
    if let Some(found) = findings.iter().find(|f| f.state == decisive) {
        return found.clone();
    }
    match findings.iter().find(|f| f.state != wanted) {
        Some(found) => found.clone(),
        None => {
            let actual = findings
                .iter()
                .map(|f| f.actual.as_str())
                .collect::<Vec<_>>()
                .join("; ");
            let evidence: Vec<usize> = findings.iter().flat_map(|f| f.evidence.iter().copied()).collect();
            Finding::new(wanted, clip(&actual, QUOTE), evidence)
        }
    }
}
