//! The interface of a page: lists with a selection, what Enter opens, where the mouse finds the rows.
//!
//! Of the shared state, a page changes only the selection. For everything else it returns a [`Request`], which the shell
//! carries out.

use clap::builder::PossibleValue;
use loop_probes::ids::{Tag, Timestamp};
use ratatui::layout::{Position, Rect};

use crate::app::attribution::Attribution;
use crate::app::fold::TickKey;
use crate::app::layout::{first_row, moved, rows};
use crate::app::state::{AppState, Part};

/// A page of the dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PageName {
    /// All figures at a glance.
    #[default]
    Overview,
    /// One tick in detail.
    Tick,
    /// The tags, with the selected one beside them.
    Tags,
    /// One tag in detail.
    Tag,
    /// Timers, and what delayed them.
    Timers,
    /// The breakdown of a delay.
    Breakdown,
    /// The log of single events.
    Log,
    /// The active handles, and what reaches the loop from outside.
    Handles,
    /// The agenda: its priorities and workers.
    Agenda,
}

/// The pages that a dashboard can begin with: those that show something without a selection.
impl clap::ValueEnum for PageName {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Overview, Self::Tags, Self::Timers, Self::Log, Self::Handles, Self::Agenda]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let name = match self {
            Self::Overview => "overview",
            Self::Tags => "tags",
            Self::Timers => "timers",
            Self::Log => "log",
            Self::Handles => "handles",
            Self::Agenda => "agenda",
            Self::Tick | Self::Tag | Self::Breakdown => return None,
        };
        Some(PossibleValue::new(name))
    }
}

/// Limits the log to the events behind one pane of the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogOf {
    /// Events that carry a queue's depth.
    Queues,
    /// Microtask checkpoints.
    Microtasks,
    /// The GC controller's decisions, and collections.
    Gc,
}

/// What a page asks of the shell.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Do nothing.
    Nothing,
    /// Do what Enter does.
    Open,
    /// Freeze the view, because later events would move the row that was selected.
    Freeze,
    /// Freeze the view, and select this tick.
    Mark(TickKey),
    /// Move the selection this many rows down.
    StepRows(i64),
    /// Go this many ticks forward.
    StepTicks(i64),
    /// Show a page.
    Show(PageName),
    /// Show the log, all of it or one kind of events.
    Log(Option<LogOf>),
    /// Show the marked tick, else the newest.
    ShownTick,
    /// Show a tick that ended at this time.
    Tick(TickKey, Timestamp),
    /// Show the tick that contains this time.
    TickAt(Timestamp),
    /// Show a tag.
    Tag(Tag),
    /// Show the selected tag.
    SelectedTag,
    /// Show a breakdown.
    Breakdown(Box<Attribution>),
    /// Say that the tick has been evicted.
    Evicted,
    /// Say why a tick that has not ended has no page.
    NotEnded,
    /// Show a message in the bottom row.
    Note(&'static str),
}

/// The request of a row without a breakdown.
pub const NOTHING_DELAYED: Request = Request::Note("nothing was delayed");

/// A step to the next or the previous row.
#[must_use]
pub const fn row_step(forward: bool) -> Request {
    Request::StepRows(if forward { 1 } else { -1 })
}

/// Rows per notch of the wheel, in lists.
pub const WHEEL_ROWS: i64 = 3;

/// A page. The selected row is in the shared state, because only the page shown has one.
pub trait Page {
    /// Refreshes what only this page needs. Called only while the page is shown.
    fn refresh(&mut self, _state: &AppState) {}

    /// The number of rows in the focused list.
    fn rows(&self, _state: &AppState) -> usize {
        0
    }

    /// The areas of the two lists that Tab switches between, without their headings; empty for an absent list, or one
    /// whose rows the mouse does not select.
    fn lists(&self, _body: Rect) -> [Rect; 2] {
        [Rect::ZERO; 2]
    }

    /// Whether events would move the rows of the focused list, so that the view freezes before the selection moves.
    fn rows_move(&self, _state: &AppState) -> bool {
        false
    }

    /// The row selected when the page, its list or the tick changes.
    fn first_selected(&self, _state: &AppState) -> usize {
        0
    }

    /// Moves the selection in the focused list.
    fn step(&mut self, state: &mut AppState, by: i64) {
        state.row = moved(state.row, by, self.rows(state).saturating_sub(1));
    }

    /// Whether PgUp and PgDown move along the ticks instead of in a list.
    fn pages_ticks(&self) -> bool {
        false
    }

    /// Whether Home and End move along the ticks.
    fn ends_are_ticks(&self, _state: &AppState) -> bool {
        self.pages_ticks()
    }

    /// Rows per page in the focused list.
    fn page_rows(&self, state: &AppState) -> u16 {
        let body = state.body();
        match self.lists(body)[state.part as usize] {
            Rect::ZERO => rows(body, true).height,
            list => list.height,
        }
    }

    /// Tab: moves the focus; returns false without another list or pane.
    fn next_pane(&mut self, state: &mut AppState, _forward: bool) -> bool {
        let [_, second] = self.lists(state.body());
        if second.is_empty() {
            return false;
        }
        state.part = if state.part == Part::First { Part::Second } else { Part::First };
        state.row = self.first_selected(state);
        true
    }

    /// Shows more of the time, `out`, or less of it, with more detail.
    ///
    /// # Errors
    ///
    /// Why it cannot, in words for the bottom row.
    fn zoom(&mut self, _state: &AppState, _out: bool) -> Result<(), &'static str> {
        Err("nothing to zoom on this page")
    }

    /// Goes to the next or previous of what the filter lets through; `None` if the page does not filter.
    fn next_match(&mut self, _state: &mut AppState, _forward: bool) -> Option<Request> {
        None
    }

    /// What Enter opens.
    fn open(&self, _state: &AppState) -> Request {
        Request::Nothing
    }

    /// The selected row as text, if that is not what Enter opens.
    fn copied(&self, _state: &AppState) -> Option<String> {
        None
    }

    /// The tag of the selected row, on a page that lists something other than tags.
    fn tag(&self, _state: &AppState) -> Option<Tag> {
        None
    }

    /// A click in the body of the page: selects a row, or opens it if it is selected.
    fn click(&mut self, state: &mut AppState, at: Position) -> Request {
        click_lists(self, state, at)
    }

    /// A notch of the wheel, up (-1) or down (1).
    fn wheel(&mut self, _state: &AppState, _at: Position, direction: i64) -> Request {
        Request::StepRows(direction * WHEEL_ROWS)
    }
}

/// A click in one of the lists of `page`: selects a row, or opens it if it is selected.
pub fn click_lists(page: &(impl Page + ?Sized), state: &mut AppState, at: Position) -> Request {
    let lists = page.lists(state.body());
    let mut parts = [Part::First, Part::Second].into_iter().zip(lists);
    let Some((part, list)) = parts.find(|(_, list)| list.contains(at)) else { return Request::Nothing };
    let had_focus = state.part == part;
    let scrolled = if had_focus { first_row(state.row, list.height) } else { 0 };
    let row = scrolled + usize::from(at.y - list.y);
    if had_focus && row == state.row {
        return Request::Open;
    }
    let before = std::mem::replace(&mut state.part, part);
    if row < page.rows(state) {
        state.row = row;
        return Request::Freeze;
    }
    state.part = before;
    Request::Nothing
}
