//! The demo's clients: a thread that follows the schedule over real sockets, with real signals, and counts the answers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use fastrand::Rng;
use loop_probes::clock::monotonic_now;
use loop_probes::ids::Timestamp;
use polling::{Event, Events, Poller};
use rustix::process::Signal;

use super::load::Load;
use super::schedule::{Arrival, ECHO_CONNECTIONS, FILES, HTTP_CONNECTIONS, Route, Schedule};
use super::socket::Protocol;

mod connection;

use connection::Connection;

/// Outstanding requests per connection under [`Load::Max`].
const WINDOW: u32 = 16;
/// Maximum sleep of the thread between two checks whether to stop.
const NAP: Duration = Duration::from_millis(20);

/// The counts of the clients.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Requests sent.
    pub(crate) sent: AtomicU64,
    /// Answers completely received.
    pub(crate) answered: AtomicU64,
}

/// Options of the clients.
pub(crate) struct ClientOptions {
    /// Address of the echo server.
    pub(crate) echo: SocketAddr,
    /// Address of the HTTP server.
    pub(crate) http: SocketAddr,
    /// How many requests the clients send.
    pub(crate) load: Load,
    /// Seed of the schedule, which determines all arrivals and their times.
    pub(crate) seed: u64,
    /// Posts this many tasks to the loop, from the client's thread.
    pub(crate) post: Box<dyn FnMut(u32) + Send>,
    /// Sends a command byte to the loop, if it takes any.
    pub(crate) command: Box<dyn FnMut(u8) + Send>,
}

/// The running clients. Dropping them stops the thread.
#[derive(Debug)]
pub(crate) struct Clients {
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Clients {
    /// Starts the thread.
    pub(crate) fn start(options: ClientOptions) -> io::Result<Self> {
        let counters = Arc::new(Counters::default());
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new().name("clients".to_owned()).spawn({
            let (counters, stop) = (Arc::clone(&counters), Arc::clone(&stop));
            move || ClientThread::connect(options, counters)?.run(&stop)
        })?;
        Ok(Self { counters, stop, thread: Some(thread) })
    }

    /// The counts so far.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Stops sending, after which the counts are final.
    pub(crate) fn stop(&mut self) -> io::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map_or(Ok(()), |thread| {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("the client thread panicked")))
        })
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct ClientThread {
    poller: Arc<Poller>,
    connections: Vec<Connection>,
    schedule: Schedule,
    rng: Rng,
    load: Load,
    post: Box<dyn FnMut(u32) + Send>,
    command: Box<dyn FnMut(u8) + Send>,
    counters: Arc<Counters>,
}

impl ClientThread {
    fn connect(options: ClientOptions, counters: Arc<Counters>) -> io::Result<Self> {
        let poller = Arc::new(Poller::new()?);
        let mut connections = Vec::with_capacity(ECHO_CONNECTIONS + HTTP_CONNECTIONS);
        for index in 0..ECHO_CONNECTIONS + HTTP_CONNECTIONS {
            let (address, protocol) = if index < ECHO_CONNECTIONS {
                (options.echo, Protocol::Echo)
            } else {
                (options.http, Protocol::Http)
            };
            connections.push(Connection::open(address, protocol)?);
        }
        let rate = match options.load {
            Load::Rate(rate) => rate,
            Load::Max => 1.0,
        };
        let schedule = Schedule::new(options.seed, rate);
        let rng = Rng::with_seed(options.seed);
        let ClientOptions { load, post, command, .. } = options;
        Ok(Self { poller, connections, schedule, rng, load, post, command, counters })
    }

    fn run(mut self, stop: &AtomicBool) -> io::Result<()> {
        for (key, connection) in self.connections.iter_mut().enumerate() {
            connection.register(&self.poller, key)?;
        }
        self.drive(stop)
    }

    fn drive(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let start = monotonic_now();
        let mut events = Events::new();
        let mut upcoming = self.schedule.next();
        if self.load == Load::Max {
            for connection in 0..self.connections.len() {
                self.fill_window(connection, WINDOW)?;
            }
        }
        while !stop.load(Ordering::Relaxed) {
            while let Some((_, arrival)) =
                upcoming.take_if(|(at_ns, _)| start.plus_ns(*at_ns) <= monotonic_now())
            {
                self.perform(arrival)?;
                upcoming = self.schedule.next();
            }
            events.clear();
            self.poller.wait(&mut events, Some(nap_until(start, upcoming)))?;
            for event in events.iter() {
                self.ready(event)?;
            }
        }
        Ok(())
    }

    fn perform(&mut self, arrival: Arrival) -> io::Result<()> {
        match arrival {
            // Under `Load::Max` requests are sent as windows allow; the schedule supplies only other arrivals.
            Arrival::Echo { .. } | Arrival::Http { .. } if self.load == Load::Max => Ok(()),
            Arrival::Echo { connection, length } => {
                self.connections[connection].queue_line(length);
                self.sent(connection, 1)
            }
            Arrival::Http { connection, route } => {
                self.connections[ECHO_CONNECTIONS + connection].queue_request(route);
                self.sent(ECHO_CONNECTIONS + connection, 1)
            }
            Arrival::Posts { count } => {
                (self.post)(count);
                Ok(())
            }
            Arrival::Command { byte } => {
                (self.command)(byte);
                Ok(())
            }
            Arrival::Signal { usr1 } => {
                let signal = if usr1 { Signal::USR1 } else { Signal::USR2 };
                Ok(rustix::process::kill_process(rustix::process::getpid(), signal)?)
            }
        }
    }

    fn sent(&mut self, connection: usize, count: u32) -> io::Result<()> {
        self.counters.sent.fetch_add(u64::from(count), Ordering::Relaxed);
        self.connections[connection].flush(&self.poller, connection)
    }

    fn ready(&mut self, event: Event) -> io::Result<()> {
        let connection = &mut self.connections[event.key];
        if event.writable {
            connection.flush(&self.poller, event.key)?;
        }
        if event.readable {
            let answers = connection.read_answers()?;
            self.counters.answered.fetch_add(u64::from(answers), Ordering::Relaxed);
            if self.load == Load::Max {
                self.fill_window(event.key, answers)?;
            }
        }
        Ok(())
    }

    fn fill_window(&mut self, connection: usize, count: u32) -> io::Result<()> {
        for _ in 0..count {
            if connection < ECHO_CONNECTIONS {
                let length = self.rng.usize(16..256);
                self.connections[connection].queue_line(length);
            } else {
                let route = match self.rng.u32(..10) {
                    0 => Route::File(self.rng.usize(..FILES)),
                    1..5 => Route::Cache(self.rng.u32(..20_000)),
                    _ => Route::Index,
                };
                self.connections[connection].queue_request(route);
            }
        }
        self.sent(connection, count)
    }
}

fn nap_until(start: Timestamp, upcoming: Option<(u64, Arrival)>) -> Duration {
    let due = upcoming.map_or(Timestamp(u64::MAX), |(at_ns, _)| start.plus_ns(at_ns));
    Duration::from_nanos(due.ns_since(monotonic_now())).min(NAP)
}
