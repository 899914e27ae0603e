//! Playback of a saved trace: plays, pauses and seeks between a source and the dashboard of a replay.
//!
//! Before playing, the player reads the trace once from end to end, a slice at a time, to build the index: the end times
//! of its ticks and stalls, and a few checkpoints, which are complete folds. A seek back or far ahead starts from the
//! preceding checkpoint and folds on from there: a fold cannot be undone, but need not be redone from the start.

mod aftermath;
mod index;
#[cfg(test)]
mod tests;

use std::io::{Read, Seek};
use std::sync::Arc;

use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;
use loop_traces::reader::TraceReader;
use loop_traces::source::{EventSource, MemorySource, SourceError, SourceState};
use loop_traces::timeline::TimelineConfig;

use crate::app::fold::Fold;
use crate::app::playback_info::PlaybackInfo;
use crate::app::window::AGE_MAX_NS;
use aftermath::Aftermath;
use index::{Checkpoint, Index};

/// A source that can be reread from any point in time.
pub trait Rewind: EventSource {
    /// Makes the next poll start with the events from `at` on, and perhaps a few before; if all events are before `at`,
    /// with the last ones or none.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the source cannot be read.
    fn rewind(&mut self, at: Timestamp) -> Result<(), SourceError>;
}

impl<R: Read + Seek> Rewind for TraceReader<R> {
    fn rewind(&mut self, at: Timestamp) -> Result<(), SourceError> {
        Ok(self.seek(at)?)
    }
}

impl Rewind for MemorySource {
    fn rewind(&mut self, at: Timestamp) -> Result<(), SourceError> {
        Self::rewind(self, at);
        Ok(())
    }
}

impl<S: Rewind + ?Sized> Rewind for Box<S> {
    fn rewind(&mut self, at: Timestamp) -> Result<(), SourceError> {
        (**self).rewind(at)
    }
}

/// Options for the start of a replay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReplayOptions {
    /// The pace, as a multiple of real time.
    pub speed: f64,
    /// The position to start at, in nanoseconds from the start of the trace.
    pub at_ns: u64,
    /// Whether to start paused.
    pub paused: bool,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self { speed: 1.0, at_ns: 0, paused: false }
    }
}

/// Maximum number of checkpoints near the position, beside those of the index.
const NEAR_MAX: usize = 2;
/// Larger distributions are not copied for them.
const NEAR_BYTES_MAX: usize = 64 << 20;
/// The shortest time worth such checkpoints.
const NEAR_FROM_NS: u64 = 2_000_000_000;

/// Receives what the dashboard should fold, in order.
pub trait PlaybackSink {
    /// Everything folded so far.
    fn fold(&self) -> &Fold;
    /// Replaces everything folded so far with this fold.
    fn rewound(&mut self, fold: Fold);
    /// Events up to `to` follow.
    fn expect(&mut self, to: Timestamp);
    /// Folds these events, which follow the previous ones.
    fn events(&mut self, events: &[Stamped]);
}

/// Plays a trace. See the [module](self).
#[derive(Debug)]
pub struct Player<S> {
    source: S,
    index: Index,
    options: ReplayOptions,
    batch: Vec<Stamped>,
    next: usize,
    ended: bool,
    /// Checkpoints shortly before the position that was sought last, the latest one last.
    near: Vec<Checkpoint>,
    position: Timestamp,
    marked: Option<Timestamp>,
    playing: bool,
    speed: f64,
    stalls: Arc<[Timestamp]>,
}

impl<S: Rewind> Player<S> {
    /// A player at the start of `source`, not indexed yet.
    #[must_use]
    pub fn new(source: S, config: TimelineConfig, options: ReplayOptions) -> Self {
        Self {
            source,
            index: Index::new(config),
            options,
            batch: Vec::new(),
            next: 0,
            ended: false,
            near: Vec::new(),
            position: Timestamp::default(),
            marked: None,
            playing: false,
            speed: options.speed,
            stalls: Arc::from([]),
        }
    }

