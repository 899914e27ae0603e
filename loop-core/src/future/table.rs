//! The spawned futures of a loop, each with its options.

use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use loop_probes::ids::Tag;

use super::inbox::{Inbox, JoinError, JoinTarget};
use super::join::{NewFuture, Spawned};
use super::local::LocalInbox;
use super::wait::SourceWaiters;
use super::wake::{FutureKey, FutureWaker, WakeList};
use crate::failure::OnError;
use crate::payload::Payload;
use crate::shutdown::OnShutdown;

/// A spawned future.
pub(crate) struct FutureEntry<T> {
    /// The future; `None` while it is polled.
    future: Option<Spawned>,
    waker: Arc<FutureWaker>,
    joined: Rc<dyn JoinTarget>,
    pub(crate) tag: Tag,
    pub(crate) referenced: bool,
    pub(crate) on_error: OnError<T>,
    pub(crate) on_shutdown: OnShutdown,
    /// Whether the loop drops the future instead of polling it again.
    pub(crate) cancelled: bool,
}

impl<T> FutureEntry<T> {
    /// Drops the future without a result, and passes `error` to its join handle.
    pub(crate) fn end(self, error: JoinError) {
        drop(self.future);
        self.joined.end(error);
    }

    /// The future's waker.
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.waker))
    }
}

struct FuturePlace<T> {
    generation: u32,
    entry: Option<FutureEntry<T>>,
}

/// All spawned futures of a loop.
pub(crate) struct Futures<T: Payload> {
    /// Set by the first local handle: from then on the loop checks for requests after each callback.
    pub(crate) in_use: bool,
    pub(crate) local: Rc<LocalInbox<T>>,
    pub(crate) woken: Arc<WakeList>,
    /// Sources whose waiters changed since the last poll.
    pub(crate) changed: Vec<Rc<SourceWaiters>>,
    places: Vec<FuturePlace<T>>,
    free: Vec<u32>,
}

impl<T: Payload> Futures<T> {
    pub(crate) fn new(local: Rc<LocalInbox<T>>, woken: WakeList) -> Self {
        let (woken, changed) = (Arc::new(woken), Vec::new());
        Self { in_use: false, local, woken, changed, places: Vec::new(), free: Vec::new() }
    }

    /// Inserts a future. The caller must queue its first poll.
    pub(crate) fn insert(&mut self, new: NewFuture<T>, tag: Tag) -> FutureKey {
        let NewFuture { options, future, joined } = new;
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(FuturePlace { generation: 0, entry: None });
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[index as usize];
        let key = FutureKey { index, generation: place.generation };
        joined.key().set(Some(key));
        place.entry = Some(FutureEntry {
            future: Some(future),
            waker: FutureWaker::queued(key, Arc::clone(&self.woken)),
            joined,
            tag,
            referenced: options.referenced,
            on_error: options.on_error,
            on_shutdown: options.on_shutdown.unwrap_or(OnShutdown::Finish),
            cancelled: false,
        });
        key
    }

    pub(crate) fn get_mut(&mut self, key: FutureKey) -> Option<&mut FutureEntry<T>> {
        let place = self.places.get_mut(key.index as usize)?;
        place.entry.as_mut().filter(|_| place.generation == key.generation)
    }

    /// Removes a future.
    pub(crate) fn remove(&mut self, key: FutureKey) -> Option<FutureEntry<T>> {
        let place = self.places.get_mut(key.index as usize)?;
        let entry = place.entry.take_if(|_| place.generation == key.generation)?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(entry)
    }

    /// Takes a future out for a poll, together with the waker for that poll.
    pub(crate) fn begin_poll(&mut self, key: FutureKey) -> Option<(Spawned, Waker)> {
        let entry = self.get_mut(key)?;
        entry.waker.begin_poll();
        Some((entry.future.take()?, entry.waker()))
    }

    /// Puts a future back after its poll.
    pub(crate) fn end_poll(&mut self, key: FutureKey, future: Spawned) {
        if let Some(entry) = self.get_mut(key) {
            entry.future = Some(future);
        }
    }

    /// All futures, by index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &FutureEntry<T>> {
        self.places.iter().filter_map(|place| place.entry.as_ref())
    }

    /// Calls `f` for each future, by index.
    pub(crate) fn each(&mut self, f: impl FnMut(&mut FutureEntry<T>)) {
        self.places.iter_mut().filter_map(|place| place.entry.as_mut()).for_each(f);
    }

    /// Key of the remaining future with the lowest index.
    pub(crate) fn first(&self) -> Option<FutureKey> {
        let index = self.places.iter().position(|place| place.entry.is_some())?;
        Some(FutureKey { index: index as u32, generation: self.places[index].generation })
    }

    /// Marks the start of a shutdown, and wakes the futures that wait for one.
    pub(crate) fn begin_shutdown(&self) {
        self.local.state().begin_shutdown();
    }

    /// Whether there are requests that the loop has not carried out.
    #[inline]
    pub(crate) fn has_ops(&self) -> bool {
        self.in_use && self.local.has_ops()
    }

    /// Whether there are requests or woken futures that the loop has not handled.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        self.in_use && (self.local.has_ops() || self.woken.has_some())
    }
}
