//! The demo of loopscope: a server on its own loop, with clients that generate its load.
//!
//! ```text
//!  clients thread ──TCP──► loop thread: accept, parse, one task a request, deferred flush ──► sockets
//!        │ posts, signals ──►   │ timers 1, 10, 100 ms     files ◄──► work pool
//!        └ schedule (seed)      └ cache: the heap of the GC controller
//! ```
//!
//! Under the policy `agenda`, part of the work goes to an agenda beside the loop.

mod cache;
mod client;
mod connection;
mod demo_agenda;
mod dispatch;
mod load;
pub mod schedule;
mod server;
mod socket;
mod task;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use loop_core::agenda::AgendaError;
use loop_core::gc::GcConfigError;
use loop_core::self_pipe::{CommandSender, SelfPipeError};
use loop_core::{BuildError, EventLoop, Handle, HeapHost, Policy, RequestError, RunError, Task as _};
use loop_probes::clock::monotonic_now;
use loop_probes::ids::Timestamp;
use loop_probes::session::Session;
use rustix::process::Signal;

pub use load::{Load, Scale};

use cache::SharedCache;
use client::{ClientOptions, Clients};
use demo_agenda::DemoAgenda;
use server::Server;
use task::{DemoRemote, DemoTask};

/// Pool workers of the demo: enough to show that files are read in parallel.
const WORKERS: u16 = 2;

/// The policies under which the demo can run, the default first. Policies without a heap are excluded.
pub const POLICIES: [&str; 3] = ["bun", "quickjs", "agenda"];

/// The options of the demo.
#[derive(Clone, Debug)]
pub struct WorkloadOptions {
    /// One of [`POLICIES`].
    pub policy: String,
    /// Seed of the schedule, which determines all arrivals and their times.
    pub seed: u64,
    /// How many requests the clients send.
    pub load: Load,
    /// If set, one handler blocks the loop for this long once a second.
    pub stall: Option<Duration>,
    /// Slowdown factors, by tag.
    pub scales: Vec<Scale>,
}

