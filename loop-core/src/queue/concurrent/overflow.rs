//! Overflow of the post queue while both rings are full: a stack of links that is taken whole.
//!
//! Any thread pushes with one compare-and-swap. The taker takes the whole stack with another, if the newest link is
//! still the one it saw. There is no ABA problem: single links are never popped, and only the taker frees links, so the
//! address it saw cannot be reused before its exchange.
//!
//! A link is either boxed and freed with its item, or embedded in a node that the item keeps alive.

use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use crate::sync::{AtomicPtr, Ordering, UnsafeCell, look_ptr};

/// One entry of the overflow.
pub(crate) struct Link<T> {
    body: UnsafeCell<LinkBody<T>>,
    is_kept: bool,
}

struct LinkBody<T> {
    /// While in the stack, the link pushed before this one; once taken, the link pushed after it.
    other: *mut Link<T>,
    item: MaybeUninit<T>,
}

// SAFETY: a link's body is accessed by its pusher until it is in the stack, and by its taker from then on.
unsafe impl<T: Send> Send for Link<T> {}
// SAFETY: as above; no reference to the body is given out.
unsafe impl<T: Send> Sync for Link<T> {}

impl<T> Link<T> {
    fn new(item: MaybeUninit<T>, is_kept: bool) -> Self {
        Self { body: UnsafeCell::new(LinkBody { other: ptr::null_mut(), item }), is_kept }
    }

    /// An empty link to embed in a longer-lived object.
    pub(crate) fn kept() -> Self {
        Self::new(MaybeUninit::uninit(), true)
    }
}

/// A stack of links. See the [module](self).
pub(super) struct Overflow<T> {
    /// The newest link; null if the stack is empty, [`closed`] if pushes are refused.
    newest: AtomicPtr<Link<T>>,
    /// An `AtomicPtr` is `Send` for any target, but this type is `Send` only if its items are.
    _items: PhantomData<*mut T>,
}

// SAFETY: the stack owns its items and gives them away whole, so moving the stack moves the items.
unsafe impl<T: Send> Send for Overflow<T> {}
// SAFETY: a shared stack only moves items in and out, through one atomic word.
unsafe impl<T: Send> Sync for Overflow<T> {}

/// The newest link at the time the taker looked.
#[derive(Debug)]
pub(super) struct NewestLink<T>(*mut Link<T>);

impl<T> NewestLink<T> {
    /// Whether there is nothing to take.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_null() || self.0 == closed()
    }
}

/// The pointer of a closed stack. No link has this address, since links are aligned.
fn closed<T>() -> *mut Link<T> {
    ptr::without_provenance_mut(1)
}

impl<T> Overflow<T> {
    pub(super) fn new() -> Self {
        Self { newest: AtomicPtr::new(ptr::null_mut()), _items: PhantomData }
    }

    /// Whether pushes must go to the overflow or be refused. Acquire: see the order in [`super`].
    #[inline]
    pub(super) fn is_in_use(&self) -> bool {
        !self.newest.load(Ordering::Acquire).is_null()
    }

