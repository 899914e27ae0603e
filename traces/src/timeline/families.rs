//! The families of events that a stream covers. If a foreign loop records no microtasks, their number is unknown, not
//! zero. Loops of `loop-core` declare all families with every snapshot.

use super::Timeline;

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
    /// Signals dropped since the loop began. Known only if the loop reports it, or if the reading began with the loop.
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
            signals: all || signals.arrived() > 0 || signals.delivered() > 0 || signals.dropped > 0,
            signals_dropped: signals.has_total || signals.arrived() > 0 && self.is_read_from_the_start(),
        }
    }

    /// Whether nothing of any loop was recorded before the reading began.
    fn is_read_from_the_start(&self) -> bool {
        let begins_midway = |place: usize| self.open[place].ticked && self.gaps[place].begin_midway();
        self.counts.before_attach == 0 && !(0..self.open.len()).any(begins_midway)
    }
}
