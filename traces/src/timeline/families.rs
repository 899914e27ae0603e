//! The families of events that a stream covers. If a foreign loop records no microtasks, their number is unknown, not
//! zero. Loops of `loop-core` declare all families with every snapshot.

use loop_probes::event::{Priority, Queue, RefKind};

use super::{SLOT_NS, Timeline};

/// The families a timeline's counts cover. Nothing is known of a family that is `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families {
    /// Timers that fire.
    pub timers: bool,
    /// Timers that are armed and cleared.
    pub timers_armed: bool,
    /// Microtasks.
    pub microtasks: bool,
    /// Collections and heap sizes.
    pub gc: bool,
    /// Decisions of a GC controller: a trace of another program may have its collections only.
    pub gc_decisions: bool,
    /// Signals.
    pub signals: bool,
    /// Signals dropped since the loops began. Known only if each loop reports it, or if the reading began with the loop.
    pub signals_dropped: bool,
}

impl Timeline {
    /// The families seen so far.
    #[must_use]
    pub fn families(&self) -> Families {
        let Self { timers, microtasks, gc, signals, .. } = self;
        let all = self.snapshots > 0;
        let gc_decisions = all || gc.mode.is_some() || gc.last.is_some();
        let timers_armed = all || timers.armed > 0 || timers.cleared > 0;
        Families {
            timers: timers_armed || timers.fired > 0,
            timers_armed,
            microtasks: all || microtasks.checkpoints() > 0,
            gc: gc_decisions || !gc.run_ns.is_empty(),
            gc_decisions,
            signals: all || signals.arrived() > 0 || signals.delivered() > 0 || signals.dropped() > 0,
            signals_dropped: self.knows_signals_dropped(),
        }
    }

    fn knows_signals_dropped(&self) -> bool {
        let begins_midway = |place: usize| self.counts.before_attach > 0 || self.gaps[place].begin_midway();
        let is_loop = |place: &usize| self.open[*place].ticked || self.signals.has_total(*place);
        let loops = || (0..self.open.len()).filter(is_loop);
        let has_any = loops().any(|place| self.signals.has_total(place)) || self.signals.arrived() > 0;
        has_any && loops().all(|place| self.signals.has_total(place) || !begins_midway(place))
    }

    /// The most tasklets of this priority that may wait and were added before the reading began: none, or any number.
    pub(crate) fn tasklets_unseen(&self, priority: Priority) -> u64 {
        if self.agenda.knows_depth_of(priority) || self.is_read_from_the_start() {
            0
        } else {
            u32::MAX.into()
        }
    }

    /// The most jobs that have not ended. Those scheduled before the reading began are known from snapshots; without one,
    /// any number may run.
    pub(crate) fn jobs_to_come(&self) -> u64 {
        if self.is_read_from_the_start() {
            return self.work.not_ended();
        }
        if self.keep_alive.as_of().is_none() {
            return u32::MAX.into();
        }
        // A job is alive until its completion has run.
        let jobs = self.keep_alive.held().into_iter().filter(|held| held.name.what == RefKind::Work);
        jobs.fold(self.keep_alive.left_out(), |sum, held| sum.saturating_add(held.count))
    }

    /// The jobs that wait since longest ago: how many, and for how long at least. Known only while no job ends: what waited
    /// when the last one did still waits, because no worker has become free.
    pub(crate) fn stuck_jobs(&self) -> Option<(u64, u64)> {
        let (work, queue) = (&self.work, self.queues.queue(Queue::Work));
        queue.depth_now().filter(|depth| *depth > 0)?;
        let now = self.last.filter(|_| self.lost_in_all() == 0)?;
        let since = work.last_ended.or(self.first_at())?;
        let slot_of_now = now.as_ns() / SLOT_NS;
        // The queue can only have grown since the last job ended, so the maximum of a slot is its depth at the slot's end.
        let series = queue.through_time.series(now);
        let slots = series.iter().rev().zip((0..=slot_of_now).rev());
        let waited = slots
            .map_while(|(depth, slot)| Some(((*depth)?, slot)))
            .take_while(|(depth, slot)| *depth > 0 && slot.saturating_mul(SLOT_NS) >= since.as_ns());
        let (jobs, oldest) = waited.last()?;
        Some((jobs, now.as_ns().saturating_sub(oldest.saturating_add(1).saturating_mul(SLOT_NS))))
    }

    /// Whether tasklets may have waited or run of which no record was read: records were lost, or the reading began later
    /// than the agenda.
    #[must_use]
    pub fn misses_tasklets(&self) -> bool {
        self.lost_in_all() > 0 || self.may_miss_anything() || !self.is_read_from_the_start()
    }

    /// Whether something of a loop was recorded before the reading began.
    pub(crate) fn misses_the_beginning(&self) -> bool {
        !self.is_read_from_the_start()
    }

    /// Whether nothing of any loop was recorded before the reading began.
    pub(super) fn is_read_from_the_start(&self) -> bool {
        let begins_midway = |place: usize| self.open[place].ticked && self.gaps[place].begin_midway();
        self.counts.before_attach == 0 && !(0..self.open.len()).any(begins_midway)
    }
}
