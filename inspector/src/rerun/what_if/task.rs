//! The task type of a what-if: callbacks that repeat their recorded acts and take their recorded time.

use loop_core::{Context, TagOf, Task};
use loop_probes::ids::Tag;

use super::play;
use super::script::RunId;
use super::world::world;

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

/// A callback posted by another thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remote {
    pub(super) run: RunId,
    pub(super) tag: Tag,
}

impl Task for Callback {
    type Remote = Remote;

    const TAGS: &'static [&'static str] = &[];

    fn tag(&self) -> TagOf {
        TagOf::Global(match self {
            Self::Run { tag, .. }
            | Self::Timer { tag, .. }
            | Self::Source { tag, .. }
            | Self::Signal { tag, .. } => *tag,
            Self::Microtask { .. } => Tag(0),
        })
    }

    fn run(self, cx: &mut Context<'_, Self>) {
        if let Some(world) = world() {
            world.begin();
            play::play(self, &world, cx);
            world.end();
        }
    }

    fn from_remote(remote: Remote) -> Self {
        if let Some(world) = world() {
            world.take_one();
        }
        Self::Run { run: remote.run, tag: remote.tag }
    }

    fn again(&self) -> Option<Self> {
        match self {
            Self::Timer { .. } | Self::Source { .. } | Self::Signal { .. } => Some(*self),
            Self::Run { .. } | Self::Microtask { .. } => None,
        }
    }
}
