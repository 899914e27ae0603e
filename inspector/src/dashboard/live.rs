//! The feed of a live loop, or one that has ended: polls its source as often as the source asks for.

use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::ids::Timestamp;
use loop_probes::process::ProcessState;
use loop_probes::stamped::Stamped;
use loop_traces::source::{EventSource, SourceError, SourceState};

use super::feed::{Feed, Save};
use crate::app::message::{Effect, Message, Process, Watched};
use crate::shell::app::App;
use crate::shell::update;

/// The longest stretch of reading between two checks of the keyboard, in nanoseconds.
const READ_NS_MAX: u64 = 20_000_000;
/// Interval for checking the state of the process and its loop, in nanoseconds.
const WATCH_NS: u64 = 33_000_000;
/// Resolution of the clock in the header, in nanoseconds.
const TENTH_NS: u64 = 100_000_000;
/// Sleep time once the source has ended.
const ENDED_IDLE: Duration = Duration::from_secs(60);

pub(super) struct Live<S> {
    source: S,
    batch: Vec<Stamped>,
    state: SourceState,
    next_poll: Timestamp,
    next_watch: Timestamp,
    tenth: u64,
}

impl<S: EventSource> Live<S> {
    pub(super) fn new(source: S) -> Self {
        let due = Timestamp::default();
        Self {
            source,
            batch: Vec::new(),
            state: SourceState::Live,
            next_poll: due,
            next_watch: due,
            tenth: 0,
        }
    }

    /// Reads what is available; returns whether anything arrived.
    fn read(&mut self, app: &mut App, saver: &mut dyn Save) -> bool {
        let began = monotonic_now();
        let mut received = false;
        loop {
            self.batch.clear();
            let polled = self.source.poll(&mut self.batch);
            if let Err(text) = saver.events(&self.batch, self.source.counts()) {
                update(app, Message::Done(Err(text)));
                received = true;
            }
            if !self.batch.is_empty() {
                update(app, Message::Events(&self.batch));
                received = true;
            }
            match polled {
                Ok(SourceState::More) if monotonic_now().ns_since(began) < READ_NS_MAX => {}
                Ok(source_state) => {
                    self.state = source_state;
                    return received;
                }
                Err(error) => {
                    // What was read so far is still worth showing.
                    tracing::error!(%error, "the source cannot be read on");
                    update(app, Message::Done(Err(error.to_string())));
                    self.state = SourceState::Ended;
                    return true;
                }
            }
        }
    }

    fn watch(&mut self, app: &mut App) {
        let running = self.source.running();
        let process = match (self.source.process_state(), self.state) {
            (Some(ProcessState::Stopped), _) => Process::Stopped,
            (Some(ProcessState::Crashed), _) => Process::Crashed,
            (Some(ProcessState::Ended), _) | (None, SourceState::Ended) => Process::Ended,
            // The ring is gone although the process runs: no more events will arrive.
            (Some(ProcessState::Running), SourceState::Ended) => Process::Ended,
            _ => Process::Running,
        };
        let counts = self.source.counts();
        let at = self.source.process_time(monotonic_now());
        update(app, Message::Watched(Watched { at, running: &running, counts, lost_elsewhere: 0, process }));
    }

    fn has_ended(&self) -> bool {
        self.state == SourceState::Ended
    }
}

impl<S: EventSource> Feed for Live<S> {
    fn advance(&mut self, app: &mut App, now: Timestamp, saver: &mut dyn Save) -> Result<bool, SourceError> {
        if self.has_ended() && self.next_watch > now {
            return Ok(false);
        }
        let mut changed = false;
        if !self.has_ended() && now >= self.next_poll {
            // A frozen view changes only with the clock, however much is read.
            changed = self.read(app, saver) && app.state.frozen.is_none();
            let wait =
                if self.state == SourceState::More { Duration::ZERO } else { self.source.suggested_period() };
            self.next_poll = monotonic_now().plus_ns(wait.as_nanos() as u64);
        }
        if now >= self.next_watch || self.has_ended() {
            let before = app.state.live.process;
            self.watch(app);
            update(app, Message::Recording(saver.is_recording()));
            changed |= before != app.state.live.process;
            self.next_watch = if self.has_ended() { Timestamp(u64::MAX) } else { now.plus_ns(WATCH_NS) };
        }
        let tenth = now.as_ns() / TENTH_NS;
        changed |= tenth != self.tenth;
        self.tenth = tenth;
        Ok(changed)
    }

    fn idle(&self) -> Duration {
        if self.has_ended() {
            return ENDED_IDLE;
        }
        let now = monotonic_now();
        Duration::from_nanos(self.next_poll.min(self.next_watch).ns_since(now))
    }

    fn clock(&self, app: &App, now: Timestamp) -> Timestamp {
        match app.state.live.process {
            Process::Running | Process::Stopped => self.source.process_time(now),
            Process::Ended | Process::Crashed => app.state.live.fold.timeline.last_at().unwrap_or(now),
        }
    }

    fn seek(&mut self, _app: &mut App, _effect: Effect) -> Result<(), SourceError> {
        Ok(())
    }
}
