//! What a command reads: the word on the command line becomes a ring or a trace.

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use loop_probes::discover;
use loop_probes::ids::Timestamp;
use loop_probes::process::ProcessReader;
use loop_probes::ring::Start;
use loop_traces::chrome::export::{ExportError, ExportOptions, ExportStats, export};
use loop_traces::reader::TraceReader;
use loop_traces::source::{EventSource, MemorySource, SourceError};

use crate::exit::Failure;
use crate::playback::Rewind;

/// The first bytes of a ring file.
const RING_MAGIC: &[u8; 8] = b"LOOPRING";

/// Something that can be read to its end, and again.
pub enum Input {
    /// A saved trace.
    Trace(PathBuf, Box<TraceReader>),
    /// What the ring of a process, dead or alive, held when it was opened.
    Ring(Box<MemorySource>),
}

impl Input {
    /// Opens a trace, a ring, or the ring of a process by its id.
    ///
    /// # Errors
    ///
    /// [`Failure::Input`] where it cannot be read.
    pub fn open(word: &str) -> Result<Self, Failure> {
        let path = Path::new(word);
        if !path.exists()
            && let Ok(pid) = word.parse()
        {
            return Self::read_ring(&path_of(pid)?);
        }
        if starts_as_ring(path) {
            return Self::read_ring(path);
        }
        let trace = TraceReader::open(path).map_err(Failure::input)?;
        Ok(Self::Trace(path.to_owned(), Box::new(trace)))
    }

    fn read_ring(path: &Path) -> Result<Self, Failure> {
        let mut ring = open_ring(path, Start::Oldest)?;
        MemorySource::read(&mut ring).map(|kept| Self::Ring(Box::new(kept))).map_err(Failure::input)
    }

    /// The stream of its events.
    pub fn source(&mut self) -> &mut dyn EventSource {
        match self {
            Self::Trace(_, trace) => &mut **trace,
            Self::Ring(ring) => &mut **ring,
        }
    }

    /// The stream of its events, for a replay.
    #[must_use]
    pub fn into_rewind(self) -> Box<dyn Rewind> {
        match self {
            Self::Trace(_, trace) => trace,
            Self::Ring(ring) => ring,
        }
    }

    /// What people should know before they trust the numbers, a line each. Complete once all was read.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        match self {
            Self::Trace(_, trace) => trace.warnings(),
            Self::Ring(_) => Vec::new(),
        }
    }

    /// The time so long after its first event.
    #[must_use]
    pub fn at(&self, after: Duration) -> Timestamp {
        let begin = match self {
            Self::Trace(_, trace) => trace.extent().map(|(begin, _)| begin),
            Self::Ring(ring) => ring.first_at(),
        };
        begin.unwrap_or_default().plus_ns(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Writes it as Chrome-trace JSON.
    ///
    /// # Errors
    ///
    /// [`ExportError`] where it cannot be read, or `out` not be written.
    pub fn export_chrome(&self, options: ExportOptions, out: impl Write) -> Result<ExportStats, ExportError> {
        match self {
            Self::Trace(path, _) => {
                export(|| TraceReader::open(path).map_err(SourceError::from), options, out)
            }
            Self::Ring(ring) => export(|| Ok((**ring).clone()), options, out),
        }
    }
}

/// The ring that `word` names: a process id, a path, or, where there is no word, the only one there is.
///
/// # Errors
///
/// [`Failure::Input`] where there is none, or more than one to choose from.
pub fn ring(word: Option<&str>) -> Result<PathBuf, Failure> {
    match word {
        None => discover::only().map(|found| found.path).map_err(Failure::input),
        Some(word) => match word.parse() {
            Ok(pid) if !Path::new(word).exists() => path_of(pid),
            _ => Ok(PathBuf::from(word)),
        },
    }
}

/// Opens a ring file.
///
/// # Errors
///
/// [`Failure::Input`] where it cannot be read.
pub fn open_ring(path: &Path, start: Start) -> Result<ProcessReader, Failure> {
    ProcessReader::open(path, start).map_err(Failure::input)
}

fn path_of(pid: u32) -> Result<PathBuf, Failure> {
    discover::find(pid).map(|found| found.path).map_err(Failure::input)
}

fn starts_as_ring(path: &Path) -> bool {
    let mut magic = [0; RING_MAGIC.len()];
    // What cannot be opened fails again, with its reason, when it is opened as a trace.
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *RING_MAGIC
}
