//! `partenza status`: a table of all modules, or everything about one.

use std::fmt::Write as _;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::client::Client;
use super::exit;
use super::say::{Outcome, print};

pub(super) fn status(module: Option<&str>, json: bool, mut client: Client) -> Outcome {
    let answer = client.ask(
        "status",
        module.map_or_else(|| json!({}), |module| json!({"module": module})),
    )?;
    if json {
        print(&answer);
    } else if let Some(module) = answer.get("module") {
        one(module);
    } else {
        all(&answer);
    }
    Ok(exit::OK)
}

fn all(answer: &Value) {
    let about = |name: &str| plain(answer.pointer(&format!("/orchestrator/{name}")));
    print(format!(
        "{} {}: {} (pid {})",
        about("name"),
        about("version"),
        about("state"),
        about("pid")
    ));
    let modules = answer
        .get("modules")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if modules.is_empty() {
        return;
    }
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(modules.iter().map(row));
    let mut widths = [0; HEADINGS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = anstream::stdout();
    for (index, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let style = match (index, column) {
                (0, _) => Style::new().bold(),
                (_, STATE_COLUMN) => style_of(cell),
                _ => Style::new(),
            };
            let padding = " ".repeat(width - cell.chars().count() + 2);
            let _ = write!(line, "{style}{cell}{style:#}{padding}");
        }
        if writeln!(out, "{}", line.trim_end()).is_err() {
            return;
        }
    }
}

fn row(module: &Value) -> [String; HEADINGS.len()] {
    let cell = |name: &str| plain(module.get(name));
    let waiting = list(module.get("waiting_for"));
    let mut why: Vec<String> = Vec::new();
    why.extend(module.get("reason").and_then(Value::as_str).map(str::to_owned));
    why.extend(module.get("detail").and_then(Value::as_str).map(str::to_owned));
    if !waiting.is_empty() {
        why.push(format!("waiting for {waiting}"));
    }
    let since = format!("+{}", seconds(module.get("since_ms")));
    [
        cell("id"),
        cell("state"),
        cell("generation"),
        cell("pid"),
        cell("restarts"),
        since,
        why.join(": "),
    ]
}

fn one(module: &Value) {
    let mut lines = vec![
        (
            "module",
            format!("{} {}", plain(module.get("id")), plain(module.get("version"))),
        ),
        ("state", {
            let state = plain(module.get("state"));
            let style = style_of(&state);
            format!("{style}{state}{style:#}")
        }),
        ("reason", plain(module.get("reason"))),
        ("detail", plain(module.get("detail"))),
        ("since", format!("{} after boot", seconds(module.get("since_ms")))),
        ("generation", plain(module.get("generation"))),
        ("pid", plain(module.get("pid"))),
        ("restarts", plain(module.get("restarts"))),
        ("waiting for", list(module.get("waiting_for"))),
        ("provides", list(module.get("provides"))),
    ];
    let exit = match (
        module.pointer("/exit/code"),
        module.pointer("/exit/signal").and_then(Value::as_str),
    ) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by {signal}"),
        (None, None) => String::new(),
    };
    lines.push(("last end", exit));
    for (name, value) in lines
        .iter()
        .filter(|(_, value)| !value.is_empty() && value != "-")
    {
        if !print(format!("{name:>12}: {value}")) {
            return;
        }
    }
}

fn style_of(state: &str) -> Style {
    let colour = match state {
        "ready" => AnsiColor::Green,
        "initializing" | "pending" | "restarting" | "stopping" => AnsiColor::Cyan,
        "degraded" | "unhealthy" | "ghost" | "invalid" => AnsiColor::Yellow,
        "failed" | "crashed" => AnsiColor::Red,
        _ => return Style::new().dimmed(),
    };
    colour.on_default()
}

/// A value for people. Text is escaped, because a module may have written it.
fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => partenza_reference_core::manifest::escape(text),
        Some(other) => other.to_string(),
    }
}

fn list(value: Option<&Value>) -> String {
    let words = value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|word| plain(Some(word)));
    words.collect::<Vec<_>>().join(", ")
}

pub(super) fn seconds(millis: Option<&Value>) -> String {
    let millis = millis.and_then(Value::as_u64).unwrap_or(0);
    format!("{}.{:03}s", millis / 1000, millis % 1000)
}

const HEADINGS: [&str; 7] = ["MODULE", "STATE", "GEN", "PID", "RESTARTS", "SINCE", "WHY"];
const STATE_COLUMN: usize = 1;
