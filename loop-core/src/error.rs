//! Errors of building a loop, of running it, and of requests to it.

use std::fmt;
use std::io;

use loop_probes::event::RefKind;
use loop_probes::ids::IoSource;

use crate::policy::PolicyError;
use crate::poller::PollerError;
use crate::signal::SignalError;
use crate::timer::TimerGone;
use crate::work_pool::threads::PoolError;

/// Why a loop cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The operating system provided no poller.
    #[error("cannot open a poller for the loop: close files, or raise the limit on open files")]
    OpenPoller(#[source] io::Error),
    /// The policy is contradictory or out of range.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The builder has a setting that only the other kind of loop supports.
    #[error(transparent)]
    WrongLoopKind(#[from] WrongLoopKind),
}

/// Why a run failed. After [`Wait`](Self::Wait) the loop cannot continue; after any other error, another run can.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Waiting for readiness failed.
    #[error("cannot wait for readiness in tick {tick}: the loop cannot continue, build another")]
    Wait {
        /// Number of the tick that waited.
        tick: u64,
        /// The system's error.
        source: io::Error,
    },
    /// A source or a future with [`OnError::Stop`](crate::OnError::Stop) failed.
    #[error("{what} {name} failed and is essential (`OnError::Stop`): {message}")]
    Failed {
        /// Whether a source or a future failed.
        what: RefKind,
        /// Name of the source or future.
        name: String,
        /// The error's message.
        message: String,
    },
    /// A callback panicked, and the policy ends the loop on panics.
    #[error("task {tag} panicked, which ends the run (`PanicRule::Stop`): {message}")]
    Panicked {
        /// The task's tag.
        tag: String,
        /// The panic's message.
        message: String,
    },
    /// A task with a tag that must never be dispatched was queued. It was not run.
    #[error("task {tag} was queued, but its `Task::is_never_dispatched` forbids running it: queue another")]
    NeverDispatched {
        /// The task's tag.
        tag: String,
    },
}

/// Why the loop refused a request to register, change or remove something, or to take work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A source of readiness could not be registered, changed or removed.
    #[error(transparent)]
    Poller(#[from] PollerError),
    /// The policy's limit on sources is reached.
    #[error(
        "the loop has {limit} sources already, the limit of its policy, and cannot take {name}: raise \
         `Policy::sources_max`"
    )]
    TooManySources {
        /// The limit.
        limit: u32,
        /// Name or tag of the refused source.
        name: String,
    },
    /// The source is not registered.
    #[error("source {0} is not registered: it was removed, or belongs to another loop")]
    SourceGone(IoSource),
    /// The timer is not armed.
    #[error(transparent)]
    TimerGone(#[from] TimerGone),
    /// A signal cannot be caught.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The work pool could not start.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The work pool takes no more jobs.
    #[error("the work pool takes no more jobs: it was shut down")]
    PoolClosed,
    /// A task that runs only once was given to an interval, a signal or a source, which run it repeatedly.
    #[error(
        "task {tag} runs only once, but a {what} runs its task repeatedly: return a copy from `Task::again`"
    )]
    RunsOnce {
        /// The task's tag.
        tag: String,
        /// What would run the task: an interval, a signal or a source.
        what: RefKind,
    },
    /// A task with a tag that must never be dispatched cannot be registered.
    #[error("task {tag} must never run (`Task::is_never_dispatched`): register another")]
    NeverDispatched {
        /// The task's tag.
        tag: String,
    },
    /// The loop is shutting down and takes no new work.
    #[error("the loop is shutting down and takes no new {what}: check `is_shutting_down` first")]
    ShuttingDown {
        /// The refused kind of work.
        what: RefKind,
    },
}

/// The kind of loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoopKind {
    /// An [`EventLoop`](crate::EventLoop), with a host.
    EventLoop,
    /// A [`MiniEventLoop`](crate::MiniEventLoop), without one.
    Mini,
}

impl LoopKind {
    const fn builder(self) -> &'static str {
        match self {
            Self::EventLoop => "Builder::build",
            Self::Mini => "Builder::build_mini",
        }
    }
}

impl fmt::Display for LoopKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EventLoop => "event loop",
            Self::Mini => "mini event loop",
        })
    }
}

/// The operation needs the other kind of loop, and had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this {got} does not support {what}: build the loop with `{}`", needs.builder())]
#[non_exhaustive]
pub struct WrongLoopKind {
    /// The requested operation.
    pub what: &'static str,
    /// The kind of loop that supports it.
    pub needs: LoopKind,
    /// The kind of loop on which it was requested.
    pub got: LoopKind,
}
