//! The one place that writes to the terminal: collects what is drawn, and writes it in one piece.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

/// Collects bytes until they are flushed to standard output. Dropping it writes nothing.
#[derive(Clone, Debug)]
pub(super) struct Output {
    bytes: Vec<u8>,
    gone: Arc<AtomicBool>,
}

impl Output {
    pub(super) fn stdout() -> Self {
        Self { bytes: Vec::new(), gone: Arc::default() }
    }

    /// A flag that, once set, discards all further output.
    pub(super) fn gone(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.gone)
    }
}

/// Whether this process is in the foreground and may use the terminal; true if that is unknown.
pub(super) fn in_foreground() -> bool {
    let foreground = rustix::termios::tcgetpgrp(rustix::stdio::stdout());
    foreground.map_or(true, |foreground| foreground == rustix::process::getpgrp())
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let gone = self.gone.load(Ordering::Relaxed);
        let sent = if gone { Ok(()) } else { write_all(&self.bytes) };
        self.bytes.clear();
        if sent.is_err() {
            self.gone.store(true, Ordering::Relaxed);
        }
        sent.map_err(io::Error::from)
    }
}

fn write_all(mut bytes: &[u8]) -> Result<(), Errno> {
    let stdout = rustix::stdio::stdout();
    while !bytes.is_empty() {
        match rustix::io::write(stdout, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // Another program that shares the terminal made it non-blocking: wait until it accepts more.
            Err(Errno::AGAIN) => {
                let mut ready = [PollFd::new(&stdout, PollFlags::OUT)];
                match rustix::event::poll(&mut ready, None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
