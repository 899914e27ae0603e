//! The self-pipe: commands to a running loop, one byte each, through a pipe to itself (RefPerSys).
//!
//! Anything that holds the sender can command the loop: another thread, a signal handler, a debugger. The loop reads the
//! bytes when it polls, records each as an event, and runs it as a task with the command's tag.
//!
//! | byte | command | action |
//! |---|---|---|
//! | `D` | [`Dump`](Command::Dump) | reports the state of the loop, its agenda and its processes, as text |
//! | `G` | [`Collect`](Command::Collect) | stops all workers while one collects; requests a heap collection |
//! | `Q` | [`Quit`](Command::Quit) | ends the run after this turn |
//! | `X` | [`DumpAndQuit`](Command::DumpAndQuit) | reports the state, and ends the run after this turn |
//! | `P` | [`StartProcess`](Command::StartProcess) | starts the next process of the queue |
//!
//! Any other byte is counted, recorded as an unknown command, and passed to the callback for unknown bytes. The pipe
//! does not keep the loop alive.

mod pipe;
mod processes;
mod report;
mod state;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use loop_probes::ids::IoSource;

pub use self::pipe::{Command, CommandSender, SendError};
pub use self::processes::{ProcessEnd, ProcessQueue};
pub use self::report::Report;

use self::processes::{Processes, Wrap};
use self::state::Settings;
use crate::agenda::{AgendaHandle, CollectError};
use crate::error::RequestError;
use crate::options::Options;
use crate::poller::Interest;
use crate::task::Context;
use crate::task::{Any, Task};

/// Why a self-pipe cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelfPipeError {
    /// The system refused a pipe.
    #[error("cannot open the self-pipe of the loop")]
    Open(#[source] io::Error),
    /// The loop refused the pipe as a source, or the handler for `CHLD`.
    #[error(transparent)]
    Loop(#[from] RequestError),
}

/// Builder of a loop's self-pipe.
///
/// # Examples
///
/// ```
/// use loop_core::self_pipe::{Command, SelfPipe};
/// use loop_core::{Builtin, EventLoop};
/// use loop_probes::event::StopReason;
///
/// let mut event_loop = EventLoop::<Builtin>::new()?;
/// let commands = event_loop.with(|cx| {
///     cx.hold("the program");
///     SelfPipe::new(Builtin::Any).on_dump(|_, report| assert!(report.to_string().contains("the program"))).open(cx)
/// })?;
/// std::thread::spawn(move || commands.send(Command::DumpAndQuit));
/// assert_eq!(event_loop.run()?, StopReason::Stopped);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a self-pipe takes no commands until `open`"]
pub struct SelfPipe<T: Task> {
    wrap: Wrap<T>,
    state: Settings<T>,
    processes: Option<Processes<T>>,
}

impl<T: Task> SelfPipe<T> {
    /// A builder whose commands run as tasks made by `wrap`, usually the variant of the task enum that holds an [`Any`].
    pub fn new(wrap: impl Fn(Any<T>) -> T + 'static) -> Self {
        let wrap: Wrap<T> = Rc::new(wrap);
        Self { state: Settings::new(Rc::clone(&wrap)), wrap, processes: None }
    }

    /// Sets the agenda, which reports include and whose workers stop for collections.
    pub fn agenda(mut self, agenda: AgendaHandle) -> Self {
        self.state.agenda = Some(agenda);
        self
    }

    /// Sets the function that one worker runs for [`Command::Collect`] while all workers are stopped; does nothing by
    /// default.
    pub fn collector(mut self, collect: impl Fn() + Send + Sync + 'static) -> Self {
        self.state.collector.collect = Arc::new(collect);
        self
    }

    /// Sets how long workers have to reach a safe point for a collection; 100 ms by default.
    pub const fn collect_within(mut self, bound: Duration) -> Self {
        self.state.collector.bound = bound;
        self
    }

    /// Sets a callback for the outcome of each collection. It runs on an unspecified thread.
    pub fn on_collected(
        mut self,
        observer: impl Fn(&Result<(), CollectError>) + Send + Sync + 'static,
    ) -> Self {
        self.state.collector.observer = Arc::new(observer);
        self
    }

    /// Sets a callback for the reports of [`Command::Dump`] and [`Command::DumpAndQuit`].
    pub fn on_dump(mut self, write: impl FnMut(&mut Context<'_, T>, &Report) + 'static) -> Self {
        self.state.on_dump = Box::new(write);
        self
    }

    /// Sets a callback for bytes that are not a command.
    pub fn on_unknown(mut self, warn: impl FnMut(&mut Context<'_, T>, u8) + 'static) -> Self {
        self.state.on_unknown = Box::new(warn);
        self
    }

    /// Sets the queue of processes for [`Command::StartProcess`]. At most `at_once` run at a time; further requests wait
    /// for one to end. `on_end` runs on the loop when a process has ended. Installs the loop's handler for `CHLD`.
    pub fn processes(
        mut self,
        queue: ProcessQueue,
        at_once: usize,
        on_end: impl FnMut(&mut Context<'_, T>, &ProcessEnd) + 'static,
    ) -> Self {
        self.processes = Some(Processes::new(Rc::clone(&self.wrap), queue, at_once.max(1), Box::new(on_end)));
        self
    }

    /// Opens the pipe as a source of the loop, labelled `self-pipe`.
    ///
    /// # Errors
    ///
    /// [`SelfPipeError`] if the system refuses a pipe, or the loop cannot take it.
    pub fn open(self, cx: &mut Context<'_, T>) -> Result<CommandSender, SelfPipeError> {
        let Self { wrap, mut state, processes } = self;
        let (reader, sender) = pipe::open().map_err(SelfPipeError::Open)?;
        let reader = Arc::new(reader);
        if let Some(processes) = processes {
            let processes = Rc::new(processes);
            processes.watch(cx)?;
            state.processes = Some(processes);
        }
        state.sender = Some(sender.clone());
        let state = Rc::new(state.into_shared());
        let source = Arc::clone(&reader);
        let task = Any::repeat("self-pipe", move |cx| state.read(cx, &reader));
        let options = Options::new("self-pipe").unreferenced();
        let _: IoSource = cx.register_with(options, source, Interest::READABLE, wrap(task))?;
        Ok(sender)
    }
}

impl<T: Task> std::fmt::Debug for SelfPipe<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SelfPipe").field("agenda", &self.state.agenda).finish_non_exhaustive()
    }
}
