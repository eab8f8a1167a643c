//! Reading of predicates: what a check claims.
//!
//! Also says which predicates are rejections, because those need a positive control. What a predicate means over a trace
//! is in `judge`.

use serde_json::Value;

use super::matcher::{Matcher, read_members};
use super::model::{LinePattern, PathFacts, Pattern, Predicate, RunFacts, ValueSource, Values};
use super::pattern::bare_signal;
use super::read::{Node, suggest};

const GENERAL: [&str; 18] = [
    "event",
    "never-event",
    "never",
    "occurs",
    "order",
    "gap",
    "together",
    "overlap",
    "orchestrator",
    "boot",
    "run",
    "reply",
    "path",
    "all",
    "any",
    "distinct",
    "same",
    "count",
];

const OF_A_MODULE: [&str; 11] = [
    "processes",
    "launches",
    "received",
    "never-received",
    "every",
    "launch",
    "answered",
    "never-signal",
    "proof",
    "state",
    "key",
];

/// Words that qualify another word of a module's claim.
const QUALIFIERS: [&str; 6] = ["where", "count", "is", "generation-is", "result", "error"];

/// Reads the value of `that`. `modules` are the modules of the case.
pub(crate) fn read_predicate(node: &Node<'_>, modules: &[&str]) -> Option<Predicate> {
    let mut all = Vec::new();
    for (word, inner) in node.entries() {
        let one = match word {
            "count" if node.get("event").is_some() => continue,
            _ if modules.contains(&word) => read_of_module(word, &inner),
            _ if GENERAL.contains(&word) => read_general(word, node, &inner, modules),
            other => {
                let known = modules.iter().copied().chain(GENERAL);
                let help = suggest(other, known);
                node.problem_at_key(
                    other,
                    format!("`{other}` is neither a module of this case nor a predicate"),
                    help,
                );
                None
            }
        };
        all.push(one?);
    }
    if all.is_empty() {
        node.problem("this claims nothing", None);
        return None;
    }
    Some(if all.len() == 1 {
        all.remove(0)
    } else {
        Predicate::All(all)
    })
}

fn read_general(word: &str, whole: &Node<'_>, node: &Node<'_>, modules: &[&str]) -> Option<Predicate> {
    let patterns = |node: &Node<'_>| {
        node.one_or_many()
            .iter()
            .map(Pattern::read)
            .collect::<Option<Vec<_>>>()
    };
    Some(match word {
        "event" => Predicate::Event {
            members: read_members(node),
            count: whole.get("count").map(|count| Matcher::read(&count)),
        },
        "never-event" => Predicate::NeverEvent {
            members: read_members(node),
        },
        "never" => Predicate::Never(Pattern::read(node)?),
        "occurs" | "together" => Predicate::Occurs(patterns(node)?),
        "order" => Predicate::Order(patterns(node)?),
        "overlap" => Predicate::Overlap(node.texts()),
        "gap" => {
            node.only(&["from", "to", "at-least", "at-most"]);
            let duration = |key| node.get(key).and_then(|n| n.duration());
            if node.get("at-least").is_none() && node.get("at-most").is_none() {
                node.problem("a gap has `at-least`, `at-most` or both", None);
            }
            Predicate::Gap {
                from: Pattern::read(&node.need("from")?)?,
                to: Pattern::read(&node.need("to")?)?,
                at_least: duration("at-least"),
                at_most: duration("at-most"),
            }
        }
        "orchestrator" => Predicate::Orchestrator(read_run(node, &["exit", "alive", "output"])),
        "boot" => Predicate::BootRun(read_run(node, &["exit", "output"])),
        "run" => Predicate::Run {
            of: node.need("of")?.text()?.to_owned(),
            facts: read_run(node, &["of", "exit", "output"]),
        },
        "reply" => {
            node.only(&["of", "result", "error", "closed"]);
            let members = |key| node.get(key).map(|n| read_members(&n));
            let closed = node.get("closed").and_then(|n| n.flag()).unwrap_or(false);
            if node.get("result").is_none() && node.get("error").is_none() && !closed {
                node.problem("a reply has `result`, `error` or `closed`", None);
            }
            Predicate::Reply {
                of: node.need("of")?.text()?.to_owned(),
                result: members("result"),
                error: members("error"),
                closed,
            }
        }
        "path" => {
            node.only(&["at", "exists", "mode", "kind", "json", "content"]);
            let matcher = |key| node.get(key).map(|n| Matcher::read(&n));
            Predicate::Path(PathFacts {
                at: node.need("at")?.text()?.to_owned(),
                exists: node.get("exists").and_then(|n| n.flag()).unwrap_or(true),
                mode: matcher("mode"),
                kind: matcher("kind"),
                json: node.get("json").map(|n| read_members(&n)),
                content: matcher("content"),
            })
        }
        "distinct" => Predicate::Distinct(read_values(node)?),
        "same" => Predicate::Same(read_values(node)?),
        "all" => Predicate::All(
            node.items()
                .iter()
                .filter_map(|n| read_predicate(n, modules))
                .collect(),
        ),
        "any" => Predicate::Any(
            node.items()
                .iter()
                .filter_map(|n| read_predicate(n, modules))
                .collect(),
        ),
        _ => {
            whole.problem_at_key(
                word,
                format!("`{word}` qualifies another word and stands alone"),
                None,
            );
            return None;
        }
    })
}

