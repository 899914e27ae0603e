//! `EventSource`: the one path by which events come in.
//!
//! A live ring, a saved file and an imported trace all become the same stream of [`Stamped`], in merged
//! order, and everything downstream (timeline, report, dashboard, export) reads only that.

mod ring;

use std::collections::VecDeque;
    /// How the process was at the last poll. `None` where the source is no process.
    fn process_state(&self) -> Option<ProcessState> {
        None
    }

    /// How long to wait after [`SourceState::Live`] until the next poll, so that nothing is overwritten.
    fn suggested_period(&self) -> Duration {
        Duration::from_millis(33)
    }
}

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
    fn counts(&self) -> SourceCounts {
        (**self).counts()
    }
    fn running(&mut self) -> Vec<NowRunning> {
        (**self).running()
    }
    fn process_state(&self) -> Option<ProcessState> {
        (**self).process_state()
    }
    fn suggested_period(&self) -> Duration {
        (**self).suggested_period()
    }
}

/// Events that are in memory already: the contents of a ring that was read whole, or what a test made up.
#[derive(Clone, Debug)]
pub struct MemorySource {
    name: String,
    kind: SourceKind,
    metadata: Metadata,
    events: VecDeque<Stamped>,
    batch: usize,
}

impl MemorySource {
    /// A source that gives `events` in batches of at most 4096.
    #[must_use]
    pub fn new(name: &str, kind: SourceKind, metadata: Metadata, events: Vec<Stamped>) -> Self {
        Self { name: name.to_owned(), kind, metadata, events: events.into(), batch: 4096 }
    }

    /// The same in batches of at most `events` (at least 1).
    #[must_use]
    pub fn with_batch(mut self, events: usize) -> Self {
        self.batch = events.max(1);
        self
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
        let batch = self.batch.min(self.events.len());
        out.extend(self.events.drain(..batch));
        Ok(if self.events.is_empty() { SourceState::Ended } else { SourceState::More })
    }

    fn counts(&self) -> SourceCounts {
        SourceCounts::default()
    }
}
