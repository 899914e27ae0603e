//! The timers of a loop, pure: time comes in as an argument, due timers go out.
//!
//! Timers are ordered by (due, arming sequence): equal due times fire in the order they were armed, and one
//! that is armed again goes behind its peers. A pass fires what was due at one reading of the clock *and*
//! armed before the pass began, so a zero-delay timer that its own callback arms again waits for the next
//! pass and starves nobody. [`Order::Arming`] is the other order, QuickJS's: what was armed first and is due.
//!
//! A timer's life: [`arm`](TimerQueue::arm) → [`pop_due`](TimerQueue::pop_due) (it fires: its callback may
//! arm it again or clear it) → [`finish`](TimerQueue::finish) (an interval is armed again, a one-shot is gone) or
//! [`park`](TimerQueue::park) (a one-shot stays, unarmed, to be armed again).
//!
//! | file | what it is |
//! |---|---|
//! | `timer.rs` | the queue: what a timer's life is, whatever the order |
//! | `timer/key.rs` | the key of a timer |
//! | `timer/fired.rs` | what the queue answers |
//! | `timer/nodes.rs` | where timers are kept and linked into lists |
//! | `timer/wheel.rs`, `timer/crowd.rs` | due order: a hierarchical wheel; the minimum of a crowded slot |
//! | `timer/script.rs` | the delays of scripts |
//! | `timer/due.rs` | what a pass took from the wheel, sorted |

mod crowd;
mod due;
mod fired;
mod key;
mod nodes;
mod script;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod wheel;

use std::num::NonZeroU64;
use std::time::Duration;

use loop_probes::ids::{TimerId, Timestamp};

use due::DueNow;
pub use fired::{Armed, Finished, Fired, Pass};
pub use key::Timer;
use nodes::{Arming, LATE, LISTS, Nodes};
pub use script::{DELAY_MS_MAX, DelayWarning, ScriptDelay};
use wheel::Wheel;

/// The end of time: a timer that is due then never fires. So a delay that overflows the clock is never early.
pub const NEVER: Timestamp = Timestamp(u64::MAX);

/// `now + delay`, pinned at [`NEVER`].
#[must_use]
pub fn due_after(now: Timestamp, delay: Duration) -> Timestamp {
    now.plus_ns(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX))
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
/// let pass = timers.begin_pass(now);
/// while let Some(fired) = timers.pop_due(&pass) {
///     assert_eq!(timers.value(fired.timer), Some(&"hello"));
///     assert!(matches!(timers.finish(timer, now), Finished::Done("hello")));
/// }
/// assert!(timers.is_empty());
/// ```
#[derive(Debug)]
pub struct TimerQueue<T> {
    nodes: Nodes,
    /// What the nodes' timers are beside their times: the first timer's node is the first behind the lists' heads.
    entries: Vec<Entry<T>>,
    order: Waiting,
    /// What the running pass took from the wheel.
    due: DueNow,
    /// Passes begun. Only the last one gives timers out.
    passes: u64,
    /// While a pass runs: what is armed and due before this time waits for the next pass.
    late_before: u64,
    next_id: u64,
    next_sequence: u64,
    existing: usize,
    referenced: usize,
}

/// In which order due timers fire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By due time, equal ones in the order in which they were armed: a timing wheel, all operations O(1) amortised.
    #[default]
    Due,
    /// In the order in which they were armed, whatever is due (QuickJS). Each firing looks through the timers from
    /// the first on, so it is O(n): meant for one firing a turn.
    Arming,
}

/// How the armed timers wait.
#[derive(Debug)]
enum Waiting {
    Wheel(Wheel),
    /// All in the first list.
    Line,
}

/// The list of [`Waiting::Line`].
const LINE: u32 = 0;

#[derive(Debug)]
struct Entry<T> {
    /// `None`: there is no timer.
    value: Option<T>,
    period_ns: Option<NonZeroU64>,
    referenced: bool,
    /// It fired and was kept: it counts neither as existing nor as a reference.
    parked: bool,
}

