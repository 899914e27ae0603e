//! speedscope's own format: one evented profile per emitter, in nanoseconds, with a shared list of frames.
//!
//! A profile is written in one piece, but the emitters' events are interleaved in the stream. The first emitter's are
//! written as they come; those of the others wait as text, in memory up to 64 MiB and in a temporary
//! file beyond that. So a recording of any length takes bounded memory and two passes.
//!
//! Source: <https://www.speedscope.app/file-format-schema.json>.

use std::collections::HashMap;
use std::io::{self, Read, Seek as _, SeekFrom, Write};

use loop_probes::metadata::Metadata;
use loop_probes::text::printable;
use tempfile::SpooledTempFile;

use super::json::JsonOut;
use super::name::Frame;
use super::passes::{each_event, surveyed};
use super::slices::{SliceKind, Slices, Stacks};
use super::survey::Survey;
use super::{ExportError, TimeRange};
use crate::source::{EventSource, SourceError};

/// Maximum number of bytes of waiting profiles held in memory, in total.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// Bytes of a waiting profile gathered before they are put with the others.
const PIECE_BYTES: usize = 4 << 10;

/// Maximum number of distinct frames; further ones are merged into one.
const FRAMES_MAX: usize = 1 << 18;

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpeedscopeStats {
    /// Profiles: one for each emitter with slices.
    pub profiles: u64,
    /// Number of slices written.
    pub slices: u64,
    /// Frames: distinct names of slices.
    pub frames: u64,
    /// Spans that overlapped without nesting and are in no profile.
    pub left_out: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Exports a recording; `open` is called twice and must yield the same events both times.
///
/// # Errors
///
/// [`ExportError`] if the recording cannot be read or the output cannot be written.
pub fn export<S: EventSource + Send>(
    open: impl FnMut() -> Result<S, SourceError>,
    range: TimeRange,
    out: impl Write,
) -> Result<SpeedscopeStats, ExportError> {
    within(open, range, out, WAITING_BYTES_MAX)
}

fn within<S: EventSource + Send>(
    mut open: impl FnMut() -> Result<S, SourceError>,
    range: TimeRange,
    out: impl Write,
    room: usize,
) -> Result<SpeedscopeStats, ExportError> {
    let survey = surveyed(&mut open, range)?;
    let mut file = File::new(&survey, out, room);
    let source = open()?;
    file.head(source.metadata());
    let mut slices = Slices::new(&survey, source.metadata());
    let source = each_event(source, |stamped| Ok(slices.push(stamped, &mut file)?))?;
    slices.finish(&source, &mut file)?;
    let mut stats = SpeedscopeStats { left_out: slices.left_out, ..SpeedscopeStats::default() };
    file.end_profiles()?;
    file.tail(&mut stats)?;
    Ok(stats)
}

#[derive(Debug)]
struct Row {
    text: JsonOut<io::Sink>,
    /// The text before that: the offset and length of each piece among all that waits.
    pieces: Vec<(u64, u64)>,
    slices: u64,
    last: u64,
}

struct File<'a, W> {
    out: JsonOut<W>,
    survey: &'a Survey,
    rows: Vec<Row>,
    /// Pieces of all waiting profiles.
    waiting: SpooledTempFile,
    waiting_bytes: u64,
    frames: Vec<Frame>,
    places: HashMap<Frame, u64>,
    profiles: u64,
    slices: u64,
}

impl<'a, W: Write> File<'a, W> {
    fn new(survey: &'a Survey, out: W, room: usize) -> Self {
        let row = |_| Row { text: JsonOut::new(io::sink()), pieces: Vec::new(), slices: 0, last: 0 };
        Self {
            out: JsonOut::new(out),
            survey,
            rows: survey.threads.iter().map(row).collect(),
            waiting: SpooledTempFile::new(room),
            waiting_bytes: 0,
            frames: Vec::new(),
            places: HashMap::new(),
            profiles: 0,
            slices: 0,
        }
    }

    fn head(&mut self, metadata: &Metadata) {
        self.out.raw("{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\"exporter\":\"");
        self.out.raw(concat!("loopscope ", env!("CARGO_PKG_VERSION"), "\",\"name\":"));
        let program = printable(&format!("{} ({})", metadata.program, metadata.policy));
        self.out.string(&program).raw(",\"activeProfileIndex\":0,\"profiles\":[");
    }

