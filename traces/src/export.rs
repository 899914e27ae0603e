//! Exports a recording to files for other programs.
//!
//! All exports take two passes: the first collects names and finds where time begins, because a name may come after its
//! first use. All of them stream, so a long recording needs no more memory than a short one.
//!
//! | file | what |
//! |---|---|
//! | [`chrome`](crate::chrome::export) | Chrome-trace JSON: everything there is, for Perfetto and similar viewers |
//! | [`csv`] | one row per event, for data frames and databases |
//! | [`folded`] | one line per stack with its own time, for flame graphs |
//! | [`speedscope`] | speedscope's own format, one evented profile per emitter |
//! | `passes`, [`survey`] | reading the recording; the first pass |
//! | `slices`, `layout` | the nested slices of what ran, outer before inner |
//! | `name`, `agenda` | names of slices; state of an agenda between its events |
//! | `json` | JSON output by hand |

pub(crate) mod agenda_tracks;
pub mod csv;
pub mod folded;
pub(crate) mod json;
pub(crate) mod layout;
pub(crate) mod name;
pub(crate) mod passes;
pub(crate) mod slices;
pub mod speedscope;
pub mod survey;

use std::io;

use loop_probes::ids::Timestamp;

use crate::source::SourceError;
use crate::units::duration;

/// The longest part of a recording that a Chrome trace can hold, in nanoseconds (36 years): readers keep microseconds as
/// doubles, which beyond that cannot tell the end of a slice from the beginning of the next one.
pub const SPAN_NS_MAX: u64 = 1 << 60;

/// The part of a recording to export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// Anything that ended earlier is left out.
    pub from: Option<Timestamp>,
    /// Anything that began later is left out.
    pub to: Option<Timestamp>,
}

impl TimeRange {
    /// Whether the range contains any of the time from `start` to `end`.
    #[must_use]
    pub fn touches(&self, start: Timestamp, end: Timestamp) -> bool {
        self.from.is_none_or(|from| end >= from) && self.to.is_none_or(|to| start <= to)
    }
}

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The recording cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The range covers more time than readers of the format can hold.
    #[error(
        "the part to export spans {}, and a Chrome trace holds at most {}: its times are damaged; leave the wrong ones out \
         with --from or --to, or use another format",
        duration(*.span_ns),
        duration(SPAN_NS_MAX)
    )]
    TooLong {
        /// Length of the range, in nanoseconds.
        span_ns: u64,
    },
    /// The output cannot be written.
    #[error("cannot write the export: {0}")]
    Write(#[from] io::Error),
}
