//! The callbacks of a what-if: they repeat their recorded acts and take their recorded time.

use std::rc::Rc;

use loop_core::Context;
use loop_probes::ids::Tag;

use super::play;
use super::script::RunId;
use super::world::World;
use crate::rerun::engine::{Engine, StandIn};

/// One callback; tags are those of this process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Callback {
    /// A task, an immediate, or the completion of a job.
    Run {
        run: RunId,
        tag: Tag,
    },
    /// One microtask of a checkpoint.
    Microtask {
        run: RunId,
    },
    Timer {
        timer: u32,
        tag: Tag,
    },
    Source {
        source: u32,
        tag: Tag,
    },
    Signal {
        signo: u8,
        tag: Tag,
    },
}

/// The task that stands for one.
pub(super) type Played = StandIn<World>;

impl Engine for World {
    type Callback = Callback;

    fn tag(of: Callback) -> Tag {
        match of {
            Callback::Run { tag, .. }
            | Callback::Timer { tag, .. }
            | Callback::Source { tag, .. }
            | Callback::Signal { tag, .. } => tag,
            Callback::Microtask { .. } => Tag(0),
        }
    }

    fn repeats(of: Callback) -> bool {
        match of {
            Callback::Timer { .. } | Callback::Source { .. } | Callback::Signal { .. } => true,
            Callback::Run { .. } | Callback::Microtask { .. } => false,
        }
    }

    fn run(world: &Rc<Self>, of: Callback, cx: &mut Context<'_, Played>) {
        world.begin();
        play::play(of, world, cx);
        world.end();
    }

    fn received(&self) {
        self.take_one();
    }
}