impl<T> TimerQueue<T> {
    /// No timers, by [`Order::Due`]. The first will be number 1.
    #[must_use]
    pub fn new() -> Self {
        Self::in_order(Order::Due)
    }

    /// No timers. The first will be number 1.
    #[must_use]
    pub fn in_order(order: Order) -> Self {
        Self {
            nodes: Nodes::new(),
            entries: Vec::new(),
            order: match order {
                Order::Due => Waiting::Wheel(Wheel::new()),
                Order::Arming => Waiting::Line,
            },
            due: DueNow::default(),
            passes: 0,
            late_before: 0,
            next_id: 1,
            next_sequence: 1,
            existing: 0,
            referenced: 0,
        }
    }

    /// Arms a new timer, referenced. Ids count up and are never used again.
    #[inline]
    pub fn arm(&mut self, due: Timestamp, period_ns: Option<NonZeroU64>, value: T) -> Timer {
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        self.insert(id, due, Entry { value: Some(value), period_ns, referenced: true, parked: false })
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
        self.skip_ids_to(TimerId(id.0.saturating_add(1)));
        self.insert(id.0, due, Entry { value: Some(value), period_ns, referenced, parked: false })
    }

    #[inline]
    fn insert(&mut self, id: u64, due: Timestamp, entry: Entry<T>) -> Timer {
        let slot = self.nodes.take(id);
        self.existing += 1;
        self.referenced += usize::from(entry.referenced);
        let index = (slot - LISTS) as usize;
        match self.entries.get_mut(index) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        self.wait(slot, due);
        Timer { id: TimerId(id), slot }
    }

    /// Lets the timer wait until it is due, behind everything that is due at the same time.
    #[inline]
    fn wait(&mut self, slot: u32, due: Timestamp) {
        let arming = self.nodes.arm(slot, due.0, self.next_sequence);
        self.next_sequence += 1;
        match &mut self.order {
            Waiting::Line => self.nodes.push(LINE, arming),
            Waiting::Wheel(wheel) => {
                if arming.due < self.late_before {
                    self.nodes.push(LATE, arming);
                } else if due < NEVER {
                    wheel.insert(&mut self.nodes, arming);
                } else {
                    self.nodes.push(nodes::NEVER, arming);
                }
            }
        }
    }

    #[inline]
    fn entry(&self, timer: Timer) -> Option<&Entry<T>> {
        self.nodes.is(timer.slot, timer.id.0).then(|| &self.entries[(timer.slot - LISTS) as usize])
    }

    #[inline]
    fn entry_mut(&mut self, timer: Timer) -> Option<&mut Entry<T>> {
        self.nodes.is(timer.slot, timer.id.0).then(|| &mut self.entries[(timer.slot - LISTS) as usize])
    }

    /// Arms `timer` again, whether it is armed, is parked, or its callback runs now: behind its peers, with its
    /// value and reference as they are. False: there is no such timer.
    pub fn rearm(&mut self, timer: Timer, due: Timestamp, period_ns: Option<NonZeroU64>) -> bool {
        let Some(entry) = self.entry_mut(timer) else { return false };
        entry.period_ns = period_ns;
        if std::mem::take(&mut entry.parked) {
            let referenced = entry.referenced;
            self.existing += 1;
            self.referenced += usize::from(referenced);
        }
        self.nodes.disarm(timer.slot);
        self.wait(timer.slot, due);
        true
    }

    /// Removes `timer`, whether it is armed, is parked, or its callback runs now: it never fires again. Its value
    /// comes back; `None`: there is no such timer.
    #[inline]
    pub fn clear(&mut self, timer: Timer) -> Option<T> {
        let entry = self.entry_mut(timer)?;
        let value = entry.value.take();
        let (exists, referenced) = (!entry.parked, entry.referenced && !entry.parked);
        self.existing -= usize::from(exists);
        self.referenced -= usize::from(referenced);
        self.nodes.disarm(timer.slot);
        self.nodes.free(timer.slot);
        value
    }

