//! Lists what keeps the loop alive, by name: for lists, shutdown reports and snapshots.

use std::collections::BTreeMap;

use loop_probes::event::{Event, LabelKind, RefKind};
use loop_probes::ids::{Tag, Ticks};

use super::core::Core;
use crate::keep_alive::{Named, Pending};
use crate::task::Task;

impl<T: Task> Core<T> {
    /// Everything referenced that is pending, sorted.
    pub(crate) fn pending(&self) -> Vec<Pending> {
        let mut pending: Vec<Pending> = self.named().into_iter().map(Named::into_pending).collect();
        pending.sort();
        pending
    }

    fn named(&self) -> Vec<Named> {
        let mut named = self.scheduler.named();
        let mut counts = BTreeMap::<(RefKind, Tag, Option<&str>), u32>::new();
        for source in self.sources.values().filter(|source| source.referenced) {
            *counts.entry((RefKind::Io, source.tag, source.explanation.as_deref())).or_default() += 1;
        }
        for job in self.work.values() {
            *counts.entry((RefKind::Work, job.tag, None)).or_default() += 1;
        }
        for future in self.futures.iter().filter(|future| future.referenced) {
            *counts.entry((RefKind::Future, future.tag, None)).or_default() += 1;
        }
        named.extend(counts.into_iter().map(|((what, tag, label), count)| Named {
            what,
            tag,
            label: label.map(str::to_owned),
            count,
        }));
        self.shared.agenda.list(&mut named);
        named
    }

    /// The same as parts of a snapshot.
    pub(super) fn snapshot_pending(&self) -> Vec<Event<Ticks>> {
        let named = self.named().into_iter();
        let part = |Named { what, tag, label, count }| {
            let label = label.map(|label| self.recorder.intern(self.at, LabelKind::Text, &label));
            Event::SnapshotPending { what, tag, label, count }
        };
        named.map(part).collect()
    }
}
