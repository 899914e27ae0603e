//! Short text held inline, so that an event stays `Copy` and a record path never allocates.

use std::fmt;

/// Longest text one [`InlineText`] holds, in bytes.
pub const TEXT_BYTES_MAX: usize = 79;

/// UTF-8 text of at most [`TEXT_BYTES_MAX`] bytes. Longer text is cut at a character boundary.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InlineText {
    len: u8,
    bytes: [u8; TEXT_BYTES_MAX],
}

/// Words that the text takes in a record: its length byte and its bytes, eight to a word.
pub(crate) const TEXT_WORDS: usize = (TEXT_BYTES_MAX + 1) / 8;

impl InlineText {
    /// Holds `text`, cut at a character boundary where it is longer than [`TEXT_BYTES_MAX`] bytes.
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

    /// The text.
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

    /// `None` where the length is out of range or the bytes are not UTF-8: the words come from outside.
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

/// Shows control characters instead of obeying them: text from a watched process must not steer a terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
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
    fn control_characters_are_shown() {
        assert_eq!(printable("a\x1b[2Jb\u{202e}"), "a\\u{1b}[2Jb\\u{202e}");
    }
}
