//! The flame chart of a tick: where each run is drawn, as wide as the time it took, below the run around it.
//!
//! The scale is the busy clock, on which a poll has no length: otherwise a tick that waited for a second and worked for
//! a millisecond would show a blank line.

use std::ops::Range;

use loop_probes::ids::Timestamp;
use loop_traces::timeline::{OpenedSpan, OpenedTick, SpanKind};
use ratatui::layout::{Margin, Position, Rect};

use crate::app::layout::{below, from_top};

/// Maximum rows of the chart, without its axis.
const ROWS_MAX: usize = 8;
/// The narrowest range of time that the chart shows, in nanoseconds.
const SHOWN_NS_MIN: u64 = 100;

/// The flame chart of a tick on the screen.
#[derive(Clone, Debug)]
pub struct Flame<'a> {
    /// The row of the axis, above the runs.
    pub axis: Rect,
    /// The rows of the runs, the outermost first.
    pub rows: Rect,
    /// The rest of the pane.
    pub list: Rect,
    opened: &'a OpenedTick,
    clock: BusyClock,
    depth_first: usize,
    depths: usize,
    shown_ns: Range<u64>,
}

impl<'a> Flame<'a> {
    /// The chart at the top of a pane with the inner area `inner`, magnified by two to the power of `zoom`, around the
    /// run at `selected`.
    #[must_use]
    pub fn new(opened: &'a OpenedTick, inner: Rect, zoom: u32, selected: usize) -> Self {
        let lengths = opened.spans.iter().filter(|opened| !opened.span.what.is_point());
        let depths = lengths.map(|opened| opened.depth + 1).max().unwrap_or(0);
        // The list below needs its heading and most of the rows.
        let height = depths.min(ROWS_MAX).min(usize::from(inner.height.saturating_sub(2)) / 2);
        let [chart, list] = from_top(inner, height as u16 + 1);
        let [axis, rows] = from_top(chart.inner(Margin::new(1, 0)), 1);
        let clock = BusyClock::new(opened);
        let selected = opened.spans.get(selected);
        let depth = selected.map_or(0, |opened| opened.depth);
        let depth_first = (depth + 1).saturating_sub(height);
        let middle_ns = selected.map_or(0, |opened| {
            let (from, to) = (clock.busy_until(opened.span.start), clock.busy_until(opened.span.end));
            from.midpoint(to)
        });
        let wide_ns = shown_ns(clock.busy_ns, zoom);
        let from_ns = middle_ns.saturating_sub(wide_ns / 2).min(clock.busy_ns.saturating_sub(wide_ns));
        let shown_ns = from_ns..from_ns + wide_ns;
        Self { axis, rows, list, opened, clock, depth_first, depths, shown_ns }
    }

    /// The range of the busy clock that the chart shows, in nanoseconds.
    #[must_use]
    pub fn shown_ns(&self) -> Range<u64> {
        self.shown_ns.clone()
    }

    /// The time on the busy clock at column `x`, in nanoseconds.
    #[must_use]
    pub fn ns_at(&self, x: u16) -> u64 {
        let cells = u128::from(self.rows.width.max(1));
        let wide_ns = u128::from(self.shown_ns.end - self.shown_ns.start);
        self.shown_ns.start + (wide_ns * u128::from(x.saturating_sub(self.rows.x)) / cells) as u64
    }

    /// How long the loop was busy in this tick before `at`, in nanoseconds.
    #[must_use]
    pub fn busy_until(&self, at: Timestamp) -> u64 {
        self.clock.busy_until(at)
    }

    /// The number of depths above and below the rows of the chart, which follow the selected run.
    #[must_use]
    pub fn depths_hidden(&self) -> [usize; 2] {
        let above = self.depth_first;
        [above, self.depths.saturating_sub(above + usize::from(self.rows.height))]
    }

