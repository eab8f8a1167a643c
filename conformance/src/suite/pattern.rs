//! Patterns: the short texts by which steps and checks name an occurrence in the trace.
//!
//! `NAME VERB ARGUMENT [#n] [of generation g]`, for instance `db reaches ready`, `db launched #2`, `orchestrator exited`. This file
//! reads them and turns them back into text. Finding them in a trace is the business of `judge`.

use std::fmt;

use super::matcher::read_members;
use super::model::{Actor, Pattern, Verb};
use super::read::{Node, suggest};

pub(super) const VERBS: [&str; 13] = [
    "reaches",
    "launched",
    "exited",
    "received",
    "sent",
    "got-signal",
    "saw-eof",
    "started",
    "signalled",
    "asked",
    "answered",
    "ready",
    "is",
];

impl Pattern {
    /// Reads a pattern from a whole text, or from a map of event members.
    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        if node.value.is_object() {
            node.only(&["event", "nth"]);
            let members = read_members(&node.need("event")?);
            let nth = node.get("nth").and_then(|n| n.count()).unwrap_or(1);
            let verb = Verb::Event(members);
            return Some(Self {
                actor: Actor::Events,
                verb,
                nth: usize::try_from(nth).ok()?,
                generation: None,
            });
        }
        let text = node.text()?;
        let Some((name, rest)) = text.split_once(' ') else {
            node.problem(format!("`{text}` is no occurrence"), Some(HELP.into()));
            return None;
        };
        let (actor, rest) = match (name, rest.split_once(' ')) {
            ("control", Some((label, rest))) => (Actor::Control(label.to_owned()), rest),
            // A request alone is the moment at which it was sent.
            ("control", None) => (Actor::Control(rest.to_owned()), "asked"),
            ("system", _) => (Actor::System, rest),
            ("orchestrator", _) => (Actor::Orchestrator, rest),
            _ => (Actor::Module(name.to_owned()), rest),
        };
        Self::read_rest(node, actor, rest)
    }

    /// Reads what follows the actor's name.
    pub(crate) fn read_rest(node: &Node<'_>, actor: Actor, rest: &str) -> Option<Self> {
        let mut words: Vec<&str> = rest.split_whitespace().collect();
        let mut nth = 1;
        let mut generation = None;
        // Qualifiers stand at the end: `#2`, `2 times`, `of generation 2`.
        if let [.., "of", "generation", number] = words[..] {
            generation = number.parse().ok();
            words.truncate(words.len() - 3);
        }
        if let [.., number, "times"] = words[..]
            && let Ok(count) = number.parse()
        {
            nth = count;
            words.truncate(words.len() - 2);
        } else if let Some(count) = words
            .last()
            .and_then(|w| w.strip_prefix('#'))
            .and_then(|n| n.parse().ok())
        {
            nth = count;
            words.pop();
        }
        if let Some("has") = words.first().copied() {
            words.remove(0);
        }
        let verb = match (&actor, &words[..]) {
            (Actor::System, ["reaches" | "is", state]) | (Actor::System, [state]) => {
                Verb::Reaches((*state).to_owned())
            }
            (Actor::Module(_), ["reaches", state]) => Verb::Reaches((*state).to_owned()),
            (Actor::Module(_), ["launched"]) => Verb::Launched,
            (Actor::Module(_), ["received", method]) => Verb::Received((*method).to_owned()),
            (Actor::Module(_), ["sent", method]) => Verb::Sent((*method).to_owned()),
            (Actor::Module(_), ["got-signal", signal]) => Verb::GotSignal(bare_signal(signal)),
            (Actor::Module(_), ["saw-eof"]) => Verb::SawEof,
            (Actor::Module(_) | Actor::Orchestrator, ["exited" | "exits"]) => Verb::Exited,
            (Actor::Orchestrator, ["started"]) => Verb::Started,
            (Actor::Orchestrator, ["signalled", signal]) => Verb::Signalled(bare_signal(signal)),
            (Actor::Control(_), ["asked"]) => Verb::Asked,
            (Actor::Control(_), ["answered"]) => Verb::Answered,
            _ => {
                let verb = words.first().copied().unwrap_or_default();
                let help = suggest(verb, VERBS.into_iter()).or_else(|| Some(HELP.into()));
                node.problem(format!("`{rest}` is no occurrence of {actor}"), help);
                return None;
            }
        };
        if nth == 0 {
            node.problem("occurrences are counted from 1", None);
            return None;
        }
        Some(Self {
            actor,
            verb,
            nth,
            generation,
        })
    }

    /// The module that the pattern is about.
    pub(crate) fn module(&self) -> Option<&str> {
        match &self.actor {
            Actor::Module(name) => Some(name),
            _ => None,
        }
    }
}

const HELP: &str = "write NAME VERB ARGUMENT, for instance `db reaches ready` or `db received shutdown`";

/// A signal name without `SIG`.
pub(crate) fn bare_signal(name: &str) -> String {
    name.strip_prefix("SIG").unwrap_or(name).to_owned()
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module(name) => f.write_str(name),
            Self::System => f.write_str("system"),
            Self::Orchestrator => f.write_str("orchestrator"),
            Self::Control(label) => write!(f, "control {label}"),
            Self::Events => f.write_str("an event"),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.actor)?;
        match &self.verb {
            Verb::Reaches(state) => write!(f, "reaches {state}")?,
            Verb::Launched => f.write_str("launched")?,
            Verb::Exited => f.write_str("exited")?,
            Verb::Received(method) => write!(f, "received {method}")?,
            Verb::Sent(method) => write!(f, "sent {method}")?,
            Verb::GotSignal(signal) => write!(f, "got-signal {signal}")?,
            Verb::SawEof => f.write_str("saw-eof")?,
            Verb::Started => f.write_str("started")?,
            Verb::Signalled(signal) => write!(f, "signalled {signal}")?,
            Verb::Asked => f.write_str("asked")?,
            Verb::Answered => f.write_str("answered")?,
            Verb::Event(members) => {
                write!(
                    f,
                    "with {}",
                    super::matcher::describe_members(members, &str::to_owned)
                )?;
            }
        }
        if self.nth > 1 {
            write!(f, " #{}", self.nth)?;
        }
        if let Some(generation) = self.generation {
            write!(f, " of generation {generation}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Option<Pattern> {
        let problems = RefCell::new(Vec::new());
        let value = json!(text);
        Pattern::read(&Node::root(&value, &problems))
    }

    #[test]
    fn every_form_is_read_and_printed_alike() {
        for text in [
            "db reaches ready",
            "db launched",
            "db launched #2",
            "db exited",
            "db received shutdown",
            "db sent ready #3",
            "db got-signal TERM",
            "db received hello of generation 2",
            "orchestrator exited",
            "orchestrator signalled TERM",
            "control stop-it asked",
            "system reaches ready",
        ] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_spellings() {
        assert_eq!(read("system ready"), read("system reaches ready"));
        assert_eq!(read("db launched 2 times"), read("db launched #2"));
        assert_eq!(read("control stop-it"), read("control stop-it asked"));
        assert_eq!(read("db has sent prove"), read("db sent prove"));
        assert_eq!(read("db got-signal SIGTERM"), read("db got-signal TERM"));
        for wrong in ["db", "db flies", "orchestrator reaches ready", "db launched #0"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
