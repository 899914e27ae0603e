//! Events whose own times contradict each other, by the table of the trace format alone.

use std::collections::HashMap;

use serde_json::Value;

use super::decoder::{Decoded, Trace};
use super::number;

const MS: u64 = 1_000_000;

/// Times of one clock.
const SLACK: u64 = 2 * MS;

/// Times of different clocks.
const CLOCKS: u64 = 1_000 * MS;

/// The indexes of the times among an event's fields, for kinds whose times have an order.
const fn times(kind: u8) -> &'static [usize] {
    match kind {
        3 | 38 | 78 => &[1],
        2 | 9 | 10 | 15 | 16 | 19 | 27 | 37 | 49 => &[2],
        4 | 7 | 33 | 62 | 64 | 82 => &[3],
        5 => &[4],
        6 => &[2, 3],
        22 => &[3, 4],
        25 => &[4, 5],
        81 => &[1, 2],
        _ => &[],
    }
}

/// Whether a loop does this kind of thing only within a tick.
const fn is_in_tick(kind: u8) -> bool {
    matches!(kind, 2..=4 | 6 | 7 | 9 | 10 | 19 | 33 | 37 | 62)
}

fn is_possible(event: &Decoded, tick: Option<(u64, u64)>, started: u64) -> bool {
    let ordered = |earlier: u64, later: u64, slack: u64| earlier <= later.saturating_add(slack);
    if event.kind == 12 {
        let (due, fired) = (event.field(2), event.field(3));
        return ordered(due, fired, SLACK) && ordered(fired, event.at, CLOCKS);
    }
    let mut all: Vec<u64> = times(event.kind).iter().map(|place| event.time(*place)).collect();
    all.push(event.at);
    let in_order = all.windows(2).all(|pair| ordered(pair[0], pair[1], SLACK));
    let start = all[all.len().saturating_sub(2)];
    let in_tick = tick.is_none_or(|(number, began)| {
        let is_its_end = event.kind == 2 && event.field(0) == number;
        ordered(began, start, SLACK) && (!is_its_end || ordered(start, began, SLACK))
    });
    let in_session = event.at < started || ordered(started, all[0], CLOCKS);
    in_order && (!is_in_tick(event.kind) || in_tick && in_session)
}

/// Checks that a whole recording has no such events, and that the report counts none as malformed.
pub(crate) fn compare(trace: &Trace, report: &Value, name: &str) {
    let started = number(&trace.metadata, "/started/monotonic");
    let mut ticks: HashMap<u32, (u64, u64)> = HashMap::new();
    let mut wrong = Vec::new();
    for event in &trace.events {
        if !is_possible(event, ticks.get(&event.source).copied(), started) {
            wrong.push(event);
        }
        match event.kind {
            1 => drop(ticks.insert(event.source, (event.field(0), event.at))),
            2 => drop(ticks.remove(&event.source)),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{name}: {wrong:?}");
    assert_eq!(number(report, "/malformed_events"), 0, "{name}");
}
