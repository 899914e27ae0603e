//! Runs the demo's tasks: one `match` calls the handler of each.

use loop_core::{Context, Task};

use super::server;
use super::task::{DemoRemote, DemoTask};

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
