//! The handle: access to a loop from other threads.
//!
//! All posts use one queue and one [wake-up](crate::wake_up): a loop that is awake is not woken, and a waiting loop is
//! woken once for any number of posts.
//!
//! An item sent with [`Handle::post`] runs once and is then freed. A [`Kept`] post belongs to its owner, who can post it
//! any number of times. Posting it allocates nothing, even while the queue's rings are full, because it contains a link
//! for the overflow list. The design comes from Bun, whose concurrent tasks are freed after they run if marked
//! `auto_delete`, and otherwise belong to their owner.

mod local;

use std::fmt;
use std::sync::Arc;

use loop_probes::ids::SourceId;

pub use crate::inbound::KeptPost;
use crate::inbound::{self, Inbound, LoopShared, Make, Node};
#[cfg(feature = "agenda")]
use crate::keep_alive::tasklets::AgendaKeepAlive;
use crate::queue::concurrent::Closed;
use crate::shutdown::Shutdown;
use crate::task::Task;
pub use local::LocalHandle;

/// Access to a loop from any thread. Cheap to clone; does not keep the loop alive.
pub struct Handle<T: Task> {
    shared: Arc<LoopShared<T::Remote>>,
    source: Option<SourceId>,
}

impl<T: Task> Handle<T> {
    pub(crate) const fn new(shared: Arc<LoopShared<T::Remote>>) -> Self {
        Self { shared, source: None }
    }

    /// Attributes this handle's posts to an emitter with its own ring. Tasklets of an agenda do not need this, since their
    /// posts are attributed to their worker.
    #[must_use]
    pub fn posting_as(mut self, source: SourceId) -> Self {
        self.source = Some(source);
        self
    }

    /// Sends a task to the loop, and wakes the loop if it waits. Posts of one thread run in order.
    ///
    /// # Errors
    ///
    /// [`Closed`] hands the task back if the loop has ended or is shutting down.
    pub fn post(&self, remote: T::Remote) -> Result<(), Closed<T::Remote>> {
        if self.shared.refuses_posts() {
            return Err(Closed(remote));
        }
        match self.shared.push(Inbound::Post(remote), self.poster()) {
            Err(Closed(Inbound::Post(remote))) => Err(Closed(remote)),
            // A refused item is the one that was pushed, so these variants are never handed back.
            Ok(()) | Err(Closed(Inbound::Kept(_) | Inbound::Work(_))) => Ok(()),
        }
    }

    /// The emitter of a post: the one set by [`posting_as`](Self::posting_as), or else the agenda worker of this thread.
    fn poster(&self) -> Option<SourceId> {
        self.source.or_else(inbound::emitter)
    }

    /// Creates a reusable post. Each time it is [posted](Kept::post), the loop calls `make` on its thread and runs the
    /// result.
    #[must_use]
    pub fn keep(&self, make: impl Fn() -> T::Remote + Send + Sync + 'static) -> Kept<T> {
        let make: Make<T::Remote> = Box::new(make);
        Kept { node: Node::new(make), handle: self.clone() }
    }

    /// Ends the loop's current or next wait.
    pub fn wake(&self) {
        self.shared.wake();
    }

    /// Ends the loop's run after the current turn.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Shuts the loop down. Among several requests the nearest deadline counts.
    pub fn shutdown(&self, shutdown: Shutdown) {
        self.shared.ask_to_shut_down(shutdown.deadline);
        self.shared.wake();
    }

    /// Keeps the loop alive until the matching [`release`](Self::release). Takes effect at the start of the next tick.
    pub fn hold(&self) {
        self.shared.hold(1);
    }

    /// Releases one [`hold`](Self::hold), possibly of another thread.
    pub fn release(&self) {
        self.shared.hold(-1);
    }

    /// The counter of tasklets that the loop shares with its agendas.
    #[cfg(feature = "agenda")]
    pub(crate) fn agenda_keep(&self) -> Arc<AgendaKeepAlive> {
        Arc::clone(&self.shared.agenda)
    }

    /// Whether the loop refuses posts, because it has ended or is shutting down.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.refuses_posts() || self.shared.queue.is_closed()
    }
}

impl<T: Task> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), source: self.source }
    }
}

impl<T: Task> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("source", &self.source)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// A reusable post made by [`Handle::keep`], for example a flush or a refresh that many threads request and that runs once
/// for all requests made before it runs.
///
/// Clones are the same post. Posting allocates nothing and never blocks. The loop takes posts at the start of a tick; a
/// post that was taken can be posted again. Dropping the last owner does not cancel a queued post: it runs and is then
/// freed.
///
/// # Examples
///
/// ```
/// use loop_core::{Builtin, EventLoop, KeptPost};
///
/// let mut event_loop = EventLoop::<Builtin>::new()?;
/// let refresh = event_loop.handle().keep(|| Builtin::remote("refresh", |_| ()));
/// assert_eq!(refresh.post()?, KeptPost::Queued);
/// assert_eq!(refresh.post()?, KeptPost::AlreadyQueued);
/// event_loop.run()?;
/// assert_eq!(event_loop.metrics().tasks_run, 1);
/// assert_eq!(refresh.post()?, KeptPost::Queued);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Kept<T: Task> {
    node: Arc<Node<T::Remote>>,
    handle: Handle<T>,
}

impl<T: Task> Kept<T> {
    /// Queues the post on the loop, unless it is already queued.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the loop has ended or is shutting down.
    pub fn post(&self) -> Result<KeptPost, Closed<()>> {
        self.handle.shared.push_kept(&self.node, self.handle.poster())
    }

    /// Whether the post is queued and not taken by the loop yet.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.node.is_queued()
    }
}

impl<T: Task> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { node: Arc::clone(&self.node), handle: self.handle.clone() }
    }
}

impl<T: Task> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("is_queued", &self.is_queued()).finish_non_exhaustive()
    }
}
