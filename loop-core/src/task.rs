//! The task: a value of the application's own enum, dispatched by an exhaustive `match`.
//!
//! One trait serves all callbacks of the loop: tasks, timers, immediates, microtasks, signals, readiness, completed
//! work. So the hot path has no boxes and no indirect calls. Adding a kind of task takes a variant and an arm, and the
//! compiler points out both. Applications without their own enum use [`Builtin`].

mod any;
mod builtin;

pub use any::{Any, AnyRemote};
pub use builtin::{Builtin, BuiltinRemote};

use loop_probes::clock::Clock;

use crate::core::Core;
use crate::payload::Payload;
use crate::poller::Poller;
use crate::tag::TagOf;

/// A task that an [`EventLoop`](crate::EventLoop) runs.
///
/// # Examples
///
/// ```
/// use loop_core::{Context, EventLoop, Task, tags};
///
/// enum App {
///     Greet(String),
///     Heartbeat,
/// }
///
/// impl Task for App {
///     type Remote = Self;
///     tags! { Greet, Heartbeat }
///
///     fn run(self, cx: &mut Context<'_, Self>) {
///         match self {
///             Self::Greet(name) => assert_eq!(name, "world"),
///             Self::Heartbeat => cx.stop(),
///         }
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
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Task: Sized + 'static {
    /// The type that other threads and the work pool send to the loop, which converts it to a task. Use `Self` if the
    /// task is `Send`.
    type Remote: Into<Self> + Send + 'static;

    /// The names of the tags, indexed by [`TagOf::Own`]. [`tags!`](crate::tags!) writes this and [`tag`](Self::tag).
    const TAGS: &'static [&'static str];

    /// The task's tag: its kind, by which the inspector groups tasks.
    fn tag(&self) -> TagOf;

    /// Runs the task. A panic is caught, recorded and counted; report errors with [`Context::fail`].
    fn run(self, cx: &mut Context<'_, Self>);

    /// Returns a copy to run now, while `self` stays for the next time. Intervals, signals and readiness sources need it,
    /// since they run the same task repeatedly; they refuse a task that returns `None`, the default.
    fn again(&self) -> Option<Self> {
        None
    }

    /// Whether the loop must never run this task, for example because its tag is a placeholder or belongs to another
    /// queue. Registering such a task fails with
    /// [`RequestError::NeverDispatched`](crate::RequestError::NeverDispatched). A queued one fails when its turn comes, and
    /// the run ends with [`RunError::NeverDispatched`](crate::RunError::NeverDispatched).
    fn is_never_dispatched(&self) -> bool {
        false
    }
}

/// A running task's access to its loop.
pub struct Context<'a, T: Task> {
    pub(crate) core: &'a mut Core<T>,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) poller: &'a mut dyn Poller,
}

/// A callback of the deferred queue. Returning true keeps it for the next drain.
pub type DeferredCallback<T> = Box<dyn FnMut(&mut Context<'_, T>) -> bool>;

/// A callback with the loop's context, as requested by a future.
pub(crate) type ContextCall<T> = Box<dyn FnOnce(&mut Context<'_, T>)>;

impl<T: Task> Payload for T {
    type Remote = <T as Task>::Remote;
    type Deferred = DeferredCallback<T>;
    type Call = ContextCall<T>;

    const TAGS: &'static [&'static str] = <T as Task>::TAGS;

    #[inline]
    fn tag(&self) -> TagOf {
        Task::tag(self)
    }

    #[inline]
    fn again(&self) -> Option<Self> {
        Task::again(self)
    }
}
