//! Exports a recording to files for other programs.
//!
//! All exports take two passes: the first collects names and finds where time begins, because a name may come after its
//! first use. All of them stream, so a long recording needs no more memory than a short one. Reading takes about as long
//! as writing, so threads of their own
//! read ahead.
//!
//! | file | what |
//! |---|---|
//! | [`chrome`](crate::chrome::export) | Chrome-trace JSON: everything there is, for Perfetto and similar viewers |
//! | [`csv`] | one row per event, for data frames and databases |
//! | [`folded`] | one line per stack with its own time, for flame graphs |
//! | [`speedscope`] | speedscope's own format, one evented profile per emitter |
//! | [`survey`] | the first pass |
//! | `slices`, `layout` | the nested slices of what ran, outer before inner |
//! | `name`, `agenda` | names of slices; state of an agenda between its events |
//! | `json` | JSON output by hand |

pub(crate) mod agenda_tracks;
pub mod csv;
pub mod folded;
pub(crate) mod json;
pub(crate) mod layout;
pub(crate) mod name;
pub(crate) mod slices;
pub mod speedscope;
pub mod survey;

use std::io;
use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::thread;

use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;

use crate::source::{EventSource, SourceError, SourceState};
use crate::units::duration;
use survey::Survey;

/// Most batches of events read ahead.
const READ_AHEAD: usize = 2;

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
    /// It covers more time than readers of the format can hold.
    #[error(
        "the part to export spans {}, and a Chrome trace holds at most {}: its times are damaged; leave the wrong ones out \
         with --from or --to, or use another format",
        duration(*.span_ns),
        duration(SPAN_NS_MAX)
    )]
    TooLong {
        /// Its length, in nanoseconds.
        span_ns: u64,
    },
    /// The output cannot be written.
    #[error("cannot write the export: {0}")]
    Write(#[from] io::Error),
}

/// Runs the first pass.
pub(crate) fn surveyed<S: EventSource + Send>(
    open: &mut impl FnMut() -> Result<S, SourceError>,
    range: TimeRange,
) -> Result<Survey, ExportError> {
    let mut survey = Survey::new(range);
    each_event(open()?, |stamped| {
        survey.see(stamped);
        Ok(())
    })?;
    survey.name_loops();
    Ok(survey)
}

/// Visits everything `source` holds now.
pub(crate) fn each_event<S: EventSource + Send>(
    source: S,
    mut visit: impl FnMut(&Stamped) -> Result<(), ExportError>,
) -> Result<S, ExportError> {
    each_batch(source, |events| events, |events| events.iter().try_for_each(&mut visit))
}

/// Visits everything `source` holds now, as what `prepare` makes of each batch of events. Both reading and preparing
/// have threads of their own.
pub(crate) fn each_batch<S: EventSource + Send, T: Send>(
    mut source: S,
    mut prepare: impl FnMut(Vec<Stamped>) -> T + Send,
    visit: impl FnMut(T) -> Result<(), ExportError>,
) -> Result<S, ExportError> {
    thread::scope(|scope| {
        // A receiver is dropped at the first error, which ends the thread before it.
        let (read, events) = sync_channel::<Vec<Stamped>>(READ_AHEAD);
        let (prepared, batches) = sync_channel(READ_AHEAD);
        let reader = scope.spawn(move || {
            loop {
                let mut batch = Vec::new();
                let state = source.poll(&mut batch)?;
                let has_failed = read.send(batch).is_err();
                // A live ring is exported up to its current end.
                if has_failed || state != SourceState::More {
                    return Ok::<S, SourceError>(source);
                }
            }
        });
        scope.spawn(move || events.into_iter().try_for_each(|batch| prepared.send(prepare(batch))));
        batches.into_iter().try_for_each(visit)?;
        Ok(reader.join().unwrap_or_else(|panic| resume_unwind(panic))?)
    })
}
