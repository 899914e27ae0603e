//! Time that a queue spent at each depth, tracked for each loop separately.

use loop_probes::ids::Timestamp;

use crate::histogram::Histogram;
use crate::loss::{Bounds, Missing, quantile_bounds};

/// The depth of one loop's queue as of its last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Now {
    since: Timestamp,
    /// When the first event was.
    first: Timestamp,
    /// `None` after lost records, until the next event.
    depth: Option<u32>,
    /// The last sampled depth: a sample that would repeat it is not recorded.
    sampled: Option<u32>,
    /// Whether records were lost since the last event; a sample may have been among them.
    is_after_loss: bool,
    /// Whether the loop has stopped: time without it does not count.
    is_stopped: bool,
    leaving: Option<Leaving>,
}

/// A stretch of time in which one entry left the queue. Only the end of that entry's run shows when it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leaving {
    since: Timestamp,
    until: Timestamp,
    /// The depth up to then.
    depth: u32,
}

impl Now {
    const fn since(since: Timestamp) -> Self {
        let (depth, sampled, leaving) = (None, None, None);
        Self { since, first: since, depth, sampled, is_after_loss: false, is_stopped: false, leaving }
    }

    /// Whether another entry has left, given the depth once one has joined.
    fn has_lost_one(&self, at: Timestamp, depth: u32) -> bool {
        depth > 0 && self.depth == Some(depth) && self.since < at && !self.is_stopped
    }
}

impl Leaving {
    const fn ns(self) -> u64 {
        self.until.ns_since(self.since)
    }

    fn has(&self, at: Timestamp) -> bool {
        self.since <= at && at <= self.until
    }
}

/// More time than any recording lasts.
const UNLIMITED_NS: u64 = u64::MAX >> 1;

/// Time spent at each depth.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Depths {
    /// Each depth counts once per nanosecond that it lasted.
    known: Histogram,
    unknown_ns: u64,
    /// By the place of the emitter: few, and one in most programs.
    now: Vec<(usize, Now)>,
}

impl Depths {
    pub(super) fn is_known(&self) -> bool {
        !self.known.is_empty() || self.now.iter().any(|(_, now)| now.depth.is_some())
    }

    /// The current depth, of several loops the deepest; `None` where it is unknown.
    pub(super) fn deepest_now(&self) -> Option<u32> {
        self.now.iter().filter_map(|(_, now)| now.depth).max()
    }

    pub(super) fn sampled(&mut self, place: usize, at: Timestamp, depth: u32) {
        self.at(place, at, |now| {
            (now.depth, now.sampled, now.is_after_loss) = (Some(depth), Some(depth), false);
        });
    }

    pub(super) fn set(&mut self, place: usize, at: Timestamp, depth: u32) {
        self.at(place, at, |now| now.depth = Some(depth));
    }

    /// From `at` on, the depth is this, or unknown.
    pub(super) fn counted(&mut self, place: usize, at: Timestamp, depth: Option<u32>) {
        self.at(place, at, |now| now.depth = depth);
    }

    /// The depth of one loop's queue, if it is known now.
    pub(super) fn depth_of(&self, place: usize) -> Option<u32> {
        self.now_of(place).and_then(|now| now.depth)
    }

    /// A task was queued at `at`; `depth` includes it. If the queue is as deep as before, the running task has left it
    /// since.
    pub(super) fn joined(&mut self, place: usize, at: Timestamp, depth: u32) {
        let now = self.now.iter_mut().find(|(its, now)| *its == place && now.has_lost_one(at, depth));
        let Some((_, now)) = now else { return self.set(place, at, depth) };
        let leaving = Leaving { since: now.since, until: at, depth };
        let before = now.leaving.replace(leaving);
        now.since = at;
        self.unknown_ns = self.unknown_ns.saturating_add(before.map_or(0, Leaving::ns));
    }

    /// Notes that the loop at `place` stopped.
    pub(super) fn stopped(&mut self, place: usize, at: Timestamp) {
        if self.now_of(place).is_some() {
            self.at(place, at, |now| now.is_stopped = true);
        }
    }

    /// A loop that had stopped goes on.
    pub(super) fn resumed(&mut self, place: usize, at: Timestamp) {
        if self.now_of(place).is_some() {
            self.at(place, at, |now| now.is_stopped = false);
        }
    }

