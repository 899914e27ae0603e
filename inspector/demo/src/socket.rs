//! What both ends of a connection do with its nonblocking socket.

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

/// Appends what has arrived to `inbox`. Fails if the peer has closed the connection, or once `inbox` has more than
/// `bytes_max`.
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
                // After a full chunk there may be more; after a short one there is not.
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

/// Removes from `outbox` what the socket accepts. Returns true if something is left.
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
