//! Counts deferred callbacks by the events that post, remove and run them.
//!
//! A drain takes callbacks one by one and has one record, at its end. Posts by its callbacks come before that record, when
//! it is unknown how many callbacks had run: the depth is a range. Posts outside of drains are counted exactly; they are
//! known to be outside once the task or checkpoint that posted them has ended.

use loop_probes::event::{Event, Outcome};

use super::stats::Reached;

/// One loop's deferred callbacks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct DeferredCount {
    /// The number of callbacks, if no drain runs. Too high by up to `slack`.
    count: u32,
    /// By how much `count` may be too high: a callback that is kept replaces one that was posted with the same key
    /// while it ran.
    slack: u32,
    /// Whether a sample or a snapshot has shown the number of callbacks, and no records were lost since.
    pub(super) is_known: bool,
    /// Posts since the last event outside of drains.
    pub(super) posted: u32,
    /// The largest `count` since the last event outside of drains.
    peak: u32,
}

/// Whether the event shows that no drain was running before it. The callbacks of a drain record none of these.
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

    pub(super) fn are(&mut self, count: u32) {
        *self = Self { count, is_known: true, ..Self::default() };
    }

    pub(super) fn posted(&mut self) {
        self.count = self.count.saturating_add(1);
        self.posted += 1;
        self.peak = self.peak.max(self.count);
    }

    pub(super) fn removed(&mut self) {
        self.count = self.count.saturating_sub(1);
    }

    /// All posts so far were outside of drains: returns the depth that they reached.
    pub(super) fn settled(&mut self) -> Option<Reached> {
        let (posted, peak) = (std::mem::take(&mut self.posted), std::mem::take(&mut self.peak));
        (posted > 0).then(|| Reached { least: peak.saturating_sub(self.slack).max(1), most: peak })
    }

    /// A drain has ended. Returns the range of the depth in it.
    pub(super) fn drained(&mut self, ran: u32, kept: u32) -> Reached {
        let (posted, peak) = (std::mem::take(&mut self.posted), std::mem::take(&mut self.peak));
        let most = peak.max(self.count);
        // If more have run than were counted, the true count was unknown.
        self.is_known &= self.count >= ran;
        self.count = self.count.saturating_sub(ran).saturating_add(kept);
        self.slack = self.slack.saturating_add(posted.min(kept)).min(self.count);
        let least = (self.count - self.slack).max(ran.min(1));
        Reached { least, most: most.max(least) }
    }
}
