//! The timers of a loop. Pure: time comes in as an argument, due timers go out.
//!
//! | file | content |
//! |---|---|
//! | `timer.rs` | the queue: a timer's life, independent of the order |
//! | `timer/key.rs` | the key of a timer |
//! | `timer/fired.rs` | the queue's result types |
//! | `timer/slab.rs` | storage of timers |
//! | `timer/due.rs` | due order: the wheel, and the timers taken from it by the running pass, sorted |
//! | `timer/wheel.rs`, `timer/slot.rs` | a hierarchical wheel; the contents of one of its slots |
//! | `timer/arming_order.rs` | arming order |
//! | `timer/script.rs` | the delays of scripts |

mod arming_order;
mod due;
mod fired;
mod key;
mod script;
mod slab;
mod slot;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod wheel;

use std::num::NonZeroU64;
use std::time::Duration;

use loop_probes::ids::{TimerId, Timestamp};

use arming_order::ArmingOrder;
use due::ByDue;
pub use fired::{Armed, Finished, Fired, TimerPass};
pub use key::{Delay, Timer, TimerGone};
pub use script::{DELAY_MS_MAX, DelayWarning, ScriptDelay};
use slab::{Arming, Slab};

/// Due time of a timer that never fires. Delays that overflow the clock saturate here.
pub const NEVER: Timestamp = Timestamp(u64::MAX);

/// `now + delay`, saturating at [`NEVER`].
#[must_use]
pub fn due_after(now: Timestamp, delay: Duration) -> Timestamp {
    now.plus_ns(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX))
}

/// All timers of a loop, each with a value of the caller, such as the task to run.
///
/// Timers are ordered by due time; those with equal due times fire in the order in which they were armed, and a re-armed
/// timer goes behind them. A pass fires the timers that are due at one reading of the clock *and* were armed before the
/// pass began. So a timer without delay that its callback re-arms waits for the next pass, and starves nothing.
///
/// [`arm`](Self::arm) adds a timer. [`pop_due`](Self::pop_due) fires it, and its callback may re-arm or clear it.
/// [`finish`](Self::finish) then re-arms an interval and removes a one-shot; [`park`](Self::park) instead keeps a
/// one-shot, unarmed, to be re-armed later.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use loop_core::low_level::timer::{Finished, TimerQueue, due_after};
/// use loop_probes::ids::Timestamp;
///
/// let start = Timestamp(0);
/// let mut timers = TimerQueue::new();
/// let timer = timers.arm(due_after(start, Duration::from_millis(5)), None, "hello");
/// let now = timers.next_due().expect("a timer is armed");
/// let pass = timers.begin_pass(now);
/// while let Some(fired) = timers.pop_due(&pass) {
///     assert_eq!(timers.value(fired.timer), Some(&"hello"));
///     assert!(matches!(timers.finish(timer, now), Finished::Done("hello")));
/// }
/// assert!(timers.is_empty());
/// ```
#[derive(Debug)]
pub struct TimerQueue<T> {
    slab: Slab<TimerData<T>>,
    waiting: Store,
    /// Number of passes begun. Only the latest pass returns timers.
    passes: u64,
    next_id: u64,
    next_sequence: u64,
    existing: usize,
    referenced: usize,
}

/// The order in which due timers fire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// By due time, then by arming order. A timing wheel; all operations are O(1) amortised.
    #[default]
    Due,
    /// Due timers in arming order, as in QuickJS. O(log n); meant for one firing per turn.
    Arming,
}

/// Storage of the armed timers.
#[derive(Debug)]
enum Store {
    ByDue(Box<ByDue>),
    ByArming(ArmingOrder),
}

#[derive(Debug)]
struct TimerData<T> {
    /// The timer's value; `None` if the entry is free.
    value: Option<T>,
    period_ns: Option<NonZeroU64>,
    referenced: bool,
    /// Whether the timer fired and was kept. A parked timer counts neither as existing nor as a reference.
    parked: bool,
}

impl<T> TimerQueue<T> {
    /// An empty queue with [`Order::Due`]. The first timer gets id 1.
    #[must_use]
    pub fn new() -> Self {
        Self::in_order(Order::Due)
    }

    /// An empty queue. The first timer gets id 1.
    #[must_use]
    pub fn in_order(order: Order) -> Self {
        Self {
            slab: Slab::default(),
            waiting: match order {
                Order::Due => Store::ByDue(Box::default()),
                Order::Arming => Store::ByArming(ArmingOrder::default()),
            },
            passes: 0,
            next_id: 1,
            next_sequence: 1,
            existing: 0,
            referenced: 0,
        }
    }

    /// Arms a new, referenced timer. Ids count up and are never reused.
    #[inline]
    pub fn arm(&mut self, due: Timestamp, period_ns: Option<NonZeroU64>, value: T) -> Timer {
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        self.insert(id, due, TimerData { value: Some(value), period_ns, referenced: true, parked: false })
    }

