//! Parses a terminal's bytes into keys and clicks.
//!
//! crossterm's reader is unsuitable for a dashboard: it keeps reading from a closed terminal, blocks in the middle of a
//! sequence, and misses a key that arrives together with a resize. This parser covers the small part of xterm's
//! `ctlseqs` that the keymap uses.

use ratatui::layout::Position;

use crate::app::message::{Mouse, MouseKind};
use crate::keymap::Key;

/// Longer sequences are not recognised.
const SEQUENCE_MAX: usize = 64;
const ESC: u8 = 0x1b;

/// A parsed input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Key(Key),
    Mouse(Mouse),
}

/// Collects bytes until they form a key; sequences may be incomplete or unknown.
#[derive(Debug, Default)]
pub(super) struct Parser {
    pending: Vec<u8>,
}

/// What the first pending bytes are.
enum Found {
    /// This many bytes form this input; `None` for an unknown one.
    Whole(usize, Option<Input>),
    /// More bytes may follow.
    Part,
}

impl Parser {
    /// Takes bytes and passes the inputs parsed from them to `take`.
    pub(super) fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(Input)) {
        self.pending.extend_from_slice(bytes);
        while !self.pending.is_empty() {
            match found(&self.pending) {
                Found::Whole(len, input) => {
                    self.pending.drain(..len);
                    input.into_iter().for_each(&mut take);
                }
                Found::Part if self.pending.len() > SEQUENCE_MAX => self.pending.clear(),
                Found::Part => return,
            }
        }
    }

    /// Whether an incomplete sequence is pending.
    pub(super) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Called when no more bytes arrive: whatever begins with an Esc was the Esc key; the rest is dropped as noise.
    pub(super) fn give_up(&mut self) -> Option<Input> {
        let escape = self.pending.first() == Some(&ESC);
        self.pending.clear();
        escape.then_some(Input::Key(Key::Esc))
    }
}

fn found(bytes: &[u8]) -> Found {
    match bytes {
        [ESC] => Found::Part,
        [ESC, b'[', rest @ ..] => match rest.iter().position(|byte| (0x40..=0x7e).contains(byte)) {
            Some(end) => Found::Whole(end + 3, sequence(&rest[..end], rest[end])),
            None => Found::Part,
        },
        [ESC, b'O'] => Found::Part,
        [ESC, b'O', last, ..] => Found::Whole(3, sequence(b"", *last)),
        // Esc followed by a key. Alt with a key looks the same, but the keymap has no Alt.
        [ESC, ..] => Found::Whole(1, Some(Input::Key(Key::Esc))),
        [first, ..] if *first < 0x20 || *first == 0x7f => Found::Whole(1, control(*first).map(Input::Key)),
        _ => character(bytes),
    }
}

fn control(byte: u8) -> Option<Key> {
    Some(match byte {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        0x08 | 0x7f => Key::Backspace,
        0x01..=0x1a => Key::Ctrl(char::from(byte - 1 + b'a')),
        _ => return None,
    })
}

fn character(bytes: &[u8]) -> Found {
    let whole = &bytes[..bytes.len().min(4)];
    let text = match std::str::from_utf8(whole) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() > 0 => {
            std::str::from_utf8(&whole[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(error) if error.error_len().is_none() => return Found::Part,
        Err(_) => return Found::Whole(1, None),
    };
    match text.chars().next() {
        Some(character) => Found::Whole(character.len_utf8(), Some(Input::Key(Key::Char(character)))),
        None => Found::Whole(1, None),
    }
}

/// A control sequence, given its parameters and its last byte.
fn sequence(parameters: &[u8], last: u8) -> Option<Input> {
    if let [b'<', numbers @ ..] = parameters {
        return mouse(numbers, last).map(Input::Mouse);
    }
    let number = std::str::from_utf8(parameters).ok()?.split(';').next()?.parse::<u8>().ok();
    Some(Input::Key(match (last, number) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', _) => Key::Right,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', Some(1 | 7)) => Key::Home,
        (b'F', _) | (b'~', Some(4 | 8)) => Key::End,
        (b'Z', _) => Key::BackTab,
        (b'~', Some(5)) => Key::PageUp,
        (b'~', Some(6)) => Key::PageDown,
        _ => return None,
    }))
}

