//! The panes of the overview: pure geometry from the size alone, shared by the drawing and the mouse.

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Position, Rect};

use crate::app::layout::{NARROW, from_left, inner, share};

/// Below this height, the strip and the stalls have fewer rows.
const LOW: u16 = 18;
/// Minimum width at which every family has its own pane.
pub(super) const ROOMY: u16 = 150;
/// Width of the labels on the strip's axis.
pub const AXIS_WIDTH: u16 = 8;

/// A part of the overview that can have the focus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Pane {
    /// The strip of ticks.
    #[default]
    Ticks,
    /// The timer lag through time.
    Lag,
    /// The tasks by tag.
    Tasks,
    /// The late timers and signals.
    Late,
    /// The queue depths.
    Queues,
    /// The figures of microtask checkpoints.
    Microtasks,
    /// The GC decisions.
    Gc,
    /// The signals and their latency.
    Signals,
    /// The agenda, if there is one.
    Agenda,
    /// The active handles, if there is room.
    KeepAlive,
    /// The recent stalls.
    Stalls,
}

impl Pane {
    /// Every pane, in the order of Tab.
    pub const ALL: [Self; 11] = [
        Self::Ticks,
        Self::Lag,
        Self::Tasks,
        Self::Late,
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

/// Panes that the overview has only if the loop has content for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Whether the loop has an agenda.
    pub agenda: bool,
    /// Whether the loop has reported its active handles.
    pub keep_alive: bool,
}

/// The areas of the panes; absent panes have empty ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panes {
    /// Whether queues, microtasks, GC, signals and the agenda take one row each, without frames.
    pub compact: bool,
    /// In the order of [`Pane::ALL`].
    areas: [Rect; Pane::ALL.len()],
}

/// From this height on, each family has a pane of its own; below, a line.
const FRAMED: u16 = 34;
/// From this height on, there is room for the timer lag through time.
const WITH_LAG: u16 = 25;

/// The panes of the overview within `body`.
#[must_use]
pub fn panes(body: Rect, extras: Extras) -> Panes {
    let (height, narrow) = (body.height, body.width < NARROW);
    let compact = height < FRAMED || body.width < 96;
    let lag = match height {
        0..WITH_LAG => 0,
        WITH_LAG..40 => 6,
        _ => 9,
    };
    let ticks = match height {
        0..LOW => 4,
        LOW..WITH_LAG if narrow => 4,
        LOW..40 => 5,
        _ => 8,
    };
    // The smallest screens show what is blocked and by what.
    let families = match () {
        () if height < LOW && narrow => 0,
        () if compact => 4 + u16::from(extras.agenda),
        () if height >= 40 => 8,
        () => 6,
    };
    let stalls = match height {
        0..LOW => 3,
        LOW..FRAMED => 4,
        _ => ((height - lag - ticks - families) / 3).clamp(4, 14),
    };
    let rows = Layout::vertical(
        [lag, ticks].map(Length).into_iter().chain([Fill(1)]).chain([families, stalls].map(Length)),
    );
    let [lag, ticks, tasks, families, stalls] = rows.areas(body);
    let [tasks, late] = from_left(tasks, if narrow { body.width } else { tasks_width(body.width) });
    let [queues, microtasks, gc, signals, agenda, keep_alive] = match () {
        () if families.is_empty() => [Rect::ZERO; 6],
        () if compact => lines(families, extras),
        () => self::families(families, extras),
    };
    let areas = [ticks, lag, tasks, late, queues, microtasks, gc, signals, agenda, keep_alive, stalls];
    Panes { compact, areas }
}

/// The families, in a line each.
fn lines(area: Rect, extras: Extras) -> [Rect; 6] {
    let line = Length(1);
    let rows = Layout::vertical([line, line, line, line, Length(u16::from(extras.agenda))]);
    let [queues, microtasks, gc, signals, agenda] = rows.areas(area);
    [queues, microtasks, gc, signals, agenda, Rect::ZERO]
}

/// The row of families: queues, microtasks, GC, signals, the agenda, the active handles.
fn families(row: Rect, extras: Extras) -> [Rect; 6] {
    let roomy = row.width >= ROOMY;
    let widths = match (roomy, extras.agenda, extras.keep_alive && roomy) {
        (false, false, _) | (true, false, false) => [25, 20, 27, 0, 0],
        // With little room, microtasks and signals are stacked.
        (false, true, _) => [23, 0, 23, 31, 0],
        (true, true, false) => [21, 16, 21, 23, 0],
        (true, false, true) => [21, 15, 22, 0, 21],
        (true, true, true) => [17, 13, 17, 19, 18],
    };
    let [queues, microtasks, gc, agenda, keep_alive] =
        widths.map(|percent| Length(share(row.width, percent)));
    let columns = Layout::horizontal([queues, microtasks, gc, agenda, keep_alive, Fill(1)]);
    let [queues, mut microtasks, gc, agenda, keep_alive, mut signals] = columns.areas(row);
    if extras.agenda && !roomy {
        [microtasks, signals] = Layout::vertical([Length(row.height / 2), Fill(1)]).areas(signals);
    }
    [queues, microtasks, gc, signals, agenda, keep_alive]
}

/// The task table takes 54% of the width, but at least enough for names of a dozen letters.
fn tasks_width(width: u16) -> u16 {
    share(width, 54).max(46)
}

impl Panes {
    /// The area of a pane.
    #[must_use]
    pub const fn area(&self, pane: Pane) -> Rect {
        self.areas[pane as usize]
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
    pub fn pane_at(&self, at: Position) -> Option<Pane> {
        Pane::ALL.into_iter().find(|pane| self.area(*pane).contains(at))
    }

    /// The strip's cells, without its frame, the axis on the right and the marker row.
    #[must_use]
    pub const fn strip(&self) -> Rect {
        let inner = inner(self.area(Pane::Ticks));
        Rect {
            width: inner.width.saturating_sub(AXIS_WIDTH),
            height: inner.height.saturating_sub(1),
            ..inner
        }
    }
}

#[cfg(test)]
mod tests;
