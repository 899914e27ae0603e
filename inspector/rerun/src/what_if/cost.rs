//! Overhead outside of callbacks: the loop's own work between callbacks, polls, wakeups, collections.
//!
//! Every measurement is kept with its time, and a lookup returns the one nearest in time: so the full distribution is
//! reproduced, and a slow stretch of the machine stays in its place.

use std::cell::Cell;

use loop_probes::event::{ClockPoint, Event, Phase};
use loop_probes::ids::Timestamp;

use crate::budget::bytes_of;

/// A measurement of more than this multiple of the median is an interruption from outside, and is used once.
const OUTLIER: u64 = 16;

/// One measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) at_ns: u64,
    pub(super) ns: u64,
}

impl Sample {
    /// The time from `start` to `end`, stored under its start: an interruption recurs where it began.
    pub(super) const fn between(start: Timestamp, end: Timestamp) -> Self {
        Self { at_ns: start.as_ns(), ns: end.ns_since(start) }
    }
}

/// One collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Collection {
    pub(super) at_ns: u64,
    pub(super) run_ns: u64,
    pub(super) before: u64,
    pub(super) after: u64,
}

/// The loop's own overhead, gathered while the recording is read.
#[derive(Debug, Default)]
pub(super) struct Overheads {
    /// The end of the last accounted part: a callback, a poll, a phase.
    accounted: Option<Timestamp>,
    polled: bool,
    /// The clock reading from which the next poll's wait is counted.
    read: Option<Timestamp>,
    before_poll: Vec<Sample>,
    into_poll: Vec<Sample>,
    after_poll: Vec<Sample>,
    between: Vec<Sample>,
    drain_pauses: Vec<Sample>,
    /// The end of the last tick or run, outside of ticks.
    outside_since: Option<Timestamp>,
    outside: Vec<Sample>,
    collections: Vec<Collection>,
}

impl Overheads {
    /// Memory used, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let Self { before_poll, into_poll, after_poll, between, drain_pauses, outside, .. } = self;
        let all = [before_poll, into_poll, after_poll, between, drain_pauses, outside];
        let samples = all.iter().map(|samples| samples.len()).sum();
        bytes_of::<Sample>(samples) + bytes_of::<Collection>(self.collections.len())
    }

    pub(super) fn see(&mut self, at: Timestamp, event: &Event) {
        let gap = |from: Option<Timestamp>, to: Timestamp| Some(Sample::between(from?, to));
        match event {
            Event::TickStart { .. } => self.outside_since = None,
            Event::TickEnd { .. } | Event::LoopStopped { .. } => self.outside_since = Some(at),
            _ => {}
        }
        match *event {
            Event::TickStart { .. } => {
                self.between.extend(gap(self.accounted, at));
                self.polled = false;
            }
            Event::InputClock { point: ClockPoint::BeforePoll, now } => {
                self.read = Some(now);
                return;
            }
            Event::Poll { start, .. } => {
                self.before_poll.extend(gap(self.accounted, start));
                if let Some(accounted) = self.accounted {
                    let read = self.read.take().unwrap_or(start).max(accounted);
                    self.into_poll.push(Sample { at_ns: accounted.as_ns(), ns: start.ns_since(read) });
                }
                self.polled = true;
            }
            // In a tick it is part of a snapshot.
            Event::InputRun { .. } if let Some(since) = self.outside_since => {
                self.outside.push(Sample::between(since, at));
            }
            Event::Phase { phase: Phase::Recorder, start } => {
                self.drain_pauses.push(Sample::between(start, at));
            }
            Event::TickEnd { .. } if self.polled => self.after_poll.extend(gap(self.accounted, at)),
            Event::GcRan { heap_bytes_before, heap_bytes_after, start } => {
                self.collections.push(Collection {
                    at_ns: start.as_ns(),
                    run_ns: at.ns_since(start),
                    before: heap_bytes_before,
                    after: heap_bytes_after,
                })
            }
            Event::TickEnd { .. }
            | Event::TaskRan { .. }
            | Event::IoReady { .. }
            | Event::Microtasks { .. }
            | Event::DeferredRan { .. }
            | Event::Phase { .. } => {}
            _ => return,
        }
        self.accounted = Some(at);
    }
}

