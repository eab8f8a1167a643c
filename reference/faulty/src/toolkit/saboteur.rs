//! The one implementation of the seam: it runs the hooks of a fault.

use std::cell::RefCell;
use std::rc::Rc;

use partenza_reference::{Interpose, Kernel, Launch};
use partenza_reference_core::ModuleId;
use partenza_reference_core::machine::{Effect, Event, ExitStatus, LaunchSpec};
use partenza_reference_core::manifest::Loaded;
use serde_json::{Map, Value};

use super::agenda::{Agenda, Desk};
use super::control::{Clients, status};
use super::fault::{Fault, matches};
use super::wire::Wires;
use super::zombies::reap_others;

/// An orchestrator with one fault. Clones are the same orchestrator.
#[derive(Clone)]
pub(crate) struct Saboteur(Rc<RefCell<Inner>>);

struct Inner {
    fault: Fault,
    active: bool,
    agenda: Agenda,
    wires: Wires,
    clients: Clients,
}

impl Saboteur {
    pub(crate) fn new(fault: Fault) -> Self {
        let (agenda, wires, clients) = (Agenda::default(), Wires::default(), Clients::default());
        Self(Rc::new(RefCell::new(Inner {
            fault,
            active: false,
            agenda,
            wires,
            clients,
        })))
    }

    /// The exit status of the program.
    pub(crate) fn exit_status(&self, code: u8) -> u8 {
        let inner = &mut *self.0.borrow_mut();
        match &mut inner.fault.exit {
            Some(hook) if inner.active => hook(code),
            Some(_) | None => code,
        }
    }
}

impl Interpose for Saboteur {
    fn loaded(&mut self, loaded: &mut Loaded) {
        let inner = &mut *self.0.borrow_mut();
        inner.active = inner.fault.when.iter().all(|holds| holds(loaded));
        if inner.active {
            inner.fault.loaded.iter_mut().for_each(|hook| hook(loaded));
        }
    }

    fn control_mode(&mut self) -> Option<u32> {
        let inner = self.0.borrow();
        inner.fault.control_mode.filter(|_| inner.active)
    }

    fn event(&mut self, now: u64, event: Event, kernel: &mut Kernel) -> Vec<Event> {
        let inner = &mut *self.0.borrow_mut();
        let mut result = inner.agenda.told();
        if !inner.active {
            result.push(event);
            return result;
        }
        let booting = matches!(event, Event::Boot);
        let mut events = inner.seen(now, event, kernel);
        let mut desk = Desk {
            now,
            kernel,
            agenda: &mut inner.agenda,
        };
        for hook in &mut inner.fault.events {
            events = events
                .into_iter()
                .flat_map(|event| hook(&mut desk, event))
                .collect();
        }
        if booting {
            inner.fault.boot.iter_mut().for_each(|hook| hook(&mut desk));
        }
        result.extend(events);
        result
    }

    fn effect(&mut self, now: u64, effect: Effect, kernel: &mut Kernel) -> Vec<Effect> {
        let inner = &mut *self.0.borrow_mut();
        if !inner.active {
            return vec![effect];
        }
        let mut effects = vec![effect];
        let mut desk = Desk {
            now,
            kernel,
            agenda: &mut inner.agenda,
        };
        for hook in &mut inner.fault.effects {
            effects = effects
                .into_iter()
                .flat_map(|effect| hook(&mut desk, effect))
                .collect();
        }
        effects
            .into_iter()
            .flat_map(|effect| inner.done(now, effect, kernel))
            .collect()
    }

    fn secret(&mut self, spec: &LaunchSpec, line: &mut Vec<u8>) {
        let inner = &mut *self.0.borrow_mut();
        let machine = line.clone();
        if inner.active {
            for (_, hook) in inner
                .fault
                .secret
                .iter_mut()
                .filter(|(name, _)| matches(name, spec.module.as_str()))
            {
                hook(spec, line);
            }
        }
        inner.wires.begin(&spec.module, spec.generation, &machine, line);
    }

    fn launch(&mut self, spec: &LaunchSpec, launch: &mut Launch) {
        let inner = &mut *self.0.borrow_mut();
        if inner.active {
            for (_, hook) in inner
                .fault
                .launch
                .iter_mut()
                .filter(|(name, _)| matches(name, spec.module.as_str()))
            {
                hook(spec, launch);
            }
        }
    }

    fn reads_output(&mut self, module: &ModuleId) -> bool {
        let inner = &mut *self.0.borrow_mut();
        match &mut inner.fault.reads_output {
            Some(hook) if inner.active => hook(module.as_str()),
            Some(_) | None => true,
        }
    }

