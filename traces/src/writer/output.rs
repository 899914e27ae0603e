//! Where a trace goes: anything that can be cut back.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use rustix::io::Errno;

/// Where a trace is written to.
pub trait TraceOutput: Write {
    /// Cuts the output back to its first `len` bytes and goes on writing there.
    ///
    /// # Errors
    ///
    /// What the output says.
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// There is a whole block in it: a file that is read while it is written can be shown.
    ///
    /// # Errors
    ///
    /// What the output says.
    fn has_block(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Everything was written: it has to last.
    ///
    /// # Errors
    ///
    /// What the output says.
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
            // A pipe or a device has no disk behind it.
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
