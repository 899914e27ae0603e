//! The one place that writes to the terminal: collects what is drawn, and writes what the terminal accepts.
//!
//! A slow terminal, such as one behind a slow connection, must not stop the dashboard: a write takes only what fits, and
//! the rest stays here until there is room. Nothing is drawn until then, so that at most one frame waits.

use std::cell::RefCell;
use std::io::{self, Write};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use loop_probes::clock::monotonic_now;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// The most that is written at a time to a terminal that may block.
const BLOCKING_BYTES_MAX: usize = 256;

/// Collects bytes until they are flushed to the terminal. Clones share them. Dropping it writes nothing.
#[derive(Clone, Debug)]
pub(super) struct Output(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    bytes: Vec<u8>,
    /// Whether a write failed, or must not happen any more.
    is_gone: bool,
    /// The terminal, opened again: the shell shares standard output, and would not expect it not to block.
    own: Option<OwnedFd>,
}

impl Output {
    pub(super) fn stdout() -> Self {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let own = rustix::fs::open("/dev/fd/1", flags, Mode::empty()).ok();
        Self(Rc::new(RefCell::new(Inner { bytes: Vec::new(), is_gone: false, own })))
    }

    /// Discards all further output.
    pub(super) fn discard(&self) {
        let mut inner = self.0.borrow_mut();
        inner.is_gone = true;
        inner.bytes.clear();
    }

    /// Writes what is left of earlier output, as far as the terminal accepts it; returns whether nothing is left.
    ///
    /// # Errors
    ///
    /// Returns an error if the terminal is gone.
    pub(super) fn is_clear(&self) -> io::Result<bool> {
        let mut inner = self.0.borrow_mut();
        inner.send()?;
        Ok(inner.bytes.is_empty())
    }

    /// Writes everything, unless the terminal does not accept it within `time`.
    ///
    /// # Errors
    ///
    /// Returns an error if the terminal is gone.
    pub(super) fn flush_within(&self, time: Duration) -> io::Result<()> {
        let began = monotonic_now();
        while !self.is_clear()? {
            let spent = Duration::from_nanos(monotonic_now().ns_since(began));
            let Some(left) = time.checked_sub(spent).filter(|left| !left.is_zero()) else { break };
            let inner = self.0.borrow();
            is_writable(inner.terminal(), left)?;
        }
        Ok(())
    }
}

impl Inner {
    fn terminal(&self) -> BorrowedFd<'_> {
        match &self.own {
            Some(own) => own.as_fd(),
            None => rustix::stdio::stdout(),
        }
    }

    /// Writes what the terminal accepts.
    fn send(&mut self) -> Result<(), Errno> {
        if self.is_gone {
            self.bytes.clear();
        }
        let mut sent = 0;
        let result = loop {
            let rest = &self.bytes[sent..];
            if rest.is_empty() {
                break Ok(());
            }
            let part = match &self.own {
                Some(_) => rest,
                None => match is_writable(self.terminal(), Duration::ZERO) {
                    Ok(true) => &rest[..rest.len().min(BLOCKING_BYTES_MAX)],
                    Ok(false) => break Ok(()),
                    Err(error) => break Err(error),
                },
            };
            match rustix::io::write(self.terminal(), part) {
                Ok(0) => break Err(Errno::IO),
                Ok(written) => sent += written,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.bytes.drain(..sent);
        if result.is_err() {
            self.is_gone = true;
            self.bytes.clear();
        }
        result
    }
}

/// Waits until the terminal accepts more; returns whether it does.
fn is_writable(terminal: BorrowedFd<'_>, time: Duration) -> Result<bool, Errno> {
    let mut ready = [PollFd::new(&terminal, PollFlags::OUT)];
    let time = Timespec::try_from(time).ok();
    match rustix::event::poll(&mut ready, time.as_ref()) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether this process is in the foreground and may use the terminal; true if that is unknown.
pub(super) fn in_foreground() -> bool {
    let foreground = rustix::termios::tcgetpgrp(rustix::stdio::stdout());
    foreground.map_or(true, |foreground| foreground == rustix::process::getpgrp())
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Writes what the terminal accepts; the rest waits for [`is_clear`](Self::is_clear).
    fn flush(&mut self) -> io::Result<()> {
        Ok(self.0.borrow_mut().send()?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    fn to(own: OwnedFd) -> Output {
        Output(Rc::new(RefCell::new(Inner { bytes: Vec::new(), is_gone: false, own: Some(own) })))
    }

    #[test]
    fn what_does_not_fit_waits_and_arrives_whole() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        let mut output = to(writer);
        // More than a pipe holds.
        let frame: Vec<u8> = (0..300_000u32).map(|byte| byte as u8).collect();
        output.write_all(&frame).unwrap();
        output.flush().unwrap();
        assert!(!output.is_clear().unwrap());
        let began = monotonic_now();
        output.flush_within(Duration::from_millis(20)).unwrap();
        assert!(monotonic_now().ns_since(began) >= 20_000_000 && !output.is_clear().unwrap());
        let (mut reader, mut read) = (std::fs::File::from(reader), Vec::new());
        while !output.is_clear().unwrap() {
            let mut part = [0; 10_000];
            let count = reader.read(&mut part).unwrap();
            read.extend_from_slice(&part[..count]);
        }
        drop(output);
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, frame);
    }

    #[test]
    fn output_to_a_terminal_that_is_gone_is_discarded() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        let mut output = to(writer);
        drop(reader);
        output.write_all(b"frame").unwrap();
        assert!(output.flush().is_err());
        output.write_all(b"another").unwrap();
        assert!(output.flush().is_ok() && output.is_clear().unwrap());
    }
}
