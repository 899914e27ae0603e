//! Arrival times of external events (posts, signals, readiness).
//!
//! Posts and signals carry their own time. Readiness does not: the poll that reports it only says when it looked. If
//! the poll had waited, the source became ready when it returned, or, if its timeout had passed by then, some time
//! after the timeout. If it returned at once, the source became ready some time after the previous poll. The exact time
//! is unknown: several sources are spread evenly over the stretch.

use std::collections::VecDeque;

use loop_probes::event::{Event, Origin, Queue};
use loop_probes::ids::Timestamp;

use super::super::cost::{Sample, Waits};
use super::{Arrival, ArrivalKind, RunId, Script};
use crate::budget::bytes_of;

/// A poll that returned within this time did not wait, in nanoseconds.
const AT_ONCE_NS: u64 = 5_000;

/// A tasklet counts as finished at most this long after it ran, in nanoseconds.
const TASKLET_ENDS_NS: u64 = 20_000;

/// The times at which a worker ran a job.
#[derive(Clone, Copy, Debug)]
pub(super) struct JobTimes {
    pub(super) queued: Timestamp,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) worker: u16,
}

#[derive(Clone, Copy, Debug)]
struct Poll {
    start: Timestamp,
    end: Timestamp,
    waited: bool,
    /// Whether a wakeup ended the poll: it waited, and neither readiness nor its deadline ended it.
    was_woken: bool,
}

/// Sources that became ready, spread evenly over a stretch; the recording only gives their number.
#[derive(Clone, Copy, Debug)]
struct Spread {
    from: Timestamp,
    to: Timestamp,
    /// The number of sources, the number of the next one from 1, and the last one left.
    of: u64,
    next: u64,
    last: u64,
}

impl Spread {
    const fn left(&self) -> u64 {
        self.last.saturating_add(1).saturating_sub(self.next)
    }

    fn take(&mut self) -> Timestamp {
        let share =
            u128::from(self.to.ns_since(self.from)) * u128::from(self.next) / (u128::from(self.of) + 1);
        self.next += 1;
        self.from.plus_ns(u64::try_from(share).unwrap_or(u64::MAX))
    }
}

/// External events seen so far.
#[derive(Debug, Default)]
pub(super) struct ExternalEvents {
    poll: Option<Poll>,
    /// Ready sources whose callbacks did not run yet, with their stretches, oldest first.
    ready: VecDeque<Spread>,
    /// The number of those sources.
    ready_count: u64,
    /// The signal taken last: its task comes next.
    signal: Option<(u8, Timestamp)>,
    /// Entries of the batch that is being taken.
    batch: u32,
    /// When the agenda ran empty: that wakes the loop too.
    pub(super) idle_at: Option<Timestamp>,
    /// The agenda ran empty during the poll at this time, and ended it unless something came earlier.
    idle_in_poll: Option<Timestamp>,
    /// The poll was ended by a post or a signal of this time.
    woken_at: Option<Timestamp>,
    waits: Waits,
}

impl ExternalEvents {
    pub(super) fn see(&mut self, at: Timestamp, event: &Event, script: &mut Script) {
        match *event {
            Event::Poll { ready, timeout_ns, start, .. } => {
                self.wake_unexplained(script);
                self.polled(at, ready, timeout_ns, start);
            }
            Event::InputBatch { queue: Queue::Concurrent, taken } => self.batch = taken,
            Event::TaskQueued { place, queued, .. }
                if matches!(place.origin, Origin::Concurrent | Origin::Work | Origin::Future) =>
            {
                self.wakes(queued);
            }
            Event::SignalArrived { signo, arrived, .. } => {
                self.signal = Some((signo, arrived));
                self.wakes(arrived);
            }
            Event::Wake { coalesced: 0, .. }
                if self.batch == 0 && !self.poll.is_some_and(|poll| poll.was_woken) =>
            {
                script.arrivals.push(Arrival { at_ns: at.as_ns(), what: ArrivalKind::Wake });
            }
            Event::Phase { phase: loop_probes::event::Phase::Concurrent, start } => {
                if let Some(ns) = at.ns_since(start).checked_div(u64::from(self.batch)) {
                    self.waits.take.push(Sample { at_ns: start.as_ns(), ns });
                }
                self.batch = 0;
            }
            _ => {}
        }
    }

