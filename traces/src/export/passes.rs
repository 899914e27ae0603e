//! The passes of an export over a recording. Reading takes about as long as writing, so it has a thread of its own.

use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::thread;

use loop_probes::stamped::Stamped;

use super::survey::Survey;
use super::{ExportError, TimeRange};
use crate::format::StoredBlock;
use crate::source::{EventSource, SourceError, SourceState};

/// Maximum number of batches of events read ahead.
const READ_AHEAD: usize = 1;

/// Events read at once.
pub(crate) struct Batch {
    pub(crate) events: Vec<Stamped>,
    /// The blocks of a trace that hold exactly these events, if [known](EventSource::take_blocks).
    pub(crate) blocks: Vec<StoredBlock>,
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
    each_batch(source, |batch| batch.events, |events| events.iter().try_for_each(&mut visit))
}

/// Visits everything `source` holds now, as what `prepare` makes of each batch of events. Both reading and preparing
/// have threads of their own.
pub(crate) fn each_batch<S: EventSource + Send, T: Send>(
    mut source: S,
    mut prepare: impl FnMut(Batch) -> T + Send,
    visit: impl FnMut(T) -> Result<(), ExportError>,
) -> Result<S, ExportError> {
    thread::scope(|scope| {
        // A receiver is dropped at the first error, which ends the thread before it.
        let (read, batches_read) = sync_channel(READ_AHEAD);
        let (prepared, batches) = sync_channel(READ_AHEAD);
        let reader = scope.spawn(move || {
            let mut last_len = 0;
            loop {
                let mut events = Vec::with_capacity(last_len);
                let state = source.poll(&mut events)?;
                last_len = events.len();
                let blocks = source.take_blocks();
                let has_failed = read.send(Batch { events, blocks }).is_err();
                // A live ring is exported up to its current end.
                if has_failed || state != SourceState::More {
                    return Ok::<S, SourceError>(source);
                }
            }
        });
        scope.spawn(move || batches_read.into_iter().try_for_each(|batch| prepared.send(prepare(batch))));
        batches.into_iter().try_for_each(visit)?;
        Ok(reader.join().unwrap_or_else(|panic| resume_unwind(panic))?)
    })
}
