//! The timers of a loop, pure: time comes in as an argument, due timers go out.
//!
//! Timers are ordered by (due, arming sequence): equal due times fire in the order they were armed, and one
//! that is armed again goes behind its peers. A pass fires what was due at one reading of the clock *and*
//! armed before the pass began, so a zero-delay timer that its own callback arms again waits for the next
//! pass and starves nobody. How the order is kept is the business of `timer::order` alone.
//!
//! A timer's life: [`arm`](TimerQueue::arm) → [`pop_due`](TimerQueue::pop_due) (it fires: its callback may
//! arm it again or clear it) → [`finish`](TimerQueue::finish) (an interval is armed again, a one-shot is gone).

mod order;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use loop_probes::ids::{TimerId, Timestamp};
use order::{Key, Order};

/// The end of time: a timer that is due then never fires. So a delay that overflows the clock is never early.
pub const NEVER: Timestamp = Timestamp(u64::MAX);

/// `now + delay`, pinned at [`NEVER`].
#[must_use]
pub fn due_after(now: Timestamp, delay: Duration) -> Timestamp {
    now.plus_ns(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX))
}

/// The key of a timer, as arming it gave it out: its id, and where the loop keeps it. Once the timer is gone the
/// place may be another's; the key then names nobody, and whoever asks with it is told that the timer is gone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timer {
    id: TimerId,
    slot: u32,
}

impl Timer {
    /// Its id, which traces know it by: counts up from 1, is never used again, stays when it is armed again.
    #[must_use]
    pub const fn id(self) -> TimerId {
        self.id
    }
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.id, f)
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timer").field(&self.id.0).finish()
    }
}

/// All timers of a loop, each with a value of the caller's (what it runs). See the [module](self).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use loop_core::timer::{Finished, TimerQueue, due_after};
/// use loop_probes::ids::Timestamp;
///
/// let start = Timestamp(0);
/// let mut timers = TimerQueue::new();
/// let timer = timers.arm(due_after(start, Duration::from_millis(5)), None, "hello");
/// let now = timers.next_due().expect("a timer is armed");
/// let mut pass = timers.begin_pass(now);
/// while let Some(fired) = timers.pop_due(&mut pass) {
///     assert_eq!(timers.value(fired.timer), Some(&"hello"));
///     assert!(matches!(timers.finish(timer, now), Finished::Done("hello")));
/// }
/// assert!(timers.is_empty());
/// ```
#[derive(Debug)]
pub struct TimerQueue<T> {
    order: Order,
    timers: HashMap<TimerId, Entry<T>>,
    next_id: u64,
    next_sequence: u64,
    referenced: usize,
}

#[derive(Debug)]
struct Entry<T> {
    /// Where it stands in the order; `None` while it fires.
    key: Option<Key>,
    period_ns: Option<NonZeroU64>,
    referenced: bool,
    value: T,
}

/// One pass over the due timers: one reading of the clock, and only what was armed before it began.
#[derive(Debug)]
pub struct Pass {
    now: Timestamp,
    armed_before: u64,
    last: Option<Key>,
}

/// A timer fires. Its callback runs next, then [`TimerQueue::finish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fired {
    /// Which.
    pub timer: Timer,
    /// When it was due.
    pub due: Timestamp,
    /// The pass's reading of the clock. The timer lag is this less `due`.
    pub fired: Timestamp,
    /// Whole periods that a late interval skips: the lag over the period, rounded down.
    pub skipped: u64,
    /// The period of an interval.
    pub period_ns: Option<NonZeroU64>,
    /// It keeps the loop alive.
    pub referenced: bool,
}

/// An armed timer, as a snapshot lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Armed<'a, T> {
    /// Which.
    pub timer: Timer,
    /// When it is due.
    pub due: Timestamp,
    /// The period of an interval.
    pub period_ns: Option<NonZeroU64>,
    /// It keeps the loop alive.
    pub referenced: bool,
    /// What it was armed with.
    pub value: &'a T,
}

/// What became of a timer that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished<T> {
    /// It was a one-shot and is gone: its value comes back.
    Done(T),
    /// It is armed, as an interval or because its callback armed it; due then.
    Armed(Timestamp),
    /// It is gone: its callback cleared it.
    Cleared,
}

impl<T> TimerQueue<T> {
    /// No timers. The first will be number 1.
    #[must_use]
    pub fn new() -> Self {
        Self { order: Order::default(), timers: HashMap::new(), next_id: 1, next_sequence: 0, referenced: 0 }
    }

    /// Arms a new timer, referenced. Ids count up and are never used again.
    pub fn arm(&mut self, due: Timestamp, period_ns: Option<NonZeroU64>, value: T) -> Timer {
        self.restore(TimerId(self.next_id), due, period_ns, true, value)
    }

    /// Arms a timer under the id that a record has for it; new ids continue above it. The timers of a snapshot are
    /// restored in its order, which is the arming order. Whoever restores needs a map from ids to keys, which also
    /// says whether a file names a timer twice: two timers of one id are two timers here.
    pub fn restore(
        &mut self,
        id: TimerId,
        due: Timestamp,
        period_ns: Option<NonZeroU64>,
        referenced: bool,
        value: T,
    ) -> Timer {
        let key = self.place(id, due);
        self.next_id = self.next_id.max(id.0.saturating_add(1));
        self.referenced += usize::from(referenced);
        self.timers.insert(id, Entry { key: Some(key), period_ns, referenced, value });
        Timer { id, slot: 0 }
    }

