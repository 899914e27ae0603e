//! Short texts: stored inline in records and in the header of a ring, interned in events.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Longest text of a label, in bytes.
pub const TEXT_BYTES_MAX: usize = 79;

/// Stands for texts over a limit.
pub(crate) const TEXTS_REST: &str = "(one of too many different texts)";

/// Maximum number of texts kept for events: a hostile trace, or a program that names each connection, must not exhaust
/// memory.
const TEXTS_MAX: usize = 1 << 17;

static TEXTS: LazyLock<Mutex<Texts>> = LazyLock::new(Mutex::default);

/// The text of an event: an index into a table of this process, because events are copied by the million. The table
/// keeps the latest 131,072 different texts, so read a text soon after its event.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text(u64);

/// The texts kept, oldest first, and their numbers.
#[derive(Debug, Default)]
struct Texts {
    kept: VecDeque<InlineText>,
    /// The number of the oldest.
    first: u64,
    numbers: HashMap<InlineText, u64>,
}

impl Texts {
    fn number(&mut self, text: InlineText) -> u64 {
        if let Some(number) = self.numbers.get(&text) {
            return *number;
        }
        if self.kept.len() == TEXTS_MAX
            && let Some(oldest) = self.kept.pop_front()
        {
            self.numbers.remove(&oldest);
            self.first += 1;
        }
        let number = self.first + self.kept.len() as u64;
        self.kept.push_back(text);
        self.numbers.insert(text, number);
        number
    }

    fn get(&self, number: u64) -> Option<InlineText> {
        self.kept.get(usize::try_from(number.checked_sub(self.first)?).ok()?).copied()
    }
}

impl Text {
    /// Keeps `text`, cut at a character boundary if it is longer than [`TEXT_BYTES_MAX`] bytes.
    #[must_use]
    pub fn new(text: &str) -> Self {
        InlineText::new(text).into()
    }

    /// The text, or a placeholder if newer texts displaced it from the table.
    #[must_use]
    pub fn get(self) -> InlineText {
        let texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        texts.get(self.0).unwrap_or_else(|| InlineText::new(TEXTS_REST))
    }
}

impl From<InlineText> for Text {
    fn from(text: InlineText) -> Self {
        Self(TEXTS.lock().unwrap_or_else(PoisonError::into_inner).number(text))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// UTF-8 text of at most [`TEXT_BYTES_MAX`] bytes. Longer text is cut at a character boundary.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InlineText {
    len: u8,
    bytes: [u8; TEXT_BYTES_MAX],
}

/// Words that the text takes in a record: its length byte and its bytes, eight to a word.
pub(crate) const TEXT_WORDS: usize = (TEXT_BYTES_MAX + 1) / 8;

impl InlineText {
    /// Holds `text`, cut at a character boundary if it is longer than [`TEXT_BYTES_MAX`] bytes.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut end = text.len().min(TEXT_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut bytes = [0; TEXT_BYTES_MAX];
        bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
        Self { len: end as u8, bytes }
    }

    /// The text as a string slice.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or("")
    }

    pub(crate) fn to_words(self) -> [u64; TEXT_WORDS] {
        let mut raw = [0; TEXT_WORDS * 8];
        raw[0] = self.len;
        raw[1..].copy_from_slice(&self.bytes);
        let mut words = [0; TEXT_WORDS];
        for (word, chunk) in words.iter_mut().zip(raw.chunks_exact(8)) {
            *word = chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        words
    }

    /// The text in untrusted words; `None` if the length is out of range or the bytes are not UTF-8.
    pub(crate) fn from_words(words: [u64; TEXT_WORDS]) -> Option<Self> {
        let mut raw = [0; TEXT_WORDS * 8];
        for (chunk, word) in raw.chunks_exact_mut(8).zip(words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        let text = std::str::from_utf8(raw[1..].get(..usize::from(raw[0]))?).ok()?;
        Some(Self::new(text))
    }
}

impl fmt::Debug for InlineText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Invisible code points, which can change how the text around them is displayed: the general categories Cc, Cf, Zl
/// and Zp, and the property `Default_Ignorable_Code_Point` (Unicode 16).
const UNSEEN: [(char, char); 27] = [
    ('\0', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Whether a character displays as itself: no control character, direction mark or invisible character.
#[must_use]
pub fn is_printable(character: char) -> bool {
    let after = UNSEEN.partition_point(|(_, last)| *last < character);
    matches!(character, ' '..='~') || UNSEEN.get(after).is_none_or(|(first, _)| character < *first)
}

/// Escapes characters that are not [printable](is_printable): text from a watched process must not steer a terminal,
/// nor pass for another text.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_printable(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_unicode());
        }
    }
    shown
}

/// A printable path; bytes that are not UTF-8 are shown as `\xff`.
#[must_use]
pub fn printable_path(path: &Path) -> String {
    let mut shown = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        shown += &printable(chunk.valid());
        for byte in chunk.invalid() {
            shown += &format!("\\x{byte:02x}");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_a_character_boundary() {
        let text = "ü".repeat(60);
        assert_eq!(InlineText::new(&text).as_str(), "ü".repeat(39));
    }

    #[test]
    fn survives_its_words() {
        for text in ["", "a", "ReadFile", &"x".repeat(79)] {
            let inline = InlineText::new(text);
            assert_eq!(InlineText::from_words(inline.to_words()), Some(inline));
        }
    }

    #[test]
    fn refuses_hostile_words() {
        assert_eq!(InlineText::from_words([u64::MAX; TEXT_WORDS]), None);
        assert_eq!(InlineText::from_words([0xff01, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn the_latest_texts_are_kept_once_each() {
        let mut texts = Texts::default();
        let text = |number: usize| InlineText::new(&number.to_string());
        let numbers: Vec<u64> = (0..TEXTS_MAX + 2).map(|number| texts.number(text(number))).collect();
        assert_eq!((texts.get(numbers[0]), texts.get(numbers[1])), (None, None));
        assert_eq!((texts.get(numbers[2]), texts.number(text(2))), (Some(text(2)), numbers[2]));
        assert_eq!(texts.number(text(0)), numbers[TEXTS_MAX + 1] + 1, "as a new one");
        assert_eq!((texts.kept.len(), texts.numbers.len()), (TEXTS_MAX, TEXTS_MAX));
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(printable("a\x1b[2Jb\u{202e}"), "a\\u{1b}[2Jb\\u{202e}");
    }

    #[test]
    fn a_path_that_is_no_text_is_shown_byte_by_byte() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt as _;
        let path = Path::new(OsStr::from_bytes(b"/tmp/\xff\x1b[2J\xc3\xa4\xc3"));
        assert_eq!(printable_path(path), "/tmp/\\xff\\u{1b}[2Jä\\xc3");
    }

    #[test]
    fn every_code_point_that_shows_nothing_is_escaped_and_no_other() {
        use finl_unicode::categories::{CharacterCategories as _, MinorCategory as Is};
        assert!(UNSEEN.is_sorted_by(|a, b| a.1 < b.0));
        for character in '\0'..=char::MAX {
            let is_unseen = matches!(character.get_minor_category(), Is::Cc | Is::Cf | Is::Zl | Is::Zp);
            let is_ignorable = matches!(
                character,
                '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2065}'
                    | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}'
            );
            let (code, is) = (u32::from(character), is_printable(character));
            assert!(!(is && (is_unseen || is_ignorable)), "U+{code:04X} is shown as it is");
            assert!(is || is_unseen || is_ignorable, "U+{code:04X} is escaped");
        }
    }
}
