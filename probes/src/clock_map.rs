//! Maps raw ticks to monotonic time by one continuous function that never decreases.
//!
//! The function is a chain of straight pieces. A new anchor never moves what was already converted: it adds a piece
//! that starts at the latest converted tick, with a slope that reaches the line described by the anchors within a
//! second. Durations are differences of converted times, so they add up across any anchor.
//!
//! While the machine sleeps, the monotonic clock stands still, but the record clock may go on: `sleeps` subtracts
//! that.

pub(crate) mod agreement;
mod line;
pub(crate) mod sleeps;

use crate::clock::{Anchor, TickUnit};
use crate::ids::{Ticks, Timestamp};
use agreement::Agreement;
use line::{ANCHOR_NS, ANCHOR_NS_MAX, DRIFT_PARTS, Line, SLOPE_BITS, SLOPE_ONE};
use sleeps::{Sleep, Sleeps};

/// Time over which an error is steered away.
const STEER_NS: u64 = 1_000_000_000;

/// Slopes are measured over at least this much time, if the anchors reach back that far.
const BASELINE_NS: u64 = 8_000_000_000;

/// Maximum number of pieces kept: over a quarter of an hour at one anchor a second.
const PIECES_MAX: usize = 1024;

/// How often a record clock changed its rate or jumped, according to its anchors. A clock that the kernel trusts does
/// neither, but the kernel may stop trusting it while a session runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockFaults {
    /// Number of rate changes and jumps.
    pub count: u64,
    /// The largest error found at an anchor, in nanoseconds. Times between the last anchor before a fault and the
    /// second one after it may be wrong by that much. `u64::MAX` if no two anchors agree.
    pub error_ns_max: u64,
    /// Anchors of a file that contradict the others. A single one is ignored as damaged, and is no fault.
    pub contradicting_anchors: u64,
}

/// The function. Its domain is all of `u64`; it saturates at both ends and never wraps.
#[derive(Clone, Debug)]
pub(crate) struct ClockMap {
    unit: TickUnit,
    /// Never empty, ordered by ticks.
    pieces: Vec<Line>,
    /// The latest tick converted: nothing before it moves any more.
    settled: u64,
    /// The last time from before the clock jumped back: no later result is earlier than this.
    floor: u64,
    /// The times of the pieces and the anchors include these.
    sleeps: Sleeps,
    /// Anchors of the last seconds, oldest first.
    anchors: Vec<Anchor>,
    /// An anchor that contradicts the others. If the next one confirms it, the clock changed; otherwise it is
    /// damaged.
    suspect: Option<Anchor>,
    faults: ClockFaults,
}

impl ClockMap {
    /// A map through `anchors`, oldest first: the last one fixes the position, the first and the last the slope. With
    /// fewer than two useful anchors, one tick counts as one nanosecond.
    pub(crate) fn new(unit: TickUnit, anchors: &[Anchor]) -> Self {
        let mut kept: Vec<Anchor> = Vec::new();
        for anchor in anchors {
            if kept.last().is_none_or(|last| anchor.ticks > last.ticks && anchor.monotonic > last.monotonic) {
                kept.push(*anchor);
            }
        }
        let last =
            kept.last().copied().unwrap_or(Anchor { ticks: Ticks(0), monotonic: Timestamp(0), wall_ns: 0 });
        let first = kept.first().filter(|_| unit == TickUnit::Tsc);
        let line = first.and_then(|first| Line::between(first, &last));
        let piece = line.unwrap_or(Line::through(&last, SLOPE_ONE));
        let (suspect, faults, sleeps) = (None, ClockFaults::default(), Sleeps::default());
        Self { unit, pieces: vec![piece], settled: 0, floor: 0, sleeps, anchors: kept, suspect, faults }
    }

    /// A map through the anchors that agree.
    pub(crate) fn agreed(unit: TickUnit, agreement: &Agreement) -> Self {
        let Agreement { kept, sleeps, contradicting, error_ns, own: _ } = agreement;
        let faults = ClockFaults {
            count: u64::from(*error_ns > 0),
            error_ns_max: *error_ns,
            contradicting_anchors: *contradicting,
        };
        let mut map = Self { faults, sleeps: sleeps.clone(), ..Self::new(unit, kept) };
        map.follow_sleeps();
        map
    }