/// Why the demo cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadError {
    /// `--scale` names an unknown tag.
    #[error("--scale {tag}: the demo has no such tag; it has {}", DemoTask::TAGS.join(", "))]
    UnknownTag {
        /// The name given.
        tag: String,
    },
    /// `--policy` names a policy that the demo does not support.
    #[error("--policy {name}: the demo runs under {}", POLICIES.join(", "))]
    UnknownPolicy {
        /// The name given.
        name: String,
    },
    /// An environment variable that the loop's policy reads is invalid.
    #[error(transparent)]
    Environment(#[from] GcConfigError),
    /// The agenda could not be started.
    #[error(transparent)]
    Agenda(#[from] AgendaError),
    /// The self-pipe for commands could not be opened.
    #[error(transparent)]
    SelfPipe(#[from] SelfPipeError),
    /// The loop ended with an error.
    #[error("the demo's loop failed: {0}")]
    Run(#[from] RunError),
    /// The loop could not be built.
    #[error("cannot build the demo's loop: {0}")]
    Build(#[from] BuildError),
    /// The loop refused a timer, a source or a signal handler.
    #[error("cannot set up the demo's loop: {0}")]
    Request(#[from] RequestError),
    /// A socket, a file or a thread could not be created.
    #[error("the demo cannot {what}: {source}")]
    System {
        /// The operation that failed.
        what: &'static str,
        /// The error of the system.
        source: io::Error,
    },
}

fn policy(name: &str) -> Result<Policy, WorkloadError> {
    let known = POLICIES.contains(&name).then(|| Policy::by_name(name).ok()).flatten();
    known.ok_or_else(|| WorkloadError::UnknownPolicy { name: name.to_owned() })
}

/// Checks that `options` name a known policy and known tags, for callers that create files before they start the demo.
///
/// # Errors
///
/// [`WorkloadError`] as from [`Workload::start`].
pub fn check(options: &WorkloadOptions) -> Result<(), WorkloadError> {
    policy(&options.policy)?.with_env()?;
    scales(&options.scales).map(drop)
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> WorkloadError {
    move |source| WorkloadError::System { what, source }
}

/// The result of a demo run, as counted by its clients.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// Requests sent.
    pub sent: u64,
    /// Requests answered.
    pub answered: u64,
    /// Time from the first connection to the stop, in nanoseconds.
    pub elapsed_ns: u64,
}

impl Served {
    /// Answers per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.answered as f64 * 1e9 / self.elapsed_ns.max(1) as f64
    }
}

/// A running demo.
#[derive(Debug)]
pub struct Workload {
    handle: Handle<DemoTask>,
    clients: Option<Clients>,
    started: Timestamp,
    thread: Option<JoinHandle<Result<(), WorkloadError>>>,
    _files: tempfile::TempDir,
}

impl Workload {
    /// Starts the loop on its own thread, and then the clients.
    ///
    /// # Errors
    ///
    /// [`WorkloadError`] if an option names something unknown or a system call fails.
    pub fn start(options: &WorkloadOptions, session: &Session) -> Result<Self, WorkloadError> {
        let scales = scales(&options.scales)?;
        let files = tempfile::tempdir().map_err(system("make its files"))?;
        write_files(files.path()).map_err(system("make its files"))?;
        let (report, handles) = mpsc::sync_channel(1);
        let setup = Setup {
            policy: policy(&options.policy)?.with_env()?,
            session: session.clone(),
            scales,
            files: files.path().to_owned(),
            stall: options.stall,
        };
        let thread = std::thread::Builder::new()
            .name("loop".to_owned())
            .spawn(move || run_loop(setup, &report))
            .map_err(system("start a thread"))?;
        let Ok(Handles { handle, echo, http, commands }) = handles.recv() else {
            return Err(match thread.join() {
                Ok(Err(error)) => error,
                _ => system("start its loop")(io::Error::other("the thread ended early")),
            });
        };
        let clients = Clients::start(ClientOptions {
            echo,
            http,
            load: options.load,
            seed: options.seed,
            post: poster(handle.clone()),
            command: commander(commands),
        });
        let clients = clients.map_err(system("start its clients"))?;
        Ok(Self {
            handle,
            clients: Some(clients),
            started: monotonic_now(),
            thread: Some(thread),
            _files: files,
        })
    }

    /// Whether the loop is still running.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Stops the clients, then the loop, and returns what was served.
    ///
    /// # Errors
    ///
    /// [`WorkloadError`] if the loop or a connection failed.
    pub fn stop(mut self) -> Result<Served, WorkloadError> {
        use std::sync::atomic::Ordering::Relaxed;
        let mut clients = self.clients.take();
        let disconnected = clients.as_mut().map_or(Ok(()), Clients::stop);
        // Read after the clients stopped, because before that the two counts are inconsistent.
        let counters = clients.as_ref().map(Clients::counters);
        let served = Served {
            sent: counters.map_or(0, |counters| counters.sent.load(Relaxed)),
            answered: counters.map_or(0, |counters| counters.answered.load(Relaxed)),
            elapsed_ns: monotonic_now().ns_since(self.started),
        };
        self.stop_loop()?;
        disconnected.map_err(system("keep its connections"))?;
        Ok(served)
    }

    fn stop_loop(&mut self) -> Result<(), WorkloadError> {
        self.handle.stop();
        self.thread.take().map_or(Ok(()), |thread| {
            let ended = thread.join();
            ended.unwrap_or_else(|_| Err(system("run its loop")(io::Error::other("its thread panicked"))))
        })
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        self.clients.take();
        // A running demo is dropped only after another error, which is the one to report.
        let _ = self.stop_loop();
    }
}

fn poster(handle: Handle<DemoTask>) -> Box<dyn FnMut(u32) + Send> {
    Box::new(move |count| {
        for value in 0..count {
            // Refused only after the loop has ended, when nothing is counted any more.
            let _ = handle.post(DemoRemote::Metric(value));
        }
    })
}

fn commander(commands: Option<CommandSender>) -> Box<dyn FnMut(u8) + Send> {
    Box::new(move |byte| {
        if let Some(commands) = &commands {
            // Refused only if the loop has ended or its pipe is full, which its report shows.
            let _ = commands.send_byte(byte);
        }
    })
}

struct Setup {
    policy: Policy,
    session: Session,
    scales: Vec<Option<f64>>,
    files: PathBuf,
    stall: Option<Duration>,
}

/// Handles that a started loop sends to the thread that started it.
struct Handles {
    handle: Handle<DemoTask>,
    echo: SocketAddr,
    http: SocketAddr,
    commands: Option<CommandSender>,
}

fn run_loop(setup: Setup, report: &mpsc::SyncSender<Handles>) -> Result<(), WorkloadError> {
    let Setup { policy, session, scales, files, stall } = setup;
    let cache = SharedCache::default();
    let with_agenda = policy.name == Policy::agenda().name;
    let mut event_loop = EventLoop::<DemoTask>::builder()
        .policy(policy)
        .session(&session, "loop")
        .host(HeapHost(cache.clone()))
        .workers(WORKERS)
        .build()?;
    // The handlers' `tracing` spans go to the loop's own ring.
    event_loop.recorder().adopt_thread();
    let agenda = with_agenda.then(|| DemoAgenda::start(&session, event_loop.handle(), files.clone()));
    let agenda = agenda.transpose()?;
    let agenda_client = agenda.as_ref().map(DemoAgenda::agenda_client);
    let server = Server::listen(cache, scales, files, agenda_client.clone()).map_err(system("listen"))?;
    let (echo, http) = server.addresses().map_err(system("listen"))?;
    event_loop.with(|cx| {
        server.start(cx)?;
        cx.set_interval(Duration::from_millis(1), DemoTask::Heartbeat)?;
        cx.set_interval(Duration::from_millis(10), DemoTask::Average)?;
        cx.set_interval(Duration::from_millis(100), DemoTask::Sweep)?;
        if let Some(stall) = stall {
            cx.set_interval(Duration::from_secs(1), DemoTask::Report(None, stall))?;
        }
        for signal in [Signal::USR1, Signal::USR2] {
            cx.on_signal(signal.as_raw(), DemoTask::Signal)?;
        }
        Ok::<(), RequestError>(())
    })?;
    let commands = agenda_client.map(|agenda_client| {
        event_loop.with(|cx| {
            let commands = agenda_client.open_pipe(cx, server::log)?;
            demo_agenda::collect_regularly(cx, &commands)?;
            Ok::<CommandSender, WorkloadError>(commands)
        })
    });
    let commands = commands.transpose()?;
    // Fails only if the starting thread is already gone.
    let _ = report.send(Handles { handle: event_loop.handle(), echo, http, commands });
    let ended = event_loop.run();
    // Ended before the loop, so that the last events of its workers go into the same recording.
    agenda.into_iter().for_each(DemoAgenda::end);
    drop(event_loop);
    server::forget();
    ended.map(drop).map_err(WorkloadError::Run)
}

/// The slowdown factors, by index of the tag.
fn scales(scales: &[Scale]) -> Result<Vec<Option<f64>>, WorkloadError> {
    let mut known = vec![None; DemoTask::TAGS.len()];
    for scale in scales {
        let index = DemoTask::TAGS.iter().position(|tag| *tag == scale.tag);
        let index = index.ok_or_else(|| WorkloadError::UnknownTag { tag: scale.tag.clone() })?;
        known[index] = Some(scale.factor);
    }
    Ok(known)
}

/// Writes the served files, of 1 KiB to 128 KiB, the same in every run.
fn write_files(folder: &Path) -> io::Result<()> {
    for file in 0..schedule::FILES {
        let mut out = io::BufWriter::new(std::fs::File::create(folder.join(format!("{file}.txt")))?);
        for line in 0..16 << (file % 8) {
            writeln!(out, "file {file:3}, line {line:6}, {:032x}", (line as u128 + 1).pow(3))?;
        }
        out.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_must_name_a_tag() {
        let scale = |tag: &str| Scale { tag: tag.to_owned(), factor: 2.0 };
        let known = scales(&[scale("ReadFile")]).unwrap();
        assert_eq!(
            (known[4], known.iter().flatten().count(), known.len()),
            (Some(2.0), 1, DemoTask::TAGS.len())
        );
        let error = scales(&[scale("Nothing")]).unwrap_err().to_string();
        assert!(error.contains("--scale Nothing") && error.contains("ReadFile"), "{error}");
    }
}
