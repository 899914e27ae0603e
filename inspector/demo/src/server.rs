//! The demo's server: the implementation of each handler.
//!
//! The server's state is thread-local on the loop's thread. Handlers find it there, so tasks carry only their own data,
//! and those from other threads stay `Send`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use loop_core::poller::{Interest, Readiness, Source};
use loop_core::{Context, TagOf};
use loop_probes::clock::monotonic_now;
use loop_probes::ids::Timestamp;

use super::cache::SharedCache;
use super::connection::{Connection, ConnectionId, Request, Slot, http_answer};
use super::demo_agenda::AgendaClient;
use super::schedule::Route;
use super::socket::Protocol;
use super::task::{DemoRemote, DemoTask, READ_FILE};

type Cx<'a, 'b> = &'a mut Context<'b, DemoTask>;

/// Maximum number of sections in the index.
const INDEX_MAX: usize = 10_000;
/// Number of files that are indexed again with each sweep.
const FILES_A_SWEEP: usize = 8;
/// Maximum number of watchdog gaps kept for averages.
const GAPS_MAX: usize = 2_000;

/// The state behind the handlers.
pub(crate) struct Server {
    /// Rendered pages.
    pub(crate) cache: SharedCache,
    /// The slowdown factor of each tag, by index. A lookup costs the same with and without a factor, so that runs stay
    /// comparable.
    pub(crate) scales: Vec<Option<f64>>,
    /// The directory of the served files.
    pub(crate) files: PathBuf,
    echo: Arc<TcpListener>,
    http: Arc<TcpListener>,
    connections: RefCell<HashMap<ConnectionId, Connection>>,
    next_connection: Cell<u64>,
    log: RefCell<String>,
    index: RefCell<BTreeSet<(u32, u32)>>,
    last_beat: Cell<Option<Timestamp>>,
    worst_gap_ns: Cell<u64>,
    answered: Cell<u64>,
    answered_before: Cell<u64>,
    rate: Cell<f64>,
    metrics: Cell<u64>,
    /// Takes part of the work under the policy `agenda`.
    agenda_client: Option<AgendaClient>,
    gaps_ns: RefCell<VecDeque<u64>>,
    swept: Cell<usize>,
}

thread_local! {
    static SERVER: RefCell<Option<Rc<Server>>> = const { RefCell::new(None) };
}

impl Server {
    /// A server that listens on two free ports of the loopback address.
    pub(crate) fn listen(
        cache: SharedCache,
        scales: Vec<Option<f64>>,
        files: PathBuf,
        agenda_client: Option<AgendaClient>,
    ) -> io::Result<Self> {
        Ok(Self {
            cache,
            scales,
            files,
            echo: Arc::new(listener()?),
            http: Arc::new(listener()?),
            connections: RefCell::default(),
            next_connection: Cell::new(0),
            log: RefCell::default(),
            index: RefCell::default(),
            last_beat: Cell::new(None),
            worst_gap_ns: Cell::new(0),
            answered: Cell::new(0),
            answered_before: Cell::new(0),
            rate: Cell::new(0.0),
            metrics: Cell::new(0),
            agenda_client,
            gaps_ns: RefCell::default(),
            swept: Cell::new(0),
        })
    }

    /// The addresses for lines to echo, and for HTTP.
    pub(crate) fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.echo.local_addr()?, self.http.local_addr()?))
    }

    /// Makes this the server of the calling thread and registers its listeners with the loop.
    pub(crate) fn start(self, cx: Cx<'_, '_>) -> Result<(), loop_core::RequestError> {
        for (listener, protocol) in [(&self.echo, Protocol::Echo), (&self.http, Protocol::Http)] {
            let source: Source = Arc::clone(listener) as Source;
            let explanation = format!("{protocol} listener");
            cx.register_with(explanation, source, Interest::READABLE, DemoTask::Accept(protocol))?;
        }
        SERVER.set(Some(Rc::new(self)));
        Ok(())
    }

    fn with_connection<R>(&self, id: ConnectionId, f: impl FnOnce(&mut Connection) -> R) -> Option<R> {
        // `None` if the peer left while its request was in progress.
        self.connections.borrow_mut().get_mut(&id).map(f)
    }

    fn close(&self, cx: Cx<'_, '_>, id: ConnectionId) {
        let Some(connection) = self.connections.borrow_mut().remove(&id) else { return };
        if let Err(error) = cx.remove(connection.source) {
            cx.fail(error);
        }
    }
}

