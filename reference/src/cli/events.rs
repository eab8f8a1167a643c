//! `partenza events`: the ordered stream of what happens.

use serde_json::{Map, Value, json};

use super::client::{Client, Waited};
use super::exit;
use super::say::{Outcome, print};
use super::status::seconds;

pub(super) struct Wanted<'a> {
    pub(super) module: Option<&'a str>,
    pub(super) since: u64,
    pub(super) follow: bool,
    pub(super) json: bool,
}

pub(super) fn events(wanted: &Wanted<'_>, mut client: Client) -> Outcome {
    if let Some(module) = wanted.module {
        // Asked first, so that a wrong name is an error and not silence.
        client.ask("status", json!({"module": module}))?;
    }
    let last = client
        .ask("events", json!({"since": wanted.since}))?
        .get("seq")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    if !wanted.follow && last <= wanted.since {
        return Ok(exit::OK);
    }
    while let Waited::Event(event) = client.event(None) {
        let of_module = |module| event.get("module").and_then(Value::as_str) == Some(module);
        if wanted.module.is_none_or(of_module) {
            let goes_on = if wanted.json {
                print(&event)
            } else {
                print(line(&event))
            };
            if !goes_on {
                break;
            }
        }
        if !wanted.follow
            && event
                .get("seq")
                .and_then(Value::as_u64)
                .is_some_and(|seq| seq >= last)
        {
            break;
        }
    }
    Ok(exit::OK)
}

/// `+1.204s web: pending -> initializing`.
fn line(event: &Value) -> String {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let kind = text("type").unwrap_or("?");
    let at = seconds(event.get("at_ms"));
    let who = text("module").unwrap_or("partenza");
    let what = match kind {
        "state" => {
            let to = text("to").unwrap_or("?");
            text("from").map_or_else(|| to.to_owned(), |from| format!("{from} -> {to}"))
        }
        "system" => format!("system {}", text("state").unwrap_or("?")),
        "lost" => return format!("{at:>10} … {} events were lost", number(event, "count")),
        other => other.to_owned(),
    };
    let none = Map::new();
    let fields = event.as_object().unwrap_or(&none);
    let told = ["seq", "at_ms", "type", "module", "from", "to"];
    let rest: Vec<String> = fields
        .iter()
        .filter(|(name, value)| !told.contains(&name.as_str()) && !value.is_null())
        .filter(|(name, _)| !(kind == "system" && *name == "state"))
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={}", partenza_reference_core::manifest::escape(text)),
            other => format!("{name}={other}"),
        })
        .collect();
    format!("{:>10} {who}: {what} {}", format!("+{at}"), rest.join(" "))
        .trim_end()
        .to_owned()
}

fn number(event: &Value, name: &str) -> u64 {
    event.get(name).and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_happened() {
        let state = json!({"seq": 3, "at_ms": 1204, "type": "state", "module": "web", "from": "ready", "to": "crashed",
            "reason": "exit", "generation": 1});
        assert_eq!(
            line(&state),
            "   +1.204s web: ready -> crashed generation=1 reason=exit"
        );
        let system = json!({"seq": 4, "at_ms": 2, "type": "system", "state": "ready"});
        assert_eq!(line(&system), "   +0.002s partenza: system ready");
    }
}
