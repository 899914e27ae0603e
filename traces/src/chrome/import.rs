//! Imports a Chrome trace written by another program as events of loops.
//!
//! ```text
//! file ──read──> records ──sort──> survey ──> which threads are loops ──> make ──sort──> events ──> .looptrace
//! ```
//!
//! Events in real files are out of order, and which threads are loops is known only at the end. So the file is read
//! once and its records are passed over twice; what does not fit into memory waits in a temporary file. Nothing is
//! invented: a task whose post is not in the file has no queue wait, a timer without a due time is not a timer.
//! `docs/src/foreign-traces.md` specifies the mapping.

mod choose;
mod emit;
mod enclosing;
mod gather;
mod names;
mod nest;
mod own_export;
mod posted;
mod record;
mod role;
mod sorted;
mod status;
pub mod tally;
mod threads;
mod to_ticks;
mod unsorted;

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use loop_probes::event::LabelKind;
use loop_probes::ids::SourceId;
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;
use loop_probes::text::printable;
use serde::{Deserialize, Serialize};

pub use crate::import_summary::{ImportSummary, LeftOut, LeftOutThread};
pub use choose::ChosenBy;
pub use role::Producer;
pub use status::{ImportError, Progress};
pub use tally::Tally;
pub use to_ticks::LoopCounts;

use self::emit::{Depths, EmittedLoops};
use self::gather::Gathered;
use self::own_export::OwnRecording;
use super::read::EventId;
use crate::source::{EventSource as _, IMPORT, IMPORTED_FROM, SourceCounts};
use crate::timeline::config::QUEUE_WAITS;
use crate::units::counted;
use crate::writer::{TraceOutput, TraceWriter, WriteStats};

/// Maximum number of loops of a trace.
const LOOPS_MAX: usize = 256;

/// Events passed to the writer at once.
const BATCH: usize = 4096;

/// A thread that became a loop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImportedLoop {
    /// The loop's name in reports: the thread's, after its process's, with the ids of both where loops share a name.
    pub name: String,
    /// The process id, as the file gives it.
    pub pid: String,
    /// The thread id, as the file gives it.
    pub tid: String,
    /// Why the thread was chosen as a loop.
    pub chosen: ChosenBy,
    /// Counts of what the thread's events became.
    #[serde(flatten)]
    pub counts: LoopCounts,
    /// Whether the thread's slices leave no gap in which it could wait: it may be a CPU profile rather than a loop.
    #[serde(default)]
    pub never_waits: bool,
}

/// What was read, repaired, dropped and converted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImportReport {
    /// Objects in the list of events, including unreadable ones.
    pub events_read: u64,
    /// Slices: together with [`instants`](Self::instants), the rows in Perfetto's table of slices.
    pub slices: u64,
    /// Number of instants read.
    pub instants: u64,
    /// Events with counter samples.
    pub counters: u64,
    /// Flows from one slice to another.
    pub flows: u64,
    /// Input accepted although it deviates from the format, by kind.
    pub repaired: Tally,
    /// Input missing from the result, by kind.
    pub dropped: Tally,
    /// Dropped events that may have been slices of the loops.
    pub dropped_of_loops: u64,
    /// The producer, where known.
    pub producer: Option<Producer>,
    /// Whether the recording embedded in an export by loopscope was used, so that the slices were not needed.
    pub own_recording: bool,
    /// The threads that became loops.
    pub loops: Vec<ImportedLoop>,
    /// Threads with slices, the loops included.
    pub threads: u64,
    /// Threads that did not become loops, and their share.
    pub left_out: LeftOut,
}

impl ImportSummary {
    /// Summarises an import.
    #[must_use]
    pub fn new(report: &ImportReport) -> Self {
        let counts = |tally: &Tally| {
            tally.iter().map(|(kind, number, _)| (kind.to_owned(), number)).collect::<BTreeMap<_, _>>()
        };
        Self {
            producer: report.producer.map(|producer| producer.name().to_owned()),
            repaired: counts(&report.repaired),
            dropped: counts(&report.dropped),
            dropped_of_loops: report.dropped_of_loops,
            left_out: report.left_out.clone(),
            loops_without_waits: report.loops.iter().filter(|found| found.never_waits).count() as u64,
        }
    }

