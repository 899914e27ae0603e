//! The virtual heap: it grows by what the callbacks allocated, and a collection leaves the recorded share.

use super::super::cost::Collection;
use super::World;

impl World {
    pub(super) fn heap_size(&self) -> u64 {
        u64::try_from(self.heap.get()).unwrap_or(0)
    }

    pub(super) fn collect_heap(&self) {
        self.begin();
        let (before, now_ns) = (self.heap_size(), self.now_ns());
        let (freed, run_ns) = match self.nearest_collection(now_ns) {
            Some(recorded) => freed(recorded, before),
            None => (0, 0),
        };
        self.advance_to(now_ns.saturating_add(run_ns));
        self.heap.set(i64::try_from(before.saturating_sub(freed)).unwrap_or(i64::MAX));
        self.end();
    }

    /// The recorded collection nearest in time.
    fn nearest_collection(&self, now_ns: u64) -> Option<&Collection> {
        let all = &self.script.costs.collections;
        let mut next = self.collected.get();
        while all.get(next).is_some_and(|collection| collection.at_ns < now_ns) {
            next += 1;
        }
        self.collected.set(next);
        let near = [next.checked_sub(1), Some(next)].into_iter().flatten().filter_map(|place| all.get(place));
        near.min_by_key(|collection| collection.at_ns.abs_diff(now_ns))
    }
}

/// What a collection of a heap of `before` bytes frees and costs, modelled on the recorded one: the same share of the
/// heap, at the same cost per byte. If the recorded one freed nothing, its cost is used as it is.
fn freed(recorded: &Collection, before: u64) -> (u64, u64) {
    let recorded_freed = recorded.before.saturating_sub(recorded.after);
    let share = |of: u64, part: u64, whole: u64| {
        u64::try_from(u128::from(of) * u128::from(part) / u128::from(whole.max(1))).unwrap_or(u64::MAX)
    };
    let freed = share(before, recorded_freed, recorded.before);
    let run_ns =
        if recorded_freed == 0 { recorded.run_ns } else { share(recorded.run_ns, freed, recorded_freed) };
    (freed, run_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_frees_the_recorded_share_at_the_recorded_cost_a_byte() {
        let recorded = Collection { at_ns: 0, run_ns: 1_000, before: 800, after: 200 };
        assert_eq!(freed(&recorded, 800), (600, 1_000));
        assert_eq!(freed(&recorded, 400), (300, 500));
        assert_eq!(freed(&recorded, 0), (0, 0));
        let idle = Collection { after: 800, ..recorded };
        assert_eq!(freed(&idle, 400), (0, 1_000));
    }
}
