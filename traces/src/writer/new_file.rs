//! A file that appears as a whole: an existing file stays until the new one, written beside it, takes its place.
//!
//! If the filesystem allows, the new file has no name until then, so that `kill -9` leaves nothing behind.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, fcntl_getfl, fcntl_setfl, flock, linkat, openat,
};
use rustix::io::Errno;

use super::{Change, TraceOutput, WriteError};

/// The first bytes of a ring file.
const RING_MAGIC: [u8; 8] = *b"LOOPRING";

/// Traces hold command lines and file names, so only their owner may read them.
const PRIVATE: u32 = 0o600;

/// Maximum number of symbolic links followed to the target.
const LINKS_MAX: usize = 40;

/// Links to open descriptors. Linking to one names a file that has no name.
const DESCRIPTORS: &str = "/proc/self/fd";

/// A file that appears whole or not at all. A pipe or a device is written directly: there is no file to replace.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    /// The path as given by the user, for errors.
    path: PathBuf,
    place: Option<Place>,
    /// The final path, once the file is there.
    placed: Option<PathBuf>,
    /// Whether the file takes its place with its first block of events, to be readable while it is written.
    at_once: bool,
}

/// The file's destination.
#[derive(Debug)]
struct Place {
    target: PathBuf,
    /// The temporary path until then; `None` if the file has no name.
    temporary: Option<PathBuf>,
}

impl NewFile {
    /// Creates a file that replaces the one at `path` only when it is [finished](TraceOutput::finish). Only its owner
    /// can read it, unless it replaces a file, whose permissions it keeps.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if it cannot be created, or if the existing file must not be replaced: the ring of a process, a
    /// file that another writer holds, or a write-protected one.
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        let failed = |source: io::Error| WriteError::Create { path: path.to_owned(), source };
        let target = resolved(path).map_err(failed)?;
        let found = match fs::metadata(&target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            found => Some(found.map_err(failed)?),
        };
        if found.as_ref().is_some_and(|found| !found.is_file()) || is_descriptor(path) {
            let is_pipe = found.is_some_and(|found| found.file_type().is_fifo());
            let file = open_existing(path).map_err(|source| {
                let is_unread = is_pipe && source.raw_os_error() == Some(Errno::NXIO.raw_os_error());
                if is_unread { WriteError::Unread { path: path.to_owned() } } else { failed(source) }
            })?;
            return Ok(Self::opened(file, path));
        }
        refuse(path, &target)?;
        let (file, temporary) = create_temporary(&target).map_err(failed)?;
        let place = Some(Place { target, temporary });
        let new = Self { file, path: path.to_owned(), place, placed: None, at_once: false };
        if let Some(found) = found {
            let mode = found.permissions().mode() & 0o777;
            new.file.set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
        }
        // On a filesystem without locks this has no effect.
        let _ = flock(&new.file, FlockOperation::NonBlockingLockExclusive);
        Ok(new)
    }

    /// Like [`create`](Self::create), but for a recording: the file takes its place with its first block of events.
    ///
    /// # Errors
    ///
    /// Same as for [`create`](Self::create).
    pub fn create_recording(path: &Path) -> Result<Self, WriteError> {
        let mut new = Self::create(path)?;
        new.at_once = true;
        Ok(new)
    }

    /// Writes directly to `file`, which must be open and empty; it need not have a name. `path` is its name in errors.
    #[must_use]
    pub fn opened(file: File, path: &Path) -> Self {
        Self { file, path: path.to_owned(), place: None, placed: None, at_once: false }
    }

    fn take_place(&mut self) -> io::Result<()> {
        let Some(place) = &mut self.place else { return Ok(()) };
        refuse(&self.path, &place.target).map_err(io::Error::other)?;
        // Opened first: if that fails, nothing has changed.
        let folder = File::open(folder(&place.target))?;
        // Sync before naming: a name never refers to a file whose contents are not on disk.
        self.file.sync_all()?;
        if place.temporary.is_none() {
            place.temporary = link(&self.file, &place.target)?;
        }
        if let Some(temporary) = &place.temporary {
            fs::rename(temporary, &place.target)?;
        }
        self.placed = self.place.take().map(|place| place.target);
        folder.sync_all()
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl TraceOutput for NewFile {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        TraceOutput::truncate(&mut self.file, len)
    }

    fn has_events(&mut self) -> io::Result<()> {
        if self.at_once { self.take_place() } else { Ok(()) }
    }

    fn is_in_place(&self) -> bool {
        self.place.is_none()
    }

    fn changed(&self, bytes: u64) -> Option<Change> {
        let target = self.placed.as_ref()?;
        let own = self.file.metadata().ok()?;
        let is_there =
            || fs::metadata(target).is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino()));
        match own.len().cmp(&bytes) {
            Ordering::Less => Some(Change::Truncated),
            Ordering::Greater => Some(Change::Extended),
            Ordering::Equal if own.nlink() == 0 => Some(Change::Removed),
            Ordering::Equal => (!is_there()).then_some(Change::Moved),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.place.is_some() { self.take_place() } else { TraceOutput::finish(&mut self.file) }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(Place { temporary: Some(temporary), .. }) = &self.place {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Resolves the symbolic links of `path`, whose target need not exist.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&path) {
            Ok(to) => path = folder(&path).join(to),
            Err(_) => return Ok(path),
        }
    }
    Err(Errno::LOOP.into())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether the path names an open descriptor, which must not be replaced.
