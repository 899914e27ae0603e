//! Where a frame is collected until it is whole, and the one place that writes to the terminal.

use std::io::{self, Write};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

/// Collects bytes; [`send`](Self::send) writes them to standard output. Dropping it writes nothing.
#[derive(Debug)]
pub(super) struct Output {
    bytes: Vec<u8>,
    gone: bool,
}

impl Output {
    pub(super) const fn stdout() -> Self {
        Self { bytes: Vec::new(), gone: false }
    }

    /// Writes what was collected, in one piece where the terminal takes it.
    pub(super) fn send(&mut self) -> io::Result<()> {
        if self.gone {
            self.bytes.clear();
            return Ok(());
        }
        let sent = write_all(&self.bytes);
        self.bytes.clear();
        self.gone = sent.is_err();
        sent.map_err(io::Error::from)
    }

    /// From here on everything goes nowhere.
    pub(super) fn close(&mut self) {
        self.bytes.clear();
        self.gone = true;
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Does nothing: a frame is sent when it is whole.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_all(mut bytes: &[u8]) -> Result<(), Errno> {
    let stdout = rustix::stdio::stdout();
    while !bytes.is_empty() {
        match rustix::io::write(stdout, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // Somebody who shares the terminal made it non-blocking: wait until it takes more.
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
