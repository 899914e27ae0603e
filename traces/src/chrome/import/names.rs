//! Numbers for names and categories: a trace repeats a few of them very often.

use std::collections::HashMap;

use loop_probes::text::TEXT_BYTES_MAX;

/// Most names kept: a record has 24 bits for a name.
const NAMES_MAX: usize = 1 << 18;

/// Most bytes of all names together.
const BYTES_MAX: usize = 64 << 20;

/// Most bytes of one name, the limit of a trace's labels.
const NAME_BYTES_MAX: usize = 255;

/// The number shared by all names beyond the limits.
const OTHERS: u32 = 1;

/// Texts by number. 0 is "none".
#[derive(Debug)]
pub(super) struct Names {
    numbers: HashMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
    bytes: usize,
    pub(super) refused: u64,
}

impl Default for Names {
    fn default() -> Self {
        let texts = vec!["".into(), "(others)".into()];
        Self { numbers: HashMap::new(), texts, bytes: 0, refused: 0 }
    }
}

impl Names {
    pub(super) fn number(&mut self, text: &str) -> u32 {
        let text = cut(text, NAME_BYTES_MAX);
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        if self.texts.len() >= NAMES_MAX || self.bytes + text.len() > BYTES_MAX {
            self.refused += 1;
            return OTHERS;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.into());
        self.numbers.insert(text.into(), number);
        self.bytes += text.len();
        number
    }

    pub(super) fn text(&self, number: u32) -> &str {
        self.texts.get(number as usize).map_or("", |text| text)
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
