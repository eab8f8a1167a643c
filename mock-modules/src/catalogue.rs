//! Every way in which a mock module can break the contract, with one sentence each.

/// One deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The point of the contract, a key of `except:`.
    pub point: &'static str,
    /// How it is written, as the YAML value of that key.
    pub written: &'static str,
    /// What the module then does.
    pub sentence: &'static str,
}

/// All of them, in the order of the contract.
#[must_use]
pub fn catalogue() -> &'static [Fault] {
    &[]
}
