//! Folds one side into its timeline, and into what the comparison needs besides.

use loop_probes::event::{Event, Outcome, Queue};
use loop_probes::ids::{Tag, TaskId};
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;
use loop_traces::histogram::Histogram;
use loop_traces::timeline::Timeline;

/// Maximum number of tags with their own figures, for timers and for tasklets: a histogram of the full range takes 58
/// KB.
const TAGS_MAX: usize = 512;

/// The aggregates of one side.
#[derive(Clone, Debug)]
pub(super) struct Measure {
    pub(super) timeline: Timeline,
    /// From queued to started, for everything that waited in a queue; timers do not.
    pub(super) queue_wait_ns: Histogram,
    /// By tag.
    pub(super) lag_ns: Vec<Option<Box<Histogram>>>,
    /// Time that tasklets waited for a worker, by tag and in total.
    pub(super) tasklet_wait_ns: Vec<Option<Box<Histogram>>>,
    pub(super) tasklets_wait_ns: Histogram,
    fired: Option<TaskId>,
}

impl Measure {
    pub(super) fn new(metadata: &Metadata) -> Self {
        Self {
            timeline: Timeline::of(metadata),
            queue_wait_ns: Histogram::new(),
            lag_ns: Vec::new(),
            tasklet_wait_ns: Vec::new(),
            tasklets_wait_ns: Histogram::new(),
            fired: None,
        }
    }

    pub(super) fn fold(&mut self, stamped: &Stamped) {
        self.timeline.fold(stamped);
        match stamped.event {
            Event::TimerFired { tag, task, .. } => {
                self.fired = Some(task);
                if let (Some(lag), Some((due, began))) = (of_tag(&mut self.lag_ns, tag), stamped.timer_wait())
                {
                    lag.record(began.ns_since(due));
                }
            }
            Event::TaskRan { outcome: Outcome::Cancelled, .. }
            | Event::AgendaRan { outcome: Outcome::Cancelled, .. } => {}
            Event::TaskRan { task, queued, start, .. } if self.fired != Some(task) => {
                self.queue_wait_ns.record(start.ns_since(queued));
            }
            Event::AgendaRan { tag, queued, start, .. } => {
                self.tasklets_wait_ns.record(start.ns_since(queued));
                if let Some(wait) = of_tag(&mut self.tasklet_wait_ns, tag) {
                    wait.record(start.ns_since(queued));
                }
            }
            _ => {}
        }
    }

    /// Folds an event of another emitter: jobs of workers and tasklets of the agenda belong to the picture, other loops
    /// do not.
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
        u64::from(self.timeline.queues.queue(Queue::Tasks).depth_max)
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
