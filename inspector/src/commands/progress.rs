//! What is shown while a command works: a line on a terminal's standard error, nothing elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// How often it is drawn, a second.
const HZ: u8 = 10;

/// A bar for work of so much, where that is known, drawn as `template` says.
pub(super) fn bar(size: Option<u64>, template: &str) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::term_like_with_hz(Box::new(Line), HZ)
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(size, target);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("━╸ ")),
        Err(_) => bar,
    }
}

/// The same for work of which nobody knows how much there is: it moves although nothing is told.
pub(super) fn spinner(template: &str) -> ProgressBar {
    let bar = bar(None, template);
    bar.enable_steady_tick(Duration::from_secs(1) / u32::from(HZ));
    bar
}

/// Cells that stay free behind it.
const FREE: u16 = 4;

/// The line of standard error that it is drawn on: not quite as wide as the terminal, because the `^C` that is echoed
/// behind it would begin another line, and this one would stay.
#[derive(Debug)]
struct Line;

impl Line {
    fn escape(cells: usize, direction: char) -> io::Result<()> {
        if cells == 0 { Ok(()) } else { write!(io::stderr(), "\x1b[{cells}{direction}") }
    }
}

impl TermLike for Line {
    fn width(&self) -> u16 {
        let size = rustix::termios::tcgetwinsize(io::stderr()).map_or(80, |size| size.ws_col);
        if size == 0 { 80 } else { size }.saturating_sub(FREE).max(1)
    }

    fn move_cursor_up(&self, cells: usize) -> io::Result<()> {
        Self::escape(cells, 'A')
    }

    fn move_cursor_down(&self, cells: usize) -> io::Result<()> {
        Self::escape(cells, 'B')
    }

    fn move_cursor_right(&self, cells: usize) -> io::Result<()> {
        Self::escape(cells, 'C')
    }

    fn move_cursor_left(&self, cells: usize) -> io::Result<()> {
        Self::escape(cells, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        writeln!(io::stderr(), "{text}")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        write!(io::stderr(), "{text}")
    }

    fn clear_line(&self) -> io::Result<()> {
        write!(io::stderr(), "\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        io::stderr().flush()
    }
}
