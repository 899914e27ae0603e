//! Delay caused: how much each cause delayed others, in total. Sums the breakdowns of all long waits: late timers ([due,
//! fired]), late signals ([arrived, delivered]) and tasks that waited for longer than the limit ([queued, start]). The sum
//! over all causes equals the sum of these waits.
//!
//! Waits that have not ended, with their known duration, and those that ended in the open tick are charged each time
//! the sums are computed. A wait may span many ticks and thousands of runs, and thousands of waits may span the same
//! runs. Therefore a loop's `Lane` cuts the last ticks into stretches with one cause each, and a wait marks only its
//! first and last stretch. Ticks in which nothing was delayed are never cut.

use loop_probes::ids::Timestamp;

use super::impacts::{Cause, HeldWaits, Impact, Impacts};
use super::in_progress::Unfinished;
use super::open_tick::{OpenTick, Wait};
use super::ticks::Mark;
use super::{StreamEnd, Timeline};
use crate::attribution::Waiter;

/// Maximum number of waits that may end in one tick; further ones are charged as evicted.
const WAITS_MAX: usize = 1 << 14;

/// Waits of at least this length are held back, because a suspension may turn out to be part of them.
const HELD_FROM_NS: u64 = 100_000_000;

/// How long waits are held back, in stream time.
const HELD_FOR_NS: u64 = 250_000_000;

impl Timeline {
    /// Delay caused by each cause so far, worst first, including the unknown ones.
    #[must_use]
    pub fn delay_caused(&self) -> Vec<Impact> {
        self.delay_caused_with(&self.unfinished(StreamEnd::Known))
    }

    /// Delay caused by each cause, worst first, including the unknown ones, where `unfinished` has not ended.
    #[must_use]
    pub fn delay_caused_with(&self, unfinished: &Unfinished) -> Vec<Impact> {
        let uncharged = self.uncharged(unfinished);
        let mut all = match self.delays_caused.held.is_empty() && uncharged.is_empty() {
            true => self.delays_caused.counted(),
            false => {
                let mut delays_caused = self.delays_caused.clone();
                let held = std::mem::take(&mut delays_caused.held);
                held.iter().chain(&uncharged).for_each(|held| self.charge_to(&mut delays_caused, held));
                delays_caused.counted()
            }
        };
        all.iter_mut().for_each(|impact| impact.run_ns = self.run_ns_of(impact.cause, unfinished));
        all.sort_by(|a, b| b.total_ns().cmp(&a.total_ns()).then(a.cause.cmp(&b.cause)));
        all
    }

    /// The long waits that ended in an open tick, and those that have not ended, with their known duration.
    fn uncharged(&self, unfinished: &Unfinished) -> Vec<HeldWaits> {
        if self.config.stretches_kept == 0 {
            return Vec::new();
        }
        let of = |open: &OpenTick| {
            let source = open.source;
            let timers = unfinished.timers.iter().filter(|timer| timer.source == source);
            let timers = timers.filter(|timer| timer.lag_ns() > self.config.late_timer_ns);
            let timers = timers.map(|timer| Wait { kind: Waiter::Timer, from: timer.due, to: timer.as_of });
            let tasks = unfinished.waiting.iter().filter(|task| task.source == source);
            // As for those that have started: a signal's task waited because the signal did.
            let tasks = tasks.filter(|task| {
                task.queue_wait_ns() > self.config.late_task_ns && open.signal_task != Some(task.task)
            });
            let tasks = tasks.map(|task| Wait { kind: Waiter::Task, from: task.queued, to: task.as_of });
            let waits: Vec<Wait> = open.waits.iter().copied().chain(timers).chain(tasks).collect();
            let end = waits.iter().map(|wait| wait.to).max()?;
            Some(HeldWaits { source, end, needs: Mark::NEVER, waits })
        };
        self.open.iter().filter_map(of).collect()
    }

    /// Total run time of a cause, including the known part of unfinished task runs.
    fn run_ns_of(&self, cause: Cause, unfinished: &Unfinished) -> Option<u64> {
        let running = unfinished.tasks.iter().filter(|task| Cause::Tasks(task.tag) == cause);
        let ended_ns = self.ended_run_ns_of(cause);
        running.fold(ended_ns, |sum, task| Some(sum.unwrap_or(0).saturating_add(task.run_ns())))
    }

