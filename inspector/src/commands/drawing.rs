//! Starts the dashboard for the commands that draw.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use loop_traces::source::EventSource;

use super::save::Saver;
use crate::cli::{Global, Live, ReplayArgs, ViewArgs};
use crate::config::{Config, FPS, SPEED};
use crate::dashboard::{self, DashboardError, Exit, Options};
use crate::io::exit::{CommandError, warn};
use crate::io::stdout;
use crate::playback::{ReplayOptions, Rewind};
use crate::shell::app::FirstView;
use crate::theme::{Palette, Theme, wants_color};

/// Whether a live command draws.
pub(super) fn is_wanted(live: &Live) -> bool {
    !live.no_tui && !live.json && stdout::is_terminal()
}

/// Draws a live source until the user quits. `target` names it to `loopscope attach`.
pub(super) fn live(
    source: impl EventSource,
    name: Option<String>,
    target: &OsStr,
    live: &Live,
    global: &Global,
    saver: &Saver,
) -> Result<(), CommandError> {
    let since_attach = name.is_none();
    let options = Options {
        name,
        command: command("attach", target),
        since_attach,
        fps: live.fps.or(global.file.fps).unwrap_or(FPS),
        first: first(live.view, &global.file),
        duration: live.duration,
        theme: theme(global),
        saver: Box::new(saver.clone()),
    };
    settle(dashboard::run(source, options), saver)
}

/// Replays a saved source until the user quits.
pub(super) fn replay(
    source: impl Rewind,
    args: &ReplayArgs,
    global: &Global,
    saver: &Saver,
) -> Result<(), CommandError> {
    let options = Options {
        name: None,
        command: command("replay", &args.input),
        since_attach: false,
        fps: args.fps.or(global.file.fps).unwrap_or(FPS),
        first: first(args.view, &global.file),
        duration: None,
        theme: theme(global),
        saver: Box::new(saver.clone()),
    };
    let at_ns = args.at.map_or(0, |at| u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
    let speed = args.speed.or(global.file.speed).unwrap_or(SPEED);
    let replay = ReplayOptions { speed, at_ns, ..ReplayOptions::default() };
    settle(dashboard::replay(source, options, replay), saver)
}

/// The shell command that opens `target`, a path or a process id, from any directory.
fn command(verb: &str, target: &OsStr) -> Option<String> {
    let path = Path::new(target);
    let absolute = path.exists().then(|| std::path::absolute(path).ok()).flatten();
    let target = absolute.as_deref().unwrap_or(path).to_str()?;
    Some(format!("loopscope {verb} {}", shlex::try_quote(target).ok()?))
}

/// What the dashboard shows at first, by the command line and the config file.
pub(super) fn first(args: ViewArgs, file: &Config) -> FirstView {
    FirstView {
        page: args.page.or(file.page).unwrap_or_default(),
        window: args.window.or(file.window).unwrap_or_default(),
        sort: args.sort.or(file.sort).unwrap_or_default(),
    }
}

/// The colours and glyphs that the command line, the environment, the config file and the terminal ask for.
pub(super) fn theme(global: &Global) -> Theme {
    let (no_color, force) = (env::var_os("NO_COLOR"), env::var_os("CLICOLOR_FORCE"));
    let color = wants_color(
        global.color,
        no_color.as_deref(),
        force.as_deref(),
        global.file.color,
        stdout::is_terminal(),
    );
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(env::var_os);
    Theme::new(color, ascii(global, is_ascii(&locale))).with_palette(palette(global))
}

/// The colours that the command line or the config file asks for.
pub(super) fn palette(global: &Global) -> Palette {
    global.theme.or(global.file.theme).unwrap_or_default()
}

/// Whether to draw with ASCII characters only, in a locale that has no others or in another one.
pub(super) fn ascii(global: &Global, locale: bool) -> bool {
    !global.no_ascii && (global.ascii || locale || global.file.ascii == Some(true))
}

/// Whether the locale has only ASCII characters. The first variable that is set counts.
fn is_ascii(locale: &[Option<OsString>]) -> bool {
    let first = locale.iter().flatten().find(|value| !value.is_empty());
    first.is_some_and(|value| matches!(value.to_str(), Some("C" | "POSIX")))
}

/// Reports saved files after the terminal has been restored.
fn settle(left: Result<Exit, DashboardError>, saver: &Saver) -> Result<(), CommandError> {
    tracing::info!(?left, "the dashboard was left");
    let saved = saver.finish().map(|lines| lines.iter().for_each(|line| warn(line)));
    left.map_err(CommandError::input)?;
    saved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_its_target_from_any_directory() {
        assert_eq!(command("attach", OsStr::new("4121")).as_deref(), Some("loopscope attach 4121"));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("it's a.looptrace");
        std::fs::write(&path, "").unwrap();
        let words = shlex::split(&command("replay", path.as_os_str()).unwrap());
        assert_eq!(words.unwrap(), ["loopscope", "replay", path.to_str().unwrap()]);
    }

    #[test]
    fn the_c_locale_has_ascii_only() {
        let of = |values: [&str; 3]| {
            is_ascii(&values.map(|value| (!value.is_empty()).then(|| OsString::from(value))))
        };
        assert!(of(["C", "", "en_US.UTF-8"]) && of(["", "POSIX", ""]) && of(["", "", "C"]));
        assert!(!of(["", "", ""]) && !of(["C.UTF-8", "C", "C"]) && !of(["", "en_US.UTF-8", "C"]));
    }
}
