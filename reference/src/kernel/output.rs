//! What modules print: one pipe per launch, cut into lines, with a budget.
//!
//! It owns reading so that a module never blocks on its own output, and a budget so that a module which prints without end
//! does not drown the log. A line longer than the cap is cut; lines beyond the budget are counted, not kept.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use partenza_reference_core::ModuleId;
use partenza_reference_core::machine::Level;

use super::log::Log;
use super::token::Token;
use crate::sys::net::{Moved, drain};
use crate::sys::poll::{Interest, Poller};

#[derive(Debug)]
struct Pipe {
    reader: OwnedFd,
    module: ModuleId,
    line: Vec<u8>,
    cut: bool,
    budget: Budget,
}

/// All output pipes, by launch number. A pipe lives until its last writer is gone.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    open: HashMap<u64, Pipe>,
}

impl Outputs {
    pub(super) fn add(
        &mut self,
        poller: &Poller,
        launch: u64,
        reader: OwnedFd,
        module: ModuleId,
        now: u64,
    ) -> nix::Result<()> {
        poller.add(&reader, Token::Output(launch).encode(), Interest::READ)?;
        let pipe = Pipe {
            reader,
            module,
            line: Vec::new(),
            cut: false,
            budget: Budget::new(now),
        };
        self.open.insert(launch, pipe);
        Ok(())
    }

    /// Reads once and logs the lines that are complete. The answer is whether more may be there.
    pub(super) fn read(&mut self, poller: &Poller, launch: u64, now: u64, log: &mut Log) -> bool {
        let Some(pipe) = self.open.get_mut(&launch) else {
            return false;
        };
        let mut buffer = [0; TURN_BYTES];
        match drain(&pipe.reader, &mut buffer) {
            Moved::Bytes(count) => {
                pipe.take(buffer.get(..count).unwrap_or_default(), now, log);
                count == TURN_BYTES
            }
            Moved::NotNow => false,
            Moved::Ended => {
                if !pipe.line.is_empty() {
                    pipe.finish_line(now, log);
                }
                pipe.budget.report(&pipe.module, log);
                poller.remove(&pipe.reader);
                self.open.remove(&launch);
                false
            }
        }
    }

    /// Stops reading, for a launch whose output is not to be read.
    pub(super) fn ignore(&mut self, poller: &Poller, launch: u64) {
        if let Some(pipe) = self.open.get(&launch) {
            poller.remove(&pipe.reader);
        }
    }

    /// Logs what is left of a launch that ended, as far as it is there.
    pub(super) fn read_rest(&mut self, poller: &Poller, launch: u64, now: u64, log: &mut Log) {
        for _ in 0..REST_TURNS {
            if !self.read(poller, launch, now, log) {
                return;
            }
        }
    }

    /// Everything that can still be read at the end of the run.
    pub(super) fn read_all(&mut self, poller: &Poller, now: u64, log: &mut Log) {
        let launches: Vec<u64> = self.open.keys().copied().collect();
        for launch in launches {
            self.read_rest(poller, launch, now, log);
            // A further read finds the end, which gives out an unfinished last line.
            self.read(poller, launch, now, log);
        }
    }
}

impl Pipe {
    fn take(&mut self, mut bytes: &[u8], now: u64, log: &mut Log) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend(bytes.get(..end).unwrap_or_default());
            self.finish_line(now, log);
            bytes = bytes.get(end + 1..).unwrap_or_default();
        }
        self.extend(bytes);
    }

    fn extend(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES - self.line.len();
        self.cut |= bytes.len() > room;
        self.line.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn finish_line(&mut self, now: u64, log: &mut Log) {
        if self.budget.allows(self.line.len() + LINE_COST, now) {
            self.budget.report(&self.module, log);
            if std::mem::take(&mut self.cut) {
                self.line.extend_from_slice(" [cut]".as_bytes());
            }
            log.output(&self.module, &self.line);
        } else {
            self.cut = false;
        }
        self.line.clear();
    }
}

/// A bucket of bytes that fills again with time.
#[derive(Debug)]
struct Budget {
    left: usize,
    at: u64,
    suppressed: u64,
}

impl Budget {
    fn new(now: u64) -> Self {
        Self {
            left: BURST_BYTES,
            at: now,
            suppressed: 0,
        }
    }

    fn allows(&mut self, bytes: usize, now: u64) -> bool {
        let earned = now.saturating_sub(self.at).saturating_mul(BYTES_PER_SECOND) / 1_000_000;
        if earned > 0 {
            self.at = now;
            self.left = self
                .left
                .saturating_add(usize::try_from(earned).unwrap_or(usize::MAX))
                .min(BURST_BYTES);
        }
        // After a suppression it waits for some room, so that the log does not flicker.
        let wanted = if self.suppressed > 0 {
            bytes.max(BURST_BYTES / 8)
        } else {
            bytes
        };
        if self.left < wanted {
            self.suppressed += 1;
            return false;
        }
        self.left -= bytes;
        true
    }

    fn report(&mut self, module: &ModuleId, log: &mut Log) {
        let count = std::mem::take(&mut self.suppressed);
        if count > 0 {
            log.note(
                Some(module),
                Level::Warn,
                &format!("suppressed {count} lines of output"),
            );
        }
    }
}

/// What one module may print per turn of the loop.
const TURN_BYTES: usize = 16 * 1024;

/// More turns than a pipe of the usual size can fill.
const REST_TURNS: usize = 8;

/// The cap of a line.
const LINE_BYTES: usize = 16 * 1024;

/// What a line costs beside its bytes: time, name and LF.
const LINE_COST: usize = 32;

const BURST_BYTES: usize = 512 * 1024;
const BYTES_PER_SECOND: u64 = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_suppresses_and_recovers() {
        let mut budget = Budget::new(0);
        assert!(budget.allows(BURST_BYTES, 0));
        assert!(!budget.allows(1, 1));
        assert!(
            !budget.allows(1, 100_000),
            "a little room is not enough after a suppression"
        );
        assert_eq!(budget.suppressed, 2);
        assert!(budget.allows(1, 2_000_000));
    }
}
