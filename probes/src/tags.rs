//! Tags: a small number for each kind of task; the same name has the same number in the whole process.
//!
//! A trace has one table of tags, and several loops and probes may write into one trace. So loops do not number tags
//! themselves: this module assigns each name its number on first use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::ids::Tag;

/// Maximum number of tags of a process; the last one stands for all names that did not fit.
pub const TAGS_MAX: usize = u16::MAX as usize;

/// The name of the last tag.
const REST: &str = "(other tags)";

#[derive(Default)]
struct Table {
    /// Name of the tag `index + 1`: 0 is "untagged".
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, Tag>,
}

impl Table {
    fn tag(&mut self, name: &str, max: usize) -> Tag {
        if let Some(tag) = self.numbers.get(name) {
            return *tag;
        }
        let name = match max - self.names.len() {
            0 => return Tag(max as u16),
            1 => REST,
            _ => name,
        };
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        let tag = Tag(self.names.len() as u16);
        self.numbers.insert(name, tag);
        tag
    }
}

fn with_table<R>(f: impl FnOnce(&mut Table) -> R) -> R {
    static TABLE: OnceLock<Mutex<Table>> = OnceLock::new();
    // A panic under the lock leaves the table intact: each step is one push.
    let mut table = TABLE.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    f(&mut table)
}

/// The tag for `label`: the same label always has the same one. Takes a lock; not for hot paths.
#[must_use]
pub fn tag_of_label(label: &str) -> Tag {
    with_table(|table| table.tag(label, TAGS_MAX))
}

/// The name of `tag`, if it has one.
#[must_use]
pub fn name(tag: Tag) -> Option<Arc<str>> {
    with_table(|table| table.names.get(usize::from(tag.0).checked_sub(1)?).cloned())
}

/// All tags above `known`, with their names: an emitter names them to its recorder before using them.
#[must_use]
pub fn named_after(known: Tag) -> Vec<(Tag, Arc<str>)> {
    with_table(|table| {
        let new = table.names.iter().enumerate().skip(usize::from(known.0));
        new.map(|(index, name)| (Tag(index as u16 + 1), Arc::clone(name))).collect()
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
        assert_eq!(name(second).as_deref(), Some("tag-test-two"));
        assert_eq!(name(Tag(0)), None);
    }

    #[test]
    fn new_names_are_those_after_the_known_ones() {
        let known = tag_of_label("tag-test-known");
        let later = tag_of_label("tag-test-later");
        assert!(named_after(known).contains(&(later, "tag-test-later".into())));
        assert!(named_after(known).iter().all(|(tag, _)| *tag > known));
    }

    #[test]
    fn names_that_find_no_place_share_the_last_tag() {
        let mut table = Table::default();
        let tags: Vec<u16> = (0..5).map(|name| table.tag(&name.to_string(), 3).0).collect();
        assert_eq!(tags, [1, 2, 3, 3, 3]);
        assert_eq!(table.names.iter().map(|name| &**name).collect::<Vec<_>>(), ["0", "1", REST]);
        assert_eq!(table.tag("1", 3), Tag(2));
    }
}
