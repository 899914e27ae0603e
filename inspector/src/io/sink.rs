//! Destination of an event stream that is not drawn: a timeline and, if wanted, a file.

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

/// The longest interval between two polls when saving: a process that is killed loses little more than
/// [`flush_ns`](loop_traces::writer::WriteOptions::flush_ns).
pub const SAVING_PERIOD: Duration = Duration::from_millis(10);

/// Saves a batch, and the losses of its source so far. Must be called at every poll, even with an empty batch: the file
/// is flushed also for a loop that falls silent. `period` is the time until the next poll.
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

/// As [`save`], at `now`, with the next call at `next`.
///
/// # Errors
///
/// Those of [`save`].
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

/// Describes what was saved, and what to do with it.
#[must_use]
pub fn saved(path: &Path, stats: &WriteStats) -> String {
    let (path, events) = (printable_path(path), units::counted(stats.events, "event", "events"));
    let bytes = units::bytes(stats.bytes);
    format!("saved {events} in {bytes} to {path}; `loopscope report {path}` says what happened")
}

/// Folds and saves the same events, so that a report on the file agrees with the live summary.
#[derive(Debug)]
pub struct Sink {
    timeline: Timeline,
    writer: Option<TraceWriter>,
    failed: Option<WriteError>,
    /// Whether to stop if the file fails.
    is_for_the_file: bool,
}

impl Sink {
    /// A sink that saves to `record`, if that is given.
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
        Self { timeline: Timeline::of(metadata), writer: None, failed: None, is_for_the_file: false }
    }

    /// Makes the sink pointless once the file fails.
    #[must_use]
    pub fn for_the_file(self) -> Self {
        Self { is_for_the_file: true, ..self }
    }

    /// Whether the file has failed and nothing else is wanted.
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

    /// Takes events, in stream order. If the file fails, folding continues.
    pub fn absorb(&mut self, events: &[Stamped], counts: SourceCounts) {
        // Saved first, so that a kill loses as little as possible.
        self.save(events, counts);
        self.timeline.extend(events);
        self.timeline.counts = counts;
    }

    /// Takes events that are folded elsewhere, in stream order.
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

    /// As [`finish`](Self::finish) if the source ended well. If it failed, the file is left as one that was cut off, and
    /// if nothing was read, what was at its path stays.
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

    /// Closes the file. It fails with [`CommandError::Input`] if something could not be written; what was written before
    /// stays readable.
    pub fn finish(self) -> (Timeline, Result<Option<WriteStats>, CommandError>) {
        let written = match (self.failed, self.writer) {
            (Some(error), _) => Err(CommandError::input(error)),
            (None, Some(writer)) => writer.finish().map(Some).map_err(CommandError::input),
            (None, None) => Ok(None),
        };
        (self.timeline, written)
    }
}
