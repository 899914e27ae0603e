//! Lays out one row of the viewer: reorders what ended into the order in which it began, and ensures that slices nest.
//!
//! A row is flushed at the end of each tick, because nothing later can have begun earlier. Exceptions (a span over
//! several ticks), and anything that overlaps without nesting, become asynchronous pairs, which may lie anywhere: a
//! viewer would drop them otherwise.

use crate::nesting::{Nesting, Slice, by_begin};

/// The resulting position of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowPosition {
    /// A slice with its start and duration, in nanoseconds.
    Slice { start: u64, dur: u64 },
    /// A pair of asynchronous events.
    Async { start: u64, end: u64 },
    /// A point.
    Point { at: u64 },
}

/// A slice to lay out; times are nanoseconds from the start of the trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayoutItem<T> {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Whether it becomes asynchronous in place of another slice that it overlaps without nesting.
    pub(crate) gives_way: bool,
    /// Whether it begins where another of this kind ends that it overlaps without nesting.
    pub(crate) continues: bool,
    pub(crate) what: T,
}

impl<T> Slice for LayoutItem<T> {
    type Time = u64;

    fn extent(&self) -> (u64, Option<u64>) {
        (self.start, Some(self.end))
    }
}

#[derive(Clone, Copy, Debug)]
struct Open {
    start: u64,
    /// The end as recorded; `drawn_end` is the end in the export.
    end: u64,
    /// The end as drawn.
    drawn_end: u64,
    /// How far its inside is filled.
    taken: u64,
    continues: bool,
}

impl Slice for Open {
    type Time = u64;

    fn extent(&self) -> (u64, Option<u64>) {
        (self.start, Some(self.end))
    }
}

/// A row being filled.
#[derive(Debug)]
pub(crate) struct Row<T> {
    slices: Vec<LayoutItem<T>>,
    points: Vec<(u64, T)>,
    open: Nesting<Open>,
    /// The end of what was drawn before: actual in `flushed`, as drawn in `taken`.
    flushed: u64,
    taken: u64,
    /// Shortest length at which a slice is drawn.
    least_ns: u64,
}

impl<T> Default for Row<T> {
    /// Slices are drawn at least 1 ns long, because a viewer turns empty ones inside out.
    fn default() -> Self {
        let (slices, points, open) = (Vec::new(), Vec::new(), Nesting::default());
        Self { slices, points, open, flushed: 0, taken: 0, least_ns: 1 }
    }
}

impl<T: Copy> Row<T> {
    /// A row in which everything is drawn at its actual length.
    pub(crate) fn exact() -> Self {
        Self { least_ns: 0, ..Self::default() }
    }

    pub(crate) fn add(&mut self, slice: LayoutItem<T>) {
        self.slices.push(slice);
    }

    pub(crate) fn add_point(&mut self, at: u64, what: T) {
        self.points.push((at, what));
    }

    /// Removes and returns the slices that begin at `at` or later, and cuts the others there.
    pub(crate) fn split_off(&mut self, at: u64) -> Vec<LayoutItem<T>> {
        let later = self.slices.extract_if(.., |slice| slice.start >= at).collect();
        self.slices.iter_mut().for_each(|slice| slice.end = slice.end.min(at));
        later
    }

    pub(crate) fn len(&self) -> usize {
        self.slices.len() + self.points.len()
    }

    /// Draws and removes all entries, in the order in which they began.
    pub(crate) fn flush<E>(
        &mut self,
        mut draw: impl FnMut(RowPosition, &T) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut slices, mut points) = (std::mem::take(&mut self.slices), std::mem::take(&mut self.points));
        let order = by_begin(&slices);
        let yielding = match slices.iter().any(|slice| slice.gives_way) {
            true => yielding(&slices, &order),
            false => Vec::new(),
        };
        // Of equal times, as of equal extents, the later one in the stream comes first.
        points.reverse();
        points.sort_by_key(|(at, _)| *at);
        let mut points_left = points.iter().peekable();
        let mut drawn = order.iter().try_for_each(|place| {
            let slice = &slices[*place];
            while let Some((at, what)) = points_left.next_if(|(at, _)| *at < slice.start) {
                draw(RowPosition::Point { at: *at }, what)?;
            }
            let LayoutItem { start, end, .. } = *slice;
            let yields = yielding.get(*place).is_some_and(|yields| *yields);
            let position = if yields { RowPosition::Async { start, end } } else { self.place(slice) };
            draw(position, &slice.what)
        });
        if drawn.is_ok() {
            drawn = points_left.try_for_each(|(at, what)| draw(RowPosition::Point { at: *at }, what));
        }
        while let Some(open) = self.open.pop() {
            self.close(open);
        }
        slices.clear();
        points.clear();
        (self.slices, self.points) = (slices, points);
        drawn
    }

    fn place(&mut self, slice: &LayoutItem<T>) -> RowPosition {
        let LayoutItem { mut start, end, continues, .. } = *slice;
        let goes_on = |open: &Open| continues && open.continues && open.end < end;
        while let Some(open) = self.open.close_if(|open| open.end <= start || goes_on(open)) {
            start = start.max(open.end);
            self.close(open);
        }
        let (drawn_limit, taken) = match self.open.innermost() {
            Some(open) => (open.drawn_end, open.taken),
            None if start < self.flushed => return RowPosition::Async { start, end },
            None => (u64::MAX, self.taken),
        };
        if self.open.crosses(Some(end)) {
            return RowPosition::Async { start, end };
        }
        // A slice drawn at the shortest length can push its neighbours by that much, but never out of their parent.
        let start = start.max(taken).min(drawn_limit);
        let drawn_end = end.max(start.saturating_add(self.least_ns)).min(drawn_limit);
        self.open.begin(Open { start, end, drawn_end, taken: start, continues });
        RowPosition::Slice { start, dur: drawn_end - start }
    }

    fn close(&mut self, closed: Open) {
        match self.open.open_mut().last_mut() {
            Some(outer) => outer.taken = outer.taken.max(closed.drawn_end),
            None => {
                self.flushed = self.flushed.max(closed.end);
                self.taken = self.taken.max(closed.drawn_end);
            }
        }
    }
}

