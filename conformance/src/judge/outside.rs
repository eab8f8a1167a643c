//! Predicates about what stands outside the modules: processes that end, control requests, paths.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use serde_json::{Value, json};

use super::predicate::{QUOTE, positions, quote};
use super::trace::{Kind, clip};
use super::view::{Finding, State, View};
use crate::suite::matcher::{Scope, members_hold};
use crate::suite::{Matcher, PathFacts, RunFacts};

pub(super) fn orchestrator(view: &View<'_>, facts: &RunFacts) -> Finding {
    let end = positions(view, |e| e.kind == Kind::End).last().copied();
    if let Some(alive) = facts.alive {
        return match (alive, end) {
            (true, None) | (false, Some(_)) => {
                Finding::holds(if alive { "it runs" } else { "it ended" }, end)
            }
            (true, Some(at)) => Finding::broken(format!("it ended: {}", ending(&view.trace[at].data)), [at]),
            (false, None) => Finding::not_yet("it runs"),
        };
    }
    let data = end.map(|at| &view.trace[at].data);
    of_run(view, facts, data, end, &(view.output)())
}

pub(super) fn run(view: &View<'_>, of: &str, facts: &RunFacts) -> Finding {
    let at = positions(view, |e| e.kind == Kind::Run && e.text("label") == of)
        .last()
        .copied();
    let Some(at) = at else {
        return Finding::not_yet(format!("`{of}` has not ended"));
    };
    let entry = &view.trace[at];
    of_run(view, facts, Some(&entry.data), Some(at), entry.text("output"))
}

fn of_run(
    view: &View<'_>,
    facts: &RunFacts,
    end: Option<&Value>,
    at: Option<usize>,
    output: &str,
) -> Finding {
    let document = json!({"exit": end.and_then(|end| end.get("code")), "output": output});
    let holds = |name: &str, matcher: &Option<Matcher>| {
        let value = document.get(name).filter(|value| !value.is_null());
        matcher.as_ref().is_none_or(|m| {
            m.holds(
                value,
                Scope {
                    root: &document,
                    expand: view.expand,
                },
            )
        })
    };
    let exit = holds("exit", &facts.exit);
    let printed = holds("output", &facts.output);
    let how = end.map_or("it still runs".to_owned(), ending);
    let actual = if facts.output.is_some() {
        format!("{how}; printed {:?}", tail(output))
    } else {
        how
    };
    let state = match (exit && printed, end.is_some()) {
        (true, _) => State::Holds,
        (false, true) => State::Broken,
        (false, false) => State::NotYet,
    };
    Finding::new(state, actual, at)
}

/// How a process ended, in words.
pub(crate) fn ending(data: &Value) -> String {
    match (data.get("code"), data.get("signal").and_then(Value::as_str)) {
        (Some(code), _) if !code.is_null() => format!("exit status {code}"),
        (_, Some(signal)) => format!("killed by {signal}"),
        _ => "it did not end in time".into(),
    }
}

fn tail(output: &str) -> String {
    let skip = output.chars().count().saturating_sub(QUOTE);
    output.chars().skip(skip).collect()
}

pub(super) fn reply(
    view: &View<'_>,
    of: &str,
    result: Option<&[(String, Matcher)]>,
    error: Option<&[(String, Matcher)]>,
    closed: bool,
) -> Finding {
    let labelled = |kind| {
        positions(view, |e| e.kind == kind && e.text("label") == of)
            .last()
            .copied()
    };
    if closed {
        return match (labelled(Kind::Closed), labelled(Kind::Reply)) {
            (Some(at), _) => Finding::holds("the connection was closed", [at]),
            (None, Some(at)) => Finding::new(State::NotYet, quote(view, at), [at]),
            (None, None) => Finding::not_yet("the connection stays open"),
        };
    }
    let Some(at) = labelled(Kind::Reply) else {
        return match labelled(Kind::Closed) {
            Some(at) => Finding::broken("the connection was closed instead", [at]),
            None => Finding::not_yet("no reply"),
        };
    };
    let message = view.trace[at].data.get("message").unwrap_or(&Value::Null);
    let part = |name: &str, claim: Option<&[(String, Matcher)]>| {
        claim.is_none_or(|members| {
            message
                .get(name)
                .is_some_and(|part| members_hold(members, part, view.expand))
        })
    };
    let state = if part("result", result) && part("error", error) {
        State::Holds
    } else {
        State::Broken
    };
    Finding::new(state, quote(view, at), [at])
}

pub(super) fn path(view: &View<'_>, facts: &PathFacts) -> Finding {
    let at = view.path(&facts.at);
    let Ok(found) = fs::symlink_metadata(&at) else {
        let state = if facts.exists { State::NotYet } else { State::Holds };
        return Finding::new(state, "it does not exist", []);
    };
    if !facts.exists {
        return Finding::not_yet("it exists");
    }
    let kind = match found.file_type() {
        t if t.is_dir() => "directory",
        t if t.is_socket() => "socket",
        t if t.is_file() => "file",
        _ => "something else",
    };
    let mut document = json!({"mode": format!("{:04o}", found.permissions().mode() & 0o7777), "kind": kind});
    if facts.json.is_some() || facts.content.is_some() {
        let text = fs::read_to_string(&at).unwrap_or_default();
        document["json"] = serde_json::from_str(&text).unwrap_or(Value::Null);
        document["content"] = text.into();
    }
    let scope = Scope {
        root: &document,
        expand: view.expand,
    };
    let holds =
        |name: &str, m: &Option<Matcher>| m.as_ref().is_none_or(|m| m.holds(document.get(name), scope));
    let json = facts
        .json
        .as_ref()
        .is_none_or(|members| members_hold(members, &document["json"], view.expand));
    let good =
        holds("mode", &facts.mode) && holds("kind", &facts.kind) && holds("content", &facts.content) && json;
    Finding::new(
        if good { State::Holds } else { State::NotYet },
        clip(&document.to_string(), QUOTE),
        [],
    )
}
