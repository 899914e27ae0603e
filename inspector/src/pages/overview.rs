//! The overview: the strip of ticks, the tags, the stalls, and a pane for each family of figures.

pub mod columns;
pub mod layout;
pub mod stalls;
pub mod view;

use ratatui::layout::Position;

use self::columns::{Columns, Window, busiest, column_ticks_for_all, next_column_ticks};
use self::layout::{Extras, Pane, Panes};
use super::page::{LogOf, Page, PageName, Request};
use super::tag_table;
use crate::app::fold::TickKey;
use crate::app::layout::{first_row, moved, rows};
use crate::app::state::AppState;

/// The state of the overview.
#[derive(Clone, Debug)]
pub struct OverviewPage {
    /// The pane that has the focus.
    pub focus: Pane,
    /// The selected stall: 0 is the newest.
    pub stall_row: usize,
    /// Ticks per column of the strip.
    pub column_ticks: usize,
}

impl Default for OverviewPage {
    fn default() -> Self {
        Self { focus: Pane::Ticks, stall_row: 0, column_ticks: 1 }
    }
}

/// The panes on this screen.
#[must_use]
pub fn panes(state: &AppState) -> Panes {
    layout::panes(state.body(), extras(state))
}

/// The optional panes that have content.
const fn extras(state: &AppState) -> Extras {
    let figures = &state.figures;
    Extras { agenda: figures.agenda.is_some(), keep_alive: !figures.keep_alive.held.is_empty() }
}

/// Cells of the strip that show ticks: the last two are the gap and the running tick.
#[must_use]
pub fn tick_cells(panes: &Panes) -> usize {
    panes.strip().width.saturating_sub(2).into()
}

/// The ticks in the cells of the strip.
#[derive(Clone, Copy, Debug)]
pub struct Strip {
    /// Ticks per column.
    pub column_ticks: usize,
    /// The columns for the kept ticks.
    pub columns: Columns,
    /// The range of columns that fits on the screen.
    pub window: Window,
    /// Index of the marked tick among the kept ones.
    pub marked: Option<usize>,
}

impl OverviewPage {
    /// The ticks in the cells of the strip.
    #[must_use]
    pub fn strip(&self, state: &AppState, panes: &Panes) -> Strip {
        let picture = state.picture();
        let marked = state.marked_tick().and_then(|tick| picture.place(TickKey::of(tick)));
        let column_ticks = self.column_ticks(state, panes);
        let columns = Columns::new(&picture.timeline.ticks, column_ticks);
        Strip { column_ticks, columns, window: columns.window(tick_cells(panes), marked), marked }
    }

    /// Ticks per column on this screen: the selected zoom step, but no more than needed to show all kept ticks. With
    /// more ticks per column, some columns would stay empty.
    #[must_use]
    pub fn column_ticks(&self, state: &AppState, panes: &Panes) -> usize {
        self.column_ticks.min(column_ticks_max(state, panes))
    }

    /// Zooms the strip by a step; returns false if it cannot zoom out because it already shows all kept ticks.
    pub fn zoom(&mut self, state: &AppState, out: bool) -> bool {
        let panes = panes(state);
        let (shown, most) = (self.column_ticks(state, &panes), column_ticks_max(state, &panes));
        self.column_ticks = next_column_ticks(shown, out, most);
        !(out && shown == most)
    }

    fn click_tick(&self, state: &AppState, at: Position, panes: &Panes) -> Request {
        let area = panes.strip();
        let Some(cell) = at.x.checked_sub(area.x).filter(|cell| *cell < area.width) else {
            return Request::Nothing;
        };
        let Strip { columns, window, .. } = self.strip(state, panes);
        let column = usize::from(cell).checked_sub(window.indent).filter(|column| *column < window.count);
        let places = column.map_or(0..0, |column| columns.places(window.first + column));
        // A column of several ticks shows the busiest.
        let ticks = state.picture().timeline.ticks.recent.iter();
        let clicked = busiest(ticks.skip(places.start).take(places.len())).map(TickKey::of);
        match clicked {
            None => Request::Nothing,
            Some(_) if clicked == state.marked_tick().map(TickKey::of) => Request::Open,
            Some(key) => Request::Mark(key),
        }
    }

