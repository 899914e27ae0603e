//! Comma-separated values: one row per event, in the order of the recording, for data frames and databases.
//!
//! Fields that many kinds of events share are columns; the rest is a JSON object in the last column, so that a new kind
//! of event does not change the header. Times are nanoseconds since the recording's first event, as for `--from`; times
//! before it (a task queued before recording began) are negative. RFC 4180, except that lines end in a line feed.

mod row;

use std::collections::HashMap;
use std::io::{self, Write};

use loop_probes::event::{Event, FieldValue};
use loop_probes::ids::SourceId;
use loop_probes::stamped::Stamped;

use super::json::JsonOut;
use super::passes::{each_event, surveyed};
use super::survey::{Survey, is_in};
use super::{ExportError, TimeRange};
use crate::source::{EventSource, SourceError};
use crate::timeline::{Queues, TimelineConfig};
use row::Row;

/// The columns in order, each with a description. An empty value means "does not apply".
pub const COLUMNS: [(&str, &str); 17] = [
    ("time_ns", "the time of the event; its end if it has an extent"),
    (
        "emitter",
        "the thread or loop that recorded it; loops with equal names have their number as a suffix, as in reports (`renderer #2`)",
    ),
    ("kind", "the event, as the trace format calls it"),
    (
        "tick",
        "the emitter's tick in which it lies; empty from lost records to the end of the tick that they may be in",
    ),
    ("task", "the task, job or tasklet, by its number"),
    ("tag", "the tag of the task or callback"),
    (
        "name",
        "the phase, the label of a span or mark, the text of an exception or a violated rule, the source of readiness",
    ),
    ("start_ns", "the beginning of its extent"),
    ("run_ns", "the length of its extent: `time_ns` − `start_ns`"),
    ("queue_wait_ns", "from queued to started; empty if it was in no queue, or if its queue time is unknown"),
    ("timer", "the timer, by its number"),
    ("lag_ns", "start of a fired timer's callback minus its due time"),
    ("queue", "the queue"),
    ("depth", "the depth of the queue"),
    ("worker", "the worker, from 0"),
    (
        "outcome",
        "how a task ended; `cancelled`: before it ran; `woke`: no task, but a timer that woke a future",
    ),
    ("fields", "every other field of the event, as a JSON object"),
];

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CsvStats {
    /// Rows, excluding the header.
    pub rows: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Exports a recording; `open` is called twice and must yield the same events both times.
///
/// # Errors
///
/// [`ExportError`] if the recording cannot be read or the output cannot be written.
pub fn export<S: EventSource + Send>(
    mut open: impl FnMut() -> Result<S, SourceError>,
    range: TimeRange,
    out: impl Write,
) -> Result<CsvStats, ExportError> {
    let survey = surveyed(&mut open, range)?;
    let source = open()?;
    let mut writer = CsvWriter::new(&survey, TimelineConfig::of(source.metadata()), out);
    each_event(source, |stamped| Ok(writer.push(stamped)?))?;
    Ok(writer.finish()?)
}

/// What is known about an emitter.
#[derive(Debug)]
struct Emitter {
    source: SourceId,
    /// The emitter's name, encoded as a value.
    name: Vec<u8>,
    tick: Option<u64>,
}

struct CsvWriter<'a, W> {
    out: JsonOut<W>,
    survey: &'a Survey,
    config: TimelineConfig,
    /// Distinguishes a wait of zero from a task that was in no queue.
    queues: Queues,
    emitters: Vec<Emitter>,
    places: HashMap<SourceId, usize>,
    /// The emitter of the last event: events come in runs of one emitter.
    last: usize,
    /// Scratch space for the fields of a row that are not columns.
    rest: Vec<(&'static str, FieldValue)>,
    rows: u64,
}

impl<'a, W: Write> CsvWriter<'a, W> {
    fn new(survey: &'a Survey, config: TimelineConfig, out: W) -> Self {
        let mut out = JsonOut::new(out);
        out.raw(&COLUMNS.map(|(name, _)| name).join(",")).raw("\n");
        Self {
            out,
            survey,
            queues: Queues::new(&config),
            config,
            emitters: Vec::new(),
            places: HashMap::new(),
            last: 0,
            rest: Vec::new(),
            rows: 0,
        }
    }

    fn push(&mut self, stamped: &Stamped) -> io::Result<()> {
        if self.emitters.get(self.last).is_none_or(|emitter| emitter.source != stamped.source) {
            self.last = self.place_of(stamped.source);
        }
        let emitter = &mut self.emitters[self.last];
        match stamped.event {
            Event::TickStart { tick } => emitter.tick = Some(tick),
            // What was lost may have ended the tick, and begun others.
            Event::TickEnd { .. } | Event::Lost { .. } => emitter.tick = None,
            _ => {}
        }
        let waited = self.waited(stamped);
        if !is_in(self.survey.range(), stamped) {
            return Ok(());
        }
        let emitter = &self.emitters[self.last];
        let zero = self.survey.first.unwrap_or_default();
        Row { stamped, zero, labels: &self.survey.labels, waited }.write(
            self.out.buffer(),
            &mut self.rest,
            &emitter.name,
            emitter.tick,
        );
        self.rows += 1;
        self.out.settle()
    }

    /// How long the task, job or tasklet of an event was queued, where that is known.
    fn waited(&mut self, stamped: &Stamped) -> Option<u64> {
        let place = Some(self.last).filter(|place| *place < self.config.sources_max);
        self.queues.see(stamped.at, place, &stamped.event);
        match stamped.event {
            Event::TaskRan { task, queued, start, .. } => {
                self.queues.wait_of(place, task, (queued, start), self.config.queue_waits_in_part)
            }
            Event::WorkRan { queued, start, .. } | Event::AgendaRan { queued, start, .. } => {
                Some(start.ns_since(queued))
            }
            _ => None,
        }
    }

    #[cold]
    fn place_of(&mut self, source: SourceId) -> usize {
        if let Some(place) = self.places.get(&source) {
            return *place;
        }
        let thread = self.survey.threads.iter().find(|thread| thread.source == source);
        let name = thread.map_or_else(|| format!("thread {source}"), |thread| self.survey.name(thread));
        let mut value = Vec::new();
        row::text(&mut value, &name);
        self.places.insert(source, self.emitters.len());
        self.emitters.push(Emitter { source, name: value, tick: None });
        self.emitters.len() - 1
    }

    fn finish(mut self) -> io::Result<CsvStats> {
        self.out.flush()?;
        Ok(CsvStats { rows: self.rows, bytes: self.out.bytes })
    }
}

#[cfg(test)]
mod tests;
