//! Tags: what kind a task is, as one small number that is unique in the process.
//!
//! An application numbers its own tags from 0. Several loops with different task enums may live in one
//! process, and a trace has one tag table, so each enum gets a stretch of that table on first use. Boxed
//! tasks get a place by their label.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use loop_probes::ids::Tag;

use super::Task;

/// What [`Task::tag`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagOf {
    /// The application's own: an index into [`Task::TAGS`].
    Own(u16),
    /// A tag of this process's table, as [`tag_of_label`] gives it.
    Global(Tag),
}

/// Most tags of a process. Whatever comes later shares the last one.
pub const TAGS_MAX: usize = u16::MAX as usize;

#[derive(Default)]
struct Table {
    /// Name of the tag `index + 1`: 0 is "untagged".
    names: Vec<&'static str>,
    bases: HashMap<TypeId, u16>,
    labels: HashMap<&'static str, Tag>,
}

impl Table {
    fn push(&mut self, name: &'static str) -> Tag {
        if self.names.len() < TAGS_MAX {
            self.names.push(name);
        }
        Tag(self.names.len() as u16)
    }
}

fn with_table<R>(f: impl FnOnce(&mut Table) -> R) -> R {
    static TABLE: OnceLock<Mutex<Table>> = OnceLock::new();
    // A panic while it is held leaves a table that is whole: each step is one push.
    let mut table = TABLE.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    f(&mut table)
}

/// The tag of the first of `T`'s own tags; the same for every loop of the process.
pub(crate) fn base_of<T: Task>() -> u16 {
    with_table(|table| {
        if let Some(base) = table.bases.get(&TypeId::of::<T>()) {
            return *base;
        }
        let base = (table.names.len() + 1).min(TAGS_MAX) as u16;
        for name in T::TAGS {
            table.push(name);
        }
        table.bases.insert(TypeId::of::<T>(), base);
        base
    })
}

/// The tag that stands for `label`: the same label always has the same one. Takes a lock; not for hot paths.
#[must_use]
pub fn tag_of_label(label: &'static str) -> Tag {
    with_table(|table| {
        if let Some(tag) = table.labels.get(label) {
            return *tag;
        }
        let tag = table.push(label);
        table.labels.insert(label, tag);
        tag
    })
}

/// The name of `tag`, where it has one.
#[must_use]
pub fn name(tag: Tag) -> Option<&'static str> {
    with_table(|table| table.names.get(usize::from(tag.0).checked_sub(1)?).copied())
}

/// All names above the first `known`, with their tags, and how many there are now.
pub(crate) fn names_after(known: u16) -> Vec<(Tag, &'static str)> {
    with_table(|table| {
        let new = table.names.iter().enumerate().skip(usize::from(known));
        new.map(|(index, name)| (Tag(index as u16 + 1), *name)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_keeps_its_tag_and_its_name() {
        let first = tag_of_label("tag-test-one");
        let second = tag_of_label("tag-test-two");
        assert_ne!(first, second);
        assert_eq!(tag_of_label("tag-test-one"), first);
        assert_eq!(name(second), Some("tag-test-two"));
        assert_eq!(name(Tag(0)), None);
    }

    #[test]
    fn new_names_are_those_after_the_known_ones() {
        let known = tag_of_label("tag-test-known").0;
        let later = tag_of_label("tag-test-later");
        assert!(names_after(known).contains(&(later, "tag-test-later")));
        assert!(names_after(known).iter().all(|(tag, _)| tag.0 > known));
    }
}
