//! A real terminal for tests and pictures: the program runs on a pty, and an emulator holds its screen.

use std::io::{Read as _, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// The longest wait for any condition: far beyond what a healthy program needs on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The start and end of a frame, whose contents appear at once.
const FRAME_BEGINS: &[u8] = b"\x1b[?2026h";
const FRAME_ENDS: &[u8] = b"\x1b[?2026l";

/// How many of `bytes` a terminal with synchronized updates shows: those before an incomplete frame, or before an
/// incomplete mark of one.
fn shown(bytes: &[u8]) -> usize {
    let last = |mark: &[u8]| bytes.windows(mark.len()).rposition(|found| found == mark);
    match (last(FRAME_BEGINS), last(FRAME_ENDS)) {
        (Some(begins), ends) if ends.is_none_or(|ends| ends < begins) => begins,
        _ => {
            let cut = (1..FRAME_BEGINS.len()).rev().find(|held| bytes.ends_with(&FRAME_BEGINS[..*held]));
            bytes.len() - cut.unwrap_or(0)
        }
    }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a terminal has cells")
}

/// The clipboard of a terminal, which programs can write.
#[derive(Default)]
struct Clipboard {
    text: String,
}

impl vt100::Callbacks for Clipboard {
    fn copy_to_clipboard(&mut self, _screen: &mut vt100::Screen, _kind: &[u8], data: &[u8]) {
        let bytes = STANDARD.decode(data).expect("a copy is in base64");
        self.text = String::from_utf8(bytes).expect("a copy is text");
    }
}

/// A program on a terminal of its own.
pub(crate) struct Terminal {
    screen: Arc<Mutex<vt100::Parser<Clipboard>>>,
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
}

impl Terminal {
    /// Starts `program` with `arguments` and the extra variables `environment` on `columns` × `rows`.
    pub(crate) fn start(
        program: &str,
        arguments: &[String],
        environment: &[(String, String)],
        size: (u16, u16),
    ) -> anyhow::Result<Self> {
        Self::start_in(&std::env::current_dir()?, program, arguments, environment, size)
    }

    /// Like [`Terminal::start`], in `folder`.
    pub(crate) fn start_in(
        folder: &Path,
        program: &str,
        arguments: &[String],
        environment: &[(String, String)],
        (columns, rows): (u16, u16),
    ) -> anyhow::Result<Self> {
        let pty = native_pty_system().openpty(PtySize { rows, cols: columns, ..PtySize::default() })?;
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env_remove("NO_COLOR");
        for (name, value) in environment {
            command.env(name, value);
        }
        command.cwd(folder);
        let child = pty.slave.spawn_command(command)?;
        drop(pty.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new_with_callbacks(
            cells(rows),
            cells(columns),
            0,
            Clipboard::default(),
        )));
        let mut output = pty.master.try_clone_reader()?;
        let keyboard = pty.master.take_writer()?;
        std::thread::spawn({
            let screen = Arc::clone(&screen);
            move || {
                // A terminal delivers a frame in pieces; a screen must not mix the figures of one frame with the
                // headings of another.
                let (mut bytes, mut held) = ([0; 16 * 1024], Vec::new());
                while let Ok(count @ 1..) = output.read(&mut bytes) {
                    held.extend_from_slice(&bytes[..count]);
                    let whole = held.drain(..shown(&held)).collect::<Vec<u8>>();
                    screen.lock().expect("the emulator does not panic").process(&whole);
                }
                screen.lock().expect("the emulator does not panic").process(&held);
            }
        });
        Ok(Self { screen, master: pty.master, keyboard, child })
    }

    /// Types `keys`.
    pub(crate) fn send(&mut self, keys: &str) -> anyhow::Result<()> {
        self.keyboard.write_all(keys.as_bytes())?;
        Ok(self.keyboard.flush()?)
    }

    /// Reads the screen.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&vt100::Screen) -> R) -> R {
        look(self.screen.lock().expect("the emulator does not panic").screen())
    }

    /// The text on the screen.
    pub(crate) fn text(&self) -> String {
        self.look(vt100::Screen::contents)
    }

    /// What the program copied last.
    pub(crate) fn copied(&self) -> String {
        self.screen.lock().expect("the emulator does not panic").callbacks().text.clone()
    }

    /// Waits until the text on the screen satisfies `wanted`, and returns it.
    pub(crate) fn wait_for(&self, what: &str, mut wanted: impl FnMut(&str) -> bool) -> String {
        let step = Duration::from_millis(20);
        for _ in 0..PATIENCE.as_millis() / step.as_millis() {
            let text = self.text();
            if wanted(&text) {
                return text;
            }
            std::thread::sleep(step);
        }
        panic!("waited {PATIENCE:?} for {what}; the screen shows:\n{}", self.text());
    }

    /// Resizes the window to `columns` × `rows`. The screen gets the new size before the program is notified: otherwise
    /// a redraw for the new size would be cut to the old one, and not be repeated.
    pub(crate) fn resize(&self, columns: u16, rows: u16) -> anyhow::Result<()> {
        let mut screen = self.screen.lock().expect("the emulator does not panic");
        screen.screen_mut().set_size(cells(rows), cells(columns));
        self.master.resize(PtySize { rows, cols: columns, ..PtySize::default() })
    }

    /// The program's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().expect("a started program has an id")
    }

    /// Waits for the program to end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let step = Duration::from_millis(20);
        for _ in 0..PATIENCE.as_millis() / step.as_millis() {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                return status;
            }
            std::thread::sleep(step);
        }
        panic!("waited {PATIENCE:?} for the program to end; the screen shows:\n{}", self.text());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Ended already, or killed here: nothing may outlive its test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
