//! The seam between the machine and the kernel.
//!
//! A test of the judge needs orchestrators that are wrong in one exactly known way. They are programs of their own which
//! implement [`Interpose`]; the shipped program uses [`Direct`], whose every method is the identity and vanishes when it
//! is compiled. This file refuses to hold any other implementation.

use partenza_reference_core::ModuleId;
use partenza_reference_core::machine::{Effect, Event, ExitStatus, LaunchSpec};
use partenza_reference_core::manifest::Loaded;

use crate::kernel::Kernel;
use crate::sys::Launch;

/// What may happen between the machine and the kernel. Every method does nothing unless it is overridden.
///
/// The methods get the [`Kernel`] itself and can thus do anything that an effect can, at any time, also unasked.
pub trait Interpose {
    /// What loading has made of the module directory, before anybody looks at it. Both `check` and `run` ask.
    fn loaded(&mut self, loaded: &mut Loaded) {
        let _ = loaded;
    }

    /// The mode that the control socket gets after it was made with 0600; `None` leaves it.
    fn control_mode(&mut self) -> Option<u32> {
        None
    }

    /// An event on its way to the machine: the events to pass on instead.
    fn event(&mut self, now: u64, event: Event, kernel: &mut Kernel) -> Vec<Event> {
        let _ = (now, kernel);
        vec![event]
    }

    /// An effect on its way to the kernel: the effects to carry out instead.
    fn effect(&mut self, now: u64, effect: Effect, kernel: &mut Kernel) -> Vec<Effect> {
        let _ = (now, kernel);
        vec![effect]
    }

    /// What will be written to a module's secret pipe. The machine gets the key in the `Spawned` event.
    fn secret(&mut self, spec: &LaunchSpec, line: &mut Vec<u8>) {
        let _ = (spec, line);
    }

    /// A launch that is ready to happen, with every property of the child.
    fn launch(&mut self, spec: &LaunchSpec, launch: &mut Launch) {
        let _ = (spec, launch);
    }

    /// Whether the output of a module is read.
    fn reads_output(&mut self, module: &ModuleId) -> bool {
        let _ = module;
        true
    }

    /// When [`tick`](Self::tick) is wanted at the latest, in microseconds since boot.
    fn deadline(&self) -> Option<u64> {
        None
    }

    /// Called when the deadline has come.
    fn tick(&mut self, now: u64, kernel: &mut Kernel) {
        let _ = (now, kernel);
    }

    /// The next child that has ended, reaped by this very call. `reap` takes any.
    fn next_ended(&mut self, reap: fn() -> Option<(u32, ExitStatus)>) -> Option<(u32, ExitStatus)> {
        reap()
    }

    /// Whether processes that are left at the end are ended.
    fn sweeps(&mut self) -> bool {
        true
    }

    /// Whether the socket and the files of the runtime directory are removed at the end.
    fn cleans_up(&mut self) -> bool {
        true
    }

    /// The exit status of an ended run.
    fn exit(&mut self, code: i32) -> i32 {
        code
    }
}

/// Nothing between machine and kernel.
#[derive(Debug, Clone, Copy, Default)]
pub struct Direct;

impl Interpose for Direct {}
