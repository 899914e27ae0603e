//! Positions in time and windows of time, in words.

use crate::app::state::AppState;
use crate::units;

/// Width of the positions in a list, which is that of the latest.
pub(crate) fn when_width(state: &AppState) -> u16 {
    let latest = units::position(state.elapsed_ns());
    (latest.len() as u16).max(units::position(0).len() as u16)
}

/// The time up to which the figures hold, if more is known than is shown: ` up to 00:01.6`.
pub(crate) fn up_to(state: &AppState) -> String {
    state.up_to_ns().map_or_else(String::new, |ns| format!(" up to {}", units::position(ns)))
}

/// The window if something is known from before it: ` in the last 10s`. Else like [`up_to`], but ` so far` if everything
/// known is shown.
pub(crate) fn so_far(state: &AppState) -> String {
    match (&state.windowed, state.up_to_ns()) {
        (Some(_), _) => format!(" in the last {}", state.window.name()),
        (None, Some(_)) => up_to(state),
        (None, None) => " so far".to_owned(),
    }
}

/// The key that shows more.
pub(crate) const fn way_on(state: &AppState) -> &'static str {
    if state.is_replay() { "> seeks forward 1 s" } else { "Space resumes live" }
}
