//! How a task states its kind. An application numbers its own tags from 0; the numbers in a trace come from the
//! process's table of names, shared by all loops and probes of the process.

pub use loop_probes::tags::{name, tag_of_label};

use loop_probes::ids::Tag;

use super::Task;

/// The result of [`Task::tag`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagOf {
    /// The application's own: an index into [`Task::TAGS`]. An index out of range is "untagged".
    Own(u16),
    /// A tag of this process's table, from [`tag_of_label`].
    Global(Tag),
}

/// The tags of `T`'s own names, by index.
pub(crate) fn own_tags<T: Task>() -> Box<[Tag]> {
    T::TAGS.iter().copied().map(tag_of_label).collect()
}
