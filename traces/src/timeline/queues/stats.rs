//! The depth of one queue: now, over time, and at its greatest.

use loop_probes::event::Queue;
use loop_probes::ids::Timestamp;

use super::depth::Depths;
use crate::loss::Bounds;
use crate::peak::Peak;
use crate::timeline::baseline::Figures;
use crate::timeline::depth_slots::DepthSlots;

/// The range of a depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) least: u32,
    pub(crate) most: u32,
}

/// One queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueStats {
    /// The queue that these figures belong to.
    pub queue: Queue,
    /// Depth at the last sample; `None` before the first.
    pub(super) sampled: Option<u32>,
    /// Whether a complete snapshot has covered it.
    pub(super) in_snapshot: bool,
    /// The queue's depth through the last seconds; for several loops, the deepest of their queues.
    pub through_time: DepthSlots,
    /// The greatest depth seen, between samples too (a post carries the depth including itself).
    pub depth_max: Peak,
    /// The greatest depth that it may have had.
    depth_most: Peak,
    /// The places of emitters whose entries were counted while it was unknown how many there were before.
    counted_from_unknown: Vec<usize>,
    /// Whether entries joined that could not be counted.
    pub(super) has_uncounted: bool,
    /// The most that each emitter's queue can have held before its depth became known.
    most_before: Vec<(usize, u32)>,
    /// The greatest depth seen since the last sample.
    peak: u32,
    pub(super) depths: Depths,
    /// The greatest depths over time, where `depths` has only the least ones: those of the agenda.
    depths_most: Option<Box<Depths>>,
}

impl QueueStats {
    pub(super) fn new(queue: Queue, slots: usize) -> Self {
        Self {
            queue,
            sampled: None,
            in_snapshot: false,
            through_time: DepthSlots::new(slots),
            depth_max: Peak::default(),
            depth_most: Peak::default(),
            counted_from_unknown: Vec::new(),
            has_uncounted: false,
            most_before: Vec::new(),
            peak: 0,
            depths: Depths::default(),
            depths_most: None,
        }
    }

