//! Creates the file: allocated before it is mapped, locked before it is visible.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, FallocateFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags, fallocate, flock, openat,
    renameat_with, statat, unlinkat,
};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Resource, getrlimit};

use super::folder::Folder;
use super::identity::Identity;
use super::layout::PAGE_BYTES;
use super::original::FileIdentity;
use crate::clock::wall_ns;
use crate::memory::{Region, WORD_BYTES};

/// Extension of a finished file.
pub(crate) const EXTENSION: &str = "ring";

/// Extension of a file under construction.
pub(crate) const EXTENSION_HALF: &str = "making";

/// Upper bound on the time it takes to create a file.
const MAKING_NS_MAX: u64 = 60_000_000_000;

/// A file that this process created and holds the lock of.
#[derive(Debug)]
pub(crate) struct SharedFile {
    file: File,
    folder: Folder,
    name: String,
    /// Path of the finished file.
    path: PathBuf,
    /// Whether its regions are [guarded](Region::mapped).
    guarded: bool,
    /// Length of the file as created, in bytes.
    bytes: AtomicU64,
}

impl SharedFile {
    /// Creates a file of `bytes` in `folder` under a provisional name, mode 0600, and locks it.
    pub(crate) fn create(
        folder: Folder,
        identity: &Identity,
        bytes: usize,
        guarded: bool,
    ) -> io::Result<(Self, Region)> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let stem = format!("{}-{}-{count}", identity.pid, identity.start_time);
        let (name, path) =
            (format!("{stem}.{EXTENSION_HALF}"), folder.path().join(format!("{stem}.{EXTENSION}")));
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file: OwnedFd = openat(&folder, &name, flags, Mode::RUSR | Mode::WUSR)?;
        let made = Self { file: File::from(file), folder, name, path, guarded, bytes: AtomicU64::new(0) };
        // From here on, a failure removes the half-made file.
        let region = made.lock_and_map(bytes).inspect_err(|_| made.remove())?;
        Ok((made, region))
    }

    fn lock_and_map(&self, bytes: usize) -> io::Result<Region> {
        flock(&self.file, FlockOperation::NonBlockingLockExclusive)?;
        self.extend(0, bytes)
    }

    /// Renames the finished file to the name under which readers find it.
    pub(crate) fn publish(&mut self) -> io::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        renameat_with(&self.folder, &self.name, &self.folder, &name, RenameFlags::NOREPLACE)
            .inspect_err(|_| self.remove())?;
        self.name = name;
        Ok(())
    }

    /// Allocates `bytes` from `offset` on permanently and maps them. A full filesystem is then an error here
    /// and not a SIGBUS later; a limit on file sizes is an error and not a SIGXFSZ.
    pub(crate) fn extend(&self, offset: usize, bytes: usize) -> io::Result<Region> {
        let end = (offset + bytes) as u64;
        if let Some(limit) = size_limit().filter(|limit| end > *limit) {
            let why = format!(
                "it would be larger than this process's limit on file sizes, {limit} bytes (ulimit -f)"
            );
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        match retry_on_intr(|| fallocate(&self.file, FallocateFlags::empty(), offset as u64, bytes as u64)) {
            // On filesystems without `fallocate`, writing reserves the room.
            Err(Errno::OPNOTSUPP) => self.fill(offset, bytes)?,
            allocated => allocated?,
        }
        self.bytes.fetch_max(end, Ordering::Release);
        Region::mapped(&self.file, offset as u64, bytes / WORD_BYTES, self.guarded)
    }

    /// Whether the file was truncated.
    pub(crate) fn is_cut(&self) -> bool {
        // Loaded first: a ring that another thread adds between the two must not look like a truncation.
        let bytes = self.bytes.load(Ordering::Acquire);
        self.file.metadata().is_ok_and(|found| found.len() < bytes)
    }

    fn fill(&self, offset: usize, bytes: usize) -> io::Result<()> {
        let zeros = [0; PAGE_BYTES];
        for at in (offset..offset + bytes).step_by(PAGE_BYTES) {
            let end = (offset + bytes).min(at + PAGE_BYTES);
            self.file.write_all_at(&zeros[..end - at], at as u64)?;
        }
        Ok(())
    }

    /// What distinguishes the file from a copy of it.
    pub(crate) fn identity(&self) -> io::Result<FileIdentity> {
        FileIdentity::of(&self.file)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file from the folder; processes that have it open keep it.
    pub(crate) fn remove(&self) {
        // It may be gone already.
        let _gone = unlinkat(&self.folder, &self.name, AtFlags::empty());
    }
}

/// Largest file that this process may have: one byte more, and the kernel sends SIGXFSZ.
pub(crate) fn size_limit() -> Option<u64> {
    getrlimit(Resource::Fsize).current
}

/// Removes the leftovers of a process that died while creating a file.
pub(crate) fn sweep(folder: &Folder, name: &OsStr) {
    let is_old = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|half| {
        let made_ns = u64::try_from(half.st_mtime).unwrap_or(0).saturating_mul(1_000_000_000);
        let is_file = FileType::from_raw_mode(half.st_mode) == FileType::RegularFile;
        is_file && wall_ns().saturating_sub(made_ns) > MAKING_NS_MAX
    });
    if is_old {
        remove(folder, name);
    }
}

/// Removes a file from the folder.
pub(crate) fn remove(folder: &Folder, name: &OsStr) {
    // Another reader may have been faster.
    let _gone = unlinkat(folder, name, AtFlags::empty());
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_file_is_whole_or_not_there() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::prepare(&scratch.path().join("rings")).unwrap();
        let identity = Identity::own();
        let (mut made, region) = SharedFile::create(folder, &identity, 3 * PAGE_BYTES, false).unwrap();
        assert_eq!(region.len(), 3 * PAGE_BYTES / WORD_BYTES);
        assert!(made.name.ends_with(EXTENSION_HALF) && !made.path().exists());
        // Whatever is at the path of the folder now, the file stays in the folder that was checked.
        let moved = scratch.path().join("moved");
        std::fs::rename(scratch.path().join("rings"), &moved).unwrap();
        std::fs::create_dir(scratch.path().join("rings")).unwrap();
        made.publish().unwrap();
        assert!(!made.path().exists());
        let found = moved.join(made.path().file_name().unwrap());
        let mode = std::fs::metadata(&found).unwrap().mode();
        assert_eq!((found.extension().unwrap().to_str(), mode & 0o777), (Some(EXTENSION), 0o600));
        made.fill(PAGE_BYTES, 5000).unwrap();
        made.remove();
        assert_eq!(std::fs::read_dir(&moved).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_grows_is_never_cut() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::prepare(&scratch.path().join("rings")).unwrap();
        let (made, _region) = SharedFile::create(folder, &Identity::own(), PAGE_BYTES, false).unwrap();
        std::thread::scope(|scope| {
            let growing = scope.spawn(|| {
                for page in 1..4_000 {
                    made.extend(page * PAGE_BYTES, PAGE_BYTES).unwrap();
                }
            });
            while !growing.is_finished() {
                assert!(!made.is_cut());
            }
        });
        made.file.set_len(PAGE_BYTES as u64).unwrap();
        assert!(made.is_cut());
        made.remove();
    }

    #[test]
    fn old_halves_are_swept_and_young_ones_stay() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::prepare(&scratch.path().join("rings")).unwrap();
        let half = folder.path().join("1-1-0.making");
        let file = File::create(&half).unwrap();
        sweep(&folder, half.file_name().unwrap());
        assert!(half.exists());
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        sweep(&folder, half.file_name().unwrap());
        assert!(!half.exists());
    }
}
