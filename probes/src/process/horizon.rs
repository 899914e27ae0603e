//! Which times a record or a *now running* cell of a file can carry: others are damaged, and would stretch a recording
//! of a second to centuries.

use super::{NowRunning, ProcessReader, ReadError, shifted};
use crate::clock::{ASLEEP_NS_MIN, Clock, SystemClock, TickUnit, asleep_ns};
use crate::clock_map::ClockMap;
use crate::clock_map::agreement::Agreement;
use crate::ids::{Ticks, Timestamp};

/// Nothing is recorded in the future: a time may lie ahead of the reader's clock, and behind the record before it in its
/// ring, by at most this.
const SLACK_NS: u64 = 1_000_000_000;

/// An emitter that changes what it does records something at about the same time, or another does: in a dead process a
/// cell is at most this much newer than the newest record and the last note that the process existed.
const CELL_NS: u64 = 10_000_000_000;

/// How long the machine had slept at some moment, since it was started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awake {
    ticks: Ticks,
    asleep_ns: u64,
}

/// The current reading of the record clock of a process, seen from this one.
pub(super) fn reading(clock: SystemClock, ahead_ns: i64) -> Ticks {
    match clock.unit() {
        TickUnit::Tsc => clock.ticks(),
        TickUnit::Monotonic => Ticks(shifted(clock.now(), ahead_ns).0),
    }
}

/// Checks the times of records. Those in this process's memory need no check, and in tests their clock is virtual.
#[derive(Debug)]
pub(super) struct Horizon {
    clock: SystemClock,
    ahead_ns: i64,
    slack: u64,
    /// Whether it is a file with the clock that is read here.
    is_comparable: bool,
    is_foreign: bool,
    latest: Ticks,
}

impl Horizon {
    /// Whether a record can carry the time `at`.
    pub(super) fn allows(&mut self, at: Ticks) -> bool {
        if !self.is_comparable || at <= self.latest {
            return true;
        }
        // Read now: the record may have been written since the last reading.
        self.latest = Ticks(reading(self.clock, self.ahead_ns).0.saturating_add(self.slack));
        at <= self.latest
    }

    /// By how much the time of a record goes back, if one with the time `at` cannot follow one with the time `last` in its
    /// ring.
    pub(super) const fn goes_back_by(&self, at: Ticks, last: Ticks) -> Option<u64> {
        let back = last.0.saturating_sub(at.0);
        if self.is_foreign && back > self.slack { Some(back) } else { None }
    }
}

impl ProcessReader {
    /// Decides which anchors of a file to believe, once the rings were read for the first time: before any time is
    /// converted.
    pub(super) fn settle_clock(&mut self) {
        let mut anchors = std::mem::take(&mut self.unsettled);
        let sleeps = if anchors.is_empty() { Vec::new() } else { self.rings.sleeps() };
        // What is in this process's memory is not damaged.
        if anchors.is_empty() || sleeps.is_empty() && !self.image.is_file() {
            return;
        }
        anchors.extend(self.rings.anchors());
        let unit = self.clock.unit();
        let agreement = Agreement::of(unit, &anchors, self.image.own_anchor(self.clock), sleeps);
        // The latest anchor of the header may be damaged, or just being written: then those in the rings say the rate.
        let newest = self.rings.newest_at().unwrap_or_default();
        self.map = ClockMap::agreed(unit, &agreement.reaching(unit, newest));
    }

    /// Looks whether the machine slept since the last call, before times of after that are converted.
    pub(super) fn notice_sleep(&mut self) {
        let is_comparable = !self.image.is_file() || self.image.shares_clock() && self.ahead_ns == 0;
        if self.clock.unit() != TickUnit::Tsc || !is_comparable {
            return;
        }
        let now = Awake { ticks: self.clock.ticks(), asleep_ns: asleep_ns() };
        let Some(before) = self.awake.replace(now) else { return };
        let asleep_ns = now.asleep_ns.saturating_sub(before.asleep_ns);
        if asleep_ns >= ASLEEP_NS_MIN {
            self.map.slept(before.ticks, self.clock.anchor(), asleep_ns);
        }
    }

    pub(super) fn horizon(&self) -> Horizon {
        Horizon {
            clock: self.clock,
            ahead_ns: self.ahead_ns,
            slack: self.map.ticks_in(SLACK_NS),
            is_comparable: self.image.shares_clock(),
            is_foreign: self.image.is_file(),
            latest: Ticks(0),
        }
    }

    /// The last moment at which the process noted that it existed; `None` if it noted none, or one in the future.
    pub(super) fn noted_alive(&self) -> Result<Option<Ticks>, ReadError> {
        let noted = self.image.alive_at()?;
        Ok(noted.filter(|at| !self.image.shares_clock() || *at <= self.ticks()))
    }

    /// What each emitter is doing right now, and the number of cells with an impossible time.
    pub(super) fn plausibly_running(&self) -> Result<(Vec<NowRunning>, u64), ReadError> {
        let cells = self.rings.running(&self.image)?;
        let mut horizon = self.horizon();
        let latest = if self.image.is_file() && !self.state.is_alive() {
            let known = self.rings.newest_at().max(self.noted_alive()?);
            known.map(|at| at.0.saturating_add(self.map.ticks_in(CELL_NS)))
        } else {
            None
        };
        let all = cells.len();
        let (error_ns, newest) = (self.clock_faults().error_ns_max, self.rings.newest_at());
        let newest = newest.map_or(Timestamp(0), |at| self.map.peek(at));
        let is_in_session = |since| {
            !self.image.is_file() || self.chronology.is_in_session(self.map.peek(since), newest, error_ns)
        };
        let running: Vec<NowRunning> = cells
            .into_iter()
            .filter(|(.., since)| horizon.allows(*since) && latest.is_none_or(|latest| since.0 <= latest))
            .filter(|(.., since)| is_in_session(*since))
            .map(|(source, running, since)| NowRunning { source, running, since: self.map.peek(since) })
            .collect();
        let impossible = (all - running.len()) as u64;
        Ok((running, impossible))
    }

    /// As [`plausibly_running`](Self::plausibly_running); counts the cells that are left out.
    pub(super) fn observe_running(&mut self) -> Result<Vec<NowRunning>, ReadError> {
        let (running, impossible) = self.plausibly_running()?;
        self.malformed_cells = self.malformed_cells.max(impossible);
        Ok(running)
    }

    /// Converts `ours`, a time on this process's monotonic clock, to the other process's. They are the same
    /// unless the two are in different time namespaces, where the wall clock joins them.
    #[must_use]
    pub const fn process_time(&self, ours: Timestamp) -> Timestamp {
        shifted(ours, self.ahead_ns)
    }
}
