//! The commands, and the pipe that carries them. Both ends are non-blocking; bytes refused by a full pipe are counted.
//!
//! The sender holds both ends, so that sending to a loop that has ended returns an error and does not raise `SIGPIPE`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Command {
    /// Report the loop's state.
    Dump = b'D',
    /// Run a collection.
    Collect = b'G',
    /// End the run.
    Quit = b'Q',
    /// Report the loop's state, and end the run.
    DumpAndQuit = b'X',
    /// Start the next process of the queue.
    StartProcess = b'P',
}

impl Command {
    /// All commands.
    pub const ALL: [Self; 5] = [Self::Dump, Self::Collect, Self::Quit, Self::DumpAndQuit, Self::StartProcess];

    /// The byte that sends this command.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// The command for a byte; `None` if the byte is not a command.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.byte() == byte)
    }

    /// The label of the command's task.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Dump => "command dump",
            Self::Collect => "command collect",
            Self::Quit => "command quit",
            Self::DumpAndQuit => "command dump and quit",
            Self::StartProcess => "command start process",
        }
    }
}

/// Why a command could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The pipe is full, because the loop has not read its commands for a long time.
    #[error("the self-pipe is full: the loop has not read its commands for a long time")]
    Full,
    /// The loop has ended.
    #[error("the self-pipe is closed: the loop that it belongs to has ended")]
    Closed,
}

#[derive(Debug)]
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    sent: AtomicU64,
    refused: AtomicU64,
    is_closed: AtomicBool,
}

/// Sends commands to a loop, from any thread and from a signal handler. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CommandSender(Arc<Pipe>);

impl CommandSender {
    /// Sends a command. Never blocks.
    ///
    /// Async-signal-safe: makes one `write` and one atomic addition. It may change `errno`, which a signal handler must
    /// preserve; `signal-hook` does so.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] if the pipe is full, which is [counted](Self::refused); [`SendError::Closed`] if the
    /// loop has ended.
    pub fn send(&self, command: Command) -> Result<(), SendError> {
        self.send_byte(command.byte())
    }

    /// Sends any byte, as [`send`](Self::send) does for commands.
    ///
    /// # Errors
    ///
    /// The errors of [`send`](Self::send).
    pub fn send_byte(&self, byte: u8) -> Result<(), SendError> {
        let pipe = &*self.0;
        if pipe.is_closed.load(Ordering::Acquire) {
            return Err(SendError::Closed);
        }
        loop {
            match rustix::io::write(&pipe.write, &[byte]) {
                Ok(1..) => {
                    pipe.sent.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                // The only possible error is a full pipe: both ends are open as long as this sender exists.
                Ok(0) | Err(_) => {
                    pipe.refused.fetch_add(1, Ordering::Relaxed);
                    return Err(SendError::Full);
                }
            }
        }
    }

    /// Number of bytes sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// Number of bytes refused because the pipe was full.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Whether the loop has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed.load(Ordering::Acquire)
    }
}

/// The end that the loop reads. Dropped with the source's registration.
#[derive(Debug)]
pub(super) struct Reader(Arc<Pipe>);

impl Reader {
    /// Reads bytes from the pipe into `buffer`, and returns how many.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match rustix::io::read(&self.0.read, buffer) {
            Ok(bytes) => Ok(bytes),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.read.as_fd()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.is_closed.store(true, Ordering::Release);
    }
}

pub(super) fn open() -> io::Result<(Reader, CommandSender)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    let (sent, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    let pipe = Arc::new(Pipe { read, write, sent, refused, is_closed: AtomicBool::new(false) });
    Ok((Reader(Arc::clone(&pipe)), CommandSender(pipe)))
}
