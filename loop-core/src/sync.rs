//! Synchronisation primitives that loom replaces in its models, so that they run the code that ships.
//!
//! loom treats sequentially consistent accesses as acquire and release; it models that order only for fences. Where the
//! code relies on the total order of two accesses, [`seq_cst_edge`] stands between them: a fence under loom, and nothing
//! in the shipped code, where the accesses alone are enough.

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence},
    sync::{Mutex, MutexGuard},
    thread::yield_now,
};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, Ordering},
    sync::{Mutex, MutexGuard},
    thread::yield_now,
};

#[cfg(all(loom, feature = "agenda"))]
pub(crate) use loom::{sync::Condvar, sync::atomic::AtomicU8};
#[cfg(all(not(loom), feature = "agenda"))]
pub(crate) use std::{
    sync::Condvar,
    sync::atomic::{AtomicU8, fence},
};

/// Under loom, orders the sequentially consistent accesses before and after this call.
#[inline]
pub(crate) fn seq_cst_edge() {
    #[cfg(loom)]
    fence(Ordering::SeqCst);
}

/// Loads a value, and makes loom explore the load's position among other threads' accesses. loom sees no conflict
/// between a plain load and another thread's load that precedes an exchange; so under loom this is an exchange that
/// fails, which does conflict.
#[inline]
pub(crate) fn look(word: &AtomicU64, order: Ordering) -> u64 {
    #[cfg(loom)]
    return word.compare_exchange(u64::MAX / 3, 0, Ordering::SeqCst, order).unwrap_or_else(|found| found);
    #[cfg(not(loom))]
    word.load(order)
}

/// Like [`look`], for a pointer.
#[inline]
pub(crate) fn look_ptr<T>(word: &AtomicPtr<T>, order: Ordering) -> *mut T {
    #[cfg(loom)]
    {
        let nowhere = std::ptr::without_provenance_mut(usize::MAX);
        word.compare_exchange(nowhere, nowhere, Ordering::SeqCst, order).unwrap_or_else(|found| found)
    }
    #[cfg(not(loom))]
    word.load(order)
}

/// The standard library's cell, with loom's interface.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Calls `f` with the content's address. Accesses through it must not race with others.
    #[inline]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// Explores every interleaving of `model` with at most `preemptions` preemptions. Exploring all would take hours.
#[cfg(test)]
#[cfg(loom)]
pub(crate) fn model_bounded(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Locks a mutex under which nothing panics; even if it did, the guarded value would still be consistent.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
