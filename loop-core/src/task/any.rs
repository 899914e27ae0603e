//! `Any`: a boxed, labelled closure as a task, for work too rare for its own variant.
//!
//! An `Any` costs an allocation and an indirect call. Its label becomes its tag, so that the inspector can distinguish
//! closures.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use loop_probes::ids::Tag;

use super::{Context, Task};
use crate::tag::{TagOf, tag_of_label};

type Once<T> = Box<dyn FnOnce(&mut Context<'_, T>)>;
type OnceRemote<T> = Box<dyn FnOnce(&mut Context<'_, T>) + Send>;
type Repeat<T> = Rc<RefCell<dyn FnMut(&mut Context<'_, T>)>>;

/// A boxed, labelled closure that runs on the loop thread.
pub struct Any<T: Task> {
    tag: Tag,
    body: Body<T>,
}

enum Body<T: Task> {
    Once(Once<T>),
    Repeat(Repeat<T>),
}

impl<T: Task> Any<T> {
    /// A closure that runs once.
    pub fn once(label: &'static str, run: impl FnOnce(&mut Context<'_, T>) + 'static) -> Self {
        Self { tag: tag_of_label(label), body: Body::Once(Box::new(run)) }
    }

    /// A closure that can run repeatedly, for intervals, signals and sources.
    pub fn repeat(label: &'static str, run: impl FnMut(&mut Context<'_, T>) + 'static) -> Self {
        Self { tag: tag_of_label(label), body: Body::Repeat(Rc::new(RefCell::new(run))) }
    }

    /// The closure's tag. Call this in [`Task::tag`] of the enclosing enum.
    #[must_use]
    pub fn tag(&self) -> TagOf {
        TagOf::Global(self.tag)
    }

    /// Runs the closure. Call this in [`Task::run`] of the enclosing enum.
    ///
    /// # Panics
    ///
    /// If a repeating closure runs itself.
    pub fn run(self, cx: &mut Context<'_, T>) {
        match self.body {
            Body::Once(run) => run(cx),
            Body::Repeat(run) => (run.borrow_mut())(cx),
        }
    }

    /// A copy of a repeating closure. Call this in [`Task::again`] of the enclosing enum.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        match &self.body {
            Body::Once(_) => None,
            Body::Repeat(run) => Some(Self { tag: self.tag, body: Body::Repeat(Rc::clone(run)) }),
        }
    }
}

impl<T: Task> fmt::Debug for Any<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Any").field("tag", &self.tag).finish_non_exhaustive()
    }
}

/// A boxed, labelled closure that another thread sends to the loop.
pub struct AnyRemote<T: Task> {
    tag: Tag,
    run: OnceRemote<T>,
}

impl<T: Task> AnyRemote<T> {
    /// A closure that runs once, on the loop's thread.
    pub fn new(label: &'static str, run: impl FnOnce(&mut Context<'_, T>) + Send + 'static) -> Self {
        Self { tag: tag_of_label(label), run: Box::new(run) }
    }
}

impl<T: Task> From<AnyRemote<T>> for Any<T> {
    fn from(remote: AnyRemote<T>) -> Self {
        Self { tag: remote.tag, body: Body::Once(remote.run) }
    }
}

impl<T: Task> fmt::Debug for AnyRemote<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyRemote").field("tag", &self.tag).finish_non_exhaustive()
    }
}
