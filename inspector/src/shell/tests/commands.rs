//! The list of commands, and what a click on the drawn keys and tabs does.

use super::*;
use crate::app::layout::Target;
use crate::keymap::{self, Action, BINDINGS};
use crate::screen;
use crate::theme::Theme;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Draws the dashboard; returns its rows.
fn drawn(app: &mut App) -> Vec<String> {
    let mut buffer = Buffer::empty(Rect::new(0, 0, 100, 30));
    app.targets = screen::draw(&mut buffer, app, Theme::new(true, false));
    (0..30).map(|y| (0..100).map(|x| buffer[(x, y)].symbol()).collect()).collect()
}

/// Clicks the first cell of `text` in a row of the screen.
fn click(app: &mut App, row: u16, text: &str) -> Vec<Effect> {
    let rows = drawn(app);
    let before = rows[usize::from(row)].split(text).next().unwrap();
    assert!(rows[usize::from(row)].contains(text), "{text}: {}", rows[usize::from(row)]);
    update(app, at(MouseKind::Click, before.chars().count() as u16, row))
}

#[test]
fn the_commands_are_all_bindings_and_words_narrow_them_down() {
    let (mut app, _) = live();
    press_all(&mut app, ":");
    let count = |app: &App| keymap::commands(&app.palette.as_ref().unwrap().text, false).count();
    let all = BINDINGS.iter().filter(|binding| binding.holds(false)).count();
    assert_eq!(count(&app), all - 1, "all but the list itself");
    press_all(&mut app, "STALL next");
    assert_eq!(count(&app), 1);
    press(&mut app, Key::Enter);
    assert!(app.palette.is_none() && app.state.tick.is_some(), "the marker is on a stall");
    press_all(&mut app, ":no such");
    assert!(drawn(&mut app).concat().contains("no command has these words"));
    press(&mut app, Key::Enter);
    assert!(app.palette.is_none());
}

#[test]
fn the_list_of_commands_scrolls_and_closes() {
    let (mut app, _) = live();
    press_all(&mut app, ":");
    press(&mut app, Key::End);
    assert!(drawn(&mut app).concat().contains("quit"));
    press(&mut app, Key::Up);
    press(&mut app, Key::Ctrl('u'));
    assert_eq!(app.palette.as_ref().unwrap().row, 0);
    press_all(&mut app, "q");
    assert!(app.palette.is_some(), "q is text here");
    press(&mut app, Key::Backspace);
    press(&mut app, Key::Backspace);
    assert!(app.palette.is_none());
    for (key, effects) in [(Key::Esc, 0), (Key::Ctrl('c'), 0)] {
        press_all(&mut app, ":");
        assert_eq!((press(&mut app, key).len(), app.palette.is_none()), (effects, true));
    }
}

#[test]
fn a_click_on_a_command_performs_it_and_one_beside_closes_the_list() {
    let (mut app, _) = live();
    press_all(&mut app, ":event log");
    let row = drawn(&mut app).iter().position(|row| row.contains("event log ")).unwrap();
    let row = (row..30).find(|row| drawn(&mut app)[*row].contains("view")).unwrap();
    click(&mut app, row as u16, "event log");
    assert_eq!((app.page, app.palette.is_none()), (PageName::Log, true));
    press_all(&mut app, ":");
    let keys = drawn(&mut app)[29].contains("quit");
    assert!(keys);
    assert_eq!(click(&mut app, 29, "q quit"), [], "what is below the list is no target");
    assert!(app.palette.is_none());
}

#[test]
fn tabs_and_keys_at_the_edges_can_be_clicked() {
    let (mut app, _) = live();
    for (tab, page) in [("3 Tags", PageName::Tags), ("5", PageName::Log), ("1", PageName::Overview)] {
        click(&mut app, 0, &format!(" {tab}"));
        let row = drawn(&mut app).swap_remove(0);
        let x = row.find(&format!(" {tab}")).map(|at| row[..at].chars().count() as u16 + 1).unwrap_or(0);
        update(&mut app, at(MouseKind::Click, x, 0));
        assert_eq!(app.page, page, "{row}");
    }
    assert_eq!(click(&mut app, 29, "q quit"), [Effect::Quit]);
    click(&mut app, 29, "? help");
    assert!(app.help);
}

#[test]
fn of_two_keys_each_has_its_own_cell() {
    let (mut app, _) = live();
    press_all(&mut app, "4");
    click(&mut app, 29, "[] window");
    assert_eq!(app.state.window.name(), "10s");
    drawn(&mut app);
    let second = app.targets.iter().rfind(|target| target.action == Action::LongerWindow);
    let Target { area, .. } = *second.unwrap();
    update(&mut app, at(MouseKind::Click, area.x, area.y));
    assert_eq!((area.width, app.state.window.name()), (1, "60s"));
}

#[test]
fn every_drawn_target_is_on_the_screen() {
    for mut app in [live().0, replay(false)] {
        for page in "1234567:".chars() {
            press(&mut app, Key::Char(page));
            drawn(&mut app);
            assert!(!app.targets.is_empty());
            for Target { area, .. } in &app.targets {
                assert!(area.right() <= 100 && area.bottom() <= 30 && !area.is_empty(), "{page}: {area:?}");
            }
        }
    }
}
