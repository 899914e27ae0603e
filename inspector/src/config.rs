//! The config file: defaults that a person wants to keep. The command line and the environment win over it.

mod keys;
mod place;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use loop_probes::text::printable_path;

use crate::io::toml_text;

pub use keys::{Config, FPS, FPS_RANGE, SPEED, commented};
pub use place::Place;

/// Size limit of a config file, far above realistic sizes.
const BYTES_MAX: u64 = 64 << 10;

/// Why the config file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file that was asked for does not exist.
    #[error(
        "there is no config file {path}, which {named_by} names; `loopscope config` prints one to begin with"
    )]
    Missing {
        /// The path of the file.
        path: String,
        /// The flag or the variable with the path.
        named_by: &'static str,
    },
    /// The file cannot be read.
    #[error("cannot read the config file {path}: {error}; --config /dev/null does without it")]
    Unreadable {
        /// The path of the file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The file has a mistake, described with its path, line, column and key.
    #[error("{0}")]
    Invalid(String),
    /// The environment names no folder for the file.
    #[error(
        "there is no place for a config file: set HOME or XDG_CONFIG_HOME to a full path, or name a file with --config"
    )]
    NoPlace,
}

/// Reads the config file that the flag or the environment names, else the one at the default place, if there is one.
///
/// # Errors
///
/// [`ConfigError`] if a named file does not exist, or if the file cannot be read or has a mistake.
pub fn load(flag: Option<&Path>) -> Result<Config, ConfigError> {
    Place::find(flag).map_or_else(|| Ok(Config::default()), |place| read(&place))
}

fn read(place: &Place) -> Result<Config, ConfigError> {
    let path = || printable_path(&place.path);
    let unreadable = |error| ConfigError::Unreadable { path: path(), error };
    let found = match (fs::metadata(&place.path), place.named_by) {
        (Ok(found), _) => found,
        (Err(error), None) if is_none_there(&error) => return Ok(Config::default()),
        (Err(error), Some(named_by)) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ConfigError::Missing { path: path(), named_by });
        }
        (Err(error), _) => return Err(unreadable(error)),
    };
    let text =
        open(&place.path, &found).and_then(|file| toml_text::read(file, BYTES_MAX)).map_err(unreadable)?;
    keys::read(&text).map_err(|wrong| ConfigError::Invalid(wrong.describe_with_column(&place.path, &text)))
}

/// Whether an error of the default place means that the user has no config file there. A folder that may not be searched
/// is that of another user, whose `HOME` was passed on by `sudo` or `su`.
fn is_none_there(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | NotADirectory | PermissionDenied)
}

/// Opens a regular file, or a device such as `/dev/null`. Opening a FIFO would wait for its writer.
fn open(path: &Path, found: &fs::Metadata) -> io::Result<File> {
    match found.file_type() {
        kind if kind.is_file() || kind.is_char_device() => File::open(path),
        kind if kind.is_dir() => Err(io::Error::other("it is a folder")),
        _ => Err(io::Error::other("it is not a regular file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_at(path: &Path, named_by: Option<&'static str>) -> Result<Config, String> {
        read(&Place { path: path.to_owned(), named_by }).map_err(|error| error.to_string())
    }

    #[test]
    fn only_a_named_file_must_exist() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none.toml");
        assert_eq!(read_at(&missing, None), Ok(Config::default()));
        let expected = format!("there is no config file {}, which --config names", missing.display());
        assert!(read_at(&missing, Some("--config")).unwrap_err().starts_with(&expected));
        // A file where a folder would be.
        fs::write(&missing, "").unwrap();
        assert_eq!(read_at(&missing.join("config.toml"), None), Ok(Config::default()));
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        let filled = |bytes: u64| format!("fps = 60\n#{}", "x".repeat(bytes as usize - 10));
        fs::write(&path, filled(BYTES_MAX)).unwrap();
        assert_eq!(read_at(&path, None).unwrap().fps, Some(60));
        fs::write(&path, filled(BYTES_MAX + 1)).unwrap();
        let error = read_at(&path, None).unwrap_err();
        assert!(error.contains("c.toml: it is longer than 65536 bytes; --config /dev/null"), "{error}");
    }

    #[test]
    fn what_is_no_file_is_refused_but_a_device() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_at(folder.path(), None).unwrap_err().contains("it is a folder"));
        assert_eq!(read_at(Path::new("/dev/null"), Some("--config")), Ok(Config::default()));
        assert!(read_at(Path::new("/dev/zero"), Some("--config")).unwrap_err().contains("longer than"));
    }

    #[test]
    fn mistakes_name_the_file_and_the_place_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a\u{1b}b.toml");
        fs::write(&path, "fps = 60\nfsp = 61\n").unwrap();
        let error = read_at(&path, None).unwrap_err();
        assert!(error.contains("/a\\u{1b}b.toml:2:1: unknown key \"fsp\"; the keys are "), "{error}");
    }
}
