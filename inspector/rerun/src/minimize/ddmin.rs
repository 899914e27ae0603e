//! Delta debugging: reduces a list to a minimal one that still passes a test. Pure and generic.
//!
//! Zeller and Hildebrandt, *Simplifying and isolating failure-inducing input* (IEEE Transactions on Software
//! Engineering 28/2, 2002). A list is cut into chunks; one chunk alone, or all but one, is tried, and what still passes
//! is cut further. The result is *1-minimal*: it passes, and does not without any one of its items. It need not be the
//! smallest list of all, which would take exponentially many tries, but no single item is superfluous.
//!
//! A test may return `None`: no more tries. Then the result is the smallest list so far, marked as not minimal.

/// The result of a reduction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reduced<T> {
    /// The smallest list found that passes.
    pub(super) items: Vec<T>,
    /// Whether no single item can be removed: all were tried.
    pub(super) is_minimal: bool,
}

/// Reduces `items`, which pass, for as long as `does_it` has tries. Takes at most n² + 3n + 1 tries for n items.
pub(super) fn ddmin<T: Clone>(items: &[T], does_it: &mut impl FnMut(&[T]) -> Option<bool>) -> Reduced<T> {
    let mut items = items.to_vec();
    let is_minimal = shrink(&mut items, does_it).is_some();
    Reduced { items, is_minimal }
}

/// Returns `None` if the tries ran out.
fn shrink<T: Clone>(items: &mut Vec<T>, does_it: &mut impl FnMut(&[T]) -> Option<bool>) -> Option<()> {
    if items.is_empty() {
        return Some(());
    }
    if does_it(&[])? {
        items.clear();
        return Some(());
    }
    let mut chunks = 2;
    while items.len() > 1 {
        chunks = chunks.min(items.len());
        if let Some(chunk) = one_alone(items, chunks, does_it)? {
            *items = chunk;
            chunks = 2;
        } else if let Some(rest) = all_but_one(items, chunks, does_it)? {
            *items = rest;
            chunks = (chunks - 1).max(2);
        } else if chunks == items.len() {
            break;
        } else {
            chunks *= 2;
        }
    }
    Some(())
}

/// The first chunk that passes alone.
fn one_alone<T: Clone>(
    items: &[T],
    chunks: usize,
    does_it: &mut impl FnMut(&[T]) -> Option<bool>,
) -> Option<Option<Vec<T>>> {
    for chunk in 0..chunks {
        let (from, to) = bounds(items.len(), chunks, chunk);
        if does_it(&items[from..to])? {
            return Some(Some(items[from..to].to_vec()));
        }
    }
    Some(None)
}

/// The first list that passes with one chunk removed. Of two chunks, each is the complement of the other: already
/// tried.
fn all_but_one<T: Clone>(
    items: &[T],
    chunks: usize,
    does_it: &mut impl FnMut(&[T]) -> Option<bool>,
) -> Option<Option<Vec<T>>> {
    if chunks == 2 {
        return Some(None);
    }
    for chunk in 0..chunks {
        let (from, to) = bounds(items.len(), chunks, chunk);
        let rest: Vec<T> = items[..from].iter().chain(&items[to..]).cloned().collect();
        if does_it(&rest)? {
            return Some(Some(rest));
        }
    }
    Some(None)
}

/// The bounds of a chunk: all have the same length, give or take one.
const fn bounds(items: usize, chunks: usize, chunk: usize) -> (usize, usize) {
    (items * chunk / chunks, items * (chunk + 1) / chunks)
}

/// The smallest `at` in `low..=high` for which `does_it`, provided that all above it pass too; `high` passes. If the
/// test is not monotone: one that passes and whose lower neighbour does not. When tries run out: the smallest known to
/// pass.
pub(super) fn smallest(low: usize, high: usize, does_it: &mut impl FnMut(usize) -> Option<bool>) -> usize {
    let (mut low, mut high) = (low, high);
    while low < high {
        let middle = low + (high - low) / 2;
        match does_it(middle) {
            Some(true) => high = middle,
            Some(false) => low = middle + 1,
            None => break,
        }
    }
    high
}

/// The largest one, searching downwards from `low`, which passes.
pub(super) fn largest(low: usize, high: usize, does_it: &mut impl FnMut(usize) -> Option<bool>) -> usize {
    high - smallest(0, high - low, &mut |back| does_it(high - back))
}

#[cfg(test)]
mod tests;
