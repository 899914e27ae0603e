//! The first pass of an export: finds the threads, the names and where time begins.
//!
//! Viewers need names first and times near zero, and an interval can begin before the first event, so none of this is
//! known until the whole stream has been seen once.

use std::cell::Cell;
use std::collections::HashMap;

use loop_probes::event::{Event, FieldValue};
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::stamped::Stamped;

use super::TimeRange;
use crate::labels::Labels;
use crate::timeline::{StreamEnd, Timeline, is_of_a_loop};

/// Maximum number of threads kept apart; further ones share the last.
const THREADS_MAX: usize = 4096;

/// A worker of the pool or of the agenda.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Runner {
    Pool(u16),
    Agenda(u16),
}

impl Runner {
    fn name(self) -> String {
        match self {
            Self::Pool(worker) => format!("worker {worker}"),
            Self::Agenda(worker) => format!("agenda worker {worker}"),
        }
    }
}

/// A row of the viewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Thread {
    pub(crate) source: SourceId,
    /// A worker whose runs were recorded by another emitter, and which gets a row of its own.
    pub(crate) worker: Option<Runner>,
    pub(crate) is_loop: bool,
    runs_as: Option<Runner>,
}

/// An emitter, and the worker that it reports on if that has a row of its own.
type RowKey = (SourceId, Option<Runner>);

/// The results of the first pass.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    range: TimeRange,
    pub(crate) labels: Labels,
    pub(crate) threads: Vec<Thread>,
    places: HashMap<RowKey, usize>,
    /// The row found last: events come in runs of one emitter.
    last_found: Cell<Option<(RowKey, usize)>>,
    /// All loops of the recording, in order of appearance.
    loops: Vec<SourceId>,
    last_loop: Option<SourceId>,
    /// Names of the loops in reports.
    loop_names: HashMap<SourceId, String>,
    /// The start of the exported part.
    pub(crate) base: Option<Timestamp>,
    /// The end of the exported part.
    end: Timestamp,
    /// The start of the recording's first event, from which summaries count as well.
    pub(crate) first: Option<Timestamp>,
}

/// The worker that an event is about.
const fn worker_of(event: &Event) -> Option<Runner> {
    match event {
        Event::WorkRan { worker, .. } => Some(Runner::Pool(*worker)),
        Event::AgendaRan { worker, .. } | Event::WorkerState { worker, .. } => Some(Runner::Agenda(*worker)),
        _ => None,
    }
}

/// When the activity in `stamped` began.
pub(crate) fn start_of(stamped: &Stamped) -> Timestamp {
    let start = match stamped.event {
        Event::TickEnd { start, .. }
        | Event::Phase { start, .. }
        | Event::Poll { start, .. }
        | Event::TaskRan { start, .. }
        | Event::Microtasks { start, .. }
        | Event::DeferredRan { start, .. }
        | Event::Immediates { start, .. }
        | Event::GcRan { start, .. }
        | Event::WorkRan { start, .. }
        | Event::AgendaRan { start, .. }
        | Event::IoReady { start, .. }
        | Event::Span { start, .. }
        | Event::Pumped { start, .. }
        | Event::ShutdownEnded { start, .. }
        | Event::GcRendezvous { start, .. } => start,
        _ => stamped.at,
    };
    start.min(stamped.at)
}

/// Whether any part of the extent of `stamped` lies in `range`.
pub(crate) fn is_in(range: TimeRange, stamped: &Stamped) -> bool {
    if range == TimeRange::default() {
        return true;
    }
    let mut start = stamped.at;
    stamped.event.each_field(|name, value| {
        if let ("start", FieldValue::Time(at)) = (name, value) {
            start = at.min(stamped.at);
        }
    });
    range.touches(start, stamped.at)
}

impl Survey {
    /// A survey of `range`. Names are learnt from the whole stream.
    #[must_use]
    pub fn new(range: TimeRange) -> Self {
        Self { range, ..Self::default() }
    }