    /// Puts `timer` into the order, behind everything that is due at the same time.
    fn place(&mut self, timer: TimerId, due: Timestamp) -> Key {
        let key = Key { due, sequence: self.next_sequence };
        self.next_sequence += 1;
        self.order.insert(key, timer);
        key
    }

    /// Arms `timer` again, whether it is armed or its callback runs now: behind its peers, with its value and
    /// reference as they are. False: there is no such timer.
    pub fn rearm(&mut self, timer: Timer, due: Timestamp, period_ns: Option<NonZeroU64>) -> bool {
        let Some(entry) = self.timers.get(&timer.id) else { return false };
        if let Some(key) = entry.key {
            self.order.remove(key);
        }
        let key = self.place(timer.id, due);
        if let Some(entry) = self.timers.get_mut(&timer.id) {
            (entry.key, entry.period_ns) = (Some(key), period_ns);
        }
        true
    }

    /// Removes `timer`, whether it is armed or its callback runs now: it never fires again. Its value comes
    /// back; `None`: there is no such timer.
    pub fn clear(&mut self, timer: Timer) -> Option<T> {
        let entry = self.timers.remove(&timer.id)?;
        if let Some(key) = entry.key {
            self.order.remove(key);
        }
        self.referenced -= usize::from(entry.referenced);
        Some(entry.value)
    }

    /// When the first timer is due; `None` where none ever will be.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.order.first().map(|key| key.due).filter(|due| *due < NEVER)
    }

    /// A pass over what is due at `now` and armed by now.
    #[must_use]
    pub fn begin_pass(&self, now: Timestamp) -> Pass {
        Pass { now, armed_before: self.next_sequence, last: None }
    }

    /// The next due timer of `pass`, `None` at its end. The timer counts as existing, and as referenced, until
    /// [`finish`](Self::finish).
    pub fn pop_due(&mut self, pass: &mut Pass) -> Option<Fired> {
        let (key, id) = self
            .order
            .after(pass.last)
            .take_while(|(key, _)| key.due <= pass.now && key.due < NEVER)
            .find(|(key, _)| key.sequence < pass.armed_before)?;
        pass.last = Some(key);
        self.order.remove(key);
        let timer = Timer { id, slot: 0 };
        let entry = self.timers.get_mut(&timer.id)?;
        entry.key = None;
        let lag_ns = pass.now.ns_since(key.due);
        Some(Fired {
            timer,
            due: key.due,
            fired: pass.now,
            skipped: entry.period_ns.map_or(0, |period| lag_ns / period),
            period_ns: entry.period_ns,
            referenced: entry.referenced,
        })
    }

    /// Ends the firing of `timer`, whose callback started at `started`: an interval is armed again, for
    /// `started` + its period, unless its callback armed or cleared it.
    pub fn finish(&mut self, timer: Timer, started: Timestamp) -> Finished<T> {
        let Some(entry) = self.timers.get(&timer.id) else { return Finished::Cleared };
        match (entry.key, entry.period_ns) {
            (Some(key), _) => Finished::Armed(key.due),
            (None, Some(period)) => {
                let due = started.plus_ns(period.get());
                self.rearm(timer, due, Some(period));
                Finished::Armed(due)
            }
            (None, None) => self.clear(timer).map_or(Finished::Cleared, Finished::Done),
        }
    }

    /// What `timer` was armed with.
    #[must_use]
    pub fn value(&self, timer: Timer) -> Option<&T> {
        self.timers.get(&timer.id).map(|entry| &entry.value)
    }

    /// What `timer` was armed with.
    pub fn value_mut(&mut self, timer: Timer) -> Option<&mut T> {
        self.timers.get_mut(&timer.id).map(|entry| &mut entry.value)
    }

    /// Whether `timer` is to keep the loop alive. Says whether that is a change; `None`: there is no such timer.
    pub fn set_referenced(&mut self, timer: Timer, referenced: bool) -> Option<bool> {
        let entry = self.timers.get_mut(&timer.id)?;
        let was = std::mem::replace(&mut entry.referenced, referenced);
        self.referenced = self.referenced - usize::from(was) + usize::from(referenced);
        Some(was != referenced)
    }

    /// Timers that keep the loop alive, one that fires now included.
    #[must_use]
    pub fn referenced(&self) -> usize {
        self.referenced
    }

    /// Timers, one that fires now included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.timers.len()
    }

    /// No timers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// The id that the next new timer gets.
    #[must_use]
    pub fn next_id(&self) -> TimerId {
        TimerId(self.next_id)
    }

    /// New ids start at `next` at least: for a snapshot whose last timers are gone.
    pub fn skip_ids_to(&mut self, next: TimerId) {
        self.next_id = self.next_id.max(next.0);
    }

    /// The armed timers, in arming order. Sorts: for snapshots and listings, not for every tick.
    #[must_use]
    pub fn armed(&self) -> Vec<Armed<'_, T>> {
        let mut armed: Vec<_> =
            self.timers.iter().filter_map(|(timer, entry)| Some((entry.key?, *timer, entry))).collect();
        armed.sort_unstable_by_key(|(key, ..)| key.sequence);
        let listed = armed.into_iter().map(|(key, id, entry)| Armed {
            timer: Timer { id, slot: 0 },
            due: key.due,
            period_ns: entry.period_ns,
            referenced: entry.referenced,
            value: &entry.value,
        });
        listed.collect()
    }
}

impl<T> Default for TimerQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}
