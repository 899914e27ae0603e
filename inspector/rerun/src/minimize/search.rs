//! The search: decides which part of a recording to try next. Pure: the caller runs the tries.
//!
//! ```text
//! all ──▶ its end ──▶ its begin ──▶ tags ──▶ arrivals ──▶ the same again, until nothing goes any more
//!         bisection over ticks      delta debugging
//! ```
//!
//! From coarse to fine: each halving of the window saves the re-execution of everything outside it, and only what is
//! left is examined item by item.

use std::collections::BTreeSet;

use super::ddmin::{ddmin, largest, smallest};
use crate::Filter;

/// The cuttable parts of a recording. Times are nanoseconds after the beginning of the re-executed stretch.
#[derive(Clone, Debug, Default)]
pub(super) struct CuttableParts {
    /// Positions of possible cuts, ascending: the starts of its ticks, and its end.
    pub(super) cuts_ns: Vec<u64>,
    /// The names of its tags.
    pub(super) tags: BTreeSet<String>,
    /// The times of its arrivals, in order.
    pub(super) arrivals_ns: Vec<u64>,
}

/// What is being reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// The beginning and the end.
    Window,
    /// Whole tags.
    Tags,
    /// Single arrivals.
    Arrivals,
}

impl Reduction {
    /// The name for display.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Window => "time window",
            Self::Tags => "tags",
            Self::Arrivals => "arrivals",
        }
    }
}

/// A part of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The beginning of the window, in nanoseconds.
    pub(super) from_ns: u64,
    /// The end of the window, in nanoseconds.
    pub(super) to_ns: u64,
    /// The tags kept; callbacks of others never happen.
    pub(super) tags: BTreeSet<String>,
    /// The numbers of the arrivals kept, all of them within the window.
    pub(super) arrivals: BTreeSet<usize>,
}

impl Part {
    /// The part that keeps the whole recording.
    pub(super) fn all(whole: &CuttableParts) -> Self {
        Self {
            from_ns: 0,
            to_ns: whole.cuts_ns.last().copied().unwrap_or_default(),
            tags: whole.tags.clone(),
            arrivals: (0..whole.arrivals_ns.len()).collect(),
        }
    }

    /// This part, restricted to another window.
    fn within(&self, whole: &CuttableParts, from_ns: u64, to_ns: u64) -> Self {
        let inside = |arrival: &&usize| (from_ns..=to_ns).contains(&whole.arrivals_ns[**arrival]);
        let arrivals = self.arrivals.iter().filter(inside).copied().collect();
        Self { from_ns, to_ns, tags: self.tags.clone(), arrivals }
    }

    /// The filter for its re-execution.
    pub(super) fn filter(&self) -> Filter {
        Filter {
            window_ns: Some((self.from_ns, self.to_ns)),
            tags: Some(self.tags.clone()),
            arrivals: Some(self.arrivals.clone()),
        }
    }
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SearchResult {
    /// The smallest part that still passes.
    pub(super) part: Part,
    /// Whether nothing more can be removed on its own: no tick at either end, no tag, no arrival. If false, the tries
    /// ran out.
    pub(super) is_minimal: bool,
}

/// Finds a small part of `whole` that still passes, as all of it does; `does_it` returns `None` if there are no more
/// tries.
pub(super) fn search(
    whole: &CuttableParts,
    does_it: &mut impl FnMut(Reduction, &Part) -> Option<bool>,
) -> SearchResult {
    let mut part = Part::all(whole);
    let is_minimal = loop {
        let before = part.clone();
        if reduce(whole, &mut part, does_it).is_none() {
            break false;
        }
        if part == before {
            break true;
        }
    };
    SearchResult { part, is_minimal }
}

/// Returns `None` if the tries ran out; `part` is the smallest so far in any case.
fn reduce(
    whole: &CuttableParts,
    part: &mut Part,
    does_it: &mut impl FnMut(Reduction, &Part) -> Option<bool>,
) -> Option<()> {
    narrow(whole, part, does_it)?;
    let tags: Vec<String> = part.tags.iter().cloned().collect();
    let kept = ddmin(&tags, &mut |tags| {
        does_it(Reduction::Tags, &Part { tags: tags.iter().cloned().collect(), ..part.clone() })
    });
    part.tags = kept.items.into_iter().collect();
    kept.is_minimal.then_some(())?;
    let arrivals: Vec<usize> = part.arrivals.iter().copied().collect();
    let kept = ddmin(&arrivals, &mut |arrivals| {
        does_it(Reduction::Arrivals, &Part { arrivals: arrivals.iter().copied().collect(), ..part.clone() })
    });
    part.arrivals = kept.items.into_iter().collect();
    kept.is_minimal.then_some(())
}

/// Narrows the window, its end first: what comes after it costs most.
fn narrow(
    whole: &CuttableParts,
    part: &mut Part,
    does_it: &mut impl FnMut(Reduction, &Part) -> Option<bool>,
) -> Option<()> {
    let Some(last) = whole.cuts_ns.len().checked_sub(1) else { return Some(()) };
    let cut_at = |ns: u64| whole.cuts_ns.partition_point(|cut| *cut < ns).min(last);
    let mut ran_out = false;
    let mut tried = |part: &Part| {
        let answer = does_it(Reduction::Window, part);
        ran_out |= answer.is_none();
        answer
    };
    let (from, to) = (cut_at(part.from_ns), cut_at(part.to_ns));
    let end = smallest(from, to, &mut |end| tried(&part.within(whole, part.from_ns, whole.cuts_ns[end])));
    *part = part.within(whole, part.from_ns, if end == to { part.to_ns } else { whole.cuts_ns[end] });
    let begin = largest(from, end, &mut |begin| tried(&part.within(whole, whole.cuts_ns[begin], part.to_ns)));
    *part = part.within(whole, if begin == from { part.from_ns } else { whole.cuts_ns[begin] }, part.to_ns);
    (!ran_out).then_some(())
}

#[cfg(test)]
mod tests;
