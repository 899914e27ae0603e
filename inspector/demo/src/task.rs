//! The demo's tasks: every kind of work that its loop does.

use std::io;
use std::time::Duration;

use loop_core::{Any, TagOf, Task as _};

use super::connection::{ConnectionId, Slot};
use super::schedule::Route;
use super::socket::Protocol;

/// The tasks of the demo's loop.
#[derive(Debug)]
pub(crate) enum DemoTask {
    /// Accepts the connections waiting at a listener.
    Accept(Protocol),
    /// Handles a connection that can be read or written.
    Socket(ConnectionId, Protocol),
    /// Sends a line back.
    Echo(ConnectionId, Slot, Vec<u8>),
    /// Handles a request for a page.
    HttpRequest(ConnectionId, Slot, Option<Route>),
    /// Handles a file read by the work pool.
    ReadFile(ConnectionId, Slot, io::Result<Vec<u8>>),
    /// Renders a page for the cache.
    RenderPage(ConnectionId, Slot, u32),
    /// Computes a report on the loop's thread for this long, as a deliberate mistake.
    Report(Option<(ConnectionId, Slot)>, Duration),
    /// Writes a line to the access log.
    AccessLog(usize),
    /// Adds a section of a rendered page to the index.
    IndexSection(u32, u32),
    /// Frees the memory that a burst left in a connection.
    Tidy(ConnectionId),
    /// Handles a measurement of another thread.
    Metric(u32),
    /// Handles a signal that asks for a new log, or for the figures.
    Signal,
    /// The 1 ms interval: the program's watchdog.
    Heartbeat,
    /// The 10 ms interval: moving averages.
    Average,
    /// The 100 ms interval: idle connections.
    Sweep,
    /// Answers a request that the agenda has checked.
    Checked(ConnectionId, Slot, Option<Route>, u64),
    /// Handles the failure of a tasklet.
    Failed(String),
    /// A command from the self-pipe, or another task too rare for its own variant.
    Any(Any<Self>),
}

/// Messages from other threads to the demo's loop.
#[derive(Debug)]
pub(crate) enum DemoRemote {
    /// A measurement.
    Metric(u32),
    /// A file, read on the work pool.
    FileRead(ConnectionId, Slot, io::Result<Vec<u8>>),
    /// A request, checked by the agenda, and its token.
    Checked(ConnectionId, Slot, Option<Route>, u64),
    /// The error of a tasklet.
    Failed(String),
}

/// The tag of jobs that read files on the work pool, and of their completions.
pub(crate) const READ_FILE: TagOf = TagOf::own(DemoTask::TAGS, "ReadFile");

impl From<DemoRemote> for DemoTask {
    fn from(remote: DemoRemote) -> Self {
        match remote {
            DemoRemote::Metric(value) => Self::Metric(value),
            DemoRemote::FileRead(connection, slot, read) => Self::ReadFile(connection, slot, read),
            DemoRemote::Checked(connection, slot, route, token) => {
                Self::Checked(connection, slot, route, token)
            }
            DemoRemote::Failed(message) => Self::Failed(message),
        }
    }
}
