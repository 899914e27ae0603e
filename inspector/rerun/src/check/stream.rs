//! The recorded stream below the windows: read once, from the start of the first loop to the end of the last.

use std::sync::mpsc::Receiver;
use std::thread::Scope;

use loop_probes::event::Event;
use loop_probes::ids::SourceId;
use loop_probes::stamped::Stamped;
use loop_traces::labels::Labels;
use loop_traces::source::{AnySource, Batch, SourceCounts, SourceError, read_ahead};

use crate::budget::Meter;
use crate::loops::Loops;

/// A position in the events of all emitters, and what was learnt on the way to it.
pub(super) struct Stream {
    name: String,
    batches: Receiver<Result<Batch, SourceError>>,
    batch: Vec<Stamped>,
    next: usize,
    /// The source's counts, as of the end of the batch.
    counts: SourceCounts,
    /// Events read so far.
    read: u64,
    pub(super) labels: Labels,
    loops: Loops,
    /// The budget of the check.
    pub(super) meter: Meter,
}

impl Stream {
    /// Reads `source` in a thread of `scope`.
    pub(super) fn new<'scope>(source: AnySource, scope: &'scope Scope<'scope, '_>) -> Self {
        let (name, counts) = (source.name().to_owned(), source.counts());
        let (batches, _) = read_ahead(scope, source);
        Self {
            name,
            batches,
            batch: Vec::new(),
            next: 0,
            counts,
            read: 0,
            labels: Labels::default(),
            loops: Loops::default(),
            meter: Meter::default(),
        }
    }

    /// The name of the recording.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn counts(&self) -> SourceCounts {
        self.counts
    }

    /// The next event of any emitter; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Stamped>, SourceError> {
        loop {
            if let Some(stamped) = self.batch.get(self.next).copied() {
                self.next += 1;
                self.read += 1;
                self.labels.learn_event(&stamped.event);
                self.loops.see(&stamped);
                return Ok(Some(stamped));
            }
            let Ok(batch) = self.batches.recv() else { return Ok(None) };
            let batch = batch?;
            (self.batch, self.next, self.counts) = (batch.events, 0, batch.counts);
            self.meter.read(self.batch.len() as u64);
        }
    }

    /// Skips events, until `events` have been read.
    pub(super) fn skip_to(&mut self, events: u64) -> Result<(), SourceError> {
        while self.read < events && self.next()?.is_some() {}
        Ok(())
    }

    /// Reads to the end, to count all loops. Also returns whether `emitter` ticks there.
    pub(super) fn count_loops(&mut self, emitter: SourceId) -> Result<(&Loops, bool), SourceError> {
        let mut ticks = false;
        while let Some(stamped) = self.next()? {
            ticks |= stamped.source == emitter && matches!(stamped.event, Event::TickStart { .. });
        }
        Ok((&self.loops, ticks))
    }
}
