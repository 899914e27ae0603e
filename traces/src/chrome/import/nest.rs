//! Nesting of one thread's slices by the rules of Perfetto's trace processor, so that counts here match what Perfetto
//! shows.
//!
//! The rules (`slice_tracker.cc`): a slice is closed by anything that begins at its end or later; a begin without an
//! end stays open; an end closes the innermost open begin of its name and category; a complete slice that begins within
//! another and ends after it is dropped; anything deeper than 512 is dropped. Perfetto stacks instants at one time on each
//! other, and drops those beyond 512; here they do not count for the depth, because they have no extent.
//!
//! One rule differs, without an effect on the counts: where a slice that begins touches the end of another, Perfetto puts
//! it into a begin without an end within that other one. Here it lies beside both, because ends at that time come first,
//! so that the begin's own end is missing.

use crate::nesting::{self, Nesting};

/// Deepest nesting kept.
pub(super) const DEPTH_MAX: usize = 512;

/// Slices of all threads that can be open at once: about 250 MB.
const OPEN_MAX: usize = 1 << 21;

/// Deepest nesting kept, by the number of threads in the file.
pub(super) const fn depth_max(threads: usize) -> usize {
    let share = OPEN_MAX / if threads > 0 { threads } else { 1 };
    if share < DEPTH_MAX { share } else { DEPTH_MAX }
}

/// A slice whose begin has been read. Times are nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) start: i64,
    /// The duration; `None` until the end of the slice is known.
    pub(super) dur: Option<i64>,
    /// 0 means none.
    pub(super) name: u32,
    /// 0 means none.
    pub(super) category: u32,
    /// Data stored with the slice by the user of the stack.
    pub(super) extra: u64,
}

impl Slice {
    pub(super) fn end(&self) -> Option<i64> {
        self.dur.map(|dur| self.start.saturating_add(dur))
    }
}

impl nesting::Slice for Slice {
    type Time = i64;

    fn extent(&self) -> (i64, Option<i64>) {
        (self.start, Slice::end(self))
    }
}

/// The outcome of adding a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nested {
    /// The slice was added, at this depth.
    At(usize),
    /// The slice overlaps another without nesting.
    Overlaps,
    /// The slice is nested too deep.
    TooDeep,
}

/// What comes at a time at which slices end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closer {
    /// The begin of a slice with an extent.
    Begin,
    /// A slice without an extent: these can stack on each other.
    Point,
    /// An end, which may be that of a begin within a slice that ends at the same time.
    End,
}

impl Closer {
    /// The begin of a slice of this duration.
    fn begin(dur: Option<i64>) -> Self {
        if dur == Some(0) { Self::Point } else { Self::Begin }
    }
}

/// The open slices of one thread.
#[derive(Debug)]
pub(super) struct Nest {
    open: Nesting<Slice>,
    depth_max: usize,
    /// Ends out of order: slices cut at the end of the one around them.
    pub(super) cut: u64,
}

impl Default for Nest {
    fn default() -> Self {
        Self::with_depth(DEPTH_MAX)
    }
}

impl Nest {
    /// Keeps nothing deeper than `depth_max`.
    pub(super) fn with_depth(depth_max: usize) -> Self {
        Self { open: Nesting::default(), depth_max, cut: 0 }
    }

    /// The open slices, outermost first.
    pub(super) fn open(&self) -> &[Slice] {
        self.open.open()
    }

    /// Begins a slice. `closed` receives those that are over, with their depth, innermost first.
    pub(super) fn begin(&mut self, slice: Slice, closed: &mut impl FnMut(Slice, usize)) -> Nested {
        self.close(slice.start, Closer::begin(slice.dur), closed);
        if self.open.crosses(slice.end()) {
            Nested::Overlaps
        } else if self.open().len() >= self.depth_max {
            Nested::TooDeep
        } else {
            Nested::At(self.open.begin(slice))
        }
    }