    fn event(&mut self, row: usize, kind: &str, at: u64, frame: Frame) -> io::Result<()> {
        let Row { slices, last, .. } = &mut self.rows[row];
        let first = *slices == 0 && kind == "O";
        *slices += u64::from(kind == "O");
        *last = (*last).max(at);
        let frame = self.place_of(frame);
        if row == 0 {
            if first {
                self.begin_profile(row);
            }
            write_event(&mut self.out, first, kind, at, frame);
            return self.out.settle();
        }
        let Row { text, pieces, .. } = &mut self.rows[row];
        write_event(text, first, kind, at, frame);
        let bytes = text.buffer().len();
        if bytes >= PIECE_BYTES {
            self.waiting.write_all(text.buffer())?;
            text.buffer().clear();
            pieces.push((self.waiting_bytes, bytes as u64));
            self.waiting_bytes += bytes as u64;
        }
        Ok(())
    }

    fn place_of(&mut self, frame: Frame) -> u64 {
        let is_full = self.frames.len() >= FRAMES_MAX && !self.places.contains_key(&frame);
        let frame = if is_full { Frame::Own("other frames") } else { frame };
        *self.places.entry(frame).or_insert_with(|| {
            self.frames.push(frame);
            self.frames.len() as u64 - 1
        })
    }

    fn begin_profile(&mut self, row: usize) {
        let name = self.survey.name(&self.survey.threads[row]);
        self.out.raw(if self.profiles == 0 { "\n" } else { ",\n" });
        self.out.raw("{\"type\":\"evented\",\"name\":").string(&name);
        self.out.raw(",\"unit\":\"nanoseconds\",\"startValue\":0,\"events\":[");
        self.profiles += 1;
    }

    fn end_profiles(&mut self) -> io::Result<()> {
        for place in 0..self.rows.len() {
            let Row { slices, last, .. } = self.rows[place];
            // An emitter without slices has nothing to show.
            if slices == 0 {
                continue;
            }
            if place > 0 {
                self.begin_profile(place);
                self.put_waiting(place)?;
            }
            self.out.raw("],\"endValue\":").plain(last).raw("}");
            self.slices += slices;
            self.out.settle()?;
        }
        Ok(())
    }

    fn put_waiting(&mut self, place: usize) -> io::Result<()> {
        let Row { text, pieces, .. } = &mut self.rows[place];
        for (at, bytes) in pieces.drain(..) {
            self.waiting.seek(SeekFrom::Start(at))?;
            self.out.copy(&mut (&mut self.waiting).take(bytes))?;
        }
        self.out.buffer().append(text.buffer());
        Ok(())
    }

    fn tail(mut self, stats: &mut SpeedscopeStats) -> io::Result<()> {
        self.out.raw("\n],\"shared\":{\"frames\":[");
        for (place, frame) in self.frames.iter().enumerate() {
            let (prefix, name) = frame.name(&self.survey.labels);
            self.out.raw(if place == 0 { "\n{\"name\":\"" } else { ",\n{\"name\":\"" });
            self.out.raw(prefix).escaped(&name).raw("\"}");
            self.out.settle()?;
        }
        self.out.raw("\n]}}\n");
        self.out.flush()?;
        stats.profiles = self.profiles;
        stats.slices = self.slices;
        stats.frames = self.frames.len() as u64;
        stats.bytes = self.out.bytes;
        Ok(())
    }
}

fn write_event<W: Write>(out: &mut JsonOut<W>, first: bool, kind: &str, at: u64, frame: u64) {
    out.raw(if first { "\n{\"type\":\"" } else { ",\n{\"type\":\"" }).raw(kind);
    out.raw("\",\"frame\":").plain(frame).raw(",\"at\":").plain(at).raw("}");
}

impl<W: Write> Stacks for File<'_, W> {
    fn enter(&mut self, row: usize, at: u64, frame: Frame, _: SliceKind) -> io::Result<()> {
        self.event(row, "O", at, frame)
    }

    fn leave(&mut self, row: usize, at: u64, frame: Frame) -> io::Result<()> {
        self.event(row, "C", at, frame)
    }
}

#[cfg(test)]
mod tests;