    /// The runs with a place in the chart, each with its index in the tick and its cells.
    pub fn blocks(&self) -> impl Iterator<Item = (usize, &'a OpenedSpan, Rect)> + '_ {
        let spans = self.opened.spans.iter().enumerate();
        spans.filter_map(|(place, opened)| Some((place, opened, self.block(opened)?)))
    }

    /// The cells of a run; without width if it is shorter than half a cell, `None` outside of the chart.
    fn block(&self, opened: &OpenedSpan) -> Option<Rect> {
        let row = opened.depth.checked_sub(self.depth_first).filter(|row| *row < self.rows.height.into())?;
        if opened.span.what.is_point() {
            return None;
        }
        let cells = self.cells(opened.span.start, opened.span.end)?;
        Some(Rect { x: cells.start, y: self.rows.y + row as u16, width: cells.end - cells.start, height: 1 })
    }

    /// The columns of a range of time, empty if it is shorter than half a column; `None` if it is not shown.
    #[must_use]
    pub fn cells(&self, from: Timestamp, to: Timestamp) -> Option<Range<u16>> {
        let (from, to) = (self.clock.busy_until(from), self.clock.busy_until(to));
        let Range { start, end } = self.shown_ns;
        if self.rows.width == 0 || to < start || from > end || (from < to && (to == start || from == end)) {
            return None;
        }
        let cell = |ns: u64| {
            let share = (ns.clamp(start, end) - start) as f64 / (end - start).max(1) as f64;
            self.rows.x + (share * f64::from(self.rows.width)).round() as u16
        };
        let (from, to) = (cell(from), cell(to));
        // What ends with the chart is in its last column.
        Some(if from == to {
            from.min(self.rows.right() - 1)..from.min(self.rows.right() - 1)
        } else {
            from..to
        })
    }

    /// The index of the run at `at`; of several in one cell, the longest.
    #[must_use]
    pub fn at(&self, at: Position) -> Option<usize> {
        let is_hit =
            |block: &Rect| block.y == at.y && (block.x..block.right().max(block.x + 1)).contains(&at.x);
        let hit = self.blocks().filter(|(_, _, block)| is_hit(block));
        // The first of equals.
        let longest = hit.min_by_key(|(_, opened, _)| std::cmp::Reverse(opened.span.run_ns()));
        longest.map(|(place, ..)| place)
    }

    /// The rows of the list below the chart, without its heading.
    #[must_use]
    pub fn list_rows(&self) -> Rect {
        below(self.list, 1)
    }
}

/// The width of the range that is shown of `busy_ns` at a zoom.
fn shown_ns(busy_ns: u64, zoom: u32) -> u64 {
    busy_ns.checked_shr(zoom).unwrap_or(0).max(SHOWN_NS_MIN.min(busy_ns))
}

/// The largest zoom that still shows less than the one before.
#[must_use]
pub fn zoom_max(opened: &OpenedTick) -> u32 {
    let busy_ns = BusyClock::new(opened).busy_ns;
    (0..u64::BITS).take_while(|zoom| busy_ns >> zoom > SHOWN_NS_MIN).count() as u32
}

/// The tick's clock without the loop's own polls. A poll within a callback is the callback's time.
#[derive(Clone, Debug)]
struct BusyClock {
    start: Timestamp,
    polls: Vec<Wait>,
    busy_ns: u64,
}

/// A poll, and how long the loop waited in those before it.
#[derive(Clone, Copy, Debug)]
struct Wait {
    start: Timestamp,
    end: Timestamp,
    before_ns: u64,
}

impl BusyClock {
    fn new(opened: &OpenedTick) -> Self {
        let mut polls: Vec<Wait> = Vec::new();
        let mut callback_until = Timestamp::default();
        for OpenedSpan { span, .. } in &opened.spans {
            match span.what {
                SpanKind::Phase(_) => {}
                SpanKind::Poll { .. } if span.end > callback_until => {
                    let before_ns = polls
                        .last()
                        .map_or(0, |last| last.before_ns.saturating_add(last.end.ns_since(last.start)));
                    polls.push(Wait { start: span.start, end: span.end, before_ns });
                }
                _ => callback_until = callback_until.max(span.end),
            }
        }
        let mut clock = Self { start: opened.tick.start, polls, busy_ns: 0 };
        clock.busy_ns = clock.busy_until(opened.tick.end);
        clock
    }

    fn busy_until(&self, at: Timestamp) -> u64 {
        let begun = self.polls.partition_point(|poll| poll.start < at);
        let waited_ns = begun.checked_sub(1).map_or(0, |last| {
            let Wait { start, end, before_ns } = self.polls[last];
            before_ns.saturating_add(end.min(at).ns_since(start))
        });
        at.ns_since(self.start).saturating_sub(waited_ns)
    }
}

#[cfg(test)]
mod tests;
