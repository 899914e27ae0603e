//! `Peak`: a maximum, of everything and of the time since the last mark.

/// The largest value so far. It also keeps the largest since the last baseline, so that windows of time have
/// exact maxima.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peak {
    before: u64,
    recent: u64,
}

impl PartialEq for Peak {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Peak {}

impl Peak {
    /// Takes in one more value.
    #[inline]
    pub(crate) fn reach(&mut self, value: u64) {
        self.recent = self.recent.max(value);
    }

    /// The largest of all values; 0 without any.
    #[inline]
    #[must_use]
    pub fn get(self) -> u64 {
        self.before.max(self.recent)
    }

    /// The largest value since the last mark. What follows counts for the next one.
    pub(crate) fn mark(&mut self) -> u64 {
        self.before = self.get();
        std::mem::take(&mut self.recent)
    }

    /// The largest of the values since the last mark and of the `later` marks'.
    pub(crate) fn since(self, later: impl Iterator<Item = u64>) -> Self {
        Self { before: 0, recent: later.fold(self.recent, u64::max) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_of_all_and_of_each_slice_are_known() {
        let mut peak = Peak::default();
        peak.reach(7);
        assert_eq!((peak.mark(), peak.get()), (7, 7));
        peak.reach(3);
        assert_eq!(peak.since([].into_iter()).get(), 3);
        assert_eq!((peak.mark(), peak.get()), (3, 7));
        assert_eq!(peak.since([3].into_iter()).get(), 3);
        assert_eq!(peak.since([].into_iter()).get(), 0);
    }
}
