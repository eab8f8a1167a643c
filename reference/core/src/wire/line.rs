//! From a stream of bytes to lines, with a limit.
//!
//! It owns the buffer of what has arrived and is not yet a line. It holds at most one limit of bytes beyond what the
//! shell hands in at once, and looks at every byte once (`wire.partial-lines`, `wire.coalesced-lines`).

/// The longest line before the handshake is complete, with its LF.
pub const HANDSHAKE_LINE: usize = 4096;
/// The longest line afterwards, with its LF (`wire.live-line-limit`).
pub const LIVE_LINE: usize = 65_536;

/// A line was longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Splits a stream into lines.
#[derive(Debug)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// Where the first line that was not yet handed out begins.
    start: usize,
    /// How far the buffer is known to hold no further LF.
    scanned: usize,
    limit: usize,
}

impl Splitter {
    /// A splitter for lines of at most `limit` bytes with their LF.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            limit,
        }
    }

    /// From now on lines may have this length.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes what has arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete line with its LF. `None`: nothing more for now.
    pub fn next_line(&mut self) -> Option<Result<Vec<u8>, TooLong>> {
        let found = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n');
        let Some(offset) = found else {
            self.scanned = self.buffer.len();
            if self.scanned - self.start >= self.limit {
                return Some(Err(TooLong));
            }
            if self.start == self.scanned {
                // Nothing is left: an idle connection holds no memory.
                *self = Self::new(self.limit);
            }
            return None;
        };
        let end = self.scanned + offset + 1;
        if end - self.start > self.limit {
            return Some(Err(TooLong));
        }
        let line = self.buffer[self.start..end].to_vec();
        self.start = end;
        self.scanned = end;
        Some(Ok(line))
    }

    /// Whether bytes wait that were not handed out.
    pub fn has_rest(&self) -> bool {
        self.start < self.buffer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(splitter: &mut Splitter) -> Vec<String> {
        std::iter::from_fn(|| splitter.next_line())
            .map(|line| String::from_utf8(line.unwrap()).unwrap())
            .collect()
    }

    #[test]
    fn lines_arrive_in_any_split() {
        let stream = b"one\n\ntwo three\nfour";
        for size in 1..=stream.len() {
            let mut splitter = Splitter::new(100);
            let mut got = Vec::new();
            for piece in stream.chunks(size) {
                splitter.push(piece);
                got.extend(lines(&mut splitter));
            }
            assert_eq!(got, ["one\n", "\n", "two three\n"], "size {size}");
            assert!(splitter.has_rest());
        }
    }

    #[test]
    fn the_limit_counts_the_line_feed() {
        let mut splitter = Splitter::new(4);
        splitter.push(b"abc\n");
        assert_eq!(lines(&mut splitter), ["abc\n"]);
        splitter.push(b"abcd");
        assert_eq!(
            splitter.next_line(),
            Some(Err(TooLong)),
            "the LF would be the fifth byte"
        );
        let mut splitter = Splitter::new(4);
        splitter.push(b"abcd\n");
        assert_eq!(splitter.next_line(), Some(Err(TooLong)));
    }
}
