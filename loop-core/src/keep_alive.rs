//! Keep-alive: referenced pending work, counted by kind and listed by name.
//!
//! A loop is alive as long as something referenced is pending. Checking that only adds up counts; names are collected
//! only on request.

pub(crate) mod tasklets;

use std::collections::BTreeMap;

use loop_probes::event::RefKind;
use loop_probes::ids::Tag;

use crate::tag::name_of;

/// Something that keeps the loop alive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Pending {
    /// Kind of the reference.
    pub what: RefKind,
    /// Name of the source or future, label of the reference held by the program, or else a tag's name.
    pub name: String,
    /// Number of references with this kind and name.
    pub count: u32,
}

/// A [`Pending`] before its name is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) what: RefKind,
    pub(crate) tag: Tag,
    /// The name, if it is not a tag's.
    pub(crate) label: Option<String>,
    pub(crate) count: u32,
}

impl Named {
    pub(crate) fn into_pending(self) -> Pending {
        let Self { what, tag, label, count } = self;
        Pending { what, name: label.unwrap_or_else(|| name_of(tag)), count }
    }
}

/// Counts of the references that no queue counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeepAlive {
    io: u32,
    work: u32,
    signal: u32,
    agenda: u32,
    future: u32,
    /// Signed, because another thread's release may arrive before the hold that it releases.
    handles: BTreeMap<&'static str, i64>,
    handles_sum: i64,
    /// Releases deferred to the end of the turn.
    later: Vec<&'static str>,
}

impl KeepAlive {
    /// No references.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds to the count of a kind. References held by the program use [`hold`](Self::hold) instead.
    pub(crate) fn add(&mut self, what: RefKind, delta: i32) {
        let count = match what {
            RefKind::Io => &mut self.io,
            RefKind::Work => &mut self.work,
            RefKind::Signal => &mut self.signal,
            RefKind::Agenda => &mut self.agenda,
            RefKind::Future => &mut self.future,
            RefKind::Task | RefKind::Timer | RefKind::Immediate | RefKind::Handle => {
                debug_assert!(false, "{what} references are counted elsewhere");
                return;
            }
        };
        debug_assert!(i64::from(*count) + i64::from(delta) >= 0, "more {what} references released than held");
        *count = count.saturating_add_signed(delta);
    }

    /// Adds `delta` references that the program holds under `label`.
    pub(crate) fn hold(&mut self, label: &'static str, delta: i64) {
        let count = self.handles.entry(label).or_default();
        *count += delta;
        self.handles_sum += delta;
        if *count == 0 {
            self.handles.remove(label);
        }
    }

    /// Releases a reference at the end of the turn.
    pub(crate) fn release_later(&mut self, label: &'static str) {
        self.later.push(label);
    }

    /// Number of deferred releases.
    pub(crate) fn later(&self) -> usize {
        self.later.len()
    }

    /// Applies the deferred releases. Returns how many.
    pub(crate) fn apply_later(&mut self) -> u32 {
        let labels = std::mem::take(&mut self.later);
        for label in &labels {
            self.hold(label, -1);
        }
        labels.len() as u32
    }

    /// Number of references of a kind counted here.
    #[must_use]
    pub(crate) fn count(&self, what: RefKind) -> u32 {
        match what {
            RefKind::Io => self.io,
            RefKind::Work => self.work,
            RefKind::Signal => self.signal,
            RefKind::Handle => u32::try_from(self.handles_sum.max(0)).unwrap_or(u32::MAX),
            RefKind::Agenda => self.agenda,
            RefKind::Future => self.future,
            RefKind::Task | RefKind::Timer | RefKind::Immediate => 0,
        }
    }

    /// Number of these references that keep a loop alive. Signal handlers do not.
    #[must_use]
    pub(crate) fn alive(&self) -> u32 {
        let counts = [self.io, self.work, self.agenda, self.future, self.count(RefKind::Handle)];
        counts.into_iter().fold(0, u32::saturating_add)
    }

    /// Number of references held by the program; below 0 if a release came before its hold.
    #[must_use]
    pub(crate) const fn held(&self) -> i64 {
        self.handles_sum
    }

    /// References held by the program, by label.
    pub(crate) fn handles(&self) -> impl Iterator<Item = (&'static str, i64)> {
        self.handles.iter().map(|(label, count)| (*label, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_may_come_before_its_reference() {
        let mut refs = KeepAlive::new();
        refs.hold("other thread", -1);
        assert_eq!(refs.alive(), 0);
        refs.hold("other thread", 1);
        refs.hold("mine", 1);
        assert_eq!(refs.alive(), 1);
        assert_eq!(refs.handles().collect::<Vec<_>>(), [("mine", 1)]);
    }

    #[test]
    fn later_is_at_the_end_of_the_turn() {
        let mut refs = KeepAlive::new();
        refs.hold("mine", 1);
        refs.release_later("mine");
        assert_eq!(refs.alive(), 1);
        assert_eq!(refs.apply_later(), 1);
        assert_eq!(refs.alive(), 0);
    }
}
