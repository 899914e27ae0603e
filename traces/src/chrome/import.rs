//! The import: a Chrome trace that others wrote as events of loops.
//!
//! ```text
//! file ──read──> records ──sort──> survey ──> which threads are loops ──> make ──sort──> events ──> .looptrace
//! ```
//!
//! Events of real files are out of order, and which thread is a loop is known only at the end, so the file is
//! read once and its records are gone through twice; what does not fit into memory waits in a temporary file.
//! What the file does not say is not made up: a task whose post is not told has no queue wait, a timer without
//! a due time is no timer. `docs/src/foreign-traces.md` says what becomes what.

mod around;
mod choose;
mod gather;
mod made;
mod making;
mod names;
mod nest;
mod own;
mod posted;
mod record;
mod role;
mod sorted;
pub mod tally;
mod threads;
mod told;
mod turning;

use std::io::{self, Read};

use loop_probes::event::LabelKind;
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;
use loop_probes::text::printable;
use serde::{Deserialize, Serialize};

pub use choose::{Chosen, LeftOut, LeftOutThread};
pub use tally::Tally;
pub use told::ImportSummary;
pub use turning::LoopCounts;

use self::gather::Gathered;
use self::making::{MadeLoops, Telling};
use self::own::OwnRecording;
use super::read::{EventId, ReadError};
use crate::source::{IMPORT, IMPORTED_FROM};
use crate::timeline::config::QUEUE_WAITS;
use crate::units::counted;
use crate::writer::{TraceOutput, TraceWriter, WriteError};

/// Most loops of a trace.
const LOOPS_MAX: usize = 256;

/// Events handed to the writer at once.
const BATCH: usize = 4096;

/// Which program wrote the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Producer {
    /// Chromium, or what is built on it.
    Chromium,
    /// Node.js.
    Node,
    /// viztracer, for Python.
    Viztracer,
    /// An export of our own.
    Loopscope,
}

impl Producer {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chromium => "Chromium",
            Self::Node => "Node.js",
            Self::Viztracer => "viztracer",
            Self::Loopscope => "loopscope",
        }
    }

    fn of_thread(name: &str) -> Option<Self> {
        match name {
            "CrRendererMain" | "CrBrowserMain" | "Chrome_IOThread" | "Chrome_ChildIOThread" => {
                Some(Self::Chromium)
            }
            "JavaScriptMainThread" | "PlatformWorkerThread" => Some(Self::Node),
            _ => None,
        }
    }
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The file is read.
    Reading {
        /// Bytes taken from the input, packed where it is packed.
        bytes: u64,
        /// Events so far.
        events: u64,
    },
    /// What was read is put in order.
    Sorting {
        /// Records gone through.
        records: u64,
    },
    /// The trace is written.
    Writing {
        /// Events so far.
        events: u64,
    },
}

/// Why an import failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The temporary file failed: the disk is full, for example.
    #[error("cannot keep what does not fit into memory in a temporary file (TMPDIR says where): {0}")]
    Temporary(#[source] io::Error),
    /// No thread is called so.
    #[error("no thread is called {asked}; there are {known}")]
    NoThread {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: String,
    },
    /// Threads that were asked for by name are so far behind in the file that their events were left out before the
    /// name came: reading it again, with what they are as `PID/TID` among the threads asked for, finds all of them.
    #[error("a thread of that name is told of too late in the file: ask for it as {first}")]
    NamedTooLate {
        /// Each as `PID/TID`.
        threads: Vec<String>,
        /// The first of them.
        first: String,
    },
    /// No thread of it can be taken for a loop.
    #[error("has no event loop: {0}")]
    NoLoop(String),
    /// The trace cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A thread that became a loop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImportedLoop {
    /// Its name, with its process.
    pub name: String,
    /// Its process.
    pub pid: String,
    /// Its thread.
    pub tid: String,
    /// Why it was taken.
    pub chosen: Chosen,
    /// What it amounts to.
    #[serde(flatten)]
    pub counts: LoopCounts,
    /// Its slices leave no gap in which it could wait: it may be no loop, but a CPU profile.
    #[serde(default)]
    pub never_waits: bool,
}

/// What was read, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImportReport {
    /// Objects of the list of events, the unreadable ones included.
    pub events_read: u64,
    /// Slices: with [`instants`](Self::instants) what Perfetto's table of slices counts.
    pub slices: u64,
    /// Instants.
    pub instants: u64,
    /// Events with samples of counters.
    pub counters: u64,
    /// Flows that lead from one slice to another.
    pub flows: u64,
    /// What was understood although it is not as the format says, by kind.
    pub repaired: Tally,
    /// What is not in the result, by kind.
    pub dropped: Tally,
    /// Who wrote the file, where that is known.
    pub producer: Option<Producer>,
    /// The recording that an export of our own carries was taken, and nothing had to be made of its slices.
    pub own_recording: bool,
    /// The threads that became loops.
    pub loops: Vec<ImportedLoop>,
    /// Threads with slices, the loops included.
    pub threads: u64,
    /// Threads that became no loops, and their share.
    pub left_out: LeftOut,
}

