//! `Replay`: a saved trace with a position, and the timeline of everything up to it.
//!
//! At every position the timeline is exactly what folding the trace from its start comes to, so that a
//! replayed dashboard shows what the live one showed. Going back does not fold everything anew: copies of
//! the timeline are kept along the way, few enough for the memory and near enough for the eye. A ring is
//! replayed by saving it first, to a file or to memory.

use std::io::{Read, Seek};

use loop_probes::event::Event;
use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;

use crate::reader::{Mark, TraceReader};
use crate::source::{EventSource, SourceError, SourceState};
use crate::timeline::{Timeline, TimelineConfig};

/// Copies of the timeline that are kept.
const CHECKPOINTS_MAX: usize = 8;

/// Events between two copies, at first; each time there are too many, every other one goes and this doubles.
const EVERY_EVENTS: u64 = 1 << 18;

#[derive(Debug)]
struct Checkpoint {
    mark: Mark,
    timeline: Timeline,
}

/// A trace at a position. See the [module](self).
#[derive(Debug)]
pub struct Replay<R> {
    reader: TraceReader<R>,
    timeline: Timeline,
    position: Timestamp,
    begin: Timestamp,
    end: Timestamp,
    batch: Vec<Stamped>,
    folded: usize,
    state: SourceState,
    checkpoints: Vec<Checkpoint>,
    every_events: u64,
}

impl<R: Read + Seek> Replay<R> {
    /// The trace at its start: nothing is folded yet.
    #[must_use]
    pub fn new(reader: TraceReader<R>) -> Self {
        let config = TimelineConfig::of(reader.metadata());
        Self::with_config(reader, config)
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_config(reader: TraceReader<R>, config: TimelineConfig) -> Self {
        let (begin, end) = reader.extent().unwrap_or_default();
        let timeline = Timeline::new(config);
        let start = Checkpoint { mark: reader.mark(), timeline: timeline.clone() };
        Self {
            reader,
            timeline,
            position: begin,
            begin,
            end,
            batch: Vec::new(),
            folded: 0,
            state: SourceState::More,
            checkpoints: vec![start],
            every_events: EVERY_EVENTS,
        }
    }

    /// What happened up to the position.
    #[must_use]
    pub const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The trace itself: its metadata, damage and warnings.
    #[must_use]
    pub const fn reader(&self) -> &TraceReader<R> {
        &self.reader
    }

    /// Where the replay is.
    #[must_use]
    pub const fn position(&self) -> Timestamp {
        self.position
    }

    /// The times of the first and the last record.
    #[must_use]
    pub const fn extent(&self) -> (Timestamp, Timestamp) {
        (self.begin, self.end)
    }

    /// Everything is folded.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.state == SourceState::Ended && self.folded == self.batch.len()
    }

    /// Goes to `at`, forward or back: afterwards the timeline holds exactly the events up to and including it.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when the trace cannot be read on.
    pub fn seek(&mut self, at: Timestamp) -> Result<(), SourceError> {
        if at < self.position {
            self.rewind(at);
        }
        self.advance(at, |_| ())
    }

    /// Goes forward to `at` and shows `visit` every event on the way. Does nothing where `at` lies behind.
    ///
    /// # Errors
    ///
    /// As [`seek`](Self::seek).
    pub fn advance(&mut self, at: Timestamp, mut visit: impl FnMut(&Stamped)) -> Result<(), SourceError> {
        loop {
            for stamped in &self.batch[self.folded..] {
                // A name belongs to the event after it, whatever its own time.
                if stamped.at > at && !matches!(stamped.event, Event::Label { .. }) {
                    self.timeline.counts = self.reader.counts();
                    self.position = self.position.max(at);
                    return Ok(());
                }
                self.timeline.fold(stamped);
                visit(stamped);
                self.folded += 1;
            }
            if self.state == SourceState::Ended {
                self.timeline.counts = self.reader.counts();
                self.position = self.position.max(at);
                return Ok(());
            }
            self.remember();
            self.batch.clear();
            self.folded = 0;
            self.state = self.reader.poll(&mut self.batch)?;
        }
    }

