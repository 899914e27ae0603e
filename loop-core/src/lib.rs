//! An instrumented event loop: one pure scheduler, policies as data, every tick recorded.
//!
//! An [`EventLoop`] runs the application's own [`Task`] enum on one thread: queued tasks, microtasks, deferred
//! callbacks, immediates, timers, signals, readiness of sources, work from a pool. It records each step in a
//! [`loop_probes::recorder::Recorder`], together with everything needed to re-execute it later.
//!
//! ```text
//!  tick()       references of other threads ─▶ signals ─▶ GC timers ─▶ concurrent posts ─▶ GC check
//!               ─▶ ┌ task ─▶ microtasks ─▶ deferred ┐ until the queue is empty, or 10,000 ran
//!                  └────────────◀───────────────────┘ ─▶ last drain
//!  auto_tick()  immediates ─▶ GC check ─▶ POLL ─▶ readiness callbacks ─▶ due timers ─▶ after-loop callbacks
//! ```
//!
//! After every callback of any kind, the microtasks run to completion, then the deferred queue is drained, then the next
//! callback runs. A panic in a callback is caught, recorded and counted, and the loop continues.
//!
//! # Features
//!
//! Both are off by default.
//!
//! | feature | content |
//! |---|---|
//! | `agenda` | the modules `agenda` and `self_pipe`: tasklets on worker threads, commands through a pipe |
//! | `glib` | `run_loop::GlibLoop`: GLib's main context as a foreign loop |
//!
//! # Files
//!
//! | file | content |
//! |---|---|
//! | `event_loop.rs`, `event_loop/` | the loop: the only code that calls a clock or a poller |
//! | `scheduler.rs`, `scheduler/` | the queues and the next step, pure: time comes in, decisions go out |
//! | `core.rs` | the state of a loop that its running tasks can change |
//! | `task.rs`, `task/` | the task trait, the context of a running task, boxed tasks |
//! | `context.rs`, `context/` | the operations of a running task on its loop |
//! | `payload.rs`, `body.rs`, `tag.rs` | a task as the queues see it, other work in the queues, tags |
//! | `policy.rs`, `policy/` | the differences between loop designs as data, including the order of a turn |
//! | `queue/`, `timer.rs`, `keep_alive.rs` | waiting work |
//! | `mini.rs`, `any.rs`, `any/`, `environment.rs` | the loop without a host, code for either loop, the environment of tools |
//! | `run_loop.rs`, `run_loop/` | foreign loops pumped by ours, and ours run by GLib's |
//! | `handle.rs`, `handle/` | access from other threads, and from futures |
//! | `inbound.rs`, `wake_up.rs` | state that other threads share with a loop |
//! | `future.rs`, `future/` | futures: spawned, polled as tasks, woken from any thread |
//! | `options.rs`, `failure.rs`, `shutdown.rs` | options of sources and futures, errors, shutdown |
//! | `signal.rs`, `poller.rs`, `work_pool.rs` | signals, readiness and threads: traits, and implementations on the system |
//! | `agenda.rs`, `agenda/`, `agenda_loop.rs`, `self_pipe.rs` | RefPerSys' kind of loop: tasklets on workers, commands through a pipe |
//! | `host.rs`, `gc.rs` | the owner of heap and microtasks, and the decision when to collect |
//! | `replay.rs`, `replay/` | the state of a recorded loop, and its inputs |
//! | `oracle.rs`, `oracle/` | the environment of virtual and re-executed loops |
//! | `sim.rs`, `sim/` | a virtual world, controlled by a script |
//!
//! # Errors and panics
//!
//! Building a loop returns a [`BuildError`], running it a [`RunError`], and requests that depend on the system or on
//! an id a [`RequestError`]. Panics of callbacks do not leave the loop. The loop itself panics only under
//! [`policy::Validation::Panic`].

#[cfg(feature = "agenda")]
pub mod agenda;
#[cfg(feature = "agenda")]
mod agenda_loop;
mod any;
mod body;
mod context;
mod core;
pub mod environment;
mod error;
mod event_loop;
mod failure;
pub mod future;
pub mod gc;
mod handle;
mod host;
mod inbound;
mod keep_alive;
mod mini;
mod options;
mod oracle;
mod payload;
pub mod policy;
pub mod poller;
mod queue;
mod replay;
pub mod run_loop;
mod scheduler;
#[cfg(feature = "agenda")]
pub mod self_pipe;
pub mod shutdown;
pub mod signal;
pub mod sim;
pub mod tag;
pub mod task;
mod timer;
pub mod work_pool;

mod sync;
mod wake_up;

/// The book's Rust examples for this crate, compiled and run.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../docs/src/writing-a-loop.md")]
    struct WritingALoop;
}

pub use any::{AnyEventLoop, EventLoopHandle};
pub use core::IoReadiness;
pub use environment::Environment;
pub use error::{BuildError, LoopKind, RequestError, RunError, WrongLoopKind};
pub use event_loop::{Builder, EventLoop, Metrics};
pub use failure::{Failure, OnError};
pub use future::JoinHandle;
pub use handle::{Handle, Kept, KeptPost, LocalHandle};
pub use host::{HeapHost, Host, NativeHost};
pub use keep_alive::Pending;
pub use mini::MiniEventLoop;
pub use options::Options;
pub use policy::Policy;
pub use queue::concurrent::Closed;
pub use queue::deferred::DeferKey;
pub use run_loop::RunLoop;
pub use scheduler::TimerHandle;
pub use shutdown::{OnShutdown, Shutdown, ShutdownReport};
pub use tag::TagOf;
pub use task::{Any, AnyRemote, Builtin, BuiltinRemote, Context, Task};
pub use timer::Timer;

pub use loop_probes as probes;
pub use loop_probes::event::StopReason;
pub use loop_probes::ids;
pub use loop_probes::session::{Session, SessionError};

/// The parts of a loop on their own, for re-executing a recording and for tests. A new minor version may change them.
pub mod low_level {
    pub use crate::event_loop::LowLevel;

    /// The environment of virtual and re-executed loops: clock, poller, signals, pool and heap ask an oracle.
    pub mod oracle {
        pub use crate::oracle::*;
    }

    /// The queues of a loop.
    pub mod queue {
        pub use crate::queue::*;
    }

    /// The state of a recorded loop, and its inputs.
    pub mod replay {
        pub use crate::replay::*;
    }

    /// The queues and the next step of a loop, without a clock or a poller.
    pub mod scheduler {
        pub use crate::scheduler::*;
    }

    /// The timers of a loop.
    pub mod timer {
        pub use crate::timer::*;
    }
}

/// The most common items: `use loop_core::prelude::*;`.
pub mod prelude {
    pub use crate::poller::Interest;
    pub use crate::{
        Any, BuildError, Builtin, Context, EventLoop, Handle, LocalHandle, OnError, OnShutdown, Options,
        Policy, RequestError, RunError, Session, Shutdown, StopReason, TagOf, Task, Timer, tags,
    };
}
