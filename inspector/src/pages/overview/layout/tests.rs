//! Tests of the geometry: every cell belongs to one pane, at every size.

use super::*;
use crate::app::layout::{rows, screen};

const PLAIN: Extras = Extras { agenda: false, keep_alive: false };
const ALL: Extras = Extras { agenda: true, keep_alive: true };
const EXTRAS: [Extras; 4] =
    [PLAIN, Extras { agenda: true, keep_alive: false }, Extras { agenda: false, keep_alive: true }, ALL];

fn overlap(a: Rect, b: Rect) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

#[test]
fn panes_fill_the_body_and_never_overlap() {
    for (width, height) in (60..220).step_by(7).flat_map(|w| (20..70).map(move |h| (w, h))) {
        for (replay, extras) in [false, true].into_iter().flat_map(|replay| EXTRAS.map(|it| (replay, it))) {
            let body = screen(width, height, replay).body;
            let panes = panes(body, extras);
            let mut cells = 0;
            for (place, pane) in Pane::ALL.into_iter().enumerate() {
                let area = panes.area(pane);
                let is_there = match pane {
                    Pane::Agenda => extras.agenda && (width >= NARROW || body.height >= LOW),
                    Pane::KeepAlive => extras.keep_alive && !panes.compact && width >= ROOMY,
                    Pane::Lag => body.height >= WITH_LAG,
                    Pane::Late => width >= NARROW,
                    Pane::Queues | Pane::Microtasks | Pane::Gc | Pane::Signals => {
                        width >= NARROW || body.height >= LOW
                    }
                    _ => true,
                };
                assert_eq!(!area.is_empty(), is_there, "{pane:?} at {width}x{height}");
                cells += u32::from(area.width) * u32::from(area.height);
                for other in &Pane::ALL[..place] {
                    assert!(!overlap(area, panes.area(*other)), "{pane:?} {other:?} at {width}x{height}");
                }
            }
            assert_eq!(cells, u32::from(body.width) * u32::from(body.height));
        }
    }
}

#[test]
fn a_small_screen_keeps_the_essential_panes() {
    for extras in EXTRAS {
        keeps_the_essential_panes(extras);
    }
}

fn keeps_the_essential_panes(extras: Extras) {
    let panes = panes(screen(80, 24, false).body, extras);
    assert!(panes.compact);
    assert_eq!(panes.strip().height, 2);
    assert_eq!(rows(panes.area(Pane::Stalls), false).height, 2);
    assert!(rows(panes.area(Pane::Tasks), true).height >= 4 - u16::from(extras.agenda));
    assert_eq!((panes.area(Pane::Queues).height, panes.area(Pane::Signals).height), (1, 1));
}

#[test]
fn tab_wraps_around_and_skips_missing_panes() {
    let seen = |extras, width, height| {
        let panes = panes(screen(width, height, false).body, extras);
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
    assert_eq!([seen(PLAIN, 60, 20), seen(PLAIN, 80, 24), seen(PLAIN, 100, 30)], [3, 8, 9]);
    assert_eq!([seen(ALL, 100, 30), seen(ALL, 160, 30), seen(ALL, 160, 50)], [10, 10, 11]);
}
