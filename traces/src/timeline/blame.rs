//! Blame: the worst late timers, late signals and slow tasks, each with its breakdown.

use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};

use super::ticks::{Mark, TickSummary};
use super::worst::{Blamed, WorstCases, WorstOfSlice};
use super::{LateSignal, LateTimer, SlowTask, Timeline, Waiter};
use crate::attribution::sweep::{Layer, Node, Nodes};
use crate::attribution::{self, Breakdown, What, waited};

impl Timeline {
    /// The breakdown of a wait from `from` to `to` on the emitter `source`, in at most `lines` lines besides those for
    /// unknown time.
    #[must_use]
    pub fn waited(
        &self,
        kind: Waiter,
        source: SourceId,
        from: Timestamp,
        to: Timestamp,
        lines: usize,
    ) -> Breakdown {
        waited(kind, from, to, self.gathered_for_wait(source, from, to), lines)
    }

    /// The number of ticks and spans that a breakdown from `from` on visits.
    pub(crate) fn breakdown_cost(&self, source: SourceId, from: Timestamp) -> u64 {
        let needs = self.ticks.since(from);
        let open = self.open.iter().find(|open| open.source == source).map_or(0, |open| open.spans().len());
        needs.end.extent_from(needs.start) + open as u64
    }

    /// Like [`gathered`](Self::gathered), for a wait.
    pub(super) fn gathered_for_wait(&self, source: SourceId, from: Timestamp, to: Timestamp) -> Nodes {
        let mut nodes = self.gathered(source, from, to);
        let place = self.open.iter().position(|open| open.source == source);
        if place.is_some_and(|place| self.gaps[place].is_before_ticks(to)) {
            // The spans of the tick that was running when the recording began are not kept. All other nodes take
            // precedence over this one.
            nodes.list.push(Node::new(Timestamp(0), to, What::BeforeRecording, Layer::Ran));
        }
        nodes
    }

    /// The worst late timers, worst first, each with its breakdown.
    #[must_use]
    pub fn late_timers(&self) -> Vec<Blamed<LateTimer>> {
        self.late_timers_of(&self.blame)
    }

    fn late_timers_of(&self, of: &WorstCases) -> Vec<Blamed<LateTimer>> {
        of.timers.iter().map(|(late, blame)| Blamed::new(*late, blame, || self.blame_timer(late))).collect()
    }

    /// The worst late signals, worst first, each with its breakdown.
    #[must_use]
    pub fn late_signals(&self) -> Vec<Blamed<LateSignal>> {
        self.late_signals_of(&self.blame)
    }

    fn late_signals_of(&self, of: &WorstCases) -> Vec<Blamed<LateSignal>> {
        of.signals.iter().map(|(late, blame)| Blamed::new(*late, blame, || self.blame_signal(late))).collect()
    }

    /// The slowest tasks, slowest first, each with the breakdown of its own run.
    #[must_use]
    pub fn slow_tasks(&self) -> Vec<Blamed<SlowTask>> {
        self.slow_tasks_of(&self.blame)
    }

    fn slow_tasks_of(&self, of: &WorstCases) -> Vec<Blamed<SlowTask>> {
        of.tasks.iter().map(|(slow, blame)| Blamed::new(*slow, blame, || self.blame_task(slow))).collect()
    }

    fn worst_of(&self, of: &WorstCases) -> WorstOfSlice {
        WorstOfSlice {
            timers: self.late_timers_of(of),
            signals: self.late_signals_of(of),
            tasks: self.slow_tasks_of(of),
        }
    }

    /// The worst cases since the last baseline; those that follow are of another slice.
    pub(super) fn end_slice(&mut self) -> WorstOfSlice {
        let slice = std::mem::replace(&mut self.blame_of_slice, WorstCases::of_slice(&self.config));
        self.worst_of(&slice.0)
    }

