//! What a simulated module does differently from the contract, or when.

use partenza_reference_core::machine::ExitStatus;

use super::MS;

/// What a module does differently from the contract, or when.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// Answers L1.
    pub(crate) hello: Hello,
    /// Answers L3.
    pub(crate) proof: Proof,
    /// Sends `ready` this long after L5.
    pub(crate) ready_after: Option<u64>,
    /// Ends by itself this long after L5.
    pub(crate) exits_after: Option<(u64, ExitStatus)>,
    /// Ends by itself this long after the launch, before it says anything.
    pub(crate) dies_after: Option<(u64, ExitStatus)>,
    /// How long it takes from `shutdown` to its exit; `None`: it ignores the request.
    pub(crate) stops_after: Option<u64>,
    /// Whether SIGTERM ends it.
    pub(crate) heeds_term: bool,
    /// How long the group outlives the leader, unless it is signalled.
    pub(crate) leftovers: Option<u64>,
    /// What it answers to `health.check`.
    pub(crate) health: Health,
    /// The launch fails.
    pub(crate) exec_fails: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Hello {
    Honest,
    Silent,
    Raw(Vec<u8>),
    Close,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Proof {
    Honest,
    Silent,
    Wrong,
    Missing,
    Raw(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Health {
    Ready,
    Degraded,
    Error,
    Silent,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            hello: Hello::Honest,
            proof: Proof::Honest,
            ready_after: Some(MS),
            exits_after: None,
            dies_after: None,
            stops_after: Some(MS),
            heeds_term: true,
            leftovers: None,
            health: Health::Ready,
            exec_fails: false,
        }
    }
}
