//! What an export keeps of an agenda between its events: since when each worker stands still, and how many
//! tasklets wait.

use std::collections::HashMap;

use loop_probes::event::{Event, WorkerPhase};
use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;

use crate::timeline::{Agenda, TimelineConfig};

/// Tasklets that wait, by priority, the highest first.
pub(crate) type Waiting = [u32; 3];

#[derive(Debug)]
pub(crate) struct AgendaTracks {
    fold: Agenda,
    told: Option<Waiting>,
    /// By row and worker.
    still: HashMap<(usize, u16), (WorkerPhase, Timestamp)>,
}

impl Default for AgendaTracks {
    fn default() -> Self {
        Self { fold: Agenda::new(&TimelineConfig::default()), told: None, still: HashMap::new() }
    }
}

impl AgendaTracks {
    /// How many wait now, where that changed with `stamped`.
    pub(crate) fn waiting(&mut self, stamped: &Stamped) -> Option<Waiting> {
        self.fold.see(stamped);
        if !self.fold.is_seen() {
            return None;
        }
        let waiting = self.fold.priorities.each_ref().map(|priority| priority.waiting());
        (self.told.replace(waiting) != Some(waiting)).then_some(waiting)
    }

    /// Since when the worker of this row stood still, where it goes on now.
    pub(crate) fn stood_since(&mut self, row: usize, stamped: &Stamped) -> Option<Timestamp> {
        let Event::WorkerState { worker, from, to } = stamped.event else { return None };
        let before = self.still.remove(&(row, worker));
        if matches!(to, WorkerPhase::Gc | WorkerPhase::EndGc) {
            self.still.insert((row, worker), (to, stamped.at));
        }
        before.filter(|(phase, _)| *phase == from).map(|(_, since)| since)
    }
}
