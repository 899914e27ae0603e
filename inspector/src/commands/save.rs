//! Saving and exporting from within the dashboard: the keys `r`, `w` and `e`.
//!
//! A live ring still holds its latest records. The recent past is saved by reading the ring again from its oldest record,
//! so no second history is kept in memory.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use loop_probes::event::Event;
use loop_probes::ids::Timestamp;
use loop_probes::metadata::Metadata;
use loop_probes::process::{ProcessReader, ProcessState};
use loop_probes::stamped::Stamped;
use loop_probes::text::printable_path;
use loop_traces::chrome::export::ExportOptions;
use loop_traces::export::TimeRange;
use loop_traces::source::{EventSource, MemorySource, SourceCounts, SourceState};
use loop_traces::units::duration;
use loop_traces::writer::{NewFile, TraceWriter, WriteError, WriteStats};

use super::exporting::{self, Export};
use crate::dashboard::{Recording, Save};
use crate::io::exit::CommandError;
use crate::io::input::Input;
use crate::io::recording::Tap;
use crate::io::sink::{save, saved};

/// Maximum number of polls, of 2²⁰ records each, of a ring that is saved as a whole.
const POLLS_MAX: usize = 64;

/// The longest interval between two polls of a dashboard.
const FRAME: Duration = Duration::from_millis(33);

/// How to read the displayed stream again, from the oldest event still available.
pub(super) enum Reread {
    /// A live ring.
    Ring(Box<dyn Fn() -> Result<ProcessReader, String>>),
    /// The input of a replay, by its command-line argument.
    Saved(OsString),
}

/// Saves and exports for one dashboard. Clones share their state, so the command can ask afterwards what was saved.
#[derive(Clone)]
pub(super) struct Saver(Rc<RefCell<Inner>>);

struct Inner {
    again: Reread,
    /// The file to which a [`Recording`](crate::io::recording::Recording) already saves everything, and its tap.
    recorded_separately: Option<(PathBuf, Tap)>,
    writing: Option<Writing>,
    saved: Vec<(PathBuf, WriteStats)>,
    failed: Option<CommandError>,
}

struct Writing {
    writer: TraceWriter,
    /// The source of the events, if it is not the dashboard's.
    reader: Option<ProcessReader>,
}

impl Saver {
    /// A saver that saves nothing until asked to.
    #[must_use]
    pub(super) fn new(again: Reread) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            again,
            recorded_separately: None,
            writing: None,
            saved: Vec::new(),
            failed: None,
        })))
    }

    /// Notes that the recording behind `tap` already saves everything to `path`.
    #[must_use]
    pub(super) fn recorded_separately(self, path: Option<&Path>, tap: Tap) -> Self {
        self.0.borrow_mut().recorded_separately = path.map(|path| (path.to_owned(), tap));
        self
    }

    /// Saves the dashboard's own stream to `path` from the start.
    ///
    /// # Errors
    ///
    /// [`CommandError::Input`] if the file cannot be created.
    pub(super) fn recording_to(self, path: &Path, metadata: &Metadata) -> Result<Self, CommandError> {
        let writer = TraceWriter::record(path, metadata).map_err(CommandError::input)?;
        self.0.borrow_mut().writing = Some(Writing { writer, reader: None });
        Ok(self)
    }

    /// Closes the open file, and returns a line for each saved file.
    ///
    /// # Errors
    ///
    /// [`CommandError::Input`] if something could not be written; earlier events stay readable.
    pub(super) fn finish(&self) -> Result<Vec<String>, CommandError> {
        let mut inner = self.0.borrow_mut();
        inner.stop_writing();
        if let Some(failed) = inner.failed.take() {
            return Err(failed);
        }
        let lines = inner.saved.iter().map(|(path, stats)| saved(path, stats));
        Ok(lines.collect())
    }
}

impl Inner {
    fn reader(&self) -> Result<ProcessReader, String> {
        match &self.again {
            Reread::Ring(open) => open(),
            Reread::Saved(_) => Err("already a saved trace".to_owned()),
        }
    }

    fn write(&mut self, events: &[Stamped], counts: SourceCounts) -> Result<(), String> {
        if let Some(why) = self.recorded_separately.as_ref().and_then(|(_, tap)| tap.why_not_saved()) {
            // Reported once here; the recording reports it again when it ends.
            self.recorded_separately = None;
            return Err(why);
        }
        let Some(Writing { writer, reader }) = &mut self.writing else { return Ok(()) };
        let saved = match reader {
            None => save(writer, events, counts, FRAME),
            Some(reader) => {
                let mut batch = Vec::new();
                // Read errors are reported by the dashboard, which reads the same ring.
                let _ = EventSource::poll(reader, &mut batch);
                save(writer, &batch, reader.counts(), FRAME)
            }
        };
        saved.map_err(|error| {
            tracing::error!(%error, "saving stopped");
            self.writing = None;
            // Reported now in the bottom row, and again, with the exit code, when the user quits.
            let failure = CommandError::input(error);
            let text = failure.to_string();
            self.failed = Some(failure);
            text
        })
    }