    /// Takes an instant and closes it at once, so that any number of them can share a time.
    pub(super) fn instant(&mut self, slice: Slice, closed: &mut impl FnMut(Slice, usize)) {
        self.close(slice.start, Closer::Point, closed);
        closed(slice, self.open().len());
    }

    /// Takes an end. `false` if it fits no open slice.
    pub(super) fn end(
        &mut self,
        at: i64,
        name: u32,
        category: u32,
        closed: &mut impl FnMut(Slice, usize),
    ) -> bool {
        self.close(at, Closer::End, closed);
        let fits = |open: &Slice| {
            (category == 0 || open.category == category) && (name == 0 || open.name == 0 || open.name == name)
        };
        let Some(place) = self.open.endless(fits) else { return false };
        let ended = &mut self.open.open_mut()[place];
        ended.dur = Some(at.saturating_sub(ended.start));
        if place + 1 == self.open().len() {
            self.pop(closed);
        }
        true
    }

    /// Ends the trace at `at`: `closed` also learns whether the slice's own end was seen. Returns how many had none.
    pub(super) fn finish(&mut self, at: i64, closed: &mut impl FnMut(Slice, usize, bool)) -> u64 {
        let mut unfinished = 0;
        while let Some(open) = self.open.open_mut().last_mut() {
            let has_end = open.dur.is_some();
            if !has_end {
                unfinished += 1;
                open.dur = Some(at.saturating_sub(open.start).max(0));
            }
            self.pop(&mut |slice, depth| closed(slice, depth, has_end));
        }
        unfinished
    }

    fn pop(&mut self, closed: &mut impl FnMut(Slice, usize)) {
        let Some(mut slice) = self.open.pop() else { return };
        // An end that comes too early leaves children longer than the slice around them.
        if let Some((end, enclosing)) = slice.end().zip(self.open.innermost().and_then(Slice::end))
            && end > enclosing
            && enclosing >= slice.start
        {
            slice.dur = Some(enclosing - slice.start);
        }
        closed(slice, self.open().len());
    }

    /// Closes what is over at `at`, and with it what lies within it.
    fn close(&mut self, at: i64, by: Closer, closed: &mut impl FnMut(Slice, usize)) {
        while let Some((depth, end, is_cut)) = self.innermost_over(at, by) {
            self.cut += u64::from(is_cut);
            for inner in self.open.open_mut()[depth + 1..].iter_mut().filter(|_| is_cut) {
                inner.dur = Some(end.saturating_sub(inner.start));
            }
            while self.open().len() > depth {
                self.pop(closed);
            }
        }
    }