    fn polled(&mut self, at: Timestamp, ready: u32, timeout_ns: Option<u64>, start: Timestamp) {
        let waited = at.ns_since(start) > AT_ONCE_NS;
        let since = self.poll.map_or(start, |poll| poll.end);
        match timeout_ns {
            Some(0) => self.waits.look.push(Sample::between(start, at)),
            // Also if a source became ready in the end: the deadline had passed before.
            Some(timeout_ns) if at.ns_since(start) >= timeout_ns => {
                self.waits.oversleep.push(Sample::between(start.plus_ns(timeout_ns), at));
            }
            _ => {}
        }
        // Sources that were ready before and not called come first.
        self.keep_ready(ready.into());
        let new = u64::from(ready).saturating_sub(self.ready_count);
        let waited_for_it = waited && timeout_ns != Some(0);
        let deadline = start.plus_ns(timeout_ns.unwrap_or(u64::MAX));
        // The earliest and the latest time at which they can have become ready.
        let (from, to) = match waited_for_it {
            true if deadline < at => (deadline, at),
            true => (at, at),
            false => (since, start),
        };
        if new > 0 {
            self.ready.push_back(Spread { from, to, of: new, next: 1, last: new });
            self.ready_count += new;
        }
        let was_woken = waited_for_it && ready == 0 && at < deadline;
        self.poll = Some(Poll { start, end: at, waited: waited_for_it, was_woken });
        let is_in_poll = |idle: &Timestamp| idle.plus_ns(TASKLET_ENDS_NS) >= start && *idle <= at;
        self.idle_in_poll = self.idle_at.filter(|idle| was_woken && is_in_poll(idle));
        self.woken_at = None;
    }

    /// Forgets all ready sources except the `count` oldest.
    fn keep_ready(&mut self, count: u64) {
        while self.ready_count > count
            && let Some(latest) = self.ready.back_mut()
        {
            let gone = latest.left().min(self.ready_count - count);
            latest.last -= gone;
            self.ready_count -= gone;
            if latest.left() == 0 {
                self.ready.pop_back();
            }
        }
    }

    /// Records a bare wakeup if the last poll was woken and nothing explains it: a notice of another kind, or a
    /// reference of another thread. Wakeups by the end of the last tasklet recur without it.
    fn wake_unexplained(&mut self, script: &mut Script) {
        if let Some(poll) = self.poll.filter(|poll| poll.was_woken && self.woken_at.is_none()) {
            if let Some(idle) = self.idle_in_poll {
                return self.waits.wake.push(Sample::between(idle.max(poll.start), poll.end));
            }
            script.arrivals.push(Arrival { at_ns: poll.end.as_ns(), what: ArrivalKind::Wake });
        }
    }

    /// Takes an arrival of this time into account: if the poll was waiting then, the arrival ended the wait.
    fn wakes(&mut self, arrived: Timestamp) {
        let Some(poll) = self.poll.filter(|poll| poll.waited && self.woken_at.is_none()) else { return };
        if arrived >= poll.start && arrived <= poll.end {
            self.woken_at = Some(arrived);
            self.waits.wake.push(Sample::between(arrived, poll.end));
        }
    }

    /// When the source became ready, given the start of its callback.
    pub(super) fn ready_at(&mut self, start: Timestamp) -> Timestamp {
        let Some(oldest) = self.ready.front_mut() else {
            return self.poll.map_or(start, |poll| poll.end);
        };
        let at = oldest.take();
        self.ready_count = self.ready_count.saturating_sub(1);
        if oldest.left() == 0 {
            self.ready.pop_front();
        }
        at
    }

    /// The signal taken last leads to this run.
    pub(super) fn signal_queued(&mut self, run: RunId, script: &mut Script) {
        if let Some((signo, arrived)) = self.signal.take() {
            let at_ns = arrived.as_ns().max(script.begin_ns);
            script.arrivals.push(Arrival { at_ns, what: ArrivalKind::Signal { signo, run } });
        }
    }

    /// Memory used, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let Waits { oversleep, wake, look, take } = &self.waits;
        bytes_of::<Sample>(oversleep.len() + wake.len() + look.len() + take.len())
            + bytes_of::<Spread>(self.ready.len())
    }

    pub(super) fn waits(self) -> Waits {
        self.waits
    }
}
