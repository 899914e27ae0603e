//! Timers in arming order, for a loop that fires the due timer that was armed first.
//!
//! All timers are sorted by due time. Due timers are also in a second set, sorted by arming order, so that the first one
//! is found in O(log n). A timer enters that set once, when a pass first finds it due.

use std::collections::BTreeSet;

use super::slab::Arming;

#[derive(Debug, Default)]
pub(super) struct ArmingOrder {
    /// All armings except those that never fire.
    by_due: BTreeSet<Arming>,
    /// Sequence, due time and slot of the armings due at `until`.
    due: BTreeSet<(u64, u64, u32)>,
    /// The latest time of a pass.
    until: u64,
}

impl ArmingOrder {
    pub(super) fn push(&mut self, arming: Arming) {
        if arming.due == u64::MAX {
            // The timer never fires, so it need not be stored.
            return;
        }
        self.by_due.insert(arming);
        if arming.due <= self.until {
            self.due.insert((arming.sequence, arming.due, arming.node));
        }
    }

    pub(super) fn remove(&mut self, arming: Arming) {
        self.by_due.remove(&arming);
        self.due.remove(&(arming.sequence, arming.due, arming.node));
    }

    /// The earliest due time.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.by_due.first().map(|arming| arming.due)
    }

    /// Takes the first arming that is due at `now` and has a sequence below `armed_before`.
    pub(super) fn pop(&mut self, now: u64, armed_before: u64) -> Option<Arming> {
        if now > self.until {
            let after = |due| Arming { due, sequence: u64::MAX, node: u32::MAX };
            let newly_due = self.by_due.range(after(self.until)..after(now));
            self.due.extend(newly_due.map(|arming| (arming.sequence, arming.due, arming.node)));
            self.until = now;
        }
        let first = self.due.iter().find(|(_, due, _)| *due <= now);
        let (sequence, due, node) = *first.filter(|(sequence, ..)| *sequence < armed_before)?;
        let arming = Arming { due, sequence, node };
        self.remove(arming);
        Some(arming)
    }
}
