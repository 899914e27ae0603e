//! Active handles by name, and the age of that list.

use loop_probes::event::RefKind;
use loop_probes::ids::Timestamp;
use loop_traces::timeline::Timeline;

/// The references with the same kind and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandleRow {
    /// Kind of the references.
    pub what: RefKind,
    /// Name of the references.
    pub name: String,
    /// Number of references.
    pub count: u64,
}

/// What keeps the loop alive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeepAliveFigures {
    /// The handles by kind, then the largest number first.
    pub held: Vec<HandleRow>,
    /// The time of the snapshot from which the list was built.
    pub as_of: Option<Timestamp>,
    /// Parts that did not fit into the snapshot.
    pub left_out: u64,
}

impl KeepAliveFigures {
    /// Reads the current references from `timeline`.
    #[must_use]
    pub fn read(timeline: &Timeline) -> Self {
        let keep_alive = &timeline.keep_alive;
        let held = keep_alive.held().into_iter().map(|held| HandleRow {
            what: held.name.what,
            name: held.name.describe(&timeline.labels),
            count: held.count,
        });
        Self { held: held.collect(), as_of: keep_alive.as_of(), left_out: keep_alive.left_out() }
    }

    /// The number of references in total.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.held.iter().map(|held| held.count).fold(0, u64::saturating_add)
    }
}
