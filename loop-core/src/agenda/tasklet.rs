//! The tasklet: a piece of work for a worker of the agenda, with its metadata, its failure, and its view of its worker.

use std::error::Error;
use std::fmt;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

pub use loop_probes::event::Priority;
use loop_probes::ids::{Tag, TaskId, Ticks};
use loop_probes::recorder::Recorder;

use super::AgendaHandle;
use super::failure::CollectError;
use crate::handle::Handle;
use crate::tag::tag_of_label;
use crate::task::Task;

/// What happens to a tasklet after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// It is done.
    Done,
    /// It runs again, behind those of its priority that wait.
    Again,
}

/// Any error of a tasklet.
pub type TaskletError = Box<dyn Error + Send + Sync>;

/// What the closure of a tasklet may return: `R` itself, or a `Result` of it with an error of any type.
pub trait TaskletResult<R>: sealed::Sealed {
    /// The outcome of the run.
    ///
    /// # Errors
    ///
    /// The closure's error.
    fn into_result(self) -> Result<R, TaskletError>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl Sealed for super::Next {}
    impl<R, E> Sealed for Result<R, E> {}
}

impl TaskletResult<Self> for () {
    fn into_result(self) -> Result<Self, TaskletError> {
        Ok(self)
    }
}

impl TaskletResult<Self> for Next {
    fn into_result(self) -> Result<Self, TaskletError> {
        Ok(self)
    }
}

impl<R, E: Into<TaskletError>> TaskletResult<R> for Result<R, E> {
    fn into_result(self) -> Result<R, TaskletError> {
        self.map_err(Into::into)
    }
}

type Once = Box<dyn FnOnce(&AgendaWorker<'_>) -> Result<(), TaskletError> + Send>;
type Repeat = Box<dyn FnMut(&AgendaWorker<'_>) -> Result<Next, TaskletError> + Send>;

pub(super) enum Body {
    Once(Once),
    Repeat(Repeat),
}

/// A piece of work for a worker of the [`Agenda`](super::Agenda).
///
/// # Examples
///
/// ```
/// use loop_core::agenda::{Agenda, Next, Priority, Tasklet};
///
/// let (sender, receiver) = std::sync::mpsc::channel();
/// let agenda = Agenda::builder().workers(1).build()?;
/// agenda.add(Tasklet::repeat("three times", move |worker| {
///     sender.send(worker.info().runs)?;
///     Ok::<_, std::sync::mpsc::SendError<u32>>(if worker.info().runs < 3 { Next::Again } else { Next::Done })
/// }).priority(Priority::High))?;
/// assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a tasklet runs once it was added to an agenda"]
pub struct Tasklet {
    pub(super) label: &'static str,
    pub(super) tag: Tag,
    pub(super) priority: Priority,
    pub(super) body: Body,
    pub(super) owner: Option<Owner>,
}

impl Tasklet {
    /// Runs once. The label becomes its tag, by which the inspector tells kinds apart.
    pub fn once<R: TaskletResult<()>>(
        label: &'static str,
        run: impl FnOnce(&AgendaWorker<'_>) -> R + Send + 'static,
    ) -> Self {
        Self::new(label, Body::Once(Box::new(|worker| run(worker).into_result())))
    }

    /// Runs as often as it asks to.
    pub fn repeat<R: TaskletResult<Next>>(
        label: &'static str,
        mut run: impl FnMut(&AgendaWorker<'_>) -> R + Send + 'static,
    ) -> Self {
        Self::new(label, Body::Repeat(Box::new(move |worker| run(worker).into_result())))
    }

    fn new(label: &'static str, body: Body) -> Self {
        Self { label, tag: tag_of_label(label), priority: Priority::Normal, body, owner: None }
    }

    /// Its rank among waiting tasklets; [`Priority::Normal`] by default.
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Reports its failure to the loop behind `handle`, which runs the task that `make` makes of it. Without an
    /// owner (or after that loop has ended) a failure is only recorded and counted.
    pub fn owner<T: Task>(
        self,
        handle: &Handle<T>,
        make: impl FnOnce(TaskletFailure) -> T::Remote + Send + 'static,
    ) -> Self {
        let handle = handle.clone();
        self.on_failure(move |failure| handle.post(make(failure)).is_ok())
    }

    /// Reports its failure to `observer`, on the worker where it failed. Return false if the failure reached no one.
    pub fn on_failure(mut self, observer: impl FnOnce(TaskletFailure) -> bool + Send + 'static) -> Self {
        self.owner = Some(Box::new(observer));
        self
    }

    /// Its label.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        self.label
    }
}

impl fmt::Debug for Tasklet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasklet")
            .field("label", &self.label)
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}

/// Metadata of a tasklet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskletInfo {
    /// Its number, from 1 within its agenda.
    pub task: TaskId,
    /// Its label.
    pub label: &'static str,
    /// Its priority.
    pub priority: Priority,
    /// When it was first added, by the agenda's record clock.
    pub created: Ticks,
    /// When it was last put into its queue, by the same clock.
    pub queued: Ticks,
    /// Number of runs, including the current one.
    pub runs: u32,
}

/// A tasklet in a queue.
pub(super) struct QueuedTasklet {
    pub(super) info: TaskletInfo,
    pub(super) tag: Tag,
    pub(super) body: Body,
    pub(super) owner: Option<Owner>,
}

impl QueuedTasklet {
    /// Creates an entry without its times.
    pub(super) fn new(tasklet: Tasklet, task: TaskId) -> Self {
        let Tasklet { label, tag, priority, body, owner } = tasklet;
        let info = TaskletInfo { task, label, priority, created: Ticks(0), queued: Ticks(0), runs: 0 };
        Self { info, tag, body, owner }
    }

    /// Sets its times on the first addition, at `now`.
    pub(super) fn stamp(&mut self, now: Ticks) {
        (self.info.created, self.info.queued) = (now, now);
    }

    pub(super) fn into_tasklet(self) -> Tasklet {
        let Self { info, tag, body, owner } = self;
        Tasklet { label: info.label, tag, priority: info.priority, body, owner }
    }
}

/// Receives a failure. Returns false if it reached no one.
pub(super) type Owner = Box<dyn FnOnce(TaskletFailure) -> bool + Send>;

/// A tasklet failed and will not run again.
#[derive(Debug, thiserror::Error)]
#[error("tasklet {} #{} failed in run {} on worker {worker}: {cause}", .info.label, .info.task, .info.runs)]
#[non_exhaustive]
pub struct TaskletFailure {
    /// The tasklet.
    pub info: TaskletInfo,
    /// The worker that it ran on, from 0.
    pub worker: u16,
    /// The error or the panic.
    #[source]
    pub cause: Cause,
}

/// How a tasklet failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// It returned this error.
    #[error(transparent)]
    Error(TaskletError),
    /// It panicked.
    #[error("it panicked: {message}")]
    Panicked {
        /// The panic's message, made printable.
        message: String,
    },
}

