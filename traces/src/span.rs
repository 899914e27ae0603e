//! The intervals and points within a tick. The tick page lists them, and breakdowns are computed from them.

use loop_probes::event::{Event, GcAction, GcReason, Outcome, Phase, PollReason};
use loop_probes::ids::{IoSource, LabelId, Tag, TaskId, TimerId, Timestamp};
use loop_probes::stamped::Stamped;

use crate::labels::Labels;

/// An interval or a point within a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickSpan {
    /// When it began.
    pub start: Timestamp,
    /// When it ended; for a point, `start`.
    pub end: Timestamp,
    /// The kind of interval or point, with its details.
    pub what: SpanKind,
}

/// What a [`TickSpan`] was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpanKind {
    /// A phase.
    Phase(Phase),
    /// The wait for readiness: not busy time.
    Poll {
        /// The reason for its timeout.
        reason: PollReason,
        /// Sources that were ready.
        ready: u32,
        /// The poll's timeout; `None` waits without limit.
        timeout_ns: Option<u64>,
    },
    /// A task.
    Task {
        /// Id of the task.
        task: TaskId,
        /// Tag of the task.
        tag: Tag,
        /// How it ended.
        outcome: Outcome,
        /// From queued to started; `None` if the task was in no queue, or if its queue time is unknown.
        queue_wait_ns: Option<u64>,
    },
    /// A microtask checkpoint.
    Microtasks {
        /// The task it followed.
        trigger: Option<TaskId>,
        /// Microtasks that ran.
        ran: u32,
        /// Microtasks left for later.
        left: u32,
    },
    /// Callbacks of the deferred queue.
    Deferred {
        /// Callbacks that ran.
        ran: u32,
        /// Callbacks that remain.
        kept: u32,
    },
    /// A batch of immediates.
    Immediates {
        /// Immediates that ran.
        ran: u32,
        /// Immediates that wait for the next tick.
        moved_to_next: u32,
    },
    /// A readiness callback.
    Io {
        /// The source that was ready.
        source: IoSource,
        /// The tag of its callback.
        tag: Tag,
        /// Bit 0 readable, 1 writable, 2 error, 3 hang-up.
        readiness: u8,
        /// The id of the callback.
        task: TaskId,
    },
    /// A collection.
    Gc {
        /// Heap size before the collection, in bytes.
        heap_bytes_before: u64,
        /// Heap size after the collection, in bytes.
        heap_bytes_after: u64,
    },
    /// A pump of a foreign loop.
    Pump {
        /// Whether it handled a source of the foreign loop.
        handled: bool,
        /// Whether the foreign loop was ready; if not, a timer started the pump.
        ready: bool,
        /// The pump's timeout.
        timeout_ns: u64,
    },
    /// A labelled interval of the program.
    Span {
        /// Label with the name of the span.
        label: LabelId,
    },
    /// A point: a timer fired.
    Timer {
        /// Id of the timer.
        timer: TimerId,
        /// The tag of its task.
        tag: Tag,
        /// The task that ran for the timer.
        task: TaskId,
        /// Time from due to fired, in nanoseconds.
        lag_ns: u64,
        /// When it fired: this point, or the clock reading that found it due if that is later.
        fired: Timestamp,
        /// Number of periods of the interval that were skipped.
        skipped: u32,
    },
    /// A point: a signal was delivered.
    Signal {
        /// The signal number.
        signo: u8,
        /// The task that ran for the signal.
        task: TaskId,
        /// Time from the signal handler to the delivery, in nanoseconds.
        latency_ns: u64,
    },
    /// A point: the GC controller decided.
    GcDecision {
        /// What the controller decided.
        action: GcAction,
        /// The reason for the decision.
        reason: GcReason,
        /// Heap size at the decision, in bytes.
        heap_bytes: u64,
        /// The threshold above which it collects.
        threshold_bytes: u64,
    },
    /// A point: a mark of the program.
    Mark {
        /// Label with the name of the mark.
        label: LabelId,
    },
}

impl SpanKind {
    /// Whether it is a point, without duration.
    #[must_use]
    pub const fn is_point(&self) -> bool {
        matches!(self, Self::Timer { .. } | Self::Signal { .. } | Self::GcDecision { .. } | Self::Mark { .. })
    }

