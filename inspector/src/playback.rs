//! A saved trace that plays, pauses and seeks: what stands between a source and the dashboard in a replay.
//!
//! Before it plays, the trace is read once from end to end, a slice at a time, for the index: when each tick
//! and each stall ended, and a few checkpoints, which are whole folds. Going back then means taking the
//! checkpoint before and folding on from there, and going far ahead is the same: a fold cannot be undone, but
//! it need not be done again from the start.

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
use aftermath::Aftermath;
use index::Index;

/// A source that can be read again from any of its moments.
pub trait Rewind: EventSource {
    /// From the next poll on, gives the events from `at` on, and perhaps some just before; where all events
    /// lie before `at`, the last ones or none.
    ///
    /// # Errors
    ///
    /// [`SourceError`] where the source cannot be read.
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

/// How a replay begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReplayOptions {
    /// Times the real pace.
    pub speed: f64,
    /// Where to begin, in nanoseconds from the trace's start.
    pub at_ns: u64,
    /// Begin paused.
    pub paused: bool,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self { speed: 1.0, at_ns: 0, paused: false }
    }
}

/// What the dashboard is told to do with its fold, in order.
pub trait Audience {
    /// What was folded is void: this is what was known by then.
    fn rewound(&mut self, fold: Fold);
    /// The next events.
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
            position: Timestamp::default(),
            marked: None,
            playing: false,
            speed: options.speed,
            stalls: Arc::from([]),
        }
    }

    /// The source.
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// Reads on for the index until it is complete or `is_enough` says so; `true` once it is complete. Then
    /// the player stands where its options say.
    ///
    /// # Errors
    ///
    /// [`SourceError`] where the source cannot be read.
    pub fn read_index(
        &mut self,
        audience: &mut impl Audience,
        mut is_enough: impl FnMut() -> bool,
    ) -> Result<bool, SourceError> {
        while !self.index.is_complete() {
            self.batch.clear();
            let state = self.source.poll(&mut self.batch)?;
            self.index.take(&self.batch, state != SourceState::More);
            if self.index.is_complete() {
                self.begin(audience)?;
            } else if is_enough() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn begin(&mut self, audience: &mut impl Audience) -> Result<(), SourceError> {
        self.stalls = self.index.stalls().iter().map(|stall| stall.end).collect();
        self.batch.clear();
        self.next = 0;
        self.go_to(self.index.start().plus_ns(self.options.at_ns), audience, true)?;
        self.playing = !self.options.paused;
        Ok(())
    }

    /// Where the replay stands.
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
        }
    }

    /// Time goes on.
    #[must_use]
    pub const fn is_playing(&self) -> bool {
        self.playing
    }

    /// Plays on for `elapsed_ns` of the time of the person who looks at it.
    ///
    /// # Errors
    ///
    /// [`SourceError`] where the source cannot be read.
    pub fn play(&mut self, elapsed_ns: u64, audience: &mut impl Audience) -> Result<(), SourceError> {
        if !self.playing {
            return Ok(());
        }
        let by = (elapsed_ns as f64 * self.speed).round() as u64;
        self.go_to(self.position.plus_ns(by), audience, false)?;
        if self.position >= self.index.end() {
            self.playing = false;
        }
        Ok(())
    }

    /// Plays, or pauses; at the end, plays from the start.
    ///
    /// # Errors
    ///
    /// [`SourceError`] where the source cannot be read.
    pub fn toggle(&mut self, audience: &mut impl Audience) -> Result<(), SourceError> {
        self.playing = !self.playing;
        if self.playing && self.position >= self.index.end() {
            self.go_to(self.index.start(), audience, false)?;
        }
        Ok(())
    }

    /// Stops the time.
    pub const fn pause(&mut self) {
        self.playing = false;
    }

    /// Sets how many times the real pace it plays.
    pub const fn set_speed(&mut self, speed: f64) {
        self.speed = speed;
    }

    /// Goes to `to`, pinned to the trace's ends.
    ///
    /// # Errors
    ///
    /// [`SourceError`] where the source cannot be read.
    pub fn seek(&mut self, to: Timestamp, audience: &mut impl Audience) -> Result<(), SourceError> {
        self.go_to(to, audience, false)
    }

    /// Pauses, and goes to the end of the tick that is so many further on.
    ///
    /// # Errors
    ///
    /// [`SourceError`] where the source cannot be read.
    pub fn step_ticks(&mut self, by: i64, audience: &mut impl Audience) -> Result<(), SourceError> {
        self.playing = false;
        match self.index.tick_end(self.position, by) {
            Some(end) => self.go_to(end, audience, false),
            None => Ok(()),
        }
    }

    /// Pauses, and goes to the next stall, or to the one before; whether there is one. The fold then goes on to
    /// the moment by which those that the stall made late were over with their wait.
    ///
    /// # Errors
    ///
    /// [`SourceError`] where the source cannot be read.
    pub fn seek_stall(&mut self, forward: bool, audience: &mut impl Audience) -> Result<bool, SourceError> {
        let stalls = self.index.stalls();
        // From the stall that is shown: what came of it may reach beyond the next one.
        let here = self.marked.unwrap_or(self.position);
        let to = if forward {
            stalls.iter().find(|stall| stall.end > here)
        } else {
            stalls.iter().rev().find(|stall| stall.end < here)
        };
        let Some(to) = to.copied() else { return Ok(false) };
        self.show_tick(to, audience)?;
        Ok(true)
    }

    /// Pauses, and goes to the tick in which `at` lies; where it is a stall, as [`Player::seek_stall`] does.
    ///
    /// # Errors
    ///
    /// [`SourceError`] where the source cannot be read.
    pub fn seek_tick(&mut self, at: Timestamp, audience: &mut impl Audience) -> Result<(), SourceError> {
        match self.index.tick_at(at) {
            Some(tick) => self.show_tick(tick, audience),
            None => self.go_to(at, audience, false),
        }
    }

    fn show_tick(&mut self, tick: Aftermath, audience: &mut impl Audience) -> Result<(), SourceError> {
        self.playing = false;
        self.go_to(tick.over, audience, false)?;
        self.marked = Some(tick.end);
        Ok(())
    }

    fn go_to(&mut self, to: Timestamp, audience: &mut impl Audience, anew: bool) -> Result<(), SourceError> {
        let to = to.clamp(self.index.start(), self.index.end());
        let checkpoint = self.index.checkpoint(to);
        let back = anew || to < self.position;
        if back || checkpoint.is_some_and(|checkpoint| checkpoint.at > self.position) {
            let (fold, resume) = match checkpoint {
                Some(checkpoint) => (checkpoint.fold.clone(), checkpoint.resume_at),
                None => (self.index.nothing(), Timestamp::default()),
            };
            self.source.rewind(resume)?;
            self.batch.clear();
            self.next = 0;
            self.ended = false;
            audience.rewound(fold);
        }
        self.position = to;
        self.marked = None;
        self.play_up_to(to, audience)
    }

    /// Gives the events up to the first one after `to`, in the order of the stream.
    fn play_up_to(&mut self, to: Timestamp, audience: &mut impl Audience) -> Result<(), SourceError> {
        loop {
            let rest = &self.batch[self.next..];
            let due = rest.iter().position(|stamped| stamped.at > to).unwrap_or(rest.len());
            if due > 0 {
                audience.events(&rest[..due]);
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
