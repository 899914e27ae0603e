//! Tests of the geometry: every cell belongs to one pane, at every size.

use super::*;

const PLAIN: Extras = Extras { agenda: false, keep_alive: false };
const ALL: Extras = Extras { agenda: true, keep_alive: true };
const EXTRAS: [Extras; 4] =
    [PLAIN, Extras { agenda: true, keep_alive: false }, Extras { agenda: false, keep_alive: true }, ALL];

fn overlap(a: Area, b: Area) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

#[test]
fn panes_fill_the_body_and_never_overlap() {
    for (width, height) in (60..220).step_by(7).flat_map(|w| (20..70).map(move |h| (w, h))) {
        for (replay, extras) in [false, true].into_iter().flat_map(|replay| EXTRAS.map(|it| (replay, it))) {
            let page = page(width, height, replay);
            let panes = overview(page.body, extras);
            let mut cells = 0;
            for (place, pane) in Pane::ALL.into_iter().enumerate() {
                let area = panes.area(pane);
                let is_there = match pane {
                    Pane::Agenda => extras.agenda,
                    Pane::KeepAlive => extras.keep_alive && !panes.compact && width >= ROOMY,
                    Pane::Lag => width >= NARROW,
                    _ => true,
                };
                assert_eq!(!area.is_empty(), is_there, "{pane:?} at {width}x{height}");
                cells += u32::from(area.width) * u32::from(area.height);
                for other in &Pane::ALL[..place] {
                    assert!(!overlap(area, panes.area(*other)), "{pane:?} {other:?} at {width}x{height}");
                }
            }
            assert_eq!(cells, u32::from(page.body.width) * u32::from(page.body.height));
        }
    }
}

#[test]
fn the_smallest_screen_keeps_the_essential_panes() {
    for extras in EXTRAS {
        keeps_what_the_sketch_promises(extras);
    }
}

fn keeps_what_the_sketch_promises(extras: Extras) {
    let panes = overview(page(80, 24, false).body, extras);
    assert!(panes.compact);
    assert_eq!(strip(panes.ticks).height, 2);
    assert_eq!(rows(panes.stalls, false).height, 2);
    assert!(rows(panes.tasks, true).height >= 4);
    assert_eq!((panes.queues.height, panes.signals.height), (1, 1));
}

#[test]
fn no_size_breaks_it() {
    for (width, height) in [(0, 0), (1, 1), (0, 50), (200, 0), (79, 23), (u16::MAX, u16::MAX)] {
        for replay in [false, true] {
            let page = page(width, height, replay);
            if fits(width, height) {
                let _ = overview(page.body, ALL);
            }
        }
    }
}

#[test]
fn the_strip_shows_the_newest_ticks_unless_one_is_marked() {
    assert_eq!(window(3, 10, None), Window { first: 0, count: 3, indent: 7 });
    assert_eq!(window(100, 10, None), Window { first: 90, count: 10, indent: 0 });
    assert_eq!(window(100, 10, Some(99)), Window { first: 90, count: 10, indent: 0 });
    assert_eq!(window(100, 10, Some(50)), Window { first: 42, count: 10, indent: 0 });
    assert_eq!(window(100, 10, Some(0)), Window { first: 0, count: 10, indent: 0 });
    assert_eq!(window(0, 0, None), Window { first: 0, count: 0, indent: 0 });
}

#[test]
fn headings_are_found_by_their_column() {
    let pane = Area::new(0, 7, 60, 10);
    let at = |x, by| column_at(pane, x, by);
    assert_eq!(at(1, Column::Tag), Some(Column::Tag));
    assert_eq!(at(57, Column::Tag), Some(Column::WaitP99));
    assert_eq!(at(57, Column::Caused), Some(Column::Caused), "takes the place of the wait");
    assert_eq!(at(0, Column::Tag), None);
    let wide = Area::new(0, 7, 70, 10);
    assert_eq!(column_at(wide, 67, Column::Tag), Some(Column::Caused));
    assert_eq!(column_at(wide, 57, Column::Caused), Some(Column::WaitP99));
}

#[test]
fn tab_wraps_around_and_skips_missing_panes() {
    let seen = |extras, width| {
        let panes = overview(page(width, 30, false).body, extras);
        let mut pane = Pane::Ticks;
        let mut seen = Vec::new();
        loop {
            let next = panes.step(pane, true);
            assert_eq!(panes.step(next, false), pane);
            seen.push(next);
            pane = next;
            if pane == Pane::Ticks {
                return seen.len();
            }
        }
    };
    assert_eq!((seen(PLAIN, 100), seen(ALL, 100), seen(ALL, 160)), (8, 9, 10));
}
