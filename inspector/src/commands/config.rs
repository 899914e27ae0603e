//! `loopscope config`: prints the default config file, creates it, or prints its path.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use loop_probes::text::printable_path;

use crate::cli::{ConfigArgs, Global};
use crate::config::{ConfigError, Place, commented};
use crate::io::exit::CommandError;
use crate::io::stdout;

pub(super) fn run(args: &ConfigArgs, global: &Global) -> Result<(), CommandError> {
    if !args.write && !args.path {
        return stdout::print(&commented());
    }
    let place = Place::find(global.config.as_deref())
        .ok_or_else(|| CommandError::Usage(ConfigError::NoPlace.to_string()))?;
    if args.path {
        return print_path(&place.path);
    }
    create(&place.path, &commented())?;
    stdout::print(&format!("wrote {}\n", printable_path(&place.path)))
}

/// Prints the path as it is for other programs, and printable on a terminal.
fn print_path(path: &Path) -> Result<(), CommandError> {
    if stdout::is_terminal() {
        return stdout::print(&(printable_path(path) + "\n"));
    }
    let mut out = stdout::lock()?;
    stdout::settle(out.write_all(path.as_os_str().as_bytes()).and_then(|()| out.write_all(b"\n")))
}

/// Creates a file and the folders above it. Leaves an existing one as it is, even if it appears at this moment.
fn create(path: &Path, text: &str) -> Result<(), CommandError> {
    let failed =
        |error: io::Error| CommandError::Input(format!("cannot write {}: {error}", printable_path(path)));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        // The mode that the XDG specification asks for.
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let created = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = created.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CommandError::Input(format!(
            "{} exists and is left as it is; `loopscope config` prints the default file",
            printable_path(path)
        )),
        _ => failed(error),
    })?;
    file.write_all(text.as_bytes()).map_err(|error| {
        // A cut file would be read as a config file. If it cannot be removed, the error is still that of writing.
        let _ = fs::remove_file(path);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_created_with_its_folders_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/config.toml");
        create(&path, "first").unwrap();
        assert_eq!(fs::metadata(folder.path().join("a")).unwrap().permissions().mode() & 0o777, 0o700);
        let again = create(&path, "second").unwrap_err().to_string();
        assert!(again.contains("b/config.toml exists and is left as it is"), "{again}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        let below_a_file = create(&path.join("c.toml"), "").unwrap_err().to_string();
        assert!(below_a_file.starts_with("cannot write "), "{below_a_file}");
    }

    #[test]
    fn a_link_to_nothing_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
        assert!(create(&path, "").unwrap_err().to_string().contains(" exists "));
        assert!(!folder.path().join("elsewhere").exists());
    }
}