    fn stop_writing(&mut self) -> Option<String> {
        let Writing { mut writer, reader } = self.writing.take()?;
        let mut last = Vec::new();
        if let Some(mut reader) = reader {
            let _ = reader.flush(&mut last);
            writer.set_counts(reader.counts());
        }
        let path = writer.path().to_owned();
        let is_copy = self.reader().is_ok_and(|ring| ring.state() == ProcessState::Unclosed);
        match writer.append(&last).and_then(|()| end(writer, is_copy)) {
            Ok(stats) => {
                let text = format!("saved {} events to {}", stats.events, printable_path(&path));
                self.saved.push((path, stats));
                Some(text)
            }
            Err(error) => {
                self.failed = Some(CommandError::input(error));
                None
            }
        }
    }
}

/// Ends a file. What is saved of a copy of a ring file stays unclosed: nothing tells what followed.
fn end(writer: TraceWriter, is_copy: bool) -> Result<WriteStats, WriteError> {
    if is_copy { writer.finish_unclosed() } else { writer.finish() }
}

impl Save for Saver {
    fn events(&mut self, events: &[Stamped], counts: SourceCounts) -> Result<(), String> {
        self.0.borrow_mut().write(events, counts)
    }

    fn is_recording(&self) -> bool {
        let inner = self.0.borrow();
        inner.writing.is_some() || inner.recorded_separately.is_some()
    }

    fn toggle(&mut self) -> Result<Recording, String> {
        let mut inner = self.0.borrow_mut();
        if let Some((path, _)) = &inner.recorded_separately {
            return Err(format!("already recording to {}", printable_path(path)));
        }
        if inner.writing.is_some() {
            let text = inner.stop_writing().ok_or("saving failed; the reason is shown on exit")?;
            return Ok(Recording { on: false, text });
        }
        let reader = inner.reader()?;
        let path = new_name(reader.metadata(), "looptrace")?;
        let writer = TraceWriter::record(&path, reader.metadata()).map_err(|error| error.to_string())?;
        inner.writing = Some(Writing { writer, reader: Some(reader) });
        // Saves the content of the ring first: if there is no room for it, the key press fails.
        let written = inner.write(&[], SourceCounts::default());
        if written.is_err() {
            inner.failed = None;
        }
        written?;
        Ok(Recording {
            on: true,
            text: format!("recording to {} (includes ring history)", printable_path(&path)),
        })
    }

    fn save_last(&mut self) -> Result<String, String> {
        let mut inner = self.0.borrow_mut();
        let mut reader = inner.reader()?;
        let path = new_name(reader.metadata(), "looptrace")?;
        let mut writer = TraceWriter::create(&path, reader.metadata()).map_err(|error| error.to_string())?;
        let mut span = Span::default();
        let mut batch = Vec::new();
        // Writes after each poll, because the ring may be too large to copy. Stops after some polls, because the program
        // may write records faster than they are saved.
        for _ in 0..POLLS_MAX {
            let state = EventSource::poll(&mut reader, &mut batch).map_err(|error| error.to_string())?;
            span.add(&batch);
            writer.append(&batch).map_err(|error| error.to_string())?;
            batch.clear();
            if state != SourceState::More {
                break;
            }
        }
        reader.flush(&mut batch).map_err(|error| error.to_string())?;
        span.add(&batch);
        writer.set_counts(reader.counts());
        let is_copy = reader.state() == ProcessState::Unclosed;
        let written = writer.append(&batch).and_then(|()| end(writer, is_copy));
        let written = written.map_err(|error| error.to_string())?;
        let text = format!("saved the last {} to {}", duration(span.ns()), printable_path(&path));
        inner.saved.push((path, written));
        Ok(text)
    }

