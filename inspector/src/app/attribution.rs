//! An open breakdown: its subject, and the targets of its lines.
//!
//! Copied from the timeline when it opens. The past does not change, so the page stays valid while the loop runs on and
//! while a replay moves.

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};
use loop_probes::recorder::Running;
use loop_probes::stamped::Stamped;
use loop_traces::attribution::{Breakdown, What};
use loop_traces::labels::Labels;
use loop_traces::timeline::{
    LateSignal, LateTimer, OverdueTimer, SlowTask, SpanKind, Stall, StreamEnd, TickSpan, TickSummary,
    Timeline, UnfinishedTick, Waiter, signal_name,
};

use super::fold::{Fold, TickKey};
use crate::units;

/// The subject of a breakdown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Subject {
    /// A tick, usually a stall.
    Tick(TickSummary),
    /// A stall that had not ended when it was opened; its figures are lower bounds.
    Unfinished(UnfinishedTick),
    /// A timer that fired late.
    Timer(LateTimer),
    /// A timer that is due and had not fired when the list was made; its lag is a lower bound,
    /// unless its loop has stopped.
    Overdue(OverdueTimer),
    /// A signal delivered late.
    Signal {
        /// The signal number.
        signo: u8,
        /// The task that handled it.
        task: TaskId,
        /// When the signal's handler ran.
        arrived: Timestamp,
        /// When the signal was delivered.
        delivered: Timestamp,
    },
    /// The run of a slow task.
    Slow {
        /// Id of the task.
        task: TaskId,
        /// The task's tag.
        tag: Tag,
        /// When the task started.
        start: Timestamp,
        /// When the task ended.
        end: Timestamp,
    },
    /// The queue wait of a task.
    Wait {
        /// Id of the task.
        task: TaskId,
        /// The task's tag.
        tag: Tag,
        /// When the task was queued.
        queued: Timestamp,
        /// When the task started.
        start: Timestamp,
    },
}

impl Subject {
    /// Start and end of the subject.
    #[must_use]
    pub const fn extent(&self) -> (Timestamp, Timestamp) {
        match self {
            Self::Tick(tick) => (tick.start, tick.end),
            Self::Unfinished(tick) => (tick.start, tick.as_of),
            Self::Timer(late) => (late.due, late.fired),
            Self::Overdue(timer) => (timer.due, timer.as_of),
            Self::Signal { arrived, delivered, .. } => (*arrived, *delivered),
            Self::Slow { start, end, .. } => (*start, *end),
            Self::Wait { queued, start, .. } => (*queued, *start),
        }
    }

    /// The total of the breakdown, in nanoseconds: the subject's length; for a tick, the busy time.
    #[must_use]
    pub const fn lasted_ns(&self) -> u64 {
        let (from, to) = self.extent();
        match self {
            Self::Tick(TickSummary { busy_ns, .. }) | Self::Unfinished(UnfinishedTick { busy_ns, .. }) => {
                *busy_ns
            }
            _ => to.ns_since(from),
        }
    }

    /// Name in a list: that of the tick, the tag or the signal.
    #[must_use]
    pub fn name(&self, labels: &Labels) -> String {
        match self {
            Self::Tick(tick) => units::tick_name(Some(tick.tick)),
            Self::Unfinished(tick) => units::tick_name(tick.tick),
            Self::Timer(late) => labels.tag(late.tag).into_owned(),
            Self::Overdue(timer) => labels.tag(timer.tag).into_owned(),
            Self::Signal { signo, .. } => signal_name(*signo),
            Self::Slow { tag, task, .. } | Self::Wait { tag, task, .. } => {
                format!("{} #{task}", labels.tag(*tag))
            }
        }
    }

    /// Tag of the timer or task; `None` for ticks and signals.
    #[must_use]
    pub const fn tag(&self) -> Option<Tag> {
        match self {
            Self::Timer(late) => Some(late.tag),
            Self::Overdue(timer) => Some(timer.tag),
            Self::Slow { tag, .. } | Self::Wait { tag, .. } => Some(*tag),
            Self::Tick(_) | Self::Unfinished(_) | Self::Signal { .. } => None,
        }
    }

