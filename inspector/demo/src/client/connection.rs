//! One connection of the demo's clients: unsent requests, and the partially received answer.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use polling::{Event, PollMode, Poller};

use crate::schedule::Route;
use crate::socket::{Protocol, receive, send};

/// Level-triggered: readiness is reported for as long as it lasts.
const MODE: PollMode = PollMode::Level;

#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    protocol: Protocol,
    outbox: Vec<u8>,
    inbox: Vec<u8>,
    waits_to_write: bool,
    /// The poller that watches the stream, until this is dropped.
    watched_by: Option<Arc<Poller>>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(poller) = &self.watched_by {
            // Fails only if the descriptor is already closed.
            let _ = poller.delete(&self.stream);
        }
    }
}

impl Connection {
    pub(super) fn open(address: SocketAddr, protocol: Protocol) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let (outbox, inbox) = (Vec::new(), Vec::new());
        Ok(Self { stream, protocol, outbox, inbox, waits_to_write: false, watched_by: None })
    }

    #[expect(unsafe_code, reason = "polling's registration is by raw descriptor")]
    pub(super) fn register(&mut self, poller: &Arc<Poller>, key: usize) -> io::Result<()> {
        // SAFETY: the stream stays open for as long as `self` owns it, and `drop` removes it from the poller first.
        unsafe { poller.add_with_mode(&self.stream, Event::readable(key), MODE)? }
        self.watched_by = Some(Arc::clone(poller));
        Ok(())
    }

    pub(super) fn queue_line(&mut self, length: usize) {
        self.outbox.extend((0..length).map(|index| b'a' + (index % 26) as u8));
        self.outbox.push(b'\n');
    }

    pub(super) fn queue_request(&mut self, route: Route) {
        let written = match route {
            Route::Index => write!(self.outbox, "GET / HTTP/1.1\r\n"),
            Route::File(file) => write!(self.outbox, "GET /file/{file} HTTP/1.1\r\n"),
            Route::Cache(entry) => write!(self.outbox, "GET /cache/{entry} HTTP/1.1\r\n"),
            Route::Report(rows) => write!(self.outbox, "GET /report?rows={rows} HTTP/1.1\r\n"),
        };
        written.and_then(|()| write!(self.outbox, "Host: demo\r\nUser-Agent: loopscope-demo\r\n\r\n")).ok();
    }

    /// Writes as many bytes as the socket accepts, and asks `poller` to report when it accepts more.
    pub(super) fn flush(&mut self, poller: &Poller, key: usize) -> io::Result<()> {
        let waits = send(&self.stream, &mut self.outbox)?;
        if waits != self.waits_to_write {
            self.waits_to_write = waits;
            let interest = if waits { Event::all(key) } else { Event::readable(key) };
            poller.modify_with_mode(&self.stream, interest, MODE)?;
        }
        Ok(())
    }

    /// Reads available bytes, and returns the number of answers that they complete.
    pub(super) fn read_answers(&mut self) -> io::Result<u32> {
        receive(&self.stream, &mut self.inbox, usize::MAX)?;
        let (answers, used) = match self.protocol {
            Protocol::Echo => count_lines(&self.inbox),
            Protocol::Http => count_responses(&self.inbox)?,
        };
        self.inbox.drain(..used);
        Ok(answers)
    }
}

/// Counts complete lines, and the bytes they take.
fn count_lines(bytes: &[u8]) -> (u32, usize) {
    let newlines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let used = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    (newlines as u32, used)
}

/// Counts complete HTTP responses, and the bytes they take.
fn count_responses(bytes: &[u8]) -> io::Result<(u32, usize)> {
    let (mut answers, mut used) = (0, 0);
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 8];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(&bytes[used..]).map_err(io::Error::other)?;
        let httparse::Status::Complete(head) = parsed else { return Ok((answers, used)) };
        let length =
            response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
        let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse::<usize>().ok());
        let length = length.ok_or_else(|| io::Error::other("an answer without Content-Length"))?;
        if bytes.len() - used < head + length {
            return Ok((answers, used));
        }
        used += head + length;
        answers += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_line_waits() {
        assert_eq!(count_lines(b"one\ntwo\nthr"), (2, 8));
        assert_eq!(count_lines(b"no"), (0, 0));
    }

    #[test]
    fn a_partial_response_waits() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".repeat(2);
        assert_eq!(count_responses(&whole).unwrap(), (2, whole.len()));
        for cut in 1..whole.len() {
            let (answers, used) = count_responses(&whole[..cut]).unwrap();
            assert_eq!((answers, used), if cut < whole.len() / 2 { (0, 0) } else { (1, whole.len() / 2) });
        }
    }
}
