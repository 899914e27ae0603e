//! Exports a recording as Chrome-trace JSON.
//!
//! Each emitter is a thread. Its ticks, phases and tasks are nested slices; workers have threads of their own, with
//! what they ran and what they stopped for; queue depths, the agenda's waiting tasklets and the heap are counters;
//! signals, commands, GC decisions and stalls are instants with their numbers. Times are microseconds with three
//! decimals, printed from integers and counted from the recording's first moment; durations have more decimals where
//! doubles need them to add up. Beyond 12 days, where doubles no longer hold nanoseconds well enough for that, times are
//! whole microseconds. Memory is bounded: at most 262,144 events of a thread wait for the end of their tick.

mod blame;
mod carried;
mod depths;

use std::io::Write;

use loop_probes::event::{Event, Queue};
use loop_probes::ids::Timestamp;
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;
use loop_probes::text::printable;

use blame::Blamer;
use carried::{Carried, Packer};
use depths::DepthCounters;

use super::phrase::{Args, instant_args, instant_category, name, slice_args, slice_category};
use crate::export::agenda_tracks::{AgendaTracks, Waiting};
use crate::export::json::JsonOut;
use crate::export::layout::{LayoutItem, Row, RowPosition};
use crate::export::passes::{each_batch, surveyed};
use crate::export::slices::{WAITING_ALL, WAITING_MAX, WAITING_OUTSIDE};
use crate::export::survey::{Survey, start_of};
use crate::export::{ExportError, SPAN_NS_MAX, TimeRange};
use crate::source::{Batch, EventSource, SourceError};
use crate::summary::StateSummary;
use crate::timeline::{Stall, StreamEnd};

