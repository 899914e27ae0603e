//! Tests that the terminal is restored however the dashboard ends, and that a terminal that cannot draw is left
//! alone.

use crate::support::program::{Place, text, wait_for};
use crate::support::screen::{SIZE, is_given_back, number_after, start};
use crate::support::terminal::Terminal;
use loopscope::terminal::Screen;

#[test]
fn signals_and_suspension_give_the_terminal_back() {
    let place = Place::new();
    let mut terminal = start(&place, &["demo"], &[]);
    terminal.wait_for("ticks", |text| number_after(text, "fired ") > Some(100));
    terminal.send("\x1a").unwrap();
    wait_for("the suspension", || terminal.look(|screen| !screen.alternate_screen()));
    let pid = rustix::process::Pid::from_raw(i32::try_from(terminal.pid()).unwrap()).unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", terminal.pid())).unwrap();
    wait_for("the process to stop", || state().contains(") T "));
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    terminal.wait_for("the dashboard to come back", |text| text.contains("ticks/s"));
    assert!(terminal.look(vt100::Screen::alternate_screen));

    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    terminal.wait();
    wait_for("the terminal to be given back", || is_given_back(&terminal));
    assert!(place.loops().is_empty(), "the demo cleaned up");

    let mut terminal = start(&place, &["demo"], &[]);
    terminal.wait_for("ticks", |text| number_after(text, "fired ") > Some(100));
    let pid = rustix::process::Pid::from_raw(i32::try_from(terminal.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::QUIT).unwrap();
    terminal.wait();
    wait_for("the terminal to be given back", || is_given_back(&terminal));
}

#[test]
#[ignore = "the program that the next test starts on a terminal"]
fn panics_while_it_draws() {
    // Without a terminal there is nothing to restore.
    let Ok(mut screen) = Screen::enter(true) else { return };
    screen.draw(|_| ()).unwrap();
    panic!("the picture broke");
}

#[test]
fn a_panic_restores_the_terminal_and_is_reported() {
    let this = std::env::current_exe().unwrap();
    let arguments =
        ["--exact", "terminal::panics_while_it_draws", "--ignored", "--nocapture"].map(str::to_owned);
    let mut terminal = Terminal::start(text(&this), &arguments, &[], SIZE).unwrap();
    assert!(!terminal.wait().success());
    terminal.wait_for("the panic's message", |text| text.contains("the picture broke"));
    assert!(is_given_back(&terminal));
}

#[test]
fn a_dumb_terminal_is_left_alone() {
    let place = Place::new();
    let mut terminal = start(&place, &["demo"], &[("TERM", "dumb")]);
    assert!(!terminal.wait().success());
    terminal.wait_for("the way out", |text| text.contains("--no-tui"));
    assert!(is_given_back(&terminal));
}