    /// Whether it has not ended, which makes its total a lower bound.
    #[must_use]
    pub const fn is_unfinished(&self) -> bool {
        matches!(self, Self::Unfinished(_) | Self::Overdue(OverdueTimer { is_final: false, .. }))
    }

    /// Whether `what` is still running, which makes its time a lower bound.
    #[must_use]
    pub fn is_open(&self, what: &What) -> bool {
        let Self::Unfinished(UnfinishedTick { running: Some((running, _)), .. }) = self else { return false };
        match (*running, *what) {
            (Running::Task { task, .. }, What::Task { task: its, .. } | What::Io { task: its, .. }) => {
                task == its
            }
            (Running::Phase(phase), What::Phase(its)) => phase == its,
            _ => false,
        }
    }

    /// Title of the breakdown's page.
    #[must_use]
    pub fn title(&self, labels: &Labels) -> String {
        let name = self.name(labels);
        match self {
            Self::Tick(tick) if tick.stall => format!("stall: {name}"),
            Self::Tick(_) => name,
            Self::Unfinished(_) => format!("stall: {name}, not ended"),
            Self::Timer(late) => format!("late timer: {name} #{}", late.task),
            Self::Overdue(_) => format!("late timer: {name}, not fired"),
            Self::Signal { task, .. } => format!("late signal: {name} #{task}"),
            Self::Slow { .. } => format!("slow task: {name}"),
            Self::Wait { .. } => format!("queue wait: {name}"),
        }
    }
}

impl From<LateSignal> for Subject {
    fn from(late: LateSignal) -> Self {
        let LateSignal { signo, task, arrived, delivered, .. } = late;
        Self::Signal { signo, task, arrived, delivered }
    }
}

impl From<SlowTask> for Subject {
    fn from(slow: SlowTask) -> Self {
        let SlowTask { task, tag, start, end, .. } = slow;
        Self::Slow { task, tag, start, end }
    }
}

/// A timer or a signal that was late, and the breakdown of its delay.
#[derive(Clone, Debug, PartialEq)]
pub struct LateRow {
    /// The timer or the signal.
    pub subject: Subject,
    /// The breakdown of its delay.
    pub breakdown: Breakdown,
}

impl LateRow {
    /// The late timers and signals that the timeline of the window keeps, and the timers that are overdue by more than the limit, worst
    /// first.
    #[must_use]
    pub fn all(fold: &Fold, of_window: &Timeline) -> Vec<Self> {
        let (timers, signals) = (of_window.late_timers(), of_window.late_signals());
        let timers =
            timers.into_iter().map(|late| Self { subject: Subject::Timer(late.what), breakdown: late.blame });
        let signals =
            signals.into_iter().map(|late| Self { subject: late.what.into(), breakdown: late.blame });
        let (config, unfinished) = (fold.timeline.config(), fold.timeline.unfinished(StreamEnd::Known));
        let overdue = unfinished.timers.iter().filter(|timer| timer.lag_ns() > config.late_timer_ns);
        let overdue = overdue.take(config.late_kept).map(|timer| Self {
            subject: Subject::Overdue(*timer),
            breakdown: fold.timeline.blame_overdue(timer),
        });
        let mut all: Vec<Self> = timers.chain(signals).chain(overdue).collect();
        all.sort_by_key(|row| std::cmp::Reverse(row.subject.lasted_ns()));
        all
    }

    /// Name in a list; signals get the prefix `signal`, because a tag may be called `CHLD`.
    #[must_use]
    pub fn name(&self, labels: &Labels) -> String {
        let name = self.subject.name(labels);
        if matches!(self.subject, Subject::Signal { .. }) { format!("signal {name}") } else { name }
    }
}