/// Forgets the thread's server; its connections close.
pub(crate) fn forget() {
    SERVER.take();
}

fn listener() -> io::Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The thread's server. Handlers run only while there is one.
fn server() -> Rc<Server> {
    SERVER.with_borrow(|server| server.clone()).expect("handlers run between start and forget")
}

/// Runs a handler, and prolongs it by the factor of its tag.
pub(crate) fn scaled(tag: TagOf, handler: impl FnOnce()) {
    let factor = match tag {
        TagOf::Own(index) => SERVER.with_borrow(|server| *server.as_ref()?.scales.get(usize::from(index))?),
        TagOf::Global(_) => None,
    };
    let Some(factor) = factor else { return handler() };
    let start = monotonic_now();
    handler();
    let took_ns = monotonic_now().ns_since(start) as f64;
    compute_until(start.plus_ns((took_ns * factor) as u64));
}

/// Keeps the processor busy until `end`, like a handler that computes too much.
fn compute_until(end: Timestamp) -> u64 {
    let mut sum = 0x9e37_79b9_7f4a_7c15_u64;
    while monotonic_now() < end {
        for _ in 0..64 {
            sum = std::hint::black_box(sum.rotate_left(5).wrapping_mul(0x2545_f491_4f6c_dd1d));
        }
    }
    sum
}

/// Accepts all waiting connections of a listener.
pub(crate) fn accept(cx: Cx<'_, '_>, protocol: Protocol) {
    let server = server();
    let listener = match protocol {
        Protocol::Echo => &server.echo,
        Protocol::Http => &server.http,
    };
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            // The peer closed the connection before it was accepted: try the next one.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => return cx.fail(error),
        };
        if let Err(error) = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)) {
            cx.fail(error);
            continue;
        }
        let id = ConnectionId(server.next_connection.replace(server.next_connection.get() + 1));
        let stream = Arc::new(stream);
        let source = Arc::clone(&stream) as Source;
        let explanation = format!("{protocol} connection");
        match cx.register_with(explanation, source, Interest::READABLE, DemoTask::Socket(id, protocol)) {
            Ok(source) => {
                server.connections.borrow_mut().insert(id, Connection::new(stream, source, protocol));
            }
            Err(error) => cx.fail(error),
        }
    }
}

/// Reads from a connection, queues a task for each request, and writes pending bytes.
pub(crate) fn socket_ready(cx: Cx<'_, '_>, id: ConnectionId) {
    let server = server();
    let writable = cx.ready().is_some_and(|ready| ready.readiness.contains(Readiness::WRITABLE));
    let requests = server.with_connection(id, |connection| connection.read_requests());
    match requests {
        None => return,
        Some(Err(_left)) => return server.close(cx, id),
        Some(Ok(requests)) => {
            for (slot, request) in requests {
                cx.post(match request {
                    Request::Line(line) => DemoTask::Echo(id, slot, line),
                    Request::Route(route) => DemoTask::HttpRequest(id, slot, Some(route)),
                    Request::Unknown => DemoTask::HttpRequest(id, slot, None),
                });
            }
        }
    }
    if writable {
        flush(cx, id);
    }
}

/// Answers a request, and flushes the connection once for all answers of the task.
pub(crate) fn answer(cx: Cx<'_, '_>, id: ConnectionId, slot: Slot, bytes: Vec<u8>) {
    let server = server();
    server.answered.set(server.answered.get() + 1);
    cx.microtask(DemoTask::AccessLog(bytes.len()));
    server.with_connection(id, |connection| connection.answer(slot, bytes));
    cx.defer(id.0, move |cx| {
        flush(cx, id);
        false
    });
}