    /// Arms a timer under its recorded id; new ids continue above it. Call this for the timers of a snapshot in the
    /// snapshot's order, which is the arming order. Does not detect a repeated id: two timers with the same id become
    /// separate timers.
    pub fn restore(
        &mut self,
        id: TimerId,
        due: Timestamp,
        period_ns: Option<NonZeroU64>,
        referenced: bool,
        value: T,
    ) -> Timer {
        self.skip_ids_to(TimerId(id.0.saturating_add(1)));
        self.insert(id.0, due, TimerData { value: Some(value), period_ns, referenced, parked: false })
    }

    #[inline]
    fn insert(&mut self, id: u64, due: Timestamp, entry: TimerData<T>) -> Timer {
        self.existing += 1;
        self.referenced += usize::from(entry.referenced);
        let slot = self.slab.take(id, entry);
        self.wait(slot, due);
        Timer { id: TimerId(id), slot }
    }

    /// Arms the timer in `slot` for `due`, behind all timers due at the same time.
    #[inline]
    fn wait(&mut self, slot: u32, due: Timestamp) {
        let arming = self.slab.arm(slot, due.0, self.next_sequence);
        self.next_sequence += 1;
        match &mut self.waiting {
            Store::ByDue(waiting) => waiting.push(&self.slab, arming),
            Store::ByArming(waiting) => waiting.push(arming),
        }
    }

    /// Cancels the arming of a timer, if it is armed.
    #[inline]
    fn disarm(&mut self, slot: u32) {
        if let (Some(arming), Store::ByArming(waiting)) = (self.slab.arming(slot), &mut self.waiting) {
            waiting.remove(arming);
        }
        self.slab.disarm(slot);
    }

    #[inline]
    fn entry(&self, timer: Timer) -> Option<&TimerData<T>> {
        self.slab.is(timer.slot, timer.id.0).then(|| self.slab.entry(timer.slot))
    }

    #[inline]
    fn entry_mut(&mut self, timer: Timer) -> Option<&mut TimerData<T>> {
        self.slab.is(timer.slot, timer.id.0).then(|| self.slab.entry_mut(timer.slot))
    }

    /// Re-arms `timer`, whether it is armed, parked, or its callback is running: behind timers due at the same time, with
    /// its value and reference unchanged. False if the timer is gone.
    pub fn rearm(&mut self, timer: Timer, due: Timestamp, period_ns: Option<NonZeroU64>) -> bool {
        let Some(entry) = self.entry_mut(timer) else { return false };
        entry.period_ns = period_ns;
        if std::mem::take(&mut entry.parked) {
            let referenced = entry.referenced;
            self.existing += 1;
            self.referenced += usize::from(referenced);
        }
        self.disarm(timer.slot);
        self.wait(timer.slot, due);
        true
    }

    /// Removes `timer`, whether it is armed, parked, or its callback is running, so that it never fires again. Returns its
    /// value; `None` if the timer is gone.
    #[inline]
    pub fn clear(&mut self, timer: Timer) -> Option<T> {
        let entry = self.entry_mut(timer)?;
        let value = entry.value.take();
        let (exists, referenced) = (!entry.parked, entry.referenced && !entry.parked);
        self.existing -= usize::from(exists);
        self.referenced -= usize::from(referenced);
        self.disarm(timer.slot);
        self.slab.free(timer.slot);
        value
    }

    /// The exact earliest due time; `None` if no timer will ever be due. Takes `&mut self` because it removes stale
    /// entries. O(1) amortised for [`Order::Due`], otherwise O(log n).
    #[inline]
    pub fn next_due(&mut self) -> Option<Timestamp> {
        let due = match &mut self.waiting {
            Store::ByDue(waiting) => waiting.next_due(&self.slab),
            Store::ByArming(waiting) => waiting.next_due(),
        };
        due.map(Timestamp).filter(|due| *due < NEVER)
    }

    /// Advances the wheel to `now`, so that near timers stay in fine-grained slots. For turns in which no timer is due.
    #[inline]
    pub fn advance(&mut self, now: Timestamp) {
        if let Store::ByDue(waiting) = &mut self.waiting {
            waiting.advance(&self.slab, now.0);
        }
    }

    /// Begins a pass over the timers that are due at `now` and already armed. Ends an earlier pass, whose remaining timers
    /// stay armed.
    pub fn begin_pass(&mut self, now: Timestamp) -> TimerPass {
        self.passes += 1;
        if let Store::ByDue(waiting) = &mut self.waiting {
            waiting.begin_pass(&self.slab, now.0);
        }
        TimerPass { now, armed_before: self.next_sequence, number: self.passes }
    }

