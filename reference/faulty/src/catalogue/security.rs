//! Faults of what one module can do to others.

use std::cell::Cell;
use std::rc::Rc;

use partenza_reference_core::machine::{Event, Signal};

use super::Entry;
use crate::toolkit::Fault;

pub(super) const FAULTS: &[Entry] = &[
    ("flood-served-first", || {
        let mut flood = 0;
        starves("calm", move |event| {
            if let Event::Bytes { module, bytes, .. } = event
                && module.as_str() == "flooder"
            {
                flood += bytes.len();
            }
            flood > 20_000
        })
    }),
    ("output-served-first", || {
        let read = Rc::new(Cell::new(0));
        let seen = Rc::clone(&read);
        starves("placid", move |_| read.get() > 20).reads_output(move |module| {
            seen.set(seen.get() + u32::from(module == "printer"));
            true
        })
    }),
    ("garbage-stops-the-loop", || {
        let mut stopped = false;
        starves("serene", move |event| {
            stopped |= matches!(event, Event::Bytes { module, bytes, .. }
                if module.as_str() == "babbler" && bytes.starts_with(b"}{"));
            stopped
        })
    }),
    ("output-read-at-the-end", || {
        Fault::new().reads_output(|module| module != "verbose")
    }),
    ("errors-read-at-the-end", || {
        Fault::new().reads_output(|module| module != "complaining")
    }),
    ("term-is-enough", || {
        Fault::new().never_signals("frozen", Signal::Kill)
    }),
    ("queue-without-bound", || {
        Fault::new().event(|_, event| match event {
            Event::Overflow { module, .. } if module.as_str() == "hoarder" => Vec::new(),
            other => vec![other],
        })
    }),
    ("orphans-unreaped", || {
        Fault::new().beside("begetter").leaves_zombies("begetter")
    }),
];

/// While this holds, whatever happens to a module is noticed only when everything ends.
fn starves(name: &'static str, mut busy: impl FnMut(&Event) -> bool + 'static) -> Fault {
    let mut held: Vec<Event> = Vec::new();
    let mut over = false;
    Fault::new().beside("flooder").event(move |desk, event| {
        let about = match &event {
            Event::Spawned { module, .. }
            | Event::SpawnFailed { module, .. }
            | Event::Bytes { module, .. }
            | Event::Eof { module, .. }
            | Event::Exited { module, .. }
            | Event::GroupEmpty { module, .. } => module.as_str() == name,
            _ => false,
        };
        let busy = busy(&event);
        if about && busy && !over {
            held.push(event);
            return Vec::new();
        }
        over |= matches!(event, Event::ShutdownSignal { .. });
        if over {
            held.drain(..).for_each(|event| desk.tell(event));
        }
        vec![event]
    })
}
