//! A source with all its events in memory: a ring that was read completely, or events made up by a test.

use std::sync::Arc;

use loop_probes::event::Event;
use loop_probes::ids::Timestamp;
use loop_probes::metadata::Metadata;
use loop_probes::process::ProcessState;
use loop_probes::stamped::Stamped;

use super::{EventSource, SourceCounts, SourceError, SourceKind, SourceState};

/// Events returned per poll.
const BATCH: usize = 4096;

/// Events that can be read repeatedly. Clones share them.
#[derive(Clone, Debug)]
pub struct MemorySource {
    name: String,
    kind: SourceKind,
    metadata: Metadata,
    counts: SourceCounts,
    process: Option<ProcessState>,
    is_closed: bool,
    /// Not `Arc<[Stamped]>`, because converting the vector would need both in memory.
    events: Arc<Vec<Stamped>>,
    next: usize,
}

impl MemorySource {
    /// A closed source with these `events`.
    #[must_use]
    pub fn new(name: &str, kind: SourceKind, metadata: Metadata, events: Vec<Stamped>) -> Self {
        let (name, events) = (name.to_owned(), Arc::new(events));
        let counts = SourceCounts::default();
        Self { name, kind, metadata, counts, process: None, is_closed: true, events, next: 0 }
    }

    /// Reads `source` until it ends or has no more events for now, then flushes it.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if it cannot be read.
    pub fn read(source: &mut impl EventSource) -> Result<Self, SourceError> {
        let mut events = Vec::new();
        while source.poll(&mut events)? == SourceState::More {}
        source.flush(&mut events)?;
        let read = Self::new(source.name(), source.kind(), source.metadata().clone(), events);
        let (counts, process) = (source.counts(), source.process_state());
        Ok(Self { counts, process, is_closed: source.is_closed(), ..read })
    }

    /// Turns this into a recording that was cut off.
    #[cfg(test)]
    pub(crate) fn unclosed(self) -> Self {
        Self { is_closed: false, ..self }
    }

    /// All its events, whether polled or not.
    #[must_use]
    pub fn events(&self) -> &[Stamped] {
        &self.events
    }

    /// The time of the first event that is not a label. Labels in a ring carry the start time of its process.
    #[must_use]
    pub fn first_at(&self) -> Option<Timestamp> {
        let mut events = self.events.iter();
        events.find(|stamped| !matches!(stamped.event, Event::Label { .. })).map(|stamped| stamped.at)
    }

    /// Makes the next poll return the events from `at` on.
    pub fn rewind(&mut self, at: Timestamp) {
        // The first match: times may go back a little across emitters, so a binary search would not do.
        self.next = self.events.iter().position(|stamped| stamped.at >= at).unwrap_or(self.events.len());
    }
}

impl EventSource for MemorySource {
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

    fn process_state(&self) -> Option<ProcessState> {
        self.process
    }

    fn is_closed(&self) -> bool {
        self.is_closed
    }
}