    /// Whether the stack is empty. This load and all pushes are in one total order.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        NewestLink(self.newest.load(Ordering::SeqCst)).is_empty()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.newest.load(Ordering::Acquire) == closed()
    }

    /// Pushes `item` in a newly allocated link.
    pub(super) fn push(&self, item: T) -> Result<(), T> {
        let link = Box::into_raw(Box::new(Link::new(MaybeUninit::new(item), false)));
        // SAFETY: the link was just allocated and filled, and no other thread has it.
        if unsafe { self.push_link(link) } {
            return Ok(());
        }
        // SAFETY: a refused link still belongs to this thread.
        let link = unsafe { Box::from_raw(link) };
        // SAFETY: the link is still filled.
        Err(link.body.with_mut(|body| unsafe { (*body).item.assume_init_read() }))
    }

    /// Pushes `item` in `link`.
    ///
    /// # Safety
    ///
    /// `link` must be a [`Link::kept`] that is not in use, and must live until `item` is taken: the item
    /// itself may be what keeps it alive.
    pub(super) unsafe fn push_kept(&self, item: T, link: NonNull<Link<T>>) -> Result<(), T> {
        let link = link.as_ptr();
        // SAFETY: the caller passes the link exclusively, and it is empty.
        unsafe { (*link).body.with_mut(|body| (*body).item.write(item)) };
        // SAFETY: the link belongs to this thread, and is filled.
        if unsafe { self.push_link(link) } {
            return Ok(());
        }
        // SAFETY: a refused link still belongs to this thread, and is filled.
        Err(unsafe { (*link).body.with_mut(|body| (*body).item.assume_init_read()) })
    }

    /// Pushes a filled link. Returns false if the stack is closed.
    ///
    /// # Safety
    ///
    /// `link` must be exclusively the caller's and filled, and must stay alive while in the stack.
    unsafe fn push_link(&self, link: *mut Link<T>) -> bool {
        let mut found = self.newest.load(Ordering::Relaxed);
        loop {
            if found == closed() {
                return false;
            }
            // SAFETY: until the exchange succeeds, the link is the caller's.
            unsafe { (*link).body.with_mut(|body| (*body).other = found) };
            // Release hands the link over. Older links were released by their own pushes, and this exchange continues
            // their release sequence, so one acquire by the taker covers the whole stack.
            match self.newest.compare_exchange_weak(found, link, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => found = now,
            }
        }
    }

    /// Looks at the newest link, for [`take`](Self::take).
    #[inline]
    pub(super) fn look(&self) -> NewestLink<T> {
        NewestLink(look_ptr(&self.newest, Ordering::Acquire))
    }

    /// Takes all links if the newest is still `seen`.
    pub(super) fn take(&self, seen: &NewestLink<T>) -> Option<Chain<T>> {
        let newest = seen.0;
        // Release: pairs with the acquire of threads that then find the stack empty. See the order in `super`.
        self.newest
            .compare_exchange(newest, ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed)
            // SAFETY: the acquire covers every link, and the exchange took them off the stack.
            .map(|taken| unsafe { Chain::from_newest(taken) })
            .ok()
    }

    /// Refuses later pushes, and takes all links.
    pub(super) fn close(&self) -> Chain<T> {
        let found = self.newest.swap(closed(), Ordering::SeqCst);
        // SAFETY: as in `take`.
        if NewestLink(found).is_empty() { Chain::empty() } else { unsafe { Chain::from_newest(found) } }
    }
}

impl<T> Drop for Overflow<T> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

/// Taken links, oldest first.
pub(super) struct Chain<T> {
    /// The oldest remaining link. In a chain, `other` points to the next newer link.
    oldest: *mut Link<T>,
    len: usize,
}

// SAFETY: a chain has exclusive ownership of its items.
unsafe impl<T: Send> Send for Chain<T> {}

impl<T> Chain<T> {
    pub(super) const fn empty() -> Self {
        Self { oldest: ptr::null_mut(), len: 0 }
    }

    /// # Safety
    ///
    /// The links from `newest` on must have been taken off the stack with acquire ordering, and belong to the
    /// caller.
    unsafe fn from_newest(newest: *mut Link<T>) -> Self {
        let mut chain = Self::empty();
        let mut next = newest;
        while !next.is_null() {
            let link = next;
            let newer = chain.oldest;
            // SAFETY: the link was published by its push and is alive: its item has not been taken out yet.
            next = unsafe { (*link).body.with_mut(|body| std::mem::replace(&mut (*body).other, newer)) };
            chain.oldest = link;
            chain.len += 1;
        }
        chain
    }
}

impl<T> Iterator for Chain<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.oldest.is_null() {
            return None;
        }
        let link = self.oldest;
        // SAFETY: the chain owns the link, which is alive until its item is taken out.
        let is_kept = unsafe { (*link).is_kept };
        // SAFETY: as above; each item is taken out here, once.
        let (newer, item) =
            unsafe { (*link).body.with_mut(|body| ((*body).other, (*body).item.assume_init_read())) };
        if !is_kept {
            // SAFETY: the link was allocated as a box, and leaves the chain only here.
            drop(unsafe { Box::from_raw(link) });
        }
        self.oldest = newer;
        self.len -= 1;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

impl<T> ExactSizeIterator for Chain<T> {}
impl<T> FusedIterator for Chain<T> {}

impl<T> Drop for Chain<T> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