fn flush(cx: Cx<'_, '_>, id: ConnectionId) {
    let server = server();
    let flushed = server.with_connection(id, |connection| {
        connection.flush().map(|waits| {
            let changed = std::mem::replace(&mut connection.waits_to_write, waits) != waits;
            (changed.then_some(waits), connection.source)
        })
    });
    match flushed {
        None | Some(Ok((None, _))) => {}
        Some(Ok((Some(waits), source))) => {
            let interest = if waits { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
            if let Err(error) = cx.modify(source, interest) {
                cx.fail(error);
            }
        }
        Some(Err(_left)) => server.close(cx, id),
    }
}

/// Answers a request, after a check by the agenda if there is one.
pub(crate) fn http_request(cx: Cx<'_, '_>, id: ConnectionId, slot: Slot, route: Option<Route>) {
    let checked =
        server().agenda_client.as_ref().is_some_and(|agenda_client| agenda_client.check(id, slot, route));
    if !checked {
        respond(cx, id, slot, route);
    }
}

/// Answers a request whose check is complete.
pub(crate) fn checked(cx: Cx<'_, '_>, id: ConnectionId, slot: Slot, route: Option<Route>, token: u64) {
    metric(token as u32);
    respond(cx, id, slot, route);
}

/// Answers a request at once, or starts the work that its answer needs.
fn respond(cx: Cx<'_, '_>, id: ConnectionId, slot: Slot, route: Option<Route>) {
    let server = server();
    match route {
        None => answer(cx, id, slot, http_answer("404 Not Found", b"no such page\n")),
        Some(Route::Index) => {
            let page = format!(
                "<h1>demo</h1><p>{} answers, {:.0} a second, longest gap {} ns\n",
                server.answered.get(),
                server.rate.get(),
                server.worst_gap_ns.get()
            );
            answer(cx, id, slot, http_answer("200 OK", page.as_bytes()));
        }
        Some(Route::Cache(number)) => {
            let page = server.cache.0.borrow().page(number, cx.now());
            match page {
                Some(page) => answer(cx, id, slot, http_answer("200 OK", &page)),
                None => drop(cx.post(DemoTask::RenderPage(id, slot, number))),
            }
        }
        Some(Route::File(file)) => {
            let path = server.files.join(format!("{file}.txt"));
            let scheduled = cx.work(
                READ_FILE,
                move |_worker| DemoRemote::FileRead(id, slot, std::fs::read(path)),
                move |rejected| DemoTask::ReadFile(id, slot, Err(io::Error::other(rejected))),
            );
            if let Err(error) = scheduled {
                cx.fail(error);
                answer(cx, id, slot, http_answer("503 Service Unavailable", b"no worker\n"));
            }
        }
        Some(Route::Report(milliseconds)) => {
            cx.post(DemoTask::Report(Some((id, slot)), Duration::from_millis(u64::from(milliseconds))));
        }
    }
    cx.immediate(DemoTask::Tidy(id));
}

/// Sends a file that the work pool read.
pub(crate) fn file_read(cx: Cx<'_, '_>, id: ConnectionId, slot: Slot, read: io::Result<Vec<u8>>) {
    match read {
        Ok(body) => answer(cx, id, slot, http_answer("200 OK", &body)),
        Err(error) => {
            cx.fail(&error);
            answer(cx, id, slot, http_answer("404 Not Found", b"no such file\n"));
        }
    }
}

/// Renders, caches and sends a page. Microtasks index its sections before anything else runs.
pub(crate) fn render_page(cx: Cx<'_, '_>, id: ConnectionId, slot: Slot, number: u32) {
    let server = server();
    let rows = 24 + number % 360;
    let rendering = tracing::info_span!("render").entered();
    let mut page = String::with_capacity(rows as usize * 40);
    for row in 0..rows {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "<li>page {number}, row {row:4}, {:08x}", row.wrapping_mul(number));
    }
    drop(rendering);
    for section in 0..rows / 64 {
        cx.microtask(DemoTask::IndexSection(number, section));
    }
    let page: Rc<[u8]> = page.into_bytes().into();
    answer(cx, id, slot, http_answer("200 OK", &page));
    server.cache.0.borrow_mut().keep(number, page, cx.now());
}