    /// Its figures, for [`baseline`](crate::timeline::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        let depth = self.depth_now().unwrap_or(0).into();
        by.peak(&mut self.depth_max, depth);
        by.peak(&mut self.depth_most, depth);
    }

    /// The last sample; before the first one, the depth that other events imply.
    #[must_use]
    pub fn depth_now(&self) -> Option<u32> {
        self.sampled.or_else(|| self.depths.deepest_now())
    }

    /// The greatest depth since the last sample: the peak of a queue that fills and empties within a tick.
    #[must_use]
    pub fn peak_since_sample(&self) -> u32 {
        self.peak
    }

    /// The median of the depth over time up to `now`; `None` if the depth was never known.
    #[must_use]
    pub fn depth_p50(&self, now: Timestamp) -> Option<u64> {
        self.depths.median(now)
    }

    /// Bounds on that median where the depth was unknown for some of the time; `None` where it never was. It was also
    /// unknown for `unknown_ns` before the queue's first event.
    #[must_use]
    pub fn depth_p50_bounds(&self, now: Timestamp, unknown_ns: u64) -> Option<Bounds> {
        let bounds = self.depths.median_bounds(now, unknown_ns);
        let Some(most) = &self.depths_most else { return bounds };
        let of = |bounds: Option<Bounds>, depths: &Depths| {
            bounds.unwrap_or_else(|| {
                let p50 = depths.median(now);
                Bounds { lo: p50.unwrap_or(0), hi: p50 }
            })
        };
        let (least, most) = (of(bounds, &self.depths), of(most.median_bounds(now, unknown_ns), most));
        Some(Bounds { lo: least.lo, hi: most.hi })
    }

    /// The time of the first event of the queue at each emitter, by place.
    pub(crate) fn first_events(&self) -> impl Iterator<Item = (usize, Timestamp)> + '_ {
        self.depths.first_events()
    }

    pub(super) fn sampled(&mut self, place: usize, at: Timestamp, depth: u32) {
        self.sampled = Some(depth);
        self.was_as_deep_as(depth);
        self.peak = 0;
        self.change(at, |depths| depths.sampled(place, at, depth));
    }

    pub(super) fn reached(&mut self, place: usize, at: Timestamp, depth: u32) {
        self.was_as_deep_as(depth);
        self.peak = self.peak.max(depth);
        self.change(at, |depths| depths.set(place, at, depth));
    }

    /// Records the depth including a task that was queued.
    pub(super) fn joined(&mut self, place: usize, at: Timestamp, depth: u32) {
        self.was_as_deep_as(depth);
        self.peak = self.peak.max(depth);
        self.change(at, |depths| depths.joined(place, at, depth));
    }

    /// Records a sample of a queue that is [filled without a record](super::is_filled_unseen). It is not weighted by time;
    /// the series shows the last known value.
    pub(super) fn sampled_alone(&mut self, at: Timestamp, depth: u32) {
        self.sampled = Some(depth);
        self.was_as_deep_as(depth);
        self.through_time.set(at, Some(depth));
    }

    /// Records how deep a queue was at some moment. A queue that is filled without a record only grows until the loop takes
    /// from it, so its greatest depth is one at which it did.
    pub(super) fn was_as_deep_as(&mut self, depth: u32) {
        self.depth_max.reach(depth.into());
    }

    /// The greatest depth that it may have had, as far as records show.
    pub(crate) fn depth_most(&self) -> u64 {
        self.depth_most.get().max(self.depth_max.get())
    }

    /// Whether entries joined that could not be counted.
    pub(crate) const fn has_uncounted(&self) -> bool {
        self.has_uncounted
    }

    /// The most that each emitter's queue can have held before its depth became known, by place.
    pub(crate) fn most_before(&self) -> &[(usize, u32)] {
        &self.most_before
    }

    /// The depth of the queue of the emitter at `place` is known; up to `may_have_left` entries can have left before.
    #[inline]
    pub(super) fn becomes_known(&mut self, place: usize, depth: u32, may_have_left: u32) {
        if !self.most_before.iter().any(|(its, _)| *its == place) {
            self.most_before.push((place, depth.saturating_add(may_have_left)));
        }
    }

    /// The places of emitters whose entries were counted while it was unknown how many there were before.
    pub(crate) fn counted_from_unknown(&self) -> &[usize] {
        &self.counted_from_unknown
    }

    /// Records a depth that is known to lie between two values.
    pub(super) fn was_between(&mut self, at: Timestamp, Reached { least, most }: Reached) {
        self.was_as_deep_as(least);
        self.depth_most.reach(most.into());
        self.peak = self.peak.max(most);
        self.through_time.set(at, Some(most));
    }

    /// Like [`was_between`](Self::was_between), of a depth that lasts until the next event. `None` if it is unknown; at
    /// least `added` all the same.
    pub(super) fn is_between(&mut self, place: usize, at: Timestamp, depth: Option<Reached>, added: u32) {
        let all_most = self.depths_most.get_or_insert_default();
        all_most.counted(place, at, depth.map(|depth| depth.most));
        self.depths.counted(place, at, depth.map(|depth| depth.least));
        match depth {
            Some(Reached { least, most }) => self.was_between(at, Reached { least: least.max(added), most }),
            None => {
                self.was_as_deep_as(added);
                self.through_time.set(at, None);
            }
        }
    }

    /// A tick begins: the next peak is that since now.
    pub(super) fn sampled_between(&mut self) {
        self.sampled = self.depths_most.as_ref().and_then(|depths| depths.deepest_now());
        self.peak = 0;
    }

    /// An entry of the emitter at `place` was counted, and it is unknown how many there were before.
    pub(super) fn is_counted_from_unknown(&mut self, place: usize) {
        if !self.counted_from_unknown.contains(&place) {
            self.counted_from_unknown.push(place);
        }
    }

    /// Changes the known depth and keeps the series in step with it.
    #[inline]
    pub(super) fn change(&mut self, at: Timestamp, change: impl FnOnce(&mut Depths)) {
        change(&mut self.depths);
        if self.depths.is_known() {
            self.through_time.set(at, self.depths.deepest_now());
        }
    }
}
