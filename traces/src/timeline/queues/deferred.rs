//! Counts deferred callbacks by the events that post, remove and run them.
//!
//! A drain takes callbacks one by one, and has one record, at its end. What its callbacks post comes before that record,
//! and how many of the others had run by then is unknown: the depth lies between two values. What is posted outside of a
//! drain is counted exactly, and is known to be outside once the task or the checkpoint that posted it has ended.

use loop_probes::event::{Event, Outcome, Queue};
use loop_probes::ids::Timestamp;

use super::Queues;

/// The range of a depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) least: u32,
    pub(super) most: u32,
}

/// One loop's deferred callbacks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct DeferredCount {
    /// Their number, if no drain runs. Too high by up to `slack`.
    count: u32,
    /// A callback that is kept replaces one that was posted with the same key while it ran.
    slack: u32,
    /// A sample or a snapshot has shown their number, and no records were lost since.
    is_known: bool,
    /// Posts since the last event outside of drains.
    posted: u32,
    /// The largest count since then.
    peak: u32,
}

/// Whether the event shows that no drain was running before it: the callbacks of a drain record none of these.
pub(super) const fn is_outside_of_drains(event: &Event) -> bool {
    match event {
        Event::TaskRan { outcome, .. } => !matches!(outcome, Outcome::Cancelled),
        _ => matches!(
            event,
            Event::TickStart { .. }
                | Event::TickEnd { .. }
                | Event::Microtasks { .. }
                | Event::IoReady { .. }
                | Event::Poll { .. }
                | Event::LoopStopped { .. }
        ),
    }
}

impl DeferredCount {
    /// The exact number, if it is known now.
    pub(super) fn known(&self) -> Option<u32> {
        (self.is_known && self.slack == 0 && self.posted == 0).then_some(self.count)
    }

    fn are(&mut self, count: u32) {
        *self = Self { count, is_known: true, ..Self::default() };
    }

    fn posted(&mut self) {
        self.count = self.count.saturating_add(1);
        self.posted += 1;
        self.peak = self.peak.max(self.count);
    }

    pub(super) fn removed(&mut self) {
        self.count = self.count.saturating_sub(1);
    }

    /// All posts so far were outside of drains: returns the depth that they reached.
    fn settled(&mut self) -> Option<Reached> {
        let (posted, peak) = (std::mem::take(&mut self.posted), std::mem::take(&mut self.peak));
        (posted > 0).then(|| Reached { least: peak.saturating_sub(self.slack).max(1), most: peak })
    }

    /// A drain has ended. Returns the range of the depth in it.
    fn drained(&mut self, ran: u32, kept: u32) -> Reached {
        let (posted, peak) = (std::mem::take(&mut self.posted), std::mem::take(&mut self.peak));
        let most = peak.max(self.count);
        // Fewer than have run: it is unknown how many there were.
        self.is_known &= self.count >= ran;
        self.count = self.count.saturating_sub(ran).saturating_add(kept);
        self.slack = self.slack.saturating_add(posted.min(kept)).min(self.count);
        let least = (self.count - self.slack).max(ran.min(1));
        Reached { least, most: most.max(least) }
    }
}

impl Queues {
    /// A sample or a snapshot shows the depth of a queue.
    pub(super) fn deferred_are(&mut self, place: usize, queue: Queue, depth: u32) {
        if queue == Queue::Deferred
            && let Some(emitter) = self.emitter(place)
        {
            emitter.deferred.are(depth);
        }
    }

    /// A callback was deferred. Posts have the time of the last boundary, so the depth over time is unknown until the next
    /// one.
    pub(super) fn deferred_one(&mut self, place: usize, at: Timestamp) {
        let Some(emitter) = self.emitter(place) else { return };
        emitter.deferred.posted();
        let is_known = emitter.deferred.is_known;
        self.has_posts = true;
        let stats = self.queue_mut(Queue::Deferred);
        stats.was_as_deep_as(1);
        if !is_known {
            stats.is_counted_from_unknown(place);
        }
        stats.change(at, |depths| depths.counted(place, at, None));
    }

    /// No drain was running on the loop at `place`: what it posted so far was all there at once.
    #[cold]
    pub(super) fn settle_posts(&mut self, place: usize, at: Timestamp) {
        let Some(deferred) = self.emitters.get_mut(place).map(|emitter| &mut emitter.deferred) else {
            return;
        };
        let Some(reached) = deferred.settled() else { return };
        let known = deferred.known();
        self.has_posts = self.emitters.iter().any(|emitter| emitter.deferred.posted > 0);
        let stats = self.queue_mut(Queue::Deferred);
        stats.was_between(at, reached);
        stats.change(at, |depths| depths.counted(place, at, known));
    }

    pub(super) fn deferred_ran(
        &mut self,
        place: usize,
        (start, at): (Timestamp, Timestamp),
        ran: u32,
        kept: u32,
    ) {
        let Some(emitter) = self.emitter(place) else { return };
        let is_known = emitter.deferred.is_known;
        let reached = emitter.deferred.drained(ran, kept);
        let known = emitter.deferred.known();
        let stats = self.queue_mut(Queue::Deferred);
        if !is_known {
            stats.is_counted_from_unknown(place);
        }
        stats.change(start, |depths| depths.counted(place, start, None));
        stats.was_between(at, reached);
        stats.change(at, |depths| depths.counted(place, at, known));
    }
}
