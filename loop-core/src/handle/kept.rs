//! A post that its owner keeps.
//!
//! What [`Handle::post`] sends goes with its task: it runs once, and its storage is free after that. A [`Kept`] stays
//! its owner's: it is made once and posted any number of times, and posting it allocates nothing, not even while
//! the queue's rings are full, because it has a place in the overflow with it. The design comes from Bun, whose
//! concurrent tasks are freed after they ran when they are marked `auto_delete`, and are their owner's otherwise.
#![expect(unsafe_code, reason = "a kept node is its own link in the queue's overflow")]

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use loop_probes::ids::SourceId;

use super::{Handle, Inbound, Shared};
use crate::queue::concurrent::{Closed, Link, Posted};
use crate::sync::{AtomicBool, Ordering};
use crate::task::Task;

/// What is posted: the queue and the owners share it, and the last of them frees it.
pub(crate) struct Node<R> {
    /// From the post until the loop took it. Who sets it may use the link.
    is_queued: AtomicBool,
    make: Make<R>,
    link: Link<Inbound<R>>,
}

type Make<R> = Box<dyn Fn() -> R + Send + Sync>;

impl<R> Node<R> {
    pub(crate) fn new(make: Make<R>) -> Arc<Self> {
        Arc::new(Self { is_queued: AtomicBool::new(false), make, link: Link::kept() })
    }

    /// The loop took it: from now on it can be posted again.
    pub(crate) fn is_taken(&self) {
        // Acquire: what a post stored before it found the node queued is seen by the run that it counts on.
        // Release: the link is out of the overflow before somebody uses it again.
        self.is_queued.swap(false, Ordering::AcqRel);
    }

    /// The loop took it, and runs what it makes.
    pub(crate) fn taken(&self) -> R {
        self.is_taken();
        (self.make)()
    }
}

impl<R> Shared<R> {
    pub(crate) fn push_kept(
        &self,
        node: &Arc<Node<R>>,
        from: Option<SourceId>,
    ) -> Result<KeptPost, Closed<()>> {
        if self.refusing.load(Ordering::Acquire) {
            return Err(Closed(()));
        }
        if node.is_queued.swap(true, Ordering::AcqRel) {
            return Ok(KeptPost::AlreadyQueued);
        }
        let posted = Posted { item: Inbound::Kept(Arc::clone(node)), poster: from, queued: self.ticks() };
        // SAFETY: this call set the mark, so nobody else uses the link, and nothing is in it: it is cleared only
        // after the item was taken. The item keeps the node alive, and with it the link.
        let pushed = unsafe { self.queue.push_kept(posted, NonNull::from(&node.link)) };
        if pushed.is_err() {
            node.is_queued.store(false, Ordering::Release);
            return Err(Closed(()));
        }
        self.wake_up.wake();
        Ok(KeptPost::Queued)
    }
}

/// What came of posting a [`Kept`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptPost {
    /// The loop will run it.
    Queued,
    /// An earlier post has not been taken by the loop yet: that one runs it, and sees all that was done before
    /// this call.
    AlreadyQueued,
}

/// A post that its owner keeps, made by [`Handle::keep`]: a flush, a refresh, a "look again" that many threads ask
/// for and that runs once for all who asked meanwhile.
///
/// Clones are the same post. Posting allocates nothing and never blocks. The loop takes what is posted at the
/// start of a tick; a post after that runs it again. Dropping the last owner while it is queued takes nothing
/// back: it runs, then it is freed.
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

    /// Has the loop run it, unless it is queued already.
    ///
    /// # Errors
    ///
    /// [`Closed`] where the loop has ended, or shuts down; there is nothing to hand back.
    pub fn post(&self) -> Result<KeptPost, Closed<()>> {
        self.handle.shared.push_kept(&self.node, self.handle.poster())
    }

    /// Whether a post waits for the loop to take it.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.node.is_queued.load(Ordering::Relaxed)
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