/// A file that was read, before it is written as a trace.
#[derive(Debug)]
pub struct Import {
    gathered: Gathered,
    made: Option<MadeLoops>,
    own: Option<OwnRecording>,
    report: ImportReport,
    name: String,
    pid: u32,
}

impl Import {
    /// Reads a Chrome trace to its end. `name` is what the trace is to be called where the file does not say,
    /// `threads` are the loops by name, number or `PID/TID`; where none is given, they are found.
    ///
    /// # Errors
    ///
    /// [`ImportError`] where it cannot be read, is no Chrome trace, or has no such thread.
    pub fn read<R: Read>(
        input: R,
        name: &str,
        threads: &[String],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, ImportError> {
        let mut gathered = gather::gather(input, threads, progress)?;
        let records = std::mem::take(&mut gathered.records).finish().map_err(ImportError::Temporary)?;
        let counts = choose::survey(&mut gathered, &records, progress).map_err(ImportError::Temporary)?;
        let own = OwnRecording::open(&mut gathered, counts, threads).map_err(ImportError::Temporary)?;
        let mut import = Self {
            own,
            made: None,
            report: ImportReport { producer: gathered.producer, ..ImportReport::default() },
            name: name.to_owned(),
            pid: 0,
            gathered,
        };
        import.report.own_recording = import.own.is_some();
        if import.own.is_none() {
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
            let made = making::make(&mut import.gathered, &records, &numbers);
            import.made(made.map_err(ImportError::Temporary)?, &loops);
        }
        let Gathered { events, counters, repaired, dropped, threads, .. } = &import.gathered;
        import.report.events_read = *events;
        import.report.counters = *counters;
        import.report.slices = counts.slices;
        import.report.instants = counts.instants;
        import.report.repaired = repaired.clone();
        import.report.dropped = dropped.clone();
        if import.report.own_recording {
            // It has what the counters were made of.
            import.report.dropped.forget(tally::dropped::COUNTER);
        }
        import.report.threads = threads.all().filter(|thread| thread.slices > 0).count() as u64;
        Ok(import)
    }

    fn made(&mut self, made: MadeLoops, chosen: &[(u32, Chosen)]) {
        self.report.flows = made.flows;
        let threads = &self.gathered.threads;
        let loops = made.loops.iter().zip(chosen).map(|((counts, never_waits), (number, chosen))| {
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
        if let Some((number, _)) = chosen.first() {
            let (pid, _) = threads.ids(*number);
            if let Some(process) = threads.process_name(pid) {
                process.clone_into(&mut self.name);
            }
            if let EventId::Number(pid) = pid {
                self.pid = u32::try_from(*pid).unwrap_or(0);
            }
        }
        self.made = Some(made);
    }

    /// What was read.
    #[must_use]
    pub const fn report(&self) -> &ImportReport {
        &self.report
    }

    /// What the trace is to say of itself.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        let mut metadata = match &self.own {
            Some(own) => own.metadata(),
            None => Metadata::new(printable(&self.name)),
        };
        metadata.settings.insert(IMPORTED_FROM.to_owned(), "chrome".to_owned());
        metadata.settings.insert(IMPORT.to_owned(), ImportSummary::new(&self.report).to_setting());
        if self.own.is_none() {
            metadata.pid = self.pid;
            metadata.settings.insert(QUEUE_WAITS.to_owned(), "where told".to_owned());
        }
        metadata
    }

    /// Writes the events.
    ///
    /// # Errors
    ///
    /// [`ImportError`] where they cannot be written.
    pub fn write<W: TraceOutput>(
        self,
        writer: &mut TraceWriter<W>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImportReport, ImportError> {
        if let Some(own) = self.own {
            own.write(writer, progress)?;
            return Ok(self.report);
        }
        let Some(made) = self.made else { return Ok(self.report) };
        let mut telling = Telling::new(&self.gathered.names);
        let mut batch: Vec<Stamped> = Vec::with_capacity(BATCH);
        let mut events = 0;
        for (place, thread) in self.report.loops.iter().enumerate() {
            let source = SourceId(place as u32 + 1);
            batch.push(making::named(LabelKind::Source, source.0, &thread.name, Timestamp(0), source));
        }
        for words in made.events.iter().map_err(ImportError::Temporary)? {
            telling.tell(words.map_err(ImportError::Temporary)?, &mut batch);
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

/// What a file has that has no slices of any thread.
fn without_loop(gathered: &Gathered) -> String {
    let samples = gathered.dropped.count(tally::dropped::SAMPLE);
    if samples > 0 {
        let events = counted(samples, "event", "events");
        return format!("it is a CPU profile ({events} of samples), which says nothing of tasks or waits");
    }
    format!("none of its {} is a slice of a thread", counted(gathered.events, "event", "events"))
}

#[cfg(test)]
mod tests;
