//! The dashboard without a terminal: a script presses the keys, and frames go to a receiver instead of a screen.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::ids::Timestamp;
use loop_traces::source::EventSource;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

use super::feed::Feed;
use super::{DashboardError, Options, app_of, live, perform, replay, replayed};
use crate::app::message::{Effect, Message};
use crate::keymap::Key;
use crate::playback::{ReplayOptions, Rewind};
use crate::screen;
use crate::shell::app::App;
use crate::shell::update;

/// What to do while the dashboard is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Presses a key.
    Press(Key),
    /// Draws for this long.
    Watch(Duration),
}

/// A frame: what changed, and the whole.
#[derive(Debug)]
pub struct DrawnFrame<'a> {
    /// The time since the first frame.
    pub at: Duration,
    /// All cells.
    pub cells: &'a Buffer,
    /// What a terminal would receive: the cells that differ from the frame before, with escape sequences.
    pub bytes: &'a [u8],
}

/// Performs `steps` on a live source, drawn with this width and height. At least one frame is drawn.
///
/// # Errors
///
/// [`DashboardError`] if a frame cannot be drawn.
pub fn watch(
    source: impl EventSource,
    options: Options,
    size: (u16, u16),
    steps: &[Step],
    receive: impl FnMut(DrawnFrame<'_>),
) -> Result<(), DashboardError> {
    let app = app_of(&source, &options);
    Headless::new(app, live::Live::new(source), options, size, receive)?.perform(steps)
}

/// Performs `steps` on a saved source, as [`watch`] does on a live one.
///
/// # Errors
///
/// [`DashboardError::Source`] if the source cannot be read.
pub fn watch_replay(
    source: impl Rewind,
    options: Options,
    replay: ReplayOptions,
    size: (u16, u16),
    steps: &[Step],
    receive: impl FnMut(DrawnFrame<'_>),
) -> Result<(), DashboardError> {
    let (app, player) = replayed(source, &options, replay);
    Headless::new(app, replay::Replay::new(player), options, size, receive)?.perform(steps)
}

/// Collects what a terminal would receive.
#[derive(Clone, Debug, Default)]
struct Bytes(Rc<RefCell<Vec<u8>>>);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Headless<F, R> {
    app: App,
    feed: F,
    options: Options,
    terminal: Terminal<CrosstermBackend<Bytes>>,
    written: Bytes,
    began: Timestamp,
    frame_ns: u64,
    receive: R,
}

impl<F: Feed, R: FnMut(DrawnFrame<'_>)> Headless<F, R> {
    fn new(
        mut app: App,
        feed: F,
        options: Options,
        (width, height): (u16, u16),
        receive: R,
    ) -> Result<Self, DashboardError> {
        // crossterm reads NO_COLOR itself; here the theme decides.
        crossterm::style::force_color_output(options.theme.has_color());
        let viewport = Viewport::Fixed(Rect::new(0, 0, width, height));
        let written = Bytes::default();
        let backend = CrosstermBackend::new(written.clone());
        let terminal = Terminal::with_options(backend, TerminalOptions { viewport })?;
        update(&mut app, Message::Resize { width, height });
        let frame_ns = options.frame_ns();
        Ok(Self { app, feed, options, terminal, written, began: monotonic_now(), frame_ns, receive })
    }

    fn perform(mut self, steps: &[Step]) -> Result<(), DashboardError> {
        // A replay reads its whole trace before it shows anything.
        while self.feed.idle().is_zero() {
            self.advance()?;
        }
        self.began = monotonic_now();
        self.draw()?;
        for step in steps {
            let is_over = match step {
                Step::Press(key) => self.press(*key)?,
                Step::Watch(time) => {
                    self.watch(*time)?;
                    false
                }
            };
            if is_over {
                break;
            }
        }
        self.draw()
    }

    fn advance(&mut self) -> Result<bool, DashboardError> {
        Ok(self.feed.advance(&mut self.app, monotonic_now(), self.options.saver.as_mut())?)
    }

    /// Returns whether the key quits.
    fn press(&mut self, key: Key) -> Result<bool, DashboardError> {
        for effect in update(&mut self.app, Message::Key(key)) {
            match effect {
                Effect::Quit => return Ok(true),
                // Only a terminal can be left, redrawn, or have a clipboard.
                Effect::Suspend | Effect::Redraw | Effect::Copy(_) => {}
                effect => perform(effect, &mut self.app, &mut self.feed, self.options.saver.as_mut())?,
            }
        }
        self.draw()?;
        Ok(false)
    }

    fn watch(&mut self, time: Duration) -> Result<(), DashboardError> {
        let end = monotonic_now().plus_ns(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let mut next_frame = Timestamp::default();
        let mut changed = false;
        loop {
            changed |= self.advance()?;
            let now = monotonic_now();
            if now >= end {
                return Ok(());
            }
            if changed && now >= next_frame {
                self.draw()?;
                (changed, next_frame) = (false, now.plus_ns(self.frame_ns));
            }
            let due = if changed { next_frame.min(end) } else { end };
            thread::sleep(self.feed.idle().min(Duration::from_nanos(due.ns_since(now))));
        }
    }

    fn draw(&mut self) -> Result<(), DashboardError> {
        let now = monotonic_now();
        let elapsed_ns = now.ns_since(self.began);
        let shown_at = self.feed.clock(&self.app, now);
        update(&mut self.app, Message::Frame { now: shown_at, elapsed_ns });
        let (app, theme) = (&self.app, self.options.theme);
        let draw = |frame: &mut Frame<'_>| drop(screen::draw(frame.buffer_mut(), app, theme));
        let cells = self.terminal.draw(draw)?.buffer.clone();
        let bytes = self.written.0.take();
        (self.receive)(DrawnFrame { at: Duration::from_nanos(elapsed_ns), cells: &cells, bytes: &bytes });
        Ok(())
    }
}