/// A slice by its index.
struct Placed {
    start: u64,
    end: u64,
    place: usize,
}

impl Slice for Placed {
    type Time = u64;

    fn extent(&self) -> (u64, Option<u64>) {
        (self.start, Some(self.end))
    }
}

/// Marks the slices that give way to others.
fn yielding<T>(slices: &[LayoutItem<T>], order: &[usize]) -> Vec<bool> {
    let mut yielding = vec![false; slices.len()];
    let mut open: Nesting<Placed> = Nesting::default();
    for place in order.iter().copied() {
        let LayoutItem { start, end, gives_way, .. } = slices[place];
        open.close_all(start);
        if !gives_way {
            while let Some(outer) = open.close_if(|outer| outer.end < end && slices[outer.place].gives_way) {
                yielding[outer.place] = true;
            }
        }
        if open.crosses(Some(end)) {
            // A slice that does not give way either is placed in order, although it crosses another.
            yielding[place] = gives_way;
        } else {
            open.begin(Placed { start, end, place });
        }
    }
    yielding
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(extents: &[(u64, u64)]) -> Vec<RowPosition> {
        let mut row = Row::default();
        for (start, end) in extents {
            row.add(LayoutItem { start: *start, end: *end, gives_way: false, continues: false, what: () });
        }
        let mut spots = Vec::new();
        row.flush(|position, ()| {
            spots.push(position);
            Ok::<(), ()>(())
        })
        .unwrap();
        spots
    }

    #[test]
    fn ends_first_becomes_begins_first() {
        let spots = drawn(&[(10, 20), (30, 40), (5, 50)]);
        let slice = |start, dur| RowPosition::Slice { start, dur };
        assert_eq!(spots, [slice(5, 45), slice(10, 10), slice(30, 10)]);
    }

    #[test]
    fn what_overlaps_is_asynchronous() {
        let spots = drawn(&[(10, 20), (15, 25)]);
        assert_eq!(
            spots,
            [RowPosition::Slice { start: 10, dur: 10 }, RowPosition::Async { start: 15, end: 25 }]
        );
    }

    #[test]
    fn a_span_makes_way_for_the_task_that_it_overlaps() {
        let mut row = Row::exact();
        let entry =
            |start, end, gives_way| LayoutItem { start, end, gives_way, continues: false, what: gives_way };
        for it in [entry(12, 30, true), entry(20, 40, false), entry(21, 22, true), entry(0, 50, false)] {
            row.add(it);
        }
        let mut spots = Vec::new();
        row.flush(|position, _| {
            spots.push(position);
            Ok::<(), ()>(())
        })
        .unwrap();
        let slice = |start, dur| RowPosition::Slice { start, dur };
        assert_eq!(
            spots,
            [slice(0, 50), RowPosition::Async { start: 12, end: 30 }, slice(20, 20), slice(21, 1)]
        );
    }

    #[test]
    fn what_began_before_the_last_flush_is_asynchronous() {
        let mut row = Row::default();
        let mut spots = Vec::new();
        for (start, end) in [(10, 20), (12, 40)] {
            row.add(LayoutItem { start, end, gives_way: false, continues: false, what: () });
            row.flush(|position, ()| {
                spots.push(position);
                Ok::<(), ()>(())
            })
            .unwrap();
        }
        assert_eq!(spots[1], RowPosition::Async { start: 12, end: 40 });
    }

    proptest! {
        #[test]
        fn slices_are_sorted_and_nest(extents in prop::collection::vec((0u64..60, 0u64..30), 0..40)) {
            let extents: Vec<_> = extents.into_iter().map(|(start, len)| (start, start + len)).collect();
            let spots = drawn(&extents);
            prop_assert_eq!(spots.len(), extents.len());
            let slices: Vec<(u64, u64)> = spots.iter().filter_map(|position| match position {
                RowPosition::Slice { start, dur } => Some((*start, start + dur)),
                _ => None,
            }).collect();
            prop_assert!(slices.is_sorted_by_key(|(start, _)| *start));
            for (place, a) in slices.iter().enumerate() {
                for b in &slices[place + 1..] {
                    let nested = b.0 >= a.1 || (b.0 >= a.0 && b.1 <= a.1);
                    prop_assert!(nested, "{a:?} {b:?}");
                }
            }
        }
    }
}
