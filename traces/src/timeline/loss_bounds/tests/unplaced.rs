//! Tests of events that are missing at an unknown place.

use super::*;

#[test]
fn a_queue_s_median_is_unknown_where_any_event_may_be_missing() {
    let depth = |time, depth| at(time, Event::QueueDepth { queue: Queue::Tasks, depth });
    let events = [&tick(1, 1_000, 2_000)[..], &[depth(2_100, 3)], &tick(2, 3_000, 4_000)].concat();
    let jump = [&events[..], &tick(9, 5_000, 6_000)].concat();
    let none = SourceCounts::default();
    let p50 = |summary: &Summary| (summary.queues[0].depth.p50, summary.queues[0].depth.p50_bounds);
    assert_eq!(p50(&closed(&events, none)), (Some(3), None));
    for (events, counts) in [
        (&events, SourceCounts { malformed: 1, ..none }),
        (&events, SourceCounts { lost_records: 1, ..none }),
        (&events, SourceCounts { lost_records: 1, uncounted_gaps: 1, ..none }),
        (&jump, none),
    ] {
        let summary = closed(events, counts);
        assert_eq!(p50(&summary), (Some(3), Some(Bounds { lo: 0, hi: None })), "{counts:?}");
        let text = crate::report::text(&summary);
        let row = text.lines().find(|line| line.starts_with("tasks ") && line.contains('≥')).unwrap();
        assert!(row.contains(" ~3 "), "{row}");
    }
}

#[test]
fn a_gap_that_only_tick_numbers_show_may_have_held_records_of_any_emitter() {
    let of_other = |stamped: Stamped| Stamped { source: SourceId(2), ..stamped };
    let begun = of_other(at(2_500, Event::TickStart { tick: 7 }));
    let late = of_other(at(40_000_000, Event::Wake { from: None, coalesced: 0 }));
    let judged_with = |number: u64| {
        let ticks = tick(number, 50_000_000, 50_001_000);
        let events = [&tick(1, 1_000, 2_000)[..], &[begun, late], &ticks].concat();
        let summary = closed(&events, SourceCounts::default());
        [("ticks.run.max", 1e6), ("stalls", 0.5)]
            .map(|(metric, max)| judged(&summary, metric, Limit::Max(max)))
    };
    assert_eq!(judged_with(2), [Outcome::Failed; 2]);
    assert_eq!(judged_with(9), [Outcome::Undecided; 2]);
}
