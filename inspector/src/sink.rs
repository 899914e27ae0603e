//! Where a stream of events goes while nobody draws it: into the fold, and into a file where one is wanted.

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

use crate::exit::Failure;

/// The longest wait between two polls of what is saved: what is killed loses little more than
/// [`flush_ns`](loop_traces::writer::WriteOptions::flush_ns).
pub const SAVING_PERIOD: Duration = Duration::from_millis(10);

/// Saves a batch, and what its source could not give so far. To be called at every poll, with an empty batch
/// too: a loop that falls silent is saved all the same. `period` is the time until the next poll.
///
/// # Errors
///
/// [`WriteError`] where the file takes no more.
pub fn save(
    writer: &mut TraceWriter,
    events: &[Stamped],
    counts: SourceCounts,
    period: Duration,
) -> Result<(), WriteError> {
    save_until(
        writer,
        events,
        counts,
        monotonic_now().plus_ns(u64::try_from(period.as_nanos()).unwrap_or(u64::MAX)),
    )
}

/// As [`save`], with the next call at `next`.
///
/// # Errors
///
/// As `save`.
pub fn save_until<W: TraceOutput>(
    writer: &mut TraceWriter<W>,
    events: &[Stamped],
    counts: SourceCounts,
    next: Timestamp,
) -> Result<(), WriteError> {
    writer.set_counts(counts);
    writer.append(events)?;
    writer.flush_due(next)
}

/// Says what was saved, and what to do with it.
#[must_use]
pub fn saved(path: &Path, stats: &WriteStats) -> String {
    let (path, events) = (printable_path(path), units::counted(stats.events, "event", "events"));
    let bytes = units::bytes(stats.bytes);
    format!("saved {events} in {bytes} to {path}; `loopscope report {path}` says what happened")
}

/// Folds and saves the same events, so that a report of the file says what was said live.
#[derive(Debug)]
pub struct Sink {
    timeline: Timeline,
    writer: Option<TraceWriter>,
    failed: Option<WriteError>,
    /// Without the file there is no point in going on.
    is_for_the_file: bool,
}

impl Sink {
    /// A sink that saves to `record`, where that is given.
    ///
    /// # Errors
    ///
    /// [`Failure::Input`] where the file cannot be made.
    pub fn new(metadata: &Metadata, record: Option<&Path>) -> Result<Self, Failure> {
        let writer =
            record.map(|path| TraceWriter::record(path, metadata)).transpose().map_err(Failure::input)?;
        Ok(Self { writer, ..Self::empty(metadata) })
    }

    /// A sink that saves nothing.
    #[must_use]
    pub fn empty(metadata: &Metadata) -> Self {
        Self { timeline: Timeline::of(metadata), writer: None, failed: None, is_for_the_file: false }
    }

    /// Says that saving is what all this is for.
    #[must_use]
    pub fn for_the_file(self) -> Self {
        Self { is_for_the_file: true, ..self }
    }

    /// Whether there is no point in going on.
    #[must_use]
    pub const fn is_pointless(&self) -> bool {
        self.is_for_the_file && self.failed.is_some()
    }

    /// How long to wait until the next poll of a source that suggests `suggested`.
    #[must_use]
    pub fn period(&self, suggested: Duration) -> Duration {
        if self.writer.is_some() { suggested.min(SAVING_PERIOD) } else { suggested }
    }

    /// Takes events, in the order of their stream. When the file takes no more, the fold goes on.
    pub fn absorb(&mut self, events: &[Stamped], counts: SourceCounts) {
        // First, so that a kill loses no more than it must.
        if let Some(writer) = &mut self.writer
            && let Err(error) = save(writer, events, counts, SAVING_PERIOD)
        {
            tracing::error!(%error, "recording stopped");
            self.failed = Some(error);
            self.writer = None;
        }
        self.timeline.extend(events);
        self.timeline.counts = counts;
    }

    /// What was folded so far.
    #[must_use]
    pub const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Closes the file. It fails with [`Failure::Input`] where something could not be written; what was written
    /// before stays readable.
    pub fn finish(self) -> (Timeline, Result<Option<WriteStats>, Failure>) {
        let written = match (self.failed, self.writer) {
            (Some(error), _) => Err(Failure::input(error)),
            (None, Some(writer)) => writer.finish().map(Some).map_err(Failure::input),
            (None, None) => Ok(None),
        };
        (self.timeline, written)
    }
}
