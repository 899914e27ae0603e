//! What loom replaces, in one place, so that its models run the code that ships.
//!
//! loom takes a sequentially consistent access for an acquire or release one: of that order it models the fences
//! alone. Where the code that ships relies on the total order of two such accesses, [`seq_cst_edge`] stands
//! between them: a fence for loom, and nothing in what ships, where the accesses themselves are enough.

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering, fence},
    sync::{Condvar, Mutex, MutexGuard},
    thread::yield_now,
};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering, fence},
    sync::{Condvar, Mutex, MutexGuard},
    thread::yield_now,
};

/// The order between a sequentially consistent access before and one after, for loom.
#[inline]
pub(crate) fn seq_cst_edge() {
    #[cfg(loom)]
    fence(Ordering::SeqCst);
}

/// A load whose place among the accesses of others loom is to try. Of an exchange that its thread began with a load,
/// loom sees no conflict with somebody else's load in front of that. An exchange that fails is a load that conflicts.
#[inline]
pub(crate) fn look(word: &AtomicU64, order: Ordering) -> u64 {
    #[cfg(loom)]
    return word.compare_exchange(u64::MAX / 3, 0, Ordering::SeqCst, order).unwrap_or_else(|found| found);
    #[cfg(not(loom))]
    word.load(order)
}

/// The same for a pointer.
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

/// The cell of the standard library, with loom's interface.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Calls `f` with the content's address; what it does there must not race with anybody.
    #[inline]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// Every interleaving of `model` with at most so many preemptions: all of them would take hours.
#[cfg(test)]
#[cfg(loom)]
pub(crate) fn model_bounded(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Locks a mutex under which nothing panics; were it so, what it guards would still be whole.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
