//! What a command reads: the word on the command line becomes a ring or a trace.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use loop_probes::discover;
use loop_probes::process::ProcessReader;
use loop_probes::ring::Start;
use loop_traces::reader::TraceReader;
use loop_traces::ring_source::RingSource;
use loop_traces::source::EventSource;

use crate::exit::Failure;

/// The first bytes of a ring file.
const RING_MAGIC: &[u8; 8] = b"LOOPRING";

/// Something that can be read to its end.
pub enum Input {
    /// A saved trace.
    Trace(Box<TraceReader>),
    /// The ring of a process, dead or alive.
    Ring(Box<RingSource>),
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
            return open_ring(&path_of(pid)?, Start::Oldest).map(|ring| Self::Ring(Box::new(ring)));
        }
        if starts_as_ring(path) {
            return open_ring(path, Start::Oldest).map(|ring| Self::Ring(Box::new(ring)));
        }
        TraceReader::open(path).map(|trace| Self::Trace(Box::new(trace))).map_err(Failure::input)
    }

    /// The stream of its events.
    pub fn source(&mut self) -> &mut dyn EventSource {
        match self {
            Self::Trace(trace) => &mut **trace,
            Self::Ring(ring) => &mut **ring,
        }
    }

    /// What people should know before they trust the numbers, a line each. Complete once all was read.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        match self {
            Self::Trace(trace) => trace.warnings(),
            Self::Ring(_) => Vec::new(),
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
pub fn open_ring(path: &Path, start: Start) -> Result<RingSource, Failure> {
    let reader = ProcessReader::open(path, start).map_err(Failure::input)?;
    Ok(RingSource::new(reader))
}

fn path_of(pid: u32) -> Result<PathBuf, Failure> {
    discover::find(pid).map(|found| found.path).map_err(Failure::input)
}

fn starts_as_ring(path: &Path) -> bool {
    let mut magic = [0; RING_MAGIC.len()];
    // What cannot be opened fails again, with its reason, when it is opened as a trace.
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *RING_MAGIC
}
