//! RefPerSys' kind of loop, set up with one call: an event loop with an agenda, a self-pipe and signal handlers.
//!
//! `INT` and `TERM` stop the loop, `CHLD` reports the ends of processes that the loop started, and commands arrive
//! through the pipe. The application can add handlers for other signals. Timers are those of the event loop, with
//! nanosecond resolution.

use std::time::Duration;

use loop_probes::event::StopReason;
use loop_probes::session::Session;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::agenda::{Agenda, AgendaBuilder, AgendaError, AgendaHandle, AgendaShutdown, CollectError};
use crate::error::{BuildError, RequestError, RunError};
use crate::event_loop::{Builder, EventLoop};
use crate::policy::Policy;
use crate::self_pipe::{CommandSender, ProcessEnd, ProcessQueue, Report, SelfPipe, SelfPipeError};
use crate::task::Context;
use crate::task::{Any, Task};
use crate::work_pool::PendingWork;

/// Why an agenda loop cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgendaLoopError {
    /// The event loop cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A signal cannot be caught.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The agenda cannot be created.
    #[error(transparent)]
    Agenda(#[from] AgendaError),
    /// The self-pipe cannot be opened.
    #[error(transparent)]
    SelfPipe(#[from] SelfPipeError),
}

/// Sets up an [`AgendaLoop`].
#[must_use = "a builder does nothing until `build`"]
pub struct AgendaLoopBuilder<T: Task> {
    wrap: fn(Any<T>) -> T,
    event_loop: Builder<T>,
    agenda: AgendaBuilder,
    self_pipe: SelfPipe<T>,
    processes: ProcessQueue,
    at_once: usize,
    on_end: OnEnd<T>,
}

type OnEnd<T> = Box<dyn FnMut(&mut Context<'_, T>, &ProcessEnd)>;

/// An event loop with an agenda, commands and processes, which runs until it is stopped.
///
/// # Examples
///
/// ```
/// use loop_core::Builtin;
/// use loop_core::agenda::{AgendaLoop, Tasklet};
/// use loop_core::self_pipe::Command;
/// use loop_core::work_pool::PendingWork;
/// use loop_probes::event::StopReason;
///
/// let mut main = AgendaLoop::builder(Builtin::Any).workers(2).build()?;
/// let commands = main.commands().clone();
/// main.agenda().add(Tasklet::once("ends it", move |_| commands.send(Command::Quit)))?;
/// assert_eq!(main.run()?, StopReason::Stopped);
/// assert!(main.shutdown(PendingWork::Finish, None).unjoined.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AgendaLoop<T: Task> {
    wrap: fn(Any<T>) -> T,
    event_loop: EventLoop<T>,
    agenda: Agenda,
    commands: CommandSender,
    processes: ProcessQueue,
}

impl<T: Task> AgendaLoop<T> {
    /// Returns a builder for a loop with [`Policy::agenda`]. `wrap` turns an [`Any`] into a task of the application:
    /// usually a variant of the task enum.
    pub fn builder(wrap: fn(Any<T>) -> T) -> AgendaLoopBuilder<T> {
        AgendaLoopBuilder {
            wrap,
            event_loop: EventLoop::builder().policy(Policy::agenda()),
            agenda: Agenda::builder(),
            self_pipe: SelfPipe::new(wrap),
            processes: ProcessQueue::new(),
            at_once: 1,
            on_end: Box::new(|_, _| ()),
        }
    }

    /// Runs the loop until a command, a signal or a call stops it. Another run continues where this one ended.
    ///
    /// # Errors
    ///
    /// The errors of [`EventLoop::run`].
    pub fn run(&mut self) -> Result<StopReason, RunError> {
        self.event_loop.run()
    }

    /// The underlying event loop, to which the agenda posts its results.
    pub const fn event_loop(&mut self) -> &mut EventLoop<T> {
        &mut self.event_loop
    }

    /// Returns a handle to the agenda.
    #[must_use]
    pub fn agenda(&self) -> AgendaHandle {
        self.agenda.handle()
    }

    /// Sends commands to the loop.
    #[must_use]
    pub const fn commands(&self) -> &CommandSender {
        &self.commands
    }

    /// The queue of processes that [`Command::StartProcess`](crate::self_pipe::Command::StartProcess) starts.
    #[must_use]
    pub const fn processes(&self) -> &ProcessQueue {
        &self.processes
    }

    /// Runs `handle` for each arrival of signal `signo`, as a task with this label. For `INT` and `TERM`, it replaces
    /// the default of stopping the loop. Do not use it for `CHLD`, which the loop needs for its processes.
    ///
    /// # Errors
    ///
    /// [`RequestError::Signal`] if the signal cannot be caught.
    pub fn on_signal(
        &mut self,
        signo: i32,
        label: &'static str,
        handle: impl FnMut(&mut Context<'_, T>) + 'static,
    ) -> Result<(), RequestError> {
        let task = (self.wrap)(Any::repeat(label, handle));
        self.event_loop.with(|cx| cx.on_signal(signo, task))
    }

    /// Ends the agenda, as [`Agenda::shutdown`] does. The event loop ends when it is dropped.
    pub fn shutdown(&mut self, pending: PendingWork, timeout: Option<Duration>) -> AgendaShutdown {
        self.agenda.shutdown(pending, timeout)
    }
}

impl<T: Task> AgendaLoopBuilder<T> {
    /// Number of worker threads of the agenda; one per core by default.
    pub fn workers(mut self, workers: u16) -> Self {
        self.agenda = self.agenda.workers(workers);
        self
    }

    /// Replaces [`Policy::agenda`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.event_loop = self.event_loop.policy(policy);
        self
    }

    /// Records into `session`: the loop as `name`, and in separate rings the agenda's additions and each of its workers.
    pub fn session(mut self, session: &Session, name: &str) -> Self {
        self.event_loop = self.event_loop.session(session, name);
        self.agenda = self.agenda.session(session);
        self
    }

    /// Sets the collector, as [`SelfPipe::collector`] does.
    pub fn collector(mut self, collect: impl Fn() + Send + Sync + 'static) -> Self {
        self.self_pipe = self.self_pipe.collector(collect);
        self
    }

    /// Limits how long workers have to reach a collection, as [`SelfPipe::collect_within`] does.
    pub fn collect_within(mut self, bound: Duration) -> Self {
        self.self_pipe = self.self_pipe.collect_within(bound);
        self
    }

    /// Sets a callback for the end of a collection, as [`SelfPipe::on_collected`] does.
    pub fn on_collected(
        mut self,
        observer: impl Fn(&Result<(), CollectError>) + Send + Sync + 'static,
    ) -> Self {
        self.self_pipe = self.self_pipe.on_collected(observer);
        self
    }

    /// Sets a callback for dumps, as [`SelfPipe::on_dump`] does.
    pub fn on_dump(mut self, write: impl FnMut(&mut Context<'_, T>, &Report) + 'static) -> Self {
        self.self_pipe = self.self_pipe.on_dump(write);
        self
    }

    /// Sets a callback for unknown commands, as [`SelfPipe::on_unknown`] does.
    pub fn on_unknown(mut self, warn: impl FnMut(&mut Context<'_, T>, u8) + 'static) -> Self {
        self.self_pipe = self.self_pipe.on_unknown(warn);
        self
    }

    /// Sets how many processes may run at once (1 by default), and a callback for the end of each.
    pub fn processes(
        mut self,
        at_once: usize,
        on_end: impl FnMut(&mut Context<'_, T>, &ProcessEnd) + 'static,
    ) -> Self {
        (self.at_once, self.on_end) = (at_once, Box::new(on_end));
        self
    }

    /// Builds the loop: starts the workers, opens the pipe, and catches `INT`, `TERM` and `CHLD`.
    ///
    /// # Errors
    ///
    /// [`AgendaLoopError`] if the system refuses one of these.
    pub fn build(self) -> Result<AgendaLoop<T>, AgendaLoopError> {
        let Self { wrap, event_loop, agenda, self_pipe, processes, at_once, on_end } = self;
        let mut event_loop = event_loop.build()?;
        let agenda = agenda.attach(&event_loop.handle()).build()?;
        let self_pipe = self_pipe.agenda(agenda.handle()).processes(processes.clone(), at_once, on_end);
        let commands = event_loop.with(|cx| {
            for (signo, label) in [(SIGINT, "signal INT"), (SIGTERM, "signal TERM")] {
                cx.on_signal(signo, wrap(Any::repeat(label, |cx| cx.stop())))?;
            }
            self_pipe.open(cx)
        })?;
        Ok(AgendaLoop { wrap, event_loop, agenda, commands, processes })
    }
}

impl<T: Task> std::fmt::Debug for AgendaLoop<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgendaLoop")
            .field("event_loop", &self.event_loop)
            .field("agenda", &self.agenda)
            .finish_non_exhaustive()
    }
}

impl<T: Task> std::fmt::Debug for AgendaLoopBuilder<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgendaLoopBuilder").field("agenda", &self.agenda).finish_non_exhaustive()
    }
}
