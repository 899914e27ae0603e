//! Layout: pure geometry from the size alone, shared by the drawing and the mouse.

mod pages;

pub use pages::{BREAKDOWN_HEAD, TagPage, TickPage, TimersPage};
pub use pages::{breakdown_lines, has_two_lists, list, tag, tick, timers};

use super::overview::Column;

/// Minimum width, at which some parts are left out.
pub const WIDTH_MIN: u16 = 60;
/// Minimum height.
pub const HEIGHT_MIN: u16 = 20;
/// Narrower screens have no room for two columns of panes.
pub const NARROW: u16 = 80;
/// Lower screens have less of the strip and of the stalls.
const LOW: u16 = 21;

/// A rectangle of cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Area {
    /// Its left column.
    pub x: u16,
    /// Its top row.
    pub y: u16,
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl Area {
    /// A rectangle.
    #[must_use]
    pub const fn new(x: u16, y: u16, width: u16, height: u16) -> Self {
        Self { x, y, width, height }
    }

    /// Whether it has no cell.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Whether the cell lies in it.
    #[must_use]
    pub const fn contains(&self, x: u16, y: u16) -> bool {
        x >= self.x && x - self.x < self.width && y >= self.y && y - self.y < self.height
    }

    /// The area inside its frame.
    #[must_use]
    pub const fn inner(&self) -> Self {
        Self::new(
            self.x.saturating_add(1),
            self.y.saturating_add(1),
            self.width.saturating_sub(2),
            self.height.saturating_sub(2),
        )
    }

    fn take_top(&mut self, rows: u16) -> Self {
        let rows = rows.min(self.height);
        let taken = Self { height: rows, ..*self };
        self.y += rows;
        self.height -= rows;
        taken
    }

    fn take_bottom(&mut self, rows: u16) -> Self {
        let rows = rows.min(self.height);
        self.height -= rows;
        Self { y: self.y + self.height, height: rows, ..*self }
    }

    fn take_left(&mut self, columns: u16) -> Self {
        let columns = columns.min(self.width);
        let taken = Self { width: columns, ..*self };
        self.x += columns;
        self.width -= columns;
        taken
    }
}

/// A part of the overview that can have the focus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pane {
    /// The strip of ticks.
    Ticks,
    /// The tasks by tag.
    Tasks,
    /// The timer-lag histogram.
    Lag,
    /// The queue depths.
    Queues,
    /// The microtask drains.
    Microtasks,
    /// The GC decisions.
    Gc,
    /// The signals.
    Signals,
    /// The agenda, if there is one.
    Agenda,
    /// The active handles, if there is room.
    KeepAlive,
    /// The stalls.
    Stalls,
}

impl Pane {
    /// Every pane, in the order of Tab.
    pub const ALL: [Self; 10] = [
        Self::Ticks,
        Self::Tasks,
        Self::Lag,
        Self::Queues,
        Self::Microtasks,
        Self::Gc,
        Self::Signals,
        Self::Agenda,
        Self::KeepAlive,
        Self::Stalls,
    ];

    fn step(self, forward: bool) -> Self {
        let place = Self::ALL.iter().position(|pane| *pane == self).unwrap_or(0);
        let count = Self::ALL.len();
        Self::ALL[(place + if forward { 1 } else { count - 1 }) % count]
    }
}

/// The rows common to all views, and the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The source and its condition: two rows.
    pub header: Area,
    /// The area of the view.
    pub body: Area,
    /// The position of the replay, if it is one.
    pub scrubber: Option<Area>,
    /// The keys, the filter, the last message.
    pub footer: Area,
}

/// The panes of the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Queues, microtasks, GC and signals take one row each, without frames.
    pub compact: bool,
    /// The strip, including its frame.
    pub ticks: Area,
    /// The tasks by tag.
    pub tasks: Area,
    /// The timer-lag histogram; empty on narrow screens.
    pub lag: Area,
    /// The queue depths.
    pub queues: Area,
    /// The microtask drains.
    pub microtasks: Area,
    /// The GC decisions.
    pub gc: Area,
    /// The signals.
    pub signals: Area,
    /// The agenda; empty if there is none.
    pub agenda: Area,
    /// The active handles; empty if there is no room.
    pub keep_alive: Area,
    /// The stalls.
    pub stalls: Area,
}

/// Panes that the overview has only if the loop has content for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// The loop has an agenda.
    pub agenda: bool,
    /// The loop has reported its active handles.
    pub keep_alive: bool,
}

/// Whether the dashboard fits at all.
#[must_use]
pub const fn fits(width: u16, height: u16) -> bool {
    width >= WIDTH_MIN && height >= HEIGHT_MIN
}

