//! The overview: timer lag and ticks through time, what delayed others, what was late, the stalls, and the other families
//! of figures.

pub mod columns;
pub mod layout;
pub mod stalls;
pub mod view;
pub mod zoom;

use std::time::Duration;

use loop_traces::timeline::HistorySlot;
use ratatui::layout::{Position, Rect};

use self::columns::{Columns, Window, busiest};
use self::layout::{Extras, Pane, Panes};
use self::zoom::{Zoom, column_ticks_for_all, column_time};
use super::page::{LogOf, Page, PageName, Request, row_step};
use super::tag_table;
use super::timers::{late_shown, open_late};
use crate::app::attribution::LateRow;
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
    /// The late timers and signals, worst first.
    pub late: Vec<LateRow>,
    /// The selected one of those that pass the filter.
    pub late_row: usize,
    /// The zoom of the strip; `None` for single ticks while time stands still, and for time while it goes on.
    pub zoom: Option<Zoom>,
}

impl Default for OverviewPage {
    fn default() -> Self {
        Self { focus: Pane::Ticks, stall_row: 0, late: Vec::new(), late_row: 0, zoom: None }
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

    /// The zoom on this screen, in ticks at most as many as are needed to show all kept ones: with more, some columns would
    /// stay empty.
    #[must_use]
    pub fn column(&self, state: &AppState, panes: &Panes) -> Zoom {
        match self.zoom {
            Some(Zoom::Ticks(ticks)) => Zoom::Ticks(ticks.min(column_ticks_max(state, panes))),
            Some(time) => time,
            None if stands_still(state) => Zoom::Ticks(1),
            None => Zoom::Time(column_time_of(state, panes)),
        }
    }

    /// Ticks per column on this screen; 1 while a column stands for time.
    #[must_use]
    pub fn column_ticks(&self, state: &AppState, panes: &Panes) -> usize {
        match self.column(state, panes) {
            Zoom::Ticks(ticks) => ticks,
            Zoom::Time(_) => 1,
        }
    }

    /// The columns of the heatmap and, if its columns stand for time, of the strip; also their width in nanoseconds.
    #[must_use]
    pub fn through_time(&self, state: &AppState, panes: &Panes) -> (Vec<Option<HistorySlot>>, u64) {
        let time = match self.column(state, panes) {
            Zoom::Time(time) => time,
            Zoom::Ticks(_) => column_time_of(state, panes),
        };
        let step_ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let timeline = &state.picture().timeline;
        let count = usize::from(panes.strip().width);
        (timeline.history.columns(step_ns, state.picture_at(), count, &timeline.unfinished_ticks()), step_ns)
    }

    /// The selected one of `count` late timers and signals: the list may have become shorter.
    #[must_use]
    pub fn late_selected(&self, count: usize) -> usize {
        self.late_row.min(count.saturating_sub(1))
    }

    fn click_tick(&mut self, state: &AppState, at: Position, panes: &Panes) -> Request {
        let area = panes.strip();
        let Some(cell) = at.x.checked_sub(area.x).filter(|cell| *cell < area.width) else {
            return Request::Nothing;
        };
        if let zoom @ Zoom::Time(_) = self.column(state, panes) {
            let (columns, _) = self.through_time(state, panes);
            let longest = columns.get(usize::from(cell)).copied().flatten().and_then(|slot| slot.longest_end);
            let tick = longest.and_then(|end| state.picture().tick_that_ended(end)).map(TickKey::of);
            return match (tick, longest) {
                (Some(_), _) if tick == state.marked_tick().map(TickKey::of) => Request::Open,
                (Some(key), _) => {
                    // The picture freezes, and its columns stay what they are.
                    self.zoom = Some(zoom);
                    Request::Mark(key)
                }
                (None, Some(end)) => Request::TickAt(end),
                (None, None) => Request::Nothing,
            };
        }
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
}

/// A click into a list without a heading: the row under the pointer becomes `selected`, or opens if it was.
fn click_row(selected: &mut usize, count: usize, at: Position, pane: Rect, had_focus: bool) -> Request {
    let rows = rows(pane, false);
    if !rows.contains(at) {
        return Request::Nothing;
    }
    let row = first_row(*selected, rows.height) + usize::from(at.y - rows.y);
    if had_focus && row == *selected {
        return Request::Open;
    }
    if row < count {
        *selected = row;
    }
    Request::Nothing
}

/// Whether the picture stands still: it is frozen, or a replay that is paused.
fn stands_still(state: &AppState) -> bool {
    match &state.playback {
        Some(playback) => !playback.playing,
        None => state.frozen.is_some(),
    }
}

/// The time per column that shows all of a replay, or of a live loop its beginning, and then its last minutes.
fn column_time_of(state: &AppState, panes: &Panes) -> Duration {
    let cells = usize::from(panes.strip().width);
    match &state.playback {
        Some(playback) => column_time(playback.end.ns_since(playback.start), cells, false),
        None => column_time(state.elapsed_ns(), cells, true),
    }
}

/// The fewest ticks per column that show all kept ticks.
fn column_ticks_max(state: &AppState, panes: &Panes) -> usize {
    column_ticks_for_all(state.picture().timeline.ticks.recent.limit(), tick_cells(panes))
}

impl Page for OverviewPage {
    fn refresh(&mut self, state: &AppState) {
        self.late = LateRow::all(state.picture(), state.of_window());
    }

    fn rows_move(&self, _state: &AppState) -> bool {
        self.focus == Pane::Late
    }

    fn step(&mut self, state: &mut AppState, by: i64) {
        match self.focus {
            Pane::Stalls => {
                self.stall_row = moved(self.stall_row, by, stalls::rows(state).saturating_sub(1));
            }
            Pane::Late => {
                let count = late_shown(&self.late, state).count();
                self.late_row = moved(self.late_selected(count), by, count.saturating_sub(1));
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
        !matches!(self.focus, Pane::Tasks | Pane::Late | Pane::Stalls)
    }

    fn page_rows(&self, state: &AppState) -> u16 {
        let panes = panes(state);
        match self.focus {
            Pane::Stalls | Pane::Late => rows(panes.area(self.focus), false).height,
            _ => rows(panes.area(Pane::Tasks), true).height,
        }
    }

    fn next_pane(&mut self, state: &mut AppState, forward: bool) -> bool {
        self.focus = panes(state).step(self.focus, forward);
        true
    }

    fn next_match(&mut self, _state: &mut AppState, forward: bool) -> Option<Request> {
        if self.focus != Pane::Late {
            self.focus = Pane::Tasks;
        }
        Some(row_step(forward))
    }

    /// Zooms the strip.
    fn zoom(&mut self, state: &AppState, out: bool) -> Result<(), &'static str> {
        let panes = panes(state);
        let next = self.column(state, &panes).next(out, column_ticks_max(state, &panes));
        let end =
            if out { "a column cannot stand for more" } else { "a column cannot stand for less than a tick" };
        self.zoom = Some(next.ok_or(end)?);
        Ok(())
    }

    fn open(&self, state: &AppState) -> Request {
        match self.focus {
            Pane::Ticks => Request::ShownTick,
            Pane::Tasks => Request::SelectedTag,
            Pane::Lag | Pane::Signals => Request::Show(PageName::Timers),
            Pane::Late => {
                let selected = self.late_selected(late_shown(&self.late, state).count());
                open_late(&self.late, state, selected)
            }
            Pane::Queues => Request::Log(Some(LogOf::Queues)),
            Pane::Microtasks => Request::Log(Some(LogOf::Microtasks)),
            Pane::Gc => Request::Log(Some(LogOf::Gc)),
            Pane::Agenda => Request::Show(PageName::Agenda),
            Pane::KeepAlive => Request::Show(PageName::Handles),
            Pane::Stalls => {
                let picture = state.picture();
                let stall = stalls::stalls(state).nth(self.stall_row);
                stall.map_or(Request::Note(stalls::none(state)), |row| {
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
            Pane::Stalls => {
                let count = stalls::rows(state);
                click_row(&mut self.stall_row, count, at, panes.area(pane), had_focus)
            }
            Pane::Late => {
                let count = late_shown(&self.late, state).count();
                let was = self.late_row;
                match click_row(&mut self.late_row, count, at, panes.area(pane), had_focus) {
                    // Later events would move the rows.
                    Request::Nothing if self.late_row != was => Request::Freeze,
                    request => request,
                }
            }
            _ if had_focus => Request::Open,
            _ => Request::Nothing,
        }
    }

    fn wheel(&mut self, state: &AppState, at: Position, direction: i64) -> Request {
        match panes(state).pane_at(at) {
            Some(Pane::Ticks) => Request::StepTicks(direction),
            Some(pane @ (Pane::Tasks | Pane::Late | Pane::Stalls)) => {
                self.focus = pane;
                Request::StepRows(direction)
            }
            _ => Request::Nothing,
        }
    }
}
