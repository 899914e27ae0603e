//! Wakes the dashboard for events other than its own clock: keys, the mouse, signals, a closed terminal.
//!
//! Two threads block, one on the terminal and one on signals, and send to a common channel.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::{Handle, Signals};

use super::output::in_foreground;
use super::parse::{Input, Parser};
use crate::app::message::Mouse;
use crate::io::interrupt::GRACE;
use crate::keymap::Key;

/// After this long, an Esc is a key: terminals send the rest of a sequence at once, slow lines almost so.
const SEQUENCE_TIMEOUT: Timespec = Timespec { tv_sec: 0, tv_nsec: 30_000_000 };

/// How often a process in the background checks for the foreground, while terminal input is pending.
const BACKGROUND_NAP: Duration = Duration::from_millis(200);

/// Why the dashboard woke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// A key.
    Key(Key),
    /// A mouse action.
    Mouse(Mouse),
    /// The terminal was resized.
    Resize,
    /// A signal asks to suspend this program: TSTP.
    Stop,
    /// This program was continued: CONT.
    Continue,
    /// A signal with this number asks the dashboard to end.
    Terminate(i32),
    /// The terminal was closed.
    Gone,
}

/// The threads that wake the dashboard. Dropping it ends them.
#[derive(Debug)]
pub struct Wakers {
    wakes: Receiver<Wake>,
    signals: Handle,
    /// Ends the input thread when closed.
    _input_stop: OwnedFd,
}

impl Wakers {
    /// Starts to listen to the terminal and to signals.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no terminal, or the system has no descriptors or threads left.
    pub fn start() -> io::Result<Self> {
        let (sender, wakes) = mpsc::channel();
        let (input_stopped, input_stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let signals = listen_to_signals(sender.clone())?;
        let tty = Tty::open()?;
        std::thread::Builder::new().name("loopscope-input".to_owned()).spawn(move || {
            if let Err(error) = read_input(&tty, &input_stopped, &sender) {
                tracing::warn!(%error, "cannot read the terminal");
                let _ = sender.send(Wake::Gone);
            }
        })?;
        Ok(Self { wakes, signals, _input_stop: input_stop })
    }

    /// Waits for at most `timeout`.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> Option<Wake> {
        match self.wakes.recv_timeout(timeout) {
            Ok(wake) => Some(wake),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Wake::Gone),
        }
    }
}

impl Drop for Wakers {
    fn drop(&mut self) {
        let generation = GENERATION.load(Ordering::SeqCst);
        let restore = move || {
            std::thread::sleep(GRACE);
            let is_newest = GENERATION.load(Ordering::SeqCst) == generation;
            over().fetch_or(is_newest, Ordering::SeqCst);
        };
        if std::thread::Builder::new().spawn(restore).is_err() {
            over().store(true, Ordering::SeqCst);
        }
        self.signals.close();
    }
}

/// The number of dashboards that have begun to listen.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Set while no dashboard listens, beginning [`GRACE`] after its end: signals then have their default effect, which
/// signal-hook would otherwise disable for good.
fn over() -> &'static Arc<AtomicBool> {
    static OVER: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    OVER.get_or_init(|| Arc::new(AtomicBool::new(true)))
}

fn listen_to_signals(sender: Sender<Wake>) -> io::Result<Handle> {
    static DEFAULTS: OnceLock<()> = OnceLock::new();
    GENERATION.fetch_add(1, Ordering::SeqCst);
    over().store(false, Ordering::SeqCst);
    if DEFAULTS.set(()).is_ok() {
        for signal in [SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGTSTP] {
            signal_hook::flag::register_conditional_default(signal, Arc::clone(over()))?;
        }
    }
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGCONT, SIGWINCH])?;
    let handle = signals.handle();
    std::thread::Builder::new().name("loopscope-signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let wake = match signal {
                SIGTSTP => Wake::Stop,
                SIGCONT => Wake::Continue,
                SIGWINCH => Wake::Resize,
                SIGHUP => Wake::Gone,
                signal => Wake::Terminate(signal),
            };
            if sender.send(wake).is_err() {
                return;
            }
        }
    })?;
    Ok(handle)
}

/// The terminal for keys: standard input, else the controlling terminal, as in crossterm.
#[derive(Debug)]
enum Tty {
    Stdin,
    Opened(File),
}

impl Tty {
    fn open() -> io::Result<Self> {
        if rustix::termios::isatty(rustix::stdio::stdin()) {
            return Ok(Self::Stdin);
        }
        File::options().read(true).write(true).open("/dev/tty").map(Self::Opened)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stdin => rustix::stdio::stdin(),
            Self::Opened(file) => file.as_fd(),
        }
    }
}

fn read_input(tty: &Tty, stopped: &OwnedFd, sender: &Sender<Wake>) -> io::Result<()> {
    let mut parser = Parser::default();
    let mut bytes = [0; 1024];
    loop {
        let tty = tty.as_fd();
        let mut ready = [PollFd::new(&tty, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        let timeout = parser.is_waiting().then_some(&SEQUENCE_TIMEOUT);
        match rustix::event::poll(&mut ready, timeout) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        if !ready[1].revents().is_empty() {
            return Ok(());
        }
        if ready[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            let _ = sender.send(Wake::Gone);
            return Ok(());
        }
        if ready[0].revents().is_empty() {
            // The rest of the sequence did not arrive in time.
            if let Some(input) = parser.give_up()
                && sender.send(input.into()).is_err()
            {
                return Ok(());
            }
            continue;
        }
        if !in_foreground() {
            // The input belongs to the shell, and reading it would stop this process.
            std::thread::sleep(BACKGROUND_NAP);
            continue;
        }
        let read = match rustix::io::read(tty, &mut bytes) {
            Ok(0) | Err(Errno::IO) => {
                let _ = sender.send(Wake::Gone);
                return Ok(());
            }
            Err(Errno::INTR | Errno::AGAIN) => continue,
            read => read?,
        };
        parser.feed(&bytes[..read], |input| {
            // On an error the receiver is gone, and the descriptor that ends this thread is about to close.
            let _ = sender.send(input.into());
        });
    }
}

impl From<Input> for Wake {
    fn from(input: Input) -> Self {
        match input {
            Input::Key(key) => Self::Key(key),
            Input::Mouse(mouse) => Self::Mouse(mouse),
        }
    }
}
