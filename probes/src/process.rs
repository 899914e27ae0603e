//! Reads a process: all its rings as one ordered stream, from the same memory or from its file.
//!
//! Each [`poll`](ProcessReader::poll) checks whether the process is alive, lists and reads its rings, reads new
//! labels (so that every label comes before its first use) and the newest anchor, and returns the events older than
//! the watermark.

mod clocks;
mod copies;
mod end_mark;
mod error;
mod evidence;
mod heartbeat;
mod horizon;
mod image;
mod liveness;
mod ring_state;
mod rings;
mod slots;
mod stream;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use crate::clock_map::ClockFaults;
use crate::event::LabelKind;
use crate::ids::{SourceId, Ticks, Timestamp};
use crate::metadata::Metadata;
use crate::pressure::Pressure;
use crate::ring::Start;
use crate::session::Session;
use crate::shared::layout::head;
use crate::stamped::Stamped;
use clocks::Clocks;
pub(crate) use end_mark::describe;
pub use error::{OpenError, ReadError};
use heartbeat::Heartbeat;
pub use heartbeat::NowRunning;
pub(crate) use image::RingFile;
use image::{Image, Words};
pub use liveness::ProcessState;
use rings::Rings;
use stream::Stream;

/// An event younger than this may still be overtaken by a record that another ring writes a little late.
const WATERMARK_NS: u64 = 2_000_000;

/// In a dead process, a *now running* cell is at most this much newer than the newest record and the last note that
/// the process existed: an emitter that changes what it does records something at about the same time.
const CELL_NS: u64 = 10_000_000_000;

/// Shortest interval between two checks of a foreign process's state: a check takes three system calls.
const STATE_NS: u64 = 50_000_000;

/// Maximum number of polls per flush after the first: more than 64 rings of the default size hold. A file that claims
/// more must not fill memory.
const FLUSH_POLLS_MAX: usize = 4;

/// The outcome of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PollReport {
    /// Records read, counting each part.
    pub records: u64,
    /// Records found overwritten.
    pub lost: u64,
    /// Whether one poll did not read everything: poll again at once.
    pub more: bool,
    /// The process's state before the rings were read. If it is not [alive](ProcessState::is_alive) and `more` is false,
    /// the stream is complete.
    pub state: ProcessState,
}

/// Reads all rings of one process.
#[derive(Debug)]
pub struct ProcessReader {
    image: Image,
    clocks: Clocks,
    rings: Rings,
    stream: Stream,
    state: ProcessState,
    state_at: Option<Timestamp>,
    /// Whether the rings contradict the mark of the session's end.
    contradicts_end: bool,
    /// A moment just before the last check that found the process alive. Reader-made events are not later than this.
    alive_at: Ticks,
    /// Labels found on attaching, for the first poll to emit.
    pending: Vec<Stamped>,
    dropped_sources: u64,
    /// Whether the file was truncated, and the stream has ended with a gap.
    is_truncated: bool,
    /// *Now running* cells with an impossible time.
    malformed_cells: u64,
    heartbeat: Option<Heartbeat>,
    pressure: Option<Pressure>,
}

impl ProcessReader {
    /// Opens the ring file of another process (or of this one), read-only.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if it cannot be read, is not a ring file, is damaged, or is from a newer loopscope.
    pub fn open(path: &Path, start: Start) -> Result<Self, OpenError> {
        Ok(Self::new(Image::File(RingFile::open(path)?), start))
    }

    fn of_session(session: &Session, start: Start, drains: bool) -> Self {
        let image = match session.handle() {
            Some(handle) => Image::Local { session: Arc::clone(handle.inner()), drains },
            None => Image::Nothing(Metadata::new("disabled")),
        };
        Self::new(image, start)
    }

    fn new(image: Image, start: Start) -> Self {
        // With "newest", every ring is read from the same moment on.
        let begin = (start == Start::Newest).then_some(Ticks(0));
        let mut reader = Self {
            clocks: Clocks::new(&image),
            rings: Rings::new(start),
            stream: Stream::new(image.metadata().started.monotonic, begin),
            state: ProcessState::Running,
            state_at: None,
            contradicts_end: false,
            alive_at: Ticks(0),
            pending: Vec::new(),
            dropped_sources: 0,
            is_truncated: false,
            malformed_cells: 0,
            heartbeat: None,
            pressure: None,
            image,
        };
        (reader.state, reader.contradicts_end) =
            end_mark::state(&reader.image).unwrap_or((reader.state, false));
        if start == Start::Newest {
            // "Newest" means newest now, not at the first poll. An error here shows up again there.
            let mut events = Vec::new();
            let _again = reader.gather(true, &mut events);
            reader.pending = events;
        }
        reader
    }

