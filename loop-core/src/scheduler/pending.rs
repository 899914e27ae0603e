//! Pending work by name: answers "why does my program not end?".

use std::collections::BTreeMap;

use loop_probes::event::RefKind;
use loop_probes::ids::Tag;

use super::Scheduler;
use crate::keep_alive::Named;
use crate::task::{Task, tag};

impl<T: Task> Scheduler<T> {
    /// Everything referenced that waits here: tasks, timers and immediates by their tag, references held by
    /// the program by their label.
    pub(crate) fn named(&self) -> Vec<Named> {
        let mut counts: BTreeMap<(RefKind, Tag), u32> = BTreeMap::new();
        let mut count = |what, tag| *counts.entry((what, tag)).or_default() += 1;
        self.tasks.iter().for_each(|(task, _, note)| {
            count(RefKind::Task, note.map_or_else(|| self.tag_of(task), |(tag, _)| tag));
        });
        self.after_loop.iter().for_each(|queued| count(RefKind::Task, queued.tag));
        self.immediates
            .iter()
            .filter(|(_, referenced)| *referenced)
            .for_each(|(queued, _)| count(RefKind::Immediate, queued.tag));
        self.armed()
            .iter()
            .filter(|timer| timer.referenced)
            .for_each(|timer| count(RefKind::Timer, timer.tag));
        let by_tag = |((what, tag), count)| Named { what, tag, label: None, count };
        let mut named: Vec<Named> = counts.into_iter().map(by_tag).collect();
        let mut labelled = |what, label: &str, count| {
            named.push(Named { what, tag: Tag(0), label: Some(label.to_owned()), count });
        };
        for (label, count) in self.refs.handles().filter(|(_, count)| *count > 0) {
            labelled(RefKind::Handle, label, u32::try_from(count).unwrap_or(u32::MAX));
        }
        if !self.microtasks.is_empty() {
            labelled(RefKind::Task, "microtasks", self.microtasks.len() as u32);
        }
        if self.deferred.posted() > 0 {
            labelled(RefKind::Task, "deferred callbacks", self.deferred.posted() as u32);
        }
        named
    }
}

/// A tag's name, for lists.
pub(crate) fn name(of: Tag) -> String {
    tag::name(of).map_or_else(|| format!("tag {of}"), |name| name.to_string())
}
