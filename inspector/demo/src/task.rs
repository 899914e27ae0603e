//! The demo's task enum: every kind of work that its loop does, dispatched by one `match`.

use std::io;
use std::time::Duration;

use loop_core::{Any, Context, TagOf, Task};

use super::connection::{Protocol, Slot};
use super::schedule::Route;
use super::server::{self, ConnectionId};

/// The tasks of the demo's loop.
#[derive(Debug)]
pub enum DemoTask {
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
    /// Computes a report on the loop thread, for this long: the mistake to find.
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
    /// The 1 ms interval: the program's own watchdog.
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
pub enum DemoRemote {
    /// A measurement.
    Metric(u32),
    /// A file, read on the work pool.
    FileRead(ConnectionId, Slot, io::Result<Vec<u8>>),
    /// A request, checked by the agenda, and its token.
    Checked(ConnectionId, Slot, Option<Route>, u64),
    /// The error of a tasklet.
    Failed(String),
}

/// The tag of reading files on the work pool, and of their completions.
pub const READ_FILE: TagOf = TagOf::own(DemoTask::TAGS, "ReadFile");

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

impl Task for DemoTask {
    type Remote = DemoRemote;

    loop_core::tags! {
        Accept,
        Socket,
        Echo,
        HttpRequest,
        ReadFile,
        RenderPage,
        Report,
        AccessLog,
        Tidy,
        Metric,
        Signal,
        Heartbeat = "Heartbeat1ms",
        Average = "Average10ms",
        Sweep = "Sweep100ms",
        IndexSection,
        Checked,
        Failed,
        ..Any
    }

    fn run(self, cx: &mut Context<'_, Self>) {
        let tag = self.tag();
        server::scaled(tag, || match self {
            Self::Accept(protocol) => server::accept(cx, protocol),
            Self::Socket(connection, _) => server::socket_ready(cx, connection),
            Self::Echo(connection, slot, line) => server::answer(cx, connection, slot, line),
            Self::HttpRequest(connection, slot, route) => server::http_request(cx, connection, slot, route),
            Self::ReadFile(connection, slot, read) => server::file_read(cx, connection, slot, read),
            Self::RenderPage(connection, slot, page) => server::render_page(cx, connection, slot, page),
            Self::Report(asked_by, takes) => server::report(cx, asked_by, takes),
            Self::AccessLog(bytes) => server::log_access(bytes),
            Self::IndexSection(page, section) => server::index_section(page, section),
            Self::Tidy(connection) => server::tidy(connection),
            Self::Metric(value) => server::metric(value),
            Self::Signal => server::signal(cx),
            Self::Heartbeat => server::heartbeat(cx),
            Self::Average => server::average(),
            Self::Sweep => server::sweep(cx),
            Self::Checked(connection, slot, route, token) => {
                server::checked(cx, connection, slot, route, token);
            }
            Self::Failed(message) => cx.fail(message),
            Self::Any(any) => any.run(cx),
        });
    }

    fn again(&self) -> Option<Self> {
        match self {
            Self::Accept(protocol) => Some(Self::Accept(*protocol)),
            Self::Socket(connection, protocol) => Some(Self::Socket(*connection, *protocol)),
            Self::Report(None, takes) => Some(Self::Report(None, *takes)),
            Self::Signal => Some(Self::Signal),
            Self::Heartbeat => Some(Self::Heartbeat),
            Self::Average => Some(Self::Average),
            Self::Sweep => Some(Self::Sweep),
            Self::Any(any) => any.again().map(Self::Any),
            Self::Echo(..)
            | Self::HttpRequest(..)
            | Self::ReadFile(..)
            | Self::RenderPage(..)
            | Self::Report(..)
            | Self::AccessLog(..)
            | Self::IndexSection(..)
            | Self::Tidy(..)
            | Self::Metric(..)
            | Self::Checked(..)
            | Self::Failed(..) => None,
        }
    }
}
