//! The page of one tick: its flame chart under keys and mouse.

use super::*;
use crate::app::layout::{from_bottom, inner};
use crate::pages::tick::flame::{self, Flame};
use loop_traces::timeline::OpenedTick;
use ratatui::layout::Rect;

/// The page of the tick of the newest stall.
fn stall() -> (App, OpenedTick) {
    let (mut app, _) = live();
    press_all(&mut app, "n2");
    let opened = app.state.picture().timeline.opened(app.state.shown_tick().unwrap()).unwrap();
    (app, opened)
}

fn note(app: &App) -> Option<&str> {
    app.state.note.as_ref().map(|note| note.text.as_str())
}

/// The cells of the runs on the screen, each with its row in the list.
fn blocks(app: &App, opened: &OpenedTick) -> Vec<(usize, Rect)> {
    let [upper, _] = from_bottom(app.state.body(), 8);
    let flame = Flame::new(opened, inner(upper), app.pages.tick.zoom, app.state.row);
    flame.blocks().map(|(place, _, block)| (place, block)).collect()
}

#[test]
fn a_click_on_a_block_selects_its_run_and_a_second_opens_it() {
    let (mut app, opened) = stall();
    let longest = app.state.row;
    let (place, block) = blocks(&app, &opened).into_iter().find(|(_, block)| block.width > 3).unwrap();
    assert_ne!(place, longest, "a phase is around it");
    update(&mut app, at(MouseKind::Click, block.x, block.y));
    assert_eq!(app.state.row, place);
    let (_, run) = blocks(&app, &opened).into_iter().find(|(place, _)| *place == longest).unwrap();
    update(&mut app, at(MouseKind::Click, run.x + run.width / 2, run.y));
    assert_eq!((app.state.row, app.page), (longest, PageName::Tick));
    update(&mut app, at(MouseKind::Click, run.x + run.width / 2, run.y));
    assert_eq!(app.page, PageName::Breakdown);
}

#[test]
fn a_click_on_a_line_of_the_list_selects_it() {
    let (mut app, opened) = stall();
    press(&mut app, Key::Home);
    let [upper, _] = from_bottom(app.state.body(), 8);
    let list = Flame::new(&opened, inner(upper), 0, 0).list_rows();
    update(&mut app, at(MouseKind::Click, list.x + 5, list.y + 2));
    assert_eq!(app.state.row, 2);
    let below = at(MouseKind::Click, list.x + 5, list.bottom() - 1);
    update(&mut app, below);
    assert!(app.state.row < opened.spans.len());
}

#[test]
fn keys_and_wheel_zoom_the_chart_between_its_ends() {
    let (mut app, opened) = stall();
    press_all(&mut app, "z");
    assert_eq!(note(&app), Some("the chart shows the whole tick"));
    press_all(&mut app, "ZZ");
    let (_, block) = blocks(&app, &opened)[0];
    update(&mut app, at(MouseKind::WheelUp, block.x, block.y));
    assert_eq!(app.pages.tick.zoom, 3);
    update(&mut app, at(MouseKind::WheelDown, block.x, block.y));
    assert_eq!(app.pages.tick.zoom, 2);
    press_all(&mut app, &"Z".repeat(70));
    assert_eq!(app.pages.tick.zoom, flame::zoom_max(&opened));
    assert_eq!(note(&app), Some("the chart cannot show less time"));
    assert_eq!(app.pages.overview.zoom, None, "the strip of the overview keeps its own");
    press_all(&mut app, "5z");
    assert_eq!(note(&app), Some("nothing to zoom on this page"));
}
