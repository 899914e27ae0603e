//! The timers of a loop, pure.
#![expect(missing_docs, reason = "signatures first")]

use loop_probes::ids::{TimerId, Timestamp};
use std::num::NonZeroU64;
use std::time::Duration;

/// `now + delay`, pinned at the end of time; a timer due at the end of time never fires.
pub fn due_after(_now: Timestamp, _delay: Duration) -> Timestamp {
    unimplemented!()
}
pub struct TimerQueue<T> {
    _t: std::marker::PhantomData<T>,
}
/// One pass over the due timers: fixed clock reading, only what was armed before it began.
pub struct Pass {}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fired {
    pub timer: TimerId,
    pub due: Timestamp,
    pub fired: Timestamp,
    pub skipped: u64,
    pub period_ns: Option<NonZeroU64>,
    pub referenced: bool,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Armed<'a, T> {
    pub timer: TimerId,
    pub due: Timestamp,
    pub period_ns: Option<NonZeroU64>,
    pub referenced: bool,
    pub value: &'a T,
}
#[derive(Debug)]
pub enum Finished<T> {
    /// A one-shot: gone, here is its value.
    Done(T),
    /// Armed again (an interval, or re-armed by its callback): due then.
    Armed(Timestamp),
    /// Cleared by its callback.
    Cleared,
}
impl<T> TimerQueue<T> {
    pub fn new() -> Self {
        unimplemented!()
    }
    pub fn arm(&mut self, _due: Timestamp, _period_ns: Option<NonZeroU64>, _value: T) -> TimerId {
        unimplemented!()
    }
    /// Restarts an armed or firing timer, behind its peers. False: no such timer.
    pub fn rearm(&mut self, _timer: TimerId, _due: Timestamp, _period_ns: Option<NonZeroU64>) -> bool {
        unimplemented!()
    }
    pub fn clear(&mut self, _timer: TimerId) -> Option<T> {
        unimplemented!()
    }
    pub fn next_due(&self) -> Option<Timestamp> {
        unimplemented!()
    }
    pub fn begin_pass(&self, _now: Timestamp) -> Pass {
        unimplemented!()
    }
    /// The next due timer of the pass. It counts as firing until `finish`.
    pub fn pop_due(&mut self, _pass: &mut Pass) -> Option<Fired> {
        unimplemented!()
    }
    /// After the callback: arms an interval again, at `started + period`.
    pub fn finish(&mut self, _timer: TimerId, _started: Timestamp) -> Finished<T> {
        unimplemented!()
    }
    pub fn value(&self, _timer: TimerId) -> Option<&T> {
        unimplemented!()
    }
    pub fn value_mut(&mut self, _timer: TimerId) -> Option<&mut T> {
        unimplemented!()
    }
    /// `Some(changed)`.
    pub fn set_referenced(&mut self, _timer: TimerId, _referenced: bool) -> Option<bool> {
        unimplemented!()
    }
    /// Timers that keep the loop alive (armed or firing).
    pub fn referenced(&self) -> usize {
        unimplemented!()
    }
    pub fn len(&self) -> usize {
        unimplemented!()
    }
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }
    pub fn next_id(&self) -> TimerId {
        unimplemented!()
    }
    /// Armed timers, in arming order.
    pub fn armed(&self) -> Vec<Armed<'_, T>> {
        unimplemented!()
    }
    /// For a snapshot's replay: arms under a known id; ids continue above it. False: the id is in use.
    pub fn restore(
        &mut self,
        _timer: TimerId,
        _due: Timestamp,
        _period_ns: Option<NonZeroU64>,
        _referenced: bool,
        _value: T,
    ) -> bool {
        unimplemented!()
    }
}
