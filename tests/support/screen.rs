//! A dashboard on a terminal of its own.

use super::program::{Place, wait_for};
use super::terminal::Terminal;

/// Columns and rows in most tests.
pub(crate) const SIZE: (u16, u16) = (100, 30);

/// Starts the program on a terminal, with its rings in `place`.
pub(crate) fn start(place: &Place, arguments: &[&str], extra: &[(&str, &str)]) -> Terminal {
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let mut environment = place.environment().to_vec();
    environment.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Terminal::start(env!("CARGO_BIN_EXE_loopscope"), &arguments, &environment, SIZE)
        .expect("the terminal starts")
}

/// Leaves a dashboard by its key.
pub(crate) fn leave(mut terminal: Terminal) {
    terminal.send("q").expect("the terminal takes keys");
    assert!(terminal.wait().success());
    wait_for("the terminal to be given back", || is_given_back(&terminal));
}

/// Whether the terminal is in its original state.
pub(crate) fn is_given_back(terminal: &Terminal) -> bool {
    terminal.look(|screen| {
        let no_mouse = screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None;
        !screen.alternate_screen() && !screen.hide_cursor() && no_mouse
    })
}

/// The number after `label` on the screen, if there is one.
pub(crate) fn number_after(text: &str, label: &str) -> Option<u64> {
    text.match_indices(label).find_map(|(at, _)| {
        let digits = text[at + label.len()..].chars().take_while(|c| c.is_ascii_digit() || *c == ',');
        digits.filter(char::is_ascii_digit).collect::<String>().parse().ok()
    })
}
