//! The passes of an export over a recording.

use std::sync::mpsc::sync_channel;
use std::thread;

use loop_probes::stamped::Stamped;

use super::survey::Survey;
use super::{ExportError, TimeRange};
use crate::source::{Batch, EventSource, SourceError, read_ahead};

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
    mut visit: impl FnMut(T) -> Result<(), ExportError>,
) -> Result<S, ExportError> {
    thread::scope(|scope| {
        // A receiver is dropped at the first error, which ends the thread before it.
        let (batches_read, _) = read_ahead(scope, &mut source);
        let (prepared, batches) = sync_channel(1);
        scope.spawn(move || {
            batches_read.into_iter().try_for_each(|batch| prepared.send(batch.map(&mut prepare)))
        });
        batches.into_iter().try_for_each(|batch| visit(batch?))
    })?;
    Ok(source)
}