    /// The machine slept for about `asleep_ns` since the reading `alive`, and `now` is the first anchor after that.
    pub(crate) fn slept(&mut self, alive: Ticks, now: Anchor, asleep_ns: u64) {
        let Some(line) = self.line().filter(|_| self.unit == TickUnit::Tsc) else { return };
        let ns = self.sleeps.awake_after_all(line.convert(now.ticks.0));
        let sleep = Sleep { alive, end: now.ticks, asleep_ns };
        if let Some(sleep) = sleep.measured(ns.saturating_sub(now.monotonic.0)) {
            // A slope that steers must not last through a sleep.
            let current = self.pieces.last().expect("a map has at least one piece");
            let ticks = self.settled.max(current.ticks);
            let piece = Line { ticks, ns: current.convert(ticks), slope: line.slope };
            self.pieces.push(piece);
            self.take_out(sleep);
        }
    }

    fn take_out(&mut self, sleep: Sleep) {
        let said = self.peek(Ticks(self.settled));
        self.sleeps.add(sleep);
        self.follow_sleeps();
        if self.peek(Ticks(self.settled)) < said {
            self.floor = said.0;
        }
    }

    fn follow_sleeps(&mut self) {
        if !self.sleeps.is_empty() {
            let mut sleeps = std::mem::take(&mut self.sleeps);
            sleeps.follow(|ticks| self.piece(ticks).convert(ticks));
            self.sleeps = sleeps;
        }
    }

    /// The time at `ticks`. Once given, an answer never changes.
    pub(crate) fn convert(&mut self, ticks: Ticks) -> Timestamp {
        self.settled = self.settled.max(ticks.0);
        self.peek(ticks)
    }

    /// Like [`convert`](Self::convert), but a later anchor may change the answer: for values shown once.
    pub(crate) fn peek(&self, ticks: Ticks) -> Timestamp {
        if self.unit == TickUnit::Monotonic {
            return Timestamp(ticks.0);
        }
        let ns = self.piece(ticks.0).convert(ticks.0);
        let ns = if self.sleeps.is_empty() { ns } else { self.sleeps.awake(ticks.0, ns) };
        Timestamp(ns.max(self.floor))
    }

    fn piece(&self, ticks: u64) -> &Line {
        // Nearly all requested times lie in the latest piece.
        let piece = self.pieces.last().filter(|last| last.ticks <= ticks);
        piece.unwrap_or_else(|| {
            let after = self.pieces.partition_point(|piece| piece.ticks <= ticks);
            self.pieces.get(after.saturating_sub(1)).expect("a map has at least one piece")
        })
    }

    /// About how many ticks `ns` nanoseconds take.
    pub(crate) fn ticks_in(&self, ns: u64) -> u64 {
        let slope = self.pieces.last().map_or(SLOPE_ONE, |piece| piece.slope).max(1);
        u64::try_from((u128::from(ns) << SLOPE_BITS) / u128::from(slope)).unwrap_or(u64::MAX)
    }

    /// Faults of the clock itself, according to its anchors.
    pub(crate) const fn faults(&self) -> ClockFaults {
        self.faults
    }

