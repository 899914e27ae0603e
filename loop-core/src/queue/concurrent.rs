//! The queue through which other threads post.
#![expect(missing_docs, reason = "signatures first")]

use loop_probes::ids::{SourceId, Ticks};

pub struct ConcurrentQueue<T> {
    _t: std::marker::PhantomData<std::sync::Mutex<T>>,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Wakeup {
    Needed,
    Coalesced,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted<T> {
    pub item: T,
    pub poster: Option<SourceId>,
    pub queued: Ticks,
}
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error, Debug)]
#[error("the queue is closed: its loop has ended")]
pub struct Closed<T>(pub T);
/// One batch, oldest first; `ExactSizeIterator`.
pub struct Batch<T> {
    _t: std::marker::PhantomData<std::sync::Mutex<T>>,
}
impl<T> Iterator for Batch<T> {
    type Item = Posted<T>;
    fn next(&mut self) -> Option<Posted<T>> {
        unimplemented!()
    }
}
impl<T> ExactSizeIterator for Batch<T> {}
impl<T> ConcurrentQueue<T> {
    pub fn new() -> Self {
        unimplemented!()
    }
    pub fn push(&self, _item: T, _poster: Option<SourceId>, _queued: Ticks) -> Result<Wakeup, Closed<T>> {
        unimplemented!()
    }
    pub fn take_batch(&self) -> Batch<T> {
        unimplemented!()
    }
    pub fn close(&self) -> Batch<T> {
        unimplemented!()
    }
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }
    pub fn is_closed(&self) -> bool {
        unimplemented!()
    }
}
