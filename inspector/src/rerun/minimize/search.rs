//! The search: which part of a recording to try next. Pure: what a part does is asked of the caller.
//!
//! ```text
//! all ──▶ its end ──▶ its begin ──▶ tags ──▶ arrivals ──▶ the same again, until nothing goes any more
//!         bisection over ticks      delta debugging
//! ```
//!
//! From the coarse to the fine: each halving of the window saves the re-execution of everything outside it, and only
//! what is left is looked at one by one.

use std::collections::BTreeSet;

use super::ddmin::{ddmin, largest, smallest};
use crate::rerun::Filter;

/// What a recording can be cut into. Times are nanoseconds after the beginning of the stretch that is executed again.
#[derive(Clone, Debug, Default)]
pub struct Whole {
    /// Where it can be cut, ascending: the starts of its ticks, and its end.
    pub cuts_ns: Vec<u64>,
    /// The names of its tags.
    pub tags: BTreeSet<String>,
    /// When each of its arrivals came, in their order.
    pub arrivals_ns: Vec<u64>,
}

/// What is being narrowed down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// When it begins and ends.
    Window,
    /// Whole tags.
    Tags,
    /// Single arrivals.
    Arrivals,
}

impl Stage {
    /// For people.
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
pub struct Part {
    /// What comes before is left out, in nanoseconds.
    pub from_ns: u64,
    /// What comes later is left out, in nanoseconds.
    pub to_ns: u64,
    /// The tags that are left; what is of another never happens.
    pub tags: BTreeSet<String>,
    /// The numbers of the arrivals that are left; those outside the window are not among them.
    pub arrivals: BTreeSet<usize>,
}

impl Part {
    /// All of it.
    #[must_use]
    pub fn all(whole: &Whole) -> Self {
        Self {
            from_ns: 0,
            to_ns: whole.cuts_ns.last().copied().unwrap_or_default(),
            tags: whole.tags.clone(),
            arrivals: (0..whole.arrivals_ns.len()).collect(),
        }
    }

    /// The same in another window.
    fn within(&self, whole: &Whole, from_ns: u64, to_ns: u64) -> Self {
        let inside = |arrival: &&usize| (from_ns..=to_ns).contains(&whole.arrivals_ns[**arrival]);
        let arrivals = self.arrivals.iter().filter(inside).copied().collect();
        Self { from_ns, to_ns, tags: self.tags.clone(), arrivals }
    }

    /// What a re-execution is told.
    #[must_use]
    pub fn filter(&self) -> Filter {
        Filter {
            window_ns: Some((self.from_ns, self.to_ns)),
            tags: Some(self.tags.clone()),
            arrivals: Some(self.arrivals.clone()),
        }
    }
}

/// What the search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The smallest part that still does it.
    pub part: Part,
    /// Nothing single can go any more: no tick at either end, no tag, no arrival. Otherwise the tries ran out.
    pub is_minimal: bool,
}

/// Finds a small part of `whole` that does what all of it does; `does_it` says `None` where there are no more tries.
pub fn search(whole: &Whole, does_it: &mut impl FnMut(Stage, &Part) -> Option<bool>) -> Found {
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
    Found { part, is_minimal }
}

/// `None` where the tries ran out; `part` is the smallest so far in any case.
fn reduce(
    whole: &Whole,
    part: &mut Part,
    does_it: &mut impl FnMut(Stage, &Part) -> Option<bool>,
) -> Option<()> {
    narrow(whole, part, does_it)?;
    let tags: Vec<String> = part.tags.iter().cloned().collect();
    let kept = ddmin(&tags, &mut |tags| {
        does_it(Stage::Tags, &Part { tags: tags.iter().cloned().collect(), ..part.clone() })
    });
    part.tags = kept.items.into_iter().collect();
    kept.is_minimal.then_some(())?;
    let arrivals: Vec<usize> = part.arrivals.iter().copied().collect();
    let kept = ddmin(&arrivals, &mut |arrivals| {
        does_it(Stage::Arrivals, &Part { arrivals: arrivals.iter().copied().collect(), ..part.clone() })
    });
    part.arrivals = kept.items.into_iter().collect();
    kept.is_minimal.then_some(())
}

/// The window, first its end: what comes behind it costs most.
fn narrow(
    whole: &Whole,
    part: &mut Part,
    does_it: &mut impl FnMut(Stage, &Part) -> Option<bool>,
) -> Option<()> {
    let Some(last) = whole.cuts_ns.len().checked_sub(1) else { return Some(()) };
    let cut_at = |ns: u64| whole.cuts_ns.partition_point(|cut| *cut < ns).min(last);
    let mut ran_out = false;
    let mut tried = |part: &Part| {
        let told = does_it(Stage::Window, part);
        ran_out |= told.is_none();
        told
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
