//! Shorthands for what many faults do. Each is made of the hooks in [`Fault`].

use partenza_reference_core::machine::{Effect, Event, LaunchSpec, Signal};
use partenza_reference_core::manifest::{Edge, Loaded, Module, Severity};
use serde_json::{Map, Value};

use super::agenda::Desk;
use super::fault::Fault;
use super::line::{Line, object};
use super::modules::{index_of, names};
use super::wire::At;

impl Fault {
    /// The fault shows only where the directory holds this module, too.
    pub(crate) fn beside(self, module: &'static str) -> Self {
        self.when(move |loaded| names(loaded).contains(&module))
    }

    /// The fault shows only where the directory holds exactly these modules.
    pub(crate) fn only(self, modules: &'static [&'static str]) -> Self {
        self.when(move |loaded| names(loaded) == modules)
    }

    /// Changes one module file after it was read.
    pub(crate) fn module(self, name: &'static str, mut edit: impl FnMut(&mut Module) + 'static) -> Self {
        self.loaded(move |loaded| {
            loaded
                .modules
                .iter_mut()
                .filter(|module| module.id.as_str() == name)
                .for_each(&mut edit);
        })
    }

    /// Changes every dependency of a module.
    pub(crate) fn needs(self, name: &'static str, mut edit: impl FnMut(&mut Edge) + 'static) -> Self {
        self.loaded(move |loaded| {
            if let Some(module) = index_of(loaded, name) {
                loaded.edges[module].iter_mut().for_each(&mut edit);
            }
        })
    }

    /// Forgets a problem of a file (`""` stands for every file).
    pub(crate) fn unreported(self, code: &'static str, file: &'static str) -> Self {
        self.loaded(move |loaded| {
            loaded
                .diagnostics
                .retain(|found| found.code != code || !found.file.ends_with(file))
        })
    }

    /// Says of a problem that it is none.
    pub(crate) fn only_warned(self, code: &'static str, file: &'static str) -> Self {
        self.loaded(move |loaded| {
            let found = loaded.diagnostics.iter_mut();
            found
                .filter(|found| found.code == code && found.file.ends_with(file))
                .for_each(|found| found.severity = Severity::Warning);
        })
    }

    /// Reports nothing but the first error.
    pub(crate) fn first_error_only(self) -> Self {
        self.loaded(|loaded: &mut Loaded| {
            let mut errors = 0;
            loaded.diagnostics.retain(|found| {
                errors += usize::from(found.severity == Severity::Error);
                found.severity != Severity::Error || errors == 1
            });
        })
    }

    /// Changes one message to a module.
    pub(crate) fn says(
        self,
        module: &'static str,
        method: &'static str,
        mut edit: impl FnMut(&At, &mut Value) + 'static,
    ) -> Self {
        self.outgoing(module, move |_, at, line| {
            vec![if line.method() == method {
                line.edited(|json| edit(at, json))
            } else {
                line
            }]
        })
    }

    /// Changes one parameter of a message to a module.
    pub(crate) fn says_param(
        self,
        module: &'static str,
        method: &'static str,
        name: &'static str,
        value: impl Into<Value>,
    ) -> Self {
        let value = value.into();
        self.says(module, method, move |_, json| {
            object(json, "params").insert(name.to_owned(), value.clone());
        })
    }

    /// Never sends this message to a module.
    pub(crate) fn never_says(self, module: &'static str, method: &'static str) -> Self {
        self.outgoing(module, move |_, _, line| {
            if line.method() == method {
                Vec::new()
            } else {
                vec![line]
            }
        })
    }

    /// Does not hear what this holds of.
    pub(crate) fn deaf_to(self, module: &'static str, heard: impl Fn(&At, &Line) -> bool + 'static) -> Self {
        self.incoming(
            module,
            move |_, at, line| if heard(at, &line) { Vec::new() } else { vec![line] },
        )
    }

    /// Takes what this holds of for a breach of the rules.
    pub(crate) fn fatal(self, module: &'static str, heard: impl Fn(&At, &Line) -> bool + 'static) -> Self {
        self.incoming(module, move |_, at, line| {
            vec![if heard(at, &line) { Line::garbage() } else { line }]
        })
    }

    /// Hears something else than the module said.
    pub(crate) fn hears(self, module: &'static str, mut edit: impl FnMut(&At, &mut Value) + 'static) -> Self {
        self.incoming(module, move |_, at, line| {
            vec![line.edited(|json| edit(at, json))]
        })
    }

    /// Changes one kind of event about a module.
    pub(crate) fn tells(
        self,
        module: &'static str,
        kind: &'static str,
        mut edit: impl FnMut(&mut Map<String, Value>) + 'static,
    ) -> Self {
        self.journal(move |mut event| {
            if is(&event, kind, module) {
                edit(&mut event);
            }
            vec![event]
        })
    }

    /// Tells another story in place of an event about a module: none, one, or several.
    pub(crate) fn retells(
        self,
        module: &'static str,
        kind: &'static str,
        mut tell: impl FnMut(Map<String, Value>) -> Vec<Map<String, Value>> + 'static,
    ) -> Self {
        self.journal(move |event| {
            if is(&event, kind, module) {
                tell(event)
            } else {
                vec![event]
            }
        })
    }

    /// Tells a health event in place of one of another kind, under the same number.
    pub(crate) fn tells_health_instead(self, module: &'static str, kind: &'static str) -> Self {
        self.tells(module, kind, move |event| *event = instead_of(event, module))
    }

    /// Gives another reason, in status and state events.
    pub(crate) fn reason(self, module: &'static str, from: &'static str, to: &'static str) -> Self {
        let change = move |object: &mut Map<String, Value>| {
            if object.get("reason").and_then(Value::as_str) == Some(from) {
                object.insert("reason".to_owned(), Value::from(to));
            }
        };
        self.status(module, change).tells(module, "state", change)
    }

    /// Gives another reason in the state events to one state.
    pub(crate) fn event_reason(
        self,
        module: &'static str,
        state: &'static str,
        reason: &'static str,
    ) -> Self {
        self.tells(module, "state", move |event| {
            if event["to"] == state {
                event.insert("reason".to_owned(), Value::from(reason));
            }
        })
    }

    /// Calls a state by another name, in status and state events.
    pub(crate) fn state_called(self, module: &'static str, from: &'static str, to: &'static str) -> Self {
        let rename = move |object: &mut Map<String, Value>, name: &str| {
            if object.get(name).and_then(Value::as_str) == Some(from) {
                object.insert(name.to_owned(), Value::from(to));
            }
        };
        self.status(module, move |object| rename(object, "state"))
            .tells(module, "state", move |event| rename(event, "to"))
    }

    /// What becomes of a signal to the group of a module.
    pub(crate) fn signal(
        self,
        name: &'static str,
        mut hook: impl FnMut(&mut Desk<'_>, &Effect, Signal) -> Option<Signal> + 'static,
    ) -> Self {
        self.effect(move |desk, effect| match &effect {
            Effect::SignalGroup {
                module,
                generation,
                signal,
            } if module.as_str() == name => {
                let (generation, signal) = (*generation, hook(desk, &effect, *signal));
                let again = |signal| Effect::SignalGroup {
                    module: module.clone(),
                    generation,
                    signal,
                };
                signal.map(again).into_iter().collect()
            }
            _ => vec![effect],
        })
    }

    /// Never sends this signal to the group of a module.
    pub(crate) fn never_signals(self, name: &'static str, never: Signal) -> Self {
        self.signal(name, move |_, _, signal| (signal != never).then_some(signal))
    }

    /// Sends signals to the leader alone.
    pub(crate) fn signals_leader(self, name: &'static str) -> Self {
        self.signal(name, |desk, effect, signal| {
            if let Effect::SignalGroup {
                module, generation, ..
            } = effect
            {
                desk.kernel.signal_leader(module, *generation, number(signal));
            }
            None
        })
    }

    /// Takes the group of a module as empty when its leader has ended.
    pub(crate) fn empty_with_leader(
        self,
        name: &'static str,
        applies: impl Fn(u64) -> bool + 'static,
    ) -> Self {
        self.event(move |_, event| match event {
            Event::Exited {
                module,
                generation,
                status,
            } if module.as_str() == name && applies(generation) => vec![
                Event::Exited {
                    module: module.clone(),
                    generation,
                    status,
                },
                Event::GroupEmpty { module, generation },
            ],
            other => vec![other],
        })
    }

    /// Changes the result of the probes of a module.
    pub(crate) fn probes(self, name: &'static str, result: bool) -> Self {
        self.event(move |_, event| match event {
            Event::ProbeDone {
                module,
                generation,
                detail,
                ..
            } if module.as_str() == name => {
                vec![Event::ProbeDone {
                    module,
                    generation,
                    ok: result,
                    detail,
                }]
            }
            other => vec![other],
        })
    }

    /// Sets a variable of a module.
    pub(crate) fn variable(self, module: &'static str, name: &'static str, value: &'static str) -> Self {
        self.launch(module, move |_, launch| {
            launch
                .environment
                .retain(|entry| !entry.to_bytes().starts_with(format!("{name}=").as_bytes()));
            launch
                .environment
                .extend(std::ffi::CString::new(format!("{name}={value}")));
        })
    }

    /// Remembers the last launch of a module.
    pub(crate) fn remembers(self, name: &'static str, mut keep: impl FnMut(&LaunchSpec) + 'static) -> Self {
        self.effect(move |_, effect| {
            if let Effect::Spawn(spec) = &effect
                && spec.module.as_str() == name
            {
                keep(spec);
            }
            vec![effect]
        })
    }

    /// An error in place of a reply.
    pub(crate) fn refuses(
        self,
        method: &'static str,
        code: i64,
        mut wanted: impl FnMut(&Value, &Value) -> bool + 'static,
    ) -> Self {
        self.reply(method, move |_, _, request, reply| {
            Some(if wanted(request, &reply) {
                serde_json::json!({
                    "jsonrpc": "2.0", "id": reply.get("id").cloned().unwrap_or_default(),
                    "error": {"code": code, "message": "refused"},
                })
            } else {
                reply
            })
        })
    }

    /// Another number in error replies.
    pub(crate) fn error_called(self, from: i64, to: i64) -> Self {
        self.reply(super::ANY, move |_, _, _, mut reply| {
            if reply.pointer("/error/code").and_then(Value::as_i64) == Some(from) {
                reply["error"]["code"] = Value::from(to);
            }
            Some(reply)
        })
    }
}

fn is(event: &Map<String, Value>, kind: &str, module: &str) -> bool {
    event.get("type").and_then(Value::as_str) == Some(kind)
        && (module == super::ANY || event.get("module").and_then(Value::as_str) == Some(module))
}

/// The number of a signal.
pub(crate) fn number(signal: Signal) -> i32 {
    match signal {
        Signal::Term => 15,
        Signal::Kill => 9,
    }
}

/// A health event about a module, in the place of another event.
pub(crate) fn instead_of(event: &Map<String, Value>, module: &str) -> Map<String, Value> {
    let mut health = event.clone();
    health.retain(|name, _| matches!(name.as_str(), "seq" | "at_ms"));
    health.insert("type".to_owned(), Value::from("health"));
    health.insert("module".to_owned(), Value::from(module));
    health.insert("generation".to_owned(), Value::from(1));
    health.insert("ok".to_owned(), Value::from(false));
    health.insert("detail".to_owned(), Value::Null);
    health
}
