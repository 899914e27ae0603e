//! One connection of the demo's server: received bytes, answers in the order of their requests, and bytes that the
//! socket has not accepted yet.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use loop_probes::ids::IoSource;

use super::schedule::Route;
use super::socket::{Protocol, receive, send};

/// Maximum number of bytes waiting in one direction; a peer that exceeds it is disconnected.
const BYTES_MAX: usize = 8 << 20;

/// Identifies a connection for as long as the server runs; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// A parsed request.
#[derive(Debug)]
pub(crate) enum Request {
    /// A line, newline included.
    Line(Vec<u8>),
    /// A known route.
    Route(Route),
    /// Another path.
    Unknown,
}

/// Position of an answer in the order of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot(pub(crate) u64);

/// One connection. See the [module](self).
#[derive(Debug)]
pub(crate) struct Connection {
    /// The connection's socket, nonblocking.
    pub(crate) stream: Arc<TcpStream>,
    /// The socket's source number in the loop.
    pub(crate) source: IoSource,
    /// Whether the loop reports when the socket accepts more bytes.
    pub(crate) waits_to_write: bool,
    protocol: Protocol,
    inbox: Vec<u8>,
    answers: VecDeque<Option<Vec<u8>>>,
    first_slot: u64,
    outbox: Vec<u8>,
}

impl Connection {
    /// A new connection.
    pub(crate) fn new(stream: Arc<TcpStream>, source: IoSource, protocol: Protocol) -> Self {
        Self {
            stream,
            source,
            waits_to_write: false,
            protocol,
            inbox: Vec::new(),
            answers: VecDeque::new(),
            first_slot: 0,
            outbox: Vec::new(),
        }
    }

    /// Reads available bytes and returns the complete requests, each with a slot for its answer.
    pub(crate) fn read_requests(&mut self) -> io::Result<Vec<(Slot, Request)>> {
        receive(&self.stream, &mut self.inbox, BYTES_MAX)?;
        let (requests, used) = match self.protocol {
            Protocol::Echo => parse_lines(&self.inbox),
            Protocol::Http => parse_http(&self.inbox)?,
        };
        self.inbox.drain(..used);
        Ok(requests.into_iter().map(|request| (self.reserve(), request)).collect())
    }

    fn reserve(&mut self) -> Slot {
        self.answers.push_back(None);
        Slot(self.first_slot + self.answers.len() as u64 - 1)
    }

    /// Stores the answer to a request. It is sent once all earlier requests are answered.
    pub(crate) fn answer(&mut self, slot: Slot, bytes: Vec<u8>) {
        if let Some(place) = self.answers.get_mut((slot.0 - self.first_slot) as usize) {
            *place = Some(bytes);
        }
        while let Some(Some(_)) = self.answers.front() {
            self.outbox.extend(self.answers.pop_front().flatten().unwrap_or_default());
            self.first_slot += 1;
        }
    }

    /// Writes as many bytes as the socket accepts. Returns true if some are left.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        let is_left = send(&self.stream, &mut self.outbox)?;
        if self.outbox.len() > BYTES_MAX {
            return Err(io::Error::other("a peer that does not read its answers"));
        }
        Ok(is_left)
    }

    /// Frees the memory left over from a burst.
    pub(crate) fn tidy(&mut self) {
        for buffer in [&mut self.inbox, &mut self.outbox] {
            if buffer.is_empty() && buffer.capacity() > 64 * 1024 {
                *buffer = Vec::new();
            }
        }
    }
}

fn parse_lines(bytes: &[u8]) -> (Vec<Request>, usize) {
    let lines: Vec<&[u8]> =
        bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")).collect();
    let used = lines.iter().map(|line| line.len()).sum();
    (lines.into_iter().map(|line| Request::Line(line.to_vec())).collect(), used)
}

fn parse_http(bytes: &[u8]) -> io::Result<(Vec<Request>, usize)> {
    let (mut requests, mut used) = (Vec::new(), 0);
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&bytes[used..]).map_err(io::Error::other)? {
            httparse::Status::Partial => return Ok((requests, used)),
            httparse::Status::Complete(length) => used += length,
        }
        requests.push(request.path.and_then(route).map_or(Request::Unknown, Request::Route));
    }
}

fn route(path: &str) -> Option<Route> {
    if path == "/" {
        return Some(Route::Index);
    }
    if let Some(file) = path.strip_prefix("/file/") {
        return file.parse().ok().map(Route::File);
    }
    if let Some(entry) = path.strip_prefix("/cache/") {
        return entry.parse().ok().map(Route::Cache);
    }
    path.strip_prefix("/report?rows=")?.parse().ok().map(Route::Report)
}

/// An HTTP answer.
pub(crate) fn http_answer(status: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = Vec::with_capacity(body.len() + 96);
    answer.extend_from_slice(b"HTTP/1.1 ");
    answer.extend_from_slice(status.as_bytes());
    answer.extend_from_slice(b"\r\nServer: loopscope-demo\r\nContent-Length: ");
    answer.extend_from_slice(body.len().to_string().as_bytes());
    answer.extend_from_slice(b"\r\n\r\n");
    answer.extend_from_slice(body);
    answer
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (TcpStream, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        (peer, Connection::new(Arc::new(stream), IoSource(0), Protocol::Http))
    }

    #[test]
    fn answers_leave_in_the_order_of_requests() {
        let (mut peer, mut connection) = pair();
        let (first, second) = (connection.reserve(), connection.reserve());
        connection.answer(second, b"second".to_vec());
        assert!(!connection.flush().unwrap());
        connection.answer(first, b"first ".to_vec());
        assert!(!connection.flush().unwrap());
        drop(connection);
        let mut text = String::new();
        peer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "first second");
    }

    #[test]
    fn routes_are_taken_apart() {
        assert_eq!(route("/"), Some(Route::Index));
        assert_eq!(route("/file/7"), Some(Route::File(7)));
        assert_eq!(route("/report?rows=20"), Some(Route::Report(20)));
        assert_eq!(route("/file/seven"), None);
        let (requests, used) = parse_http(b"GET / HTTP/1.1\r\n\r\nGET /x HTTP/1.1\r\n\r\nGET").unwrap();
        assert!(matches!(requests[..], [Request::Route(Route::Index), Request::Unknown]));
        assert_eq!(used, 37);
        assert!(parse_http(b"\x00nonsense\r\n\r\n").is_err());
    }
}
