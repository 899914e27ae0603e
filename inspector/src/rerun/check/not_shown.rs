//! Decides what a recording does not show of what was done to its loop: a divergence after that proves nothing.

use loop_core::replay::Flags;
use loop_probes::event::{Event, LoopCall};

const SKIPPED: &str = "the events that were skipped: they are damaged, or of an unknown kind";
const HOST: &str = "how many microtasks its host had between two turns";
const OUTSIDE: &str = "all that its program did between the turns of the loop";
const HALF: &str = "whether a tick without a poll is the half of a turn";

#[derive(Debug, Default)]
pub(super) struct NotShown {
    /// From where on something is not shown, and what it is.
    from: Option<(u64, &'static str)>,
    /// The same for recordings without `input_call`.
    without_calls: Option<(u64, &'static str)>,
    lacks_calls: bool,
    /// The host has microtasks, and nothing else was recorded since.
    host_waits: bool,
}

impl NotShown {
    /// Sets, from the snapshot with which the check starts, what the recorded loop shows.
    pub(super) fn starts(&mut self, flags: Flags) {
        self.lacks_calls = !flags.contains(Flags::SHOWS_CALLS);
        if !flags.contains(Flags::RUNNING) {
            self.without_calls = Some((0, OUTSIDE));
        }
    }

    /// Takes the next event, at `place`, into account.
    pub(super) fn read(&mut self, event: &Event, place: u64) {
        match event {
            Event::InputCall { call: LoopCall::HostMicrotasks } => self.host_waits = true,
            // The drain shows their number.
            Event::InputCall { call: LoopCall::HostDrain } => self.host_waits = false,
            _ if std::mem::take(&mut self.host_waits) => drop(self.from.get_or_insert((place, HOST))),
            _ => {}
        }
    }

    /// A tick at `place` follows acts of no tick.
    pub(super) fn follows_outside(&mut self, place: u64) {
        self.without_calls.get_or_insert((place, OUTSIDE));
    }

    /// A tick that ends at `place` did not poll.
    pub(super) fn has_not_polled(&mut self, place: u64) {
        self.without_calls.get_or_insert((place, HALF));
    }

    /// What is not shown up to `place`. Skipped events may have been anywhere.
    pub(super) fn until(&self, place: u64, has_skipped: bool) -> Option<&'static str> {
        let lacking = self.without_calls.filter(|_| self.lacks_calls);
        let first = [self.from, lacking].into_iter().flatten().min();
        let shown = first.filter(|(from, _)| *from <= place).map(|(_, what)| what);
        has_skipped.then_some(SKIPPED).or(shown)
    }
}
