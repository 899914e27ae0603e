//! Outputs for a trace: anything that can be truncated.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use rustix::io::Errno;

/// The output of a trace.
pub trait TraceOutput: Write {
    /// Truncates the output to its first `len` bytes and continues writing there.
    ///
    /// # Errors
    ///
    /// Errors of the output.
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// Called once it holds a whole block: from then on a file that is read while being written can be shown.
    ///
    /// # Errors
    ///
    /// Errors of the output.
    fn has_block(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Whether what was written is where the caller wanted it; a file that is made aside is not, until it is finished.
    fn is_in_place(&self) -> bool {
        true
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

    fn has_block(&mut self) -> io::Result<()> {
        (**self).has_block()
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
