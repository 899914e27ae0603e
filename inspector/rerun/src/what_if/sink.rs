//! Receives the recording of a re-execution: feeds the fold and, if wanted, a file.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use loop_probes::event::{Event, LabelKind, PolicyField};
use loop_probes::ids::{LabelId, SourceId, Tag, Ticks, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::recorder::Capture;
use loop_probes::stamped::Stamped;
use loop_probes::tags;
use loop_probes::text::Text;
use loop_traces::writer::{TraceWriter, WriteError};

use super::measure::Measure;
use super::plan::{EXTERNAL, Plan};
use super::script::Script;
use crate::scratch::Scratch;

/// Where a recording is saved.
#[derive(Clone, Copy, Debug)]
pub(super) enum Output<'a> {
    /// The file at a path, which is replaced.
    Path(&'a Path),
    /// A file without a name.
    Scratch(&'a Scratch),
}

impl Output<'_> {
    fn begin(self, metadata: &Metadata) -> Result<TraceWriter, WriteError> {
        match self {
            Self::Path(path) => TraceWriter::create(path, metadata),
            Self::Scratch(scratch) => scratch.write(metadata),
        }
    }
}

/// See the [module](self).
pub(super) struct EventSink {
    /// The captures of the loop and of its workers.
    captures: Vec<Capture>,
    measure: Measure,
    writer: Option<TraceWriter>,
    failed: Option<WriteError>,
    source: SourceId,
    /// The emitters of the first pool worker and of the agenda itself.
    agenda_side: [SourceId; 2],
    /// Whether the first tick has begun: events before it only restore the state.
    begun: bool,
    begin: Timestamp,
    named: HashSet<(LabelKind, u32)>,
    batch: Vec<Stamped>,
}

impl EventSink {
    pub(super) fn new(
        script: &Script,
        plan: &Plan,
        metadata: &Metadata,
        captures: [Capture; 2],
        output: Option<Output<'_>>,
    ) -> Result<Self, WriteError> {
        let writer = output.map(|output| output.begin(metadata)).transpose()?;
        let mut sink = Self {
            captures: captures.into(),
            measure: Measure::new(metadata, script.detail),
            writer,
            failed: None,
            source: script.source,
            agenda_side: [plan.worker(0), plan.agenda_side(EXTERNAL)],
            begun: false,
            begin: Timestamp(script.begin_ns),
            named: HashSet::new(),
            batch: Vec::new(),
        };
        sink.name(LabelKind::Source, script.source.0, &script.labels.source(script.source));
        for worker in 0..plan.workers {
            sink.name(LabelKind::Source, plan.worker(worker).0, &format!("worker {worker}"));
        }
        if plan.agenda_workers > 0 {
            sink.name(LabelKind::Source, plan.agenda_side(EXTERNAL).0, "agenda");
        }
        for worker in 0..plan.agenda_workers {
            sink.name(LabelKind::Source, plan.agenda_side(worker + 1).0, &format!("agenda worker {worker}"));
        }
        for tag in plan.tags().iter().filter(|tag| **tag != Tag(0)) {
            if let Some(name) = tags::name(*tag) {
                sink.name(LabelKind::Tag, u32::from(tag.0), &name);
            }
        }
        Ok(sink)
    }

    fn name(&mut self, kind: LabelKind, id: u32, text: &str) {
        if self.named.insert((kind, id)) {
            let event = Event::Label { kind, id, text: Text::new(text) };
            self.take(Stamped { at: self.begin, source: self.source, event });
        }
    }

    fn take(&mut self, stamped: Stamped) {
        if let Event::TickStart { .. } = stamped.event {
            self.begun = true;
        }
        if self.begun || matches!(stamped.event, Event::Label { .. }) {
            self.measure.fold(&stamped);
            // The restored state itself is in the first tick's snapshot.
            if self.writer.is_some() {
                self.batch.push(stamped);
            }
        } else {
            Arc::make_mut(&mut self.measure.timeline.labels).learn_event(&stamped.event);
        }
    }

    /// Takes what was recorded since the last call, and the events of the agenda, in order of time. Returns the number
    /// of events.
    pub(super) fn drain(&mut self, agenda_events: Vec<(u16, Ticks, Event<Ticks>)>) -> u64 {
        let [events, jobs] = match &self.captures[..] {
            [own, workers] => [own.take(), workers.take()],
            _ => return 0,
        };
        let count = events.len() + jobs.len() + agenda_events.len();
        let [worker_0, external] = self.agenda_side;
        let from = |first: SourceId, number: u16| SourceId(first.0.saturating_add(number.into()));
        let agenda_events =
            agenda_events.into_iter().map(|(emitter, at, event)| (from(external, emitter), at, event));
        let ran = jobs.into_iter().map(|(at, event)| {
            let worker = if let Event::WorkRan { worker, .. } = event { worker } else { 0 };
            (from(worker_0, worker), at, event)
        });
        let mut agenda_side: Vec<_> = ran.chain(agenda_events).collect();
        agenda_side.sort_by_key(|(_, at, _)| *at);
        let mut agenda_side = agenda_side.into_iter().peekable();
        for (at, event) in events {
            while let Some((source, at, event)) = agenda_side.next_if(|(_, earlier, _)| *earlier <= at) {
                self.emit_labels(&event);
                self.take(self.stamp(at, source, event));
            }
            self.emit_labels(&event);
            self.take(self.stamp(at, self.source, event));
        }
        for (source, at, event) in agenda_side {
            self.emit_labels(&event);
            self.take(self.stamp(at, source, event));
        }
        if let Some(writer) = &mut self.writer
            && let Err(error) = writer.append(&self.batch)
        {
            self.failed = Some(error);
            self.writer = None;
        }
        self.batch.clear();
        count as u64
    }

    /// Stamps an event. Timers armed at the beginning carry their own arming time, which lies before it.
    fn stamp(&self, at: Ticks, source: SourceId, event: Event<Ticks>) -> Stamped {
        let at = Timestamp(at.0);
        let at = if self.begun { at } else { at.max(self.begin) };
        Stamped { at, source, event: event.map_time(|time| Timestamp(time.0)) }
    }

    /// Emits the labels that the event refers to, unless already done.
    fn emit_labels(&mut self, event: &Event<Ticks>) {
        let (kind, LabelId(id)) = match *event {
            Event::Exception { message: label, .. }
            | Event::Violation { rule: label }
            | Event::IoLabel { label, .. }
            | Event::SnapshotPending { label: Some(label), .. } => (LabelKind::Text, label),
            Event::SnapshotPolicy { field: PolicyField::Name, value: Some(id) } => {
                (LabelKind::Text, LabelId(u32::try_from(id).unwrap_or(0)))
            }
            Event::Mark { label } | Event::Span { label, .. } => (LabelKind::Span, label),
            _ => return,
        };
        if self.named.contains(&(kind, id)) {
            return;
        }
        let text = self.captures.first().and_then(|capture| capture.label(kind, id));
        if let Some(text) = text {
            self.name(kind, id, &text);
        }
    }

    /// Returns the fold after everything was taken and saved.
    pub(super) fn finish(mut self, saves: bool) -> Result<Measure, WriteError> {
        if let Some(error) = self.failed.take().filter(|_| saves) {
            return Err(error);
        }
        self.writer.take().map_or(Ok(()), |writer| writer.finish().map(drop))?;
        Ok(self.measure)
    }
}
