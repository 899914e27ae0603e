//! Checks text that is shown.

/// Text of one or more lines, without terminal control sequences.
pub(crate) fn is_printable(text: &str) {
    let bad = text.chars().find(|found| found.is_control() && *found != '\n');
    assert_eq!(bad, None, "{text:?}");
}
