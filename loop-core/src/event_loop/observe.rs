//! Records phases and queue depths, and pauses to let a lossless recording catch up.

use loop_probes::clock::Clock;
use loop_probes::event::{Event, Phase, Queue};
use loop_probes::recorder::Running;

use super::EventLoop;
use super::sampling::QUEUES;
use crate::core::Core;
use crate::poller::Poller;
use crate::task::Task;

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Begins a phase at the latest boundary.
    #[inline]
    pub(super) fn begin_phase(&mut self, phase: Phase) {
        if self.core.on {
            self.core.phase = (phase, self.core.at);
            self.core.recorder.set_running(self.core.at, Running::Phase(phase));
        }
    }

    /// Ends the current phase at the latest boundary.
    #[inline]
    pub(super) fn end_phase(&mut self) {
        if self.core.on {
            let (phase, start) = self.core.phase;
            self.core.record(Event::Phase { phase, start });
        }
    }

    /// Resumes `phase` after a callback that was a separate phase.
    #[inline]
    pub(super) fn resume_phase(&mut self, phase: Phase) {
        if self.core.on && self.core.phase.0 != phase {
            self.end_phase();
            self.begin_phase(phase);
        }
    }

    /// Between two tasks, pauses to let a lossless recording catch up, if needed.
    #[inline]
    pub(super) fn pause_to_drain(&mut self) {
        if self.core.on && self.core.recorder.should_drain() {
            self.run_drain_pause();
        }
    }

    #[cold]
    fn run_drain_pause(&mut self) {
        // Phases do not overlap, so split the current one.
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

    /// Records how many posts of other threads were `taken`, as the depth of their queue.
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
            // Recorded when its batch is taken, by `sample_concurrent`.
            Queue::Concurrent => 0,
            // Recorded by the agenda with each tasklet.
            Queue::Agenda => 0,
        }
    }
}