    /// The innermost slice that is over: its depth, its end, and whether it cuts others that have not ended.
    fn innermost_over(&self, at: i64, by: Closer) -> Option<(usize, i64, bool)> {
        let mut cuts = false;
        for (depth, slice) in self.open().iter().enumerate().rev() {
            let Some(end) = slice.end() else {
                cuts = true;
                continue;
            };
            let stays = match by {
                Closer::Begin => false,
                Closer::Point => slice.dur == Some(0),
                Closer::End => cuts,
            };
            if end < at || end == at && !stays {
                return Some((depth, end, cuts));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(start: i64, dur: Option<i64>) -> Slice {
        Slice { start, dur, name: 0, category: 0, extra: 0 }
    }

    fn begin(nest: &mut Nest, start: i64, dur: Option<i64>) -> Nested {
        nest.begin(slice(start, dur), &mut |_, _| {})
    }

    #[test]
    fn what_touches_does_not_overlap() {
        let mut nest = Nest::default();
        assert_eq!(begin(&mut nest, 0, Some(10)), Nested::At(0));
        assert_eq!(begin(&mut nest, 0, Some(5)), Nested::At(1));
        assert_eq!(begin(&mut nest, 5, Some(5)), Nested::At(1));
        assert_eq!(begin(&mut nest, 7, Some(5)), Nested::Overlaps);
        assert_eq!(begin(&mut nest, 10, Some(5)), Nested::At(0));
    }

    #[test]
    fn what_touches_a_slice_does_not_lie_in_its_unclosed_parts() {
        let (mut nest, mut seen) = (Nest::default(), Vec::new());
        let mut closed = |slice: Slice, depth| seen.push((slice.start, slice.end(), depth));
        assert_eq!(begin(&mut nest, 0, Some(10)), Nested::At(0));
        assert_eq!(begin(&mut nest, 5, None), Nested::At(1));
        assert_eq!(nest.begin(slice(10, Some(50)), &mut closed), Nested::At(0));
        assert_eq!((nest.cut, nest.begin(slice(20, None), &mut closed)), (1, Nested::At(1)));
        // Its own end comes first.
        assert!(nest.end(60, 0, 0, &mut closed));
        assert_eq!((nest.cut, nest.begin(slice(60, None), &mut closed)), (1, Nested::At(0)));
        assert_eq!(seen, [(5, Some(10), 1), (0, Some(10), 0), (20, Some(60), 1), (10, Some(60), 0)]);
    }

    #[test]
    fn an_end_closes_the_innermost_of_its_name() {
        let (mut nest, mut seen) = (Nest::default(), Vec::new());
        for (start, name) in [(0, 1), (1, 2)] {
            nest.begin(Slice { name, ..slice(start, None) }, &mut |_, _| {});
        }
        let mut closed = |slice: Slice, depth| seen.push((slice.name, slice.start, slice.end(), depth));
        assert!(!nest.end(3, 3, 0, &mut closed), "nothing of that name is open");
        // The outer one ends first, and the inner one with it.
        assert!(nest.end(4, 1, 0, &mut closed));
        nest.begin(slice(9, None), &mut closed);
        let unfinished = nest.finish(12, &mut |slice, depth, has_end| {
            assert!(!has_end);
            closed(slice, depth);
        });
        assert_eq!((nest.cut, unfinished), (1, 1));
        assert_eq!(seen, [(2, 1, Some(4), 1), (1, 0, Some(4), 0), (0, 9, Some(12), 0)]);
    }

    #[test]
    fn what_is_longer_than_the_slice_around_it_ends_with_it() {
        let (mut nest, mut seen) = (Nest::default(), Vec::new());
        begin(&mut nest, 0, None);
        begin(&mut nest, 5, Some(15));
        let mut closed = |slice: Slice, depth| seen.push((slice.start, slice.end(), depth));
        assert!(nest.end(10, 0, 0, &mut closed));
        assert_eq!(nest.begin(slice(10, Some(3)), &mut closed), Nested::At(0));
        assert_eq!((seen, nest.cut), (vec![(5, Some(10), 1), (0, Some(10), 0)], 0));
    }

    #[test]
    fn many_threads_share_what_can_be_open() {
        assert_eq!([1, 4096, 4097, 1 << 20].map(depth_max), [512, 512, 511, 2]);
        let mut nest = Nest::with_depth(2);
        assert_eq!(
            [0, 0, 0].map(|at| begin(&mut nest, at, None)),
            [Nested::At(0), Nested::At(1), Nested::TooDeep]
        );
    }

    #[test]
    fn instants_take_no_depth() {
        let mut nest = Nest::with_depth(2);
        assert_eq!([0, 0].map(|start| begin(&mut nest, start, Some(10))), [Nested::At(0), Nested::At(1)]);
        let mut depths = Vec::new();
        (0..600).for_each(|_| nest.instant(slice(5, Some(0)), &mut |_, depth| depths.push(depth)));
        assert_eq!(depths, [2; 600]);
        // It ends what is over by then.
        nest.instant(slice(10, Some(0)), &mut |_, depth| depths.push(depth));
        assert_eq!(depths[600..], [1, 0, 0]);
    }

    #[test]
    fn depth_has_a_limit() {
        let mut nest = Nest::default();
        for _ in 0..DEPTH_MAX {
            begin(&mut nest, 0, None);
        }
        assert_eq!(begin(&mut nest, 1, None), Nested::TooDeep);
    }
}
