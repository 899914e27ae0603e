//! Folds one side into its timeline, and the lag of its timers by tag.

use loop_probes::event::{Event, Queue};
use loop_probes::ids::Tag;
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;
use loop_traces::histogram::Histogram;
use loop_traces::timeline::{Timeline, TimelineConfig};

/// Maximum number of tags whose timers have their own figures: a histogram of the full range takes 58 KB.
const TAGS_MAX: usize = 512;

/// What the sides of a comparison contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// Everything that a report on the recording contains.
    Report,
    /// No breakdowns of the worst waits and no delay caused. Those take a quarter of the time, and nothing compares them.
    Figures,
}

/// The aggregates of one side.
#[derive(Clone, Debug)]
pub(super) struct Measure {
    pub(super) timeline: Timeline,
    /// Timer lag by tag.
    pub(super) lag_ns: Vec<Option<Box<Histogram>>>,
}

impl Measure {
    pub(super) fn new(metadata: &Metadata, detail: Detail) -> Self {
        let whole = TimelineConfig::of(metadata);
        let config = match detail {
            Detail::Report => whole,
            Detail::Figures => TimelineConfig { late_kept: 0, stretches_kept: 0, ..whole },
        };
        Self { timeline: Timeline::new(config), lag_ns: Vec::new() }
    }

    pub(super) fn fold(&mut self, stamped: &Stamped) {
        self.timeline.fold(stamped);
        if let Event::TimerFired { tag, .. } = stamped.event
            && let (Some(lag), Some((due, began))) = (of_tag(&mut self.lag_ns, tag), stamped.timer_wait())
        {
            lag.record(began.ns_since(due));
        }
    }

    /// Folds an event of another emitter if it is about a job of a worker or a tasklet of the agenda, and not about
    /// another loop.
    pub(super) fn fold_other(&mut self, stamped: &Stamped) {
        if matches!(
            stamped.event,
            Event::Label { .. }
                | Event::WorkRan { .. }
                | Event::AgendaAdded { .. }
                | Event::AgendaRan { .. }
                | Event::WorkerState { .. }
                | Event::Calibration { .. }
        ) {
            self.fold(stamped);
        }
    }

    /// Maximum number of tasks waiting at a time.
    pub(super) fn queue_depth_max(&self) -> u64 {
        self.timeline.queues.queue(Queue::Tasks).depth_max.get()
    }
}

/// The histogram of a tag, unless there are too many.
fn of_tag(all: &mut Vec<Option<Box<Histogram>>>, tag: Tag) -> Option<&mut Histogram> {
    let place = usize::from(tag.0);
    if all.get(place).is_none_or(|figures| figures.is_none()) && all.iter().flatten().count() >= TAGS_MAX {
        return None;
    }
    if place >= all.len() {
        all.resize(place + 1, None);
    }
    Some(all[place].get_or_insert_with(Box::default))
}