    /// Whether it is a callback of the program or a batch of callbacks.
    #[must_use]
    pub const fn is_callback(&self) -> bool {
        matches!(
            self,
            Self::Task { .. }
                | Self::Io { .. }
                | Self::Microtasks { .. }
                | Self::Deferred { .. }
                | Self::Immediates { .. }
        )
    }

    /// The display name: `Echo #12`, `phase timers`, `gc`.
    #[must_use]
    pub fn describe(&self, labels: &Labels) -> String {
        match self {
            Self::Phase(phase) => format!("phase {phase}"),
            Self::Poll { reason, ready, .. } => format!("poll ({reason}, {ready} ready)"),
            Self::Task { task, tag, .. } => format!("{} #{task}", labels.tag(*tag)),
            Self::Microtasks { ran, .. } => format!("microtasks ({ran} ran)"),
            Self::Deferred { ran, kept } => format!("deferred ({ran} ran, {kept} kept)"),
            Self::Immediates { ran, .. } => format!("immediates ({ran} ran)"),
            Self::Io { source, tag, task, .. } => {
                format!("io {} #{task} on {}", labels.tag(*tag), labels.io(*source))
            }
            Self::Gc { .. } => "gc".to_owned(),
            Self::Pump { handled, .. } => {
                format!("pump ({})", if *handled { "handled" } else { "nothing to do" })
            }
            Self::Span { label } => format!("span {}", labels.span(*label)),
            Self::Timer { timer, tag, .. } => format!("timer {timer} fired for {}", labels.tag(*tag)),
            Self::Signal { signo, .. } => format!("signal {signo} delivered"),
            Self::GcDecision { action, reason, .. } => format!("gc {action} ({reason})"),
            Self::Mark { label } => format!("mark {}", labels.span(*label)),
        }
    }
}

impl TickSpan {
    /// The span of `stamped`, if it belongs in a tick.
    #[must_use]
    pub fn of(stamped: &Stamped) -> Option<Self> {
        let at = stamped.at;
        let (start, what) = match stamped.event {
            Event::TaskRan { .. } if stamped.never_ran() => return None,
            Event::Phase { phase, start } => (start, SpanKind::Phase(phase)),
            Event::Poll { reason, ready, timeout_ns, start } => {
                (start, SpanKind::Poll { reason, ready, timeout_ns })
            }
            Event::TaskRan { task, tag, outcome, queued, start } => {
                let queue_wait_ns = (queued < start).then(|| start.ns_since(queued));
                (start, SpanKind::Task { task, tag, outcome, queue_wait_ns })
            }
            Event::Microtasks { trigger, ran, left, start } => {
                (start, SpanKind::Microtasks { trigger, ran, left })
            }
            Event::DeferredRan { ran, kept, start } => (start, SpanKind::Deferred { ran, kept }),
            Event::Immediates { ran, moved_to_next, start } => {
                (start, SpanKind::Immediates { ran, moved_to_next })
            }
            Event::IoReady { source, tag, readiness, task, start } => {
                (start, SpanKind::Io { source, tag, readiness, task })
            }
            Event::GcRan { heap_bytes_before, heap_bytes_after, start } => {
                (start, SpanKind::Gc { heap_bytes_before, heap_bytes_after })
            }
            Event::Pumped { handled, ready, timeout_ns, start } => {
                (start, SpanKind::Pump { handled, ready, timeout_ns })
            }
            Event::Span { label, start } => (start, SpanKind::Span { label }),
            Event::TimerFired { timer, tag, task, skipped, .. } => {
                let (due, fired) = stamped.timer_wait()?;
                (at, SpanKind::Timer { timer, tag, task, lag_ns: fired.ns_since(due), fired, skipped })
            }
            Event::SignalDelivered { signo, task, arrived } => {
                (at, SpanKind::Signal { signo, task, latency_ns: at.ns_since(arrived) })
            }
            Event::GcDecision { action, reason, heap_bytes, threshold_bytes } => {
                (at, SpanKind::GcDecision { action, reason, heap_bytes, threshold_bytes })
            }
            Event::Mark { label } => (at, SpanKind::Mark { label }),
            _ => return None,
        };
        // Times are untrusted input: an interval that ends before it begins becomes a point.
        Some(Self { start: start.min(at), end: at, what })
    }

    /// Duration in nanoseconds; 0 for a point.
    #[must_use]
    pub const fn run_ns(&self) -> u64 {
        self.end.ns_since(self.start)
    }
}