    /// The trace that is played.
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// Lost records that the trace's events report; complete once the trace is indexed.
    #[must_use]
    pub const fn lost_in_stream(&self) -> u64 {
        self.index.lost_in_stream()
    }

    /// Reads on for the index until it is complete or `is_enough` returns true. Returns true once it is complete; the
    /// player is then at the position given by its options.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the source cannot be read.
    pub fn read_index(
        &mut self,
        sink: &mut impl PlaybackSink,
        mut is_enough: impl FnMut() -> bool,
    ) -> Result<bool, SourceError> {
        while !self.index.is_complete() {
            self.batch.clear();
            let state = self.source.poll(&mut self.batch)?;
            self.index.take(&self.batch);
            if state != SourceState::More {
                self.index.complete(&self.source);
                self.begin(sink)?;
            } else if is_enough() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn begin(&mut self, sink: &mut impl PlaybackSink) -> Result<(), SourceError> {
        self.stalls = self.index.stalls().iter().map(|stall| stall.end).collect();
        self.batch.clear();
        self.next = 0;
        self.go_to(self.index.start().plus_ns(self.options.at_ns), sink, true)?;
        self.playing = !self.options.paused;
        Ok(())
    }

    /// The position and state of the replay.
    #[must_use]
    pub fn info(&self) -> PlaybackInfo {
        PlaybackInfo {
            start: self.index.start(),
            end: self.index.end(),
            position: self.position.max(self.index.start()),
            marked: self.marked,
            playing: self.playing,
            speed: self.speed,
            stalls: Arc::clone(&self.stalls),
            diagnosis: self.index.diagnosis().cloned(),
        }
    }

    /// Whether the replay is playing.
    #[must_use]
    pub const fn is_playing(&self) -> bool {
        self.playing
    }

    /// Plays on for `elapsed_ns` of wall-clock time.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the source cannot be read.
    pub fn play(&mut self, elapsed_ns: u64, sink: &mut impl PlaybackSink) -> Result<(), SourceError> {
        if !self.playing {
            return Ok(());
        }
        let by = (elapsed_ns as f64 * self.speed).round() as u64;
        self.go_to(self.position.plus_ns(by), sink, false)?;
        if self.position >= self.index.end() {
            self.playing = false;
        }
        Ok(())
    }

    /// Toggles between playing and paused; at the end, plays from the start.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the source cannot be read.
    pub fn toggle(&mut self, sink: &mut impl PlaybackSink) -> Result<(), SourceError> {
        self.playing = !self.playing;
        if self.playing && self.position >= self.index.end() {
            self.go_to(self.index.start(), sink, false)?;
        }
        Ok(())
    }

    /// Pauses.
    pub const fn pause(&mut self) {
        self.playing = false;
    }

    /// Sets the pace, as a multiple of real time.
    pub const fn set_speed(&mut self, speed: f64) {
        self.speed = speed;
    }

    /// Seeks to `to`, clamped to the range of the trace.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the source cannot be read.
    pub fn seek(&mut self, to: Timestamp, sink: &mut impl PlaybackSink) -> Result<(), SourceError> {
        self.go_to(to, sink, false)
    }

    /// Pauses, and goes to the end of the tick that is `by` ticks further on.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the source cannot be read.
    pub fn step_ticks(&mut self, by: i64, sink: &mut impl PlaybackSink) -> Result<(), SourceError> {
        self.playing = false;
        match self.index.tick_end(self.position, by) {
            Some(end) => self.go_to(end, sink, false),
            None => Ok(()),
        }
    }

    /// Pauses, and goes to the next or previous stall; returns whether there is one. The position is the time by which
    /// everything delayed by the stall had finished waiting.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the source cannot be read.
    pub fn seek_stall(&mut self, forward: bool, sink: &mut impl PlaybackSink) -> Result<bool, SourceError> {
        let stalls = self.index.stalls();
        // From the end of the stall shown: its effects, and so the position, may reach beyond the next stall.
        let here = self.marked.unwrap_or(self.position);
        let to = if forward {
            stalls.iter().find(|stall| stall.end > here)
        } else {
            stalls.iter().rev().find(|stall| stall.end < here)
        };
        let Some(to) = to.copied() else { return Ok(false) };
        self.show_tick(to, sink)?;
        Ok(true)
    }

    /// Pauses, and goes to the tick that contains `at`; if it is a stall, as [`Player::seek_stall`] does.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the source cannot be read.
    pub fn seek_tick(&mut self, at: Timestamp, sink: &mut impl PlaybackSink) -> Result<(), SourceError> {
        match self.index.tick_at(at) {
            Some(tick) => self.show_tick(tick, sink),
            None => self.go_to(at, sink, false),
        }
    }

    fn show_tick(&mut self, tick: Aftermath, sink: &mut impl PlaybackSink) -> Result<(), SourceError> {
        self.playing = false;
        self.go_to(tick.over, sink, false)?;
        self.marked = Some(tick.end);
        Ok(())
    }

    fn go_to(
        &mut self,
        to: Timestamp,
        sink: &mut impl PlaybackSink,
        rebuild: bool,
    ) -> Result<(), SourceError> {
        let to = to.clamp(self.index.start(), self.index.end());
        // The windows that end at `to` begin earlier.
        let indexed = self.index.checkpoint(Timestamp(to.as_ns().saturating_sub(AGE_MAX_NS)));
        let near = self.near.iter().filter(|near| near.at <= to);
        let checkpoint = near.chain(indexed).max_by_key(|checkpoint| checkpoint.at);
        let back = rebuild || to < self.position;
        if back || checkpoint.is_some_and(|checkpoint| checkpoint.at > self.position) {
            let (fold, resume) = match checkpoint {
                Some(checkpoint) => (checkpoint.fold.clone(), checkpoint.resume_at),
                None => (self.index.empty_fold(), Timestamp::default()),
            };
            let from = checkpoint.map_or(self.index.start(), |checkpoint| checkpoint.at);
            self.source.rewind(resume)?;
            self.batch.clear();
            self.next = 0;
            self.ended = false;
            sink.rewound(fold);
            self.play_to_near(from, to, sink)?;
        }
        self.position = to;
        self.marked = None;
        sink.expect(to);
        self.play_up_to(to, sink)
    }

    /// Plays to shortly before `to`, and makes checkpoints on the way: after a step back, further steps are likely.
    fn play_to_near(
        &mut self,
        from: Timestamp,
        to: Timestamp,
        sink: &mut impl PlaybackSink,
    ) -> Result<(), SourceError> {
        let whole_ns = to.ns_since(from);
        if whole_ns < NEAR_FROM_NS {
            return Ok(());
        }
        self.near.retain(|near| near.at <= from);
        for before_ns in [whole_ns / 4, whole_ns / 16] {
            let here = Timestamp(to.as_ns() - before_ns);
            sink.expect(here);
            self.play_up_to(here, sink)?;
            let Some(next) = self.batch.get(self.next) else { break };
            let fold = sink.fold();
            if fold.bytes() > NEAR_BYTES_MAX {
                break;
            }
            if let Some(at) = fold.timeline.last_at().filter(|at| *at < next.at) {
                self.near.push(Checkpoint { at, resume_at: next.at, fold: fold.clone() });
            }
        }
        let spare = self.near.len().saturating_sub(NEAR_MAX);
        self.near.drain(..spare);
        Ok(())
    }

    /// Passes on the events up to the first one after `to`, in stream order.
    fn play_up_to(&mut self, to: Timestamp, sink: &mut impl PlaybackSink) -> Result<(), SourceError> {
        loop {
            let rest = &self.batch[self.next..];
            let due = rest.iter().position(|stamped| stamped.at > to).unwrap_or(rest.len());
            if due > 0 {
                sink.events(&rest[..due]);
                self.next += due;
            }
            if self.next < self.batch.len() || self.ended {
                return Ok(());
            }
            self.batch.clear();
            self.next = 0;
            self.ended = self.source.poll(&mut self.batch)? != SourceState::More;
        }
    }
}
