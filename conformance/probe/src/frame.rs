//! Splits a byte stream into lines and loses nothing on the way.
//!
//! The judge has to see what a sloppy reader would hide: a line that is too long, bytes after the last LF, a CR, a NUL.
//! So a line is its raw bytes, LF included, and a limit is something to report rather than something to enforce. Only
//! [`HARD_LIMIT`] bounds the memory that a peer can take.

/// Bytes of one line that are kept. A longer line is counted to its end, but not kept.
pub const HARD_LIMIT: usize = 1 << 20;

/// One line, or what was left of one when the stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The bytes as they came, LF included; at most [`HARD_LIMIT`] of them.
    pub raw: Vec<u8>,
    /// How long the line really was, LF included.
    pub length: usize,
    /// Whether an LF ended it.
    pub terminated: bool,
    /// Whether it was longer than the limit that was in force when it ended.
    pub over_long: bool,
}

impl Line {
    /// The line without its LF.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        self.raw.strip_suffix(b"\n").unwrap_or(&self.raw)
    }
}

/// Collects chunks and gives back lines.
#[derive(Clone, Debug)]
pub struct LineSplitter {
    limit: usize,
    partial: Vec<u8>,
    length: usize,
}

impl LineSplitter {
    /// A splitter for lines of at most `limit` bytes, LF included.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            partial: Vec::new(),
            length: 0,
        }
    }

    /// Sets another limit, for the lines that end from now on.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes in a chunk and gives back the lines that it completes.
    pub fn push(&mut self, mut chunk: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        while let Some(end) = chunk.iter().position(|&byte| byte == b'\n') {
            let (head, rest) = chunk.split_at(end + 1);
            self.keep(head);
            lines.push(self.take(true));
            chunk = rest;
        }
        self.keep(chunk);
        lines
    }

    /// The bytes after the last LF.
    #[must_use]
    pub fn partial(&self) -> &[u8] {
        &self.partial
    }

    /// Whether the unfinished line cannot fit any more, since its LF counts too. Its sender may never end it.
    #[must_use]
    pub fn over_long(&self) -> bool {
        self.length >= self.limit
    }

    /// What is left when the stream has ended.
    pub fn finish(&mut self) -> Option<Line> {
        (self.length > 0).then(|| self.take(false))
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = HARD_LIMIT - self.partial.len();
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.length = self.length.saturating_add(bytes.len());
    }

    fn take(&mut self, terminated: bool) -> Line {
        let over_long = self.length + usize::from(!terminated) > self.limit;
        let length = std::mem::take(&mut self.length);
        Line {
            raw: std::mem::take(&mut self.partial),
            length,
            terminated,
            over_long,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_keep_every_byte() {
        let mut splitter = LineSplitter::new(8);
        let lines = splitter.push(b"a\r\n\n\0\xff\nrest");
        let raw: Vec<&[u8]> = lines.iter().map(|line| line.raw.as_slice()).collect();
        assert_eq!(raw, [b"a\r\n".as_slice(), b"\n", b"\0\xff\n"]);
        assert_eq!(lines[0].text(), b"a\r");
        assert_eq!(splitter.partial(), b"rest");
        let last = splitter.finish().unwrap();
        assert!(!last.terminated && last.raw == b"rest");
        assert_eq!(splitter.finish(), None);
    }

    #[test]
    fn a_line_at_the_limit_is_fine_and_one_more_byte_is_not() {
        let mut splitter = LineSplitter::new(4);
        assert!(!splitter.push(b"abc\n")[0].over_long);
        assert!(splitter.push(b"abcd\n")[0].over_long);
        splitter.push(b"abc");
        assert!(!splitter.over_long());
        splitter.push(b"d");
        assert!(splitter.over_long() && splitter.finish().unwrap().over_long);
    }

    #[test]
    fn an_endless_line_takes_bounded_memory_and_its_length_is_known() {
        let mut splitter = LineSplitter::new(16);
        let chunk = vec![b'x'; HARD_LIMIT];
        splitter.push(&chunk);
        splitter.push(&chunk);
        let line = splitter.push(b"\n").remove(0);
        assert_eq!(
            (line.raw.len(), line.length, line.over_long),
            (HARD_LIMIT, 2 * HARD_LIMIT + 1, true)
        );
    }

    proptest! {
        #[test]
        fn how_the_stream_is_cut_does_not_matter(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200), size in 1_usize..20) {
            let mut whole = LineSplitter::new(10);
            let mut expected = whole.push(&bytes);
            expected.extend(whole.finish());
            let mut cut = LineSplitter::new(10);
            let mut lines: Vec<Line> = bytes.chunks(size).flat_map(|chunk| cut.push(chunk)).collect();
            lines.extend(cut.finish());
            prop_assert_eq!(&lines, &expected);
            let joined: Vec<u8> = lines.into_iter().flat_map(|line| line.raw).collect();
            prop_assert_eq!(joined, bytes);
        }
    }
}
