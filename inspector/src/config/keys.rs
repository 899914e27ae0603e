//! The keys of the config file: one table, by which the file is read and its commented default is written.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use clap::ValueEnum;
use loop_probes::text::printable;
use toml::de::DeValue;

use crate::app::figures::Column;
use crate::app::window::Window;
use crate::io::toml_text::{self, Wrong};
use crate::pages::page::PageName;
use crate::theme::{ColorChoice, Palette};
use crate::units::read_speed;

/// What the config file sets; `None` where it says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Colours of the dashboard and of pages.
    pub theme: Option<Palette>,
    /// When to use colour.
    pub color: Option<ColorChoice>,
    /// Draw with ASCII characters only.
    pub ascii: Option<bool>,
    /// Maximum frames per second.
    pub fps: Option<u16>,
    /// The window at first.
    pub window: Option<Window>,
    /// The page at first.
    pub page: Option<PageName>,
    /// The column that tags are sorted by at first.
    pub sort: Option<Column>,
    /// The speed of a replay at first.
    pub speed: Option<f64>,
}

/// Frames per second, unless set.
pub const FPS: u16 = 30;

/// The frames per second that can be asked for.
pub const FPS_RANGE: RangeInclusive<u16> = 1..=120;

/// Speed of a replay, unless set.
pub const SPEED: f64 = 1.0;

/// A key of the config file.
struct Key {
    name: &'static str,
    /// What it sets.
    about: &'static str,
    /// What wins over it.
    flags: &'static str,
    /// The default, as TOML.
    default: &'static str,
    /// The allowed values, in words.
    allowed: fn() -> String,
    /// Sets a value if it is allowed.
    set: fn(&mut Config, &DeValue<'_>) -> Option<()>,
}

const KEYS: [Key; 8] = [
    Key {
        name: "theme",
        about: "Colours of the dashboard and of printed pages.",
        flags: "--theme",
        default: "\"dark\"",
        allowed: choices::<Palette>,
        set: |config, value| choice(value).map(|theme| config.theme = Some(theme)),
    },
    Key {
        name: "color",
        about: "When to use colour; auto is on a terminal.",
        flags: "--color; in the environment NO_COLOR, CLICOLOR_FORCE",
        default: "\"auto\"",
        allowed: choices::<ColorChoice>,
        set: |config, value| choice(value).map(|color| config.color = Some(color)),
    },
    Key {
        name: "ascii",
        about: "Draw with ASCII characters only.",
        flags: "--ascii, --no-ascii; in the environment a locale without other characters",
        default: "false",
        allowed: || "true or false".to_owned(),
        set: |config, value| {
            let DeValue::Boolean(ascii) = value else { return None };
            config.ascii = Some(*ascii);
            Some(())
        },
    },
    Key {
        name: "fps",
        about: "Maximum frames per second of the dashboard.",
        flags: "--fps",
        default: "30",
        allowed: || format!("a whole number from {} to {}", FPS_RANGE.start(), FPS_RANGE.end()),
        set: |config, value| {
            let fps = number(value)?.parse().ok().filter(|fps| FPS_RANGE.contains(fps))?;
            config.fps = Some(fps);
            Some(())
        },
    },
    Key {
        name: "window",
        about: "The window of time that the dashboard's figures are of at first.",
        flags: "--window",
        default: "\"60s\"",
        allowed: choices::<Window>,
        set: |config, value| choice(value).map(|window| config.window = Some(window)),
    },
    Key {
        name: "page",
        about: "The page that the dashboard shows at first.",
        flags: "--page",
        default: "\"overview\"",
        allowed: choices::<PageName>,
        set: |config, value| choice(value).map(|page| config.page = Some(page)),
    },
    Key {
        name: "sort",
        about: "The column that the dashboard sorts tags by at first.",
        flags: "--sort",
        default: "\"caused\"",
        allowed: choices::<Column>,
        set: |config, value| choice(value).map(|column| config.sort = Some(column)),
    },
    Key {
        name: "speed",
        about: "The speed of a replay at first.",
        flags: "--speed",
        default: "\"1x\"",
        allowed: || "a factor from 0.01 to 1000, such as 2, \"2x\" or \"0.1x\"".to_owned(),
        set: |config, value| {
            let text = number(value).or_else(|| value.as_str().map(str::to_owned))?;
            config.speed = Some(read_speed(&text)?);
            Some(())
        },
    },
];

/// The names of the values of `T`, in quotes.
fn choices<T: ValueEnum>() -> String {
    let values = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let names: Vec<String> = values.map(|value| format!("\"{}\"", value.get_name())).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

fn choice<T: ValueEnum>(value: &DeValue<'_>) -> Option<T> {
    T::from_str(value.as_str()?, false).ok()
}

/// A decimal number, as text that Rust parses.
fn number(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().replace('_', "")),
        DeValue::Float(number) => Some(number.as_str().replace('_', "")),
        _ => None,
    }
}

