//! The last activity of an emitter, and how its stream ended.

use loop_probes::event::{Event, Outcome, PollReason};
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::recorder::Running;
use loop_probes::stamped::Stamped;

use crate::span::{SpanKind, TickSpan};

/// The last activity of an emitter that a record or sample shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastActivity {
    pub(crate) running: Running,
    pub(crate) since: Timestamp,
    pub(crate) as_of: Timestamp,
    /// Whether the stream already contains the end of the activity: the recorder's cell is written only when something
    /// begins. The loop's activity since then has no name, but is no poll, which would have been written to the cell.
    pub(crate) is_over: bool,
    /// Whether the activity was imported from another program: its end may be missing, and later events say nothing
    /// about it.
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

    /// Until when it, or work without a name after it, is known to have lasted, given a stream known up to `known` that
    /// ended like `end`. A process that died wrote nothing to the recorder's cell after it.
    pub(crate) fn until(&self, known: Timestamp, end: StreamEnd) -> Timestamp {
        let was_last = end == StreamEnd::Died && !self.end_may_miss;
        if was_last || self.lasts() { known.max(self.since) } else { self.as_of }
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

/// How a stream ended, which tells what may have followed its last moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// Figures are as of the last moment.
    Known,
    /// The process died at some later time. All of its records are present, so its last activity continued until then.
    Died,
    /// The recording was cut off: anything may have followed.
    Cut,
}
