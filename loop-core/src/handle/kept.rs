//! Reusable posts, kept by their owner.
//!
//! An item sent with [`Handle::post`] belongs to its task: it runs once, and its storage is freed after that. A
//! [`Kept`] belongs to its owner: it is made once and posted any number of times, and posting it allocates nothing,
//! even while the queue's rings are full, because it carries its own link for the overflow list. The design comes
//! from Bun, whose concurrent tasks are freed after they run if marked `auto_delete`, and otherwise belong to their
//! owner.

use std::fmt;
use std::sync::Arc;

use super::Handle;
use crate::inbound::{KeptPost, Make, Node};
use crate::queue::concurrent::Closed;
use crate::task::Task;

/// A reusable post made by [`Handle::keep`]: a flush, a refresh, a "look again" that many threads request and that
/// runs once for all requests made before it runs.
///
/// Clones are the same post. Posting allocates nothing and never blocks. The loop takes posts at the start of a tick;
/// posting again after that runs it again. Dropping the last owner while it is queued does not cancel it: it runs,
/// then it is freed.
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
    pub(super) fn new(handle: Handle<T>, make: Make<T::Remote>) -> Self {
        Self { node: Node::new(make), handle }
    }

    /// Makes the loop run it, unless it is already queued.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the loop has ended or is shutting down; there is nothing to hand back.
    pub fn post(&self) -> Result<KeptPost, Closed<()>> {
        self.handle.shared.push_kept(&self.node, self.handle.poster())
    }

    /// Whether it is queued and not taken by the loop yet.
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
