//! How a task says what kind it is. An application numbers its own tags from 0; the numbers that go into a trace
//! come from the process's table of names, which every loop and probe of the process shares.

pub use loop_probes::tags::{name, tag_of_label};

use loop_probes::ids::Tag;

use super::Task;

/// What [`Task::tag`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagOf {
    /// The application's own: an index into [`Task::TAGS`]. One that lies outside is "untagged".
    Own(u16),
    /// A tag of this process's table, as [`tag_of_label`] gives it.
    Global(Tag),
}

/// The tags of `T`'s own names, by index.
pub(crate) fn own_tags<T: Task>() -> Box<[Tag]> {
    T::TAGS.iter().copied().map(tag_of_label).collect()
}
