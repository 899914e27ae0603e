//! Observes the loop besides its work: records queue depths and phases, and finds slow tasks.

use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::{Event, Phase, Queue};
use loop_probes::ids::{Ticks, Timestamp};
use loop_probes::recorder::Running;

use super::EventLoop;
use crate::core::Core;
use crate::poller::Poller;
use crate::task::Task;

/// Queues whose depth is sampled.
pub(super) const SAMPLED: usize = QUEUES.len() + 1;
pub(super) const QUEUES: [Queue; 6] =
    [Queue::Tasks, Queue::Immediates, Queue::Deferred, Queue::Timers, Queue::Signals, Queue::Work];

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Begins a phase at the latest boundary.
    #[inline]
    pub(super) fn begin_phase(&mut self, phase: Phase) {
        if self.core.on {
            self.core.phase = (phase, self.core.at);
            self.core.recorder.set_running(self.core.at, Running::Phase(phase));
        }
    }

    /// Ends the phase that began last, in which something ran, at the latest boundary.
    #[inline]
    pub(super) fn end_phase(&mut self) {
        if self.core.on {
            let (phase, start) = self.core.phase;
            self.core.record(Event::Phase { phase, start });
        }
    }

    /// Resumes `phase` after a callback that was a phase of its own.
    #[inline]
    pub(super) fn resume_phase(&mut self, phase: Phase) {
        if self.core.on && self.core.phase.0 != phase {
            self.end_phase();
            self.begin_phase(phase);
        }
    }

    /// Gives a lossless recording time to catch up, between two tasks.
    #[inline]
    pub(super) fn pause_to_drain(&mut self) {
        if self.core.on && self.core.recorder.pressure() {
            self.run_drain_pause();
        }
    }

    #[cold]
    fn run_drain_pause(&mut self) {
        // Phases do not overlap: the running one is split.
        let (phase, start) = self.core.phase;
        self.core.record(Event::Phase { phase, start });
        let start = self.core.at;
        self.core.recorder.set_running(start, Running::Phase(Phase::Recorder));
        self.core.recorder.pause_to_drain();
        self.mark();
        self.core.record(Event::Phase { phase: Phase::Recorder, start });
        self.begin_phase(phase);
    }

    /// Records the depths that changed since they were last recorded.
    pub(super) fn sample_queues(&mut self) {
        for (index, queue) in QUEUES.into_iter().enumerate() {
            self.sample(index, queue, self.core.depth_of(queue));
        }
    }

    /// The same for posts of other threads: their queue is counted when its batch is taken.
    pub(super) fn sample_concurrent(&mut self, taken: u32) {
        if self.core.on {
            self.sample(QUEUES.len(), Queue::Concurrent, taken);
        }
    }

    fn sample(&mut self, index: usize, queue: Queue, depth: u32) {
        if depth != self.depths[index] {
            self.depths[index] = depth;
            self.core.record(Event::QueueDepth { queue, depth });
        }
    }
}

impl<T: Task> Core<T> {
    pub(super) fn depth_of(&self, queue: Queue) -> u32 {
        match queue {
            Queue::Tasks => self.scheduler.tasks.len() as u32,
            Queue::Immediates => self.scheduler.immediates.len() as u32,
            Queue::Deferred => self.scheduler.deferred().len() as u32,
            Queue::Timers => self.scheduler.timer_count() as u32,
            Queue::Microtasks => self.scheduler.microtasks().len() as u32,
            Queue::Signals => self.signals.as_ref().map_or(0, |signals| signals.pending()),
            Queue::Work => self.pool.as_ref().map_or(0, |pool| pool.depth()),
            Queue::AfterLoop => self.scheduler.waiting_after_loop().len() as u32,
            // Belongs to other threads until its batch is taken.
            Queue::Concurrent => 0,
            // The agenda's own; its recorder reports it with each tasklet.
            Queue::Agenda => 0,
        }
    }
}

/// Below this, two pairs of readings are too close for a rate.
const SPAN_NS_MIN: u64 = 1_000_000;
/// From here on the rate is accurate enough (1 s apart, readings are good to a millionth).
const SPAN_NS_ENOUGH: u64 = 1_000_000_000;

#[derive(Debug)]
pub(super) struct SlowLimit {
    limit_ns: u64,
    /// The limit in ticks; 0 until the rate is known.
    limit_ticks: u64,
    settled: bool,
    first: (Ticks, Timestamp),
}

impl SlowLimit {
    pub(crate) fn new(limit: Duration, ticks: Ticks, now: Timestamp) -> Self {
        let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        Self { limit_ns, limit_ticks: 0, settled: false, first: (ticks, now) }
    }

    pub(crate) const fn limit_ns(&self) -> u64 {
        self.limit_ns
    }

    /// Adds another pair of readings.
    pub(crate) fn observe(&mut self, ticks: Ticks, now: Timestamp) {
        let span_ns = now.ns_since(self.first.1);
        if self.settled || span_ns < SPAN_NS_MIN {
            return;
        }
        let span_ticks = ticks.0.saturating_sub(self.first.0.0);
        let limit = u128::from(self.limit_ns) * u128::from(span_ticks) / u128::from(span_ns);
        self.limit_ticks = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        self.settled = span_ns >= SPAN_NS_ENOUGH;
    }

    /// Whether a run from `start` to `end` was too long.
    #[inline]
    pub(crate) fn is_exceeded(&mut self, start: Ticks, end: Ticks, clock: &impl Clock) -> bool {
        let ran = end.0.saturating_sub(start.0);
        if ran <= self.limit_ticks {
            return false;
        }
        if self.limit_ticks == 0 {
            self.observe(end, clock.now());
        }
        self.limit_ticks != 0 && ran > self.limit_ticks
    }
}