    /// Takes one event, in stream order.
    pub fn see(&mut self, stamped: &Stamped) {
        self.labels.learn_event(&stamped.event);
        if matches!(stamped.event, Event::Label { .. }) {
            // Names carry no meaningful time, and do not determine where time begins.
            return;
        }
        let start = start_of(stamped);
        self.first.get_or_insert(start);
        if is_of_a_loop(&stamped.event)
            && self.last_loop != Some(stamped.source)
            && self.loops.len() < THREADS_MAX
        {
            self.last_loop = Some(stamped.source);
            if !self.loops.contains(&stamped.source) {
                self.loops.push(stamped.source);
            }
        }
        if !self.range.touches(start, stamped.at) {
            return;
        }
        // What a sample shows may have no other record.
        let begun = if let Event::Running { since, .. } = stamped.event { since.min(start) } else { start };
        // Counters and instants are at their own time, but within a tick that began earlier.
        self.base = Some(self.base.map_or(begun, |base| base.min(begun)));
        self.end = self.end.max(stamped.at);
        let ticks =
            matches!(stamped.event, Event::TickStart { .. } | Event::TickEnd { .. } | Event::TaskRan { .. });
        let worker = worker_of(&stamped.event);
        let place = self.place(stamped.source, None).unwrap_or_else(|| {
            self.add(stamped.source, None, worker);
            self.threads.len() - 1
        });
        self.threads[place].is_loop |= ticks;
        if worker.is_some() && self.threads[place].is_loop && self.place(stamped.source, worker).is_none() {
            self.add(stamped.source, worker, worker);
        }
    }

    /// Gives the loops their names, once the whole stream was seen.
    pub(crate) fn name_loops(&mut self) {
        let names = self.labels.of_loops(&self.loops);
        self.loop_names = self.loops.iter().copied().zip(names).collect();
    }

    /// The length of the exported part, in nanoseconds.
    pub(crate) fn span_ns(&self) -> u64 {
        self.base.map_or(0, |base| self.end.ns_since(base))
    }

    /// Unfinished work at the end of the stream, which ended like `end`, if that is exported: the events that would have
    /// recorded it, so that an export shows a hang with its known minimum.
    pub(crate) fn unfinished(&self, timeline: &Timeline, end: StreamEnd) -> Vec<Stamped> {
        let mut events = timeline.unfinished_events(end);
        events.retain(|stamped| self.range.to.is_none_or(|to| to >= stamped.at) && !self.threads.is_empty());
        events
    }

    /// The range that was surveyed.
    #[must_use]
    pub const fn range(&self) -> TimeRange {
        self.range
    }

    /// The row that `stamped` belongs to.
    pub(crate) fn row(&self, stamped: &Stamped) -> usize {
        let own = worker_of(&stamped.event).and_then(|worker| self.place(stamped.source, Some(worker)));
        own.unwrap_or_else(|| self.own_row(stamped.source))
    }

    /// The row of an emitter's own events.
    pub(crate) fn own_row(&self, source: SourceId) -> usize {
        self.place(source, None).unwrap_or(self.threads.len().saturating_sub(1))
    }

    /// The name of a row.
    pub(crate) fn name(&self, thread: &Thread) -> String {
        use loop_probes::event::LabelKind;
        match (self.labels.known(LabelKind::Source, thread.source.0), thread.worker.or(thread.runs_as)) {
            (_, Some(worker)) if thread.worker.is_some() => worker.name(),
            (Some(name), _) => self.loop_names.get(&thread.source).map_or(name, |name| name).to_owned(),
            (None, Some(worker)) => worker.name(),
            (None, None) if thread.is_loop => format!("loop {}", thread.source),
            (None, None) => format!("thread {}", thread.source),
        }
    }

    fn place(&self, source: SourceId, worker: Option<Runner>) -> Option<usize> {
        let key = (source, worker);
        let last = self.last_found.get().filter(|(found, _)| *found == key);
        let found = last.or_else(|| self.places.get(&key).map(|place| (key, *place)));
        self.last_found.set(found);
        found.map(|(_, place)| place)
    }

    fn add(&mut self, source: SourceId, worker: Option<Runner>, runs_as: Option<Runner>) {
        if self.threads.len() < THREADS_MAX {
            self.places.insert((source, worker), self.threads.len());
            self.threads.push(Thread { source, worker, is_loop: false, runs_as });
        }
    }
}
