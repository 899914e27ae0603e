//! A source whose events are all in memory and stay there: a ring that was read whole.

use loop_probes::ids::Timestamp;
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;
use loop_traces::source::{EventSource, SourceCounts, SourceError, SourceKind, SourceState};

use super::Rewind;

/// Events given at a time.
const BATCH: usize = 4096;

/// Events that can be read again and again.
#[derive(Clone, Debug)]
pub struct KeptSource {
    name: String,
    kind: SourceKind,
    metadata: Metadata,
    counts: SourceCounts,
    events: Vec<Stamped>,
    next: usize,
}

impl KeptSource {
    /// Reads `source` until it ends, or has nothing more for now.
    ///
    /// # Errors
    ///
    /// [`SourceError`] where it cannot be read.
    pub fn read(source: &mut impl EventSource) -> Result<Self, SourceError> {
        let mut events = Vec::new();
        while source.poll(&mut events)? == SourceState::More {}
        Ok(Self {
            name: source.name().to_owned(),
            kind: source.kind(),
            metadata: source.metadata().clone(),
            counts: source.counts(),
            events,
            next: 0,
        })
    }
}

impl KeptSource {
    /// The time of the first event.
    #[must_use]
    pub fn first_at(&self) -> Option<Timestamp> {
        self.events.first().map(|stamped| stamped.at)
    }
}

impl EventSource for KeptSource {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn kind(&self) -> SourceKind {
        self.kind
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn poll(&mut self, out: &mut Vec<Stamped>) -> Result<SourceState, SourceError> {
        let end = (self.next + BATCH).min(self.events.len());
        out.extend_from_slice(&self.events[self.next..end]);
        self.next = end;
        Ok(if end < self.events.len() { SourceState::More } else { SourceState::Ended })
    }

    fn counts(&self) -> SourceCounts {
        self.counts
    }
}

impl Rewind for KeptSource {
    fn rewind(&mut self, at: Timestamp) -> Result<(), SourceError> {
        // The first one: times may go back a little across emitters, so that a search would not do.
        self.next = self.events.iter().position(|stamped| stamped.at >= at).unwrap_or(self.events.len());
        Ok(())
    }
}
