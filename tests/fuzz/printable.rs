//! Text that is shown.

/// Text of one line or many: nothing in it steers a terminal.
pub(crate) fn is_printable(text: &str) {
    let bad = text.chars().find(|found| found.is_control() && *found != '\n');
    assert_eq!(bad, None, "{text:?}");
}
