//! The clocks of the recording process, seen from the reader: which anchors to believe, how ticks become times, and
//! how far apart the two processes' clocks are.

use super::error::ReadError;
use super::horizon::{self, Horizon, SLACK_NS};
use super::image::Image;
use super::rings::Rings;
use crate::clock::{ASLEEP_NS_MIN, Anchor, Clock as _, SystemClock, TickUnit, asleep_ns};
use crate::clock_map::agreement::Agreement;
use crate::clock_map::{ClockFaults, ClockMap};
use crate::ids::{Ticks, Timestamp};

/// How long the machine had slept since it was started, at some reading of the record clock.
#[derive(Clone, Copy, Debug)]
struct Awake {
    ticks: Ticks,
    asleep_ns: u64,
}

#[derive(Debug)]
pub(super) struct Clocks {
    clock: SystemClock,
    pub(super) map: ClockMap,
    /// How far our monotonic clock is ahead of the process's, in nanoseconds.
    ahead_ns: i64,
    anchor_at: Ticks,
    /// The anchors of the session's start and the latest one, until they are compared with the others.
    unsettled: Vec<Anchor>,
    awake: Option<Awake>,
}

impl Clocks {
    pub(super) fn new(image: &Image) -> Self {
        let unit = image.unit();
        // The latest anchor makes the slope good for everything in the rings. An error here will show up again
        // later.
        let latest = image.latest_anchor().ok().flatten();
        let anchors: Vec<Anchor> = image.anchors().iter().copied().chain(latest).collect();
        Self {
            map: ClockMap::new(unit, &anchors),
            clock: SystemClock::of(unit),
            ahead_ns: anchors.last().map_or(0, |anchor| image.clock_ahead_ns(anchor)),
            anchor_at: anchors.last().map_or(Ticks(0), |anchor| anchor.ticks),
            unsettled: anchors,
            awake: None,
        }
    }

    /// Our monotonic time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The current reading of the process's record clock.
    pub(super) fn ticks(&self) -> Ticks {
        horizon::reading(self.clock, self.ahead_ns)
    }

    pub(super) const fn process_time(&self, ours: Timestamp) -> Timestamp {
        horizon::shifted(ours, self.ahead_ns)
    }

    pub(super) fn horizon(&self, image: &Image) -> Horizon {
        Horizon {
            clock: self.clock,
            ahead_ns: self.ahead_ns,
            slack: self.map.ticks_in(SLACK_NS),
            is_comparable: image.shares_clock(),
            latest: Ticks(0),
        }
    }

    /// Faults of the clock. Times of an emitter that go back, by up to `back_ns`, count as a jump, because some of them are
    /// wrong.
    pub(super) fn faults(&self, back_ns: u64) -> ClockFaults {
        let mut faults = self.map.faults();
        if back_ns > 0 {
            faults.count = faults.count.max(1);
            faults.error_ns_max = faults.error_ns_max.max(back_ns);
        }
        faults
    }

    /// Takes in everything that bears on the clocks, once the rings were read and before their times are converted.
    pub(super) fn follow(&mut self, image: &Image, rings: &Rings) -> Result<(), ReadError> {
        self.settle(image, rings);
        self.notice_sleep(image);
        if let Some(anchor) = image.latest_anchor()?
            && anchor.ticks > self.anchor_at
        {
            self.anchor_at = anchor.ticks;
            self.ahead_ns = image.clock_ahead_ns(&anchor);
            self.map.add_anchor(anchor);
        }
        Ok(())
    }

    /// Decides, on the first call, which anchors of a file to believe.
    fn settle(&mut self, image: &Image, rings: &Rings) {
        let mut anchors = std::mem::take(&mut self.unsettled);
        let sleeps = if anchors.is_empty() { Vec::new() } else { rings.sleeps() };
        // What is in this process's memory is not damaged.
        if anchors.is_empty() || sleeps.is_empty() && !image.is_file() {
            return;
        }
        anchors.extend(rings.anchors());
        let unit = self.clock.unit();
        let agreement = Agreement::of(unit, &anchors, image.own_anchor(self.clock), sleeps);
        // The latest anchor of the header may be damaged or half written: then those in the rings give the rate.
        let newest = rings.newest_at().unwrap_or_default();
        self.map = ClockMap::agreed(unit, &agreement.reaching(unit, newest));
    }

    /// Checks whether the machine slept since the last call.
    fn notice_sleep(&mut self, image: &Image) {
        let is_comparable = !image.is_file() || image.shares_clock() && self.ahead_ns == 0;
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
}
