//! Timers: how many were armed and fired, how late, and the late ones themselves.

use loop_probes::ids::{SourceId, Tag, TaskId, TimerId, Timestamp};

use super::config::TimelineConfig;
use crate::histogram::Histogram;
use crate::recent::Recent;

/// A timer that fired too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateTimer {
    /// The loop on which it fired.
    pub source: SourceId,
    /// The timer.
    pub timer: TimerId,
    /// The tag of its task.
    pub tag: Tag,
    /// The task that ran for it.
    pub task: TaskId,
    /// When it was due.
    pub due: Timestamp,
    /// When it fired.
    pub fired: Timestamp,
    /// The tick in which it fired, where that is known.
    pub tick: Option<u64>,
    /// Periods that it skipped.
    pub skipped: u32,
}

impl LateTimer {
    /// Fired less due.
    #[must_use]
    pub const fn lag_ns(&self) -> u64 {
        self.fired.ns_since(self.due)
    }
}

/// All timers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Timers {
    /// Timers armed, or armed anew.
    pub armed: u64,
    /// Timers fired.
    pub fired: u64,
    /// Timers cleared before they fired.
    pub cleared: u64,
    /// Periods that late intervals skipped.
    pub skipped: u64,
    /// Timers that fired later than the limit.
    pub late: u64,
    /// Timer lag: fired less due.
    pub lag_ns: Histogram,
    /// The last late ones.
    pub recent_late: Recent<LateTimer>,
    /// The latest of all.
    pub worst: Option<LateTimer>,
}

impl Timers {
    pub(crate) fn new(config: &TimelineConfig) -> Self {
        Self {
            armed: 0,
            fired: 0,
            cleared: 0,
            skipped: 0,
            late: 0,
            lag_ns: Histogram::new(),
            recent_late: Recent::new(config.entries_kept),
            worst: None,
        }
    }

    /// Whether it was late.
    pub(crate) fn fired(&mut self, timer: LateTimer, late_ns: u64) -> bool {
        let lag_ns = timer.lag_ns();
        self.fired += 1;
        self.skipped += u64::from(timer.skipped);
        self.lag_ns.record(lag_ns);
        if self.worst.is_none_or(|worst| worst.lag_ns() < lag_ns) {
            self.worst = Some(timer);
        }
        let late = lag_ns > late_ns;
        if late {
            self.late += 1;
            self.recent_late.push(timer);
        }
        late
    }
}
