//! The log: the events themselves, newest at the bottom, restricted to the tags that pass the filter.

pub mod view;

use loop_probes::event::Event;
use loop_probes::stamped::Stamped;

use super::page::{LogOf, Page, Request, row_step};
use crate::app::attribution::Attribution;
use crate::app::layout::moved;
use crate::app::state::AppState;
use crate::describe;
use crate::units;

/// The state of the page.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogPage {
    /// The events shown; `None` for all.
    pub of: Option<LogOf>,
}

impl LogPage {
    /// The events that pass the filter, newest first.
    pub fn from_newest<'s>(&self, state: &'s AppState) -> impl Iterator<Item = &'s Stamped> + use<'s> {
        let of = self.of;
        let is_shown = move |event: &Event| of.map_or_else(|| !is_noise(event), |of| holds(of, event));
        let log = state.picture().log().iter().rev();
        log.filter(move |stamped| is_shown(&stamped.event) && lets_through(state, stamped))
    }
}

impl Page for LogPage {
    fn rows(&self, state: &AppState) -> usize {
        self.from_newest(state).count()
    }

    fn rows_move(&self, _state: &AppState) -> bool {
        true
    }

    /// The newest event is at the bottom, so up moves into the past.
    fn step(&mut self, state: &mut AppState, by: i64) {
        state.row = moved(state.row, by.saturating_neg(), self.rows(state).saturating_sub(1));
    }

    fn next_match(&mut self, _state: &mut AppState, forward: bool) -> Option<Request> {
        Some(row_step(forward))
    }

    fn copied(&self, state: &AppState) -> Option<String> {
        let stamped = self.from_newest(state).nth(state.row)?;
        let at = units::position_us(state.since_start_ns(stamped.at));
        let labels = &state.picture().timeline.labels;
        let about = describe::event(stamped.at, &stamped.event, labels);
        Some(format!("{at}  {}  {}  {about}\n", labels.source(stamped.source), stamped.event.name()))
    }

    /// Opens an event: its breakdown if it shows that something was late or slow, else its tick.
    fn open(&self, state: &AppState) -> Request {
        let Some(event) = self.from_newest(state).nth(state.row) else { return Request::Evicted };
        match Attribution::of_event(event, state.picture()) {
            Some(attribution) => Request::Breakdown(Box::new(attribution)),
            None => Request::TickAt(event.at),
        }
    }
}

const fn holds(of: LogOf, event: &Event) -> bool {
    match of {
        LogOf::Queues => matches!(
            event,
            Event::QueueDepth { .. }
                | Event::SnapshotQueue { .. }
                | Event::TaskQueued { .. }
                | Event::WorkQueued { .. }
                | Event::Immediates { .. }
        ),
        LogOf::Microtasks => matches!(event, Event::Microtasks { .. }),
        LogOf::Gc => matches!(
            event,
            Event::GcDecision { .. }
                | Event::GcRan { .. }
                | Event::GcMode { .. }
                | Event::GcRendezvous { .. }
                | Event::SnapshotGc { .. }
        ),
    }
}

fn lets_through(state: &AppState, stamped: &Stamped) -> bool {
    state.filter.is_empty() || describe::tag_of(&stamped.event).is_some_and(|tag| state.lets_through(tag))
}

/// Events that the unrestricted log leaves out: inputs for re-execution, samples, calibrations, and labels, whose times
/// mean nothing.
const fn is_noise(event: &Event) -> bool {
    matches!(
        event,
        Event::InputClock { .. }
            | Event::InputBatch { .. }
            | Event::InputHeap { .. }
            | Event::InputReturned { .. }
            | Event::QueueDepth { .. }
            | Event::Calibration { .. }
            | Event::Running { .. }
            | Event::Label { .. }
            | Event::Pressure { .. }
    )
}
