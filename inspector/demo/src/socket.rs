//! Non-blocking reads and writes, shared by the server and the clients.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Each line is sent back.
    Echo,
    /// HTTP/1.1 with keep-alive and pipelining.
    Http,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Echo => "echo",
            Self::Http => "HTTP",
        })
    }
}

/// Appends available bytes to `inbox`. Fails if the peer has closed the connection, or if `inbox` exceeds `bytes_max`.
pub(crate) fn receive(mut stream: &TcpStream, inbox: &mut Vec<u8>, bytes_max: usize) -> io::Result<()> {
    let mut chunk = [0; 16 * 1024];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the peer closed a connection"));
            }
            Ok(count) => {
                inbox.extend_from_slice(&chunk[..count]);
                if inbox.len() > bytes_max {
                    return Err(io::Error::other("a peer that sends too much at once"));
                }
                // A short read means that no more bytes are available.
                if count < chunk.len() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes bytes of `outbox`, and removes those that the socket accepted. Returns true if some are left.
pub(crate) fn send(mut stream: &TcpStream, outbox: &mut Vec<u8>) -> io::Result<bool> {
    let mut written = 0;
    while written < outbox.len() {
        match stream.write(&outbox[written..]) {
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    outbox.drain(..written);
    Ok(!outbox.is_empty())
}