/// Adds a section of a page to the index, which is bounded.
pub(crate) fn index_section(page: u32, section: u32) {
    let server = server();
    let mut index = server.index.borrow_mut();
    if index.len() >= INDEX_MAX {
        index.clear();
    }
    index.insert((section, page));
}

/// Computes a report on the loop's thread, as a deliberate mistake.
pub(crate) fn report(cx: Cx<'_, '_>, asked_by: Option<(ConnectionId, Slot)>, takes: Duration) {
    let checksum =
        compute_until(monotonic_now().plus_ns(u64::try_from(takes.as_nanos()).unwrap_or(u64::MAX)));
    if let Some((id, slot)) = asked_by {
        answer(cx, id, slot, http_answer("200 OK", format!("checksum {checksum:016x}\n").as_bytes()));
    }
}

/// Appends an answer to the access log.
pub(crate) fn log_access(bytes: usize) {
    log(&format!("{} {bytes}", server().answered.get()));
}

/// Appends to the log, which is kept in memory and bounded.
pub(crate) fn log(text: &str) {
    let server = server();
    let mut log = server.log.borrow_mut();
    if log.len() > 256 * 1024 {
        log.clear();
    }
    log.push_str(text);
    log.push('\n');
}

/// Frees a connection's idle memory.
pub(crate) fn tidy(id: ConnectionId) {
    server().with_connection(id, Connection::tidy);
}

/// Adds a measurement that another thread made.
pub(crate) fn metric(value: u32) {
    let server = server();
    server.metrics.set(server.metrics.get().wrapping_add(u64::from(value)));
}

/// `SIGUSR1` starts a new access log, `SIGUSR2` writes the figures into it.
pub(crate) fn signal(cx: Cx<'_, '_>) {
    let server = server();
    let dump =
        cx.signal().is_some_and(|arrival| i32::from(arrival.signo) == rustix::process::Signal::USR2.as_raw());
    let mut log = server.log.borrow_mut();
    if dump {
        let _ = writeln!(log, "{} answered, metrics {}", server.answered.get(), server.metrics.get());
        tracing::info!("figures written");
    } else {
        log.clear();
        tracing::info!("new access log");
        if let Some(agenda_client) = &server.agenda_client {
            agenda_client.checksum_files();
        }
    }
}

/// Every millisecond: the program's watchdog measures the gap since its last call, as in many servers.
pub(crate) fn heartbeat(cx: Cx<'_, '_>) {
    let server = server();
    let now = cx.now();
    if let Some(last) = server.last_beat.replace(Some(now)) {
        let gap_ns = now.ns_since(last);
        server.worst_gap_ns.set(server.worst_gap_ns.get().max(gap_ns));
        if server.agenda_client.is_some() {
            let mut gaps_ns = server.gaps_ns.borrow_mut();
            gaps_ns.truncate(GAPS_MAX - 1);
            gaps_ns.push_front(gap_ns);
        }
    }
}

/// Every 10 ms: updates the moving average of answers per second.
pub(crate) fn average() {
    let server = server();
    let answered = server.answered.get();
    let now = (answered - server.answered_before.replace(answered)) as f64 * 100.0;
    server.rate.set(server.rate.get() * 0.98 + now * 0.02);
    if let Some(agenda_client) = &server.agenda_client {
        agenda_client.average(server.gaps_ns.borrow().iter().copied().collect());
    }
}

/// Every 100 ms: closes connections whose peer has gone.
pub(crate) fn sweep(cx: Cx<'_, '_>) {
    let server = server();
    let gone: Vec<ConnectionId> = {
        let connections = server.connections.borrow();
        let broken = connections
            .iter()
            .filter(|(_, connection)| matches!(connection.stream.take_error(), Ok(Some(_)) | Err(_)));
        broken.map(|(id, _)| *id).collect()
    };
    for id in gone {
        server.close(cx, id);
    }
    if let Some(agenda_client) = &server.agenda_client {
        let swept = server.swept.replace(server.swept.get().wrapping_add(FILES_A_SWEEP));
        (swept..swept.wrapping_add(FILES_A_SWEEP)).for_each(|file| agenda_client.index_file(file));
    }
}
