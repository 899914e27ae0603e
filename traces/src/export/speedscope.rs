//! speedscope's own file: an evented profile an emitter, in nanoseconds, with frames that all of them share.
//!
//! A profile is written in one piece, but the stream has the emitters' events mixed. One of them is written as it
//! comes; the others wait as text, as long as there is room ([`WAITING_BYTES_MAX`]), and what found none gets a pass
//! of its own. So a recording of any length needs bounded memory, and all but the longest ones a single pass.
//!
//! Source: <https://www.speedscope.app/file-format-schema.json>.

use std::collections::HashMap;
use std::io::{self, Write};

use loop_probes::metadata::Metadata;
use loop_probes::text::printable;

use super::json::JsonOut;
use super::name::Frame;
use super::slices::{Slices, Stacks, Stretch};
use super::survey::Survey;
use super::{ExportError, TimeRange, each_event, surveyed};
use crate::source::{EventSource, SourceError};

/// Most bytes of all profiles together that wait for their turn.
pub const WAITING_BYTES_MAX: usize = 64 << 20;

/// Most frames told apart; further ones are one.
const FRAMES_MAX: usize = 1 << 18;

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpeedscopeStats {
    /// Profiles: emitters that something ran on.
    pub profiles: u64,
    /// Slices.
    pub slices: u64,
    /// Frames: what the slices are called.
    pub frames: u64,
    /// Spans that overlapped without nesting: in no profile.
    pub left_out: u64,
    /// How often the recording was read.
    pub passes: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Exports a recording; `open` is called at least twice and must give the same events every time.
///
/// # Errors
///
/// [`ExportError`] when the recording cannot be read or the output cannot be written.
pub fn export<S: EventSource>(
    open: impl FnMut() -> Result<S, SourceError>,
    range: TimeRange,
    out: impl Write,
) -> Result<SpeedscopeStats, ExportError> {
    within(open, range, out, WAITING_BYTES_MAX)
}

fn within<S: EventSource>(
    mut open: impl FnMut() -> Result<S, SourceError>,
    range: TimeRange,
    out: impl Write,
    room: usize,
) -> Result<SpeedscopeStats, ExportError> {
    let survey = surveyed(&mut open, range)?;
    let mut file = File::new(&survey, out, room);
    let mut stats = SpeedscopeStats { passes: 1, ..SpeedscopeStats::default() };
    let mut begun = false;
    while !begun || file.rows.iter().any(|row| row.state != State::Written) {
        let mut source = open()?;
        if !begun {
            file.head(source.metadata());
        }
        begun = true;
        file.choose();
        let mut slices = Slices::new(&survey);
        each_event(&mut source, |stamped| Ok(slices.push(stamped, &mut file)?))?;
        slices.finish(&mut file)?;
        stats.left_out = slices.left_out;
        stats.passes += 1;
        file.end_pass()?;
    }
    file.tail(&mut stats)?;
    Ok(stats)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be written as it comes, in this pass.
    Streams,
    /// Waits as text.
    Waits,
    /// Found no room: a later pass.
    Later,
    Written,
}

#[derive(Debug)]
struct Row {
    state: State,
    text: JsonOut<io::Sink>,
    slices: u64,
    last: u64,
}

struct File<'a, W> {
    out: JsonOut<W>,
    survey: &'a Survey,
    room: usize,
    rows: Vec<Row>,
    waiting: usize,
    frames: Vec<Frame>,
    places: HashMap<Frame, u64>,
    profiles: u64,
    slices: u64,
}

impl<'a, W: Write> File<'a, W> {
    fn new(survey: &'a Survey, out: W, room: usize) -> Self {
        let row = |_| Row { state: State::Later, text: JsonOut::new(io::sink()), slices: 0, last: 0 };
        Self {
            out: JsonOut::new(out),
            survey,
            room,
            rows: survey.threads.iter().map(row).collect(),
            waiting: 0,
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

    /// Who is written and who waits, in the pass that begins.
    fn choose(&mut self) {
        let mut streams = Some(State::Streams);
        for row in self.rows.iter_mut().filter(|row| row.state == State::Later) {
            row.state = streams.take().unwrap_or(State::Waits);
        }
    }

    fn event(&mut self, row: usize, kind: &str, at: u64, frame: Frame) -> io::Result<()> {
        let Row { state, slices, last, .. } = &mut self.rows[row];
        let (state, first) = (*state, *slices == 0 && kind == "O");
        if matches!(state, State::Later | State::Written) {
            return Ok(());
        }
        *slices += u64::from(kind == "O");
        *last = (*last).max(at);
        let frame = self.place_of(frame);
        if state == State::Streams {
            if first {
                self.begin_profile(row);
            }
            write_event(&mut self.out, first, kind, at, frame);
            return self.out.settle();
        }
        let text = &mut self.rows[row].text;
        let before = text.gathered();
        write_event(text, first, kind, at, frame);
        self.waiting += text.gathered() - before;
        if self.waiting > self.room {
            self.put_off();
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

    /// The longest of those that wait gives its room to the others.
    fn put_off(&mut self) {
        let longest = self.rows.iter_mut().filter(|row| row.state == State::Waits);
        if let Some(longest) = longest.max_by_key(|row| row.text.gathered()) {
            self.waiting -= longest.text.gathered();
            *longest = Row { state: State::Later, text: JsonOut::new(io::sink()), slices: 0, last: 0 };
        }
    }

    fn begin_profile(&mut self, row: usize) {
        let name = self.survey.name(&self.survey.threads[row]);
        self.out.raw(if self.profiles == 0 { "\n" } else { ",\n" });
        self.out.raw("{\"type\":\"evented\",\"name\":").string(&name);
        self.out.raw(",\"unit\":\"nanoseconds\",\"startValue\":0,\"events\":[");
        self.profiles += 1;
    }

    fn end_pass(&mut self) -> io::Result<()> {
        for place in 0..self.rows.len() {
            let Row { state, slices, last, .. } = self.rows[place];
            if matches!(state, State::Later | State::Written) {
                continue;
            }
            let text = std::mem::replace(&mut self.rows[place].text, JsonOut::new(io::sink()));
            self.rows[place].state = State::Written;
            // Who ran nothing has nothing to show.
            if slices == 0 {
                continue;
            }
            if state == State::Waits {
                self.begin_profile(place);
                self.out.append(&text);
            }
            self.out.raw("],\"endValue\":").plain(last).raw("}");
            self.slices += slices;
            self.out.settle()?;
        }
        self.waiting = 0;
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
    fn enter(&mut self, row: usize, at: u64, frame: Frame, _: Stretch) -> io::Result<()> {
        self.event(row, "O", at, frame)
    }

    fn leave(&mut self, row: usize, at: u64, frame: Frame) -> io::Result<()> {
        self.event(row, "C", at, frame)
    }
}

#[cfg(test)]
mod tests;