/// `button;column;row` in SGR coordinates; `M` is a press, `m` a release.
fn mouse(numbers: &[u8], last: u8) -> Option<Mouse> {
    let mut numbers = std::str::from_utf8(numbers).ok()?.split(';').map(str::parse::<u16>);
    let (button, x, y) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    // The bits of Shift, Alt and Ctrl make no difference here.
    let kind = match (button & !0b1_1100, last) {
        (0, b'M') => MouseKind::Click,
        (32, b'M') => MouseKind::Drag,
        (64, b'M') => MouseKind::WheelUp,
        (65, b'M') => MouseKind::WheelDown,
        _ => return None,
    };
    Some(Mouse { kind, at: Position::new(x.checked_sub(1)?, y.checked_sub(1)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &[u8]) -> Vec<Input> {
        let (mut parser, mut all) = (Parser::default(), Vec::new());
        parser.feed(bytes, |input| all.push(input));
        all.extend(parser.give_up());
        all
    }

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let key = |input| if let Input::Key(key) = input { Some(key) } else { None };
        parsed(bytes).into_iter().filter_map(key).collect()
    }

    #[test]
    fn terminal_sequences_become_keys() {
        assert_eq!(keys(b"q N"), [Key::Char('q'), Key::Char(' '), Key::Char('N')]);
        assert_eq!(
            keys(b"\r\t\x7f\x03\x1a"),
            [Key::Enter, Key::Tab, Key::Backspace, Key::Ctrl('c'), Key::Ctrl('z')]
        );
        assert_eq!(keys(b"\x1b[A\x1bOB\x1b[1;5C\x1b[Z"), [Key::Up, Key::Down, Key::Right, Key::BackTab]);
        assert_eq!(keys(b"\x1b[5~\x1b[6~\x1b[H\x1b[4~"), [Key::PageUp, Key::PageDown, Key::Home, Key::End]);
        assert_eq!(keys("üß日".as_bytes()), [Key::Char('ü'), Key::Char('ß'), Key::Char('日')]);
        assert_eq!(keys(b"\x1b"), [Key::Esc]);
        assert_eq!(keys(b"\x1bq"), [Key::Esc, Key::Char('q')]);
    }

    #[test]
    fn clicks_and_the_wheel_have_a_position() {
        let mouse = |kind| Input::Mouse(Mouse { kind, at: Position::new(41, 4) });
        assert_eq!(parsed(b"\x1b[<0;42;5M\x1b[<0;42;5m\x1b[<2;42;5M"), [mouse(MouseKind::Click)]);
        assert_eq!(parsed(b"\x1b[<32;42;5M"), [mouse(MouseKind::Drag)]);
        assert_eq!(
            parsed(b"\x1b[<64;42;5M\x1b[<69;42;5M"),
            [mouse(MouseKind::WheelUp), mouse(MouseKind::WheelDown)]
        );
        assert_eq!(parsed(b"\x1b[<0;0;0M\x1b[<0;9M\x1b[<;;M"), []);
    }

    #[test]
    fn input_split_anywhere_parses_the_same() {
        let bytes = "j\x1b[<64;42;5M\x1b[6~\x1bOAü\x1b[1;2D日q".as_bytes();
        let at_once = parsed(bytes);
        for cut in 0..bytes.len() {
            let (mut parser, mut all) = (Parser::default(), Vec::new());
            parser.feed(&bytes[..cut], |input| all.push(input));
            parser.feed(&bytes[cut..], |input| all.push(input));
            assert_eq!(all, at_once, "cut at {cut}");
            assert!(!parser.is_waiting());
        }
    }

    #[test]
    fn noise_is_skipped() {
        assert_eq!(keys(b"\xff\xfe\x00a\x80b"), [Key::Char('a'), Key::Char('b')]);
        let mut parser = Parser::default();
        parser.feed(&[b"\x1b[".as_slice(), &[b'1'; 500]].concat(), |input| panic!("{input:?}"));
        parser.feed(b"1", |_| ());
        assert!(!parser.is_waiting() || parser.pending.len() <= SEQUENCE_MAX);
    }
}
