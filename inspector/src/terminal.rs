//! Sets up the terminal, and always restores it: on quit, error, panic, a signal, suspension.
//!
//! A frame is a synchronized update, so that it never appears half drawn; a frame interrupted by a panic is dropped.
//! Once a write fails, the terminal counts as gone and all further output is discarded, so that restoring cannot fail. A
//! terminal that accepts nothing for a while is left as it is.

mod output;
mod parse;
mod waker;

pub use waker::{Wake, Wakers};

use std::io::{self, Write as _};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;
use std::time::Duration;

use crossterm::clipboard::CopyToClipboard;
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

use output::{Output, in_foreground};

/// Enables clicks, drags and the wheel in SGR coordinates; not every motion, which would wake us for nothing.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1002l\x1b[?1000l";

/// How long a terminal may take to accept what restores it.
const PATIENCE: Duration = Duration::from_millis(500);

/// The alternate screen is active: the panic hook must leave it.
static ENTERED: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// The screen while the dashboard uses it. Dropping it restores the terminal.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Output>>,
    output: Output,
    /// Whether the shell has the terminal: drawing now would overwrite its output.
    away: bool,
}

impl Screen {
    /// Takes the terminal: raw mode, alternate screen, mouse.
    ///
    /// # Errors
    ///
    /// Returns an error if standard output is not a terminal, or a dumb one, or cannot be configured; the terminal is
    /// then left unchanged.
    pub fn enter(color: bool) -> io::Result<Self> {
        if !rustix::termios::isatty(rustix::stdio::stdout()) {
            return Err(io::Error::other("standard output is no terminal"));
        }
        if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
            return Err(io::Error::other("TERM is dumb"));
        }
        // crossterm reads NO_COLOR itself; here the theme decides.
        crossterm::style::force_color_output(color);
        restore_on_panic();
        let output = Output::stdout();
        let terminal = Terminal::new(CrosstermBackend::new(output.clone()))?;
        let mut screen = Self { terminal, output, away: false };
        screen.take()?;
        Ok(screen)
    }

    /// Whether the terminal has accepted everything that was drawn. Drawing before that would only add to what waits.
    ///
    /// # Errors
    ///
    /// Returns an error if the terminal is gone.
    pub fn is_ready(&self) -> io::Result<bool> {
        Ok(self.away || self.output.is_clear()?)
    }

    /// Draws a frame; unchanged cells are not written.
    ///
    /// # Errors
    ///
    /// Returns an error if the terminal is gone.
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

    /// Whether the shell has the terminal. Shells do not announce its return: drawing finds out.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        self.away
    }

    /// Width and height in cells.
    ///
    /// # Errors
    ///
    /// Returns an error if the terminal does not report it.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height))
    }

    /// Restores the terminal, stops this process as the terminal's own Ctrl-Z would, and takes the terminal again when
    /// the process is continued.
    ///
    /// # Errors
    ///
    /// Returns an error if the terminal is gone.
    pub fn suspend(&mut self) -> io::Result<()> {
        self.output.flush_within(PATIENCE)?;
        give_back();
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        self.resume()
    }

    /// Takes the terminal again after another program had it, and redraws everything. A process that was continued in
    /// the background leaves it alone: otherwise it would be stopped, and the loop it watches with it.
    ///
    /// # Errors
    ///
    /// Returns an error if the terminal is gone.
    pub fn resume(&mut self) -> io::Result<()> {
        self.away = !in_foreground();
        if self.away {
            return Ok(());
        }
        // crossterm sets raw mode only after it was left.
        disable_raw_mode()?;
        self.take()?;
        self.redraw()
    }

    /// Discards the previous frame, so that the next one is written in full.
    ///
    /// # Errors
    ///
    /// Returns an error if the terminal is gone.
    pub fn redraw(&mut self) -> io::Result<()> {
        // `clear` would query the cursor position, and the answer would arrive as keys.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))
    }

    /// Copies text to the clipboard of the terminal, which may not have one, or not let programs use it.
    ///
    /// # Errors
    ///
    /// Returns an error if the terminal is gone.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), CopyToClipboard::to_clipboard_from(text))
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
        // After a panic the terminal is restored already, and a frame half drawn must not be written.
        if ENTERED.load(Ordering::SeqCst) {
            // Half of a sequence would swallow what follows it. Nobody is left to tell of an error.
            let _ = self.output.flush_within(PATIENCE);
        }
        give_back();
        // ratatui shows the cursor again when dropped, and complains on standard error if it cannot.
        self.output.discard();
    }
}

/// Undoes [`Screen::take`], once. Errors are ignored: there is nowhere left to report them.
fn give_back() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut bytes = Vec::new();
    let queued =
        queue!(bytes, EndSynchronizedUpdate, Print(MOUSE_OFF), ResetColor, LeaveAlternateScreen, Show);
    if queued.is_ok() {
        let mut output = Output::stdout();
        let _ = output.write_all(&bytes).and_then(|()| output.flush_within(PATIENCE));
    }
    let _ = disable_raw_mode();
}

/// Installs a panic hook that restores the terminal before the drawing thread's panic is printed. A panic of another
/// thread may be caught and must not be printed over the screen, so the hook logs it.
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
