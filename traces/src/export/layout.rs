//! Lays out one row of the viewer: reorders what ended into the order in which it began, and ensures that slices nest.
//!
//! A row is flushed at the end of each tick, because nothing later can have begun earlier. Exceptions (a span over
//! several ticks), and anything that overlaps without nesting, become asynchronous pairs, which may lie anywhere: a
//! viewer would drop them otherwise.

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

/// An entry to lay out; times are nanoseconds from the start of the trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayoutItem<T> {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) is_slice: bool,
    /// Whether it becomes asynchronous in place of another entry that it overlaps without nesting.
    pub(crate) gives_way: bool,
    /// Whether it begins where another of this kind ends that it overlaps without nesting.
    pub(crate) continues: bool,
    pub(crate) what: T,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    /// The actual end.
    end: u64,
    /// The end as drawn.
    drawn_end: u64,
    /// How far its inside is filled.
    taken: u64,
    continues: bool,
}

/// A row being filled.
#[derive(Debug)]
pub(crate) struct Row<T> {
    entries: Vec<LayoutItem<T>>,
    open: Vec<Open>,
    /// The end of what was drawn before: actual in `flushed`, as drawn in `taken`.
    flushed: u64,
    taken: u64,
    /// Shortest length at which a slice is drawn.
    least_ns: u64,
}

impl<T> Default for Row<T> {
    /// Slices are drawn at least 1 ns long, because a viewer turns empty ones inside out.
    fn default() -> Self {
        Self { entries: Vec::new(), open: Vec::new(), flushed: 0, taken: 0, least_ns: 1 }
    }
}

impl<T: Copy> Row<T> {
    /// A row in which everything is drawn at its actual length.
    pub(crate) fn exact() -> Self {
        Self { least_ns: 0, ..Self::default() }
    }

    pub(crate) fn add(&mut self, entry: LayoutItem<T>) {
        self.entries.push(entry);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Draws and removes all entries, in the order in which they began.
    pub(crate) fn flush<E>(
        &mut self,
        mut draw: impl FnMut(RowPosition, &T) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut entries = std::mem::take(&mut self.entries);
        // Of equal extents, the one that comes later in the stream is the outer one.
        entries.reverse();
        // Outer before inner, and slices before the points in them.
        entries.sort_by(|a, b| {
            let order = a.start.cmp(&b.start).then(b.is_slice.cmp(&a.is_slice));
            if a.is_slice { order.then(b.end.cmp(&a.end)) } else { order }
        });
        let yielding =
            if entries.iter().any(|entry| entry.gives_way) { yielding(&entries) } else { Vec::new() };
        let drawn = entries.iter().enumerate().try_for_each(|(place, entry)| {
            let LayoutItem { start, end, .. } = *entry;
            let yields = yielding.get(place).is_some_and(|yields| *yields);
            let position = if yields { RowPosition::Async { start, end } } else { self.place(entry) };
            draw(position, &entry.what)
        });
        while let Some(open) = self.open.pop() {
            self.close(open);
        }
        entries.clear();
        self.entries = entries;
        drawn
    }

    fn place(&mut self, entry: &LayoutItem<T>) -> RowPosition {
        if !entry.is_slice {
            return RowPosition::Point { at: entry.start };
        }
        let LayoutItem { mut start, end, continues, .. } = *entry;
        while let Some(open) =
            self.open.pop_if(|open| open.end <= start || continues && open.continues && open.end < end)
        {
            start = start.max(open.end);
            self.close(open);
        }
        let (limit, drawn_limit, taken) = match self.open.last() {
            Some(open) => (open.end, open.drawn_end, open.taken),
            None if start < self.flushed => return RowPosition::Async { start, end },
            None => (u64::MAX, u64::MAX, self.taken),
        };
        if end > limit {
            return RowPosition::Async { start, end };
        }
        // A slice drawn at the shortest length can push its neighbours by that much, but never out of their parent.
        let start = start.max(taken).min(drawn_limit);
        let drawn_end = end.max(start.saturating_add(self.least_ns)).min(drawn_limit);
        self.open.push(Open { end, drawn_end, taken: start, continues });
        RowPosition::Slice { start, dur: drawn_end - start }
    }

    fn close(&mut self, closed: Open) {
        match self.open.last_mut() {
            Some(outer) => outer.taken = outer.taken.max(closed.drawn_end),
            None => {
                self.flushed = self.flushed.max(closed.end);
                self.taken = self.taken.max(closed.drawn_end);
            }
        }
    }
}

/// Tells which of the sorted entries give way to others.
fn yielding<T>(entries: &[LayoutItem<T>]) -> Vec<bool> {
    let mut yielding = vec![false; entries.len()];
    let mut open: Vec<usize> = Vec::new();
    for (place, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.is_slice) {
        while open.last().is_some_and(|outer| entries[*outer].end <= entry.start) {
            open.pop();
        }
        while let Some(outer) = open.last().copied().filter(|outer| entries[*outer].end < entry.end) {
            if entry.gives_way || !entries[outer].gives_way {
                break;
            }
            yielding[outer] = true;
            open.pop();
        }
        if open.last().is_some_and(|outer| entries[*outer].end < entry.end) {
            // Either it gives way, or none does and it is placed in order.
            yielding[place] = entry.gives_way;
        } else {
            open.push(place);
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
            row.add(LayoutItem {
                start: *start,
                end: *end,
                is_slice: true,
                gives_way: false,
                continues: false,
                what: (),
            });
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
        let entry = |start, end, gives_way| {
            let (is_slice, continues) = (true, false);
            LayoutItem { start, end, is_slice, gives_way, continues, what: gives_way }
        };
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
            row.add(LayoutItem { start, end, is_slice: true, gives_way: false, continues: false, what: () });
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
