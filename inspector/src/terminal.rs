//! The terminal, taken and always given back as it was found: on quit, error, panic, a signal, suspension.
//!
//! A frame is a synchronized update, so that it never shows half done, and what a panic leaves unwritten is
//! dropped. Once a write fails, the terminal counts as gone and everything after goes nowhere: tearing down
//! must not fail over what is broken already.

mod output;
mod parse;
mod waker;

pub use waker::{Wake, Wakers};

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::thread::ThreadId;

use crossterm::cursor::{Hide, Show};
use crossterm::style::{Print, ResetColor};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};
use ratatui::{Frame, Terminal};

use output::Output;

/// Clicks, drags and the wheel in SGR coordinates; not every motion, which would wake us for nothing.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1002l\x1b[?1000l";

/// The alternate screen is ours: what the panic hook has to undo.
static ENTERED: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// The screen while the dashboard has it. Dropping it gives it back.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Output>>,
    gone: Arc<AtomicBool>,
    /// The shell has the terminal: whatever is drawn now would be drawn over it.
    away: bool,
}

impl Screen {
    /// Takes the terminal: raw mode, alternate screen, mouse.
    ///
    /// # Errors
    ///
    /// Where standard output is no terminal, or it breaks meanwhile; nothing is left changed then.
    pub fn enter(color: bool) -> io::Result<Self> {
        if !rustix::termios::isatty(rustix::stdio::stdout()) {
            return Err(io::Error::other("standard output is no terminal"));
        }
        // crossterm reads NO_COLOR by itself; who decides here is the theme.
        crossterm::style::force_color_output(color);
        restore_on_panic();
        let output = Output::stdout();
        let gone = output.gone();
        let mut screen = Self { terminal: Terminal::new(CrosstermBackend::new(output))?, gone, away: false };
        screen.take()?;
        Ok(screen)
    }

    /// Draws a frame; what did not change is not written.
    ///
    /// # Errors
    ///
    /// Where the terminal is gone.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if self.away {
            self.resume()?;
        }
        if self.away {
            return Ok(());
        }
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        let drawn = self.terminal.draw(draw).map(drop);
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        self.terminal.backend_mut().flush()?;
        drawn
    }

    /// Whether the shell has the terminal. Shells do not say when they give it back: drawing finds out.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        self.away
    }

    /// Width and height in cells.
    ///
    /// # Errors
    ///
    /// Where the terminal does not say.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height))
    }

    /// Gives the terminal back, stops this process as the terminal's own Ctrl-Z would, and takes it again
    /// when the process is continued.
    ///
    /// # Errors
    ///
    /// Where the terminal is gone.
    pub fn suspend(&mut self) -> io::Result<()> {
        give_back();
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        self.resume()
    }

    /// Takes the terminal again after somebody else had it, and forgets what it showed. A process that was
    /// continued in the background leaves it alone: it would be stopped, and the loop it watches with it.
    ///
    /// # Errors
    ///
    /// Where the terminal is gone.
    pub fn resume(&mut self) -> io::Result<()> {
        self.away = !in_foreground();
        if self.away {
            return Ok(());
        }
        // Raw mode is set anew only where it was left.
        disable_raw_mode()?;
        self.take()?;
        self.redraw()
    }

    /// Forgets what the terminal shows, so that the next frame is written in full.
    ///
    /// # Errors
    ///
    /// Where the terminal is gone.
    pub fn redraw(&mut self) -> io::Result<()> {
        // `clear` would ask the terminal where its cursor is, and the answer would come in as keys.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))
    }

    fn take(&mut self) -> io::Result<()> {
        ENTERED.store(true, Ordering::SeqCst);
        let taken = enable_raw_mode().and_then(|()| {
            execute!(self.terminal.backend_mut(), EnterAlternateScreen, Hide, Print(MOUSE_ON))
        });
        if taken.is_err() {
            give_back();
        }
        taken
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
        // ratatui shows the cursor again when dropped, and complains on standard error where it cannot.
        self.gone.store(true, Ordering::Relaxed);
    }
}

/// Whether the terminal is this process's to read and to set. In doubt it is.
fn in_foreground() -> bool {
    let foreground = rustix::termios::tcgetpgrp(rustix::stdio::stdout());
    foreground.map_or(true, |foreground| foreground == rustix::process::getpgrp())
}

/// Undoes [`Screen::take`], once. Errors have nobody left to hear them.
fn give_back() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut bytes = Vec::new();
    let queued =
        queue!(bytes, EndSynchronizedUpdate, Print(MOUSE_OFF), ResetColor, LeaveAlternateScreen, Show);
    if queued.is_ok() {
        let mut output = Output::stdout();
        let _ = output.write_all(&bytes).and_then(|()| output.flush());
    }
    let _ = disable_raw_mode();
}

/// A panic of the drawing thread gives the terminal back before its message is printed. One of another
/// thread, which its owner may well have caught, must not be printed over the picture: it is logged.
fn restore_on_panic() {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !ENTERED.load(Ordering::SeqCst) {
                return before(panic);
            }
            if drawing_thread() == Some(std::thread::current().id()) {
                give_back();
                return before(panic);
            }
            tracing::error!(panic = %panic, "a thread panicked while the dashboard was drawn");
        }));
    });
    if let Ok(mut drawing) = DRAWING.lock() {
        *drawing = Some(std::thread::current().id());
    }
}

static DRAWING: std::sync::Mutex<Option<ThreadId>> = std::sync::Mutex::new(None);

fn drawing_thread() -> Option<ThreadId> {
    DRAWING.lock().ok().and_then(|drawing| *drawing)
}