    /// When the first timer is due; `None` where none ever will be. Exact; it may tidy up, and is O(1) amortised
    /// ([`Order::Due`]).
    #[inline]
    pub fn next_due(&mut self) -> Option<Timestamp> {
        let due = match &mut self.order {
            Waiting::Line => self.nodes.min(LINE).map(|arming| arming.due),
            Waiting::Wheel(wheel) => {
                let waiting = wheel.next_due(&mut self.nodes);
                if self.late_before == 0 {
                    waiting
                } else {
                    let taken = self.due.first(&self.nodes).map(|arming| arming.due);
                    let late = self.nodes.min(LATE).map(|arming| arming.due);
                    [waiting, taken, late].into_iter().flatten().min()
                }
            }
        };
        due.map(Timestamp).filter(|due| *due < NEVER)
    }

    /// Takes note of the time, so that the wheel stays fine where timers are: for the turns in which none is due.
    #[inline]
    pub fn advance(&mut self, now: Timestamp) {
        if let Waiting::Wheel(wheel) = &mut self.order
            && self.late_before == 0
        {
            wheel.advance(&mut self.nodes, now.0);
        }
    }

    /// A pass over what is due at `now` and armed by now. An earlier pass is over: what it did not give out is
    /// armed as before.
    pub fn begin_pass(&mut self, now: Timestamp) -> Pass {
        self.end_pass();
        self.passes += 1;
        self.late_before = now.0.saturating_add(1);
        Pass { now, armed_before: self.next_sequence, number: self.passes }
    }

    /// What the pass took or kept off waits in the wheel again.
    fn end_pass(&mut self) {
        let Waiting::Wheel(wheel) = &mut self.order else { return };
        if std::mem::take(&mut self.late_before) > 0 {
            while let Some(arming) = self.due.pop(&self.nodes) {
                wheel.insert(&mut self.nodes, arming);
            }
            self.nodes.drain(LATE, |nodes, arming| wheel.insert(nodes, arming));
        }
    }

    /// The next due timer of `pass`, `None` at its end. The timer counts as existing, and as referenced, until
    /// [`finish`](Self::finish).
    pub fn pop_due(&mut self, pass: &Pass) -> Option<Fired> {
        if pass.number != self.passes {
            return None;
        }
        let arming = match &mut self.order {
            Waiting::Line => {
                let mut waiting = self.nodes.iter(LINE).take_while(|one| one.sequence < pass.armed_before);
                waiting.find(|one| one.due <= pass.now.0 && one.due < NEVER.0)
            }
            Waiting::Wheel(wheel) => loop {
                if let Some(arming) = self.due.pop(&self.nodes) {
                    break Some(arming);
                }
                if self.late_before == 0
                    || !self.due.refill(|due| wheel.expire(&mut self.nodes, pass.now.0, due))
                {
                    break None;
                }
            },
        };
        let Some(Arming { due, node: slot, .. }) = arming else {
            self.end_pass();
            return None;
        };
        let due = Timestamp(due);
        self.nodes.disarm(slot);
        let entry = &self.entries[(slot - LISTS) as usize];
        Some(Fired {
            timer: Timer { id: TimerId(self.nodes.id(slot)), slot },
            due,
            fired: pass.now,
            skipped: entry.period_ns.map_or(0, |period| pass.now.ns_since(due) / period),
            period_ns: entry.period_ns,
            referenced: entry.referenced,
        })
    }

