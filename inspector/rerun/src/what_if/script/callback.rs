//! Ends of callbacks, checkpoints and drains: assigns to them the preceding acts, and the growth of the heap.

use loop_probes::event::Outcome;
use loop_probes::ids::{Tag, TaskId, Timestamp};

use super::reading::{Reading, TimedOp};
use super::{Act, MICROTASKS_MAX, NONE, Op, Run, RunId, RunRole};

/// Maximum number of callbacks between two readings of a heap; beyond that, the heap is not being read.
const GREW_MAX: usize = 1 << 20;

impl Reading {
    /// Ends a callback: the acts since its start are its own.
    pub(super) fn ran(
        &mut self,
        run: RunId,
        task: Option<TaskId>,
        start: Timestamp,
        end: Timestamp,
        outcome: Outcome,
    ) {
        let open = std::mem::take(&mut self.open);
        // A callback starts at the time of its predecessor's end, so an act at that time is either's. Its parent says
        // whose: the poll of a woken future is queued right after the callback that woke it.
        let is_own = |(at, parent, _): &TimedOp| parent.map_or(*at >= start, |parent| Some(parent) == task);
        let own = open.iter().rposition(|act| !is_own(act)).map_or(0, |earlier| earlier + 1);
        self.add_to_last(&open[..own]);
        self.last_end = end;
        let acts = open[own..].iter().map(|(at, _, what)| Act { after_ns: at.ns_since(start), what: *what });
        let acts = self.script.acts.add(acts);
        let ended = Run { outcome: Some(outcome), acts, ..self.script.run(run) };
        self.script.set_run(run, ended, end.ns_since(start));
        (self.last, self.tail) = (Some((run, task)), NONE);
        self.grew.push(run);
        if self.grew.len() > GREW_MAX {
            self.grew.clear();
        }
        self.open = open;
        self.open.clear();
    }

    /// Acts since the end of the last callback are added to it, at its end.
    pub(super) fn add_to_last(&mut self, acts: &[TimedOp]) {
        let last_end = self.last_end;
        // A tasklet added between two callbacks was added by another thread.
        let is_own = |(at, _, what): &&TimedOp| !matches!(what, Op::Tasklet(_)) || *at <= last_end;
        for (at, _, what) in acts.iter().filter(|act| !is_own(act)) {
            self.arrived_at_agenda(*at, *what);
        }
        let Some((last, _)) = self.last.filter(|_| !acts.is_empty()) else { return };
        let (list, after_ns) = (self.script.run(last).acts, self.script.cost_ns(last));
        let acts = acts.iter().filter(is_own).map(|(_, _, what)| Act { after_ns, what: *what });
        self.script.runs[last as usize].acts = self.script.acts.extend(list, acts);
    }

    pub(super) fn checkpoint(&mut self, at: Timestamp, ran: u32, start: Timestamp) {
        let open = std::mem::take(&mut self.open);
        self.last_end = at;
        self.add_to_last(&open);
        let Some((last, _)) = self.last else { return };
        let (count, cost_ns) = (ran.min(MICROTASKS_MAX), at.ns_since(start));
        let tag = self.script.run(last).tag;
        let drain = self.new_run(tag);
        self.script.set_run(drain, Run::checkpoint(tag, count), cost_ns);
        // If a callback has two checkpoints, the second stems from what follows: it is chained to the first.
        let before = if self.tail == NONE { last } else { self.tail };
        self.script.runs[before as usize].drain = drain;
        self.tail = drain;
        self.grew.push(drain);
    }

    pub(super) fn deferred_ran(&mut self, at: Timestamp, ran: u32, start: Timestamp) {
        let open = std::mem::take(&mut self.open);
        let kept = std::mem::take(&mut self.kept);
        self.last_end = at;
        let cost_ns = at.ns_since(start) / u64::from(ran.max(1));
        self.deferred.drained();
        for number in 1..=ran {
            let Some((key, run)) = self.deferred.take() else { break };
            let own = if number == 1 { &open[..] } else { &[] };
            let acts = own
                .iter()
                .map(|(at, _, what)| Act { after_ns: at.ns_since(start).min(cost_ns), what: *what });
            let acts = self.script.acts.add(acts);
            let is_kept = kept.contains(&number);
            let role = if is_kept { RunRole::Kept } else { RunRole::Callback };
            let ran = Run { outcome: Some(Outcome::Done), role, acts, ..self.script.run(run) };
            self.script.set_run(run, ran, cost_ns);
            if is_kept {
                let next = self.new_run(Tag(0));
                self.script.runs[run as usize].set_next(next);
                self.deferred.keep(key, next);
            }
            (self.last, self.tail) = (Some((run, None)), NONE);
            self.grew.push(run);
        }
    }

    /// Distributes the growth since the last reading over the callbacks that ran, in proportion to their run time.
    pub(super) fn heap_read(&mut self, heap_bytes: u64) {
        if !self.script.has_heap {
            (self.script.has_heap, self.script.start.heap_bytes) = (true, heap_bytes);
        }
        let before = self.heap.replace(heap_bytes);
        let was_collected = std::mem::take(&mut self.is_collecting);
        let Some(before) = before.filter(|_| !was_collected) else {
            self.grew.clear();
            return;
        };
        let grown = i128::from(heap_bytes) - i128::from(before);
        let grown = grown.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        let costs = self.grew.iter().map(|run| self.script.cost_ns(*run).max(1));
        let total = costs.fold(0_u64, u64::saturating_add);
        let mut rest = grown;
        let last = self.grew.len().saturating_sub(1);
        for (place, run) in self.grew.iter().enumerate() {
            let cost_ns = self.script.cost_ns(*run).max(1);
            let share = (i128::from(grown) * i128::from(cost_ns) / i128::from(total.max(1))) as i64;
            let share = if place == last { rest } else { share };
            self.script.grow(*run, share);
            rest = rest.saturating_sub(share);
        }
        if self.grew.is_empty() {
            // Nothing ran: the next callback is credited with the growth.
            self.heap = Some(before);
        }
        self.grew.clear();
    }
}