    /// Steers towards a new anchor. Returns false, and changes nothing, if the anchor adds nothing or contradicts the
    /// others: it may come from a damaged file. If the next anchor contradicts them too and the two agree, the clock
    /// changed: that is a [fault](Self::faults), and from then on the map follows the new anchors.
    pub(crate) fn add_anchor(&mut self, anchor: Anchor) -> bool {
        if self.unit == TickUnit::Monotonic {
            return true;
        }
        let Some(last) = self.anchors.last().copied() else {
            self.anchors.push(anchor);
            return false;
        };
        let has_jumped_back = anchor.ticks <= last.ticks;
        let including =
            if has_jumped_back { Some(self.sleeps.after_all(anchor)) } else { self.sleeps.including(anchor) };
        let Some(mut anchor) = including else { return false };
        if anchor.monotonic <= last.monotonic {
            return false;
        }
        let suspect = self.suspect.take();
        if let Some(error_ns) = self.contradiction(&last, &anchor) {
            let Some((mut first, line)) =
                suspect.and_then(|first| Some((first, Line::between(&first, &anchor)?)))
            else {
                self.suspect = Some(anchor);
                return false;
            };
            self.faults.count += 1;
            self.faults.error_ns_max = self.faults.error_ns_max.max(error_ns);
            if first.ticks <= last.ticks {
                // The clock jumped back: later ticks inherit nothing but the time reached.
                self.floor = self.peek(Ticks(self.settled)).0;
                let sleeps = std::mem::take(&mut self.sleeps);
                (first, anchor) = (sleeps.before_all(first), sleeps.before_all(anchor));
                let ns = self.floor.max(first.monotonic.0);
                self.pieces = vec![Line { ticks: first.ticks.0, ns, ..line }];
                self.settled = first.ticks.0;
            }
            self.anchors = vec![first];
        }
        let Some(base) = self.baseline(&anchor) else { return false };
        let Some(truth) = Line::between(&base, &anchor) else { return false };
        let current = self.pieces.last().expect("a map has at least one piece");
        let from = self.settled.max(current.ticks).max(base.ticks.0);
        let (ns, rate) = (current.convert(from), truth.slope);
        // Where the line will be after the steering time, and the slope that leads there from the current position.
        let steps = (u128::from(STEER_NS) << SLOPE_BITS) / u128::from(rate);
        let target = truth.convert(from.saturating_add(u64::try_from(steps).unwrap_or(u64::MAX)));
        let wanted = (u128::from(target.saturating_sub(ns)) << SLOPE_BITS) / steps.max(1);
        // Within a tenth of the true rate: time neither stops nor leaps.
        let slope = u64::try_from(wanted).unwrap_or(u64::MAX).clamp(rate - rate / 10, rate + rate / 10);
        // Drop a piece without extent, except the first, which also covers everything before it.
        if current.ticks == from && self.pieces.len() > 1 {
            self.pieces.pop();
        }
        self.pieces.push(Line { ticks: from, ns, slope });
        if self.pieces.len() > PIECES_MAX {
            self.pieces.drain(..PIECES_MAX / 2);
        }
        self.follow_sleeps();
        self.keep(anchor);
        true
    }

    /// The line through the first and the last anchor. `None` if there is only one, after a change or from a damaged
    /// header.
    fn line(&self) -> Option<Line> {
        Line::between(self.anchors.first()?, self.anchors.last()?)
    }

    /// By how much `anchor`, which is later than `last`, is off from where the known anchors put it, if that is more
    /// than their own error and the slewing of the monotonic clock can explain.
    fn contradiction(&self, last: &Anchor, anchor: &Anchor) -> Option<u64> {
        let elapsed_ns = anchor.monotonic.ns_since(last.monotonic);
        if anchor.ticks <= last.ticks {
            return Some(elapsed_ns);
        }
        let truth = self.line()?;
        let baseline_ns = last.monotonic.ns_since(self.anchors.first()?.monotonic);
        let error_ns = truth.convert(anchor.ticks.0).abs_diff(anchor.monotonic.0);
        let spread_ns = u128::from(elapsed_ns) * u128::from(ANCHOR_NS) / u128::from(baseline_ns.max(1));
        let slack_ns = u128::from(ANCHOR_NS_MAX + elapsed_ns / DRIFT_PARTS) + spread_ns;
        (u128::from(error_ns) > slack_ns).then_some(error_ns)
    }

    /// The anchor to measure the slope from: the newest that is a whole baseline old, else the oldest.
    fn baseline(&self, anchor: &Anchor) -> Option<Anchor> {
        let old_enough = |known: &&Anchor| anchor.monotonic.ns_since(known.monotonic) >= BASELINE_NS;
        self.anchors.iter().rfind(old_enough).or(self.anchors.first()).copied()
    }

    fn keep(&mut self, anchor: Anchor) {
        let old = |known: &Anchor| anchor.monotonic.ns_since(known.monotonic) >= BASELINE_NS;
        let unused = self.anchors.iter().filter(|known| old(known)).count().saturating_sub(1);
        self.anchors.drain(..unused);
        // Anchors in quick succession, from many recorders or a hostile one, must not pile up.
        if self.anchors.len() < 64 {
            self.anchors.push(anchor);
        } else if let Some(last) = self.anchors.last_mut() {
            *last = anchor;
        }
    }
}

#[cfg(test)]
mod tests;
