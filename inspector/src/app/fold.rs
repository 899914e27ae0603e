//! What the dashboard has understood so far: the timeline, and the last events themselves for the log.

use std::collections::VecDeque;

use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;
use loop_traces::timeline::{TickSummary, Timeline, TimelineConfig};

use super::state::TickKey;

/// Events kept for the log. A tick's tasks are kept by the timeline, whatever the log forgets.
pub const LOG_EVENTS_MAX: usize = 20_000;
/// The last events that one which comes late is sorted among.
const LATE_EVENTS_MAX: usize = 64;

/// The fold of all events up to a moment.
#[derive(Clone, Debug)]
pub struct Fold {
    /// The figures.
    pub timeline: Timeline,
    log: VecDeque<Stamped>,
}

impl Fold {
    /// Nothing yet.
    #[must_use]
    pub fn new(config: TimelineConfig) -> Self {
        Self { timeline: Timeline::new(config), log: VecDeque::new() }
    }

    /// Takes one event in.
    pub fn fold(&mut self, stamped: &Stamped) {
        self.timeline.fold(stamped);
        if self.log.len() == LOG_EVENTS_MAX {
            self.log.pop_front();
        }
        self.log.push_back(*stamped);
        self.sort_last();
    }

    /// Puts the last event where its time belongs, as far as others of the same moment reach: emitters are merged
    /// by when they wrote, and what one wrote may be older than what another did.
    fn sort_last(&mut self) {
        let mut place = self.log.len() - 1;
        let first = place.saturating_sub(LATE_EVENTS_MAX);
        while place > first && self.log[place - 1].at > self.log[place].at {
            self.log.swap(place - 1, place);
            place -= 1;
        }
    }

    /// The last events, oldest first.
    #[must_use]
    pub const fn log(&self) -> &VecDeque<Stamped> {
        &self.log
    }

    /// The tick with this key: one of the last, or a stall.
    #[must_use]
    pub fn tick(&self, key: TickKey) -> Option<&TickSummary> {
        let recent = self.place(key).and_then(|place| self.timeline.ticks.recent.at(place));
        recent.or_else(|| {
            let stalls = self.timeline.stalls.newest_first();
            stalls.map(|stall| &stall.tick).find(|tick| TickKey::of(tick) == key)
        })
    }

    /// The tick's place among the last ticks, 0 the oldest.
    #[must_use]
    pub fn place(&self, key: TickKey) -> Option<usize> {
        // From the newest: what is looked at is recent more often than not.
        self.timeline.ticks.recent.iter().rposition(|tick| TickKey::of(tick) == key)
    }

    /// The tick that ended at `end`, where it is still kept.
    #[must_use]
    pub fn tick_that_ended(&self, end: Timestamp) -> Option<&TickSummary> {
        let is_it = |tick: &&TickSummary| tick.end == end;
        let stall = self.timeline.stalls.newest_first().map(|stall| &stall.tick).find(is_it);
        stall.or_else(|| self.timeline.ticks.recent.iter().rev().find(is_it))
    }

    /// The tick in which something ended at `at`, where it is still kept.
    #[must_use]
    pub fn tick_at(&self, at: Timestamp) -> Option<&TickSummary> {
        let holds = |tick: &&TickSummary| tick.start <= at && at <= tick.end;
        let recent = self.timeline.ticks.recent.iter().rev().find(holds);
        recent.or_else(|| self.timeline.stalls.newest_first().map(|stall| &stall.tick).find(holds))
    }
}

#[cfg(test)]
mod tests {
    use loop_probes::event::Event;
    use loop_probes::ids::SourceId;
    use loop_traces::timeline::TimelineConfig;

    use super::*;

    #[test]
    fn the_log_is_in_the_order_of_time() {
        let mut fold = Fold::new(TimelineConfig::default());
        for (source, at) in [(1, 402), (1, 438), (2, 402), (1, 440), (2, 439)] {
            let event = Event::TickStart { tick: at };
            fold.fold(&Stamped { at: Timestamp(at), source: SourceId(source), event });
        }
        let times: Vec<u64> = fold.log().iter().map(|stamped| stamped.at.as_ns()).collect();
        assert_eq!(times, [402, 402, 438, 439, 440]);
    }
}