fn is_descriptor(path: &Path) -> bool {
    ["/dev/std", "/dev/fd/", "/proc/"].iter().any(|prefix| {
        use std::os::unix::ffi::OsStrExt as _;
        path.as_os_str().as_bytes().starts_with(prefix.as_bytes())
    })
}

/// Opens a file without truncating it, and without blocking on a FIFO that has no reader.
fn open_existing(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    let flags = fcntl_getfl(&file)?;
    fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    Ok(file)
}

/// Refuses to replace a ring, a file being recorded to, or a write-protected one. A rename would replace all three.
fn refuse(path: &Path, target: &Path) -> Result<(), WriteError> {
    if fs::metadata(target).is_ok_and(|found| found.permissions().readonly()) {
        return Err(WriteError::WriteProtected { path: path.to_owned() });
    }
    // A file that we may write but not read is neither our ring nor held by a recorder.
    let open = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(target);
    let mut existing = match open {
        Ok(existing) => existing,
        Err(source) if matches!(Errno::from_io_error(&source), Some(Errno::MFILE | Errno::NFILE)) => {
            return Err(WriteError::Create { path: path.to_owned(), source });
        }
        Err(_) => return Ok(()),
    };
    let mut magic = [0; RING_MAGIC.len()];
    if existing.read_exact(&mut magic).is_ok() && magic == RING_MAGIC {
        return Err(WriteError::IsRing { path: path.to_owned() });
    }
    if flock(&existing, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
        return Err(WriteError::Busy { path: path.to_owned() });
    }
    Ok(())
}

/// Creates a file in the folder of `target`, without a name if possible.
fn create_temporary(target: &Path) -> io::Result<(File, Option<PathBuf>)> {
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    if Path::new(DESCRIPTORS).exists()
        && let Ok(file) = openat(CWD, folder(target), flags, Mode::from_raw_mode(PRIVATE))
    {
        return Ok((file.into(), None));
    }
    let (file, temporary) = unused_name(target, |temporary| {
        OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(temporary)
    })?;
    Ok((file, Some(temporary)))
}

/// Gives a nameless file a name: that of `target` if it is free, else a temporary one beside it, which is returned.
fn link(file: &File, target: &Path) -> io::Result<Option<PathBuf>> {
    use std::os::fd::AsRawFd as _;
    let descriptor = format!("{DESCRIPTORS}/{}", file.as_raw_fd());
    let name =
        |name: &Path| linkat(CWD, &*descriptor, CWD, name, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from);
    match name(target) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            unused_name(target, name).map(|((), temporary)| Some(temporary))
        }
        linked => linked.map(|()| None),
    }
}

