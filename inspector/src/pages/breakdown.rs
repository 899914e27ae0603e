//! The breakdown of a delay: its lines open tags, and their sum opens the tick.

pub mod view;

use loop_probes::ids::Tag;
use ratatui::layout::Rect;

use super::page::{Page, Request};
use crate::app::attribution::{Attribution, Lead, Subject};
use crate::app::layout::inner;
use crate::app::state::AppState;

/// The state of the page.
#[derive(Clone, Debug, Default)]
pub struct BreakdownPage {
    /// The open breakdown, if any.
    pub attribution: Option<Attribution>,
}

/// Rows above the lines: the subject, a blank, the heading.
const HEAD_ROWS: u16 = 3;
/// Rows below the lines: a blank, and the explanation of the selected line.
const FOOT_ROWS: u16 = 2;

/// The area of the breakdown's lines.
fn lines(body: Rect) -> Rect {
    let inner = inner(body);
    let height = inner.height.saturating_sub(HEAD_ROWS + FOOT_ROWS);
    Rect { y: inner.y + HEAD_ROWS, height, ..inner }
}

impl Page for BreakdownPage {
    fn rows(&self, _state: &AppState) -> usize {
        self.attribution.as_ref().map_or(0, Attribution::rows)
    }

    fn lists(&self, body: Rect) -> [Rect; 2] {
        [lines(body), Rect::ZERO]
    }

    /// Opens the tag or the tick that the selected line leads to.
    fn open(&self, state: &AppState) -> Request {
        let Some(attribution) = &self.attribution else { return Request::Nothing };
        match (attribution.lead(state.row), attribution.tick) {
            (Lead::Tag(tag), _) => Request::Tag(tag),
            (Lead::Tick, Some((key, end))) => Request::Tick(key, end),
            (Lead::Tick, None)
                if matches!(attribution.subject, Subject::Unfinished(_) | Subject::Overdue(_)) =>
            {
                Request::NotEnded
            }
            (Lead::Tick, None) => Request::Evicted,
        }
    }

    /// All of the breakdown.
    fn copied(&self, state: &AppState) -> Option<String> {
        self.attribution.as_ref().map(|attribution| state.text_of(attribution))
    }

    fn tag(&self, state: &AppState) -> Option<Tag> {
        let attribution = self.attribution.as_ref()?;
        match attribution.lead(state.row) {
            Lead::Tag(tag) => Some(tag),
            Lead::Tick => attribution.subject.tag(),
        }
    }
}
