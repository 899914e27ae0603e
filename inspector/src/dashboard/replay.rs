//! The feed of a saved trace: advances the player by the wall clock.

use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;
use loop_traces::source::{SourceCounts, SourceError};

use super::feed::{Feed, Save};
use crate::app::fold::Fold;
use crate::app::message::{Effect, Message, Process, Watched};
use crate::playback::{PlaybackSink, Player, Rewind};
use crate::shell::app::App;
use crate::shell::update;

/// The longest stretch of reading for the index between two checks of the keyboard, in nanoseconds.
const INDEX_NS: u64 = 100_000_000;
/// Minimum interval between two steps of a running replay: more frames would show the same.
const STEP: Duration = Duration::from_millis(8);
/// Sleep time of a paused replay, which waits for a key.
const STILL: Duration = Duration::from_secs(60);
/// The longest stretch played at a time, in nanoseconds, so that a replay does not jump after a suspension.
const PLAY_NS_MAX: u64 = 250_000_000;

pub(super) struct Replay<S> {
    player: Player<S>,
    indexed: bool,
    last: Option<Timestamp>,
    counts: SourceCounts,
}

impl<S: Rewind> Replay<S> {
    pub(super) fn new(player: Player<S>) -> Self {
        Self { player, indexed: false, last: None, counts: SourceCounts::default() }
    }

    fn read_index(&mut self, app: &mut App) -> Result<bool, SourceError> {
        let began = monotonic_now();
        let enough = || monotonic_now().ns_since(began) >= INDEX_NS;
        self.indexed = self.player.read_index(&mut Shown(app), enough)?;
        if self.indexed {
            // Later readings of the same blocks would count their losses again.
            self.counts = self.player.source().counts();
            app.state.note = None;
        } else {
            update(app, Message::Done(Ok("reading the trace...".to_owned())));
        }
        let lost_elsewhere = match self.indexed {
            true => self.counts.lost_records.saturating_sub(self.player.lost_in_stream()),
            false => 0,
        };
        let (at, running, counts) = (Timestamp::default(), &[][..], self.counts);
        let watched = Watched { at, running, counts, lost_elsewhere, process: Process::Ended };
        update(app, Message::Watched(watched));
        update(app, Message::Playback(self.player.info()));
        Ok(true)
    }
}

/// Passes what the player plays on to the state.
struct Shown<'a>(&'a mut App);

impl PlaybackSink for Shown<'_> {
    fn rewound(&mut self, fold: Fold) {
        update(self.0, Message::Rewound(Box::new(fold)));
    }

    fn fold(&self) -> &Fold {
        &self.0.state.live.fold
    }

    fn expect(&mut self, to: Timestamp) {
        update(self.0, Message::Expect(to));
    }

    fn events(&mut self, events: &[Stamped]) {
        update(self.0, Message::Events(events));
    }
}

impl<S: Rewind> Feed for Replay<S> {
    fn advance(&mut self, app: &mut App, now: Timestamp, _saver: &mut dyn Save) -> Result<bool, SourceError> {
        if !self.indexed {
            return self.read_index(app);
        }
        let elapsed_ns = now.ns_since(self.last.replace(now).unwrap_or(now)).min(PLAY_NS_MAX);
        if !self.player.is_playing() {
            return Ok(false);
        }
        self.player.play(elapsed_ns, &mut Shown(app))?;
        update(app, Message::Playback(self.player.info()));
        Ok(true)
    }

    fn idle(&self) -> Duration {
        match (self.indexed, self.player.is_playing()) {
            (false, _) => Duration::ZERO,
            (true, true) => STEP,
            (true, false) => STILL,
        }
    }

    fn clock(&self, app: &App, now: Timestamp) -> Timestamp {
        app.state.playback.as_ref().map_or(now, |playback| playback.position)
    }

    fn seek(&mut self, app: &mut App, effect: Effect) -> Result<(), SourceError> {
        if !self.indexed {
            return Ok(());
        }
        let mut shown = Shown(app);
        match effect {
            Effect::Seek(to) => self.player.seek(to, &mut shown)?,
            Effect::SeekTick(at) => self.player.seek_tick(at, &mut shown)?,
            Effect::StepTicks(by) => self.player.step_ticks(by, &mut shown)?,
            Effect::SeekStall { forward } => {
                let found = self.player.seek_stall(forward, &mut shown)?;
                let text = if forward { "no stall after this moment" } else { "no stall before this moment" };
                let message = (!found).then(|| Message::Done(Ok(text.to_owned())));
                message.into_iter().for_each(|message| drop(update(shown.0, message)));
            }
            Effect::TogglePlay => self.player.toggle(&mut shown)?,
            Effect::Pause => self.player.pause(),
            Effect::SetSpeed(speed) => self.player.set_speed(speed),
            _ => {}
        }
        // The time before this key press counts as played.
        self.last = Some(monotonic_now());
        update(shown.0, Message::Sought(self.player.info()));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
