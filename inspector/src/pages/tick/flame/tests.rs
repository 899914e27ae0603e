//! Tests of the places of runs: nested as recorded, as wide as their time, found again by the mouse.

use loop_probes::event::Phase;
use loop_traces::synthetic::Script;
use loop_traces::timeline::{Timeline, TimelineConfig};

use super::*;

/// A pane of 100 columns.
const PANE: Rect = Rect { x: 3, y: 5, width: 100, height: 20 };

fn ticks() -> Vec<OpenedTick> {
    let script = Script { ticks: 300, stall_every: 40, ..Script::default() };
    let mut timeline = Timeline::new(TimelineConfig::of(&script.metadata()));
    script.events().iter().for_each(|stamped| timeline.fold(stamped));
    let opened: Vec<OpenedTick> =
        timeline.ticks.recent.iter().filter_map(|tick| timeline.opened(tick)).collect();
    assert!(opened.len() > 100);
    opened
}

/// The blocks of a chart: index, depth, cells.
fn blocks(flame: &Flame<'_>) -> Vec<(usize, usize, Rect)> {
    flame.blocks().map(|(place, opened, block)| (place, opened.depth, block)).collect()
}

#[test]
fn blocks_lie_below_the_run_around_them_and_never_overlap() {
    for opened in ticks() {
        for zoom in [0, 1, 3, zoom_max(&opened)] {
            for selected in [0, opened.spans.len() / 2, opened.spans.len()] {
                let flame = Flame::new(&opened, PANE, zoom, selected);
                let blocks = blocks(&flame);
                for (place, depth, block) in &blocks {
                    assert!(
                        flame.rows.intersection(*block).width == block.width,
                        "{block:?} in {:?}",
                        flame.rows
                    );
                    assert!((flame.rows.y..flame.rows.bottom()).contains(&block.y));
                    let around = blocks
                        .iter()
                        .rev()
                        .find(|(outer, outer_depth, _)| outer < place && *outer_depth + 1 == *depth);
                    if let Some((_, _, around)) = around {
                        assert!(around.x <= block.x && block.right() <= around.right().max(around.x + 1));
                        assert_eq!(around.y + 1, block.y);
                    }
                }
                for pair in blocks.chunk_by(|a, b| a.1 == b.1).flat_map(|row| row.windows(2)) {
                    assert!(pair[0].2.right() <= pair[1].2.x || pair[1].2.width == 0, "{pair:?}");
                }
            }
        }
    }
}

#[test]
fn a_block_is_as_wide_as_its_share_of_the_busy_time() {
    for opened in ticks() {
        let flame = Flame::new(&opened, PANE, 0, 0);
        assert_eq!(flame.shown_ns(), 0..flame.clock.busy_ns);
        for (_, run, block) in flame.blocks() {
            match run.span.what {
                // The loop's own wait is not busy time, and its phase has it within.
                SpanKind::Poll { .. } => {
                    assert_eq!(block.width, 0);
                    continue;
                }
                SpanKind::Phase(Phase::Poll) => continue,
                _ => {}
            }
            let exact = run.span.run_ns() as f64 / flame.clock.busy_ns as f64 * f64::from(flame.rows.width);
            assert!((exact - f64::from(block.width)).abs() <= 1.0, "{exact} {block:?}");
        }
    }
}

#[test]
fn zoom_halves_the_time_around_the_selected_run() {
    for opened in ticks() {
        let selected = opened.spans.len() / 2;
        let max = zoom_max(&opened);
        for zoom in 1..=max {
            let (wide, narrow) =
                (Flame::new(&opened, PANE, zoom - 1, selected), Flame::new(&opened, PANE, zoom, selected));
            let (outer, inner) = (wide.shown_ns(), narrow.shown_ns());
            assert!(inner.end - inner.start <= (outer.end - outer.start).div_ceil(2).max(SHOWN_NS_MIN));
            assert!(outer.end <= wide.clock.busy_ns);
            let OpenedSpan { span, .. } = opened.spans[selected];
            let (from, to) = (narrow.busy_until(span.start), narrow.busy_until(span.end));
            assert!(inner.start <= from.midpoint(to) && from.midpoint(to) <= inner.end);
        }
    }
}

#[test]
fn the_mouse_finds_what_is_drawn() {
    for opened in ticks().iter().step_by(7) {
        let flame = Flame::new(opened, PANE, 0, 0);
        for (place, _, block) in blocks(&flame) {
            for x in block.x..block.right() {
                let found = flame.at(Position::new(x, block.y)).unwrap();
                let run_ns = |place: usize| opened.spans[place].span.run_ns();
                assert!(run_ns(found) >= run_ns(place));
            }
        }
        assert_eq!(flame.at(Position::new(PANE.x, flame.axis.y)), None);
    }
}

#[test]
fn no_pane_is_too_small() {
    let opened = &ticks()[0];
    for (width, height) in [(0, 0), (1, 1), (2, 3), (60, 2), (u16::MAX, 4)] {
        let pane = Rect { x: 0, y: 0, width, height };
        let flame = Flame::new(opened, pane, u32::MAX, usize::MAX);
        assert!(flame.blocks().all(|(_, _, block)| block.right() <= width));
        let _ = (flame.list_rows(), flame.at(Position::default()), flame.ns_at(u16::MAX));
    }
}
