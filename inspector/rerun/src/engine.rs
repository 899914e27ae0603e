//! The engine of a re-execution: answers for the environment of the loop, and runs the callbacks of the recorded
//! program. The tasks of the loop are stand-ins: each says which callback it is, and leaves the rest to the engine.

use std::fmt;
use std::rc::Rc;

use fragile::Fragile;
use loop_core::low_level::oracle::Oracle;
use loop_core::{Context, TagOf, Task};
use loop_probes::ids::Tag;

/// Re-executes a recorded program. See the [module](self).
pub(super) trait Engine: Oracle + Sized {
    /// Identifies a callback.
    type Callback: Copy + fmt::Debug + Send + 'static;

    /// The tag of a callback; none for a microtask.
    fn tag(of: Self::Callback) -> Tag;

    /// Whether the callback can run more than once.
    fn repeats(of: Self::Callback) -> bool;

    /// Runs a callback.
    fn run(engine: &Rc<Self>, of: Self::Callback, cx: &mut Context<'_, StandIn<Self>>);

    /// Called when a post, or the result of a job, becomes a task.
    fn received(&self) {}
}

/// A task that stands for a recorded task.
pub(super) struct StandIn<E: Engine> {
    of: E::Callback,
    engine: Rc<E>,
}

impl<E: Engine> StandIn<E> {
    pub(super) fn new(engine: &Rc<E>, of: E::Callback) -> Self {
        Self { of, engine: Rc::clone(engine) }
    }
}

impl<E: Engine> fmt::Debug for StandIn<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StandIn").field(&self.of).finish()
    }
}

impl<E: Engine> From<Remote<E>> for StandIn<E> {
    fn from(Remote { of, engine }: Remote<E>) -> Self {
        let engine = engine.into_inner();
        engine.received();
        Self { of, engine }
    }
}

impl<E: Engine> Task for StandIn<E> {
    type Remote = Remote<E>;
    const TAGS: &'static [&'static str] = &[];

    fn tag(&self) -> TagOf {
        TagOf::Global(E::tag(self.of))
    }

    fn run(self, cx: &mut Context<'_, Self>) {
        E::run(&self.engine, self.of, cx);
    }

    fn again(&self) -> Option<Self> {
        E::repeats(self.of).then(|| Self::new(&self.engine, self.of))
    }
}

/// A stand-in on its way from another thread or from the pool. All of these are virtual: it stays on the loop's thread.
pub(super) struct Remote<E: Engine> {
    of: E::Callback,
    engine: Fragile<Rc<E>>,
}

impl<E: Engine> Remote<E> {
    pub(super) fn new(engine: &Rc<E>, of: E::Callback) -> Self {
        Self { of, engine: on_this_thread(engine) }
    }
}

impl<E: Engine> fmt::Debug for Remote<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.of).finish()
    }
}

/// The engine for the interfaces that require `Send`, though a re-execution uses them on one thread.
pub(super) fn on_this_thread<E>(engine: &Rc<E>) -> Fragile<Rc<E>> {
    Fragile::new(Rc::clone(engine))
}