    fn click_stall(&mut self, state: &AppState, at: Position, panes: &Panes, had_focus: bool) -> Request {
        let rows = rows(panes.area(Pane::Stalls), false);
        if !rows.contains(at) {
            return Request::Nothing;
        }
        let row = first_row(self.stall_row, rows.height) + usize::from(at.y - rows.y);
        if had_focus && row == self.stall_row {
            return Request::Open;
        }
        if row < stalls::rows(state.picture()) {
            self.stall_row = row;
        }
        Request::Nothing
    }
}

/// The fewest ticks per column that show all kept ticks.
fn column_ticks_max(state: &AppState, panes: &Panes) -> usize {
    column_ticks_for_all(state.picture().timeline.ticks.recent.limit(), tick_cells(panes))
}

impl Page for OverviewPage {
    fn step(&mut self, state: &mut AppState, by: i64) {
        match self.focus {
            Pane::Stalls => {
                self.stall_row = moved(self.stall_row, by, stalls::rows(state.picture()).saturating_sub(1));
            }
            Pane::Tasks => tag_table::step(state, by),
            _ => {
                self.focus = Pane::Tasks;
                if state.tag.is_none() {
                    tag_table::step(state, 0);
                }
            }
        }
    }

    fn pages_ticks(&self) -> bool {
        !matches!(self.focus, Pane::Tasks | Pane::Stalls)
    }

    fn page_rows(&self, state: &AppState) -> u16 {
        let panes = panes(state);
        match self.focus {
            Pane::Stalls => rows(panes.area(Pane::Stalls), false).height,
            _ => rows(panes.area(Pane::Tasks), true).height,
        }
    }

    fn next_pane(&mut self, state: &mut AppState, forward: bool) -> bool {
        self.focus = panes(state).step(self.focus, forward);
        true
    }

    fn open(&self, state: &AppState) -> Request {
        match self.focus {
            Pane::Ticks => Request::ShownTick,
            Pane::Tasks => Request::SelectedTag,
            Pane::Lag | Pane::Signals => Request::Show(PageName::Timers),
            Pane::Queues => Request::Log(Some(LogOf::Queues)),
            Pane::Microtasks => Request::Log(Some(LogOf::Microtasks)),
            Pane::Gc => Request::Log(Some(LogOf::Gc)),
            Pane::Agenda => Request::Show(PageName::Agenda),
            Pane::KeepAlive => Request::Show(PageName::Handles),
            Pane::Stalls => {
                let picture = state.picture();
                let stall = stalls::stalls(picture).nth(self.stall_row);
                stall.map_or(Request::Note("no stalls so far"), |row| {
                    Request::Breakdown(Box::new(row.attribution(picture)))
                })
            }
        }
    }

    fn click(&mut self, state: &mut AppState, at: Position) -> Request {
        let panes = panes(state);
        let Some(pane) = panes.pane_at(at) else { return Request::Nothing };
        let had_focus = std::mem::replace(&mut self.focus, pane) == pane;
        match pane {
            Pane::Ticks => self.click_tick(state, at, &panes),
            Pane::Tasks => tag_table::click(state, at, panes.area(Pane::Tasks)),
            Pane::Stalls => self.click_stall(state, at, &panes, had_focus),
            _ if had_focus => Request::Open,
            _ => Request::Nothing,
        }
    }

    fn wheel(&mut self, state: &AppState, at: Position, direction: i64) -> Request {
        match panes(state).pane_at(at) {
            Some(Pane::Ticks) => Request::StepTicks(direction),
            Some(pane @ (Pane::Tasks | Pane::Stalls)) => {
                self.focus = pane;
                Request::StepRows(direction)
            }
            _ => Request::Nothing,
        }
    }
}
