//! The names under which descriptors are registered for readiness.

/// What a ready descriptor is. The number counts things of that kind and is never used again, so that an event for
/// something that was closed in the same turn finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Signals,
    Listener,
    Log,
    Channel(u64),
    Output(u64),
    Control(u64),
    Probe(u64),
}

impl Token {
    pub(super) fn encode(self) -> u64 {
        let (kind, number) = match self {
            Self::Signals => (0, 0),
            Self::Listener => (1, 0),
            Self::Log => (2, 0),
            Self::Channel(number) => (3, number),
            Self::Output(number) => (4, number),
            Self::Control(number) => (5, number),
            Self::Probe(number) => (6, number),
        };
        kind << KIND_SHIFT | number
    }

    pub(super) fn decode(raw: u64) -> Option<Self> {
        let number = raw & ((1 << KIND_SHIFT) - 1);
        Some(match raw >> KIND_SHIFT {
            0 => Self::Signals,
            1 => Self::Listener,
            2 => Self::Log,
            3 => Self::Channel(number),
            4 => Self::Output(number),
            5 => Self::Control(number),
            6 => Self::Probe(number),
            _ => return None,
        })
    }
}

/// Room for 2^56 things of a kind: at a million a second, two thousand years.
const KIND_SHIFT: u32 = 56;
