//! The filter: a regular expression that names must match, typed key by key.

use regex_lite::{Regex, RegexBuilder};

/// Maximum length, in characters.
const TEXT_MAX: usize = 60;
/// Maximum size of a compiled expression, in bytes: repetitions of repetitions grow with their product.
const COMPILED_BYTES_MAX: usize = 64 << 10;

/// What lets names through: those that match a regular expression, ignoring case. Text that is none, as while half of
/// it is typed, is looked for as it is.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    text: String,
    expression: Option<Regex>,
    is_plain: bool,
}

impl Filter {
    /// What was typed; empty if everything passes.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether everything passes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether the text is no regular expression, and therefore looked for as it is.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Whether a name passes.
    #[must_use]
    pub fn lets_through(&self, name: &str) -> bool {
        self.expression.as_ref().is_none_or(|expression| expression.is_match(name))
    }

    /// Adds a character at the end, up to a limit.
    pub fn push(&mut self, character: char) {
        if self.text.chars().count() < TEXT_MAX {
            self.text.push(character);
            self.compile();
        }
    }

    /// Removes the last character.
    pub fn pop(&mut self) {
        self.text.pop();
        self.compile();
    }

    /// Lets everything through.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn compile(&mut self) {
        let read = |text: &str| {
            RegexBuilder::new(text).case_insensitive(true).size_limit(COMPILED_BYTES_MAX).build().ok()
        };
        let expression = read(&self.text);
        self.is_plain = expression.is_none();
        self.expression = expression.or_else(|| read(&regex_lite::escape(&self.text)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Filter {
        let mut filter = Filter::default();
        text.chars().for_each(|character| filter.push(character));
        filter
    }

    #[test]
    fn names_match_a_regular_expression_in_any_case() {
        let passes = |text, name| typed(text).lets_through(name);
        assert!(
            passes("", "anything") && passes("echo", "HttpEcho") && passes("^heart.*ms$", "Heartbeat1ms")
        );
        assert!(passes("report|echo", "Report") && !passes("^echo", "HttpEcho"));
    }

    #[test]
    fn what_is_no_expression_is_text() {
        for text in ["(", "a(b", "[", "*", "x{9999}{9999}"] {
            let filter = typed(text);
            assert!(filter.is_plain(), "{text}");
            assert!(
                filter.lets_through(&format!("before {text} after")) && !filter.lets_through("Report"),
                "{text}"
            );
        }
        let mut filter = typed("a(b");
        filter.pop();
        filter.pop();
        assert!(!filter.is_plain() && filter.lets_through("Average10ms"));
        filter.clear();
        assert!(filter.is_empty() && !filter.is_plain() && filter.lets_through("x"));
    }

    #[test]
    fn the_text_has_a_limit() {
        let filter = typed(&"a?".repeat(500));
        assert_eq!(filter.text().chars().count(), TEXT_MAX);
        assert!(filter.lets_through(&"a".repeat(10_000)));
    }
}
