//! The run loop: connects a source, the terminal and the [`app`](crate::app), until the user quits.
//!
//! One thread owns everything and sleeps until the next thing is due: a key or a signal, the source's next poll, the
//! next frame. A frame is drawn only if something changed, and never more often than asked for.

mod feed;
pub mod headless;
mod live;
pub mod picture;
mod replay;

pub use feed::{Recording, Save};

use std::io;
use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::ids::Timestamp;
use loop_probes::metadata::Metadata;
use loop_probes::text::printable;
use loop_traces::chrome::import::ImportSummary;
use loop_traces::source::{EventSource, SourceError, SourceKind};
use loop_traces::timeline::TimelineConfig;
use rustix::io::Errno;
use rustix::process::{Signal, kill_current_process_group};

use crate::app::fold::Fold;
use crate::app::message::{Effect, Message};
use crate::app::state::{AppState, SourceInfo};
use crate::playback::{Player, ReplayOptions, Rewind};
use crate::screen;
use crate::shell::app::{App, FirstView};
use crate::shell::update;
use crate::terminal::{Screen, Wake, Wakers};
use crate::theme::Theme;
use feed::Feed;

/// Options of the dashboard.
#[derive(Debug)]
pub struct Options {
    /// Colours and glyphs.
    pub theme: Theme,
    /// Maximum number of frames per second (at least 1).
    pub fps: u16,
    /// What is shown at first.
    pub first: FirstView,
    /// The name of the source in the header; `None` means the source's own name.
    pub name: Option<String>,
    /// The shell command that shows the source; `None` if none can.
    pub command: Option<String>,
    /// Whether totals count from when this dashboard attached, not from the start of the loop.
    pub since_attach: bool,
    /// Quit automatically after this long.
    pub duration: Option<Duration>,
    /// Saves and exports.
    pub saver: Box<dyn Save>,
}

impl Options {
    /// The time between two frames, in nanoseconds.
    fn frame_ns(&self) -> u64 {
        1_000_000_000 / u64::from(self.fps.max(1))
    }
}

/// Why the dashboard was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// The user pressed `q` or Ctrl-C.
    Quit,
    /// The duration in the options has passed.
    Elapsed,
    /// This signal arrived.
    Signal(i32),
    /// The terminal was closed.
    TerminalGone,
}