    fn export(&mut self, from: Timestamp, to: Timestamp) -> Result<String, String> {
        let inner = self.0.borrow();
        let mut input = match &inner.again {
            Reread::Ring(open) => {
                let kept = MemorySource::read(&mut open()?).map_err(|error| error.to_string())?;
                Input::Ring(Box::new(kept), Vec::new())
            }
            Reread::Saved(word) => Input::open(word).map_err(|failure| failure.to_string())?,
        };
        // The program continues while the view is frozen, and may have overwritten a part of it.
        let overwritten = overwritten(first_tick(&input), from, to)?;
        let path = new_name(input.source().metadata(), "json")?;
        let file = NewFile::create(&path).map_err(|error| error.to_string())?;
        let options =
            ExportOptions { range: TimeRange { from: Some(from), to: Some(to) }, ..Default::default() };
        let exported = exporting::to_file(&input, Export::Chrome(options), file, &path, None)
            .map_err(|failure| failure.to_string())?;
        Ok(format!("exported {} to {}{overwritten}", exported.in_short(), printable_path(&path)))
    }
}

/// Describes the part of an export that the ring has overwritten. Its first remaining tick starts at `oldest`.
///
/// # Errors
///
/// A message, if it has overwritten everything.
fn overwritten(oldest: Option<Timestamp>, from: Timestamp, to: Timestamp) -> Result<String, String> {
    let Some(oldest) = oldest else { return Ok(String::new()) };
    if oldest > to {
        return Err("nothing to export: the ring has overwritten all of it".to_owned());
    }
    Ok(match oldest.ns_since(from) {
        0..OVERWRITTEN_NS_MIN => String::new(),
        ns => format!("; first {} overwritten", duration(ns)),
    })
}

/// The time from the first event to the last. Ignores labels, which have the start time of the recording even if its
/// beginning was overwritten.
#[derive(Default)]
struct Span {
    ends: Option<(Timestamp, Timestamp)>,
}

impl Span {
    fn add(&mut self, events: &[Stamped]) {
        let mut times = events
            .iter()
            .filter(|stamped| !matches!(stamped.event, Event::Label { .. }))
            .map(|stamped| stamped.at);
        let Some(first) = times.next() else { return };
        let last = times.next_back().unwrap_or(first);
        self.ends = Some((self.ends.map_or(first, |(first, _)| first), last));
    }

    fn ns(&self) -> u64 {
        self.ends.map_or(0, |(first, last)| last.ns_since(first))
    }
}

/// Minimum time missing from an export that is worth reporting, in nanoseconds.
const OVERWRITTEN_NS_MIN: u64 = 500_000_000;

/// The start of the first tick that a ring still holds; `None` for a trace, which never loses any.
fn first_tick(input: &Input) -> Option<Timestamp> {
    let Input::Ring(kept, _) = input else { return None };
    kept.events()
        .iter()
        .find(|stamped| matches!(stamped.event, Event::TickStart { .. }))
        .map(|stamped| stamped.at)
}

/// A file name based on the recorded program that does not exist yet in the current folder.
fn new_name(metadata: &Metadata, extension: &str) -> Result<PathBuf, String> {
    let program: String =
        metadata.program.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    for number in 1.. {
        let path = PathBuf::from(format!("{program}-{}-{number}.{extension}", metadata.pid));
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(format!("cannot create {}: {error}", printable_path(&path))),
            Ok(_) => {}
        }
    }
    Err("there is no free file name left".to_owned())
}

impl fmt::Debug for Saver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saver").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use loop_probes::event::LabelKind;
    use loop_probes::ids::SourceId;
    use loop_probes::text::Text;

    use super::*;

    #[test]
    fn an_export_reports_the_overwritten_part() {
        let of = |oldest: Option<u64>| {
            overwritten(oldest.map(Timestamp), Timestamp(1_000_000_000), Timestamp(4_000_000_000))
        };
        assert_eq!((of(None), of(Some(5))), (Ok(String::new()), Ok(String::new())));
        assert_eq!(of(Some(3_100_000_000)), Ok("; first 2.10s overwritten".to_owned()));
        assert!(of(Some(4_000_000_001)).is_err(), "no file of 0 slices");
    }

    #[test]
    fn labels_do_not_extend_the_saved_span() {
        let at = |at, event| Stamped { at: Timestamp(at), source: SourceId(1), event };
        let name = Event::Label { kind: LabelKind::Tag, id: 1, text: Text::new("Echo") };
        let events = [
            at(5, name),
            at(200_000, Event::TickStart { tick: 9 }),
            at(5, name),
            at(202_280, Event::TickStart { tick: 10 }),
        ];
        let span_ns = |batches: &[&[Stamped]]| {
            let mut span = Span::default();
            batches.iter().for_each(|batch| span.add(batch));
            span.ns()
        };
        assert_eq!((span_ns(&[&events]), span_ns(&[&events[..2]]), span_ns(&[])), (2_280, 0, 0));
        let (begin, rest) = events.split_at(events.len() - 1);
        assert_eq!(span_ns(&[begin, &[], rest]), 2_280, "whatever the batches are");
    }
}
