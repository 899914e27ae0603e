//! Errors of a loop: of building it, of running it, and of requests to it.

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
    /// The builder has what only the other kind of loop supports.
    #[error(transparent)]
    WrongLoopKind(#[from] WrongLoopKind),
}

/// Why a run ended early. After [`Wait`](Self::Wait) the loop cannot continue; after any other, the next run does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Waiting for readiness failed.
    #[error("cannot wait for readiness in tick {tick}: the loop cannot continue, build another")]
    Wait {
        /// The tick in which it waited.
        tick: u64,
        /// The system's error.
        source: io::Error,
    },
    /// A source or a future failed whose owner declared it essential for the loop.
    #[error("{what} {name} failed and is essential (`OnError::Stop`): {message}")]
    Failed {
        /// The kind of object.
        what: RefKind,
        /// Its name.
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

/// Why the loop refused a request: to register, change or remove something, or to take work.
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
        /// The source that was refused: its name, or its tag.
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
    /// The work pool takes no more jobs.
    #[error("the work pool takes no more jobs: it was shut down")]
    PoolClosed,
    /// A task that runs only once was given to something that runs it repeatedly.
    #[error(
        "task {tag} runs only once, but a {what} runs its task repeatedly: return a copy from `Task::again`"
    )]
    RunsOnce {
        /// The task's tag.
        tag: String,
        /// The kind of object it was given to.
        what: RefKind,
    },
    /// A task with a tag that must never be dispatched cannot be registered.
    #[error("task {tag} must never run, says its `Task::is_never_dispatched`: register another")]
    NeverDispatched {
        /// The task's tag.
        tag: String,
    },
    /// The loop is shutting down and takes nothing new.
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

/// This operation needs the other kind of loop. Nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this {got} does not support {what}: build the loop with `{}`", needs.builder())]
#[non_exhaustive]
pub struct WrongLoopKind {
    /// The requested operation.
    pub what: &'static str,
    /// The kind of loop that supports it.
    pub needs: LoopKind,
    /// The kind of loop it was called on.
    pub got: LoopKind,
}
