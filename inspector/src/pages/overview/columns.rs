//! The columns of the strip, and the ticks that each stands for.
//!
//! Columns are counted from the loop's first tick rather than the oldest one kept: otherwise each new tick would
//! redistribute all of them, and the strip would flicker instead of moving.

use std::ops::Range;

use loop_traces::timeline::{TickSummary, Ticks};

/// The columns for the kept ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    per: usize,
    /// Ticks of the first column that have been evicted.
    evicted: usize,
    kept: usize,
}

impl Columns {
    /// The columns for `ticks`, with `per` ticks each.
    #[must_use]
    pub fn new(ticks: &Ticks, per: usize) -> Self {
        let (per, kept) = (per.max(1), ticks.recent.len());
        let before = (ticks.count + ticks.incomplete).saturating_sub(kept as u64);
        Self { per, evicted: (before % per as u64) as usize, kept }
    }

    /// The number of columns.
    #[must_use]
    pub const fn count(&self) -> usize {
        (self.evicted + self.kept).div_ceil(self.per)
    }

    /// The column of the tick at `place`, where 0 is the oldest kept.
    #[must_use]
    pub const fn column_of(&self, place: usize) -> usize {
        (self.evicted + place) / self.per
    }

    /// The range of ticks in a column.
    #[must_use]
    pub fn places(&self, column: usize) -> Range<usize> {
        let place = |column: usize| (column * self.per).saturating_sub(self.evicted).min(self.kept);
        place(column)..place(column + 1)
    }

    /// The columns that fit into `cells`; `marked` is the index of a tick that must be visible.
    #[must_use]
    pub fn window(&self, cells: usize, marked: Option<usize>) -> Window {
        window(self.count(), cells, marked.map(|place| self.column_of(place)))
    }
}

/// The columns that the strip shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Index of the leftmost column.
    pub first: usize,
    /// Number of columns.
    pub count: usize,
    /// Free cells on the left, since fewer columns than cells are right-aligned.
    pub indent: usize,
}

/// Columns that stay visible before the marked one.
const MARK_MARGIN: usize = 8;

/// The newest of `columns` columns that fit into `cells`, or older ones around the marked column.
fn window(columns: usize, cells: usize, marked: Option<usize>) -> Window {
    let newest = columns.saturating_sub(cells);
    let first = marked.map_or(newest, |place| newest.min(place.saturating_sub(MARK_MARGIN)));
    let count = cells.min(columns - first);
    Window { first, count, indent: cells - count }
}

/// Whether a column has a gap: a tick with lost records, or lost ticks before one of its ticks. `before` is the tick
/// before the column's first, if kept.
pub fn has_gap<'a>(before: Option<&TickSummary>, ticks: impl Iterator<Item = &'a TickSummary>) -> bool {
    let mut before = before.map(|tick| (tick.source, tick.tick));
    ticks.into_iter().any(|tick| {
        let follows = before.is_none_or(|(source, number)| source != tick.source || number + 1 >= tick.tick);
        before = Some((tick.source, tick.tick));
        tick.incomplete || !follows
    })
}

/// The tick that a column shows: the busiest, and the first of equals.
pub fn busiest<'a>(ticks: impl Iterator<Item = &'a TickSummary>) -> Option<&'a TickSummary> {
    ticks.reduce(|busiest, tick| if tick.busy_ns > busiest.busy_ns { tick } else { busiest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strip_shows_the_newest_ticks_unless_one_is_marked() {
        assert_eq!(window(3, 10, None), Window { first: 0, count: 3, indent: 7 });
        assert_eq!(window(100, 10, None), Window { first: 90, count: 10, indent: 0 });
        assert_eq!(window(100, 10, Some(99)), Window { first: 90, count: 10, indent: 0 });
        assert_eq!(window(100, 10, Some(50)), Window { first: 42, count: 10, indent: 0 });
        assert_eq!(window(100, 10, Some(0)), Window { first: 0, count: 10, indent: 0 });
        assert_eq!(window(0, 0, None), Window { first: 0, count: 0, indent: 0 });
    }

    #[test]
    fn every_kept_tick_is_in_exactly_one_column() {
        for (per, evicted, kept) in [(1, 0, 7), (5, 0, 12), (5, 3, 12), (10, 9, 4), (5, 4, 1), (2, 0, 0)] {
            let columns = Columns { per, evicted, kept };
            let places: Vec<usize> = (0..columns.count()).flat_map(|column| columns.places(column)).collect();
            assert_eq!(places, (0..kept).collect::<Vec<_>>());
            for place in 0..kept {
                assert!(columns.places(columns.column_of(place)).contains(&place));
            }
        }
    }

    #[test]
    fn columns_keep_their_ticks_while_the_oldest_are_evicted() {
        let before = Columns { per: 5, evicted: 0, kept: 20 };
        // Two ticks were added, and the two oldest evicted.
        let after = Columns { per: 5, evicted: 2, kept: 20 };
        assert_eq!(before.places(1), 5..10);
        assert_eq!(after.places(1), 3..8);
        assert_eq!((before.count(), after.count()), (4, 5));
    }
}
