//! The orchestrator's log: lines on standard error, its own and those of the modules.
//!
//! It owns the form of a line, the escaping of what peers wrote, and a bounded queue for the time when nobody reads. It
//! refuses to wait: when the queue is full, lines are counted instead, and the count is logged when there is room.

use partenza_reference_core::ModuleId;
use partenza_reference_core::machine::Level;
use serde_json::json;

use super::token::Token;
use crate::sys::clock::DayClock;
use crate::sys::net::Moved;
use crate::sys::out::Output;
use crate::sys::poll::{Interest, Poller};

/// How lines look.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Form {
    /// One JSON object per line instead of text.
    pub(super) json: bool,
    /// Debug lines as well.
    pub(super) verbose: bool,
}

#[derive(Debug)]
pub(super) struct Log {
    output: Output,
    form: Form,
    day: DayClock,
    queue: Vec<u8>,
    lost: u64,
    gone: bool,
    waits_for_room: bool,
}

impl Log {
    pub(super) fn new(form: Form) -> Self {
        let (output, day) = (Output::new(), DayClock::new());
        Self {
            output,
            form,
            day,
            queue: Vec::new(),
            lost: 0,
            gone: false,
            waits_for_room: false,
        }
    }

    /// A line of the orchestrator's own, about a module or about itself.
    pub(super) fn note(&mut self, module: Option<&ModuleId>, level: Level, text: &str) {
        if level == Level::Debug && !self.form.verbose {
            return;
        }
        let name = module.map_or("partenza", ModuleId::as_str);
        if self.form.json {
            let level = match level {
                Level::Debug => "debug",
                Level::Info => "info",
                Level::Warn => "warning",
                Level::Error => "error",
            };
            let line = json!({"at": self.day.text(), "from": name, "level": level, "text": text});
            return self.push(&line.to_string());
        }
        let mark = match level {
            Level::Debug | Level::Info => "",
            Level::Warn => "warning: ",
            Level::Error => "error: ",
        };
        self.push(&format!("{} {name}: {mark}{}", self.day.text(), escaped(text)));
    }

    /// A line that a module printed.
    pub(super) fn output(&mut self, module: &ModuleId, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        if self.form.json {
            let line = json!({"at": self.day.text(), "from": module.as_str(), "output": text});
            return self.push(&line.to_string());
        }
        self.push(&format!("{} {module}: {}", self.day.text(), escaped(&text)));
    }

    fn push(&mut self, line: &str) {
        if self.gone {
            return;
        }
        if self.queue.len() + line.len() >= QUEUE_BYTES {
            self.lost += 1;
            return;
        }
        self.queue.extend_from_slice(line.as_bytes());
        self.queue.push(b'\n');
    }

    /// Writes what can be written without waiting.
    pub(super) fn flush(&mut self, poller: &Poller) {
        let mut done = 0;
        while let Some(rest) = self.queue.get(done..).filter(|rest| !rest.is_empty()) {
            match self.output.write(rest) {
                Moved::Bytes(count) => done += count,
                Moved::NotNow => break,
                Moved::Ended => {
                    self.gone = true;
                    done = self.queue.len();
                }
            }
        }
        self.queue.drain(..done);
        if self.queue.is_empty() && self.lost > 0 {
            let lost = std::mem::take(&mut self.lost);
            self.note(
                None,
                Level::Warn,
                &format!("{lost} lines were lost because nobody read standard error"),
            );
        }
        let wants_room = !self.queue.is_empty();
        if wants_room != self.waits_for_room {
            let token = Token::Log.encode();
            let changed = if wants_room {
                poller.add(&self.output, token, Interest::WRITE)
            } else {
                poller.delete(&self.output)
            };
            // A plain file cannot be watched, and never has to be: it is always ready.
            if changed.is_ok() {
                self.waits_for_room = wants_room;
            }
        }
    }
}

/// Text without control characters, which a terminal would obey.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\t' => safe.push(letter),
            _ if letter.is_control() || is_bidi(letter) => safe.extend(letter.escape_default()),
            _ => safe.push(letter),
        }
    }
    safe
}

/// Characters that make text read otherwise than it is stored.
fn is_bidi(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// How much is kept while nobody reads.
const QUEUE_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_never_commanded_by_a_module() {
        assert_eq!(
            escaped("\u{1b}[31mred\u{7} \u{202e}x\r"),
            "\\u{1b}[31mred\\u{7} \\u{202e}x\\r"
        );
        assert_eq!(escaped("grün\tok"), "grün\tok");
    }
}