    /// The worst cases that ended since `from`: of all, of the `slices` since then, and of the one that is not over.
    pub(super) fn blame_since<'s>(
        &self,
        from: Timestamp,
        slices: impl Iterator<Item = &'s WorstOfSlice>,
    ) -> WorstCases {
        let mut all = self.worst_of(&self.blame);
        slices.for_each(|slice| all.add(slice));
        all.add(&self.worst_of(&self.blame_of_slice.0));
        all.into_cases(from, WorstCases::new(&self.config))
    }

    /// The breakdown of a kept tick's busy time, in at most `lines` lines besides those for unknown time. `None` if its
    /// spans were evicted.
    #[must_use]
    pub fn blame_tick(&self, tick: &TickSummary, lines: usize) -> Option<Breakdown> {
        Some(self.suspensions.blame_tick(tick, &self.spans_of(tick)?, lines))
    }

    /// The breakdown of one run of any task, from the records kept of that time.
    #[must_use]
    pub fn run_of(
        &self,
        source: SourceId,
        task: TaskId,
        tag: Tag,
        start: Timestamp,
        end: Timestamp,
    ) -> Breakdown {
        let slow = SlowTask { source, task, tag, start, end, tick: None };
        let is_it = |kept: &SlowTask| SlowTask { tick: None, ..*kept } == slow;
        let kept =
            self.blame.tasks.iter().find(|(kept, _)| is_it(kept)).and_then(|(_, blame)| blame.cloned());
        kept.unwrap_or_else(|| self.blame_task(&slow))
    }

    /// Everything recorded on `source` between `from` and `to`, and the gaps in it.
    pub(super) fn gathered(&self, source: SourceId, from: Timestamp, to: Timestamp) -> Nodes {
        let mut nodes = Nodes::default();
        let Some(place) = self.open.iter().position(|open| open.source == source) else { return nodes };
        self.ticks.gather(source, from, to, &mut nodes);
        self.open[place].gather(&mut nodes);
        self.open[place].gather_seen(self.last.unwrap_or_default(), &mut nodes);
        if self.config.queue_waits_in_part {
            // The gap between two tasks of an imported trace is a poll in name only: nothing recorded what happened.
            nodes.list.retain(|node| node.layer != Layer::Polled);
        }
        nodes.list.extend(self.gaps[place].missing(from, to));
        self.suspensions.gather(from, to, &mut nodes);
        nodes
    }

    fn blame_timer(&self, late: &LateTimer) -> Breakdown {
        self.waited(Waiter::Timer, late.source, late.due, late.fired, self.blame.lines)
    }

    fn blame_signal(&self, late: &LateSignal) -> Breakdown {
        self.waited(Waiter::Signal, late.source, late.arrived, late.delivered, self.blame.lines)
    }

    fn blame_task(&self, slow: &SlowTask) -> Breakdown {
        let nodes = self.gathered(slow.source, slow.start, slow.end);
        attribution::ran(slow.task, slow.tag, slow.start, slow.end, nodes, self.blame.lines)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn timer_was_late(&mut self, late: LateTimer) {
        self.blame.timers.add(late.lag_ns(), late, || self.ticks.since(late.due));
        self.blame_of_slice.0.timers.add(late.lag_ns(), late, || self.ticks.since(late.due));
    }

    #[cold]
    #[inline(never)]
    pub(super) fn signal_was_late(&mut self, late: LateSignal) {
        self.blame.signals.add(late.latency_ns(), late, || self.ticks.since(late.arrived));
        self.blame_of_slice.0.signals.add(late.latency_ns(), late, || self.ticks.since(late.arrived));
    }

    #[cold]
    #[inline(never)]
    pub(super) fn task_was_slow(&mut self, slow: SlowTask) {
        self.blame.tasks.add(slow.run_ns(), slow, || self.ticks.since(slow.start));
        self.blame_of_slice.0.tasks.add(slow.run_ns(), slow, || self.ticks.since(slow.start));
    }

    /// A tick with `spans` spans is about to be kept, and older ones to be evicted for it.
    #[inline]
    pub(super) fn settle_blame(&mut self, spans: usize) {
        let kept_from = self.ticks.kept_from_after(spans);
        self.charge_before(kept_from);
        self.blame.allowance.grow(spans);
        self.blame_of_slice.0.allowance.grow(spans);
        if self.blame.is_urgent(kept_from) {
            let blame = std::mem::replace(&mut self.blame, WorstCases::new(&self.config));
            self.blame = self.settled(blame, kept_from, spans);
        }
        if self.blame_of_slice.0.is_urgent(kept_from) {
            let blame = std::mem::replace(&mut self.blame_of_slice.0, WorstCases::new(&self.config));
            self.blame_of_slice.0 = self.settled(blame, kept_from, spans);
        }
    }

    #[cold]
    fn settled(&self, mut blame: WorstCases, kept_from: Mark, spans: usize) -> WorstCases {
        let WorstCases { timers, signals, tasks, allowance, .. } = &mut blame;
        timers.settle(kept_from, spans, allowance, |late| self.blame_timer(late));
        signals.settle(kept_from, spans, allowance, |late| self.blame_signal(late));
        tasks.settle(kept_from, spans, allowance, |slow| self.blame_task(slow));
        blame
    }
}

#[cfg(test)]
mod tests;
