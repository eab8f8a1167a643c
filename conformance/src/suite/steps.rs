//! Reading of steps.
//!
//! A step is a text (`boot`) or a map with one key that says who, beside an optional `within`. What the step means is in
//! `engine`; that the modules it names exist is checked in `validate`.

use partenza_mock_modules::Deed;
use serde_json::{Value, json};

use super::model::{Action, Actor, ControlRequest, Pattern, Step};
use super::pattern::bare_signal;
use super::read::Node;

/// Names that a module must not have, because steps and patterns use them for something else.
pub(crate) const RESERVED: [&str; 9] = [
    "boot",
    "control",
    "orchestrator",
    "check-command",
    "system",
    "together",
    "check",
    "within",
    "event",
];

/// Reads a list of steps.
pub(crate) fn read_steps(node: &Node<'_>) -> Vec<Step> {
    node.items().iter().filter_map(read_step).collect()
}

fn read_step(node: &Node<'_>) -> Option<Step> {
    if let Value::String(text) = node.value {
        if text == "boot" {
            return Some(Step {
                text: text.clone(),
                action: Action::Boot,
                within: None,
            });
        }
        // A whole pattern is accepted too, since that is how `until` writes it.
        return Some(Step {
            text: text.clone(),
            action: Action::Await(Pattern::read(node)?),
            within: None,
        });
    }
    let entries: Vec<_> = node
        .entries()
        .into_iter()
        .filter(|(key, _)| *key != "within")
        .collect();
    let [(who, what)] = &entries[..] else {
        node.problem(
            "a step is `boot` or a map with one key that says who, beside `within`",
            None,
        );
        return None;
    };
    let within = node.get("within").and_then(|n| n.duration());
    let action = match *who {
        "boot" => match what.text()? {
            "refused" => Action::BootRefused,
            "answers" => Action::Boot,
            other => {
                what.problem(
                    format!("a boot cannot be `{other}`"),
                    Some("known here: refused".into()),
                );
                return None;
            }
        },
        "control" => read_control(what)?,
        "check-command" => {
            what.only(&["as"]);
            Action::CheckCommand {
                label: what.need("as")?.text()?.to_owned(),
            }
        }
        "check" => Action::Check(what.text()?.to_owned()),
        "together" => Action::Together(read_steps(what)),
        "system" => Action::Await(Pattern::read_rest(what, Actor::System, &again(what.text()?))?),
        "orchestrator" if what.value.is_object() => {
            what.only(&["signal"]);
            Action::Signal(bare_signal(what.need("signal")?.text()?))
        }
        "orchestrator" => Action::Await(Pattern::read_rest(what, Actor::Orchestrator, what.text()?)?),
        module if what.value.is_object() => {
            what.only(&["do"]);
            Action::Do {
                module: module.to_owned(),
                deed: read_deed(&what.need("do")?)?,
            }
        }
        module => Action::Await(Pattern::read_rest(
            what,
            Actor::Module(module.to_owned()),
            &again(what.text()?),
        )?),
    };
    Some(Step {
        text: describe(node.value),
        action,
        within,
    })
}

/// `again` means one occurrence more than the last step about the same thing; the number is filled in afterwards.
fn again(text: &str) -> String {
    text.strip_suffix(" again")
        .map_or_else(|| text.to_owned(), |rest| format!("{rest} #{AGAIN}"))
}

/// Stands for "one more than before" until [`count_repetitions`] has run.
const AGAIN: usize = usize::MAX;

/// Gives every `again` its number, in the order of the steps.
pub(crate) fn count_repetitions(steps: &mut [Step]) {
    let mut seen: Vec<Pattern> = Vec::new();
    fn walk(steps: &mut [Step], seen: &mut Vec<Pattern>) {
        for step in steps {
            match &mut step.action {
                Action::Await(pattern) => {
                    let before = seen
                        .iter()
                        .filter(|p| p.actor == pattern.actor && p.verb == pattern.verb)
                        .map(|p| p.nth)
                        .max();
                    if pattern.nth == AGAIN {
                        pattern.nth = before.unwrap_or(0) + 1;
                    }
                    seen.push(pattern.clone());
                }
                Action::Together(inner) => walk(inner, seen),
                _ => {}
            }
        }
    }
    walk(steps, &mut seen);
}

fn read_control(node: &Node<'_>) -> Option<Action> {
    node.only(&["method", "params", "raw", "deaf", "as", "answer"]);
    let wait = match node.get("answer") {
        None => true,
        Some(answer) => match answer.text()? {
            "awaited" => true,
            "later" => false,
            other => {
                answer.problem(
                    format!("an answer cannot be `{other}`"),
                    Some("known here: awaited, later".into()),
                );
                return None;
            }
        },
    };
    let request = match (node.get("method"), node.get("raw"), node.get("deaf")) {
        (Some(method), None, None) => ControlRequest::Call {
            method: method.text()?.to_owned(),
            params: node
                .get("params")
                .map_or_else(|| json!({}), |params| params.value.clone()),
        },
        (None, Some(raw), None) => ControlRequest::Raw(raw.text()?.to_owned()),
        (None, None, Some(deaf)) => {
            deaf.flag()?;
            ControlRequest::Deaf
        }
        _ => {
            node.problem(
                "a control step has exactly one of `method`, `raw` and `deaf`",
                None,
            );
            return None;
        }
    };
    let label = match (node.get("as"), &request) {
        (Some(label), _) => label.text()?.to_owned(),
        (None, ControlRequest::Call { method, .. }) => method.clone(),
        (None, ControlRequest::Raw(_)) => "raw".to_owned(),
        (None, ControlRequest::Deaf) => "deaf".to_owned(),
    };
    Some(Action::Control { label, wait, request })
}

fn read_deed(node: &Node<'_>) -> Option<Deed> {
    match serde_json::from_value(node.value.clone()) {
        Ok(deed) => Some(deed),
        Err(error) => {
            node.problem(format!("a puppet cannot do this: {error}"), None);
            None
        }
    }
}

/// The step as a person would write it on one line.
fn describe(value: &Value) -> String {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| format!("{key}: {}", describe(value)))
            .collect::<Vec<_>>()
            .join(", "),
        Value::Array(items) => format!("[{}]", items.iter().map(describe).collect::<Vec<_>>().join("; ")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
