//! One row of the viewer: puts what ended in the stream's order into the order in which it began, and sees
//! to it that slices nest.
//!
//! A row is flushed at the end of each tick: nothing that comes later began before. Where something did all
//! the same (a span over several ticks), or overlaps without nesting, it becomes an asynchronous pair, which
//! may lie anywhere: a viewer would drop it otherwise.

/// Where something ended up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// A slice, from its start for so long, in nanoseconds.
    Slice { start: u64, dur: u64 },
    /// A pair of asynchronous events.
    Async { start: u64, end: u64 },
    /// A point.
    Point { at: u64 },
}

/// Something that happened, in nanoseconds from the start of the trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<T> {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) is_slice: bool,
    pub(super) what: T,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    /// As it was.
    end: u64,
    /// As it is drawn.
    drawn_end: u64,
    /// Up to here its inside is taken.
    taken: u64,
}

/// A row being filled.
#[derive(Debug)]
pub(super) struct Row<T> {
    entries: Vec<Entry<T>>,
    open: Vec<Open>,
    /// The end of what was drawn before, as it was and as it was drawn.
    flushed: u64,
    taken: u64,
}

impl<T> Default for Row<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), open: Vec::new(), flushed: 0, taken: 0 }
    }
}

impl<T: Copy> Row<T> {
    pub(super) fn add(&mut self, entry: Entry<T>) {
        self.entries.push(entry);
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<T>> {
        self.entries.iter()
    }

    /// Draws all entries, in the order in which they began, and forgets them.
    pub(super) fn flush<E>(&mut self, mut draw: impl FnMut(Spot, &T) -> Result<(), E>) -> Result<(), E> {
        let mut entries = std::mem::take(&mut self.entries);
        // Of equal extents the later one in the stream is the outer one.
        entries.reverse();
        // Outer before inner, slices before the points in them.
        entries.sort_by(|a, b| {
            let order = a.start.cmp(&b.start).then(b.is_slice.cmp(&a.is_slice));
            if a.is_slice { order.then(b.end.cmp(&a.end)) } else { order }
        });
        let drawn = entries.iter().try_for_each(|entry| draw(self.place(entry), &entry.what));
        while let Some(open) = self.open.pop() {
            self.close(open);
        }
        entries.clear();
        self.entries = entries;
        drawn
    }

    fn place(&mut self, entry: &Entry<T>) -> Spot {
        if !entry.is_slice {
            return Spot::Point { at: entry.start };
        }
        let Entry { start, end, .. } = *entry;
        while self.open.last().is_some_and(|open| open.end <= start) {
            if let Some(open) = self.open.pop() {
                self.close(open);
            }
        }
        let (limit, drawn_limit, taken) = match self.open.last() {
            Some(open) => (open.end, open.drawn_end, open.taken),
            None if start < self.flushed => return Spot::Async { start, end },
            None => (u64::MAX, u64::MAX, self.taken),
        };
        if end > limit {
            return Spot::Async { start, end };
        }
        // A slice is at least 1 ns long, which can push its neighbours by as much, never out of their parent.
        let start = start.max(taken).min(drawn_limit);
        let drawn_end = end.max(start.saturating_add(1)).min(drawn_limit);
        self.open.push(Open { end, drawn_end, taken: start });
        Spot::Slice { start, dur: drawn_end - start }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(extents: &[(u64, u64)]) -> Vec<Spot> {
        let mut row = Row::default();
        for (start, end) in extents {
            row.add(Entry { start: *start, end: *end, is_slice: true, what: () });
        }
        let mut spots = Vec::new();
        row.flush(|spot, ()| {
            spots.push(spot);
            Ok::<(), ()>(())
        })
        .unwrap();
        spots
    }

    #[test]
    fn ends_first_becomes_begins_first() {
        let spots = drawn(&[(10, 20), (30, 40), (5, 50)]);
        let slice = |start, dur| Spot::Slice { start, dur };
        assert_eq!(spots, [slice(5, 45), slice(10, 10), slice(30, 10)]);
    }

    #[test]
    fn what_overlaps_is_asynchronous() {
        let spots = drawn(&[(10, 20), (15, 25)]);
        assert_eq!(spots, [Spot::Slice { start: 10, dur: 10 }, Spot::Async { start: 15, end: 25 }]);
    }

    #[test]
    fn what_began_before_the_last_flush_is_asynchronous() {
        let mut row = Row::default();
        let mut spots = Vec::new();
        for (start, end) in [(10, 20), (12, 40)] {
            row.add(Entry { start, end, is_slice: true, what: () });
            row.flush(|spot, ()| {
                spots.push(spot);
                Ok::<(), ()>(())
            })
            .unwrap();
        }
        assert_eq!(spots[1], Spot::Async { start: 12, end: 40 });
    }

    proptest! {
        #[test]
        fn slices_are_sorted_and_nest(extents in prop::collection::vec((0u64..60, 0u64..30), 0..40)) {
            let extents: Vec<_> = extents.into_iter().map(|(start, len)| (start, start + len)).collect();
            let spots = drawn(&extents);
            prop_assert_eq!(spots.len(), extents.len());
            let slices: Vec<(u64, u64)> = spots.iter().filter_map(|spot| match spot {
                Spot::Slice { start, dur } => Some((*start, start + dur)),
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
