//! State of an agenda that an export keeps between events: since when each worker is stopped, and how many tasklets
//! wait.

use std::collections::HashMap;

use loop_probes::event::{Event, WorkerPhase};
use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;

use crate::timeline::{Agenda, TimelineConfig};

/// Waiting tasklets by priority, highest first.
pub(crate) type Waiting = [u32; 3];

#[derive(Debug)]
pub(crate) struct AgendaTracks {
    fold: Agenda,
    reported: Option<Waiting>,
    /// Keyed by row and worker.
    still: HashMap<(usize, u16), (WorkerPhase, Timestamp)>,
}

impl Default for AgendaTracks {
    fn default() -> Self {
        Self { fold: Agenda::new(&TimelineConfig::default()), reported: None, still: HashMap::new() }
    }
}

impl AgendaTracks {
    /// How many wait now, if `stamped` changed that.
    pub(crate) fn waiting(&mut self, stamped: &Stamped) -> Option<Waiting> {
        self.fold.see(stamped);
        if !self.fold.is_seen() {
            return None;
        }
        let waiting = self.fold.priorities.each_ref().map(|priority| priority.waiting());
        (self.reported.replace(waiting) != Some(waiting)).then_some(waiting)
    }

    /// Since when the worker of this row was stopped, if it resumes now.
    pub(crate) fn stood_since(&mut self, row: usize, stamped: &Stamped) -> Option<Timestamp> {
        let Event::WorkerState { worker, from, to } = stamped.event else { return None };
        let before = self.still.remove(&(row, worker));
        if matches!(to, WorkerPhase::Gc | WorkerPhase::EndGc) {
            self.still.insert((row, worker), (to, stamped.at));
        }
        before.filter(|(phase, _)| *phase == from).map(|(_, since)| since)
    }
}
