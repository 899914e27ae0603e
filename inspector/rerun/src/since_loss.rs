//! What was read since the last loss of records: the state of a loop is known again only from the next snapshot on.

use loop_probes::event::Event;
use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;

/// A value read since the last loss. A loss that nothing follows is the end of a recording: everything before it is
/// complete except for its end, so the value from before it is kept until an event follows.
#[derive(Clone, Debug)]
pub(super) struct SinceLoss<T> {
    read: Option<T>,
    before_end: Option<T>,
    last_at: Timestamp,
}

impl<T> Default for SinceLoss<T> {
    fn default() -> Self {
        Self { read: None, before_end: None, last_at: Timestamp(0) }
    }
}

impl<T> SinceLoss<T> {
    /// Takes note of an event, before the event itself is read. Returns whether it dropped a value.
    pub(super) fn see(&mut self, stamped: &Stamped) -> bool {
        let is_dropped = match stamped.event {
            Event::Label { .. } => return false,
            Event::Lost { from, .. } => {
                let had_any = self.has_any();
                self.before_end = self.read.take().or_else(|| self.before_end.take());
                // The lost records precede an event that was read: they are not the end.
                self.before_end.take_if(|_| from < self.last_at);
                had_any && !self.has_any()
            }
            _ => self.before_end.take().is_some(),
        };
        self.last_at = stamped.at;
        is_dropped
    }

    /// The value read since the last loss.
    pub(super) const fn read(&mut self) -> &mut Option<T> {
        &mut self.read
    }

    /// All values that it holds: at most one, except while an event is read.
    pub(super) fn kept(&self) -> impl Iterator<Item = &T> {
        self.read.iter().chain(&self.before_end)
    }

    /// The value at the end of the recording.
    pub(super) fn finish(self) -> Option<T> {
        self.read.or(self.before_end)
    }

    const fn has_any(&self) -> bool {
        self.read.is_some() || self.before_end.is_some()
    }
}

#[cfg(test)]
mod tests {
    use loop_probes::ids::SourceId;

    use super::*;

    /// What is left after losses (`Some`, with the time of the last record before them) and other events, each a
    /// microsecond after the one before, given that the value 1 was read first.
    fn left_after(events: &[Option<u64>]) -> (Option<u32>, u32) {
        let mut since = SinceLoss::default();
        let mut dropped = 0;
        for (at, lost) in [None].iter().chain(events).enumerate() {
            let from = lost.map(|from_us| Timestamp(from_us * 1_000));
            let event = from.map_or(Event::TickStart { tick: 1 }, |from| Event::Lost { count: 1, from });
            dropped += u32::from(since.see(&Stamped {
                at: Timestamp(at as u64 * 1_000),
                source: SourceId(1),
                event,
            }));
            if at == 0 {
                *since.read() = Some(1);
            }
        }
        (since.finish(), dropped)
    }

    #[test]
    fn a_loss_drops_what_was_read_unless_it_is_the_end() {
        assert_eq!(left_after(&[]), (Some(1), 0));
        assert_eq!(left_after(&[None, None]), (Some(1), 0));
        assert_eq!(left_after(&[None, Some(2)]), (Some(1), 0), "the end is missing");
        assert_eq!(left_after(&[None, Some(2), Some(3)]), (Some(1), 0), "in two losses");
        assert_eq!(left_after(&[None, Some(0)]), (None, 1), "it precedes an event that was read");
        assert_eq!(left_after(&[None, Some(2), None]), (None, 1), "an event follows");
        assert_eq!(left_after(&[None, Some(2), None, Some(4)]), (None, 1));
    }
}
