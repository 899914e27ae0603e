//! `loopscope snapshot`: its arguments.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::settings::ViewArgs;
use super::values::duration;
use crate::keymap::Key;

/// `loopscope snapshot`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope snapshot 4121                            print the dashboard after 2s, as text
  loopscope snapshot 4121 -o now.svg                 ... as a picture
  loopscope snapshot a.looptrace --at 1.2s -o a.svg
  loopscope snapshot a.looptrace --keys n,Enter -o stall.svg --size 80x24
  loopscope snapshot 4121 --duration 10s -o a.cast   record what the dashboard shows, for asciinema

A trace is shown at its end, unless --at says when. Keys are separated by commas and pressed one after the other: a character, \
Enter, Esc, Tab, BackTab, Backspace, Space, Comma, Up, Down, Left, Right, PageUp, PageDown, Home, End; a time such as 500ms waits.")]
pub struct SnapshotArgs {
    /// A trace, the path of a ring, or a process id; default: the only loop on this machine
    #[arg(value_name = "FILE|RING|PID")]
    pub input: Option<OsString>,
    /// The file to write, or - for standard output; an existing file is replaced
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    pub output: PathBuf,
    /// Output format; default: by the ending of OUT (.svg, .txt, .cast), text on standard output
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<SnapshotFormat>,
    /// Width and height in cells
    #[arg(long, value_name = "COLUMNSxROWS", default_value = "100x30", value_parser = size)]
    pub size: (u16, u16),
    /// The moment of the trace, counted from its beginning; default: its end
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub at: Option<Duration>,
    /// How long to watch a running loop before the first key, and before the picture; default: 2s
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "at")]
    pub after: Option<Duration>,
    /// What the dashboard shows at first.
    #[command(flatten)]
    pub view: ViewArgs,
    /// Keys to press first
    #[arg(long, value_name = "KEYS", value_delimiter = ',', value_parser = press)]
    pub keys: Vec<Press>,
    /// With asciicast: how long to go on after the last key; default: 5s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
}

/// The format of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SnapshotFormat {
    /// A picture with colours.
    Svg,
    /// Lines of text.
    Text,
    /// A recording of the screen, version 2, for asciinema and its like.
    Asciicast,
}

/// One of the keys to press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Press {
    /// Presses this key.
    Key(Key),
    /// Waits.
    Wait(Duration),
}

/// Largest width and height: far beyond any screen.
const CELLS_MAX: u16 = 1_000;

fn size(text: &str) -> Result<(u16, u16), String> {
    let cells = |text: &str| text.parse::<u16>().ok().filter(|cells| (1..=CELLS_MAX).contains(cells));
    let read = text.split_once('x').and_then(|(columns, rows)| cells(columns).zip(cells(rows)));
    read.ok_or_else(|| format!("write it as 100x30, each at most {CELLS_MAX}"))
}

fn press(word: &str) -> Result<Press, String> {
    const NAMED: [(&str, Key); 15] = [
        ("Enter", Key::Enter),
        ("Esc", Key::Esc),
        ("Tab", Key::Tab),
        ("BackTab", Key::BackTab),
        ("Backspace", Key::Backspace),
        ("Space", Key::Char(' ')),
        ("Comma", Key::Char(',')),
        ("Up", Key::Up),
        ("Down", Key::Down),
        ("Left", Key::Left),
        ("Right", Key::Right),
        ("PageUp", Key::PageUp),
        ("PageDown", Key::PageDown),
        ("Home", Key::Home),
        ("End", Key::End),
    ];
    let mut characters = word.chars();
    if let (Some(character), None) = (characters.next(), characters.next()) {
        return Ok(Press::Key(Key::Char(character)));
    }
    if let Some((_, key)) = NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
        return Ok(Press::Key(*key));
    }
    duration(word).map(Press::Wait).map_err(|_| {
        let names = NAMED.map(|(name, _)| name).join(", ");
        format!("it is no key: write a character, {names}, or a time to wait such as 500ms")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_characters_names_or_times_to_wait() {
        let ms = |ms| Ok(Press::Wait(Duration::from_millis(ms)));
        for (word, read) in [
            ("2", Ok(Press::Key(Key::Char('2')))),
            ("?", Ok(Press::Key(Key::Char('?')))),
            ("µ", Ok(Press::Key(Key::Char('µ')))),
            ("enter", Ok(Press::Key(Key::Enter))),
            ("Space", Ok(Press::Key(Key::Char(' ')))),
            ("500ms", ms(500)),
            ("2s", ms(2000)),
        ] {
            assert_eq!(press(word), read, "{word}");
        }
        assert!(press("").is_err() && press("Entre").is_err_and(|why| why.contains("PageDown")));
    }

    #[test]
    fn sizes_have_bounds() {
        assert_eq!((size("100x30"), size("1x1000")), (Ok((100, 30)), Ok((1, 1000))));
        for text in ["", "100", "0x30", "100x", "100x1001", "-1x5", "1x2x3"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
