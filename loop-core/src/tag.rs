//! How a task states its kind. An application numbers its own tags from 0; the numbers in a trace come from the
//! process's table of names, shared by all loops and probes of the process.

pub use loop_probes::tags::{name, tag_of_label};

use loop_probes::ids::Tag;

/// The result of [`Task::tag`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagOf {
    /// The application's own: an index into [`Task::TAGS`]. An index out of range is "untagged".
    Own(u16),
    /// A tag of this process's table, from [`tag_of_label`].
    Global(Tag),
}

/// A tag's name, for lists.
pub(crate) fn name_of(tag: Tag) -> String {
    name(tag).map_or_else(|| format!("tag {tag}"), |name| name.to_string())
}
