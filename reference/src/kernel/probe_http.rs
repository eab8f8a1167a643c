//! The few bytes of HTTP that a probe needs: one request, and the status line of the answer.

use std::os::fd::OwnedFd;

use crate::sys::net::{Moved, outcome, receive, transmit};

#[derive(Debug)]
pub(super) struct Exchange {
    request: Vec<u8>,
    sent: usize,
    answer: Vec<u8>,
}

impl Exchange {
    pub(super) fn new(host: &str, port: u16, path: &str) -> Self {
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let request = format!("GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\nUser-Agent: partenza\r\n\r\n");
        Self {
            request: request.into_bytes(),
            sent: 0,
            answer: Vec::new(),
        }
    }

    /// Whether the whole request was written, so that only the answer is awaited.
    pub(super) fn asked(&self) -> bool {
        self.sent == self.request.len()
    }

    /// Goes as far as it can; the answer is the probe's result, if it is known.
    pub(super) fn advance(&mut self, socket: &OwnedFd) -> Option<Result<(), String>> {
        if self.sent == 0
            && let Err(errno) = outcome(socket)
        {
            return Some(Err(errno.desc().to_lowercase()));
        }
        while let Some(rest) = self.request.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match transmit(socket, rest) {
                Moved::Bytes(count) => self.sent += count,
                Moved::NotNow => return None,
                Moved::Ended => return Some(Err("the connection was closed".to_owned())),
            }
        }
        let mut buffer = [0; 512];
        match receive(socket, &mut buffer) {
            Moved::NotNow => None,
            Moved::Ended => Some(Err("the connection was closed before an answer".to_owned())),
            Moved::Bytes(count) => {
                self.answer
                    .extend_from_slice(buffer.get(..count).unwrap_or_default());
                verdict(&self.answer)
            }
        }
    }
}

/// What the beginning of an answer says. `HTTP/1.1 200` is all that is needed.
fn verdict(answer: &[u8]) -> Option<Result<(), String>> {
    let not_http = || Some(Err("the answer is not HTTP".to_owned()));
    let known = answer.len().min(PREFIX.len());
    if answer.get(..known) != PREFIX.get(..known) {
        return not_http();
    }
    let status = answer.get(STATUS_AT..STATUS_AT + 3)?;
    match std::str::from_utf8(status)
        .ok()
        .and_then(|text| text.parse::<u16>().ok())
    {
        Some(200) => Some(Ok(())),
        Some(code) => Some(Err(format!("HTTP status {code}"))),
        None => not_http(),
    }
}

const PREFIX: &[u8] = b"HTTP/1.";

/// After `HTTP/1.x `.
const STATUS_AT: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_line_decides_as_soon_as_it_can() {
        assert_eq!(verdict(b""), None);
        assert_eq!(verdict(b"HTTP/1.1 20"), None);
        assert_eq!(verdict(b"HTTP/1.1 200"), Some(Ok(())));
        assert_eq!(
            verdict(b"HTTP/1.0 204 No Content\r\n"),
            Some(Err("HTTP status 204".to_owned()))
        );
        assert_eq!(
            verdict(b"HTTP/1.1 503 Busy"),
            Some(Err("HTTP status 503".to_owned()))
        );
        assert!(matches!(verdict(b"SSH-2.0"), Some(Err(_))));
        assert!(matches!(verdict(b"HTTP/1.1 xyz"), Some(Err(_))));
    }
}
