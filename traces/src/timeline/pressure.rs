//! Pressure: contention for processors while the recorder sampled it.

use loop_probes::ids::Timestamp;

use super::baseline::Figures;

/// The kernel's counts, summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pressure {
    /// The time covered by the counts; 0 if none were sampled.
    pub observed_ns: u64,
    /// Time in which any task of the machine waited for a processor; `None` unless the kernel reported it throughout.
    pub waited_ns: Option<u64>,
    /// Time the hypervisor ran something else, summed over all processors.
    pub stolen_ns: Option<u64>,
    /// Time threads of the process waited for a processor, summed.
    pub delayed_ns: Option<u64>,
}

impl Pressure {
    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        let Self { observed_ns, waited_ns, stolen_ns, delayed_ns } = self;
        by.count(observed_ns);
        [waited_ns, stolen_ns, delayed_ns].into_iter().for_each(|ns| by.known_count(ns));
    }

    /// Adds one sample of the kernel's counts from `start` to `end`: waited, stolen, delayed.
    pub(crate) fn add(&mut self, start: Timestamp, end: Timestamp, counted: [Option<u64>; 3]) {
        let is_first = self.observed_ns == 0;
        self.observed_ns = self.observed_ns.saturating_add(end.ns_since(start));
        let sums = [&mut self.waited_ns, &mut self.stolen_ns, &mut self.delayed_ns];
        for (sum, more) in sums.into_iter().zip(counted) {
            let so_far = if is_first { Some(0) } else { *sum };
            *sum = so_far.zip(more).map(|(sum, more): (u64, u64)| sum.saturating_add(more));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_missing_from_any_sample_is_unknown() {
        let mut pressure = Pressure::default();
        pressure.add(Timestamp(0), Timestamp(10), [Some(3), None, Some(1)]);
        pressure.add(Timestamp(10), Timestamp(30), [Some(4), Some(5), None]);
        let expected = Pressure { observed_ns: 30, waited_ns: Some(7), stolen_ns: None, delayed_ns: None };
        assert_eq!(pressure, expected);
    }
}