    /// Ends the firing of `timer`, whose callback started at `started`: an interval is armed again, for
    /// `started` + its period, unless its callback armed or cleared it.
    pub fn finish(&mut self, timer: Timer, started: Timestamp) -> Finished<T> {
        let Some(entry) = self.entry(timer) else { return Finished::Cleared };
        match (self.nodes.arming(timer.slot), entry.period_ns) {
            (Some(arming), _) => Finished::Armed(Timestamp(arming.due)),
            (None, Some(period)) => {
                let due = started.plus_ns(period.get());
                self.wait(timer.slot, due);
                Finished::Armed(due)
            }
            (None, None) => self.clear(timer).map_or(Finished::Cleared, Finished::Done),
        }
    }

    /// Ends the firing of a one-shot that somebody may arm again: it stays with its value, but no longer counts as
    /// existing or as a reference, until [`rearm`](Self::rearm) or [`clear`](Self::clear). False, and nothing was
    /// done: there is no such timer, or it is armed.
    pub fn park(&mut self, timer: Timer) -> bool {
        let fires = |entry: &&Entry<T>| !entry.parked && self.nodes.arming(timer.slot).is_none();
        let Some(referenced) = self.entry(timer).filter(fires).map(|entry| entry.referenced) else {
            return false;
        };
        self.entries[(timer.slot - LISTS) as usize].parked = true;
        self.existing -= 1;
        self.referenced -= usize::from(referenced);
        true
    }

    /// Whether `timer` is parked.
    #[must_use]
    pub fn is_parked(&self, timer: Timer) -> bool {
        self.entry(timer).is_some_and(|entry| entry.parked)
    }

    /// What `timer` was armed with.
    #[must_use]
    pub fn value(&self, timer: Timer) -> Option<&T> {
        self.entry(timer).and_then(|entry| entry.value.as_ref())
    }

    /// What `timer` was armed with.
    pub fn value_mut(&mut self, timer: Timer) -> Option<&mut T> {
        self.entry_mut(timer).and_then(|entry| entry.value.as_mut())
    }

    /// Whether `timer` keeps the loop alive while it is armed; `None`: there is no such timer.
    #[must_use]
    pub fn is_referenced(&self, timer: Timer) -> Option<bool> {
        self.entry(timer).map(|entry| entry.referenced)
    }

    /// Whether `timer` is to keep the loop alive. Says whether that is a change; `None`: there is no such timer.
    pub fn set_referenced(&mut self, timer: Timer, referenced: bool) -> Option<bool> {
        let entry = self.entry_mut(timer)?;
        let was = std::mem::replace(&mut entry.referenced, referenced);
        if !entry.parked {
            self.referenced = self.referenced - usize::from(was) + usize::from(referenced);
        }
        Some(was != referenced)
    }

    /// Timers that keep the loop alive, one that fires now included.
    #[must_use]
    pub const fn referenced(&self) -> usize {
        self.referenced
    }

    /// Timers, one that fires now included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.existing
    }

    /// No timers.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.existing == 0
    }

    /// The id that the next new timer gets.
    #[must_use]
    pub const fn next_id(&self) -> TimerId {
        TimerId(self.next_id)
    }

    /// New ids start at `next` at least: for a snapshot whose last timers are gone.
    pub fn skip_ids_to(&mut self, next: TimerId) {
        self.next_id = self.next_id.max(next.0);
    }

    /// The armed timers, in arming order. Sorts: for snapshots and listings, not for every tick.
    #[must_use]
    pub fn armed(&self) -> Vec<Armed<'_, T>> {
        let armed = (LISTS..self.nodes.end()).zip(&self.entries).filter_map(|(slot, entry)| {
            let (arming, value) = (self.nodes.arming(slot)?, entry.value.as_ref()?);
            Some((arming, entry, value))
        });
        let mut armed: Vec<_> = armed.collect();
        armed.sort_unstable_by_key(|(arming, ..)| arming.sequence);
        let listed = armed.into_iter().map(|(arming, entry, value)| Armed {
            timer: Timer { id: TimerId(self.nodes.id(arming.node)), slot: arming.node },
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
