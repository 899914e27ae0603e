//! The families of events that a stream covers. If a foreign loop records no microtasks, their number is unknown, not
//! zero. Loops of `loop-core` declare all families with every snapshot.

use super::Timeline;

/// The families a timeline's counts cover. Where one is `false`, nothing is known of that family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families {
    /// Timers that fire.
    pub timers: bool,
    /// Timers that are armed and cleared.
    pub timers_armed: bool,
    /// Microtasks.
    pub microtasks: bool,
    /// The GC controller.
    pub gc: bool,
    /// Signals.
    pub signals: bool,
}

impl Timeline {
    /// The families seen so far.
    #[must_use]
    pub fn families(&self) -> Families {
        let Self { timers, microtasks, gc, signals, .. } = self;
        let all = self.snapshots > 0;
        let timers_armed = all || timers.armed > 0 || timers.cleared > 0;
        Families {
            timers: timers_armed || timers.fired > 0,
            timers_armed,
            microtasks: all || microtasks.checkpoints() > 0,
            gc: all || gc.mode.is_some() || gc.last.is_some() || !gc.run_ns.is_empty(),
            signals: all || signals.arrived() > 0 || signals.delivered() > 0 || signals.dropped > 0,
        }
    }
}