fn read_of_module(module: &str, node: &Node<'_>) -> Option<Predicate> {
    let module = module.to_owned();
    let mut all = Vec::new();
    let mut status = Vec::new();
    for (word, inner) in node.entries() {
        let generation = word.split_once('.').and_then(|(_, n)| n.parse::<u64>().ok());
        let base = if generation.is_some() {
            word.split('.').next().unwrap_or(word)
        } else {
            word
        };
        let line = |key_members: Option<&str>| -> Option<LinePattern> {
            let members = key_members
                .and_then(|key| node.get(key))
                .map(|n| read_members(&n))
                .unwrap_or_default();
            Some(LinePattern {
                method: inner.text()?.to_owned(),
                members,
                generation,
            })
        };
        let module = module.clone();
        all.push(match base {
            "processes" => {
                if inner.value.as_str() != Some("none") {
                    inner.problem("the only claim about processes is `none`", None);
                }
                Predicate::NoProcess { module }
            }
            "launches" => Predicate::Launches {
                module,
                count: Matcher::read(&inner),
            },
            "received" => {
                let count = node.get("count").map(|n| Matcher::read(&n));
                Predicate::Received {
                    module,
                    line: line(Some("where"))?,
                    count,
                }
            }
            "never-received" => Predicate::NeverReceived {
                module,
                line: line(Some("where"))?,
            },
            "every" => {
                let members = node.need("is").map(|n| read_members(&n))?;
                Predicate::EveryReceived {
                    module,
                    line: line(Some("where"))?,
                    members,
                }
            }
            "launch" => Predicate::Launch {
                module,
                generation: generation.unwrap_or(1),
                members: read_members(&inner),
            },
            "answered" => {
                let mut members = Vec::new();
                for (key, prefix) in [("result", "/result"), ("error", "/error")] {
                    if let Some(claim) = node.get(key) {
                        members.push((prefix.to_owned(), Matcher::Present));
                        members.extend(read_members(&claim).into_iter().map(|(name, matcher)| {
                            let slash = if name.starts_with('/') || name.is_empty() {
                                ""
                            } else {
                                "/"
                            };
                            (format!("{prefix}{slash}{name}"), matcher)
                        }));
                    }
                }
                Predicate::Answered {
                    module,
                    to: inner.value.clone(),
                    members,
                }
            }
            "key" => Predicate::Key {
                module,
                generation: generation.unwrap_or(1),
                members: read_members(&inner),
            },
            "never-signal" => Predicate::NeverSignal {
                module,
                signal: bare_signal(inner.text()?),
            },
            "proof" => {
                if inner.value.as_str() != Some("correct") {
                    inner.problem("the only claim about a proof is `correct`", None);
                }
                Predicate::Proof { module }
            }
            _ if QUALIFIERS.contains(&word) => continue,
            _ if word.starts_with('/') || STATUS.contains(&word) => {
                status.push((word.to_owned(), Matcher::read(&inner)));
                continue;
            }
            other => {
                let known = OF_A_MODULE.into_iter().chain(STATUS).chain(QUALIFIERS);
                let help = suggest(other, known);
                node.problem_at_key(other, format!("`{other}` is no claim about a module"), help);
                return None;
            }
        });
    }
    if !status.is_empty() {
        all.insert(
            0,
            Predicate::Status {
                module,
                members: status,
            },
        );
    }
    if all.is_empty() {
        node.problem("this claims nothing", None);
        return None;
    }
    Some(if all.len() == 1 {
        all.remove(0)
    } else {
        Predicate::All(all)
    })
}

/// The members of a status object.
const STATUS: [&str; 12] = [
    "id",
    "version",
    "state",
    "reason",
    "detail",
    "generation",
    "pid",
    "restarts",
    "since_ms",
    "waiting_for",
    "provides",
    "exit",
];

fn read_run(node: &Node<'_>, known: &[&str]) -> RunFacts {
    node.only(known);
    RunFacts {
        exit: node.get("exit").map(|n| Matcher::read(&n)),
        alive: node.get("alive").and_then(|n| n.flag()),
        output: node.get("output").map(|n| output_matcher(&n)),
    }
}

/// A bare text claims that the output holds it: nobody claims the whole output.
fn output_matcher(node: &Node<'_>) -> Matcher {
    match Matcher::read(node) {
        whole @ Matcher::Equal(_) => Matcher::Has(Box::new(whole)),
        other => other,
    }
}