    /// Serialises it as a setting of the trace.
    pub(crate) fn to_setting(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A file that was read, before it is written as a trace.
#[derive(Debug)]
pub struct Import {
    gathered: Gathered,
    emitted: Option<EmittedLoops>,
    own: OwnRecording,
    report: ImportReport,
    name: String,
    pid: u32,
}

impl Import {
    /// Reads a Chrome trace to its end. `name` names the trace if the file does not. `threads` selects the loops by
    /// name, number or `PID/TID`; if it is empty, they are detected.
    ///
    /// # Errors
    ///
    /// [`ImportError`] if the file cannot be read, is not a Chrome trace, or lacks a requested thread.
    pub fn read<R: Read>(
        input: R,
        name: &str,
        threads: &[String],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, ImportError> {
        let mut gathered = gather::gather(input, threads, progress)?;
        let records = std::mem::take(&mut gathered.records).finish().map_err(ImportError::Temporary)?;
        let counts = choose::survey(&mut gathered, &records, progress).map_err(ImportError::Temporary)?;
        let own = match gathered.own.take() {
            Some(pieces) => {
                gathered.producer = Some(Producer::Loopscope);
                let found = (gathered.read.slices, gathered.read.instants);
                let own = OwnRecording::open(pieces, found, gathered.is_cut(), !threads.is_empty());
                let own = own.map_err(ImportError::Temporary)?;
                gathered.repaired.add(tally::repaired::OWN_RECORDING_UNUSED, own.reader.is_none().into());
                if own.reader.is_some() {
                    // The export lists its slices thread by thread, and they are not used.
                    gathered.repaired.forget(tally::repaired::OUT_OF_ORDER);
                }
                own
            }
            None => OwnRecording::default(),
        };
        let mut import = Self {
            own,
            emitted: None,
            report: ImportReport { producer: gathered.producer, ..ImportReport::default() },
            name: name.to_owned(),
            pid: 0,
            gathered,
        };
        import.report.own_recording = import.own.reader.is_some();
        if import.own.reader.is_none() {
            let mut loops = choose::choose(&import.gathered.threads, threads)?;
            import
                .gathered
                .dropped
                .add(tally::dropped::LOOP_BEYOND_LIMIT, loops.len().saturating_sub(LOOPS_MAX) as u64);
            loops.truncate(LOOPS_MAX);
            if loops.is_empty() {
                return Err(ImportError::NoLoop(without_loop(&import.gathered)));
            }
            import.report.left_out = choose::left_out(&import.gathered.threads, &loops);
            let numbers: Vec<u32> = loops.iter().map(|(number, _)| *number).collect();
            let of_loops = numbers.iter().map(|number| import.gathered.threads.get(*number).dropped);
            let of_any = tally::dropped::OF_ANY_THREAD.iter().map(|kind| import.gathered.dropped.count(kind));
            import.report.dropped_of_loops = of_loops.chain(of_any).fold(0, u64::saturating_add);
            let emitted = emit::emit(&mut import.gathered, &records, &numbers);
            import.report_loops(emitted.map_err(ImportError::Temporary)?, &loops);
        }
        let Gathered { events, counters, repaired, dropped, threads, .. } = &import.gathered;
        import.report.events_read = *events;
        import.report.counters = *counters;
        import.report.slices = counts.slices;
        import.report.instants = counts.instants;
        import.report.repaired = repaired.clone();
        import.report.dropped = dropped.clone();
        if import.report.own_recording {
            // It contains the data the counters were made from.
            import.report.dropped.forget(tally::dropped::COUNTER);
        }
        import.report.threads = threads.all().filter(|thread| thread.slices > 0).count() as u64;
        Ok(import)
    }

    fn report_loops(&mut self, emitted: EmittedLoops, chosen: &[(u32, ChosenBy)]) {
        self.report.flows = emitted.flows;
        let threads = &self.gathered.threads;
        let loops = emitted.loops.iter().zip(chosen).map(|((counts, never_waits), (number, chosen))| {
            let (pid, tid) = threads.ids(*number);
            ImportedLoop {
                name: threads.title(*number),
                pid: printable(&pid.to_string()),
                tid: printable(&tid.to_string()),
                chosen: *chosen,
                counts: *counts,
                never_waits: *never_waits,
            }
        });
        self.report.loops = loops.collect();
        tell_apart(&mut self.report.loops);
        if let Some((number, _)) = chosen.first() {
            let (pid, _) = threads.ids(*number);
            if let Some(process) = threads.process_name(pid) {
                process.clone_into(&mut self.name);
            }
            if let EventId::Number(pid) = pid {
                self.pid = u32::try_from(*pid).unwrap_or(0);
            }
        }
        self.emitted = Some(emitted);
    }

    /// What was read.
    #[must_use]
    pub const fn report(&self) -> &ImportReport {
        &self.report
    }

    /// The metadata of the trace.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        let mut metadata = match &self.own.reader {
            Some(own) => own.metadata().clone(),
            None => Metadata::new(printable(&self.name)),
        };
        metadata.settings.insert(IMPORTED_FROM.to_owned(), "chrome".to_owned());
        metadata.settings.insert(IMPORT.to_owned(), ImportSummary::new(&self.report).to_setting());
        if self.own.reader.is_none() {
            metadata.pid = self.pid;
            metadata.settings.insert(QUEUE_WAITS.to_owned(), "where recorded".to_owned());
        }
        metadata
    }

    /// Whether the end is missing: the file, or the recording in it, was cut off.
    fn is_cut(&self) -> bool {
        self.own.is_cut || self.own.reader.is_none() && self.gathered.is_cut()
    }

    /// Writes the trace. It is closed only if nothing is missing at its end.
    ///
    /// # Errors
    ///
    /// [`ImportError`] if it cannot be written.
    pub fn write<W: TraceOutput>(
        self,
        mut writer: TraceWriter<W>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(ImportReport, WriteStats), ImportError> {
        let is_cut = self.is_cut();
        let report = self.write_events(&mut writer, progress)?;
        let written = if is_cut { writer.finish_unclosed()? } else { writer.finish()? };
        Ok((report, written))
    }

    fn write_events<W: TraceOutput>(
        self,
        writer: &mut TraceWriter<W>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImportReport, ImportError> {
        if let Some(own) = self.own.reader {
            own_export::copy(own, writer, progress)?;
            return Ok(self.report);
        }
        let Some(emitted) = self.emitted else { return Ok(self.report) };
        let (malformed, lost_records) = (self.report.dropped_of_loops, emitted.lost);
        let missing = SourceCounts { malformed, lost_records, ..SourceCounts::default() };
        writer.set_counts(missing.plus(&self.own.missing));
        let mut batch: Vec<Stamped> = Vec::with_capacity(BATCH);
        let mut events = 0;
        for (place, thread) in self.report.loops.iter().enumerate() {
            let source = SourceId(place as u32 + 1);
            batch.push(unsorted::introduction(LabelKind::Source, source.0, &thread.name, source));
        }
        batch.extend(emitted.names);
        let mut depths = Depths::default();
        for event in emitted.events.iter().map_err(ImportError::Temporary)? {
            batch.extend(depths.complete(event.map_err(ImportError::Temporary)?));
            if batch.len() >= BATCH {
                events += batch.len() as u64;
                progress(Progress::Writing { events });
                writer.append(&batch)?;
                batch.clear();
            }
        }
        writer.append(&batch)?;
        Ok(self.report)
    }
}

/// Adds the ids of process and thread to names that several loops share.
fn tell_apart(loops: &mut [ImportedLoop]) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    loops.iter().for_each(|found| *counts.entry(found.name.clone()).or_default() += 1);
    for found in loops {
        if counts[&found.name] > 1 {
            found.name = format!("{} ({}/{})", found.name, found.pid, found.tid);
        }
    }
}

/// Says what a file contains in which no thread has slices.
fn without_loop(gathered: &Gathered) -> String {
    let samples = gathered.dropped.count(tally::dropped::SAMPLE);
    if samples > 0 {
        let events = counted(samples, "event", "events");
        return format!("it is a CPU profile ({events} of samples), which has no tasks or waits");
    }
    format!("none of its {} is a slice of a thread", counted(gathered.events, "event", "events"))
}

#[cfg(test)]
mod tests;