/// The rows of a view on a screen of this size.
#[must_use]
pub fn page(width: u16, height: u16, replay: bool) -> Page {
    let mut body = Area::new(0, 0, width, height);
    let header = body.take_top(2);
    let footer = body.take_bottom(1);
    let scrubber = replay.then(|| body.take_bottom(1));
    Page { header, body, scrubber, footer }
}

/// The panes of the overview within `body`.
#[must_use]
pub fn overview(body: Area, extras: Extras) -> Overview {
    let compact = body.height < 25 || body.width < 96;
    let mut left = body;
    if compact {
        let low = body.height < LOW;
        let ticks = left.take_top(if low { 4 } else { 5 });
        let stalls = left.take_bottom(if low { 3 } else { 4 + left.height.saturating_sub(16) / 3 });
        let agenda = left.take_bottom(u16::from(extras.agenda));
        let mut line = || left.take_bottom(1);
        let (signals, gc, microtasks, queues) = (line(), line(), line(), line());
        let tasks = left.take_left(if body.width < NARROW { body.width } else { tasks_width(body.width) });
        let (lag, keep_alive) = (left, Area::default());
        return Overview {
            compact,
            ticks,
            tasks,
            lag,
            queues,
            microtasks,
            gc,
            signals,
            agenda,
            keep_alive,
            stalls,
        };
    }
    let tall = body.height >= 40;
    let ticks = left.take_top(if tall { 9 } else { 6 });
    let height = if tall { 8 } else { 6 };
    let stalls = left.take_bottom(((left.height - height) / 3).clamp(4, 14));
    let families = families(left.take_bottom(height), extras);
    let tasks = left.take_left(tasks_width(body.width));
    Overview { compact, ticks, tasks, lag: left, stalls, ..families }
}

/// From this width on, every family has a pane of its own.
const ROOMY: u16 = 150;

/// A percentage of a width.
fn share(width: u16, percent: u16) -> u16 {
    (u32::from(width) * u32::from(percent) / 100) as u16
}

/// The row of families; the other panes are left to the caller.
fn families(row: Area, extras: Extras) -> Overview {
    let mut left = row;
    let roomy = row.width >= ROOMY;
    let (with_agenda, with_keep_alive) = (extras.agenda, extras.keep_alive && roomy);
    let widths = match (roomy, with_agenda, with_keep_alive) {
        (false, false, _) | (true, false, false) => [25, 20, 27, 0, 0],
        (false, true, _) => [23, 23, 23, 31, 0],
        (true, true, false) => [21, 16, 21, 23, 0],
        (true, false, true) => [21, 15, 22, 0, 21],
        (true, true, true) => [17, 13, 17, 19, 18],
    }
    .map(|percent| share(row.width, percent));
    let [queues, microtasks, gc, agenda, keep_alive] = widths;
    // With little room, microtasks and signals are stacked.
    let stacked = with_agenda && !roomy;
    let queues = left.take_left(queues);
    let right_of = if stacked { Area::default() } else { left.take_left(microtasks) };
    let (gc, agenda, keep_alive) = (left.take_left(gc), left.take_left(agenda), left.take_left(keep_alive));
    let microtasks = if stacked { left.take_top(row.height / 2) } else { right_of };
    let rest = Area::default();
    Overview {
        compact: false,
        ticks: rest,
        tasks: rest,
        lag: rest,
        queues,
        microtasks,
        gc,
        signals: left,
        agenda,
        keep_alive,
        stalls: rest,
    }
}

/// The task table takes 58% of the width, but at least enough for names of a dozen letters.
fn tasks_width(width: u16) -> u16 {
    ((u32::from(width) * 58 / 100) as u16).max(54)
}

impl Overview {
    /// The area of a pane.
    #[must_use]
    pub const fn area(&self, pane: Pane) -> Area {
        match pane {
            Pane::Ticks => self.ticks,
            Pane::Tasks => self.tasks,
            Pane::Lag => self.lag,
            Pane::Queues => self.queues,
            Pane::Microtasks => self.microtasks,
            Pane::Gc => self.gc,
            Pane::Signals => self.signals,
            Pane::Agenda => self.agenda,
            Pane::KeepAlive => self.keep_alive,
            Pane::Stalls => self.stalls,
        }
    }

    /// The next or previous pane that is present.
    #[must_use]
    pub fn step(&self, from: Pane, forward: bool) -> Pane {
        let mut pane = from.step(forward);
        while pane != from && self.area(pane).is_empty() {
            pane = pane.step(forward);
        }
        pane
    }

    /// The pane under a cell.
    #[must_use]
    pub fn pane_at(&self, x: u16, y: u16) -> Option<Pane> {
        Pane::ALL.into_iter().find(|pane| self.area(*pane).contains(x, y))
    }
}

