//! The complete units of a recorded loop. A recording that was cut off is re-executed up to the last one: what the rest
//! of an unfinished tick did, and how long it took, is not recorded.

use loop_probes::event::{Event, StopReason};

/// The numbers of a loop's ticks, which show records that are missing although nothing reports them as lost: a block was
/// taken out of the recording, or is of a kind that cannot be read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TickNumbers {
    last: Option<u64>,
    in_tick: bool,
}

impl TickNumbers {
    /// Whether records are missing before the next event of the loop: its tick does not continue those before it.
    pub(super) const fn is_behind_hole<T>(&mut self, event: &Event<T>) -> bool {
        let (tick, in_tick) = match *event {
            Event::TickStart { tick } => (tick, true),
            Event::TickEnd { tick, .. } => (tick, false),
            // What is lost is reported, and a loop that is closed has no further ticks.
            Event::Lost { .. } | Event::LoopStopped { reason: StopReason::Closed } => {
                *self = Self { last: None, in_tick: false };
                return false;
            }
            _ => return false,
        };
        let continues = match self.last {
            None => true,
            Some(last) if in_tick => !self.in_tick && tick == last.wrapping_add(1),
            Some(last) => self.in_tick && tick == last,
        };
        *self = Self { last: Some(tick), in_tick };
        !continues
    }
}

/// Whether `event` of a loop completes a unit: a tick, a run, or a callback between two ticks.
pub(super) const fn completes_unit<T>(event: &Event<T>, in_tick: bool) -> bool {
    match event {
        Event::TickEnd { .. } | Event::LoopStopped { .. } => true,
        Event::CallbackRan { .. } => !in_tick,
        _ => false,
    }
}