/// Reads the text of a config file.
///
/// # Errors
///
/// [`Wrong`] at the first mistake.
pub(super) fn read(text: &str) -> Result<Config, Wrong> {
    let document = toml_text::document(text)?;
    let mut entries: Vec<_> = document.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut config = Config::default();
    for (name, value) in entries {
        let key = KEYS.iter().find(|key| key.name == name.get_ref().as_ref());
        let key = key.ok_or_else(|| Wrong::new(&name.span(), unknown(name.get_ref())))?;
        (key.set)(&mut config, value.get_ref()).ok_or_else(|| {
            let written = match value.get_ref() {
                DeValue::Table(_) => "a table".to_owned(),
                _ => cut(text.get(value.span()).unwrap_or_default()),
            };
            let allowed = (key.allowed)();
            Wrong::new(&value.span(), format!("{} cannot be {written}; write {allowed}", key.name))
        })?;
    }
    Ok(config)
}

fn unknown(name: &str) -> String {
    let keys = KEYS.map(|key| key.name).join(", ");
    format!("unknown key \"{}\"; the keys are {keys} (`loopscope config` explains them)", cut(name))
}

/// Characters of the file that a message repeats.
const REPEATED_MAX: usize = 40;

/// `text` in printable form, cut if it is long.
fn cut(text: &str) -> String {
    match text.char_indices().nth(REPEATED_MAX) {
        Some((end, _)) => printable(&text[..end]) + "...",
        None => printable(text),
    }
}

