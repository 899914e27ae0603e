//! `EventSource`: the single interface through which events come in.
//!
//! A live ring, a saved file and an imported trace all become the same stream of [`Stamped`], in merged order, and
//! everything downstream (timeline, report, dashboard, export) reads only that.

mod ahead;
mod memory;
mod ring;

use std::time::Duration;

use loop_probes::ids::Timestamp;
use loop_probes::metadata::Metadata;
use loop_probes::process::ProcessState;
use loop_probes::stamped::Stamped;
use serde::{Deserialize, Serialize};

pub use ahead::{Batch, read_ahead};
pub use loop_probes::process::NowRunning;
pub use memory::MemorySource;

use crate::format::StoredBlock;
use crate::format::error::ReadError;

/// Where events come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// The flight-recorder ring of a process, living or dead.
    Ring,
    /// A saved `.looptrace`.
    Trace,
    /// An imported Chrome trace.
    Chrome,
}

/// The metadata setting that names what a trace was imported from.
pub(crate) const IMPORTED_FROM: &str = "imported_from";

/// The metadata setting that describes the import. Comparisons ignore it.
pub(crate) const IMPORT: &str = "import";

/// The setting of a re-execution that lists what was changed.
pub const RERUN: &str = "rerun";

/// The setting of a re-execution that names the original recording.
pub const RERUN_OF: &str = "rerun_of";

impl SourceKind {
    /// The kind of a saved trace, from its metadata: [`Chrome`](Self::Chrome) if it was imported.
    #[must_use]
    pub fn of_trace(metadata: &Metadata) -> Self {
        match metadata.settings.get(IMPORTED_FROM).map(String::as_str) {
            Some("chrome") => Self::Chrome,
            _ => Self::Trace,
        }
    }

    /// The name in summaries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Trace => "trace",
            Self::Chrome => "chrome",
        }
    }
}

/// The state of a source after a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceState {
    /// More is available: poll again at once.
    More,
    /// Everything so far was returned; more may come.
    Live,
    /// Everything was returned, and nothing more will come.
    Ended,
}

/// What a source has been unable to deliver since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceCounts {
    /// Records that were overwritten, or damaged, after the first one that was returned. The stream holds them too, as
    /// [`Lost`](loop_probes::event::Event::Lost) events.
    pub lost_records: u64,
    /// Records that were overwritten before the first one that was returned: no loss.
    pub before_attach: u64,
    /// Events of kinds that this version does not know; they are skipped.
    pub unknown_kinds: u64,
    /// Events with impossible values; they are skipped.
    pub malformed: u64,
    /// Gaps for which the number of missing records is unknown. In the stream, each is one lost record.
    pub uncounted_gaps: u64,
    /// By how much times may be wrong, in nanoseconds, because the recording's readings of its clocks contradict each
    /// other: 0 if they agree, `u64::MAX` if no two of them do.
    pub clock_error_ns_max: u64,
}

impl SourceCounts {
    /// The sums of both counts, and the larger clock error.
    #[must_use]
    pub(crate) fn plus(&self, other: &Self) -> Self {
        Self {
            lost_records: self.lost_records.saturating_add(other.lost_records),
            before_attach: self.before_attach.saturating_add(other.before_attach),
            unknown_kinds: self.unknown_kinds.saturating_add(other.unknown_kinds),
            malformed: self.malformed.saturating_add(other.malformed),
            uncounted_gaps: self.uncounted_gaps.saturating_add(other.uncounted_gaps),
            clock_error_ns_max: self.clock_error_ns_max.max(other.clock_error_ns_max),
        }
    }
}

/// Why reading from a source failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The saved trace cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The ring cannot be read.
    #[error(transparent)]
    Ring(#[from] loop_probes::process::ReadError),
}

/// A stream of events. See the [module](self).
pub trait EventSource {
    /// The recorded process's description of itself.
    fn metadata(&self) -> &Metadata;

    /// What kind of source this is.
    fn kind(&self) -> SourceKind;

    /// Display name of the source: a path, or a program's name.
    fn name(&self) -> &str;

    /// Appends the next events to `out`, in merged order: times never go backwards within an emitter, and across
    /// emitters only where the recording itself did. One call returns a bounded batch.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if reading fails; what was appended before remains valid.
    fn poll(&mut self, out: &mut Vec<Stamped>) -> Result<SourceState, SourceError>;

    /// Takes the blocks of a saved trace that the last poll read, if a trace of these blocks yields exactly the events
    /// that the poll appended; empty otherwise.
    fn take_blocks(&mut self) -> Vec<StoredBlock> {
        Vec::new()
    }

    /// Appends the events held back so far, and what each emitter is doing now. Called at the end of reading; appends
    /// nothing if the source has ended.
    ///
    /// # Errors
    ///
    /// Same as for [`poll`](Self::poll).
    fn flush(&mut self, _out: &mut Vec<Stamped>) -> Result<(), SourceError> {
        Ok(())
    }

    /// Counts of what could not be delivered so far.
    fn counts(&self) -> SourceCounts;

    /// What each emitter is doing, or was last doing if its process is gone. Empty if only the stream says so.
    fn running(&mut self) -> Vec<NowRunning> {
        Vec::new()
    }

    /// Converts a time of the reader's monotonic clock to that of the process. The clocks differ between time
    /// namespaces.
    fn process_time(&self, ours: Timestamp) -> Timestamp {
        ours
    }

    /// The state of the process at the last poll. `None` if the source is not a process, or a copy of its ring file.
    fn process_state(&self) -> Option<ProcessState> {
        None
    }

    /// Whether it was closed in order: the session ended, or the recording was closed. Otherwise, what followed its end
    /// is unknown.
    fn is_closed(&self) -> bool {
        self.process_state().is_none_or(|state| state == ProcessState::Ended)
    }

    /// How long to wait after [`SourceState::Live`] before the next poll, so that nothing is overwritten.
    fn suggested_period(&self) -> Duration {
        Duration::from_millis(33)
    }
}

/// A source of any kind, which may be read in another thread.
pub type AnySource = Box<dyn EventSource + Send>;

impl<S: EventSource + ?Sized> EventSource for Box<S> {
    fn metadata(&self) -> &Metadata {
        (**self).metadata()
    }
    fn kind(&self) -> SourceKind {
        (**self).kind()
    }
    fn name(&self) -> &str {
        (**self).name()
    }
    fn poll(&mut self, out: &mut Vec<Stamped>) -> Result<SourceState, SourceError> {
        (**self).poll(out)
    }
    fn take_blocks(&mut self) -> Vec<StoredBlock> {
        (**self).take_blocks()
    }
    fn flush(&mut self, out: &mut Vec<Stamped>) -> Result<(), SourceError> {
        (**self).flush(out)
    }
    fn counts(&self) -> SourceCounts {
        (**self).counts()
    }
    fn running(&mut self) -> Vec<NowRunning> {
        (**self).running()
    }
    fn process_time(&self, ours: Timestamp) -> Timestamp {
        (**self).process_time(ours)
    }
    fn process_state(&self) -> Option<ProcessState> {
        (**self).process_state()
    }
    fn is_closed(&self) -> bool {
        (**self).is_closed()
    }
    fn suggested_period(&self) -> Duration {
        (**self).suggested_period()
    }
}
