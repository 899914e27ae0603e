//! Names of slices, the same in every export.

use std::borrow::Cow;

use loop_probes::event::{Event, Phase, WorkerPhase};
use loop_probes::ids::{LabelId, Tag};

use crate::labels::Labels;

/// The kind of a slice before its name is looked up: slices with equal frames are of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Frame {
    /// A fixed name for something the loop itself does.
    Own(&'static str),
    /// A wait for readiness: not busy time.
    Poll,
    /// A whole tick.
    Tick,
    /// A phase of a tick.
    Phase(Phase),
    /// A task, a job or a tasklet.
    Task(Tag),
    /// A readiness callback.
    Io(Tag),
    /// An agenda worker's stop, by the phase it stopped for.
    Stopped(WorkerPhase),
    /// A span of the program.
    Span(LabelId),
}

impl Frame {
    /// The frame of an event with a duration; `None` if it has none.
    pub(crate) const fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::TickEnd { .. } => Self::Tick,
            Event::Phase { phase, .. } => Self::Phase(*phase),
            Event::Poll { .. } => Self::Poll,
            Event::TaskRan { tag, .. } | Event::WorkRan { tag, .. } | Event::AgendaRan { tag, .. } => {
                Self::Task(*tag)
            }
            Event::Microtasks { .. } => Self::Own("microtasks"),
            Event::DeferredRan { .. } => Self::Own("deferred"),
            Event::Immediates { .. } => Self::Own("immediates"),
            Event::IoReady { tag, .. } => Self::Io(*tag),
            Event::GcRan { .. } => Self::Own("gc"),
            Event::GcRendezvous { .. } => Self::Own("gc rendezvous"),
            // A worker that resumes: the slice is what it was stopped for.
            Event::WorkerState { from, .. } => Self::Stopped(*from),
            Event::Pumped { .. } => Self::Own("pump"),
            Event::ShutdownEnded { .. } => Self::Own("shutdown"),
            Event::Span { label, .. } => Self::Span(*label),
            _ => return None,
        })
    }

    /// Whether it is a callback of the program: time it spends waiting is its own.
    pub(crate) fn is_callback(self) -> bool {
        matches!(self, Self::Task(_) | Self::Io(_) | Self::Own("microtasks" | "deferred" | "immediates"))
    }

    /// The frame's name in two pieces, so that no strings are concatenated millions of times.
    pub(crate) fn name(self, labels: &Labels) -> (&'static str, Cow<'_, str>) {
        match self {
            Self::Own(name) => ("", name.into()),
            Self::Poll => ("", "poll".into()),
            Self::Tick => ("", "tick".into()),
            Self::Phase(phase) => ("phase ", phase.name().into()),
            Self::Task(tag) => ("", labels.tag(tag)),
            Self::Io(tag) => ("io ", labels.tag(tag)),
            Self::Stopped(phase) => ("stopped: ", phase.name().into()),
            Self::Span(label) => ("", labels.span(label)),
        }
    }

    /// Whether it gives way to what it overlaps without nesting: a program's own spans need not follow ticks.
    pub(crate) const fn gives_way(self) -> bool {
        matches!(self, Self::Span(_))
    }
}
