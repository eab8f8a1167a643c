//! Predicates in words: the `expected` line of a report.

use crate::suite::matcher::{Expand, describe_members};
use crate::suite::{LinePattern, Pattern, Predicate, RunFacts, ValueSource, Values};

/// One line that says what the predicate claims.
pub fn describe(predicate: &Predicate, expand: Expand<'_>) -> String {
    let members = |m: &[_]| describe_members(m, expand);
    match predicate {
        Predicate::Status { module, members: m } => format!("status of {module}: {}", members(m)),
        Predicate::NoProcess { module } => format!("no process of {module} is left"),
        Predicate::Launches { module, count } => format!("launches of {module}: {}", count.describe(expand)),
        Predicate::Received { module, line, count } => {
            let count = count
                .as_ref()
                .map(|c| format!(", {} of them", c.describe(expand)))
                .unwrap_or_default();
            format!("{module} receives {}{count}", describe_line(line, expand))
        }
        Predicate::NeverReceived { module, line } => {
            format!("{module} never receives {}", describe_line(line, expand))
        }
        Predicate::EveryReceived {
            module,
            line,
            members: m,
        } => {
            format!(
                "every {} that {module} receives: {}",
                describe_line(line, expand),
                members(m)
            )
        }
        Predicate::Launch {
            module,
            generation,
            members: m,
        } => {
            format!("launch {generation} of {module}: {}", members(m))
        }
        Predicate::Key {
            module,
            generation,
            members: m,
        } => {
            format!("secret pipe of launch {generation} of {module}: {}", members(m))
        }
        Predicate::Answered {
            module,
            to,
            members: m,
        } => format!("{module} is answered to {to}: {}", members(m)),
        Predicate::NeverSignal { module, signal } => format!("{module} never gets SIG{signal}"),
        Predicate::Proof { module } => format!("the proof for {module} verifies under its key"),
        Predicate::Event { members: m, count } => {
            let count = count
                .as_ref()
                .map(|c| format!(", {} of them", c.describe(expand)))
                .unwrap_or_default();
            format!("event with {}{count}", members(m))
        }
        Predicate::NeverEvent { members: m } => format!("no event with {}", members(m)),
        Predicate::Never(pattern) => format!("never: {pattern}"),
        Predicate::Occurs(patterns) => join(patterns, " and "),
        Predicate::Order(patterns) => join(patterns, ", then "),
        Predicate::Gap {
            from,
            to,
            at_least,
            at_most,
        } => {
            let least = at_least.map(|d| format!("at least {d:?}"));
            let most = at_most.map(|d| format!("at most {d:?}"));
            let limits: Vec<String> = least.into_iter().chain(most).collect();
            format!("from `{from}` to `{to}` {}", limits.join(" and "))
        }
        Predicate::Overlap(modules) => format!("{} are all launched before any is ready", modules.join(", ")),
        Predicate::Orchestrator(facts) => describe_run("the orchestrator", facts, expand),
        Predicate::BootRun(facts) => describe_run("the boot", facts, expand),
        Predicate::Run { of, facts } => describe_run(of, facts, expand),
        Predicate::Reply {
            of,
            result,
            error,
            closed,
        } => {
            let part = |name: &str, m: &Option<Vec<_>>| m.as_ref().map(|m| format!("{name} {}", members(m)));
            let mut parts: Vec<String> = part("result", result)
                .into_iter()
                .chain(part("error", error))
                .collect();
            if *closed {
                parts.push("the connection is closed".into());
            }
            format!("reply to {of}: {}", parts.join(" and "))
        }
        Predicate::Path(facts) => {
            let mut parts = vec![if facts.exists { "exists" } else { "does not exist" }.to_owned()];
            for (name, claim) in [
                ("mode", &facts.mode),
                ("kind", &facts.kind),
                ("content", &facts.content),
            ] {
                parts.extend(claim.as_ref().map(|m| format!("{name} {}", m.describe(expand))));
            }
            parts.extend(facts.json.as_ref().map(|m| members(m)));
            format!("{}: {}", facts.at, parts.join(", "))
        }
        Predicate::Distinct(values) => format!("{} differ", describe_values(values)),
        Predicate::Same(values) => format!("{} are equal", describe_values(values)),
        Predicate::All(all) => all
            .iter()
            .map(|p| describe(p, expand))
            .collect::<Vec<_>>()
            .join("; and "),
        Predicate::Any(all) => all
            .iter()
            .map(|p| describe(p, expand))
            .collect::<Vec<_>>()
            .join("; or "),
    }
}

fn describe_line(line: &LinePattern, expand: Expand<'_>) -> String {
    let generation = line
        .generation
        .map(|g| format!(" of generation {g}"))
        .unwrap_or_default();
    let with = if line.members.is_empty() { "" } else { " with " };
    format!(
        "{}{generation}{with}{}",
        line.method,
        describe_members(&line.members, expand)
    )
}

fn describe_run(who: &str, facts: &RunFacts, expand: Expand<'_>) -> String {
    let alive = facts.alive.map(|alive| {
        if alive {
            "runs".to_owned()
        } else {
            "has ended".to_owned()
        }
    });
    let exit = facts
        .exit
        .as_ref()
        .map(|m| format!("exit status {}", m.describe(expand)));
    let output = facts
        .output
        .as_ref()
        .map(|m| format!("prints {}", m.describe(expand)));
    let parts: Vec<String> = [alive, exit, output].into_iter().flatten().collect();
    format!("{who}: {}", parts.join(", "))
}

fn describe_values(values: &Values) -> String {
    let what = match &values.source {
        ValueSource::Launch(pointer) => format!("{pointer} at launch"),
        ValueSource::Received(method, pointer) => format!("{pointer} of {method}"),
        ValueSource::Key => "the secrets".to_owned(),
    };
    format!(
        "at least {} values of {what} of {}",
        values.at_least,
        values.of.join(", ")
    )
}

fn join(patterns: &[Pattern], word: &str) -> String {
    patterns
        .iter()
        .map(Pattern::to_string)
        .collect::<Vec<_>>()
        .join(word)
}
