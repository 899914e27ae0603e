//! Trace outputs: anything that can be truncated.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use rustix::io::Errno;

/// How another program changed a file while it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The file has fewer bytes than were written.
    Truncated,
    /// The file has more bytes than were written.
    Extended,
    /// The file has no name any more: it ceases to exist when it is closed.
    Removed,
    /// The file has another name.
    Moved,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => {
                "was truncated by another program while it was written: what was recorded before is lost"
            }
            Self::Extended => {
                "was written to by another program at the same time: what is recorded in it may be damaged"
            }
            Self::Removed => {
                "was removed or replaced by another program while it was written: what was recorded is lost"
            }
            Self::Moved => {
                "was moved by another program while it was written: the whole recording is where it was moved to"
            }
        })
    }
}

/// The output of a trace.
pub trait TraceOutput: Write {
    /// Truncates the output to its first `len` bytes; later writes continue there.
    ///
    /// # Errors
    ///
    /// Errors of the output.
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// Called once the output holds a whole block of events, which makes a recording worth showing at its final path.
    ///
    /// # Errors
    ///
    /// Errors of the output.
    fn has_events(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Whether the output is at its final path. A file written beside it is not, until it is finished.
    fn is_in_place(&self) -> bool {
        true
    }

    /// How another program changed the output, which should hold the `bytes` written so far. `None` if it is unchanged
    /// or if that cannot be determined.
    fn changed(&self, _bytes: u64) -> Option<Change> {
        None
    }

    /// Called after the last write: makes the output durable.
    ///
    /// # Errors
    ///
    /// Errors of the output.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TraceOutput for File {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        self.seek(SeekFrom::Start(len)).map(|_| ())
    }

    fn finish(&mut self) -> io::Result<()> {
        match self.sync_all() {
            // A pipe or a device is not backed by a disk.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::INVAL | Errno::ROFS)) => Ok(()),
            synced => synced,
        }
    }
}

impl<W: TraceOutput> TraceOutput for &mut W {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        (**self).truncate(len)
    }

    fn has_events(&mut self) -> io::Result<()> {
        (**self).has_events()
    }

    fn is_in_place(&self) -> bool {
        (**self).is_in_place()
    }

    fn changed(&self, bytes: u64) -> Option<Change> {
        (**self).changed(bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        (**self).finish()
    }
}

impl TraceOutput for Vec<u8> {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        Self::truncate(self, usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }
}