    /// Adds [`Running`](crate::event::Event::Running) events, which show what an emitter is doing while it records
    /// nothing: about every 40 ms (less often while it is idle), in [`flush`](Self::flush), and once when the process
    /// is found to have crashed, or the file to be a copy.
    #[must_use]
    pub fn with_heartbeat(self) -> Self {
        Self { heartbeat: Some(Heartbeat::default()), ..self }
    }

    /// Adds [`Pressure`](crate::event::Event::Pressure) events of source 0, which show how long the process waited
    /// for processors: four times a second while it lives, and in [`flush`](Self::flush). For live readers.
    #[must_use]
    pub fn with_pressure(self) -> Self {
        Self { pressure: Some(Pressure::of(self.image.pid_here())), ..self }
    }

    /// The process's description of itself.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.image.metadata()
    }

    /// Appends the events since the last call, in order, up to about 2 ms ago. A label comes before its first use,
    /// with the time of the preceding event; labels of the whole process have source 0. A gap in a ring is a
    /// [`Lost`](crate::event::Event::Lost) at the record that follows it.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the file was truncated or can no longer be read. `out` then has the events read before the
    /// error, and after a truncation a gap of unknown length at the end.
    pub fn poll(&mut self, out: &mut Vec<Stamped>) -> Result<PollReport, ReadError> {
        self.poll_as(true, out)
    }

    fn poll_as(&mut self, gently: bool, out: &mut Vec<Stamped>) -> Result<PollReport, ReadError> {
        let polled = self.poll_whole(gently, out);
        polled.inspect_err(|error| self.note_truncation(error, out))
    }

    fn poll_whole(&mut self, gently: bool, out: &mut Vec<Stamped>) -> Result<PollReport, ReadError> {
        self.refresh_state()?;
        out.append(&mut self.pending);
        let now = self.clocks.ticks();
        let before = (self.rings.read(), self.rings.lost());
        let is_over = !self.state.is_alive();
        self.image.note_alive(now);
        let gathered = self.gather(gently && !is_over, out);
        let more = matches!(gathered, Ok(true));
        self.stream.begin.get_or_insert(self.rings.loops_since().unwrap_or_default());
        let watermark =
            if is_over && !more || self.rings.active() < 2 { Ticks(u64::MAX) } else { self.watermark(now) };
        self.stream.release(&mut self.clocks, watermark, out);
        gathered?;
        // The stream must not begin with a gap at the process's start.
        if self.stream.last_at > self.metadata().started.monotonic || is_over && !more {
            self.stream.report_missing(self.missing(), out);
        }
        if is_over && !more {
            self.stream.release_end_gaps(&mut self.rings, &self.clocks, out);
        }
        let read = out.len();
        if !more && (self.heartbeat.is_some() || self.pressure.is_some()) {
            let at = self.reported_at(self.alive_at.min(now));
            self.beat(at, out)?;
            self.press(at, out);
        }
        // Checked last: recorders that are off no longer update what they are doing.
        self.expect_whole().inspect_err(|_| out.truncate(read))?;
        self.stream.note_last(&out[read..]);
        Ok(PollReport {
            records: self.rings.read() - before.0,
            lost: self.rings.lost() - before.1,
            more,
            state: self.state,
        })
    }

    /// Like [`poll`](Self::poll), but also returns the events of the last 2 ms: for the end of a recording. With
    /// rings far above the default size it may leave some, and then sets `more`.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the file was truncated or can no longer be read.
    pub fn flush(&mut self, out: &mut Vec<Stamped>) -> Result<PollReport, ReadError> {
        self.state_at = None;
        let mut read_from = self.clocks.ticks();
        let mut total = self.poll_as(false, out);
        // Leaves events written during the flush to the next call: a fast writer must not keep us here.
        for _ in 0..FLUSH_POLLS_MAX {
            let Ok(sum) = &mut total else { break };
            if !sum.more {
                break;
            }
            read_from = self.clocks.ticks();
            match self.poll_as(false, out) {
                Ok(next) => {
                    let (records, lost) = (sum.records + next.records, sum.lost + next.lost);
                    *sum = PollReport { records, lost, ..next };
                }
                Err(error) => total = Err(error),
            }
        }
        self.release_all(out);
        self.stream.report_missing(self.missing(), out);
        if total.is_ok() && self.state.is_alive() {
            let running = self.observe_running().and_then(|running| self.expect_whole().map(|()| running));
            let mut running = running.inspect_err(|error| self.note_truncation(error, out))?;
            // Anything that began later may follow records written after the rings were read.
            let read_from = self.time_at(read_from);
            running.retain(|emitter| emitter.since <= read_from);
            let now = self.time_at(self.alive_at).max(self.stream.last_at);
            if let Some(heartbeat) = &mut self.heartbeat {
                heartbeat.all(&running, now, out);
            }
            if let Some(pressure) = &mut self.pressure {
                pressure.report(now, true, out);
            }
            self.stream.note_last(out);
        }
        total
    }

    /// Appends the processor shortage, if the process is alive.
    fn press(&mut self, at: Timestamp, out: &mut Vec<Stamped>) {
        let is_alive = self.state.is_alive();
        if let Some(pressure) = self.pressure.as_mut().filter(|_| is_alive) {
            pressure.report(at, false, out);
        }
    }

    /// What each emitter is doing right now.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the file can no longer be read.
    pub fn running(&self) -> Result<Vec<NowRunning>, ReadError> {
        let (running, _) = self.plausibly_running()?;
        self.expect_whole().map(|()| running)
    }

    /// Records that were overwritten before they were read, since the reader attached, or that are damaged. Exact,
    /// except that an unreadable ring counts as one record.
    #[must_use]
    pub fn lost_records(&self) -> u64 {
        let found = self.rings.lost().saturating_sub(self.stream.passed_over_lost);
        found.saturating_add(self.stream.missing_reported).saturating_add(u64::from(self.is_truncated))
    }

    /// Records overwritten before the first one that was returned, or skipped because they precede the oldest record
    /// of every loop.
    #[must_use]
    pub fn before_attach(&self) -> u64 {
        self.rings.before_attach().saturating_add(self.stream.passed_over + self.stream.passed_over_lost)
    }

    /// Records read, counting each part.
    #[must_use]
    pub fn records_read(&self) -> u64 {
        self.rings.read() - self.stream.passed_over
    }

    /// Events of kinds that this version does not know: skipped.
    #[must_use]
    pub fn unknown_kinds(&self) -> u64 {
        self.rings.unknown()
    }

    /// Events with values that they cannot have: skipped.
    #[must_use]
    pub fn malformed_events(&self) -> u64 {
        self.rings.malformed() + self.malformed_cells + self.stream.contradictions()
    }

    /// Events that arrived after a later one of another ring had been handed out.
    #[must_use]
    pub const fn late_events(&self) -> u64 {
        self.stream.merge.late()
    }

    /// The process's state at the last poll.
    #[must_use]
    pub const fn state(&self) -> ProcessState {
        self.state
    }

    /// Whether the file's header marks the session as ended while its rings show a loop in the middle of a tick. The mark
    /// is not believed then.
    #[must_use]
    pub const fn contradicts_end(&self) -> bool {
        self.contradicts_end
    }

    /// Recorders that found no place for their ring; their events are missing.
    #[must_use]
    pub fn dropped_sources(&self) -> u64 {
        self.dropped_sources.max(self.rings.unshared())
    }

    /// Rings whose place in the file is impossible: the file is damaged, and their events are missing.
    #[must_use]
    pub fn unreadable_sources(&self) -> u64 {
        self.rings.unreadable()
    }

    /// Gaps with an unknown number of records: unreadable rings and a truncated file, each a
    /// [`Lost`](crate::event::Event::Lost) of one record in the stream, and [rings without
    /// end](Self::rings_without_end).
    #[must_use]
    pub fn uncounted_gaps(&self) -> u64 {
        let rings = self.stream.missing_reported.saturating_add(self.rings.without_end());
        rings.saturating_add(u64::from(self.is_truncated))
    }

    /// Rings of a dead process that lack an unknown number of their newest records: the file was cut, or not all of
    /// it reached the disk.
    #[must_use]
    pub fn rings_without_end(&self) -> u64 {
        self.rings.without_end()
    }

    /// Labels that did not fit into the table. The stream has them as long as the ring does.
    #[must_use]
    pub const fn dropped_labels(&self) -> u64 {
        self.stream.dropped_labels
    }

    /// How long to wait until the next poll so that the fastest ring fills by no more than a quarter: between 1
    /// and 33 ms. It is 1 ms while some ring has been polled only once, because its fill rate is still unknown.
    #[must_use]
    pub fn suggested_period(&self) -> Duration {
        self.rings.suggested_period()
    }

    /// The time at a raw reading of the process's record clock.
    #[must_use]
    pub fn time_at(&self, ticks: Ticks) -> Timestamp {
        self.clocks.map.peek(ticks)
    }

    /// How often the record clock changed its rate or jumped, and how far off times were then. Records whose times go
    /// back count as a jump.
    #[must_use]
    pub fn clock_faults(&self) -> ClockFaults {
        self.clocks.faults(self.stream.back_ns_max())
    }

    /// Converts `ours`, a time on this process's monotonic clock, to the recording process's. They differ only if the
    /// two processes are in different time namespaces; the wall clock then joins them.
    #[must_use]
    pub const fn process_time(&self, ours: Timestamp) -> Timestamp {
        self.clocks.process_time(ours)
    }

    /// Checks the process's state if the last check was long ago, or if the heartbeat is about to report.
    fn refresh_state(&mut self) -> Result<(), ReadError> {
        let now = self.clocks.now();
        // Read before the check: the process may die right after it.
        let ticks = self.clocks.ticks();
        let reports_running =
            self.heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.is_due(self.reported_at(ticks)));
        let is_due = reports_running || self.state_at.is_none_or(|at| now.ns_since(at) >= STATE_NS);
        if is_due || !self.contradicts_end && self.image.has_ended()? {
            (self.state, self.contradicts_end) = end_mark::state(&self.image)?;
            self.state_at = Some(now);
            if self.state.is_alive() && !self.image.is_exiting() {
                self.alive_at = ticks;
            }
        }
        Ok(())
    }

    /// Reads rings, labels and anchors; emits new labels. Returns whether there is more.
    fn gather(&mut self, gently: bool, out: &mut Vec<Stamped>) -> Result<bool, ReadError> {
        let mut names = Vec::new();
        let mut horizon = self.clocks.horizon(&self.image);
        let read = self.rings.refresh(&self.image, &mut names).and_then(|()| {
            let now = self.clocks.now();
            self.rings.poll(&self.image, now, gently, &mut horizon, &mut self.stream.merge)
        });
        for (source, name) in names {
            self.stream.add_label(SourceId(source), LabelKind::Source, source, name, out);
        }
        let more = read?;
        let Words([dropped]) = self.image.words(head::SOURCES_DROPPED)?;
        self.dropped_sources = dropped.saturating_sub(self.image.unshared());
        self.stream.read_labels(&self.image, out)?;
        self.clocks.follow(&self.image, &self.rings)?;
        Ok(more)
    }

    /// The latest time at `now` that no record still in flight can precede.
    fn watermark(&self, now: Ticks) -> Ticks {
        Ticks(now.0.saturating_sub(self.clocks.map.ticks_in(WATERMARK_NS)))
    }

    /// Hands out everything held back, then the gaps behind it.
    fn release_all(&mut self, out: &mut Vec<Stamped>) {
        self.stream.release(&mut self.clocks, Ticks(u64::MAX), out);
        self.stream.release_end_gaps(&mut self.rings, &self.clocks, out);
    }

    /// Number of gaps of unknown length: rings of which nothing can be read, and what followed the last record of a dead
    /// process whose file has parts of different times.
    fn missing(&self) -> u64 {
        let at_end = u64::from(self.contradicts_end && !self.state.is_alive());
        self.dropped_sources().saturating_add(self.unreadable_sources()).saturating_add(at_end)
    }

    /// Fails if the file was truncated, even if it was extended again since.
    fn expect_whole(&self) -> Result<(), ReadError> {
        if self.is_truncated { Err(self.image.truncated()) } else { self.image.expect_whole() }
    }

    /// Ends the stream if `error` says that the file was truncated: with everything held back, then a gap, because
    /// everything unread is gone, and nothing is recorded any more.
    fn note_truncation(&mut self, error: &ReadError, out: &mut Vec<Stamped>) {
        if self.is_truncated || !matches!(error, ReadError::Truncated { .. }) {
            return;
        }
        self.release_all(out);
        self.is_truncated = true;
        out.push(self.stream.unknown_loss());
    }

    /// The time of reader-made events at `now`: no later than a record still in flight can be, and no earlier than
    /// the last event returned.
    fn reported_at(&self, now: Ticks) -> Timestamp {
        self.time_at(self.watermark(now)).max(self.stream.last_at.min(self.time_at(now)))
    }

    /// The last time at which the process noted that it was alive; `None` if it noted none, or a time in the future.
    fn noted_alive(&self) -> Result<Option<Ticks>, ReadError> {
        let noted = self.image.alive_at()?;
        Ok(noted.filter(|at| !self.image.shares_clock() || *at <= self.clocks.ticks()))
    }

    /// The last moment at which a crashed process is known to have existed: it died at some time after it.
    fn seen_alive(&self) -> Result<Timestamp, ReadError> {
        let noted = self.noted_alive()?.map(|ticks| self.time_at(ticks));
        Ok(noted.unwrap_or_default().max(self.stream.last_at))
    }

    /// Whether the file shows that an emitter was still doing at `at` what its cell says. A copy of a live ring file has
    /// its parts from different moments: the header was copied before the cell, and the emitter's records after it.
    fn is_known_at(&self, emitter: &NowRunning, at: Timestamp) -> bool {
        let noted = self.noted_alive().ok().flatten();
        let newest = noted.max(self.rings.newest_of(emitter.source));
        newest.map_or(emitter.since, |newest| self.time_at(newest).max(emitter.since)) >= at
    }

    /// Appends the activity of emitters that were silent, as of `at`.
    fn beat(&mut self, at: Timestamp, out: &mut Vec<Stamped>) -> Result<(), ReadError> {
        let Some(mut heartbeat) = self.heartbeat.take() else { return Ok(()) };
        match self.state {
            ProcessState::Crashed => heartbeat.end(&self.observe_running()?, self.seen_alive()?, out),
            ProcessState::Unclosed => {
                let (mut running, as_of) = (self.observe_running()?, self.seen_alive()?);
                running.retain(|emitter| self.is_known_at(emitter, as_of));
                heartbeat.end_of_copy(&running, as_of, out);
            }
            state if state.is_alive() && heartbeat.is_due(at) => {
                heartbeat.beat(&self.observe_running()?, at, out);
            }
            _ => {}
        }
        self.heartbeat = Some(heartbeat);
        Ok(())
    }

    /// What each emitter is doing right now, and the number of cells with an impossible time.
    fn plausibly_running(&self) -> Result<(Vec<NowRunning>, u64), ReadError> {
        let cells = self.rings.running(&self.image)?;
        let mut horizon = self.clocks.horizon(&self.image);
        let newest = self.rings.newest_at();
        let latest = if self.image.is_file() && !self.state.is_alive() {
            let known = newest.max(self.noted_alive()?);
            known.map(|at| at.0.saturating_add(self.clocks.map.ticks_in(CELL_NS)))
        } else {
            None
        };
        let all = cells.len();
        let error_ns = self.clock_faults().error_ns_max;
        let newest = newest.map_or(Timestamp(0), |at| self.time_at(at));
        let is_in_session = |since| {
            let chronology = &self.stream.chronology;
            !self.image.is_file() || chronology.is_in_session(self.time_at(since), newest, error_ns)
        };
        let running: Vec<NowRunning> = cells
            .into_iter()
            .filter(|(.., since)| horizon.allows(*since) && latest.is_none_or(|latest| since.0 <= latest))
            .filter(|(.., since)| is_in_session(*since))
            .map(|(source, running, since)| NowRunning { source, running, since: self.time_at(since) })
            .collect();
        let impossible = (all - running.len()) as u64;
        Ok((running, impossible))
    }

    /// Like [`plausibly_running`](Self::plausibly_running), but counts the cells that are left out.
    fn observe_running(&mut self) -> Result<Vec<NowRunning>, ReadError> {
        let (running, impossible) = self.plausibly_running()?;
        self.malformed_cells = self.malformed_cells.max(impossible);
        Ok(running)
    }
}

impl Session {
    /// Reads this session from within its process. Any number of readers may do so; none slows the writer. A disabled
    /// session reads as empty.
    #[must_use]
    pub fn reader(&self, start: Start) -> ProcessReader {
        ProcessReader::of_session(self, start, false)
    }

    /// The reader that recorders wait for when [`on_full`](Self::on_full) is set: only records it has polled may be
    /// overwritten. It begins with the oldest record.
    #[must_use]
    pub fn draining_reader(&self) -> ProcessReader {
        ProcessReader::of_session(self, Start::Oldest, true)
    }
}
