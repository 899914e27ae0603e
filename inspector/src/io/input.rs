//! Inputs of commands: resolves an argument to a ring or a trace.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loop_probes::discover;
use loop_probes::ids::Timestamp;
use loop_probes::process::{OpenError, ProcessReader, ProcessState};
use loop_probes::ring::Start;
use loop_probes::text::printable_path;
use loop_traces::format::FILE_MAGIC;
use loop_traces::reader::{ReadError, TraceReader};
use loop_traces::source::{AnySource, EventSource, MemorySource, SourceError};
use loop_traces::summary::OpenTickSummary;
use loop_traces::timeline::Timeline;
use loop_traces::units::counted;

use super::exit::CommandError;
use super::temp_file::TempFile;
use crate::playback::Rewind;
use crate::units;

/// The argument that stands for standard input.
pub const STDIN: &str = "-";

/// The name of standard input in messages.
const STDIN_NAME: &str = "standard input";

/// The first bytes of a ring file.
const RING_MAGIC: &[u8; 8] = b"LOOPRING";

/// An input that can be read to its end any number of times.
pub enum Input {
    /// A saved trace.
    Trace(PathBuf, Box<TraceReader>),
    /// A saved trace read from standard input.
    Piped(TempFile, Box<TraceReader<TempFile>>),
    /// A copy of the ring of a process, dead or alive, from when it was opened, with its [warnings](ring_warnings).
    Ring(Box<MemorySource>, Vec<String>),
}

impl Input {
    /// Opens a trace or a ring by its path, or a ring by its process id. `-` is a trace on standard input.
    ///
    /// # Errors
    ///
    /// [`CommandError::Input`] if it cannot be read.
    pub fn open(word: &OsStr) -> Result<Self, CommandError> {
        let path = Path::new(word);
        if word == STDIN {
            let temp_file = TempFile::fill(io::stdin().lock(), &FILE_MAGIC);
            let temp_file = temp_file
                .map_err(|error| CommandError::Input(format!("cannot copy {STDIN_NAME}: {error}")))?;
            let trace =
                TraceReader::new(temp_file.again(), Path::new(STDIN_NAME)).map_err(CommandError::input)?;
            return Ok(Self::Piped(temp_file, Box::new(trace)));
        }
        if fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            let pid = pid(word).ok_or_else(|| {
                CommandError::Input(format!(
                    "there is no file \"{}\"; `loopscope ps` lists the loops on this machine",
                    printable_path(path)
                ))
            })?;
            return Self::read_ring(&path_of(pid)?);
        }
        if starts_with(path, RING_MAGIC) {
            return Self::read_ring(path);
        }
        let trace = TraceReader::open(path).map_err(|error| no_trace(path, &error))?;
        Ok(Self::Trace(path.to_owned(), Box::new(trace)))
    }

    fn read_ring(path: &Path) -> Result<Self, CommandError> {
        let mut ring = open_ring(path, Start::Oldest)?;
        let kept = MemorySource::read(&mut ring).map_err(CommandError::input)?;
        let mut warnings = ring_warnings(&ring);
        warnings.extend(last_seen(&ring, &kept));
        Ok(Self::Ring(Box::new(kept), warnings))
    }

    /// The stream of events.
    pub fn source(&mut self) -> &mut (dyn EventSource + Send) {
        match self {
            Self::Trace(_, trace) => &mut **trace,
            Self::Piped(_, trace) => &mut **trace,
            Self::Ring(ring, _) => &mut **ring,
        }
    }

    /// Opens a second stream of the same events, from the beginning.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the trace can no longer be read.
    pub fn reopen(&self) -> Result<AnySource, SourceError> {
        match self {
            Self::Trace(path, _) => Ok(Box::new(TraceReader::open(path)?)),
            Self::Piped(temp_file, _) => Ok(Box::new(piped(temp_file)?)),
            Self::Ring(ring, _) => Ok(Box::new((**ring).clone())),
        }
    }

    /// Converts into a stream that a replay can rewind.
    #[must_use]
    pub fn into_rewind(self) -> Box<dyn Rewind> {
        match self {
            Self::Trace(_, trace) => trace,
            Self::Piped(_, trace) => trace,
            Self::Ring(ring, _) => ring,
        }
    }

    /// Warnings about missing or unreliable data, one per line. Complete only after everything was read.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        match self {
            Self::Trace(_, trace) => trace.warnings(),
            Self::Piped(_, trace) => trace.warnings(),
            Self::Ring(_, warnings) => warnings.clone(),
        }
    }

    /// Checks that `output` would not overwrite this input.
    ///
    /// # Errors
    ///
    /// [`CommandError::Usage`] if it would.
    pub fn spare(&self, output: &Path) -> Result<(), CommandError> {
        match self {
            Self::Trace(own, _) => spare(own, output),
            Self::Piped(..) => spare(Path::new(STDIN), output),
            Self::Ring(..) => Ok(()),
        }
    }

    /// The times of the first and the last event.
    fn extent(&self) -> Option<(Timestamp, Timestamp)> {
        match self {
            Self::Trace(_, trace) => trace.extent(),
            Self::Piped(_, trace) => trace.extent(),
            Self::Ring(ring, _) => ring.first_at().zip(ring.events().last().map(|last| last.at)),
        }
    }

    /// The time that is `after` the first event. Errors name `option`.
    ///
    /// # Errors
    ///
    /// [`CommandError::Usage`] if that time is past the end.
    pub fn at(&self, option: &str, after: Duration) -> Result<Timestamp, CommandError> {
        let (begin, end) = self.extent().unwrap_or_default();
        let at = begin.plus_ns(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX));
        if at > end {
            let length = units::duration(end.ns_since(begin));
            let way_out = format!("the trace is {length} long");
            return Err(CommandError::Usage(format!("{option} {after:?} is past the end: {way_out}")));
        }
        Ok(at)
    }
}

