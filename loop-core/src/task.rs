//! The task: the application's own enum, a tag and a payload, dispatched by an exhaustive `match`.
//!
//! One trait serves everything that the loop calls back: tasks, timers, immediates, microtasks, signals, readiness,
//! completed work. So nothing on the hot path is boxed or called through a table; adding a kind takes a variant and
//! an arm, and the compiler points out the rest. Applications without an enum of their own use [`Builtin`].

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
    /// The type that other threads and the work pool send to the loop, which makes a task of it; `Self` if that is
    /// `Send`.
    type Remote: Into<Self> + Send + 'static;

    /// The names of the tags, indexed by [`TagOf::Own`]. [`tags!`](crate::tags!) writes this and [`tag`](Self::tag).
    const TAGS: &'static [&'static str];

    /// The task's tag, which says what kind it is.
    fn tag(&self) -> TagOf;

    /// Runs the task. A panic is caught, recorded and counted; report errors with [`Context::fail`].
    fn run(self, cx: &mut Context<'_, Self>);

    /// A copy to run now, while `self` stays for the next time: intervals, signals and readiness sources run the
    /// same task repeatedly. `None`, the default, means that it runs only once, and such a task is refused there.
    fn again(&self) -> Option<Self> {
        None
    }

    /// Whether its tag must never be dispatched: one that only marks a place, or that belongs to another queue.
    /// Such a task is never run. Registering it is refused with
    /// [`RequestError::NeverDispatched`](crate::RequestError::NeverDispatched). If it was queued, it fails when its turn
    /// comes, and the run ends with [`RunError::NeverDispatched`](crate::RunError::NeverDispatched).
    fn is_never_dispatched(&self) -> bool {
        false
    }
}

/// A running task's access to its loop. It lives as long as the call it was passed to.
pub struct Context<'a, T: Task> {
    pub(crate) core: &'a mut Core<T>,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) poller: &'a mut dyn Poller,
}

/// A callback of the deferred queue: true keeps it for the next drain.
pub type DeferredCallback<T> = Box<dyn FnMut(&mut Context<'_, T>) -> bool>;

/// A call with the whole context, as a future can ask for it.
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
