//! What keeps the loop alive, by name, and how fresh that list is.

use loop_probes::event::RefKind;
use loop_probes::ids::Timestamp;
use loop_traces::timeline::Timeline;

/// So many references of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRow {
    /// What they are.
    pub what: RefKind,
    /// Their name.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// What keeps the loop alive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AliveFigures {
    /// By kind, then most of a name first.
    pub held: Vec<HeldRow>,
    /// When the snapshot was taken with which the list begins.
    pub as_of: Option<Timestamp>,
    /// Parts for which the snapshot had no room.
    pub left_out: u64,
}

impl AliveFigures {
    /// What is referenced now.
    #[must_use]
    pub fn read(timeline: &Timeline) -> Self {
        let keep_alive = &timeline.keep_alive;
        let held = keep_alive.held().into_iter().map(|held| HeldRow {
            what: held.name.what,
            name: held.name.describe(&timeline.labels),
            count: held.count,
        });
        Self { held: held.collect(), as_of: keep_alive.as_of(), left_out: keep_alive.left_out() }
    }

    /// All references together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.held.iter().map(|held| held.count).fold(0, u64::saturating_add)
    }
}
