//! What a program prints, kept within bounds: the first MiB as it came, and always the last lines.
use std::{
    collections::VecDeque,
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::watch,
};

use crate::input_error::escape;

/// Shared by the tasks that listen and by whoever wants to know.
#[derive(Clone, Debug)]
pub(super) struct Capture {
    kept: Arc<Mutex<Kept>>,
    /// How many streams are still open.
    open: Arc<watch::Sender<usize>>,
}

#[derive(Debug, Default)]
struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    lost: u64,
}

impl Capture {
    pub(super) fn new() -> Self {
        Self {
            kept: Arc::default(),
            open: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Keeps what a stream brings, until it ends.
    pub(super) fn listen(&self, stream: Option<impl AsyncRead + Unpin + Send + 'static>) {
        let Some(mut stream) = stream else { return };
        let capture = self.clone();
        self.open.send_modify(|open| *open += 1);
        tokio::spawn(async move {
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                capture.kept().take(&buffer[..count]);
            }
            capture.open.send_modify(|open| *open -= 1);
        });
    }

    /// Waits until every stream has ended, but not for long: a process that stayed behind may hold one.
    pub(super) async fn settle(&self, patience: Duration) {
        let mut open = self.open.subscribe();
        // Both a timeout and a closed channel mean that nothing more is to be waited for.
        let _ = tokio::time::timeout(patience, open.wait_for(|open| *open == 0)).await;
    }

    pub(super) fn text(&self) -> String {
        let kept = self.kept();
        let mut text = String::from_utf8_lossy(&kept.head).into_owned();
        if kept.lost > 0 {
            let _ = write!(text, "\n[{} more bytes were not kept]\n", kept.lost);
        }
        text
    }

    pub(super) fn last_lines(&self, count: usize) -> Vec<String> {
        let tail: Vec<u8> = self.kept().tail.iter().copied().collect();
        let text = String::from_utf8_lossy(&tail);
        let mut lines: Vec<String> = text.lines().rev().take(count).map(str::to_owned).collect();
        lines.reverse();
        lines
    }

    /// The last lines, ready to be appended to a sentence and safe for a terminal.
    pub(super) fn appendix(&self) -> String {
        let lines = self.last_lines(APPENDIX_LINES);
        if lines.is_empty() {
            return "; it printed nothing".to_owned();
        }
        let shown: Vec<String> = lines
            .iter()
            .map(|line| format!("\n  | {}", escape(line)))
            .collect();
        format!("; the last it printed:{}", shown.concat())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing that holds the lock can panic half-way through a change.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(&mut self, bytes: &[u8]) {
        let room = HEAD - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.lost += bytes.len().saturating_sub(room) as u64;
        self.tail.extend(bytes);
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
    }
}

const HEAD: usize = 1 << 20;
const TAIL: usize = 16 * 1024;
const APPENDIX_LINES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_the_end_is_never_lost() {
        let capture = Capture::new();
        for _ in 0..300 {
            capture.kept().take(&[b'x'; 10_000]);
        }
        capture.kept().take(b"\nlast but one\nlast\x1b[2J\n");
        assert_eq!(capture.last_lines(2), ["last but one", "last\u{1b}[2J"]);
        assert!(capture.text().len() < HEAD + 100 && capture.text().contains("more bytes were not kept"));
        assert!(capture.appendix().ends_with("last\\u{1b}[2J"));
        assert_eq!(Capture::new().appendix(), "; it printed nothing");
    }
}
