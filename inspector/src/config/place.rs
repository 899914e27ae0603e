//! Where the config file is looked for.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The variable that names a config file.
const VARIABLE: &str = "LOOPSCOPE_CONFIG";

/// The flag that names a config file.
const FLAG: &str = "--config";

/// The path below the user's folder of configuration.
const BELOW: &str = "loopscope/config.toml";

/// The place of the config file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path of the file.
    pub path: PathBuf,
    /// The flag or the variable that names this file, which must exist; `None` for the default place.
    pub named_by: Option<&'static str>,
}

impl Place {
    /// The file named by the flag, else by `LOOPSCOPE_CONFIG`, else the one in the user's folder of configuration.
    /// `None` if the environment has no such folder.
    #[must_use]
    pub fn find(flag: Option<&Path>) -> Option<Self> {
        Self::of(flag, |name| env::var_os(name))
    }

    fn of(flag: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(path) = flag {
            return Some(Self { path: path.to_owned(), named_by: Some(FLAG) });
        }
        if let Some(path) = set(VARIABLE) {
            return Some(Self { path, named_by: Some(VARIABLE) });
        }
        // By the XDG specification, a relative path is invalid and ignored.
        let folder = |name: &str| set(name).filter(|path| path.is_absolute());
        let folder = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))?;
        Some(Self { path: folder.join(BELOW), named_by: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_beats_the_variable_and_both_the_default_place() {
        let all = [("LOOPSCOPE_CONFIG", "own.toml"), ("XDG_CONFIG_HOME", "/xdg"), ("HOME", "/home/a")];
        let of = |flag: Option<&str>, set: &[(&str, &str)]| {
            let value = |name: &str| set.iter().find(|(of, _)| *of == name).map(|(_, value)| value.into());
            let place = Place::of(flag.map(Path::new), value)?;
            Some((place.path.to_str()?.to_owned(), place.named_by))
        };
        let expected = |path: &str, named_by| Some((path.to_owned(), named_by));
        assert_eq!(of(Some("flag.toml"), &all), expected("flag.toml", Some("--config")));
        assert_eq!(of(None, &all), expected("own.toml", Some("LOOPSCOPE_CONFIG")));
        assert_eq!(of(None, &all[1..]), expected("/xdg/loopscope/config.toml", None));
        assert_eq!(of(None, &all[2..]), expected("/home/a/.config/loopscope/config.toml", None));
        assert_eq!(of(None, &[]), None);
        // Empty and relative ones count as unset.
        let invalid = [("LOOPSCOPE_CONFIG", ""), ("XDG_CONFIG_HOME", "xdg"), ("HOME", "/home/a")];
        assert_eq!(of(None, &invalid), expected("/home/a/.config/loopscope/config.toml", None));
    }
}
