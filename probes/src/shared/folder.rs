//! The runtime folder: where shared files lie, and who may have made it.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

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
    #[error("{} is no folder; remove it or set LOOPSCOPE_DIR", .path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// Somebody else made it: they could replace the rings.
    #[error("the folder {} for rings belongs to user {owner}, not to {user}; set LOOPSCOPE_DIR", .path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// Others may write into it.
    #[error("others may write into the folder {} for rings; run chmod 700 on it or set LOOPSCOPE_DIR", .path.display())]
    Open {
        /// The folder.
        path: PathBuf,
    },
}

/// Where this process puts its ring: `$LOOPSCOPE_DIR`, else `$XDG_RUNTIME_DIR/loopscope`, else
/// `/dev/shm/loopscope-UID`.
#[must_use]
pub fn runtime_folder() -> PathBuf {
    runtime_folders().swap_remove(0)
}

/// Where rings of this user's programs may lie: only `$LOOPSCOPE_DIR` where it is set, else both of the others,
/// as a program may have been started without `$XDG_RUNTIME_DIR`.
#[must_use]
pub fn runtime_folders() -> Vec<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    choose(set("LOOPSCOPE_DIR").as_deref(), set("XDG_RUNTIME_DIR").as_deref())
}

fn choose(own: Option<&OsStr>, xdg: Option<&OsStr>) -> Vec<PathBuf> {
    if let Some(own) = own {
        return vec![PathBuf::from(own)];
    }
    let fallback = PathBuf::from(format!("/dev/shm/loopscope-{}", user()));
    xdg.map(|xdg| Path::new(xdg).join("loopscope")).into_iter().chain([fallback]).collect()
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Makes the folder, for its owner only, where it is missing, and refuses one that somebody else could control.
///
/// # Errors
///
/// [`FolderError`] says what is wrong with it.
pub(crate) fn prepare(path: &Path) -> Result<(), FolderError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(FolderError::Io { path: path.to_owned(), source: error });
        }
        _ => {}
    }
    check(path)
}

/// Refuses a folder that somebody else could control.
///
/// # Errors
///
/// [`FolderError`] says what is wrong with it.
pub(crate) fn check(path: &Path) -> Result<(), FolderError> {
    let path = path.to_owned();
    let found = match fs::symlink_metadata(&path) {
        Ok(found) => found,
        Err(source) => return Err(FolderError::Io { path, source }),
    };
    if found.file_type().is_symlink() {
        return Err(FolderError::Symlink { path });
    }
    if !found.is_dir() {
        return Err(FolderError::NotAFolder { path });
    }
    if found.uid() != user() {
        return Err(FolderError::NotOurs { path, owner: found.uid(), user: user() });
    }
    if found.permissions().mode() & 0o022 != 0 {
        return Err(FolderError::Open { path });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_are_asked_in_order() {
        let folder = |own: Option<&str>, xdg: Option<&str>| choose(own.map(OsStr::new), xdg.map(OsStr::new));
        let fallback = PathBuf::from(format!("/dev/shm/loopscope-{}", user()));
        assert_eq!(folder(Some("/a"), Some("/b")), [PathBuf::from("/a")]);
        assert_eq!(folder(None, Some("/b")), [PathBuf::from("/b/loopscope"), fallback.clone()]);
        assert_eq!(folder(None, None), [fallback]);
    }

    #[test]
    fn links_files_and_open_folders_are_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let made = scratch.path().join("made");
        prepare(&made).unwrap();
        assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o700);

        let link = scratch.path().join("link");
        std::os::unix::fs::symlink(&made, &link).unwrap();
        assert!(matches!(prepare(&link), Err(FolderError::Symlink { .. })));

        let file = scratch.path().join("file");
        fs::write(&file, b"").unwrap();
        assert!(matches!(prepare(&file), Err(FolderError::NotAFolder { .. })));

        fs::set_permissions(&made, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(prepare(&made), Err(FolderError::Open { .. })));
        assert!(matches!(prepare(&scratch.path().join("a/b")), Err(FolderError::Io { .. })));
    }
}
