//! Tests that the terminal is restored however the dashboard ends, that one that takes nothing stops nobody, and that
//! one that cannot draw is left alone.

use std::io::Write;
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

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

/// A dashboard on a terminal that nobody reads, full to the brim. The reader must stay open, for without one the terminal
/// would be gone.
fn unread(
    place: &Place,
    arguments: &[&str],
) -> (Box<dyn Child + Send + Sync>, Box<dyn Write>, Box<dyn MasterPty>) {
    let size = PtySize { rows: 50, cols: 200, ..PtySize::default() };
    let pty = native_pty_system().openpty(size).expect("a terminal");
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_loopscope"));
    command.args(arguments);
    command.env("TERM", "xterm-256color");
    command.env("LOOPSCOPE_DIR", place.rings());
    let child = pty.slave.spawn_command(command).expect("the program starts");
    drop(pty.slave);
    let mut keyboard = pty.master.take_writer().expect("a keyboard");
    // Pages that differ in most of their cells, far more than a terminal holds.
    for _ in 0..200 {
        keyboard.write_all(b"123").expect("keys are taken");
        std::thread::sleep(Duration::from_millis(10));
    }
    (child, keyboard, pty.master)
}

#[test]
fn a_terminal_that_takes_nothing_stops_neither_keys_nor_signals() {
    let place = Place::new();
    let demo = place.demo(&[]);
    let pid = demo.pid().to_string();
    let (mut child, mut keyboard, _terminal) = unread(&place, &["attach", &pid]);
    assert!(child.try_wait().unwrap().is_none());
    keyboard.write_all(b"q").unwrap();
    wait_for("the dashboard to be left by q", || child.try_wait().unwrap().is_some());

    let (mut child, _keyboard, _terminal) = unread(&place, &["attach", &pid]);
    let dashboard = i32::try_from(child.process_id().unwrap()).unwrap();
    let dashboard = rustix::process::Pid::from_raw(dashboard).unwrap();
    rustix::process::kill_process(dashboard, rustix::process::Signal::TERM).unwrap();
    wait_for("the dashboard to be left by a signal", || child.try_wait().unwrap().is_some());

    let (mut child, _keyboard, _terminal) = unread(&place, &["attach", &pid, "--duration", "2s"]);
    wait_for("the dashboard to end by itself", || child.try_wait().unwrap().is_some());
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
