//! What can go wrong with a loop.

use std::io;

use loop_probes::event::RefKind;
use loop_probes::ids::IoSource;

use crate::any::OnlyOn;
use crate::policy::PolicyError;
use crate::poller::PollerError;
use crate::scheduler::TimerGone;
use crate::signal::SignalError;
use crate::work_pool::threads::PoolError;

/// What can go wrong with a loop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoopError {
    /// The operating system has no poller for us.
    #[error("cannot open the poller of the loop")]
    OpenPoller(#[source] io::Error),
    /// No loop could live by its policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Waiting for readiness failed; the loop cannot go on.
    #[error("cannot wait for readiness in tick {tick}")]
    Wait {
        /// The tick in which it waited.
        tick: u64,
        /// The system's word.
        source: io::Error,
    },
    /// A source of readiness could not be registered, changed or removed.
    #[error(transparent)]
    Poller(#[from] PollerError),
    /// The policy allows no more sources at a time.
    #[error(
        "the loop has {limit} sources already, the limit of its policy, and cannot take {name}: raise \
         `Policy::sources_max`"
    )]
    TooManySources {
        /// The limit.
        limit: u32,
        /// The one too many: its explanation, or its tag.
        name: String,
    },
    /// There is no such source.
    #[error("source {0} is not registered: it was removed, or belongs to another loop")]
    SourceGone(IoSource),
    /// There is no such timer.
    #[error(transparent)]
    TimerGone(#[from] TimerGone),
    /// A signal cannot be caught.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The work pool could not start.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The work pool takes nothing more.
    #[error("the work pool takes no more jobs: it was shut down")]
    PoolClosed,
    /// The other kind of loop can do that.
    #[error(transparent)]
    OnlyOn(#[from] OnlyOn),
    /// A task that runs only once was given to something that runs it again and again.
    #[error("task {tag} runs only once, a {what} runs its task again and again: let `Task::again` copy it")]
    RunsOnce {
        /// The task's tag.
        tag: String,
        /// What it was given to.
        what: RefKind,
    },
    /// A task was registered or queued whose tag must never be dispatched. It was not run.
    #[error("task {tag} must never be dispatched, so says its `Task::is_never_dispatched`: queue another")]
    NeverDispatched {
        /// The task's tag.
        tag: String,
    },
    /// The loop shuts down, and takes nothing new.
    #[error("the loop is shutting down and takes no new {what}: ask `is_shutting_down` first")]
    ShuttingDown {
        /// What it was to take.
        what: RefKind,
    },
    /// A source or a future failed whose owner said that the loop cannot do without it.
    #[error("{what} {name} failed: {message}")]
    Failed {
        /// What it is.
        what: RefKind,
        /// Its name.
        name: String,
        /// What the error said.
        message: String,
    },
    /// A callback panicked, and the policy says that this ends the loop.
    #[error("task {tag} panicked: {message}")]
    Panicked {
        /// The task's tag.
        tag: String,
        /// What it said.
        message: String,
    },
}
