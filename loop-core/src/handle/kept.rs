//! Reusable posts, kept by their owner.
//!
//! An item sent with [`Handle::post`] belongs to its task: it runs once, and its storage is freed after that. A
//! [`Kept`] belongs to its owner: it is made once and posted any number of times, and posting it allocates nothing,
//! even while the queue's rings are full, because it carries its own link for the overflow list. The design comes
//! from Bun, whose concurrent tasks are freed after they run if marked `auto_delete`, and otherwise belong to their
//! owner.
#![expect(unsafe_code, reason = "a kept node is its own link in the queue's overflow")]

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use loop_probes::ids::SourceId;

use super::{Handle, Inbound, Shared};
use crate::queue::concurrent::{Closed, Link, Posted};
use crate::sync::{AtomicBool, Ordering};
use crate::task::Task;

/// The posted node: shared by the queue and the owners; the last of them frees it.
pub(crate) struct Node<R> {
    /// Set from the post until the loop takes it. The thread that sets it may use the link.
    is_queued: AtomicBool,
    make: Make<R>,
    link: Link<Inbound<R>>,
}

type Make<R> = Box<dyn Fn() -> R + Send + Sync>;

impl<R> Node<R> {
    pub(crate) fn new(make: Make<R>) -> Arc<Self> {
        Arc::new(Self { is_queued: AtomicBool::new(false), make, link: Link::kept() })
    }

    /// Marks it as taken by the loop: from now on it can be posted again.
    pub(crate) fn is_taken(&self) {
        // Acquire: anything a poster stored before it found the node already queued is visible to the run that it
        // relies on. Release: the link is out of the overflow list before it is used again.
        self.is_queued.swap(false, Ordering::AcqRel);
    }

    /// Marks it as taken, and makes the item to run.
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
        // SAFETY: this call set the mark, so no other thread uses the link, and the link is not in a list: the mark
        // is cleared only after the item was taken. The item keeps the node alive, and with it the link.
        let pushed = unsafe { self.queue.push_kept(posted, NonNull::from(&node.link)) };
        if pushed.is_err() {
            node.is_queued.store(false, Ordering::Release);
            return Err(Closed(()));
        }
        self.wake_up.wake();
        Ok(KeptPost::Queued)
    }
}

/// Outcome of posting a [`Kept`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptPost {
    /// The loop will run it.
    Queued,
    /// The loop has not taken an earlier post yet: that one runs it, and sees everything done before this call.
    AlreadyQueued,
}

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
