//! The task: the application's own enum, a tag and a payload, dispatched by an exhaustive `match`.
//!
//! One trait serves everything that the loop calls back: tasks, timers, immediates, microtasks, signals,
//! readiness, work that comes back. So nothing on the hot path is boxed or called through a table, adding a
//! kind is a variant and an arm, and the compiler points at the rest. Who has no enum of their own uses
//! [`Builtin`].

mod any;
pub(crate) mod body;
mod builtin;
pub mod tag;

pub use any::{Any, AnyRemote};
pub use builtin::{Builtin, BuiltinRemote};

use crate::context::Context;
pub use tag::TagOf;

/// What an [`EventLoop`](crate::EventLoop) runs.
///
/// # Examples
///
/// ```
/// use loop_core::{Context, EventLoop, Task, TagOf};
///
/// enum App {
///     Greet(String),
///     Heartbeat,
/// }
///
/// impl Task for App {
///     type Remote = Self;
///     const TAGS: &'static [&'static str] = &["Greet", "Heartbeat"];
///
///     fn tag(&self) -> TagOf {
///         match self {
///             Self::Greet(_) => TagOf::Own(0),
///             Self::Heartbeat => TagOf::Own(1),
///         }
///     }
///
///     fn run(self, cx: &mut Context<'_, Self>) {
///         match self {
///             Self::Greet(name) => assert_eq!(name, "world"),
///             Self::Heartbeat => cx.stop(),
///         }
///     }
///
///     fn from_remote(remote: Self) -> Self {
///         remote
///     }
///
///     fn again(&self) -> Option<Self> {
///         match self {
///             Self::Greet(_) => None,
///             Self::Heartbeat => Some(Self::Heartbeat),
///         }
///     }
/// }
///
/// let mut event_loop = EventLoop::<App>::new()?;
/// event_loop.with(|cx| cx.post(App::Greet("world".into())));
/// event_loop.run()?;
/// # Ok::<(), loop_core::LoopError>(())
/// ```
pub trait Task: Sized + 'static {
    /// What other threads and the work pool may send to the loop; `Self` where that is `Send`.
    type Remote: Send + 'static;

    /// The names of the tags: [`TagOf::Own`] is an index into it.
    const TAGS: &'static [&'static str];

    /// What kind of task this is.
    fn tag(&self) -> TagOf;

    /// Does it. A panic is caught, recorded and counted; an error goes to [`Context::fail`].
    fn run(self, cx: &mut Context<'_, Self>);

    /// The task for what another thread or a worker sent.
    fn from_remote(remote: Self::Remote) -> Self;

    /// A copy that runs now, while `self` stays for the next time: intervals, signals and sources of readiness
    /// run the same task again and again. `None`, the default, is "runs once", and such a task is refused there.
    fn again(&self) -> Option<Self> {
        None
    }

    /// Whether its tag must never be dispatched: one that only marks a place, or that belongs to another queue.
    /// Such a task is never run. Where it is registered, that is refused with [`LoopError::NeverDispatched`]; where
    /// it was queued all the same, it fails when its turn comes, and the run ends with that error.
    ///
    /// [`LoopError::NeverDispatched`]: crate::LoopError::NeverDispatched
    fn is_never_dispatched(&self) -> bool {
        false
    }
}