/// The strip's cells within its pane, without its frame, the axis on the right and the marker row.
#[must_use]
pub const fn strip(ticks: Area) -> Area {
    let inner = ticks.inner();
    Area::new(inner.x, inner.y, inner.width.saturating_sub(AXIS_WIDTH), inner.height.saturating_sub(1))
}

/// Width of the labels on the strip's axis.
pub const AXIS_WIDTH: u16 = 8;

/// The area of a list within its frame, below its heading.
#[must_use]
pub const fn rows(pane: Area, heading: bool) -> Area {
    let inner = pane.inner();
    let heading = heading as u16;
    Area::new(inner.x, inner.y.saturating_add(heading), inner.width, inner.height.saturating_sub(heading))
}

/// Columns of the strip that show ticks: the last two are the gap and the running tick.
#[must_use]
pub const fn tick_columns(strip: Area) -> usize {
    strip.width.saturating_sub(2) as usize
}

/// The kept ticks that the strip shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The place of the leftmost.
    pub first: usize,
    /// The number of ticks.
    pub count: usize,
    /// Columns left free before it: if there are fewer ticks than columns, they are right-aligned.
    pub indent: usize,
}

/// Ticks that stay visible before the marked one.
const MARK_MARGIN: usize = 8;

/// The newest ticks that fit `columns`, or older ones if that is where the marked one is.
#[must_use]
pub fn window(ticks: usize, columns: usize, marked: Option<usize>) -> Window {
    let newest = ticks.saturating_sub(columns);
    let first = marked.map_or(newest, |place| newest.min(place.saturating_sub(MARK_MARGIN)));
    let count = columns.min(ticks - first);
    Window { first, count, indent: columns - count }
}

/// The first row shown by a list of `height` rows, so that the selected one is visible.
#[must_use]
pub const fn first_row(selected: usize, height: u16) -> usize {
    (selected + 1).saturating_sub(height as usize)
}

/// The line of the scrubber, without the figures at its ends.
#[must_use]
pub const fn track(scrubber: Area) -> Area {
    Area::new(scrubber.x + 20, scrubber.y, scrubber.width.saturating_sub(43), 1)
}

/// The column widths of the task table, each including the blank before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskColumns {
    /// The tag.
    pub tag: u16,
    /// Runs.
    pub count: u16,
    /// Runs per second, on wide screens.
    pub rate: u16,
    /// The median run time.
    pub p50: u16,
    /// The 99th percentile of the run time, and its mark.
    pub p99: u16,
    /// The longest run time, and its mark.
    pub max: u16,
    /// The queue wait.
    pub wait: u16,
    /// The delay caused: on narrow screens it replaces the queue wait if the table is sorted by it.
    pub caused: u16,
    /// The bar of the tag's share of all run time, on wide screens.
    pub share: u16,
}

/// The column widths of the task table in a pane, when sorted by `by`.
#[must_use]
pub fn task_columns(pane: Area, by: Column) -> TaskColumns {
    let width = pane.inner().width;
    let rate = if width >= 80 { 8 } else { 0 };
    let share = if width >= 94 { 14 } else { 0 };
    let (count, p50, p99, max, wait, delay) =
        if width >= 72 { (9, 9, 9, 9, 11, 13) } else { (7, 8, 8, 8, 9, 9) };
    let (wait, caused) = match (width >= 60, by == Column::Caused) {
        (true, _) => (wait, delay),
        (false, true) => (0, wait),
        (false, false) => (wait, 0),
    };
    let figures = count + rate + p50 + p99 + max + wait + caused + share;
    TaskColumns { tag: width.saturating_sub(figures), count, rate, p50, p99, max, wait, caused, share }
}

/// The column at a cell of the table's heading.
#[must_use]
pub fn column_at(pane: Area, x: u16, by: Column) -> Option<Column> {
    let columns = task_columns(pane, by);
    let mut left = x.checked_sub(pane.inner().x)?;
    let count = columns.count + columns.rate;
    let TaskColumns { tag, p50, p99, max, wait, caused, .. } = columns;
    let widths = [tag, count, p50, p99, max, wait, caused];
    for (column, width) in Column::ALL.into_iter().zip(widths) {
        if left < width {
            return Some(column);
        }
        left -= width;
    }
    None
}

/// Rows of the detail on a narrow screen.
const DETAIL_ROWS: u16 = 9;

/// The list and the detail beside it, or below it on a narrow screen, for views that have both.
#[must_use]
pub fn list_and_detail(body: Area) -> (Area, Area) {
    let mut left = body;
    if body.width < NARROW {
        let detail = left.take_bottom(DETAIL_ROWS.min(body.height / 2 + 1));
        return (left, detail);
    }
    let list = left.take_left(share(body.width, 58).max(54).min(body.width));
    (list, left)
}

#[cfg(test)]
mod tests;
