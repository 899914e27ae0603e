//! What an emitter was last seen doing, and what is known after the end of its stream.

use loop_probes::event::{Event, Outcome, PollReason};
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::recorder::Running;
use loop_probes::stamped::Stamped;

use crate::span::{SpanKind, TickSpan};

/// What an emitter was last seen doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastActivity {
    pub(crate) running: Running,
    pub(crate) since: Timestamp,
    pub(crate) as_of: Timestamp,
    /// The stream already has the end of it: the cell is written when something begins. What followed has no name, but
    /// it is not a poll, which would have been written to the cell.
    pub(crate) is_over: bool,
    /// Imported from another program: its end may be missing, and later events say nothing about it.
    pub(crate) end_may_miss: bool,
}

impl LastActivity {
    /// Whether it lasts until something else is recorded: true of tasks and polls, whose ends are always recorded. A
    /// phase in which nothing ran leaves no record.
    const fn lasts(&self) -> bool {
        !self.is_over
            && !self.end_may_miss
            && matches!(self.running, Running::Task { .. } | Running::Poll { .. })
    }

    /// Until when it is known to have lasted, given a stream known up to `known`.
    pub(crate) fn until(&self, known: Timestamp) -> Timestamp {
        if self.lasts() { known.max(self.since) } else { self.as_of }
    }

    /// Whether `span`, which has just ended, implies that it is over.
    pub(crate) const fn ends_with(span: &TickSpan) -> bool {
        matches!(
            span.what,
            SpanKind::Task { .. }
                | SpanKind::Io { .. }
                | SpanKind::Phase(_)
                | SpanKind::Poll { .. }
                | SpanKind::Pump { .. }
        )
    }

    /// The event that its end will be recorded as; `None` if it has no name, or is over.
    pub(crate) fn event(&self) -> Option<Event> {
        let start = self.since;
        Some(match self.running {
            _ if self.is_over => return None,
            Running::Outside => return None,
            Running::Phase(phase) => Event::Phase { phase, start },
            Running::Task { task, tag } => {
                Event::TaskRan { task, tag, outcome: Outcome::Pending, queued: start, start }
            }
            Running::Poll { deadline } => Event::Poll {
                reason: if deadline.is_some() { PollReason::Timer } else { PollReason::Idle },
                ready: 0,
                timeout_ns: deadline.map(|deadline| deadline.ns_since(start)),
                start,
            },
        })
    }

    /// As a span that ends at `until`; `None` if it has no name.
    pub(crate) fn span(&self, source: SourceId, until: Timestamp) -> Option<TickSpan> {
        let event = self.event().filter(|_| self.since < until)?;
        TickSpan::of(&Stamped { at: until, source, event })
    }
}

/// What is known about the time after the last moment of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// Figures are as of the last moment.
    Known,
    /// The process died at some later time. Everything it recorded is present, so until then it kept doing what it was
    /// last seen doing.
    Died,
    /// The recording was cut off: anything may have followed.
    Cut,
}