/// What to export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// The part of the recording to export.
    pub range: TimeRange,
    /// Whether slices carry their own numbers (task ids, waits) as arguments. speedscope then no longer groups equal
    /// ones.
    pub details: bool,
}

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportStats {
    /// Slices of ticks.
    pub tick_slices: u64,
    /// Slices of tasks: one for every task that ran on a loop's thread.
    pub task_slices: u64,
    /// Slices of all kinds.
    pub slices: u64,
    /// Asynchronous pairs, for what overlaps without nesting.
    pub async_pairs: u64,
    /// Number of instants written.
    pub instants: u64,
    /// Number of counter samples written.
    pub counters: u64,
    /// Stalls, among the instants.
    pub stalls: u64,
    /// Number of threads.
    pub threads: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Exports a recording in two passes; `open` is called for each and must yield the same events both times.
///
/// # Errors
///
/// [`ExportError`] if the recording cannot be read or the output cannot be written.
pub fn export<S: EventSource + Send, W: Write>(
    mut open: impl FnMut() -> Result<S, SourceError>,
    options: ExportOptions,
    out: W,
) -> Result<ExportStats, ExportError> {
    let survey = surveyed(&mut open, options.range)?;
    let source = open()?;
    let mut packer = Packer::new(source.metadata());
    let mut writer = ChromeWriter::new(out, source.metadata(), survey, options)?;
    writer.carried.add(&packer.ready());
    let pack = |batch: Batch| {
        let pieces = packer.pack(&batch, options.range);
        (batch.events, pieces)
    };
    let source = each_batch(source, pack, |(events, pieces)| {
        let mut pieces = pieces.into_iter().peekable();
        for (place, stamped) in events.iter().enumerate() {
            if let Some((_, bytes)) = pieces.next_if(|(complete_at, _)| *complete_at == place) {
                writer.carried.add(&bytes);
            }
            writer.push(stamped)?;
        }
        Ok(())
    })?;
    let end = StateSummary::of(&source, &writer.blamer.timeline).end();
    writer.finish(&packer.finish(&source, options.range), end)
}

#[derive(Clone, Copy, Debug)]
enum Item {
    Event(Stamped),
    /// The record an unfinished event would have had.
    Unfinished(Stamped),
    /// The tick that has just ended was a stall.
    Stall,
    Depth {
        queue: Queue,
        depth: u32,
    },
    Bytes {
        name: &'static str,
        bytes: u64,
    },
    Waiting(Waiting),
}

#[derive(Debug, Default)]
struct Lane {
    /// The keys that are the same for all its events, up to the time.
    keys: String,
    row: Row<Item>,
    in_tick: bool,
    /// The start of the first slice drawn.
    first: Option<u64>,
    depths: DepthCounters,
}

/// Writes one export, event by event, after a [`Survey`] of the same events.
#[derive(Debug)]
struct ChromeWriter<W: Write> {
    out: JsonOut<W>,
    survey: Survey,
    options: ExportOptions,
    pid: u64,
    stall_limit_ns: u64,
    lanes: Vec<Lane>,
    /// Events held, over all threads.
    waiting: usize,
    heap: [Option<u64>; 2],
    agenda: AgendaTracks,
    blamer: Blamer,
    carried: Carried,
    comma: &'static str,
    stats: ExportStats,
}

impl<W: Write> ChromeWriter<W> {
    /// Begins the file with its metadata and the names of processes and threads.
    fn new(out: W, metadata: &Metadata, survey: Survey, options: ExportOptions) -> Result<Self, ExportError> {
        let span_ns = survey.span_ns();
        if span_ns > SPAN_NS_MAX {
            return Err(ExportError::TooLong { span_ns });
        }
        // Viewers take 0 to mean "none".
        let pid = u64::from(metadata.pid.max(1));
        let keys = (1..=survey.threads.len()).map(|tid| format!(",\"pid\":{pid},\"tid\":{tid},\"ts\":"));
        let lanes = keys.map(|keys| Lane { keys, ..Lane::default() }).collect();
        let stats = ExportStats { threads: survey.threads.len() as u64, ..ExportStats::default() };
        let mut writer = Self {
            out: JsonOut::new(out),
            survey,
            options,
            pid,
            stall_limit_ns: metadata.stall_limit_ns,
            lanes,
            waiting: 0,
            heap: [None; 2],
            agenda: AgendaTracks::default(),
            blamer: Blamer::new(metadata),
            carried: Carried::default(),
            comma: "",
            stats,
        };
        writer.out.hold_times_up_to(span_ns);
        writer.head(metadata);
        writer.out.settle()?;
        Ok(writer)
    }

    fn head(&mut self, metadata: &Metadata) {
        let base = self.survey.base.unwrap_or_default();
        let other = serde_json::json!({
            "recorder": concat!("loopscope ", env!("CARGO_PKG_VERSION")),
            "program": printable(&metadata.program), "host": printable(&metadata.host),
            "command": printable(&metadata.command.join(" ")), "build": printable(&metadata.build),
            "policy": printable(&metadata.policy), "machine": printable(&metadata.machine),
            "stall_limit_ns": metadata.stall_limit_ns.to_string(),
            "started_wall_ns": metadata.started.wall_ns.to_string(),
            "zero_monotonic_ns": base.as_ns().to_string(),
        });
        self.out.raw("{\"displayTimeUnit\":\"ns\",\"otherData\":").raw(&other.to_string());
        self.out.raw(",\"traceEvents\":[");
        let program = printable(&format!("{} ({})", metadata.program, metadata.policy));
        self.name_row("process_name", 1, "name", &program);
        let threads = std::mem::take(&mut self.survey.threads);
        for (place, thread) in threads.iter().enumerate() {
            let name = self.survey.name(thread);
            self.name_row("thread_name", place + 1, "name", &name);
            self.begin_event();
            self.out.raw("{\"ph\":\"M\",\"name\":\"thread_sort_index\",\"pid\":").number(self.pid);
            self.out.raw(",\"tid\":").number(place as u64 + 1);
            // Loops first, then workers in order.
            let order = place as u64 + if thread.is_loop { 0 } else { threads.len() as u64 };
            self.out.raw(",\"ts\":0,\"args\":{\"sort_index\":").number(order).raw("}}");
        }
        self.survey.threads = threads;
    }

    fn name_row(&mut self, what: &str, tid: usize, key: &str, name: &str) {
        self.begin_event();
        self.out.raw("{\"ph\":\"M\",\"name\":\"").raw(what).raw("\",\"pid\":").number(self.pid);
        self.out.raw(",\"tid\":").number(tid as u64).raw(",\"ts\":0,\"args\":{\"").raw(key).raw("\":");
        self.out.string(name).raw("}}");
    }

    /// Exports one event, in the order of the stream.
    fn push(&mut self, stamped: &Stamped) -> Result<(), ExportError> {
        // Includes what is not exported: it may have delayed what is.
        self.blamer.see(stamped);
        let start = start_of(stamped);
        if self.lanes.is_empty() || !self.survey.range().touches(start, stamped.at) {
            return Ok(());
        }
        let place = self.survey.row(stamped);
        match stamped.event {
            Event::TickStart { .. } => {
                self.flush(place)?;
                self.lanes[place].in_tick = true;
            }
            Event::TickEnd { .. } => {
                self.add(place, start, stamped.at, Item::Event(*stamped));
                if self.blamer.stall(stamped).is_some() {
                    self.add_point(place, start, Item::Stall);
                }
                self.flush(place)?;
                self.lanes[place].in_tick = false;
            }
            Event::QueueDepth { .. } => {}
            Event::WorkerState { .. } => {
                if let Some(since) = self.agenda.stood_since(place, stamped) {
                    self.add(place, since, stamped.at, Item::Event(*stamped));
                }
            }
            _ if stamped.never_ran() => {}
            event => {
                if slice_category(&event).is_some() {
                    self.add(place, start, stamped.at, Item::Event(*stamped));
                } else if instant_category(&event).is_some() {
                    self.add_point(place, stamped.at, Item::Event(*stamped));
                }
                self.heap_counters(place, stamped);
            }
        }
        for (queue, depth) in self.lanes[place].depths.changes(&stamped.event) {
            self.add_point(place, stamped.at, Item::Depth { queue, depth });
        }
        if let Some(waiting) = self.agenda.waiting(stamped) {
            // A counter belongs to the process: one row holds all its values, in order.
            self.add_point(0, stamped.at, Item::Waiting(waiting));
            self.flush_when_full(0)?;
        }
        self.flush_when_full(place)
    }

    fn flush_when_full(&mut self, place: usize) -> Result<(), ExportError> {
        let lane = &self.lanes[place];
        let limit = if lane.in_tick { WAITING_MAX } else { WAITING_OUTSIDE };
        if lane.row.len() >= limit {
            return self.flush(place);
        }
        if self.waiting > WAITING_ALL {
            let lanes = self.lanes.iter().enumerate();
            let fullest = lanes.max_by_key(|(_, lane)| lane.row.len());
            return fullest.map(|(place, _)| place).map_or(Ok(()), |place| self.flush(place));
        }
        Ok(())
    }

    fn heap_counters(&mut self, place: usize, stamped: &Stamped) {
        let seen = match stamped.event {
            Event::GcDecision { heap_bytes, threshold_bytes, .. } => {
                [Some(heap_bytes), Some(threshold_bytes)]
            }
            Event::GcRan { heap_bytes_after, .. } => [Some(heap_bytes_after), None],
            _ => return,
        };
        for (which, name) in ["heap", "gc threshold"].into_iter().enumerate() {
            if let Some(bytes) = seen[which]
                && self.heap[which].replace(bytes) != Some(bytes)
            {
                self.add_point(place, stamped.at, Item::Bytes { name, bytes });
            }
        }
    }

    fn add(&mut self, place: usize, start: Timestamp, end: Timestamp, what: Item) {
        let base = self.survey.base.unwrap_or_default();
        let (start, end) = (start.ns_since(base), end.ns_since(base));
        let gives_way = matches!(&what, Item::Event(stamped) if matches!(stamped.event, Event::Span { .. }));
        self.lanes[place].row.add(LayoutItem { start, end, gives_way, continues: false, what });
        self.waiting += 1;
    }

    fn add_point(&mut self, place: usize, at: Timestamp, what: Item) {
        let base = self.survey.base.unwrap_or_default();
        self.lanes[place].row.add_point(at.ns_since(base), what);
        self.waiting += 1;
    }

    fn flush(&mut self, place: usize) -> Result<(), ExportError> {
        let mut row = std::mem::take(&mut self.lanes[place].row);
        self.waiting -= row.len();
        let drawn = row.flush(|position, item| {
            self.draw(place, position, item);
            self.out.settle()
        });
        self.lanes[place].row = row;
        Ok(drawn?)
    }

    fn draw(&mut self, lane: usize, position: RowPosition, item: &Item) {
        match (position, item) {
            (RowPosition::Slice { start, dur }, Item::Event(stamped)) => {
                self.slice(lane, start, dur, stamped, "")
            }
            (RowPosition::Slice { start, dur }, Item::Unfinished(stamped)) => {
                self.slice(lane, start, dur, stamped, ",unfinished");
            }
            (RowPosition::Async { start, end }, Item::Event(stamped) | Item::Unfinished(stamped)) => {
                self.pair(lane, start, end, stamped)
            }
            (RowPosition::Point { at }, Item::Event(stamped) | Item::Unfinished(stamped)) => {
                self.instant(lane, at, stamped)
            }
            (RowPosition::Point { at }, Item::Stall) => self.stall(lane, at),
            (RowPosition::Point { at }, Item::Depth { queue, depth }) => {
                self.counter(lane, at, ["queue ", queue.name()], &[("depth", u64::from(*depth))]);
            }
            (RowPosition::Point { at }, Item::Bytes { name, bytes }) => {
                self.counter(lane, at, ["", name], &[("bytes", *bytes)]);
            }
            (RowPosition::Point { at }, Item::Waiting([high, normal, low])) => {
                let [high, normal, low] = [*high, *normal, *low].map(u64::from);
                let series = [("high", high), ("normal", normal), ("low", low)];
                self.counter(lane, at, ["agenda ", "waiting"], &series);
            }
            // Only events have durations.
            (RowPosition::Slice { .. } | RowPosition::Async { .. }, _) => {}
        }
    }

    fn stall(&mut self, lane: usize, at: u64) {
        self.begin_event();
        self.out.raw("{\"ph\":\"i\",\"s\":\"t\",\"name\":\"stall\",\"cat\":\"stall\"");
        self.stand(lane, at);
        let mut args = Args::new(&mut self.out);
        if let Some(Stall { tick, blame, .. }) = self.blamer.last_stall() {
            args.number("tick", tick.tick).micros("busy_us", tick.busy_ns);
            args.micros("poll_wait_us", tick.poll_wait_ns).micros("limit_us", self.stall_limit_ns);
            args.number("tasks_run", tick.tasks_run).breakdown(blame, &self.survey.labels);
        }
        args.end();
        self.out.raw("}");
        self.stats.instants += 1;
        self.stats.stalls += 1;
    }

    /// `more`: categories besides its own.
    fn slice(&mut self, lane: usize, start: u64, dur: u64, stamped: &Stamped, more: &str) {
        let event = &stamped.event;
        self.begin_event();
        self.out.raw("{\"ph\":\"X\",\"name\":");
        name(&mut self.out, event, &self.survey.labels);
        self.out.raw(",\"cat\":\"").raw(slice_category(event).unwrap_or("")).raw(more).raw("\"");
        self.stand(lane, start);
        let first = *self.lanes[lane].first.get_or_insert(start);
        self.out.raw(",\"dur\":").duration(first, start, start.saturating_add(dur));
        slice_args(&mut self.out, event, self.options.details);
        self.carried.put(&mut self.out, None);
        self.out.raw("}");
        self.stats.slices += 1;
        self.stats.tick_slices += u64::from(matches!(event, Event::TickEnd { .. }));
        self.stats.task_slices += u64::from(slice_category(event) == Some("task"));
    }

    fn pair(&mut self, lane: usize, start: u64, end: u64, stamped: &Stamped) {
        self.stats.async_pairs += 1;
        for (phase, at) in [("b", start), ("e", end.max(start.saturating_add(1)))] {
            self.begin_event();
            self.out.raw("{\"ph\":\"").raw(phase).raw("\",\"name\":");
            name(&mut self.out, &stamped.event, &self.survey.labels);
            self.out.raw(",\"cat\":\"").raw(slice_category(&stamped.event).unwrap_or(""));
            self.out.raw("\",\"id\":\"").number(self.stats.async_pairs).raw("\"");
            self.stand(lane, at);
            self.out.raw("}");
        }
    }

    fn instant(&mut self, lane: usize, at: u64, stamped: &Stamped) {
        let event = &stamped.event;
        self.begin_event();
        self.out.raw("{\"ph\":\"i\",\"s\":\"t\",\"name\":");
        name(&mut self.out, event, &self.survey.labels);
        self.out.raw(",\"cat\":\"").raw(instant_category(event).unwrap_or("")).raw("\"");
        self.stand(lane, at);
        let blame = self.blamer.late(stamped);
        instant_args(&mut self.out, stamped.at, event, &self.survey.labels, blame.as_ref());
        self.out.raw("}");
        self.stats.instants += 1;
    }

    /// The Firefox Profiler refuses a file with neither slices nor instants.
    fn nothing_recorded(&mut self) {
        self.begin_event();
        self.out.raw("{\"ph\":\"i\",\"s\":\"t\",\"name\":\"nothing recorded\",\"cat\":\"recorder\",\"pid\":");
        self.out.number(self.pid).raw(",\"tid\":1,\"ts\":").time(0).raw("}");
        self.stats.instants += 1;
    }

    fn counter(&mut self, lane: usize, at: u64, name: [&str; 2], series: &[(&str, u64)]) {
        self.begin_event();
        self.out.raw("{\"ph\":\"C\",\"name\":\"").raw(name[0]).raw(name[1]).raw("\"");
        self.stand(lane, at);
        let mut args = Args::new(&mut self.out);
        for (name, value) in series {
            // A counter's values are numbers; a double is accurate enough for a curve.
            args.number(name, (*value).min(1 << 53));
        }
        args.end();
        self.out.raw("}");
        self.stats.counters += 1;
    }

    fn stand(&mut self, lane: usize, at: u64) {
        self.out.raw(&self.lanes[lane].keys).time(at);
    }

    fn begin_event(&mut self) {
        self.out.raw(self.comma).raw("\n");
        self.comma = ",";
    }

    /// Ends the file, with the last piece of the embedded recording: viewers need it complete.
    fn finish(mut self, rest: &[u8], end: StreamEnd) -> Result<ExportStats, ExportError> {
        for stamped in self.survey.unfinished(&self.blamer.timeline, end) {
            let place = self.survey.row(&stamped);
            self.add(place, start_of(&stamped), stamped.at, Item::Unfinished(stamped));
        }
        for place in 0..self.lanes.len() {
            self.flush(place)?;
        }
        if self.stats.slices + self.stats.async_pairs + self.stats.instants == 0 {
            self.nothing_recorded();
        }
        self.out.raw("\n]");
        self.carried.add(rest);
        let ExportStats { slices, async_pairs, instants, .. } = self.stats;
        self.carried.put(&mut self.out, Some((slices + async_pairs, instants)));
        self.out.raw("}\n");
        self.out.flush()?;
        self.stats.bytes = self.out.bytes;
        Ok(self.stats)
    }
}

#[cfg(test)]
mod tests;