/// The error of a file that cannot be read as a trace, with the command that can read it.
fn no_trace(path: &Path, error: &ReadError) -> CommandError {
    let way_out = if starts_with(path, b"{") || starts_with(path, b"[") {
        "; `loopscope import` reads Chrome traces, `loopscope diff` saved summaries"
    } else if starts_with(path, b"\x1f\x8b") {
        "; it is compressed: unpack it, or `loopscope import` it if it is a Chrome trace"
    } else {
        ""
    };
    CommandError::Input(format!("{error}{way_out}"))
}

/// Opens the copied trace from standard input at its beginning.
fn piped(temp_file: &TempFile) -> Result<TraceReader<TempFile>, SourceError> {
    Ok(TraceReader::new(temp_file.again(), Path::new(STDIN_NAME))?)
}

/// The name of an input file in messages; `-` becomes "standard input".
#[must_use]
pub fn shown(path: &Path) -> String {
    if path == Path::new(STDIN) { STDIN_NAME.to_owned() } else { printable_path(path) }
}

/// Checks that `output` is not the same file as `input`, or as what standard input reads if it is `-`.
///
/// # Errors
///
/// [`CommandError::Usage`] if it is, under whatever name.
pub fn spare(input: &Path, output: &Path) -> Result<(), CommandError> {
    let inode = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let own = match input == Path::new(STDIN) {
        true => rustix::fs::fstat(io::stdin()).ok().map(|found| (found.st_dev, found.st_ino)),
        false => inode(input),
    };
    if own.is_some_and(|own| inode(output) == Some(own)) {
        let place = printable_path(output);
        return Err(CommandError::Usage(format!("-o {place} is the input itself: name another file")));
    }
    Ok(())
}

/// Opens a regular file for reading. Does not open anything else, because opening a FIFO without a writer blocks.
///
/// # Errors
///
/// If the file cannot be opened, or is a folder, a pipe or a device.
pub fn open_file(path: &Path) -> io::Result<File> {
    match fs::metadata(path)? {
        found if found.is_file() => File::open(path),
        found if found.is_dir() => Err(io::Error::other("it is a folder")),
        _ => Err(io::Error::other("it is not a regular file")),
    }
}

/// Whether a file begins with `magic`. False if it cannot be opened: the caller's own attempt then fails with the reason.
#[must_use]
pub fn starts_with<const N: usize>(path: &Path, magic: &[u8; N]) -> bool {
    let mut first = [0; N];
    open_file(path).and_then(|mut file| file.read_exact(&mut first)).is_ok() && first == *magic
}

/// Finds the ring that `word` names, a process id or a path. Without a word, finds the only ring on the machine.
///
/// # Errors
///
/// [`CommandError::Input`] if there is no such ring, or several without a word to choose one.
pub fn ring(word: Option<&OsStr>) -> Result<PathBuf, CommandError> {
    match word {
        None => discover::only().map(|found| found.path).map_err(CommandError::input),
        Some(word) => match pid(word) {
            Some(pid) if !Path::new(word).exists() => path_of(pid),
            _ => Ok(PathBuf::from(word)),
        },
    }
}