/// An open breakdown.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    /// The delay that is broken down.
    pub subject: Subject,
    /// The parts of the delay.
    pub breakdown: Breakdown,
    /// The tick in which the subject ended, and the tick's end; `None` if that tick is evicted or still running.
    pub tick: Option<(TickKey, Timestamp)>,
}

/// The page that a line opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// The page of a tag.
    Tag(Tag),
    /// The tick in which the subject ended.
    Tick,
}

impl Attribution {
    /// Opens `breakdown`; `picture` is searched for the subject's tick.
    #[must_use]
    pub fn new(subject: Subject, breakdown: Breakdown, picture: &Fold) -> Self {
        let tick = match subject {
            Subject::Tick(tick) => Some(tick),
            Subject::Unfinished(_) | Subject::Overdue(_) => None,
            _ => picture.tick_at(subject.extent().1).copied(),
        };
        Self { subject, breakdown, tick: tick.map(|tick| (TickKey::of(&tick), tick.end)) }
    }

    /// The breakdown as lines of text: what was delayed, when, for how long, and its parts. `at_ns` is its beginning, in
    /// nanoseconds since the start of the recording.
    #[must_use]
    pub fn text(&self, at_ns: u64, labels: &Labels) -> String {
        let Self { subject, breakdown, .. } = self;
        let at_least = |is_open: bool| if is_open { "at least " } else { "" };
        let (total, open) = (units::duration(breakdown.total_ns), at_least(subject.is_unfinished()));
        let mut text = format!("{} at {}: {open}{total}\n", subject.title(labels), units::position(at_ns));
        for share in &breakdown.shares {
            let part = share.ns as f64 / breakdown.total_ns.max(1) as f64;
            let (what, open) = (share.what.describe(labels), at_least(subject.is_open(&share.what)));
            let (time, part) = (units::duration(share.ns), units::percent(part));
            text.push_str(&format!("{time:>8} {part:>5}  {open}{what}\n"));
        }
        text
    }

    /// Opens the breakdown of a stall.
    #[must_use]
    pub fn of_stall(stall: &Stall, picture: &Fold) -> Self {
        Self::new(Subject::Tick(stall.tick), stall.blame.clone(), picture)
    }

    /// Opens the breakdown of a late timer or signal.
    #[must_use]
    pub fn of_late(row: &LateRow, picture: &Fold) -> Self {
        Self::new(row.subject, row.breakdown.clone(), picture)
    }

    /// The breakdown for an event: a timer that fired, a signal that was delivered, a slow task, or a task that waited
    /// longer than the limit for late timers. `None` for all others.
    #[must_use]
    pub fn of_event(stamped: &Stamped, picture: &Fold) -> Option<Self> {
        let (config, source, at) = (picture.timeline.config(), stamped.source, stamped.at);
        match stamped.event {
            Event::SlowTask { task, tag, start, .. } => {
                Some(Self::of_slow(source, (task, tag), (start, at), picture))
            }
            Event::TaskRan { task, tag, start, .. } if at.ns_since(start) > config.slow_task_ns => {
                Some(Self::of_slow(source, (task, tag), (start, at), picture))
            }
            Event::TaskRan { queued, start, .. } if start.ns_since(queued) <= config.late_task_ns => None,
            _ => Self::of_wait(stamped, picture),
        }
    }

    /// The breakdown of the wait that ends with an event: of a timer until it fired, of a signal until it was
    /// delivered, of a task until it started. `None` for all others.
    #[must_use]
    pub fn of_wait(stamped: &Stamped, picture: &Fold) -> Option<Self> {
        let source = stamped.source;
        let subject = match stamped.event {
            Event::TimerFired { .. } => {
                let (_, began) = stamped.timer_wait()?;
                Subject::Timer(LateTimer::of(stamped, picture.tick_at(began).map(|tick| tick.tick))?)
            }
            Event::SignalDelivered { signo, task, arrived } => {
                Subject::Signal { signo, task, arrived, delivered: stamped.at }
            }
            Event::TaskRan { task, tag, queued, start, .. } => Subject::Wait { task, tag, queued, start },
            _ => return None,
        };
        Some(Self::new(subject, waited(&picture.timeline, source, &subject), picture))
    }

