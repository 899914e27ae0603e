//! Checks that asynchronous begins and ends pair up by id, in any file order.

use std::collections::HashMap;

use super::rules::{Check, Emit, cut};
use crate::chrome::read::{ChromeEvent, Position, hash};

/// Maximum number of begins and ends that wait for the other half of their pair.
const OPEN_MAX: usize = 1 << 18;

/// One half of an asynchronous pair whose other half has not been read.
#[derive(Clone, Copy, Debug)]
struct Half {
    ts: i64,
    begins: bool,
    place: Position,
}

#[derive(Debug, Default)]
pub(super) struct Pairs {
    halves: HashMap<u64, Vec<Half>>,
    waiting: usize,
    unchecked: u64,
}

impl Pairs {
    pub(super) fn asynchronous(
        &mut self,
        event: &ChromeEvent<'_>,
        ts: i64,
        place: Position,
        emit: &mut impl Emit,
    ) {
        let name = event.name.as_deref().map(cut).unwrap_or_default();
        if event.category.is_none() {
            emit(Check::AsyncCategory, place, name.clone());
        }
        if event.id.is_none() {
            emit(Check::AsyncId, place, name);
            return;
        }
        // A point neither begins nor ends anything; an end without a name is already reported.
        if event.phase == b'n' || event.name.is_none() {
            return;
        }
        let begins = event.phase == b'b';
        let key = hash((&event.pid, &event.category, &event.id, &event.name));
        let halves = self.halves.entry(key).or_default();
        let other = halves
            .iter()
            .rposition(|half| half.begins != begins && if begins { half.ts >= ts } else { half.ts <= ts });
        if let Some(other) = other {
            halves.remove(other);
            self.waiting -= 1;
            if halves.is_empty() {
                self.halves.remove(&key);
            }
        } else if self.waiting < OPEN_MAX {
            halves.push(Half { ts, begins, place });
            self.waiting += 1;
        } else {
            self.unchecked += 1;
        }
    }

    /// Reports halves without a match; returns how many events were not checked.
    pub(super) fn finish(self, emit: &mut impl Emit) -> u64 {
        for half in self.halves.into_values().flatten() {
            emit(if half.begins { Check::AsyncOpen } else { Check::AsyncEnd }, half.place, String::new());
        }
        self.unchecked
    }
}