/// Opens a ring file.
///
/// # Errors
///
/// [`CommandError::Input`] if it cannot be read.
pub fn open_ring(path: &Path, start: Start) -> Result<ProcessReader, CommandError> {
    let opened = ProcessReader::open(path, start).map_err(|error| match error {
        OpenError::NotAFile { .. } | OpenError::NotARing { .. } => {
            CommandError::Input(format!("{error}; `loopscope ps` lists those that are"))
        }
        error => CommandError::input(error),
    });
    Ok(opened?.with_heartbeat())
}

/// Warnings about missing or unreliable data in a ring, one per line.
#[must_use]
pub fn ring_warnings(ring: &ProcessReader) -> Vec<String> {
    let pid = ring.metadata().pid;
    let mut lines = Vec::new();
    match ring.dropped_sources() {
        0 => {}
        rings => lines.push(format!(
            "process {pid}: {} no room, so the events of their threads are missing; free space in its folder of rings or \
             set LOOPSCOPE_DIR, and restart it",
            counted(rings, "ring found", "rings found")
        )),
    }
    match ring.unreadable_sources() {
        0 => {}
        rings => lines.push(format!(
            "process {pid}: its file is damaged: {} outside of it, in another ring, or of an impossible size, so the events \
             of their threads are missing",
            counted(rings, "ring is", "rings are")
        )),
    }
    match ring.rings_without_end() {
        0 => {}
        rings => lines.push(format!(
            "process {pid}: its file is damaged: the newest records of {} are missing, because it was truncated or not \
             completely written to disk",
            counted(rings, "ring", "rings")
        )),
    }
    if ring.contradicts_end() {
        lines.push(format!(
            "process {pid}: the header of its file claims that the session has ended, but a loop is in a tick: the header \
             is ignored"
        ));
    }
    match ring.dropped_labels() {
        0 => {}
        names => {
            let names = counted(names, "name", "names");
            lines.push(format!("process {pid}: {names} found no room, and numbers are shown instead"));
        }
    }
    let faults = ring.clock_faults();
    let error = match faults.error_ns_max {
        u64::MAX => "any amount".to_owned(),
        error_ns => format!("up to {}", units::duration(error_ns)),
    };
    match (faults.contradicting_anchors, faults.count) {
        (0, 0) => {}
        (0, count) => lines.push(format!(
            "process {pid}: its record clock changed its rate or jumped {count} times; times near that are wrong by {error}"
        )),
        (_, 0) => lines.push(format!(
            "process {pid}: its file is damaged: a reading of its clocks contradicts the others and is ignored"
        )),
        (anchors, _) => lines.push(format!(
            "process {pid}: {anchors} readings of its clocks contradict the others; times may be wrong by {error}"
        )),
    }
    lines
}

/// A warning if the process of a ring has crashed or is stopped, so that no events follow.
#[must_use]
pub fn state_warning(ring: &ProcessReader) -> Option<String> {
    let pid = ring.metadata().pid;
    match ring.state() {
        ProcessState::Stopped => Some(format!(
            "process {pid} is stopped (SIGSTOP or debugger): its loop makes no progress until it continues"
        )),
        ProcessState::Crashed => Some(format!(
            "process {pid} crashed: `loopscope report {pid}` shows the remaining contents of its ring"
        )),
        ProcessState::Unclosed => Some(format!(
            "this is a copy of the ring file of process {pid}: it shows nothing that followed the copying"
        )),
        _ => None,
    }
}

/// What the loop of a process that is gone or stopped was last seen doing, as far as that is known.
fn last_seen(ring: &ProcessReader, kept: &MemorySource) -> Option<String> {
    let pid = kept.metadata().pid;
    let state = match ring.state() {
        ProcessState::Crashed => format!("process {pid} crashed"),
        ProcessState::Stopped => format!("process {pid} is stopped"),
        ProcessState::Unclosed => format!("this is a copy of the ring file of process {pid}"),
        _ => return None,
    };
    let mut timeline = Timeline::of(kept.metadata());
    timeline.extend(kept.events());
    let doing = match OpenTickSummary::of(kept, &timeline) {
        Some(OpenTickSummary { running: Some(running), .. }) => format!("in {running}"),
        // Killed between two tasks, or before it had written down which one it began.
        Some(OpenTickSummary { tick: Some(tick), .. }) => format!("in tick {tick}"),
        Some(_) => "in a tick".to_owned(),
        None if timeline.ticks.recent.newest().is_some() => "between ticks".to_owned(),
        None => return Some(format!("{state}; its ring holds no tick")),
    };
    Some(format!("{state}; its loop was last seen {doing}"))
}

fn pid(word: &OsStr) -> Option<u32> {
    word.to_str()?.parse().ok()
}

fn path_of(pid: u32) -> Result<PathBuf, CommandError> {
    discover::find(pid).map(|found| found.path).map_err(CommandError::input)
}
