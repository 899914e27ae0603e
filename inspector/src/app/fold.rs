//! Everything the dashboard knows: the timeline, and the last events for the log.

use std::collections::VecDeque;

use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::stamped::Stamped;
use loop_traces::timeline::{TickSummary, Timeline, TimelineConfig};

use super::window::{Baselines, Window};

/// Events kept for the log. The timeline keeps the spans of ticks separately.
pub const LOG_EVENTS_MAX: usize = 20_000;
/// How far back a late event is sorted, in events.
const LATE_EVENTS_MAX: usize = 64;

/// One tick of one loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TickKey {
    /// The loop's emitter.
    pub source: SourceId,
    /// The tick's number.
    pub tick: u64,
}

impl TickKey {
    /// The key of a tick.
    #[must_use]
    pub const fn of(tick: &TickSummary) -> Self {
        Self { source: tick.source, tick: tick.tick }
    }
}

/// The fold of all events up to some time.
#[derive(Clone, Debug)]
pub struct Fold {
    /// Figures aggregated over the events so far.
    pub timeline: Timeline,
    /// The figures at earlier times, for windows.
    pub baselines: Baselines,
    log: VecDeque<Stamped>,
}

impl Fold {
    /// An empty fold.
    #[must_use]
    pub fn new(config: TimelineConfig) -> Self {
        Self { timeline: Timeline::new(config), baselines: Baselines::default(), log: VecDeque::new() }
    }

    /// An empty fold that windows are not read from, until [`expect`](Self::expect) says so.
    #[must_use]
    pub fn without_windows(config: TimelineConfig) -> Self {
        Self { baselines: Baselines::never(), ..Self::new(config) }
    }

    /// Events up to `to` are about to be folded.
    pub fn expect(&mut self, to: Timestamp) {
        self.baselines.expect(to);
    }

    /// Folds one event.
    pub fn fold(&mut self, stamped: &Stamped) {
        if self.baselines.is_due(stamped.at) {
            self.baselines.make(&mut self.timeline, stamped.at);
        }
        self.timeline.fold(stamped);
        if self.log.len() == LOG_EVENTS_MAX {
            self.log.pop_front();
        }
        self.log.push_back(*stamped);
        self.sort_last();
    }

    /// Moves the last event back to its place by time, after others of the same time: emitters are merged in order of
    /// writing, and an event may be older than one that another emitter wrote before.
    fn sort_last(&mut self) {
        let mut place = self.log.len() - 1;
        let first = place.saturating_sub(LATE_EVENTS_MAX);
        while place > first && self.log[place - 1].at > self.log[place].at {
            self.log.swap(place - 1, place);
            place -= 1;
        }
    }

    /// Time passed although nothing was read.
    pub fn pass(&mut self, now: Timestamp) {
        self.baselines.pass(&mut self.timeline, now);
    }

    /// The figures of `window` up to `now`; `None` if that is everything.
    #[must_use]
    pub fn of_window(&self, window: Window, now: Timestamp) -> Option<Timeline> {
        self.baselines.of_window(&self.timeline, window, now)
    }

    /// Bytes that the distributions and the baselines take: most of a fold whose values differ widely.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.timeline.tags.bytes() + self.baselines.bytes()
    }

    /// The last events, oldest first.
    #[must_use]
    pub const fn log(&self) -> &VecDeque<Stamped> {
        &self.log
    }

    /// The tick with this key, from the last ticks or the stalls.
    #[must_use]
    pub fn tick(&self, key: TickKey) -> Option<&TickSummary> {
        let recent = self.place(key).and_then(|place| self.timeline.ticks.recent.at(place));
        recent.or_else(|| {
            let stalls = self.timeline.stalls.newest_first();
            stalls.map(|stall| &stall.tick).find(|tick| TickKey::of(tick) == key)
        })
    }

    /// The index of the tick among the last ticks, 0 for the oldest.
    #[must_use]
    pub fn place(&self, key: TickKey) -> Option<usize> {
        // From the newest, since most lookups are of recent ticks.
        self.timeline.ticks.recent.iter().rposition(|tick| TickKey::of(tick) == key)
    }

    /// The tick that ended at `end`, if it is still kept.
    #[must_use]
    pub fn tick_that_ended(&self, end: Timestamp) -> Option<&TickSummary> {
        let is_it = |tick: &&TickSummary| tick.end == end;
        let stall = self.timeline.stalls.newest_first().map(|stall| &stall.tick).find(is_it);
        stall.or_else(|| self.timeline.ticks.recent.iter().rev().find(is_it))
    }

    /// The tick that contains `at`, if it is still kept.
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
    use loop_traces::timeline::TimelineConfig;

    use super::*;

    #[test]
    fn the_log_is_sorted_by_time() {
        let mut fold = Fold::new(TimelineConfig::default());
        for (source, at) in [(1, 402), (1, 438), (2, 402), (1, 440), (2, 439)] {
            let event = Event::TickStart { tick: at };
            fold.fold(&Stamped { at: Timestamp(at), source: SourceId(source), event });
        }
        let times: Vec<u64> = fold.log().iter().map(|stamped| stamped.at.as_ns()).collect();
        assert_eq!(times, [402, 402, 438, 439, 440]);
    }
}
