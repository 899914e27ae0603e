//! Tags: the kinds of tasks. [`tags!`](crate::tags!) numbers the tags of a task type from 0. The numbers in a trace come
//! from a table of names that all loops and probes of the process share.

pub use loop_probes::tags::{name, tag_of_label};

use loop_probes::ids::Tag;

/// The result of [`Task::tag`](crate::Task::tag). Labels (`&str`) convert to it, but that takes a lock, so do not do it
/// on hot paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagOf {
    /// An index into [`Task::TAGS`](crate::Task::TAGS). An index out of range means "untagged".
    Own(u16),
    /// A tag of this process's table, from [`tag_of_label`].
    Global(Tag),
}

impl TagOf {
    /// The tag called `name` among `tags`, the [`TAGS`](crate::Task::TAGS) of a task type. Meant for constants.
    ///
    /// # Panics
    ///
    /// If `tags` does not contain `name`. In a constant that is a compile error.
    #[must_use]
    pub const fn own(tags: &[&str], name: &str) -> Self {
        let mut index = 0;
        while index < tags.len() {
            if is_same(tags[index].as_bytes(), name.as_bytes()) {
                return Self::Own(index as u16);
            }
            index += 1;
        }
        panic!("the task has no tag of this name")
    }
}

const fn is_same(mut one: &[u8], mut other: &[u8]) -> bool {
    while let ([first, rest @ ..], [other_first, other_rest @ ..]) = (one, other) {
        if *first != *other_first {
            return false;
        }
        (one, other) = (rest, other_rest);
    }
    one.is_empty() && other.is_empty()
}

impl From<Tag> for TagOf {
    fn from(tag: Tag) -> Self {
        Self::Global(tag)
    }
}

impl From<&str> for TagOf {
    fn from(label: &str) -> Self {
        Self::Global(tag_of_label(label))
    }
}

/// A tag's name for lists; `tag N` if it has none.
pub(crate) fn name_of(tag: Tag) -> String {
    name(tag).map_or_else(|| format!("tag {tag}"), |name| name.to_string())
}

/// Defines [`Task::TAGS`](crate::Task::TAGS) and [`Task::tag`](crate::Task::tag) within an `impl Task`: one tag per
/// variant, numbered in order. A missing or unknown variant is a compile error.
///
/// A tag is named after its variant, or as given after `=`. The variant after `..` contains a value with its own tag, such
/// as an [`Any`](crate::Any). A task that is not an enum has one tag: `tags!("Echo");`.
///
/// # Examples
///
/// ```
/// use loop_core::{Any, AnyRemote, Context, Task, tags};
///
/// enum App {
///     Echo(Vec<u8>),
///     Heartbeat,
///     Any(Any<Self>),
/// }
///
/// impl Task for App {
///     type Remote = AnyRemote<Self>;
///     tags! { Echo, Heartbeat = "Heartbeat1ms", ..Any }
///
///     fn run(self, cx: &mut Context<'_, Self>) {
///         match self {
///             Self::Echo(_bytes) => {}
///             Self::Heartbeat => {}
///             Self::Any(any) => any.run(cx),
///         }
///     }
/// }
/// # impl From<AnyRemote<Self>> for App {
/// #     fn from(remote: AnyRemote<Self>) -> Self {
/// #         Self::Any(remote.into())
/// #     }
/// # }
/// # assert_eq!(App::TAGS, ["Echo", "Heartbeat1ms"]);
/// # assert_eq!(App::Heartbeat.tag(), loop_core::TagOf::Own(1));
/// ```
///
/// ```compile_fail,E0004
/// # use loop_core::{Context, Task, tags};
/// # enum App { Echo, Heartbeat }
/// # impl Task for App {
/// #     type Remote = Self;
/// tags! { Echo } // and Heartbeat?
/// #     fn run(self, _: &mut Context<'_, Self>) {}
/// # }
/// ```
#[macro_export]
macro_rules! tags {
    ($name:literal) => {
        const TAGS: &'static [&'static str] = &[$name];

        fn tag(&self) -> $crate::TagOf {
            $crate::TagOf::Own(0)
        }
    };
    (..$any:ident $(,)?) => {
        const TAGS: &'static [&'static str] = &[];

        fn tag(&self) -> $crate::TagOf {
            match self {
                Self::$any(any) => any.tag(),
            }
        }
    };
    ($($variant:ident $(= $name:literal)?,)+ ..$any:ident $(,)?) => {
        $crate::tags! { @ $any; $($variant $(= $name)?),+ }
    };
    ($($variant:ident $(= $name:literal)?),+ $(,)?) => {
        $crate::tags! { @ ; $($variant $(= $name)?),+ }
    };
    (@ $($any:ident)?; $($variant:ident $(= $name:literal)?),+) => {
        const TAGS: &'static [&'static str] = &[$($crate::tags!(@name $variant $($name)?)),+];

        fn tag(&self) -> $crate::TagOf {
            enum Number {
                $($variant),+
            }
            match self {
                $(Self::$variant { .. } => $crate::TagOf::Own(Number::$variant as u16),)+
                $(Self::$any(any) => any.tag(),)?
            }
        }
    };
    (@name $variant:ident) => {
        stringify!($variant)
    };
    (@name $variant:ident $name:literal) => {
        $name
    };
}