/// Why the dashboard had to stop. The terminal has been restored by then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DashboardError {
    /// The terminal lacks something that a dashboard needs.
    #[error("cannot draw on this terminal: {0}; --no-tui prints a summary instead")]
    Terminal(#[from] io::Error),
    /// The saved trace cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Watches a live source until the user quits. A source that ends stays on the screen.
///
/// # Errors
///
/// [`DashboardError::Terminal`] if standard output is not a terminal.
pub fn run(source: impl EventSource, options: Options) -> Result<Exit, DashboardError> {
    let app = app_of(&source, &options);
    drive(app, live::Live::new(source), options)
}

/// The state in which watching `source` begins.
fn app_of(source: &impl EventSource, options: &Options) -> App {
    let config = config(source);
    App::new(AppState::new(about(source, options, &config), Fold::new(config))).beginning_with(options.first)
}

/// Replays a saved source until the user quits.
///
/// # Errors
///
/// [`DashboardError::Terminal`] if standard output is not a terminal, [`DashboardError::Source`] if the source cannot
/// be read.
pub fn replay(source: impl Rewind, options: Options, replay: ReplayOptions) -> Result<Exit, DashboardError> {
    let (app, player) = replayed(source, &options, replay);
    drive(app, replay::Replay::new(player), options)
}

/// The state in which a replay of `source` begins, and its player.
fn replayed<S: Rewind>(source: S, options: &Options, mut replay: ReplayOptions) -> (App, Player<S>) {
    let config = config(&source);
    // For a ring left behind by its process, the last ticks are the interesting ones.
    if source.kind() == SourceKind::Ring && replay.at_ns == 0 {
        (replay.at_ns, replay.paused) = (u64::MAX, true);
    }
    let mut state = AppState::new(about(&source, options, &config), Fold::new(config.clone()));
    let player = Player::new(source, config, replay);
    state.playback = Some(player.info());
    (App::new(state).beginning_with(options.first), player)
}

/// Ticks kept for the strip when zoomed out: ten seconds of a fast loop.
const TICKS_KEPT: usize = 1 << 14;
/// Enough spans to show details of nearly all of those ticks.
const SPANS_KEPT: usize = 1 << 17;

fn config(source: &impl EventSource) -> TimelineConfig {
    TimelineConfig {
        ticks_kept: TICKS_KEPT,
        spans_kept: SPANS_KEPT,
        history: true,
        ..TimelineConfig::of(source.metadata())
    }
}

fn about(source: &impl EventSource, options: &Options, config: &TimelineConfig) -> SourceInfo {
    let metadata = source.metadata();
    SourceInfo {
        name: options.name.clone().unwrap_or_else(|| source.name().to_owned()),
        pid: metadata.pid,
        policy: printable(&metadata.policy),
        kind: source.kind(),
        made: made(metadata),
        command: options.command.clone(),
        since_attach: options.since_attach,
        stall_limit_ns: config.stall_limit_ns,
    }
}

/// The origin of a trace that was imported or written by a re-execution, according to its metadata.
fn made(metadata: &Metadata) -> Option<String> {
    let re_executed = |changes: &String| match changes.as_str() {
        "" => "re-executed".to_owned(),
        changes => format!("re-executed: {changes}"),
    };
    let imported = || Some(format!("imported from {}", ImportSummary::of(metadata)?.from()));
    metadata.settings.get("rerun").map(re_executed).or_else(imported)
}

fn drive(app: App, feed: impl Feed, options: Options) -> Result<Exit, DashboardError> {
    let wakers = Wakers::start()?;
    let screen = match Screen::enter(options.theme.has_color()) {
        Err(error) if is_gone(&error) => return Ok(Exit::TerminalGone),
        entered => entered?,
    };
    let began = monotonic_now();
    let frame_ns = options.frame_ns();
    let mut dashboard = Dashboard { app, feed, options, screen, wakers, began, frame_ns };
    match dashboard.run() {
        Err(DashboardError::Terminal(error)) if is_gone(&error) => Ok(Exit::TerminalGone),
        left => left,
    }
}

/// A closed terminal is not an error: the user is gone.
fn is_gone(error: &io::Error) -> bool {
    let gone = [Errno::IO, Errno::PIPE, Errno::NXIO, Errno::BADF].map(Errno::raw_os_error);
    error.kind() == io::ErrorKind::BrokenPipe || error.raw_os_error().is_some_and(|raw| gone.contains(&raw))
}

/// Answers to keys that may be drawn in the time of one frame: held keys repeat, and pasted text has many.
const ANSWERS_PER_FRAME: u64 = 4;

/// How often to check whether the shell has returned the terminal.
const AWAY_IDLE: Duration = Duration::from_millis(200);

struct Dashboard<F> {
    app: App,
    feed: F,
    options: Options,
    screen: Screen,
    wakers: Wakers,
    began: Timestamp,
    frame_ns: u64,
}

impl<F: Feed> Dashboard<F> {
    fn run(&mut self) -> Result<Exit, DashboardError> {
        let (width, height) = self.screen.size()?;
        update(&mut self.app, Message::Resize { width, height });
        let mut changed = true;
        // A key is answered sooner than the next frame is due.
        let (mut drawn, mut is_answer) = (None, true);
        loop {
            let now = monotonic_now();
            changed |= self.feed.advance(&mut self.app, now, self.options.saver.as_mut())?;
            if self.is_over(now) {
                return Ok(Exit::Elapsed);
            }
            changed |= self.screen.is_away();
            let apart_ns = if is_answer { self.frame_ns / ANSWERS_PER_FRAME } else { self.frame_ns };
            let due = drawn.map_or(self.began, |drawn: Timestamp| drawn.plus_ns(apart_ns));
            // A terminal that is behind gets the next frame when it has taken the last one.
            if changed && now >= due && self.screen.is_ready()? {
                self.draw()?;
                // While the shell has the terminal, `is_away` asks for the next frame: only drawing takes it back.
                (changed, is_answer, drawn) = (false, false, Some(now));
            }
            let next = if self.screen.is_ready()? {
                changed.then_some(due)
            } else {
                Some(now.plus_ns(self.frame_ns))
            };
            let mut wake = self.wakers.wait(self.idle(now, next));
            while let Some(woken) = wake {
                (changed, is_answer) = (true, true);
                if let Some(exit) = self.woken(woken)? {
                    return Ok(exit);
                }
                wake = self.wakers.wait(Duration::ZERO);
            }
        }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.options
            .duration
            .is_some_and(|duration| u128::from(now.ns_since(self.began)) >= duration.as_nanos())
    }

    /// Time until the source, the next frame or the end is due, whichever comes first.
    fn idle(&self, now: Timestamp, frame: Option<Timestamp>) -> Duration {
        let mut idle = self.feed.idle();
        if self.screen.is_away() {
            idle = idle.min(AWAY_IDLE);
        }
        if let Some(frame) = frame {
            idle = idle.min(Duration::from_nanos(frame.ns_since(now)));
        }
        if let Some(duration) = self.options.duration {
            idle = idle.min(duration.saturating_sub(Duration::from_nanos(now.ns_since(self.began))));
        }
        idle
    }

    fn draw(&mut self) -> io::Result<()> {
        let now = monotonic_now();
        let message =
            Message::Frame { now: self.feed.clock(&self.app, now), elapsed_ns: now.ns_since(self.began) };
        update(&mut self.app, message);
        let (app, theme) = (&self.app, self.options.theme);
        let mut targets = Vec::new();
        self.screen.draw(|frame| targets = screen::draw(frame.buffer_mut(), app, theme))?;
        self.app.targets = targets;
        Ok(())
    }

    fn woken(&mut self, wake: Wake) -> Result<Option<Exit>, DashboardError> {
        let effects = match wake {
            Wake::Key(key) => update(&mut self.app, Message::Key(key)),
            Wake::Mouse(mouse) => update(&mut self.app, Message::Mouse(mouse)),
            Wake::Resize => {
                let (width, height) = self.screen.size()?;
                update(&mut self.app, Message::Resize { width, height })
            }
            Wake::Stop => {
                self.screen.suspend()?;
                Vec::new()
            }
            Wake::Continue => {
                self.screen.resume()?;
                Vec::new()
            }
            Wake::Terminate(signal) => return Ok(Some(Exit::Signal(signal))),
            Wake::Gone => return Ok(Some(Exit::TerminalGone)),
        };
        for effect in effects {
            if let Some(exit) = self.carry_out(effect)? {
                return Ok(Some(exit));
            }
        }
        Ok(None)
    }

    fn carry_out(&mut self, effect: Effect) -> Result<Option<Exit>, DashboardError> {
        match effect {
            Effect::Quit => return Ok(Some(Exit::Quit)),
            // Like the terminal's own Ctrl-Z, stops the whole foreground group, which includes this process.
            Effect::Suspend => {
                if kill_current_process_group(Signal::TSTP).is_err() {
                    self.screen.suspend()?;
                }
            }
            Effect::Redraw => self.screen.redraw()?,
            Effect::Copy(text) => self.screen.copy(&text)?,
            effect => perform(effect, &mut self.app, &mut self.feed, self.options.saver.as_mut())?,
        }
        Ok(None)
    }
}

/// Performs an effect that does not concern the terminal.
fn perform(
    effect: Effect,
    app: &mut App,
    feed: &mut impl Feed,
    saver: &mut dyn Save,
) -> Result<(), SourceError> {
    match effect {
        Effect::Quit | Effect::Suspend | Effect::Redraw | Effect::Copy(_) => {}
        Effect::ToggleRecording => {
            let toggled = saver.toggle();
            if let Ok(recording) = &toggled {
                update(app, Message::Recording(recording.on));
            }
            update(app, Message::Done(toggled.map(|recording| recording.text)));
        }
        Effect::SaveLast => {
            update(app, Message::Done(saver.save_last()));
        }
        Effect::Export { from, to } => {
            update(app, Message::Done(saver.export(from, to)));
        }
        Effect::Seek(_)
        | Effect::SeekTick(_)
        | Effect::StepTicks(_)
        | Effect::SeekStall { .. }
        | Effect::TogglePlay
        | Effect::Pause
        | Effect::SetSpeed(_) => feed.seek(app, effect)?,
    }
    Ok(())
}