    /// A tick began at `at`; if the depth differs from the last sample, a new sample follows. If that sample was lost, the
    /// depth is unknown.
    pub(super) fn unchanged(&mut self, place: usize, at: Timestamp) {
        if self.now_of(place).is_some_and(|now| now.sampled.is_some() || now.is_after_loss) {
            self.at(place, at, |now| now.depth = now.sampled);
        }
    }

    /// An entry left the queue at `start`. Any later event of the queue has counted it already.
    pub(super) fn took(&mut self, place: usize, start: Timestamp) {
        let now = self.now.iter_mut().find(|(its, _)| *its == place).map(|(_, now)| now);
        let leaving = now.and_then(|now| now.leaving.take_if(|leaving| leaving.has(start)));
        if let Some(Leaving { since, until, depth }) = leaving {
            self.known.record_many(u64::from(depth), start.ns_since(since));
            self.known.record_many(u64::from(depth) - 1, until.ns_since(start));
        } else if self.now_of(place).is_some_and(|now| now.since <= start && now.depth > Some(0)) {
            self.at(place, start, |now| now.depth = now.depth.map(|depth| depth - 1));
        }
    }

    /// Like [`took`](Self::took), for a queue from which another emitter takes. Ignored if several loops have such a
    /// queue.
    pub(super) fn took_by_other(&mut self, start: Timestamp) {
        if let [(place, _)] = self.now[..] {
            self.took(place, start);
        }
    }

    /// Records are missing since `from`.
    pub(super) fn lost(&mut self, place: usize, from: Timestamp) {
        self.at(place, from, |now| (now.depth, now.sampled, now.is_after_loss) = (None, None, true));
    }

    /// Records are missing, and it is unknown since when.
    pub(super) fn lost_before(&mut self, place: usize, at: Timestamp) {
        self.lost(place, at);
        self.unknown_ns = UNLIMITED_NS;
    }

    /// The median of the depth over the known time up to `end`.
    pub(super) fn median(&self, end: Timestamp) -> Option<u64> {
        self.up_to(end).known.known_quantile(0.5)
    }

    /// Bounds on that median if the depth was unknown for some of the time up to `end`, or for `unknown_ns` before the first
    /// event.
    pub(super) fn median_bounds(&self, end: Timestamp, unknown_ns: u64) -> Option<Bounds> {
        let all = self.up_to(end);
        let unknown_ns = all.unknown_ns.saturating_add(unknown_ns);
        (unknown_ns > 0).then(|| quantile_bounds(&all.known, 0.5, &Missing::anything(unknown_ns)))
    }

    /// The time of each emitter's first event, by place.
    pub(super) fn first_events(&self) -> impl Iterator<Item = (usize, Timestamp)> + '_ {
        self.now.iter().map(|(place, now)| (*place, now.first))
    }

    /// Includes the current depth, extended to `end`.
    fn up_to(&self, end: Timestamp) -> Self {
        let mut all = self.clone();
        for (place, now) in &self.now {
            all.at(*place, end, |_| {});
            let leaving_ns = now.leaving.map_or(0, Leaving::ns);
            all.unknown_ns = all.unknown_ns.saturating_add(leaving_ns);
        }
        all
    }

    fn now_of(&self, place: usize) -> Option<&Now> {
        self.now.iter().find(|(its, _)| *its == place).map(|(_, now)| now)
    }

    /// Accounts for the time until `at`, then applies `change` to the state.
    #[inline]
    fn at(&mut self, place: usize, at: Timestamp, change: impl FnOnce(&mut Now)) {
        let found = self.now.iter().position(|(its, _)| *its == place);
        let found = found.unwrap_or_else(|| {
            self.now.push((place, Now::since(at)));
            self.now.len() - 1
        });
        let now = &mut self.now[found].1;
        let lasted_ns = if now.is_stopped { 0 } else { at.ns_since(now.since) };
        match now.depth {
            Some(depth) => self.known.record_many(u64::from(depth), lasted_ns),
            None => self.unknown_ns = self.unknown_ns.saturating_add(lasted_ns),
        }
        now.since = now.since.max(at);
        change(now);
    }
}
