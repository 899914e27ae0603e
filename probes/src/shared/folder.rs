//! The runtime folder: location of shared files, with a check of its owner.
//!
//! A folder is checked through its descriptor, and everything in it is created, renamed, read and removed through
//! that descriptor, so replacing the folder at its path later has no effect.

use std::env;
use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::text::printable_path;
use rustix::fs::{CWD, Dir, Mode, OFlags, fstat, mkdirat, openat};
use rustix::io::Errno;

/// Why a folder is unsuitable for rings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The folder cannot be created or inspected.
    #[error("the folder {} for rings cannot be used: {source}; {}", printable_path(.path), way_out(.source, "set LOOPSCOPE_DIR to one that can be written"))]
    Io {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The path is a symbolic link, which could lead anywhere.
    #[error("the folder {} for rings is a symbolic link; remove it or set LOOPSCOPE_DIR", printable_path(.path))]
    Symlink {
        /// The folder.
        path: PathBuf,
    },
    /// The path is a file or a device.
    #[error("{} is not a folder; remove it or set LOOPSCOPE_DIR", printable_path(.path))]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// Another user created it, and could replace the rings.
    #[error("the folder {} for rings belongs to user {owner}, not to {user}; set LOOPSCOPE_DIR", printable_path(.path))]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// Its owner's user id.
        owner: u32,
        /// Our user id.
        user: u32,
    },
    /// Other users may write into it.
    #[error("other users may write into the folder {} for rings; run chmod 700 on it or set LOOPSCOPE_DIR", printable_path(.path))]
    Open {
        /// The folder.
        path: PathBuf,
    },
}

/// What to do about a system error: `otherwise`, unless descriptors have run out.
pub(crate) fn way_out(error: &io::Error, otherwise: &'static str) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE) => "close files, or raise the limit on open files (ulimit -n)",
        _ => otherwise,
    }
}

/// The folders where rings of this user's programs may be. A new session uses the first suitable one.
///
/// Only `$LOOPSCOPE_DIR` if it is set, else `$XDG_RUNTIME_DIR/loopscope` and `/dev/shm/loopscope-UID`, since a program
/// may have been started without `$XDG_RUNTIME_DIR`, and `/dev/shm/loopscope-UID-SUFFIX` if another user had taken that
/// name. Never empty.
#[must_use]
pub fn runtime_folders() -> Vec<PathBuf> {
    Places::of_environment().list()
}

/// Creates and opens the first suitable runtime folder.
///
/// # Errors
///
/// [`FolderError`] of the first one, if none is suitable.
pub(crate) fn prepare_first() -> Result<Folder, FolderError> {
    Places::of_environment().prepare()
}

/// Inputs that determine the runtime folders.
#[derive(Debug)]
struct Places {
    own: Option<PathBuf>,
    xdg: Option<PathBuf>,
    /// A folder in which every user may create folders.
    open_to_all: PathBuf,
}

impl Places {
    fn of_environment() -> Self {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            own: set("LOOPSCOPE_DIR"),
            xdg: set("XDG_RUNTIME_DIR"),
            open_to_all: PathBuf::from("/dev/shm"),
        }
    }

    fn fallback(&self) -> PathBuf {
        self.open_to_all.join(format!("loopscope-{}", user()))
    }

    /// Folders with a suffixed name, created because another user had taken the plain name.
    fn suffixed(&self) -> Vec<PathBuf> {
        let prefix = format!("loopscope-{}-", user());
        let entries = fs::read_dir(&self.open_to_all).into_iter().flatten().filter_map(Result::ok);
        let named = entries.filter(|entry| entry.file_name().as_bytes().starts_with(prefix.as_bytes()));
        // Other users may create folders of that name too, but they cannot own them as us.
        let mut found: Vec<PathBuf> =
            named.map(|entry| entry.path()).filter(|path| Folder::open(path).is_ok()).collect();
        found.sort();
        found
    }

    fn list(&self) -> Vec<PathBuf> {
        if let Some(own) = &self.own {
            return vec![own.clone()];
        }
        let suffixed = self.suffixed();
        let fallback = self.fallback();
        // Once there is a replacement, a taken name is not worth reporting.
        let is_taken = !suffixed.is_empty() && Folder::open(&fallback).is_err() && fallback.exists();
        let fallback = (!is_taken).then_some(fallback);
        let xdg = self.xdg.as_ref().map(|xdg| xdg.join("loopscope"));
        xdg.into_iter().chain(fallback).chain(suffixed).collect()
    }

    fn prepare(&self) -> Result<Folder, FolderError> {
        let mut first = None;
        for path in self.list() {
            match Folder::prepare(&path) {
                Ok(folder) => return Ok(folder),
                Err(error) => drop(first.get_or_insert(error)),
            }
        }
        let first = first.unwrap_or(FolderError::NotAFolder { path: self.fallback() });
        if self.own.is_some() {
            return Err(first);
        }
        let suffix = random().map_err(|source| FolderError::Io { path: self.fallback(), source })?;
        let mut name = self.fallback().into_os_string();
        name.push(format!("-{suffix:016x}"));
        // The first error names the cause; this one could only report a full filesystem.
        Folder::prepare(Path::new(&name)).map_err(|_| first)
    }
}

fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    io::Read::read_exact(&mut fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// An open folder that only this user can write into.
#[derive(Debug)]
pub(crate) struct Folder {
    descriptor: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Creates the folder, for its owner only, if it is missing, and rejects one that another user could control.
    ///
    /// # Errors
    ///
    /// [`FolderError`] with what is wrong with it.
    pub(crate) fn prepare(path: &Path) -> Result<Self, FolderError> {
        match mkdirat(CWD, path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Self::open(path),
            Err(error) => Err(FolderError::Io { path: path.to_owned(), source: error.into() }),
        }
    }

    /// Opens the folder, and rejects one that another user could control.
    ///
    /// # Errors
    ///
    /// [`FolderError`] with what is wrong with it.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let path = path.to_owned();
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = openat(CWD, &path, flags, Mode::empty());
        let descriptor = match opened {
            Ok(descriptor) => descriptor,
            // Only for the message: nothing is done with the entry itself.
            Err(Errno::NOTDIR | Errno::LOOP) => {
                let is_link = fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink());
                return Err(if is_link {
                    FolderError::Symlink { path }
                } else {
                    FolderError::NotAFolder { path }
                });
            }
            Err(error) => {
                // A folder we cannot open may still be another user's: report that.
                let owner = fs::symlink_metadata(&path).map_or(user(), |found| found.uid());
                return Err(if owner == user() {
                    FolderError::Io { path, source: error.into() }
                } else {
                    FolderError::NotOurs { path, owner, user: user() }
                });
            }
        };
        let found = match fstat(&descriptor) {
            Ok(found) => found,
            Err(error) => return Err(FolderError::Io { path, source: error.into() }),
        };
        if found.st_uid != user() {
            return Err(FolderError::NotOurs { path, owner: found.st_uid, user: user() });
        }
        if found.st_mode & 0o022 != 0 {
            return Err(FolderError::Open { path });
        }
        Ok(Self { descriptor, path })
    }

    /// The folder's path when it was opened: for messages, and for opening its files later.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its entries.
    ///
    /// # Errors
    ///
    /// [`FolderError`] if it cannot be read.
    pub(crate) fn names(&self) -> Result<Vec<OsString>, FolderError> {
        let failed = |error: Errno| FolderError::Io { path: self.path.clone(), source: error.into() };
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.descriptor).map_err(failed)? {
            let name = CString::from(entry.map_err(failed)?.file_name()).into_bytes();
            names.push(std::os::unix::ffi::OsStringExt::from_vec(name));
        }
        Ok(names)
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_variables_are_asked_in_order() {
        let scratch = tempfile::tempdir().unwrap();
        let folders = |own: Option<&str>, xdg: Option<&str>| {
            let open_to_all = scratch.path().to_owned();
            Places { own: own.map(PathBuf::from), xdg: xdg.map(PathBuf::from), open_to_all }.list()
        };
        let fallback = scratch.path().join(format!("loopscope-{}", user()));
        assert_eq!(folders(Some("/a"), Some("/b")), [PathBuf::from("/a")]);
        assert_eq!(folders(None, Some("/b")), [PathBuf::from("/b/loopscope"), fallback.clone()]);
        assert_eq!(folders(None, None), [fallback]);
    }

    #[test]
    fn a_taken_name_is_avoided_and_found_again() {
        let scratch = tempfile::tempdir().unwrap();
        let places = Places { own: None, xdg: None, open_to_all: scratch.path().to_owned() };
        // A file blocks the name as effectively as another user's folder.
        fs::write(places.fallback(), b"").unwrap();
        assert_eq!(places.list(), [places.fallback()], "so that it is reported");
        let folder = places.prepare().unwrap();
        assert!(folder.path().to_string_lossy().starts_with(&format!("{}-", places.fallback().display())));
        assert_eq!(places.list(), [folder.path()]);
        assert_eq!(places.prepare().unwrap().path(), folder.path(), "one is enough");
        // Folders with such a name that other users could have created are skipped.
        let bait = scratch.path().join(format!("loopscope-{}-0", user()));
        fs::create_dir(&bait).unwrap();
        fs::set_permissions(&bait, Permissions::from_mode(0o777)).unwrap();
        assert_eq!(places.list(), [folder.path()]);
        let own = Places { own: Some(places.fallback()), ..places };
        assert!(
            matches!(own.prepare(), Err(FolderError::NotAFolder { .. })),
            "what was asked for, or nothing"
        );
    }

    #[test]
    fn links_files_and_open_folders_are_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let made = scratch.path().join("made");
        Folder::prepare(&made).unwrap();
        assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o700);

        let link = scratch.path().join("link");
        std::os::unix::fs::symlink(&made, &link).unwrap();
        assert!(matches!(Folder::prepare(&link), Err(FolderError::Symlink { .. })));

        let file = scratch.path().join("file");
        fs::write(&file, b"").unwrap();
        assert!(matches!(Folder::prepare(&file), Err(FolderError::NotAFolder { .. })));

        fs::set_permissions(&made, Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(Folder::prepare(&made), Err(FolderError::Open { .. })));
        assert!(matches!(Folder::prepare(&scratch.path().join("a/b")), Err(FolderError::Io { .. })));
    }
}
