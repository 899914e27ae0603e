//! Carries out and records the decisions of the GC controller.

use loop_probes::clock::Clock;
use loop_probes::event::{ClockPoint, Event, GcAction, Phase};
use loop_probes::ids::Timestamp;

use super::EventLoop;
use crate::core::Current;
use crate::gc::{GcController, GcDecision};
use crate::poller::Poller;
use crate::task::Task;

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Measures the heap and records the result.
    fn heap_bytes(&mut self, now: Timestamp) -> Option<u64> {
        let heap_bytes = self.host.as_mut()?.heap()?.bytes();
        if self.core.on {
            self.core.record(Event::InputHeap { heap_bytes });
        }
        if self.core.scheduler.gc.samples() {
            let measured = self.read(ClockPoint::Gc);
            self.core.scheduler.gc.measured(now, measured);
        }
        Some(heap_bytes)
    }

    pub(super) fn watches_heap(&mut self) -> bool {
        self.core.serves_heap && self.host.as_mut().is_some_and(|host| host.heap().is_some())
    }

    /// Runs the controller's timers, if one is due.
    pub(super) fn gc_timers_step(&mut self) {
        if let Some(due) = self.core.scheduler.gc.timers_due()
            && self.watches_heap()
        {
            let now = self.pass_time(ClockPoint::Tick);
            if due <= now {
                self.gc_phase(now, |gc, heap_bytes| gc.on_timers(now, heap_bytes));
            }
        }
    }

    /// Makes the GC check of a turn.
    pub(super) fn gc_check_step(&mut self, point: ClockPoint) {
        if self.core.scheduler.gc.is_on() && self.watches_heap() {
            let now = self.pass_time(point);
            if self.core.scheduler.gc.wants_check(now)
                && self.gc_phase(now, |gc, heap_bytes| Some(gc.check(now, heap_bytes)))
            {
                self.now = None;
            }
        }
    }

    /// Measures the heap and carries out the controller's decision. True if the heap was collected.
    fn gc_phase(
        &mut self,
        now: Timestamp,
        decide: impl FnOnce(&mut GcController, u64) -> Option<GcDecision>,
    ) -> bool {
        self.begin_phase(Phase::Gc);
        let Some(heap_bytes) = self.heap_bytes(now) else { return false };
        let decision = decide(&mut self.core.scheduler.gc, heap_bytes);
        let collect = decision.is_some_and(|decision| decision.action == GcAction::Collect);
        if let Some(GcDecision { action, reason, heap_bytes, threshold_bytes }) = decision
            && self.core.on
        {
            self.core.record(Event::GcDecision { action, reason, heap_bytes, threshold_bytes });
        }
        if collect {
            self.collect(heap_bytes);
        }
        if let Some(change) = self.core.scheduler.gc.take_mode_change()
            && self.core.on
        {
            self.core.record(Event::GcMode { mode: change.mode, unchanged_ticks: change.unchanged_ticks });
        }
        if collect {
            // Only a collection is a phase: a check without one takes less time than the clock reading that would end
            // the phase.
            self.end_phase();
        }
        collect
    }

    fn collect(&mut self, heap_bytes_before: u64) {
        let start = self.mark();
        let Some(mut host) = self.host.take() else { return };
        let (_, collected) = self.invoke(Current::NONE, |_| {
            let heap = host.heap()?;
            heap.collect();
            Some(heap.bytes())
        });
        self.host = Some(host);
        // A collection that panicked counts as having freed nothing.
        let heap_bytes_after = collected.flatten().unwrap_or(heap_bytes_before);
        let now = self.read(ClockPoint::Gc);
        self.core.scheduler.gc.collected(now, heap_bytes_after);
        if self.core.on {
            self.core.record(Event::InputHeap { heap_bytes: heap_bytes_after });
            self.core.record(Event::GcRan { heap_bytes_before, heap_bytes_after, start });
        }
    }
}
