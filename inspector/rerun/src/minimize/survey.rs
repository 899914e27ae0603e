//! Surveys a recording before it is cut: where it can begin, where its ticks are, its summary.

use std::collections::BTreeMap;

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;
use loop_traces::source::{EventSource, SourceCounts, SourceError, SourceKind, SourceState};
use loop_traces::summary::Summary;
use loop_traces::timeline::Timeline;

use crate::Recorded;
use crate::since_loss::SinceLoss;
use crate::what_if::Stop;

/// The result of a survey.
#[derive(Debug)]
pub(super) struct Survey {
    /// The summary of the recording.
    pub(super) summary: Summary,
    /// Where a part can begin: the complete snapshots after the last loss in which nothing was late yet. A part that
    /// begins with an overdue timer would have the lag without its cause. The first snapshot is always included: that
    /// is where the whole recording begins.
    pub(super) snapshots: Vec<(SourceId, Timestamp)>,
    /// The start times of its ticks.
    pub(super) ticks: Vec<Timestamp>,
    /// The time of its last event.
    pub(super) end: Timestamp,
}

/// A snapshot that is not complete yet.
#[derive(Clone, Copy, Debug)]
struct PartialSnapshot {
    at: Timestamp,
    /// Whether a timer of the loop was already due, or a task was waiting.
    is_late: bool,
}

impl Survey {
    pub(super) fn of(source: &mut dyn EventSource) -> Result<Self, SourceError> {
        let mut timeline = Timeline::of(source.metadata());
        let mut snapshots = SinceLoss::<Vec<(SourceId, Timestamp)>>::default();
        let (mut ticks, mut end) = (Vec::new(), Timestamp(0));
        let mut begun: BTreeMap<SourceId, PartialSnapshot> = BTreeMap::new();
        let mut batch = Vec::new();
        loop {
            batch.clear();
            let state = source.poll(&mut batch)?;
            for stamped @ Stamped { at, source, event } in &batch {
                snapshots.see(stamped);
                match event {
                    Event::Label { .. } | Event::Lost { .. } => continue,
                    Event::TickStart { .. } => ticks.push(*at),
                    Event::SnapshotBegin { .. } => {
                        begun.insert(*source, PartialSnapshot { at: *at, is_late: false });
                    }
                    Event::SnapshotTimer { due: since, .. } | Event::SnapshotTask { queued: since, .. } => {
                        if let Some(begun) = begun.get_mut(source) {
                            begun.is_late |= *since < begun.at;
                        }
                    }
                    Event::SnapshotEnd { left_out, .. } => {
                        let ended = begun.remove(source).filter(|_| *left_out == 0);
                        let snapshots = snapshots.read().get_or_insert_default();
                        let is_first = || snapshots.iter().all(|(other, _)| other != source);
                        let fit = ended.filter(|ended| !ended.is_late || is_first());
                        snapshots.extend(fit.map(|ended| (*source, ended.at)));
                    }
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
        let snapshots = snapshots.finish().unwrap_or_default();
        let summary = Summary::new(source, &timeline);
        Ok(Self { summary, snapshots, ticks, end })
    }

    /// Without the snapshots of other loops than the one that is re-executed: it cannot begin there.
    pub(super) fn only(mut self, recorded: &Recorded) -> Self {
        if let Some(chosen) = recorded.chosen() {
            self.snapshots.retain(|(source, _)| *source == chosen.source);
        }
        self
    }
}

/// A recording from a snapshot up to a time: names, and the events in between. Ends early if it is stopped.
pub(super) struct SnapshotRange<'a, S> {
    inner: S,
    from: Timestamp,
    to: Timestamp,
    stop: &'a Stop,
    batch: Vec<Stamped>,
}

impl<'a, S: EventSource> SnapshotRange<'a, S> {
    pub(super) const fn new(inner: S, from: Timestamp, to: Timestamp, stop: &'a Stop) -> Self {
        Self { inner, from, to, stop, batch: Vec::new() }
    }
}

impl<S: EventSource> EventSource for SnapshotRange<'_, S> {
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
        if (self.stop)() {
            return Ok(SourceState::Ended);
        }
        let state = self.inner.poll(&mut self.batch)?;
        let inside = |stamped: &&Stamped| {
            matches!(stamped.event, Event::Label { .. }) || (self.from..=self.to).contains(&stamped.at)
        };
        out.extend(self.batch.iter().filter(inside));
        // Times go back only slightly across emitters: a batch entirely past the end is the end.
        let is_over = !self.batch.is_empty() && self.batch.iter().all(|stamped| stamped.at > self.to);
        Ok(if is_over { SourceState::Ended } else { state })
    }

    fn counts(&self) -> SourceCounts {
        self.inner.counts()
    }
}