    fn deadline(&self) -> Option<u64> {
        self.0.borrow().agenda.deadline()
    }

    fn tick(&mut self, now: u64, kernel: &mut Kernel) {
        self.0.borrow_mut().agenda.tick(now, kernel);
    }

    fn next_ended(&mut self, reap: fn() -> Option<(u32, ExitStatus)>) -> Option<(u32, ExitStatus)> {
        let inner = self.0.borrow();
        match &inner.fault.spared {
            Some(spared) if inner.active => reap_others(spared),
            Some(_) | None => reap(),
        }
    }

    fn sweeps(&mut self) -> bool {
        let inner = self.0.borrow();
        !(inner.active && inner.fault.leaves_processes)
    }

    fn cleans_up(&mut self) -> bool {
        let inner = self.0.borrow();
        !(inner.active && inner.fault.leaves_files)
    }
}

impl Inner {
    /// An event after the lines in it were looked at.
    fn seen(&mut self, now: u64, event: Event, kernel: &mut Kernel) -> Vec<Event> {
        let mut desk = Desk {
            now,
            kernel,
            agenda: &mut self.agenda,
        };
        match event {
            Event::Bytes {
                module,
                generation,
                bytes,
            } if self.fault.watches(module.as_str()) => {
                let lines = self
                    .wires
                    .incoming(&mut self.fault, &mut desk, &module, generation, bytes);
                let event = |bytes| Event::Bytes {
                    module: module.clone(),
                    generation,
                    bytes,
                };
                lines
                    .into_iter()
                    .filter(|bytes| !bytes.is_empty())
                    .map(event)
                    .collect()
            }
            Event::Eof { module, generation } if self.fault.watches(module.as_str()) => {
                let bytes = self.wires.rest(&module, generation);
                let rest = Event::Bytes {
                    module: module.clone(),
                    generation,
                    bytes,
                };
                let empty = matches!(&rest, Event::Bytes { bytes, .. } if bytes.is_empty());
                (!empty)
                    .then_some(rest)
                    .into_iter()
                    .chain([Event::Eof { module, generation }])
                    .collect()
            }
            Event::ControlBytes { conn, bytes } => {
                let bytes = self.clients.incoming(&mut self.fault, &mut desk, conn, bytes);
                if bytes.is_empty() {
                    Vec::new()
                } else {
                    vec![Event::ControlBytes { conn, bytes }]
                }
            }
            Event::ControlClosed { conn } => {
                self.clients.gone(conn);
                vec![Event::ControlClosed { conn }]
            }
            other => vec![other],
        }
    }

    /// An effect after the lines in it were looked at.
    fn done(&mut self, now: u64, effect: Effect, kernel: &mut Kernel) -> Vec<Effect> {
        let mut desk = Desk {
            now,
            kernel,
            agenda: &mut self.agenda,
        };
        match effect {
            Effect::Send {
                module,
                generation,
                bytes,
            } if self.fault.watches(module.as_str()) => {
                let bytes = self
                    .wires
                    .outgoing(&mut self.fault, &mut desk, &module, generation, &bytes);
                if bytes.is_empty() {
                    Vec::new()
                } else {
                    vec![Effect::Send {
                        module,
                        generation,
                        bytes,
                    }]
                }
            }
            Effect::Reply { conn, bytes } => {
                let lines = self.clients.outgoing(&mut self.fault, &mut desk, conn, &bytes);
                let bytes = lines.concat();
                if bytes.is_empty() {
                    Vec::new()
                } else {
                    vec![Effect::Reply { conn, bytes }]
                }
            }
            Effect::Notify { conn, bytes } => {
                let lines = self.clients.outgoing(&mut self.fault, &mut desk, conn, &bytes);
                lines
                    .into_iter()
                    .map(|bytes| Effect::Notify { conn, bytes })
                    .collect()
            }
            Effect::WriteStatus { module, json } => {
                let Ok(mut object) = serde_json::from_str::<Map<String, Value>>(&json) else {
                    return Vec::new();
                };
                status(&mut self.fault, &mut object);
                let mut hooks = self
                    .fault
                    .file
                    .iter_mut()
                    .filter(|(name, _)| matches(name, module.as_str()));
                let written = hooks.all(|(_, hook)| hook(&mut object));
                let json = Value::Object(object).to_string();
                written
                    .then_some(Effect::WriteStatus { module, json })
                    .into_iter()
                    .collect()
            }
            other => vec![other],
        }
    }
}
