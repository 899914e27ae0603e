//! The tasklet, a piece of work for the agenda's workers, and the worker as seen by a running tasklet.

use std::fmt;
use std::sync::{Mutex, PoisonError};

pub use loop_probes::event::Priority;
use loop_probes::ids::TaskId;
use loop_probes::recorder::Recorder;

use super::outcome::{Next, TaskletError, TaskletFailure, TaskletInfo, TaskletResult};
use super::shared::QueuedTasklet;
use super::worker_thread::WorkerThread;
use crate::handle::Handle;
use crate::tag::tag_of_label;
use crate::task::Task;

/// The work of a tasklet, and the observer of its failure.
pub(super) struct TaskletWork {
    pub(super) body: TaskletBody,
    pub(super) observer: Option<FailureObserver>,
}

pub(super) enum TaskletBody {
    Once(RunOnce),
    Repeat(RunAgain),
}

type RunOnce = Box<dyn FnOnce(&AgendaWorker<'_>) -> Result<(), TaskletError> + Send>;
type RunAgain = Box<dyn FnMut(&AgendaWorker<'_>) -> Result<Next, TaskletError> + Send>;

/// Reports a failure. Returns false if nothing received it.
pub(super) type FailureObserver = Box<dyn FnOnce(TaskletFailure) -> bool + Send>;

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
#[must_use = "a tasklet does not run until it is added to an agenda"]
pub struct Tasklet {
    pub(super) queued: QueuedTasklet<TaskletWork>,
}

impl Tasklet {
    /// A tasklet that runs once. The label becomes its tag, by which the inspector groups tasklets.
    pub fn once<R: TaskletResult<()>>(
        label: &'static str,
        run: impl FnOnce(&AgendaWorker<'_>) -> R + Send + 'static,
    ) -> Self {
        Self::new(label, TaskletBody::Once(Box::new(|worker| run(worker).into_result())))
    }

    /// A tasklet that runs again each time its closure returns [`Next::Again`].
    pub fn repeat<R: TaskletResult<Next>>(
        label: &'static str,
        mut run: impl FnMut(&AgendaWorker<'_>) -> R + Send + 'static,
    ) -> Self {
        Self::new(label, TaskletBody::Repeat(Box::new(move |worker| run(worker).into_result())))
    }

    fn new(label: &'static str, body: TaskletBody) -> Self {
        let work = TaskletWork { body, observer: None };
        Self { queued: QueuedTasklet { info: TaskletInfo::new(label), tag: tag_of_label(label), work } }
    }

    /// Sets the priority; [`Priority::Normal`] by default.
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.queued.info.priority = priority;
        self
    }

    /// Makes the loop behind `handle` the owner: if the tasklet fails, that loop runs the task that `make` returns. Without
    /// an owner, or after its loop has ended, a failure is only recorded and counted.
    pub fn owner<T: Task>(
        self,
        handle: &Handle<T>,
        make: impl FnOnce(TaskletFailure) -> T::Remote + Send + 'static,
    ) -> Self {
        let handle = handle.clone();
        self.on_failure(move |failure| handle.post(make(failure)).is_ok())
    }

    /// Calls `observer` if the tasklet fails, on the worker that ran it. `observer` returns false if it could not report
    /// the failure, which is then counted as unreported.
    pub fn on_failure(mut self, observer: impl FnOnce(TaskletFailure) -> bool + Send + 'static) -> Self {
        self.queued.work.observer = Some(Box::new(observer));
        self
    }

    /// The tasklet's label.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        self.queued.info.label
    }
}

impl fmt::Debug for Tasklet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasklet")
            .field("label", &self.label())
            .field("priority", &self.queued.info.priority)
            .finish_non_exhaustive()
    }
}

/// The agenda was shut down and refused the tasklet, which this error hands back.
#[derive(Debug, thiserror::Error)]
#[error("the agenda takes no more tasklets: it was shut down before {label} was added")]
pub struct Refused {
    label: &'static str,
    /// In a mutex only to make the error `Sync`, which a tasklet is not.
    tasklet: Mutex<Tasklet>,
}

impl Refused {
    pub(super) const fn new(queued: QueuedTasklet<TaskletWork>) -> Self {
        Self { label: queued.info.label, tasklet: Mutex::new(Tasklet { queued }) }
    }

    /// Returns the refused tasklet.
    pub fn into_tasklet(self) -> Tasklet {
        self.tasklet.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The worker that runs a tasklet, passed to the tasklet's closure.
pub struct AgendaWorker<'a> {
    pub(super) thread: &'a WorkerThread<TaskletWork>,
    info: TaskletInfo,
}

impl<'a> AgendaWorker<'a> {
    pub(super) const fn new(thread: &'a WorkerThread<TaskletWork>, info: TaskletInfo) -> Self {
        Self { thread, info }
    }

    /// The worker's number, from 0.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.thread.index
    }

    /// Metadata of the running tasklet.
    #[must_use]
    pub const fn info(&self) -> &TaskletInfo {
        &self.info
    }

    /// The worker's recorder.
    #[must_use]
    pub fn recorder(&self) -> &'a Recorder {
        self.thread.recorder.recorder()
    }

    /// Adds a tasklet to this worker's queue. It runs on this worker, or on an idle one that steals it.
    ///
    /// # Errors
    ///
    /// [`Refused`] hands the tasklet back if the agenda was shut down.
    pub fn add(&self, tasklet: Tasklet) -> Result<TaskId, Refused> {
        self.thread.add(tasklet.queued).map_err(Refused::new)
    }

    /// Takes part in a collection if one is requested. Call this regularly in long tasklets, and hold nothing across the
    /// call that a collection may move or free.
    pub fn safe_point(&self) {
        self.thread.safe_point();
    }

    /// Whether the agenda is shutting down, so that a long tasklet can end early.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.thread.shared.is_closed()
    }
}

impl fmt::Debug for AgendaWorker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgendaWorker")
            .field("index", &self.index())
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}
