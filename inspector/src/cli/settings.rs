//! Options of several verbs, whose defaults the config file can change.

use std::path::PathBuf;

use clap::Args;
use clap::builder::TypedValueParser;

use crate::app::figures::Column;
use crate::app::window::Window;
use crate::config::{Config, FPS_RANGE};
use crate::pages::page::PageName;
use crate::theme::{ColorChoice, Palette};

/// Options of every verb.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Append loopscope's own log to FILE (level: LOOPSCOPE_LOG, default info)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub log: Option<PathBuf>,
    /// Take defaults from FILE instead of the config file, or from /dev/null for none
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub config: Option<PathBuf>,
    /// When to use colour; default: auto
    #[arg(long, global = true, value_name = "WHEN", help_heading = "Global options")]
    pub color: Option<ColorChoice>,
    /// Colours of the dashboard and of pages; default: dark
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub theme: Option<Palette>,
    /// Draw with ASCII characters only
    #[arg(long, global = true, overrides_with = "no_ascii", help_heading = "Global options")]
    pub ascii: bool,
    /// Draw with all characters, whatever the locale and the config file say
    #[arg(long, global = true, overrides_with = "ascii", help_heading = "Global options")]
    pub no_ascii: bool,
    /// The config file, read after the command line.
    #[arg(skip)]
    pub file: Config,
}

/// What the dashboard shows at first.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct ViewArgs {
    /// The page; default: overview
    #[arg(long, value_name = "NAME", help_heading = "The dashboard at first")]
    pub page: Option<PageName>,
    /// The window of time that figures are of; default: 60s
    #[arg(long, value_name = "TIME", help_heading = "The dashboard at first")]
    pub window: Option<Window>,
    /// The column that tags are sorted by; default: caused
    #[arg(long, value_name = "COLUMN", help_heading = "The dashboard at first")]
    pub sort: Option<Column>,
}

/// Parses a number of frames per second.
pub(super) fn fps() -> impl TypedValueParser<Value = u16> {
    clap::value_parser!(u16).range(i64::from(*FPS_RANGE.start())..=i64::from(*FPS_RANGE.end()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        global: Global,
        #[command(flatten)]
        view: ViewArgs,
        #[arg(long, value_parser = fps())]
        fps: Option<u16>,
    }

    #[test]
    fn without_options_nothing_is_decided() {
        let Line { global, view, fps } = Line::try_parse_from(["x"]).unwrap();
        assert!(global.theme.is_none() && global.color.is_none() && !global.ascii && !global.no_ascii);
        assert_eq!((view.page, view.window, view.sort, fps), (None, None, None, None));
    }

    #[test]
    fn the_last_of_two_that_contradict_counts() {
        let of = |words: [&str; 3]| Line::try_parse_from(words).unwrap().global;
        assert!(of(["x", "--ascii", "--no-ascii"]).no_ascii && of(["x", "--no-ascii", "--ascii"]).ascii);
        assert!(!of(["x", "--ascii", "--no-ascii"]).ascii);
    }

    #[test]
    fn values_have_the_names_of_the_config_file() {
        let line =
            Line::try_parse_from(["x", "--page", "log", "--window", "5min", "--sort", "run-p99"]).unwrap();
        let expected = (Some(PageName::Log), Some(Window::FiveMinutes), Some(Column::RunP99));
        assert_eq!((line.view.page, line.view.window, line.view.sort), expected);
        for wrong in [["--page", "tick"], ["--window", "1min"], ["--fps", "0"], ["--fps", "121"]] {
            assert!(Line::try_parse_from([&["x"][..], &wrong].concat()).is_err(), "{wrong:?}");
        }
    }
}
