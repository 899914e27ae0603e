//! A disk with short writes, little space, a process that is killed in the middle of a write, and failing
//! syncs.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use loop_traces::writer::TraceOutput;

/// The faults of a disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// The process is killed after this many bytes; the rest of that write is lost.
    pub(crate) dies_at_byte: Option<usize>,
    /// The disk is full after this many bytes.
    pub(crate) full_at_byte: Option<usize>,
    /// Writes are partial, or are interrupted.
    pub(crate) short_writes: bool,
    pub(crate) truncate_fails: bool,
    pub(crate) sync_fails: bool,
}

/// A disk whose clones share their contents, so that it outlives its writer.
#[derive(Clone, Debug)]
pub(crate) struct Disk(Arc<Mutex<DiskState>>);

#[derive(Debug)]
pub(crate) struct DiskState {
    pub(crate) bytes: Vec<u8>,
    faults: Faults,
    random: Rng,
    /// From now on, nothing reaches the file.
    pub(crate) dead: bool,
    /// A write failed.
    pub(crate) failed: bool,
    pub(crate) finished: bool,
    /// The file has replaced an older one.
    pub(crate) replaces: bool,
}

impl Disk {
    pub(crate) fn new(faults: &Faults, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(DiskState {
            bytes: Vec::new(),
            faults: faults.clone(),
            random: Rng::with_seed(seed ^ 0xd15c),
            dead: false,
            failed: false,
            finished: false,
            replaces: false,
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, DiskState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.state().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskState {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.dead || bytes.is_empty() {
            return Ok(bytes.len());
        }
        if self.faults.short_writes && self.random.u8(..4) == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let mut count =
            if self.faults.short_writes { self.random.usize(1..=bytes.len()) } else { bytes.len() };
        if let Some(full) = self.faults.full_at_byte {
            count = count.min(full.saturating_sub(self.bytes.len()));
            if count == 0 {
                self.failed = true;
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        if let Some(dies) = self.faults.dies_at_byte.filter(|dies| self.bytes.len() + count >= *dies) {
            count = dies.saturating_sub(self.bytes.len());
            self.dead = true;
            self.bytes.extend_from_slice(&bytes[..count]);
            return Ok(bytes.len());
        }
        self.bytes.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}

impl TraceOutput for Disk {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        if state.faults.truncate_fails {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if !state.dead {
            state.bytes.truncate(len as usize);
        }
        Ok(())
    }

    fn has_events(&mut self) -> io::Result<()> {
        let mut state = self.state();
        state.replaces |= !state.dead;
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let mut state = self.state();
        if state.faults.sync_fails {
            return Err(io::ErrorKind::Other.into());
        }
        state.finished = !state.dead;
        Ok(())
    }
}
