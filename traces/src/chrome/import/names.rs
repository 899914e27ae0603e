//! Numbers for names and categories: a trace repeats a few of them very often.

use indexmap::IndexSet;
use loop_probes::text::TEXT_BYTES_MAX;

/// Maximum number of names kept: a record has 24 bits for what a task runs.
const NAMES_MAX: usize = 1 << 18;

/// Maximum number of bytes of all names together.
const BYTES_MAX: usize = 64 << 20;

/// Maximum number of bytes of one name, the limit of a trace's labels.
const NAME_BYTES_MAX: usize = 255;

/// The number shared by all names beyond the limits.
const OTHERS: u32 = 1;

/// The numbers below those of the texts: 0 is "none".
const RESERVED: [&str; 2] = ["", "(others)"];

/// Texts by number.
#[derive(Debug, Default)]
pub(super) struct Names {
    texts: IndexSet<Box<str>>,
    bytes: usize,
    pub(super) refused: u64,
}

impl Names {
    pub(super) fn number(&mut self, text: &str) -> u32 {
        let text = cut(text, NAME_BYTES_MAX);
        let known = self.texts.get_index_of(text);
        if known.is_none() && (self.texts.len() >= NAMES_MAX || self.bytes + text.len() > BYTES_MAX) {
            self.refused += 1;
            return OTHERS;
        }
        let place = known.unwrap_or_else(|| {
            self.bytes += text.len();
            self.texts.insert_full(text.into()).0
        });
        (RESERVED.len() + place) as u32
    }

    pub(super) fn text(&self, number: u32) -> &str {
        let number = number as usize;
        match number.checked_sub(RESERVED.len()) {
            Some(place) => self.texts.get_index(place).map_or("", |text| text),
            None => RESERVED[number],
        }
    }
}

/// Cuts `text` to at most `most` bytes of whole characters.
fn cut(text: &str, most: usize) -> &str {
    let mut at = most.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    &text[..at]
}

/// Shortens a name to fit a trace's label: a place in a source file (`run (/usr/lib/a.py:7)`) loses its folders first.
pub(super) fn label_text(name: &str) -> String {
    if name.len() <= TEXT_BYTES_MAX {
        return name.to_owned();
    }
    let short = name.rfind(" (").and_then(|place| {
        let file = name[place..].rfind('/')?;
        Some(format!("{} ({}", &name[..place], &name[place + file + 1..]))
    });
    cut(short.as_deref().unwrap_or(name), TEXT_BYTES_MAX).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_their_distinguishing_parts() {
        let long = format!("Handle._run (/{}/asyncio/events.py:78)", "x".repeat(90));
        assert_eq!(label_text(&long), "Handle._run (events.py:78)");
        assert_eq!(label_text("short (/a/b.py:1)"), "short (/a/b.py:1)");
        assert_eq!(label_text(&"ü".repeat(90)).len(), 78);
    }

    #[test]
    fn a_name_has_one_number() {
        let mut names = Names::default();
        let number = names.number("a");
        assert_eq!((names.number("a"), names.text(number), names.text(0)), (number, "a", ""));
        assert_ne!(names.number("b"), number);
    }
}