    /// Goes to the end.
    ///
    /// # Errors
    ///
    /// As [`seek`](Self::seek).
    pub fn finish(&mut self) -> Result<(), SourceError> {
        self.advance(Timestamp(u64::MAX), |_| ())?;
        self.position = self.end;
        Ok(())
    }

    /// Between two blocks: keeps a copy where the last one is far behind.
    fn remember(&mut self) {
        let last = self.checkpoints.last().map_or(0, |last| last.timeline.events);
        if self.timeline.events < last + self.every_events {
            return;
        }
        self.checkpoints.push(Checkpoint { mark: self.reader.mark(), timeline: self.timeline.clone() });
        if self.checkpoints.len() > CHECKPOINTS_MAX {
            self.every_events *= 2;
            let mut place = 0;
            self.checkpoints.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
    }

    /// Back to the last copy that holds nothing after `at`; the first one holds nothing at all.
    fn rewind(&mut self, at: Timestamp) {
        let fits = |checkpoint: &Checkpoint| checkpoint.timeline.last_at().is_none_or(|last| last <= at);
        let place = self.checkpoints.partition_point(fits).max(1) - 1;
        let Checkpoint { mark, timeline } = &self.checkpoints[place];
        self.reader.restore(mark);
        self.timeline = timeline.clone();
        self.position = timeline.last_at().unwrap_or(self.begin).min(at);
        self.batch.clear();
        self.folded = 0;
        self.state = SourceState::More;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::synthetic::Script;
    use crate::writer::{TraceWriter, WriteOptions};

    fn replay(script: &Script, events: &[Stamped]) -> Replay<Cursor<Vec<u8>>> {
        let mut file = Vec::new();
        let options = WriteOptions { records_per_block: 100, ..WriteOptions::default() };
        let mut writer = TraceWriter::new(&mut file, Path::new("t"), &script.metadata(), options).unwrap();
        writer.append(events).unwrap();
        writer.finish().unwrap();
        let mut replay = Replay::new(TraceReader::new(Cursor::new(file), Path::new("t")).unwrap());
        replay.every_events = 150;
        replay
    }

    fn folded_until(script: &Script, events: &[Stamped], at: Timestamp) -> Timeline {
        let mut timeline = Timeline::of(&script.metadata());
        let until = events
            .iter()
            .position(|stamped| stamped.at > at && !matches!(stamped.event, Event::Label { .. }));
        timeline.extend(&events[..until.unwrap_or(events.len())]);
        timeline
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn at_every_position_it_is_the_fold_of_all_before(seed: u64, goals in prop::collection::vec(0u64..1_000, 1..12)) {
            let script = Script { seed, ticks: 60, lost_every: 17, ..Script::default() };
            let events = script.events();
            let mut replay = replay(&script, &events);
            let (begin, end) = replay.extent();
            for goal in goals {
                let at = begin.plus_ns(end.ns_since(begin) * goal / 990);
                replay.seek(at).unwrap();
                prop_assert_eq!(replay.position(), at);
                let mut expected = folded_until(&script, &events, at);
                expected.counts = replay.timeline().counts;
                prop_assert_eq!(replay.timeline(), &expected);
                prop_assert!(replay.checkpoints.len() <= CHECKPOINTS_MAX);
            }
        }
    }

    #[test]
    fn the_end_is_the_whole_trace() {
        let script = Script { ticks: 300, ..Script::default() };
        let events = script.events();
        let mut replay = replay(&script, &events);
        assert!(!replay.is_at_end());
        let mut seen = 0;
        replay.advance(replay.extent().1, |_| seen += 1).unwrap();
        assert!(replay.is_at_end());
        assert_eq!(seen, events.len());
        replay.seek(Timestamp(0)).unwrap();
        assert_eq!(replay.timeline().ticks.count, 0);
        replay.finish().unwrap();
        assert_eq!(replay.timeline(), &folded_until(&script, &events, Timestamp(u64::MAX)));
        assert_eq!(replay.position(), replay.extent().1);
    }
}