/// The agenda refuses the tasklet. Hands it back.
#[derive(Debug, thiserror::Error)]
#[error("the agenda takes no more tasklets: it was shut down before {label} was added")]
pub struct Refused {
    label: &'static str,
    /// Never contended. The mutex makes the error `Sync`, which its tasklet is not.
    tasklet: Mutex<Tasklet>,
}

impl Refused {
    pub(super) const fn new(tasklet: Tasklet) -> Self {
        Self { label: tasklet.label(), tasklet: Mutex::new(tasklet) }
    }

    /// The tasklet.
    pub fn into_tasklet(self) -> Tasklet {
        self.tasklet.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a worker's thread does for the tasklet that it runs.
pub(super) trait OnWorker {
    fn index(&self) -> u16;
    fn recorder(&self) -> &Recorder;
    fn add(&self, tasklet: Tasklet) -> Result<TaskId, Refused>;
    fn safe_point(&self);
    fn collect(&self, bound: Duration, collect: Box<dyn FnOnce() + Send>) -> Result<(), CollectError>;
    fn is_closing(&self) -> bool;
    fn agenda(&self) -> AgendaHandle;
}

/// The worker that a tasklet runs on. It lives as long as the run.
pub struct AgendaWorker<'a> {
    thread: &'a dyn OnWorker,
    info: TaskletInfo,
}

impl<'a> AgendaWorker<'a> {
    pub(super) const fn new(thread: &'a dyn OnWorker, info: TaskletInfo) -> Self {
        Self { thread, info }
    }

    /// Its number, from 0.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.thread.index()
    }

    /// Metadata of the running tasklet.
    #[must_use]
    pub const fn info(&self) -> &TaskletInfo {
        &self.info
    }

    /// The worker's recorder.
    #[must_use]
    pub fn recorder(&self) -> &'a Recorder {
        self.thread.recorder()
    }

    /// Adds a tasklet to the worker's own queue: it runs here, or on an idle worker that steals it.
    ///
    /// # Errors
    ///
    /// [`Refused`] hands the tasklet back if the agenda was shut down.
    pub fn add(&self, tasklet: Tasklet) -> Result<TaskId, Refused> {
        self.thread.add(tasklet)
    }

    /// If a collection is waiting for the workers, takes part in it here. For long tasklets: hold nothing across
    /// this call that a collection may move or free.
    pub fn safe_point(&self) {
        self.thread.safe_point();
    }

    /// Like [`AgendaHandle::collect`]; this worker takes part at this point.
    ///
    /// # Errors
    ///
    /// [`CollectError`] if a worker does not arrive in time, another collection is under way, or the agenda was
    /// shut down.
    pub fn collect<R: Send + 'static>(
        &self,
        bound: Duration,
        collect: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, CollectError> {
        let (sender, returned) = mpsc::channel();
        let collect = Box::new(move || {
            // The tasklet is waiting for it.
            let _ = sender.send(collect());
        });
        self.thread.collect(bound, collect)?;
        returned.recv().map_err(|_| CollectError::Closed { agenda: self.agenda().name().to_owned() })
    }

    /// Whether the agenda is shutting down: a long tasklet may want to end early.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.thread.is_closing()
    }

    /// A handle on its agenda.
    #[must_use]
    pub fn agenda(&self) -> AgendaHandle {
        self.thread.agenda()
    }
}

impl fmt::Debug for AgendaWorker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgendaWorker")
            .field("index", &self.index())
            .field("about", &self.info)
            .finish_non_exhaustive()
    }
}