/// Tries names in the folder of `target` until `make` succeeds with a free one.
fn unused_name<T>(target: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(T, PathBuf)> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Relaxed);
        let name = OsString::from(format!(".loopscope-{}-{number}.part", std::process::id()));
        let temporary = folder(target).join(name);
        match make(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return Ok((made?, temporary)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_existing_file_stays_until_the_new_one_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for before in [None, Some("old")] {
            if let Some(before) = before {
                fs::write(&path, before).unwrap();
                fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
            }
            let mut new = NewFile::create(&path).unwrap();
            new.write_all(b"half").unwrap();
            new.has_events().unwrap();
            drop(new);
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), before);
            let mut new = NewFile::create(&path).unwrap();
            new.write_all(b"new").unwrap();
            new.finish().unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            let mode = fs::metadata(&path).unwrap().mode() & 0o777;
            assert_eq!(mode, if before.is_some() { 0o640 } else { 0o600 });
            assert_eq!(names(folder.path()), ["a"]);
        }
    }

    #[test]
    fn a_recording_takes_its_place_with_its_first_block_and_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.looptrace");
        fs::write(&path, b"old").unwrap();
        let mut first = NewFile::create_recording(&path).unwrap();
        first.write_all(b"header").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        first.has_events().unwrap();
        first.write_all(b" block").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"header block");
        assert!(matches!(NewFile::create(&path), Err(WriteError::Busy { .. })));
        drop(first);
        NewFile::create(&path).unwrap();
    }

    #[test]
    fn a_recording_notices_that_another_program_changed_its_file() {
        type Act = fn(&Path);
        let acts: [(Act, Change); 5] = [
            (|path| drop(File::create(path).unwrap()), Change::Truncated),
            (|path| fs::remove_file(path).unwrap(), Change::Removed),
            (|path| fs::rename(path, path.with_extension("moved")).unwrap(), Change::Moved),
            (
                |path| {
                    fs::write(path.with_extension("new"), b"header and block").unwrap();
                    fs::rename(path.with_extension("new"), path).unwrap();
                },
                Change::Removed,
            ),
            (
                |path| OpenOptions::new().append(true).open(path).unwrap().write_all(b"x").unwrap(),
                Change::Extended,
            ),
        ];
        for (act, how) in acts {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.looptrace");
            let mut new = NewFile::create_recording(&path).unwrap();
            new.write_all(b"header and block").unwrap();
            assert_eq!(new.changed(16), None, "it has no name yet");
            new.has_events().unwrap();
            assert_eq!(new.changed(16), None);
            act(&path);
            assert_eq!(new.changed(16), Some(how));
        }
    }

    #[test]
    fn a_file_created_in_the_meantime_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut late = NewFile::create(&path).unwrap();
        let mut recording = NewFile::create_recording(&path).unwrap();
        recording.has_events().unwrap();
        assert!(late.finish().unwrap_err().to_string().contains("being written"));
        drop((late, recording));
        fs::write(&path, b"LOOPRING and more").unwrap();
        assert!(matches!(NewFile::create(&path), Err(WriteError::IsRing { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"LOOPRING and more");
    }

    #[test]
    fn links_are_followed_and_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a"), folder.path().join("link"));
        symlink("a", &link).unwrap();
        for text in ["one", "two"] {
            let mut new = NewFile::create(&link).unwrap();
            new.write_all(text.as_bytes()).unwrap();
            new.finish().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        }
    }

    #[test]
    fn an_unfinished_file_with_a_temporary_name_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a");
        let make = || {
            let open = |temporary: &Path| OpenOptions::new().write(true).create_new(true).open(temporary);
            let (file, temporary) = unused_name(&target, open).unwrap();
            let place = Some(Place { target: target.clone(), temporary: Some(temporary) });
            NewFile { file, path: target.clone(), place, placed: None, at_once: false }
        };
        drop(make());
        assert!(names(folder.path()).is_empty());
        make().finish().unwrap();
        assert_eq!(names(folder.path()), ["a"]);
    }
}