    /// Total run time of a cause, of runs that have ended.
    fn ended_run_ns_of(&self, cause: Cause) -> Option<u64> {
        let tag = |tag| self.tags.tag(tag);
        match cause {
            Cause::Tasks(its) => tag(its).map(|tag| tag.tasks.run_ns.total()),
            Cause::Io(its) => tag(its)?.io.as_ref().map(|io| io.run_ns.total()),
            Cause::Microtasks(Some(its)) => tag(its).map(|tag| tag.microtasks_ns),
            Cause::Microtasks(None) => {
                let all = self.tags.iter().chain(self.tags.beyond_limit().map(|beyond| &beyond.stats));
                let named = all.map(|tag| tag.microtasks_ns).fold(0, u64::saturating_add);
                Some(self.microtasks.run_ns.total().saturating_sub(named))
            }
            Cause::Deferred => Some(self.deferred.run_ns.total()),
            Cause::Immediates => Some(self.immediates.run_ns.total()),
            Cause::Gc => Some(self.gc.run_ns.total()),
            Cause::Spans(label) => self.spans.by_label.get(&label)?.run_ns.as_ref().map(|ns| ns.total()),
            Cause::Phase(phase) => Some(self.ticks.phases.of(phase)),
            _ => None,
        }
    }

    /// Records a wait that was too long. It is charged when the tick ends: before that, not everything that ran is known.
    #[cold]
    #[inline(never)]
    pub(super) fn kept_waiting(&mut self, place: Option<usize>, wait: Wait) {
        if self.config.stretches_kept == 0 {
            return;
        }
        match place {
            Some(place) if self.open[place].open && self.open[place].waits.len() < WAITS_MAX => {
                self.open[place].waits.push(wait);
            }
            // The wait ended in a tick that began before the recording, of which nothing is known.
            Some(place) if !self.open[place].open && self.gaps[place].is_before_ticks(wait.to) => {
                self.delays_caused.whole(Cause::BeforeRecording, &wait);
            }
            Some(place) if !self.open[place].open => self.delays_caused.whole(Cause::Unattributed, &wait),
            _ => self.delays_caused.whole(Cause::Evicted, &wait),
        }
    }

    /// A tick has ended and is kept: charges the waits that ended in it, and those held back for long enough.
    #[inline]
    pub(super) fn charge(&mut self, place: usize, end: Timestamp) {
        if !self.open[place].waits.is_empty() || !self.delays_caused.held.is_empty() {
            self.charge_waits(place, end);
        }
    }

    #[cold]
    fn charge_waits(&mut self, place: usize, end: Timestamp) {
        self.release(|held| held.end.plus_ns(HELD_FOR_NS) <= end);
        let source = self.open[place].source;
        let mut waits = std::mem::take(&mut self.open[place].waits);
        let is_long = |wait: &Wait| wait.to.ns_since(wait.from) >= HELD_FROM_NS;
        let is_behind = self.delays_caused.held.iter().any(|held| held.source == source);
        if !waits.is_empty() && (is_behind || waits.iter().any(is_long)) {
            let from = waits.iter().map(|wait| wait.from).min().unwrap_or(end);
            let needs = self.ticks.mark(from);
            self.delays_caused.held.push_back(HeldWaits { source, end, needs, waits });
            while self.delays_caused.held.iter().map(|held| held.waits.len()).sum::<usize>() > WAITS_MAX {
                let mut is_first = true;
                self.release(|_| std::mem::take(&mut is_first));
            }
            return;
        }
        let now = HeldWaits { source, end, needs: Mark::NEVER, waits };
        if !now.waits.is_empty() {
            self.charged(&now);
        }
        waits = now.waits;
        waits.clear();
        self.open[place].waits = waits;
    }

    /// Charges the held waits that need anything older than `kept_from`.
    #[inline]
    pub(super) fn charge_before(&mut self, kept_from: Mark) {
        if !self.delays_caused.held.is_empty() {
            self.release(|held| held.needs.is_lost_at(kept_from));
        }
    }

    /// Charges held waits, oldest first, while `due` holds.
    fn release(&mut self, mut due: impl FnMut(&HeldWaits) -> bool) {
        while self.delays_caused.held.front().is_some_and(&mut due) {
            if let Some(held) = self.delays_caused.held.pop_front() {
                self.charged(&held);
            }
        }
    }

    fn charged(&mut self, held: &HeldWaits) {
        let mut delays_caused = std::mem::replace(&mut self.delays_caused, Impacts::new(&self.config));
        self.charge_to(&mut delays_caused, held);
        self.delays_caused = delays_caused;
    }

    fn charge_to(&self, delays_caused: &mut Impacts, held: &HeldWaits) {
        delays_caused.charge(held, |begin| self.gathered_for_wait(held.source, begin, held.end));
    }
}

#[cfg(test)]
mod tests;
