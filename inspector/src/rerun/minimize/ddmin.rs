//! Delta debugging: a smallest list that still does it, pure and generic.
//!
//! Zeller and Hildebrandt, *Simplifying and isolating failure-inducing input* (IEEE Transactions on Software
//! Engineering 28/2, 2002). A list is cut into chunks; one chunk alone, or all but one, is tried; what still does it
//! is cut on. The result is *1-minimal*: it still does it, and does not without any one of its items. That is not
//! the smallest list of all, which would take exponentially many tries; it is where no single thing is superfluous.
//!
//! A try may say `None`: no more tries. Then the smallest list so far is the result, and says that it is not final.

/// What is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduced<T> {
    /// The smallest list that was found to do it.
    pub items: Vec<T>,
    /// No single one of them can go: every one was tried.
    pub is_minimal: bool,
}

/// Reduces `items`, which do it, as long as `does_it` has tries. At most n² + 3n + 1 tries for n items.
pub fn ddmin<T: Clone>(items: &[T], does_it: &mut impl FnMut(&[T]) -> Option<bool>) -> Reduced<T> {
    let mut items = items.to_vec();
    let is_minimal = shrink(&mut items, does_it).is_some();
    Reduced { items, is_minimal }
}

/// `None` where the tries ran out.
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

/// The first chunk that does it alone.
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

/// The first list that does it with one chunk missing. Of two chunks, each is the other's rest: those were tried.
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

/// Where a chunk lies: all have the same length, give or take one.
const fn bounds(items: usize, chunks: usize, chunk: usize) -> (usize, usize) {
    (items * chunk / chunks, items * (chunk + 1) / chunks)
}

/// The smallest `at` in `low..=high` for which `does_it`, where all above it do it too; `high` does it. Where it is
/// not so regular: one that does it, and whose neighbour below does not. Without tries: the smallest known to do it.
pub fn smallest(low: usize, high: usize, does_it: &mut impl FnMut(usize) -> Option<bool>) -> usize {
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

/// The largest such, downwards from `low`, which does it.
pub fn largest(low: usize, high: usize, does_it: &mut impl FnMut(usize) -> Option<bool>) -> usize {
    high - smallest(0, high - low, &mut |back| does_it(high - back))
}

#[cfg(test)]
mod tests;
