//! Destination of an event stream that is not drawn: a timeline and, optionally, a file.

use std::path::Path;
use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::ids::Timestamp;
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;
use loop_probes::text::printable_path;
use loop_traces::source::SourceCounts;
use loop_traces::timeline::Timeline;
use loop_traces::units;
use loop_traces::writer::{TraceOutput, TraceWriter, WriteError, WriteStats};

use super::exit::CommandError;

/// The longest interval between two polls when saving. It keeps the loss, if the process is killed, close to
/// [`flush_ns`](loop_traces::writer::WriteOptions::flush_ns).
pub const SAVING_PERIOD: Duration = Duration::from_millis(10);

/// Saves a batch, and the losses of its source so far. Must be called at every poll, even with an empty batch, because
/// it also flushes the file of a loop that has fallen silent. `period` is the time until the next poll.
///
/// # Errors
///
/// [`WriteError`] if the file cannot be written.
pub fn save(
    writer: &mut TraceWriter,
    events: &[Stamped],
    counts: SourceCounts,
    period: Duration,
) -> Result<(), WriteError> {
    let now = monotonic_now();
    let next = now.plus_ns(u64::try_from(period.as_nanos()).unwrap_or(u64::MAX));
    save_at(writer, events, counts, now, next)
}

/// Like [`save`], at `now`, with the next call at `next`.
///
/// # Errors
///
/// Same as for [`save`].
pub fn save_at<W: TraceOutput>(
    writer: &mut TraceWriter<W>,
    events: &[Stamped],
    counts: SourceCounts,
    now: Timestamp,
    next: Timestamp,
) -> Result<(), WriteError> {
    writer.set_counts(counts);
    writer.append(events)?;
    writer.flush_due(now, next)
}

/// Formats the number of events saved, the size and path of the file, and the command that reads it.
#[must_use]
pub fn saved(path: &Path, stats: &WriteStats) -> String {
    let (path, events) = (printable_path(path), units::counted(stats.events, "event", "events"));
    let bytes = units::bytes(stats.bytes);
    format!("saved {events} in {bytes} to {path}; `loopscope report {path}` summarizes them")
}

/// Folds and saves the same events, so that a report on the file agrees with the live summary.
#[derive(Debug)]
pub struct Sink {
    timeline: Timeline,
    writer: Option<TraceWriter>,
    failed: Option<WriteError>,
    /// Whether the file is the only purpose.
    is_for_the_file: bool,
    /// Whether to leave the file as one that was cut off.
    is_unclosed: bool,
}

impl Sink {
    /// A sink that saves to `record`, if given.
    ///
    /// # Errors
    ///
    /// [`CommandError::Input`] if the file cannot be created.
    pub fn new(metadata: &Metadata, record: Option<&Path>) -> Result<Self, CommandError> {
        let writer = record
            .map(|path| TraceWriter::record(path, metadata))
            .transpose()
            .map_err(CommandError::input)?;
        Ok(Self { writer, ..Self::empty(metadata) })
    }

    /// A sink that saves nothing.
    #[must_use]
    pub fn empty(metadata: &Metadata) -> Self {
        Self {
            timeline: Timeline::of(metadata),
            writer: None,
            failed: None,
            is_for_the_file: false,
            is_unclosed: false,
        }
    }

    /// Makes the sink [pointless](Self::is_pointless) once the file fails.
    #[must_use]
    pub fn for_the_file(self) -> Self {
        Self { is_for_the_file: true, ..self }
    }

    /// Leaves the file as one that was cut off, for a source that was.
    #[must_use]
    pub fn unclosed(self) -> Self {
        Self { is_unclosed: true, ..self }
    }

    /// Whether the file has failed and was the only purpose.
    #[must_use]
    pub const fn is_pointless(&self) -> bool {
        self.is_for_the_file && self.failed.is_some()
    }

    /// The error after which nothing more was saved.
    #[must_use]
    pub const fn failed(&self) -> Option<&WriteError> {
        self.failed.as_ref()
    }

    /// The time until the next poll of a source that suggests `suggested`.
    #[must_use]
    pub fn period(&self, suggested: Duration) -> Duration {
        if self.writer.is_some() { suggested.min(SAVING_PERIOD) } else { suggested }
    }

    /// Saves and folds events, in stream order. Continues folding if the file fails.
    pub fn absorb(&mut self, events: &[Stamped], counts: SourceCounts) {
        // Saved first, so that a kill loses as little as possible.
        self.save(events, counts);
        self.timeline.extend(events);
        self.timeline.counts = counts;
    }

    /// Saves events without folding them, in stream order.
    pub fn save(&mut self, events: &[Stamped], counts: SourceCounts) {
        if let Some(writer) = &mut self.writer
            && let Err(error) = save(writer, events, counts, SAVING_PERIOD)
        {
            tracing::error!(%error, "recording stopped");
            self.failed = Some(error);
            self.writer = None;
        }
    }

    /// The timeline so far.
    #[must_use]
    pub const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Like [`finish`](Self::finish) if the source was read to its end. If reading failed, leaves the file as one that was
    /// cut off, or, if nothing was read, the previous file at its path.
    pub fn finish_after<E>(
        mut self,
        followed: &Result<(), E>,
    ) -> (Timeline, Result<Option<WriteStats>, CommandError>) {
        if followed.is_err()
            && let Some(writer) = self.writer.take()
        {
            let written = writer.break_off().map(Some).map_err(CommandError::input);
            return (self.timeline, written);
        }
        self.finish()
    }

    /// Closes the file. Returns [`CommandError::Input`] if something could not be written; earlier events stay readable.
    pub fn finish(self) -> (Timeline, Result<Option<WriteStats>, CommandError>) {
        let written = match (self.failed, self.writer) {
            (Some(error), _) => Err(CommandError::input(error)),
            (None, Some(writer)) => {
                let written = if self.is_unclosed { writer.finish_unclosed() } else { writer.finish() };
                written.map(Some).map_err(CommandError::input)
            }
            (None, None) => Ok(None),
        };
        (self.timeline, written)
    }
}
