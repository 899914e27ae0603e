//! What `y` and `Y` copy, and the regular expressions that `n` and `N` step through.

use super::*;
use crate::app::layout::moved;

fn copied(app: &mut App, key: char) -> Option<String> {
    match press(app, Key::Char(key)).as_slice() {
        [] => None,
        [Effect::Copy(text)] => Some(text.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stall_is_copied_with_its_breakdown() {
    let (mut app, _) = live();
    press(&mut app, Key::BackTab);
    let text = copied(&mut app, 'y').unwrap();
    let mut lines = text.lines();
    let head = lines.next().unwrap();
    assert!(head.starts_with("stall: tick ") && head.contains(" at 00:0"), "{text}");
    assert!(lines.all(|line| line.contains('%')), "{text}");
    press(&mut app, Key::Enter);
    assert_eq!(copied(&mut app, 'y'), Some(text), "the same as its page");
    assert!(app.state.note.is_some());
}

#[test]
fn rows_of_all_pages_are_copied() {
    let (mut app, _) = live();
    for (keys, part) in [("3", "run p50"), ("4", "late timer: "), ("5", "tick"), ("2", "µs")] {
        press_all(&mut app, keys);
        let text = copied(&mut app, 'y').unwrap_or_else(|| panic!("{keys}: {:?}", app.state.note));
        assert!(text.contains(part) && text.ends_with('\n') && !text.contains('…'), "{keys}: {text}");
    }
    press_all(&mut app, "7");
    assert_eq!(copied(&mut app, 'y'), None);
    assert_eq!(app.state.note.as_ref().unwrap().text, "nothing here to copy");
}

#[test]
fn the_command_is_that_of_the_source_and_of_the_position() {
    let (mut app, _) = live();
    assert_eq!(copied(&mut app, 'Y').as_deref(), Some("loopscope attach 4121"));
    let mut app = replay(false);
    let text = copied(&mut app, 'Y').unwrap();
    assert!(text.contains(" --at ") && text.ends_with("ms"), "{text}");
    app.state.about.command = None;
    assert_eq!(copied(&mut app, 'Y'), None);
}

#[test]
fn with_a_filter_n_goes_through_its_matches_until_esc() {
    let (mut app, _) = live();
    press_all(&mut app, "n2");
    press(&mut app, Key::Home);
    press_all(&mut app, "/file|echo");
    press(&mut app, Key::Enter);
    let opened = app.state.picture().timeline.opened(app.state.shown_tick().unwrap()).unwrap();
    let labels = app.state.picture().timeline.labels.clone();
    let matches: Vec<usize> = opened
        .spans
        .iter()
        .enumerate()
        .filter(|(_, run)| {
            let name = crate::describe::span(&run.span.what, &labels).0.to_lowercase();
            run.depth == 1 && (name.contains("file #") || name.contains("echo #"))
        })
        .map(|(place, _)| place)
        .collect();
    assert!(!matches.is_empty());
    for place in &matches {
        press_all(&mut app, "n");
        assert_eq!(app.state.row, *place);
    }
    press_all(&mut app, "n");
    assert_eq!(app.state.note.as_ref().unwrap().text, "no further match in this tick");
    press_all(&mut app, "N");
    assert_eq!(app.state.row, matches[moved(matches.len() - 1, -1, matches.len() - 1)]);
    let tick = app.state.tick;
    press(&mut app, Key::Esc);
    assert_eq!(
        (app.page, app.state.filter.is_empty()),
        (PageName::Tick, true),
        "the first clears the filter"
    );
    press_all(&mut app, "N");
    assert_ne!(app.state.tick, tick, "stalls again");
}

#[test]
fn with_a_filter_n_steps_through_lists() {
    let (mut app, _) = live();
    press_all(&mut app, "/^(echo|posted|http)");
    press(&mut app, Key::Enter);
    let shown = app.state.figures.tags.len();
    assert!((2..6).contains(&shown));
    press_all(&mut app, "nnnnnnnn");
    assert_eq!(app.state.tag, app.state.figures.tags.last().map(|row| row.tag));
    press_all(&mut app, "N");
    assert_eq!(app.state.tag, app.state.figures.tags.get(shown - 2).map(|row| row.tag));
    press_all(&mut app, "5n");
    assert!(app.state.frozen.is_some());
}
