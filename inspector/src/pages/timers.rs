//! The timers: how many, how late, what delayed them, and the breakdown of the selected delay.

pub mod view;

use loop_traces::timeline::Impact;
use ratatui::layout::Rect;

use super::page::{NOTHING_DELAYED, Page, Request, row_step};
use crate::app::attribution::{Attribution, LateRow};
use crate::app::figures::cause_tag;
use crate::app::layout::{from_bottom, from_left, from_top, rows, share};
use crate::app::state::{AppState, Part};

/// The state of the page.
#[derive(Clone, Debug, Default)]
pub struct TimersPage {
    /// The late timers and signals, worst first.
    pub late: Vec<LateRow>,
}

/// The areas of the page.
pub struct Panes {
    /// Counts and lags.
    pub figures: Rect,
    /// The lag histogram; empty on narrow screens.
    pub lag: Rect,
    /// The causes of delay: a list, below a heading.
    pub delay_caused: Rect,
    /// The late timers and signals: a list without a heading.
    pub late: Rect,
    /// The breakdown of the selected delay.
    pub breakdown: Rect,
}

/// Minimum width for the histogram beside the figures.
const LAG_FROM: u16 = 110;

/// The areas of the page within `body`.
#[must_use]
pub fn panes(body: Rect) -> Panes {
    let upper = match body.height {
        0..24 => 7,
        24..40 => 10,
        _ => 13,
    };
    let [upper, lower] = from_top(body, upper);
    let [late, breakdown] = from_bottom(lower, (lower.height / 2).max(7));
    let (figures, lag) = if body.width < LAG_FROM { (27, 0) } else { (30, share(body.width, 32)) };
    let [figures, upper] = from_left(upper, figures);
    let [lag, delay_caused] = from_left(upper, lag);
    Panes { figures, lag, delay_caused, late, breakdown }
}

/// Those of the late timers and signals that pass the filter.
pub fn late_shown<'s>(late: &'s [LateRow], state: &'s AppState) -> impl Iterator<Item = &'s LateRow> + 's {
    let labels = &state.picture().timeline.labels;
    late.iter().filter(|row| state.lets_through_name(&row.subject.name(labels)))
}

/// Opens the breakdown of the row `selected` among those that pass the filter.
pub(super) fn open_late(late: &[LateRow], state: &AppState, selected: usize) -> Request {
    late_shown(late, state).nth(selected).map_or(NOTHING_DELAYED, |row| {
        Request::Breakdown(Box::new(Attribution::of_late(row, state.picture())))
    })
}

/// The causes of the ranking that pass the filter, worst first.
pub fn delay_caused_shown(state: &AppState) -> impl Iterator<Item = &Impact> + '_ {
    let labels = &state.picture().timeline.labels;
    state.figures.delay_caused.iter().filter(|impact| state.lets_through_name(&impact.cause.describe(labels)))
}

impl Page for TimersPage {
    fn refresh(&mut self, state: &AppState) {
        self.late = LateRow::all(state.picture(), state.of_window());
    }

    fn rows(&self, state: &AppState) -> usize {
        match state.part {
            Part::First => late_shown(&self.late, state).count(),
            Part::Second => delay_caused_shown(state).count(),
        }
    }

    fn lists(&self, body: Rect) -> [Rect; 2] {
        let panes = panes(body);
        [rows(panes.late, false), rows(panes.delay_caused, true)]
    }

    fn rows_move(&self, _state: &AppState) -> bool {
        true
    }

    fn next_match(&mut self, _state: &mut AppState, forward: bool) -> Option<Request> {
        Some(row_step(forward))
    }

    fn open(&self, state: &AppState) -> Request {
        match state.part {
            Part::First => open_late(&self.late, state, state.row),
            Part::Second => {
                let impact = delay_caused_shown(state).nth(state.row);
                let tag = impact.and_then(|impact| cause_tag(impact.cause));
                tag.map_or(Request::Nothing, Request::Tag)
            }
        }
    }
}