fn read_values(node: &Node<'_>) -> Option<Values> {
    node.only(&["of", "launch", "received", "pointer", "key", "at-least"]);
    let source = match (node.get("launch"), node.get("received"), node.get("key")) {
        (Some(pointer), None, None) => ValueSource::Launch(pointer.text()?.to_owned()),
        (None, Some(source), None) => {
            let pointer = node.need("pointer")?.text()?.to_owned();
            ValueSource::Received(source.text()?.to_owned(), pointer)
        }
        (None, None, Some(_)) => ValueSource::Key,
        _ => {
            node.problem(
                "exactly one of `launch`, `received` and `key` says which values",
                None,
            );
            return None;
        }
    };
    let at_least = node.get("at-least").and_then(|n| n.count()).unwrap_or(2);
    Some(Values {
        of: node.need("of")?.texts(),
        source,
        at_least: usize::try_from(at_least).ok()?,
    })
}

impl Predicate {
    /// Whether the predicate can only be judged at the end: it claims that something does not happen.
    pub fn is_never(&self) -> bool {
        match self {
            Self::NeverReceived { .. }
            | Self::NeverEvent { .. }
            | Self::NeverSignal { .. }
            | Self::Never(_) => true,
            Self::EveryReceived { .. } | Self::Distinct(_) | Self::Same(_) => true,
            Self::Orchestrator(facts) => facts.alive == Some(true),
            Self::All(all) | Self::Any(all) => all.iter().any(Self::is_never),
            _ => false,
        }
    }

    /// Whether the predicate claims a refusal or an absence, which a dead target shows as well as a right one.
    pub fn is_rejection(&self) -> bool {
        match self {
            Self::NeverReceived { .. }
            | Self::NeverEvent { .. }
            | Self::NeverSignal { .. }
            | Self::Never(_) => true,
            Self::NoProcess { .. } => true,
            Self::Status { members, .. } => members.iter().any(|(name, matcher)| {
                let literals = matcher.literals();
                name == "state"
                    && !literals.is_empty()
                    && literals
                        .iter()
                        .all(|v| v.as_str().is_some_and(|state| REJECTED.contains(&state)))
            }),
            Self::Launches { count, .. } => claims_zero(count),
            Self::Received { count, .. } | Self::Event { count, .. } => {
                count.as_ref().is_some_and(claims_zero)
            }
            Self::Reply { error, closed, .. } => error.is_some() || *closed,
            Self::Answered { members, .. } => members.iter().any(|(name, _)| name.starts_with("/error")),
            Self::Orchestrator(facts) | Self::BootRun(facts) | Self::Run { facts, .. } => facts
                .exit
                .as_ref()
                .is_some_and(|exit| !exit.literals().iter().any(|v| v.as_u64() == Some(0))),
            Self::Path(facts) => !facts.exists,
            Self::All(all) => all.iter().any(Self::is_rejection),
            Self::Any(all) => !all.is_empty() && all.iter().all(Self::is_rejection),
            _ => false,
        }
    }

    /// Calls `visit` with every module that the predicate names.
    pub(crate) fn for_each_module(&self, visit: &mut dyn FnMut(&str)) {
        match self {
            Self::Status { module, .. }
            | Self::NoProcess { module }
            | Self::Launches { module, .. }
            | Self::Received { module, .. }
            | Self::NeverReceived { module, .. }
            | Self::EveryReceived { module, .. }
            | Self::Launch { module, .. }
            | Self::Answered { module, .. }
            | Self::NeverSignal { module, .. }
            | Self::Key { module, .. }
            | Self::Proof { module } => visit(module),
            Self::Occurs(patterns) | Self::Order(patterns) => {
                patterns.iter().filter_map(Pattern::module).for_each(visit);
            }
            Self::Never(pattern) => pattern.module().into_iter().for_each(visit),
            Self::Gap { from, to, .. } => [from, to].into_iter().filter_map(|p| p.module()).for_each(visit),
            Self::Overlap(modules) => modules.iter().for_each(|m| visit(m)),
            Self::Distinct(values) | Self::Same(values) => values.of.iter().for_each(|m| visit(m)),
            Self::All(all) | Self::Any(all) => all.iter().for_each(|p| p.for_each_module(visit)),
            Self::Event { members, .. } | Self::NeverEvent { members } => {
                let module = members
                    .iter()
                    .find(|(name, _)| name == "module" || name == "/module");
                if let Some(name) = module.and_then(|(_, m)| m.literals().first().and_then(|v| v.as_str())) {
                    visit(name);
                }
            }
            Self::Orchestrator(_)
            | Self::BootRun(_)
            | Self::Run { .. }
            | Self::Reply { .. }
            | Self::Path(_) => {}
        }
    }
}

/// States that a module reaches because something was refused to it or went wrong with it.
const REJECTED: [&str; 5] = ["failed", "crashed", "ghost", "invalid", "disabled"];

fn claims_zero(count: &Matcher) -> bool {
    match count {
        Matcher::Equal(Value::Number(n)) => n.as_u64() == Some(0),
        Matcher::AtMost(limit) => *limit < 1.0,
        _ => false,
    }
}
