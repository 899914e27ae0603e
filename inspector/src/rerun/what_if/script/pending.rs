//! Holds events back until the unit that they belong to is complete. A recording that ends in a tick has no script for
//! that tick: the acts and the cost of its running callback were never recorded, and the time until the end of the
//! recording would be idle time in a re-execution.

use loop_probes::event::{Event, StopReason};
use loop_probes::ids::SourceId;
use loop_probes::stamped::Stamped;
use loop_traces::labels::Labels;
use loop_traces::source::EventSource;
use loop_traces::summary::OpenTickSummary;

use super::LeftOut;
use super::arrive::JobTimes;
use super::read::Reading;
use crate::rerun::budget::bytes_of;
use crate::rerun::whole::completes_unit;

/// The events since the last complete unit of a loop, those of other emitters included.
#[derive(Debug, Default)]
pub(super) struct Pending {
    events: Vec<Stamped>,
    in_tick: bool,
}

impl Pending {
    /// Adds an event. Returns true if it completes a unit of the loop `own`, or is the last one that counts: the
    /// beginning of a shutdown.
    fn push(&mut self, stamped: &Stamped, own: SourceId) -> bool {
        self.events.push(*stamped);
        if stamped.source != own {
            return false;
        }
        let event = &stamped.event;
        match event {
            Event::TickStart { .. } => self.in_tick = true,
            Event::TickEnd { .. } | Event::ShutdownBegan { .. } => self.in_tick = false,
            _ => {}
        }
        completes_unit(event, self.in_tick) || matches!(event, Event::ShutdownBegan { .. })
    }

    /// The events so far. [`reuse`](Self::reuse) takes the memory back.
    pub(super) fn take(&mut self) -> Vec<Stamped> {
        std::mem::take(&mut self.events)
    }

    fn reuse(&mut self, mut events: Vec<Stamped>) {
        events.clear();
        self.events = events;
    }

    /// Memory used so far, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        bytes_of::<Stamped>(self.events.len())
    }
}

impl Reading {
    /// Takes an event into account: the script takes those of a unit when it is complete.
    pub(super) fn see(&mut self, stamped: &Stamped, left: &mut LeftOut) {
        if self.over {
            return;
        }
        let Stamped { at, event, .. } = *stamped;
        if let Event::WorkRan { task, queued, start, worker, .. } = event {
            // The cost of a job is known even if the tick of its completion did not end.
            self.worked.insert(task, JobTimes { queued, start, end: at, worker });
        }
        if self.pending.push(stamped, self.source) {
            let mut whole = self.pending.take();
            // A closed loop does not run what it leaves.
            if let Event::LoopStopped { reason: StopReason::Closed } = event
                && !self.pending.in_tick
            {
                whole.retain(|stamped| stamped.source != self.source);
            }
            whole.iter().for_each(|stamped| self.take(stamped, left));
            self.pending.reuse(whole);
        }
    }

    /// Whether a complete snapshot was read, if only in a tick that did not end.
    pub(super) fn is_begun(&self) -> bool {
        let is_end = |stamped: &Stamped| {
            stamped.source == self.source && matches!(stamped.event, Event::SnapshotEnd { .. })
        };
        self.started || self.pending.events.iter().any(is_end)
    }

    /// The tick that did not end, as a report on the recording describes it; its times count from the beginning.
    pub(super) fn open_tick(&self, source: &dyn EventSource, labels: &Labels) -> Option<OpenTickSummary> {
        if !self.pending.in_tick {
            return None;
        }
        let mut all = self.script.before.clone();
        for stamped in &self.pending.events {
            if stamped.source == self.source { all.fold(stamped) } else { all.fold_other(stamped) }
        }
        all.timeline.labels = labels.clone();
        OpenTickSummary::of(source, &all.timeline)
    }
}
