//! The layout of pages with two lists.

use super::{Area, rows, share};
use crate::app::state::{Part, View};

/// The page of the timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimersPage {
    /// Counts and lags.
    pub figures: Area,
    /// The lag histogram; empty on narrow screens.
    pub lag: Area,
    /// The causes of delay: a list, below a heading.
    pub delay_caused: Area,
    /// What was late: a list.
    pub late: Area,
    /// The breakdown of the selected one.
    pub breakdown: Area,
}

/// From this width on, the histogram is beside the figures.
const LAG_FROM: u16 = 110;

/// The parts of the page of the timers.
#[must_use]
pub fn timers(body: Area) -> TimersPage {
    let mut left = body;
    let mut upper = left.take_top(match body.height {
        0..24 => 7,
        24..40 => 10,
        _ => 13,
    });
    let breakdown = left.take_bottom((left.height / 2).max(7));
    let figures = upper.take_left(if body.width < LAG_FROM { 27 } else { 30 });
    let lag = if body.width < LAG_FROM { Area::default() } else { upper.take_left(share(body.width, 32)) };
    TimersPage { figures, lag, delay_caused: upper, late: left, breakdown }
}

/// The page of one tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagPage {
    /// Its histogram, below its figures.
    pub histogram: Area,
    /// Its worst runs: a list, below a heading.
    pub worst: Area,
    /// What queued its tasks.
    pub queued_by: Area,
    /// The delay caused: the figures.
    pub delay_caused: Area,
    /// What it delayed most: a list, below a heading.
    pub delayed: Area,
}

/// The parts of the page of one tag.
#[must_use]
pub fn tag(body: Area) -> TagPage {
    let mut lower = body;
    let mut upper = lower.take_top((body.height / 2 + 1).min(20));
    let histogram = upper.take_left(share(body.width, 46));
    let queued_by = upper.take_bottom(if upper.height < 14 { 3 } else { 4 });
    let delay_caused = lower.take_left(share(body.width, 36).max(32));
    TagPage { histogram, worst: upper, queued_by, delay_caused, delayed: lower }
}

/// The page of one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickPage {
    /// What ran in it: a list, below a heading.
    pub spans: Area,
    /// Its breakdown or, with the focus, what it delayed: a list, below a heading.
    pub below: Area,
}

/// Rows of the pane below the list of a tick, including its frame.
const BELOW_ROWS: u16 = 8;

/// The parts of the page of one tick.
#[must_use]
pub fn tick(body: Area) -> TickPage {
    let mut spans = body;
    let below = spans.take_bottom(BELOW_ROWS);
    TickPage { spans, below }
}

/// Whether a page has two lists that Tab switches between.
#[must_use]
pub const fn has_two_lists(view: View) -> bool {
    matches!(view, View::Timers | View::Tag | View::Tick)
}

/// The focused list of a page whose rows can be selected: its rows, without the heading. `None` for other pages.
#[must_use]
pub fn list(view: View, part: Part, body: Area) -> Option<Area> {
    let page = |first: (Area, bool), second: (Area, bool)| {
        let (area, heading) = if part == Part::First { first } else { second };
        rows(area, heading)
    };
    match view {
        View::Timers => {
            let parts = timers(body);
            Some(page((parts.late, false), (parts.delay_caused, true)))
        }
        View::Tag => {
            let parts = tag(body);
            Some(page((parts.worst, false), (parts.delayed, true)))
        }
        View::Tick => (part == Part::Second).then(|| rows(tick(body).below, true)),
        View::Breakdown => Some(breakdown_lines(body)),
        View::Overview | View::Tasks | View::Log | View::Loop | View::Agenda => None,
    }
}

/// Rows above the lines of a breakdown page: the subject, a blank, the heading.
pub const BREAKDOWN_HEAD: u16 = 3;

/// Rows below its lines: a blank, and the explanation of the selected line.
const BREAKDOWN_FOOT: u16 = 2;

/// The lines of the breakdown page.
#[must_use]
pub fn breakdown_lines(body: Area) -> Area {
    let inner = body.inner();
    let height = inner.height.saturating_sub(BREAKDOWN_HEAD + BREAKDOWN_FOOT);
    Area { y: inner.y + BREAKDOWN_HEAD, height, ..inner }
}
