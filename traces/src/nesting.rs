//! Nesting: which slice lies within which.
//!
//! A recording lists slices by *end*, inner before outer. Drawing and summing need them by *start*, outer before inner,
//! which is the order of [`by_begin`]. A [`Nesting`] takes slices in that order and keeps the open ones.
//!
//! A slice excludes its end: a slice that begins where another ends lies beside it. An end may be unknown. A slice that
//! overlaps another without nesting [crosses](Nesting::crosses) it, and each caller resolves that in its own way: a
//! viewer drops the slice, an export draws it on another row, a breakdown gives the shared time to the slice that began
//! last.

/// An interval on a row.
pub(crate) trait Slice {
    /// A point in time.
    type Time: Copy + Ord;

    /// The slice's start, and its end if known.
    fn extent(&self) -> (Self::Time, Option<Self::Time>);

    /// When it began.
    fn start(&self) -> Self::Time {
        self.extent().0
    }

    /// When it ended.
    fn end(&self) -> Option<Self::Time> {
        self.extent().1
    }
}

/// The slices of one row that are open, outermost first.
#[derive(Clone, Debug)]
pub(crate) struct Nesting<S> {
    open: Vec<S>,
}

impl<S> Default for Nesting<S> {
    fn default() -> Self {
        Self { open: Vec::new() }
    }
}

impl<S: Slice> Nesting<S> {
    /// The open slices, outermost first.
    pub(crate) fn open(&self) -> &[S] {
        &self.open
    }

    pub(crate) fn open_mut(&mut self) -> &mut [S] {
        &mut self.open
    }

    pub(crate) fn innermost(&self) -> Option<&S> {
        self.open.last()
    }

    /// Removes and returns the innermost slice if it has ended by `now`. Repeated calls close slices from the inside
    /// out, up to the first that has not ended.
    #[inline]
    pub(crate) fn close(&mut self, now: S::Time) -> Option<S> {
        self.open.pop_if(|slice| slice.end().is_some_and(|end| end <= now))
    }

    /// Removes and returns the innermost slice if `is_over` holds for it.
    #[inline]
    pub(crate) fn close_if(&mut self, is_over: impl Fn(&S) -> bool) -> Option<S> {
        self.open.pop_if(|slice| is_over(slice))
    }

    /// Closes slices that have ended by `now`, from the inside out, up to the first that has not.
    #[inline]
    pub(crate) fn close_all(&mut self, now: S::Time) {
        while self.close(now).is_some() {}
    }

    /// Whether a slice that begins now and ends at `end` outlasts the innermost one. False if either end is unknown.
    #[inline]
    pub(crate) fn crosses(&self, end: Option<S::Time>) -> bool {
        let outer = self.innermost().and_then(Slice::end);
        outer.zip(end).is_some_and(|(outer, end)| outer < end)
    }

    /// Opens `slice` inside the innermost one; returns its depth.
    #[inline]
    pub(crate) fn begin(&mut self, slice: S) -> usize {
        if self.open.capacity() == 0 {
            // In a file with many threads, most have one slice open at a time.
            self.open.reserve_exact(1);
        }
        self.open.push(slice);
        self.open.len() - 1
    }

    /// The depth of the innermost slice with an unknown end that `fits`.
    pub(crate) fn endless(&self, fits: impl Fn(&S) -> bool) -> Option<usize> {
        self.open.iter().rposition(|slice| slice.end().is_none() && fits(slice))
    }

    /// Removes the slice at `depth`. Slices inside it stay open.
    pub(crate) fn remove(&mut self, depth: usize) -> S {
        self.open.remove(depth)
    }

    /// Removes and returns the innermost slice, whether or not it has ended.
    pub(crate) fn pop(&mut self) -> Option<S> {
        self.open.pop()
    }
}

/// Indices of `slices` in order of their starts, outer before inner. Of equal extents the later one comes first, because
/// a recording lists a parent after its children.
///
/// O(n) for slices in order of their ends of which none cross: the place of each is then the number of slices that ended
/// before it began, plus the number of slices that contain it. O(n log n) otherwise.
pub(crate) fn by_begin<S: Slice>(slices: &[S]) -> Vec<usize> {
    nested(slices).unwrap_or_else(|| sorted(slices))
}

fn sorted<S: Slice>(slices: &[S]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..slices.len()).rev().collect();
    // A slice without an end counts as the longest.
    let end = |place: usize| slices[place].end().map_or((true, None), |end| (false, Some(end)));
    order.sort_by(|a, b| slices[*a].start().cmp(&slices[*b].start()).then_with(|| end(*b).cmp(&end(*a))));
    order
}