    /// The next due timer of `pass`, `None` at its end. The timer counts as existing, and as referenced, until
    /// [`finish`](Self::finish).
    pub fn pop_due(&mut self, pass: &TimerPass) -> Option<Fired> {
        if pass.number != self.passes {
            return None;
        }
        let arming = match &mut self.waiting {
            Store::ByDue(waiting) => waiting.pop(&self.slab, pass.now.0)?,
            Store::ByArming(waiting) => waiting.pop(pass.now.0, pass.armed_before)?,
        };
        let Arming { due, node: slot, .. } = arming;
        let due = Timestamp(due);
        self.slab.disarm(slot);
        let entry = self.slab.entry(slot);
        Some(Fired {
            timer: Timer { id: TimerId(self.slab.id(slot)), slot },
            due,
            fired: pass.now,
            skipped: entry.period_ns.map_or(0, |period| pass.now.ns_since(due) / period),
            period_ns: entry.period_ns,
            referenced: entry.referenced,
        })
    }

    /// Ends the firing of `timer`, whose callback started at `started`. Re-arms an interval for `started` plus its period,
    /// unless the callback re-armed or cleared it.
    pub fn finish(&mut self, timer: Timer, started: Timestamp) -> Finished<T> {
        let Some(entry) = self.entry(timer) else { return Finished::Cleared };
        match (self.slab.arming(timer.slot), entry.period_ns) {
            (Some(arming), _) => Finished::Armed(Timestamp(arming.due)),
            (None, Some(period)) => {
                let due = started.plus_ns(period.get());
                self.wait(timer.slot, due);
                Finished::Armed(due)
            }
            (None, None) => self.clear(timer).map_or(Finished::Cleared, Finished::Done),
        }
    }

    /// Ends the firing of a one-shot and keeps it to be re-armed. It keeps its value, but counts neither as existing nor as
    /// a reference until [`rearm`](Self::rearm) or [`clear`](Self::clear). Returns false, and does nothing, if the timer is
    /// gone or armed.
    pub fn park(&mut self, timer: Timer) -> bool {
        let fires = |entry: &&TimerData<T>| !entry.parked && self.slab.arming(timer.slot).is_none();
        let Some(referenced) = self.entry(timer).filter(fires).map(|entry| entry.referenced) else {
            return false;
        };
        self.slab.entry_mut(timer.slot).parked = true;
        self.existing -= 1;
        self.referenced -= usize::from(referenced);
        true
    }

    /// Whether `timer` is parked.
    #[must_use]
    pub fn is_parked(&self, timer: Timer) -> bool {
        self.entry(timer).is_some_and(|entry| entry.parked)
    }

    /// The value that `timer` was armed with.
    #[must_use]
    pub fn value(&self, timer: Timer) -> Option<&T> {
        self.entry(timer).and_then(|entry| entry.value.as_ref())
    }

    /// The value that `timer` was armed with.
    pub fn value_mut(&mut self, timer: Timer) -> Option<&mut T> {
        self.entry_mut(timer).and_then(|entry| entry.value.as_mut())
    }

    /// Whether `timer` keeps the loop alive while it is armed; `None` if the timer is gone.
    #[must_use]
    pub fn is_referenced(&self, timer: Timer) -> Option<bool> {
        self.entry(timer).map(|entry| entry.referenced)
    }

    /// Sets whether `timer` keeps the loop alive. Returns whether that changed; `None` if the timer is gone.
    pub fn set_referenced(&mut self, timer: Timer, referenced: bool) -> Option<bool> {
        let entry = self.entry_mut(timer)?;
        let was = std::mem::replace(&mut entry.referenced, referenced);
        if !entry.parked {
            self.referenced = self.referenced - usize::from(was) + usize::from(referenced);
        }
        Some(was != referenced)
    }

    /// Number of timers that keep the loop alive, including one that is firing.
    #[must_use]
    pub const fn referenced(&self) -> usize {
        self.referenced
    }

    /// Number of timers, including one that is firing.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.existing
    }

    /// Whether there are no timers.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.existing == 0
    }

    /// Id that the next new timer gets.
    #[must_use]
    pub const fn next_id(&self) -> TimerId {
        TimerId(self.next_id)
    }

    /// Makes new ids start at `next` or above, for a snapshot whose latest timers are gone.
    pub fn skip_ids_to(&mut self, next: TimerId) {
        self.next_id = self.next_id.max(next.0);
    }

    /// The armed timers in arming order. O(n log n), so meant for snapshots and lists.
    #[must_use]
    pub fn armed(&self) -> Vec<Armed<'_, T>> {
        let armed = (0..self.slab.len() as u32).filter_map(|slot| {
            let (arming, entry) = (self.slab.arming(slot)?, self.slab.entry(slot));
            let value = entry.value.as_ref()?;
            Some((arming, entry, value))
        });
        let mut armed: Vec<_> = armed.collect();
        armed.sort_unstable_by_key(|(arming, ..)| arming.sequence);
        let listed = armed.into_iter().map(|(arming, entry, value)| Armed {
            timer: Timer { id: TimerId(self.slab.id(arming.node)), slot: arming.node },
            due: Timestamp(arming.due),
            period_ns: entry.period_ns,
            referenced: entry.referenced,
            value,
        });
        listed.collect()
    }
}

impl<T> Default for TimerQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}
