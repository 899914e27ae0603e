//! Making the file: allocated before it is mapped, locked before it is seen.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{CWD, FallocateFlags, FlockOperation, Mode, OFlags, RenameFlags, fallocate, flock, openat};

use super::identity::Identity;
use crate::memory::{Region, WORD_BYTES};

/// How the name of a finished file ends.
pub(crate) const EXTENSION: &str = "ring";

/// A file that this process made and holds the lock of.
#[derive(Debug)]
pub(crate) struct SharedFile {
    file: File,
    path: PathBuf,
}

impl SharedFile {
    /// Makes an unnamed-as-yet file of `bytes` in `folder`, mode 0600, and locks it.
    pub(crate) fn create(folder: &Path, who: &Identity, bytes: usize) -> io::Result<(Self, Region)> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{}-{count}.making", who.pid, who.start_time);
        let path = folder.join(name);
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file: OwnedFd = openat(CWD, &path, flags, Mode::RUSR | Mode::WUSR)?;
        let made = Self { file: File::from(file), path };
        // From here on the half-made file goes when it does not become whole.
        let region = made.lock_and_map(bytes).inspect_err(|_| made.remove())?;
        Ok((made, region))
    }

    fn lock_and_map(&self, bytes: usize) -> io::Result<Region> {
        flock(&self.file, FlockOperation::NonBlockingLockExclusive)?;
        self.extend(0, bytes)
    }

    /// Gives the finished file the name under which it is found.
    pub(crate) fn publish(&mut self) -> io::Result<()> {
        let path = self.path.with_extension(EXTENSION);
        rustix::fs::renameat_with(CWD, &self.path, CWD, &path, RenameFlags::NOREPLACE)
            .inspect_err(|_| self.remove())?;
        self.path = path;
        Ok(())
    }

    /// Allocates `bytes` from `offset` on, for good, and maps them. A full filesystem is an error here and not
    /// a SIGBUS later.
    pub(crate) fn extend(&self, offset: usize, bytes: usize) -> io::Result<Region> {
        fallocate(&self.file, FallocateFlags::empty(), offset as u64, bytes as u64)?;
        Region::mapped(&self.file, offset as u64, bytes / WORD_BYTES)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the file out of the folder; who has it open keeps it.
    pub(crate) fn remove(&self) {
        // It may be gone already, and there is nobody to tell.
        let _gone = std::fs::remove_file(&self.path);
    }
}
