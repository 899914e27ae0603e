//! The runtime folder: where shared files lie, and who may have made it.
//!
//! A folder is checked by its descriptor, and everything in it is made, renamed, read and removed by that descriptor:
//! what lies at its path later does not matter.

use std::env;
use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, Mode, OFlags, fstat, mkdirat, openat};
use rustix::io::Errno;

/// Why a folder is not fit for rings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// It cannot be made or looked at.
    #[error("the folder {} for rings cannot be used: {source}; set LOOPSCOPE_DIR to one that can be written", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A link there could lead anywhere.
    #[error("the folder {} for rings is a symbolic link; remove it or set LOOPSCOPE_DIR", .path.display())]
    Symlink {
        /// The folder.
        path: PathBuf,
    },
    /// It is a file or a device.
    #[error("{} is not a folder; remove it or set LOOPSCOPE_DIR", .path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// Another user made it, and could replace the rings.
    #[error("the folder {} for rings belongs to user {owner}, not to {user}; set LOOPSCOPE_DIR", .path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// Other users may write into it.
    #[error("other users may write into the folder {} for rings; run chmod 700 on it or set LOOPSCOPE_DIR", .path.display())]
    Open {
        /// The folder.
        path: PathBuf,
    },
}

/// Where this process puts its ring: `$LOOPSCOPE_DIR`, else `$XDG_RUNTIME_DIR/loopscope`, else
/// `/dev/shm/loopscope-UID`, or, where another user has taken that name, `/dev/shm/loopscope-UID-SUFFIX`.
#[must_use]
pub fn runtime_folder() -> PathBuf {
    runtime_folders().swap_remove(0)
}

/// Where rings of this user's programs may lie: only `$LOOPSCOPE_DIR` where it is set, else all of the others, as a
/// program may have been started without `$XDG_RUNTIME_DIR`. Never empty.
#[must_use]
pub fn runtime_folders() -> Vec<PathBuf> {
    Places::of_environment().list()
}

/// Makes and opens the first runtime folder that is fit.
///
/// # Errors
///
/// [`FolderError`] of the first one, where none is.
pub(crate) fn prepare_first() -> Result<Folder, FolderError> {
    Places::of_environment().prepare()
}

/// What the runtime folders follow from.
#[derive(Debug)]
struct Places {
    own: Option<PathBuf>,
    xdg: Option<PathBuf>,
    /// A folder that every user may make folders in.
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

    /// Folders under names with a suffix: made where another user had taken the name without one.
    fn suffixed(&self) -> Vec<PathBuf> {
        let prefix = format!("loopscope-{}-", user());
        let entries = fs::read_dir(&self.open_to_all).into_iter().flatten().filter_map(Result::ok);
        let named = entries.filter(|entry| entry.file_name().as_bytes().starts_with(prefix.as_bytes()));
        // Others may make folders of that name too, but not in our name.
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
        // Once there is a way round it, a taken name is no news.
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
        // The first one says what is wrong; this one could only say that there is no room.
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

/// A folder that only this user can write into, open.
#[derive(Debug)]
pub(crate) struct Folder {
    descriptor: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Makes the folder, for its owner only, where it is missing, and refuses one that another user could control.
    ///
    /// # Errors
    ///
    /// [`FolderError`] says what is wrong with it.
    pub(crate) fn prepare(path: &Path) -> Result<Self, FolderError> {
        match mkdirat(CWD, path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Self::open(path),
            Err(error) => Err(FolderError::Io { path: path.to_owned(), source: error.into() }),
        }
    }

    /// Opens the folder, and refuses one that another user could control.
    ///
    /// # Errors
    ///
    /// [`FolderError`] says what is wrong with it.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let path = path.to_owned();
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = openat(CWD, &path, flags, Mode::empty());
        let descriptor = match opened {
            Ok(descriptor) => descriptor,
            // Only for the message: nothing is done with what lies there.
            Err(Errno::NOTDIR | Errno::LOOP) => {
                let is_link = fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink());
                return Err(if is_link {
                    FolderError::Symlink { path }
                } else {
                    FolderError::NotAFolder { path }
                });
            }
            Err(error) => {
                // Another user's folder that cannot be opened is another user's all the same.
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

    /// Where it was when it was opened: for messages, and for those who open its files later.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of what is in it.
    ///
    /// # Errors
    ///
    /// [`FolderError`] where it cannot be read.
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
    fn a_name_that_is_taken_is_gone_round_and_found_again() {
        let scratch = tempfile::tempdir().unwrap();
        let places = Places { own: None, xdg: None, open_to_all: scratch.path().to_owned() };
        // A file is as much in the way as another user's folder.
        fs::write(places.fallback(), b"").unwrap();
        assert_eq!(places.list(), [places.fallback()], "so that it is reported");
        let around = places.prepare().unwrap();
        assert!(around.path().to_string_lossy().starts_with(&format!("{}-", places.fallback().display())));
        assert_eq!(places.list(), [around.path()]);
        assert_eq!(places.prepare().unwrap().path(), around.path(), "one is enough");
        // Names like it that others could have made are passed over.
        let bait = scratch.path().join(format!("loopscope-{}-0", user()));
        fs::create_dir(&bait).unwrap();
        fs::set_permissions(&bait, Permissions::from_mode(0o777)).unwrap();
        assert_eq!(places.list(), [around.path()]);
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
