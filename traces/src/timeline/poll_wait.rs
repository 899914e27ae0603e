//! The time that a loop spent in its own polls: the union of all of them. A poll within a callback belongs to the callback
//! and does not count.

use loop_probes::ids::Timestamp;

/// The union of a loop's own polls so far. Exact for spans in the order of their ends, up to [`POLLS_MAX`] separate polls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PollWait {
    /// Nothing earlier counts.
    from: Timestamp,
    /// None lies within another, so they are sorted by start as well as by end.
    polls: Vec<Polled>,
    /// The last callback: of those that ended together, the one that began first.
    last_run: (Timestamp, Timestamp),
}

/// One poll, or several with what lies between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Polled {
    start: Timestamp,
    end: Timestamp,
    between_ns: u64,
}

/// Polls kept apart; beyond that, pairs of the older half are merged.
const POLLS_MAX: usize = 1024;

impl PollWait {
    /// Starts at `from`: nothing earlier counts.
    pub(crate) fn since(from: Timestamp) -> Self {
        Self { from, ..Self::default() }
    }

    /// Like [`since`](Self::since), reusing the memory.
    pub(super) fn reset(&mut self, from: Timestamp) {
        (self.from, self.last_run) = (from, Default::default());
        self.polls.clear();
    }

    /// A poll is over, or has lasted until `end`.
    pub(crate) fn add(&mut self, start: Timestamp, end: Timestamp) {
        let (run_start, run_end) = self.last_run;
        if start >= end || start >= run_start && end <= run_end {
            return;
        }
        let place = self.polls.partition_point(|poll| poll.start < start);
        let before = place.checked_sub(1).map(|before| self.polls[before]);
        let is_within = |other: Polled| other.start <= start && end <= other.end;
        if before.is_some_and(is_within) || self.polls.get(place).copied().is_some_and(is_within) {
            return;
        }
        let within = self.polls[place..].iter().take_while(|poll| poll.end <= end).count();
        self.polls.splice(place..place + within, [Polled { start, end, between_ns: 0 }]);
        if self.polls.len() > POLLS_MAX {
            self.merge_older();
        }
    }

    /// A callback is over: the polls within it belong to it.
    #[inline]
    pub(crate) fn ran(&mut self, start: Timestamp, end: Timestamp) {
        if (end, self.last_run.0) > (self.last_run.1, start) {
            self.last_run = (start, end);
        }
        if self.polls.last().is_some_and(|poll| poll.start >= start) {
            let first = self.polls.partition_point(|poll| poll.start < start);
            let within = self.polls[first..].iter().take_while(|poll| poll.end <= end).count();
            self.polls.drain(first..first + within);
        }
    }

    /// A callback that began at `start` is still running.
    pub(crate) fn running(&mut self, start: Timestamp) {
        self.ran(start, Timestamp(u64::MAX));
    }

    /// The polls: start, end, and how much of that was not poll. They do not overlap.
    pub(crate) fn extents(&self) -> impl Iterator<Item = (Timestamp, Timestamp, u64)> + Clone + '_ {
        let clipped = self.polls.iter().scan(self.from, |until, poll| {
            let start = poll.start.max(*until);
            *until = poll.end.max(*until);
            Some((start, poll.end, poll.between_ns))
        });
        clipped.filter(|(start, end, _)| start < end)
    }

    /// The time in polls up to `end`.
    pub(crate) fn wait_ns(&self, end: Timestamp) -> u64 {
        let waits = self.extents().map(|(start, poll_end, between_ns)| {
            poll_end.min(end).ns_since(start).saturating_sub(between_ns)
        });
        waits.fold(0, u64::saturating_add)
    }

    #[cold]
    fn merge_older(&mut self) {
        let newer = self.polls.split_off(POLLS_MAX / 2);
        let pairs = self.polls.chunks(2).map(|pair| match *pair {
            [first, second] => Polled {
                start: first.start,
                end: second.end,
                between_ns: first.between_ns + second.between_ns + second.start.ns_since(first.end),
            },
            _ => pair[0],
        });
        self.polls = pairs.chain(newer).collect();
    }
}

#[cfg(test)]
mod tests;