/// Delays of the loop around polls.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits {
    /// From a deadline until the poll returns.
    pub(super) oversleep: Vec<Sample>,
    /// From a post or a signal until the poll returns.
    pub(super) wake: Vec<Sample>,
    /// A poll that does not wait.
    pub(super) look: Vec<Sample>,
    /// Turning one post into a task.
    pub(super) take: Vec<Sample>,
}

/// Measurements of one kind, in order of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    samples: Vec<Sample>,
    median_ns: u64,
}

impl Samples {
    /// The median of all measurements, in nanoseconds.
    pub(super) const fn median_ns(&self) -> u64 {
        self.median_ns
    }

    pub(super) fn new(mut samples: Vec<Sample>) -> Self {
        samples.sort_by_key(|sample| sample.at_ns);
        let mut all: Vec<u64> = samples.iter().map(|sample| sample.ns).collect();
        let middle = all.len() / 2;
        let median_ns = if all.is_empty() { 0 } else { *all.select_nth_unstable(middle).1 };
        Self { samples, median_ns }
    }
}

/// A position in the measurements that only moves forward in time.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    next: Cell<usize>,
    /// Interruptions up to here have been used.
    spent: Cell<usize>,
}

impl Cursor {
    /// The measurement nearest to `now_ns`; an interruption is returned only once.
    pub(super) fn near(&self, samples: &Samples, now_ns: u64) -> u64 {
        let all = &samples.samples;
        let mut next = self.next.get();
        while all.get(next).is_some_and(|sample| sample.at_ns < now_ns) {
            next += 1;
        }
        self.next.set(next);
        let distance = |place: usize| all.get(place).map(|sample| sample.at_ns.abs_diff(now_ns));
        let nearest = match (
            next.checked_sub(1).and_then(|earlier| Some((distance(earlier)?, earlier))),
            distance(next),
        ) {
            (Some((before, earlier)), Some(after)) => {
                if before < after {
                    earlier
                } else {
                    next
                }
            }
            (Some((_, earlier)), None) => earlier,
            (None, Some(_)) => next,
            (None, None) => return 0,
        };
        let ns = all[nearest].ns;
        let is_outlier = ns / OUTLIER > samples.median_ns;
        if is_outlier && nearest < self.spent.get() {
            return samples.median_ns;
        }
        if is_outlier {
            self.spent.set(nearest + 1);
        }
        ns
    }
}

/// All overhead outside of callbacks.
#[derive(Clone, Debug, Default)]
pub(super) struct Costs {
    /// From the last callback, or the start of the tick, to the poll.
    pub(super) before_poll: Samples,
    /// The part of `before_poll` after the clock reading from which the poll's wait is counted.
    pub(super) into_poll: Samples,
    /// From the poll, or the last callback, to the end of the tick.
    pub(super) after_poll: Samples,
    /// From one tick to the next.
    pub(super) between: Samples,
    pub(super) oversleep: Samples,
    pub(super) wake: Samples,
    pub(super) look: Samples,
    pub(super) take: Samples,
    /// From adding a tasklet until an idle worker takes it.
    pub(super) tasklet_wake: Samples,
    /// From the end of a tasklet until its worker takes the next.
    pub(super) tasklet_next: Samples,
    /// Pauses of the loop to drain its recorder, in order of time.
    pub(super) drain_pauses: Vec<Sample>,
    /// Times between two runs of the loop, in order of time.
    pub(super) outside: Vec<Sample>,
    /// Collections in order of time.
    pub(super) collections: Vec<Collection>,
}

impl Costs {
    pub(super) fn new(overheads: Overheads, waits: Waits, tasklets: [Vec<Sample>; 2]) -> Self {
        let Overheads {
            before_poll, into_poll, after_poll, between, drain_pauses, outside, collections, ..
        } = overheads;
        let [tasklet_wake, tasklet_next] = tasklets.map(Samples::new);
        Self {
            tasklet_wake,
            tasklet_next,
            before_poll: Samples::new(before_poll),
            into_poll: Samples::new(into_poll),
            after_poll: Samples::new(after_poll),
            between: Samples::new(between),
            oversleep: Samples::new(waits.oversleep),
            wake: Samples::new(waits.wake),
            look: Samples::new(waits.look),
            take: Samples::new(waits.take),
            drain_pauses,
            outside,
            collections,
        }
    }
}
