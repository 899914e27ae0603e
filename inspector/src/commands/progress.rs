//! Progress of a running command: one line on standard error if that is a terminal, otherwise nothing.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use loop_traces::chrome::import::Progress;

use crate::units;

/// Redraws per second.
const HZ: u8 = 10;

/// A progress bar drawn by `template`, for work of the given size if known.
fn bar(size: Option<u64>, template: &str) -> ProgressBar {
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

/// A spinner for work of unknown size. Moves even without progress messages.
pub(super) fn spinner(template: &str) -> ProgressBar {
    let bar = bar(None, template);
    bar.enable_steady_tick(Duration::from_secs(1) / u32::from(HZ));
    bar
}

/// The progress of an import.
pub(super) struct ImportBar {
    bar: ProgressBar,
    size: Option<u64>,
}

impl ImportBar {
    /// A bar for an input of the given number of bytes, if known.
    pub(super) fn new(size: Option<u64>) -> Self {
        let template = if size.is_some() {
            "{msg:12} {wide_bar} {percent:>3}%  {bytes_per_sec:>12}  {eta:>4} left"
        } else {
            "{msg:12} {spinner} {bytes}"
        };
        Self { bar: bar(size, template), size }
    }

    pub(super) fn show(&self, progress: Progress) {
        match progress {
            Progress::Reading { bytes, .. } => {
                self.bar.set_message("reading");
                self.bar.set_position(self.size.map_or(bytes, |size| bytes.min(size)));
            }
            Progress::Sorting { records } => {
                self.bar.set_message(format!("sorting {}", units::count(records)));
            }
            Progress::Writing { events } => {
                self.bar.set_message(format!("writing {}", units::count(events)));
            }
            _ => {}
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Cells left free after the line, for an echoed `^C`.
const FREE: u16 = 4;

/// A line on standard error, narrower than the terminal by [`FREE`] cells: if an echoed `^C` wrapped, clearing the line
/// would miss its first part.
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