/// The O(n) case of [`by_begin`]. `None` if the slices are not in order of their ends, if two cross, or if an end is
/// unknown.
fn nested<S: Slice>(slices: &[S]) -> Option<Vec<usize>> {
    // For each slice, the index of the first slice within it, or its own.
    let mut firsts: Vec<usize> = Vec::with_capacity(slices.len());
    let mut outermost: Vec<usize> = Vec::new();
    let mut last = None;
    for (place, slice) in slices.iter().enumerate() {
        let (start, end) = (slice.start(), slice.end()?);
        if last.is_some_and(|last| end < last) || end < start {
            return None;
        }
        last = Some(end);
        let mut first = place;
        while let Some(inner) = outermost.pop_if(|inner| slices[*inner].start() >= start) {
            first = firsts[inner];
        }
        if outermost.last().is_some_and(|before| slices[*before].end() > Some(start)) {
            return None;
        }
        firsts.push(first);
        outermost.push(place);
    }
    let mut order = vec![0; slices.len()];
    // The `firsts` of the slices that contain the current one.
    let mut outer: Vec<usize> = outermost;
    outer.clear();
    for (place, first) in firsts.iter().copied().enumerate().rev() {
        while outer.pop_if(|first| *first > place).is_some() {}
        order[first + outer.len()] = place;
        outer.push(first);
    }
    Some(order)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A start, and an end if known.
    impl Slice for (u64, Option<u64>) {
        type Time = u64;

        fn extent(&self) -> (u64, Option<u64>) {
            (self.0, self.1)
        }
    }

    type Extent = (u64, Option<u64>);

    fn extents(unended: bool) -> impl Strategy<Value = Vec<Extent>> {
        let extent = (0u64..16, 0u64..8, any::<bool>())
            .prop_map(move |(start, len, ends)| (start, (ends || !unended).then_some(start + len)));
        prop::collection::vec(extent, 0..12)
    }

    /// The slices that a viewer draws: it drops a slice that crosses one drawn before.
    fn drawn(slices: &[Extent]) -> Vec<Extent> {
        let (mut nesting, mut kept) = (Nesting::default(), Vec::new());
        for slice in by_begin(slices).into_iter().map(|place| slices[place]) {
            nesting.close_all(slice.0);
            if !nesting.crosses(slice.1) {
                nesting.begin(slice);
                kept.push(slice);
            }
        }
        kept
    }

    #[test]
    fn nested_slices_are_ordered_without_sorting() {
        let ended = [(1, 2), (2, 3), (1, 3), (4, 4), (4, 5), (4, 5), (0, 6), (6, 6), (6, 7)];
        let ended = ended.map(|(start, end)| (start, Some(end)));
        let starts: Vec<u64> =
            nested(&ended).expect("it nests").iter().map(|place| ended[*place].0).collect();
        assert_eq!(starts, [0, 1, 1, 2, 4, 4, 4, 6, 6]);
    }

    #[test]
    fn touching_slices_are_siblings_and_endless_ones_contain_the_rest() {
        let mut nesting = Nesting::default();
        assert_eq!(nesting.begin((0, Some(10))), 0);
        nesting.close_all(10);
        assert_eq!(nesting.begin((10, None)), 0);
        nesting.close_all(90);
        assert!(!nesting.crosses(Some(95)));
        assert_eq!(nesting.begin((90, Some(95))), 1);
        assert_eq!((nesting.crosses(Some(96)), nesting.crosses(None)), (true, false));
        assert_eq!(nesting.endless(|_| true), Some(0));
        assert_eq!((nesting.remove(0), nesting.open()), ((10, None), &[(90, Some(95))][..]));
    }

    proptest! {
        #[test]
        fn by_begin_equals_sorting(mut slices in extents(true), by_end in any::<bool>()) {
            if by_end {
                slices.sort_by_key(|(start, end)| end.unwrap_or(start + 9));
            }
            let order = by_begin(&slices);
            prop_assert_eq!(&order, &sorted(&slices));
            let mut places = order.clone();
            places.sort_unstable();
            prop_assert_eq!(places, (0..slices.len()).collect::<Vec<_>>(), "each is there once");
            for pair in order.windows(2) {
                let ((a, a_end), (b, b_end)) = (slices[pair[0]], slices[pair[1]]);
                let outer_first = a == b && (a_end.is_none() || b_end.is_some_and(|end| a_end >= Some(end)));
                prop_assert!(a < b || outer_first);
                prop_assert!((a, a_end) != (b, b_end) || pair[0] > pair[1], "of equals, the later one");
            }
        }

        #[test]
        fn open_slices_enclose_the_present_and_nest(slices in extents(true)) {
            let mut nesting: Nesting<Extent> = Nesting::default();
            for slice in by_begin(&slices).into_iter().map(|place| slices[place]) {
                nesting.close_all(slice.0);
                let ends = nesting.open().iter().rev().map_while(|(_, end)| *end);
                // `ends` covers the slices inside the innermost one without an end.
                prop_assert!(ends.clone().all(|end| end > slice.0));
                prop_assert!(ends.is_sorted(), "the inner ones end first");
                prop_assert!(nesting.open().is_sorted_by_key(|(start, _)| *start));
                if !nesting.crosses(slice.1) {
                    let depth = nesting.begin(slice);
                    prop_assert_eq!(nesting.open().len(), depth + 1);
                }
            }
        }

        #[test]
        fn drawn_slices_nest_or_are_siblings(slices in extents(false)) {
            let kept = drawn(&slices);
            for (place, (_, outer)) in kept.iter().enumerate() {
                for (start, end) in &kept[place + 1..] {
                    prop_assert!(Some(*start) >= *outer || end <= outer, "{:?}", kept);
                }
            }
        }

        #[test]
        fn slices_that_nest_are_all_drawn(
            cuts in prop::collection::vec((0u64..40, 0u64..40), 0..30)
        ) {
            // Keep the slices that cross no earlier one.
            let mut nested: Vec<(u64, u64)> = Vec::new();
            for (start, end) in cuts.into_iter().map(|(a, b)| (a.min(b), a.max(b) + 1)) {
                let beside = |(from, to): &(u64, u64)| end <= *from || *to <= start;
                let within = |(from, to): &(u64, u64)| *from <= start && end <= *to || start <= *from && *to <= end;
                if nested.iter().all(|other| beside(other) || within(other)) {
                    nested.push((start, end));
                }
            }
            nested.sort_by_key(|(start, end)| (*end, std::cmp::Reverse(*start)));
            let slices: Vec<Extent> = nested.into_iter().map(|(start, end)| (start, Some(end))).collect();
            prop_assert!(super::nested(&slices).is_some());
            prop_assert_eq!(drawn(&slices).len(), slices.len());
        }
    }
}
