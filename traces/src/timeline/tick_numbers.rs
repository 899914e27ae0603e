//! The numbers of a loop's ticks. They count up by one, so they show records that are missing although nothing reports
//! them as lost: a block was taken out of the recording, or is of a kind that cannot be read.

use loop_probes::event::{Event, StopReason};

/// The last tick number of a loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TickNumbers {
    last: Option<u64>,
    in_tick: bool,
}

/// How the number of a beginning or an end follows the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TickStep {
    /// The first number seen.
    First,
    /// The number follows the previous one.
    Next,
    /// The end of the tick before is missing, or the beginning of this one.
    Torn,
    /// This many ticks are missing.
    Missing(u64),
    /// The numbers go back, so they do not tell how many are missing.
    Back,
}

impl TickNumbers {
    pub(super) const fn began(&mut self, tick: u64) -> TickStep {
        let continues = !self.in_tick;
        self.in_tick = true;
        self.step(tick, continues)
    }

    pub(super) const fn ended(&mut self, tick: u64) -> TickStep {
        let is_open = self.in_tick && matches!(self.last, Some(last) if last == tick);
        self.in_tick = false;
        if is_open { TickStep::Next } else { self.step(tick, false) }
    }

    const fn step(&mut self, tick: u64, continues: bool) -> TickStep {
        match self.last.replace(tick) {
            None => TickStep::First,
            Some(last) if tick <= last => TickStep::Back,
            Some(last) if tick > last + 1 => TickStep::Missing(tick - last - 1),
            Some(_) if continues => TickStep::Next,
            Some(_) => TickStep::Torn,
        }
    }

    /// Whether records are missing before the next event of the loop: its tick does not continue those before it.
    pub const fn is_behind_hole<T>(&mut self, event: &Event<T>) -> bool {
        let step = match *event {
            Event::TickStart { tick } => self.began(tick),
            Event::TickEnd { tick, .. } => self.ended(tick),
            // A reported loss explains missing numbers, and a closed loop has no further ticks.
            Event::Lost { .. } | Event::LoopStopped { reason: StopReason::Closed } => {
                *self = Self { last: None, in_tick: false };
                return false;
            }
            _ => return false,
        };
        !matches!(step, TickStep::First | TickStep::Next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_and_half_ticks_that_are_missing_leave_holes() {
        let mut numbers = TickNumbers::default();
        assert_eq!((numbers.began(7), numbers.ended(7)), (TickStep::First, TickStep::Next));
        assert_eq!((numbers.began(8), numbers.began(9)), (TickStep::Next, TickStep::Torn));
        assert_eq!((numbers.ended(10), numbers.began(14)), (TickStep::Torn, TickStep::Missing(3)));
        assert_eq!((numbers.ended(14), numbers.ended(14)), (TickStep::Next, TickStep::Back));
        let start = |tick| -> Event { Event::TickStart { tick } };
        let closed: Event = Event::LoopStopped { reason: StopReason::Closed };
        assert!(numbers.is_behind_hole(&start(99)));
        assert!(!numbers.is_behind_hole(&closed) && !numbers.is_behind_hole(&start(1)));
    }
}
