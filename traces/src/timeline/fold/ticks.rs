//! Folds the beginnings and ends of ticks, and suspensions, which may change the breakdowns of past ticks.

use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;

use crate::timeline::Timeline;
use crate::timeline::stalls::Stall;
use crate::timeline::suspensions::Suspension;

impl Timeline {
    pub(super) fn tick_started(&mut self, place: Option<usize>, tick: u64, stamped: &Stamped) {
        if self.agenda.is_seen() {
            // Sampled only here, because the agenda is separate from the loop's queues.
            self.queues.agenda_sampled();
        }
        let Some(place) = place else { return };
        let open = &mut self.open[place];
        let endless = open.going_on().map(|(_, _, start)| start);
        if let Some(start) = endless {
            // Its end was lost.
            self.ticks.incomplete += 1;
            self.gaps[place].without_end(start, stamped.at);
        }
        let silent = self.loss_bounds.tick_began(place, tick, stamped.at, endless);
        self.gaps[place].began(tick, stamped.at);
        open.begin(tick, stamped.at);
        self.lost_silently(place, silent, stamped.at);
    }

    pub(super) fn tick_ended(
        &mut self,
        place: Option<usize>,
        tick: u64,
        tasks_run: u32,
        start: Timestamp,
        stamped: &Stamped,
    ) {
        let Some(place) = place else { return };
        self.settle_blame(self.open[place].spans_kept());
        let open = &mut self.open[place];
        // The end belongs to another tick: the open one's own end was lost.
        let endless = open.going_on().map(|(_, _, begun)| begun).filter(|begun| *begun != start);
        if let Some(begun) = endless {
            self.ticks.incomplete += 1;
            self.gaps[place].without_end(begun, stamped.at);
        }
        let (summary, spans, seen) = open.end(tick, tasks_run, start, stamped.at, self.config.stall_limit_ns);
        if !summary.incomplete {
            let slot = self.rates.slot(stamped.at);
            slot.ticks += 1;
            slot.busy_ns = slot.busy_ns.saturating_add(summary.busy_ns);
            slot.poll_wait_ns = slot.poll_wait_ns.saturating_add(summary.poll_wait_ns);
        }
        if summary.stall {
            let blame = self.suspensions.blame_tick(&summary, spans, self.config.breakdown_lines);
            self.stalls.add(Stall { tick: summary, blame, spans: spans.into() });
        }
        let silent = self.loss_bounds.tick_ended(place, &summary, seen, endless);
        self.ticks.add(summary, spans);
        self.history.ticked(&summary, self.open[place].polls());
        self.gaps[place].ended(summary.start, summary.end, seen);
        self.charge(place, summary.end);
        self.lost_silently(place, silent, summary.end);
    }

    /// A poll ended. Those of a tick are in its summary; a loop that polls between its ticks waits there.
    pub(super) fn polled(&mut self, place: Option<usize>, start: Timestamp, end: Timestamp) {
        let Some(open) = place.map(|place| &self.open[place]) else { return };
        if !open.open && open.ticked && !open.polls_in_ticks && !open.is_damaged() {
            let wait_ns = end.ns_since(start.max(open.last_ended.map_or(start, |(ended, _)| ended)));
            self.ticks.poll_wait_ns = self.ticks.poll_wait_ns.saturating_add(wait_ns);
            let slot = self.rates.slot(end);
            slot.poll_wait_ns = slot.poll_wait_ns.saturating_add(wait_ns);
            self.history.waited(Timestamp(end.as_ns() - wait_ns), end);
        }
    }

    /// Records a suspension. It is reported after the process resumes, when its tick may be over.
    pub(super) fn suspended(&mut self, suspension: Suspension) {
        self.suspensions.add(suspension);
        let (suspensions, lines) = (&self.suspensions, self.config.breakdown_lines);
        let allowance = &mut self.blame.allowance;
        self.stalls.recompute(suspension.alive, |stall| {
            let is_paid = allowance.pay(stall.spans.len() as u64);
            is_paid.then(|| suspensions.blame_tick(&stall.tick, &stall.spans, lines))
        });
    }

    /// The number of the tick an emitter is in.
    pub(super) fn tick_of(&self, place: Option<usize>) -> Option<u64> {
        place.and_then(|place| self.open[place].number())
    }
}
