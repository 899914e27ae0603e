//! What of a recording has to be known before it is cut: where it can begin, where its ticks are, what it shows.

use std::collections::BTreeMap;

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;
use loop_traces::source::{EventSource, SourceCounts, SourceError, SourceKind, SourceState};
use loop_traces::summary::Summary;
use loop_traces::timeline::Timeline;

/// What was seen of a recording.
#[derive(Debug)]
pub(super) struct Survey {
    /// What it shows.
    pub(super) summary: Summary,
    /// Where a re-execution can begin: its whole snapshots behind the last loss.
    pub(super) snapshots: Vec<Timestamp>,
    /// When its ticks start.
    pub(super) ticks: Vec<Timestamp>,
    /// The time of its last event.
    pub(super) end: Timestamp,
}

impl Survey {
    pub(super) fn of(source: &mut dyn EventSource) -> Result<Self, SourceError> {
        let mut timeline = Timeline::of(source.metadata());
        let (mut snapshots, mut ticks, mut end) = (Vec::new(), Vec::new(), Timestamp(0));
        let mut begun: BTreeMap<SourceId, Timestamp> = BTreeMap::new();
        let mut batch = Vec::new();
        loop {
            batch.clear();
            let state = source.poll(&mut batch)?;
            for Stamped { at, source, event } in &batch {
                match event {
                    Event::TickStart { .. } => ticks.push(*at),
                    Event::SnapshotBegin { .. } => drop(begun.insert(*source, *at)),
                    Event::SnapshotEnd { left_out: 0, .. } => snapshots.extend(begun.remove(source)),
                    Event::Lost { .. } => snapshots.clear(),
                    Event::Label { .. } => continue,
                    _ => {}
                }
                end = end.max(*at);
            }
            timeline.extend(&batch);
            timeline.counts = source.counts();
            if state != SourceState::More {
                break;
            }
        }
        let summary = Summary::new(source, &timeline);
        Ok(Self { summary, snapshots, ticks, end })
    }
}

/// A recording from a snapshot on, up to a time: names, and what lies between.
#[derive(Debug)]
pub(super) struct Between<S> {
    inner: S,
    from: Timestamp,
    to: Timestamp,
    batch: Vec<Stamped>,
}

impl<S: EventSource> Between<S> {
    pub(super) const fn new(inner: S, from: Timestamp, to: Timestamp) -> Self {
        Self { inner, from, to, batch: Vec::new() }
    }
}

impl<S: EventSource> EventSource for Between<S> {
    fn metadata(&self) -> &Metadata {
        self.inner.metadata()
    }

    fn kind(&self) -> SourceKind {
        self.inner.kind()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn poll(&mut self, out: &mut Vec<Stamped>) -> Result<SourceState, SourceError> {
        self.batch.clear();
        let state = self.inner.poll(&mut self.batch)?;
        let inside = |stamped: &&Stamped| {
            matches!(stamped.event, Event::Label { .. }) || (self.from..=self.to).contains(&stamped.at)
        };
        out.extend(self.batch.iter().filter(inside));
        // Times go back only a little across emitters: a batch that lies behind is the end.
        let is_over = !self.batch.is_empty() && self.batch.iter().all(|stamped| stamped.at > self.to);
        Ok(if is_over { SourceState::Ended } else { state })
    }

    fn counts(&self) -> SourceCounts {
        self.inner.counts()
    }
}