    /// The breakdown for a span of an opened tick.
    #[must_use]
    pub fn of_span(span: &TickSpan, source: SourceId, picture: &Fold) -> Option<Self> {
        let at = span.end;
        let event = match span.what {
            SpanKind::Task { task, tag, outcome, queue_wait_ns } => {
                let queued = Timestamp(span.start.as_ns().saturating_sub(queue_wait_ns.unwrap_or(0)));
                Event::TaskRan { task, tag, outcome, queued, start: span.start }
            }
            SpanKind::Signal { signo, task, latency_ns } => {
                let arrived = Timestamp(at.as_ns().saturating_sub(latency_ns));
                Event::SignalDelivered { signo, task, arrived }
            }
            // The span has no due time; the event in the log and the list of late timers have it.
            SpanKind::Timer { timer, task, .. } => {
                let is_it = |stamped: &&Stamped| {
                    stamped.source == source && TickSpan::of(stamped).as_ref() == Some(span)
                };
                if let Some(fired) = picture.log().iter().rev().find(is_it) {
                    return Self::of_event(fired, picture);
                }
                let mut late = picture.timeline.late_timers().into_iter();
                let late = late.find(|late| {
                    (late.what.source, late.what.timer, late.what.task) == (source, timer, task)
                });
                return late.map(|late| Self::new(Subject::Timer(late.what), late.blame, picture));
            }
            _ => return None,
        };
        Self::of_event(&Stamped { at, source, event }, picture)
    }

    fn of_slow(
        source: SourceId,
        (task, tag): (TaskId, Tag),
        (start, end): (Timestamp, Timestamp),
        picture: &Fold,
    ) -> Self {
        let breakdown = picture.timeline.run_of(source, task, tag, start, end);
        Self::new(Subject::Slow { task, tag, start, end }, breakdown, picture)
    }

    /// Number of rows: the lines and their sum.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.breakdown.shares.len() + 1
    }

    /// The page that a row opens. All lines of a slow task open its tag.
    #[must_use]
    pub fn lead(&self, row: usize) -> Lead {
        match (self.breakdown.shares.get(row).map(|share| share.what), self.subject) {
            (
                Some(
                    What::Task { tag, .. }
                    | What::Io { tag, .. }
                    | What::Microtasks { after: Some((_, tag)) },
                ),
                _,
            )
            | (Some(_), Subject::Slow { tag, .. }) => Lead::Tag(tag),
            _ => Lead::Tick,
        }
    }

    /// Whether a slow task's whole run is unattributed, so that the breakdown adds nothing to the task's name.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        let is_attributed = self.breakdown.shares.iter().any(|share| share.what != What::Unattributed);
        matches!(self.subject, Subject::Slow { .. }) && !is_attributed
    }
}

/// The breakdown of a wait: the stored one if the wait is among the worst, otherwise computed from the history.
fn waited(timeline: &Timeline, source: SourceId, subject: &Subject) -> Breakdown {
    let kept = match subject {
        Subject::Timer(late) => {
            let mut all = timeline.late_timers().into_iter();
            all.find(|kept| kept.what == *late).map(|kept| kept.blame)
        }
        Subject::Signal { .. } => {
            let mut all = timeline.late_signals().into_iter();
            all.find(|kept| Subject::from(kept.what) == *subject).map(|kept| kept.blame)
        }
        _ => None,
    };
    let (from, to) = subject.extent();
    let kind = match subject {
        Subject::Timer(_) => Waiter::Timer,
        Subject::Signal { .. } => Waiter::Signal,
        _ => Waiter::Task,
    };
    kept.unwrap_or_else(|| timeline.waited(kind, source, from, to, timeline.config().breakdown_lines))
}
