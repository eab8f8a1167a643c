//! The loop: wait, gather, decide, act.
//!
//! It owns the order of things. Events reach the machine one at a time, in the order in which they were seen; the effects
//! of one event are carried out before the next event is looked at. It refuses to know what they mean.
//!
//! Launches are the exception to "at once": a boot asks for a thousand, and each takes a while, so they queue and a few
//! start per turn. The handshakes of the first run while the last are still to be started.

use nix::errno::Errno;
use partenza_reference_core::machine::{Effect, Event, Machine};

use crate::interpose::Interpose;
use crate::kernel::Kernel;

/// Runs the machine to its end and returns the exit status that it asked for.
pub(crate) fn run(
    machine: &mut Machine,
    kernel: &mut Kernel,
    interpose: &mut impl Interpose,
) -> Result<i32, Errno> {
    feed(machine, kernel, interpose, Event::Boot);
    loop {
        for _ in 0..LAUNCHES_PER_TURN {
            feed_raised(machine, kernel, interpose);
            kernel.launch_next(interpose);
        }
        // What is written to peers can itself be news, for instance that a slow one has caught up.
        while kernel.has_raised() {
            feed_raised(machine, kernel, interpose);
            kernel.end_turn();
        }
        kernel.end_turn();
        if let Some(code) = kernel.exit_code() {
            return Ok(interpose.exit(code));
        }
        let deadline = if kernel.has_waiting_launches() {
            Some(0)
        } else {
            [
                machine.next_deadline(),
                kernel.next_deadline(),
                interpose.deadline(),
            ]
            .into_iter()
            .flatten()
            .min()
        };
        kernel.wait(deadline, interpose)?;
        feed_raised(machine, kernel, interpose);
        let now = kernel.now();
        if machine.next_deadline().is_some_and(|deadline| deadline <= now) {
            feed(machine, kernel, interpose, Event::Tick);
        }
        if interpose.deadline().is_some_and(|deadline| deadline <= now) {
            interpose.tick(now, kernel);
        }
    }
}

fn feed_raised(machine: &mut Machine, kernel: &mut Kernel, interpose: &mut impl Interpose) {
    while let Some(event) = kernel.next_raised() {
        feed(machine, kernel, interpose, event);
    }
}

fn feed(machine: &mut Machine, kernel: &mut Kernel, interpose: &mut impl Interpose, event: Event) {
    let now = kernel.now();
    for event in interpose.event(now, event, kernel) {
        for effect in machine.handle(now, event) {
            for effect in interpose.effect(now, effect, kernel) {
                perform(kernel, effect);
            }
        }
    }
}

fn perform(kernel: &mut Kernel, effect: Effect) {
    // Nothing that comes after the exit is wanted.
    if kernel.exit_code().is_none() {
        kernel.perform(effect);
    }
}

/// Few enough that what happens meanwhile waits a millisecond at most.
const LAUNCHES_PER_TURN: usize = 4;
