//! The fold of one side: the timeline, and what the comparison needs beside it.

use loop_probes::event::{Event, Queue};
use loop_probes::ids::{Tag, TaskId};
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;
use loop_traces::histogram::Histogram;
use loop_traces::timeline::Timeline;

/// Tags of timers with figures of their own.
const TAGS_MAX: usize = 4096;

/// The fold of one side.
#[derive(Clone, Debug)]
pub(super) struct Measure {
    pub(super) timeline: Timeline,
    /// From queued to start, of what waited in a queue: a timer does not.
    pub(super) queue_wait_ns: Histogram,
    /// By tag.
    pub(super) lag_ns: Vec<Option<Box<Histogram>>>,
    fired: Option<TaskId>,
}

impl Measure {
    pub(super) fn new(metadata: &Metadata) -> Self {
        let (queue_wait_ns, lag_ns) = (Histogram::new(), Vec::new());
        Self { timeline: Timeline::of(metadata), queue_wait_ns, lag_ns, fired: None }
    }

    pub(super) fn fold(&mut self, stamped: &Stamped) {
        self.timeline.fold(stamped);
        match stamped.event {
            Event::TimerFired { tag, task, due, fired, .. } => {
                self.fired = Some(task);
                if let Some(lag) = self.lag_of(tag) {
                    lag.record(fired.ns_since(due));
                }
            }
            Event::TaskRan { task, queued, start, .. } if self.fired != Some(task) => {
                self.queue_wait_ns.record(start.ns_since(queued));
            }
            _ => {}
        }
    }

    /// An event of another emitter: workers' jobs and the agenda's tasklets belong to the picture, another loop does
    /// not.
    pub(super) fn fold_other(&mut self, stamped: &Stamped) {
        if matches!(stamped.event, Event::Label { .. } | Event::WorkRan { .. } | Event::Calibration { .. }) {
            self.timeline.fold(stamped);
        }
    }

    fn lag_of(&mut self, tag: Tag) -> Option<&mut Histogram> {
        let place = usize::from(tag.0);
        if place >= TAGS_MAX {
            return None;
        }
        if place >= self.lag_ns.len() {
            self.lag_ns.resize(place + 1, None);
        }
        Some(self.lag_ns[place].get_or_insert_with(Box::default))
    }

    /// Most tasks that waited at a time.
    pub(super) fn queue_depth_max(&self) -> u64 {
        u64::from(self.timeline.queues.queue(Queue::Tasks).depth_max)
    }
}