/// The default config file: every key, commented out, with its default and the allowed values.
#[must_use]
pub fn commented() -> String {
    let mut text = "# The config file of loopscope. Each key is shown with its default: remove the # before it to change it.\n\
         # Options on the command line and variables of the environment win over this file.\n"
        .to_owned();
    for Key { name, about, flags, default, allowed, .. } in KEYS {
        let allowed = allowed();
        // Writing to a string cannot fail.
        let _ =
            write!(text, "\n# {about}\n# Values: {allowed}. Overridden by: {flags}.\n#{name} = {default}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn message(text: &str) -> String {
        let wrong = read(text).expect_err(text);
        let line = wrong.describe_with_column(Path::new("c.toml"), text);
        line.strip_prefix("c.toml:").expect("it names the file").to_owned()
    }

    /// The default file with every key in effect.
    fn uncommented() -> String {
        let is_key = |line: &&str| line.starts_with('#') && !line.starts_with("# ");
        commented().lines().filter(is_key).map(|line| format!("{}\n", &line[1..])).collect()
    }

    #[test]
    fn the_default_file_sets_nothing_and_names_every_default() {
        assert_eq!(read(&commented()).unwrap(), Config::default());
        let expected = Config {
            theme: Some(Palette::default()),
            color: Some(ColorChoice::Auto),
            ascii: Some(false),
            fps: Some(FPS),
            window: Some(Window::default()),
            page: Some(PageName::default()),
            sort: Some(Column::default()),
            speed: Some(SPEED),
        };
        assert_eq!(read(&uncommented()).unwrap(), expected);
        assert_eq!(uncommented().lines().count(), KEYS.len());
    }

    #[test]
    fn every_value_that_the_file_names_is_allowed() {
        for key in KEYS {
            let allowed = (key.allowed)();
            assert!(commented().contains(&format!("# Values: {allowed}. ")), "{allowed}");
            for value in allowed.split('"').skip(1).step_by(2) {
                read(&format!("{} = \"{value}\"", key.name)).expect(value);
            }
        }
        for text in ["ascii = true", "fps = 1", "fps = 120", "fps = 1_0", "speed = 2", "speed = 0.01"] {
            read(text).expect(text);
        }
    }

    #[test]
    fn lines_of_the_default_file_fit_a_page() {
        assert!(commented().lines().all(|line| line.chars().count() <= 130 && !line.ends_with(' ')));
    }

    #[test]
    fn mistakes_are_reported_with_line_column_and_key() {
        assert_eq!(
            message("fps = 60\n  theem = \"dark\""),
            "2:3: unknown key \"theem\"; the keys are theme, color, ascii, fps, window, page, sort, speed (`loopscope config` \
             explains them)"
        );
        assert_eq!(
            message("\ntheme = \"drak\"\n"),
            "2:9: theme cannot be \"drak\"; write \"dark\", \"light\", \"high-contrast\" or \"color-blind\""
        );
        assert_eq!(message("ascii = 1"), "1:9: ascii cannot be 1; write true or false");
        assert_eq!(message("fps = 121"), "1:7: fps cannot be 121; write a whole number from 1 to 120");
        assert!(message("speed = \"fast\"").starts_with("1:9: speed cannot be \"fast\"; write a factor"));
        assert!(message("window = 60").contains("write \"10s\", \"60s\", \"5min\" or \"all\""));
        assert!(message("page = \"tick\"").starts_with("1:8: page cannot be \"tick\"; write \"overview\""));
        // The first of several, in the order of the file.
        assert!(message("window = 1\nascii = 1").starts_with("1:10: window"));
        for wrong in
            ["fps = 0", "fps = -1", "fps = 1.5", "fps = 0x10", "fps = \"30\"", "fps = 99999999999999999999"]
        {
            assert!(message(wrong).starts_with("1:7: fps cannot be "), "{wrong}");
        }
        for wrong in ["speed = 0", "speed = nan", "speed = inf", "speed = true", "speed = [1]"] {
            assert!(message(wrong).starts_with("1:9: speed cannot be "), "{wrong}");
        }
        for wrong in
            ["[theme]", "theme.dark = true", "theme = { dark = true }", "[[theme]]", "theme = 1979-05-27"]
        {
            assert!(message(wrong).contains(": theme cannot be "), "{wrong}: {}", message(wrong));
        }
        assert!(message("[theme]").starts_with("1:1: theme cannot be a table; write "));
        assert!(message("fps = 30\nfps = 31").starts_with("2:1: invalid TOML: duplicate key"));
        assert!(message("theme = dark").starts_with("1:9: invalid TOML: string values must be quoted"));
    }

    #[test]
    fn messages_repeat_little_and_printable() {
        let long = message(&format!("theme = \"\\u001b[31m{}\u{1f}\u{202e}\"", "x".repeat(9_000)));
        assert!(long.contains("invalid TOML") || long.len() < 300, "{long}");
        let long = message(&format!("theme = \"\u{202e}{}\"", "x".repeat(9_000)));
        assert!(
            long.contains("\"\\u{202e}xxx") && long.contains("xxx...; write") && long.len() < 300,
            "{long}"
        );
        let raw = message("\"\\u001b[31m\" = 1");
        assert!(raw.starts_with("1:1: unknown key \"\\u{1b}[31m\""), "{raw}");
        assert!(message(&format!("{} = 1", "k".repeat(9_000))).len() < 300);
    }
}
