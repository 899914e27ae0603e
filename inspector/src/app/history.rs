//! History for Esc: the pages that were left, each with its selection.
//!
//! After following a stall to its breakdown, from there to a tag, and from its worst run to a tick, Esc leads back the
//! same way, page by page.

use loop_probes::ids::{Tag, Timestamp};

use super::attribution::Attribution;
use super::state::{AppState, Part, TickKey, View};

/// Maximum number of pages remembered; beyond that the oldest are dropped.
const PAGES_MAX: usize = 32;

/// A page that was left.
#[derive(Clone, Debug)]
struct Visited {
    view: View,
    part: Part,
    row: usize,
    tag: Option<Tag>,
    tick: Option<TickKey>,
    attribution: Option<Attribution>,
    /// The time that it showed: at another time its rows are different.
    at: Timestamp,
}

/// The pages that Esc goes back through.
#[derive(Clone, Debug, Default)]
pub struct History(Vec<Visited>);

impl History {
    /// Clears the history.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Remembers the current page.
pub fn leave(state: &mut AppState) {
    let at = state.picture_at();
    let AppState { view, part, row, tag, tick, .. } = *state;
    let attribution = state.attribution.clone();
    if state.history.0.len() == PAGES_MAX {
        state.history.0.remove(0);
    }
    state.history.0.push(Visited { view, part, row, tag, tick, attribution, at });
}

/// Shows the page that was left last, as it was; without one, the overview.
pub fn go_back(state: &mut AppState) {
    let Some(visited) = state.history.0.pop() else {
        (state.view, state.row) = (View::Overview, 0);
        return;
    };
    let same_picture = visited.at == state.picture_at();
    // A breakdown is a copy: its lines do not change.
    let same_rows = same_picture || visited.view == View::Breakdown;
    (state.view, state.part, state.attribution) = (visited.view, visited.part, visited.attribution);
    state.tag = visited.tag.or(state.tag);
    state.row = if same_rows { visited.row } else { 0 };
    if same_picture && visited.tick.is_some() {
        state.tick = visited.tick;
    }
}
