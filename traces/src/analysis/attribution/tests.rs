//! Tests of attribution: the sums, the nesting, and arbitrary overlaps.

use loop_probes::event::{Outcome, PollReason};
use proptest::prelude::*;

use super::*;

fn span(start: u64, end: u64, what: SpanKind) -> TickSpan {
    TickSpan { start: Timestamp(start), end: Timestamp(end), what }
}

fn task(id: u64, start: u64, end: u64) -> TickSpan {
    let what = SpanKind::Task { task: TaskId(id), tag: Tag(1), outcome: Outcome::Done, queue_wait_ns: 0 };
    span(start, end, what)
}

fn poll(start: u64, end: u64) -> TickSpan {
    span(start, end, SpanKind::Poll { reason: PollReason::Idle, ready: 0, timeout_ns: None })
}

fn gc(start: u64, end: u64) -> TickSpan {
    span(start, end, SpanKind::Gc { heap_bytes_before: 2, heap_bytes_after: 1 })
}

fn line(what: What, ns: u64) -> Share {
    Share { what, ns }
}

const A: What = What::Task { task: TaskId(1), tag: Tag(1) };

#[test]
fn each_nanosecond_goes_to_the_innermost() {
    let spans = [
        gc(120, 150),
        span(155, 158, SpanKind::Span { label: LabelId(4) }),
        task(1, 110, 160),
        span(105, 170, SpanKind::Phase(Phase::Tasks)),
        poll(180, 280),
        span(290, 291, SpanKind::Span { label: LabelId(5) }),
    ];
    let ledger = ledger(Timestamp(100), Timestamp(300), &spans, 9);
    assert_eq!(
        ledger.shares,
        [
            line(What::Gc, 30),
            line(A, 20),
            line(What::Phase(Phase::Tasks), 15),
            line(What::Span { label: LabelId(5) }, 1),
            line(What::Unattributed, 34),
        ]
    );
    assert_eq!(ledger.total_ns, 100);
}

#[test]
fn a_poll_within_a_task_is_not_the_tasks_time() {
    let ledger = ledger(Timestamp(0), Timestamp(100), &[poll(20, 70), task(1, 10, 90)], 9);
    assert_eq!(ledger.shares, [line(A, 30), line(What::Unattributed, 20)]);
}

#[test]
fn small_parts_share_a_line_and_the_sum_stays() {
    let spans: Vec<_> = (0..50).map(|n| task(n, n * 10, n * 10 + 1 + n % 9)).collect();
    let ledger = ledger(Timestamp(0), Timestamp(600), &spans, 5);
    assert_eq!(ledger.shares.len(), 6);
    assert!(matches!(ledger.shares[4].what, What::Others { parts: 46 }));
    assert_eq!(ledger.shares.iter().map(|share| share.ns).sum::<u64>(), 600);
}

#[test]
fn a_stretch_that_cuts_through_a_task_takes_its_part() {
    let ledger = ledger(Timestamp(50), Timestamp(80), &[task(1, 10, 70)], 5);
    assert_eq!(ledger.shares, [line(A, 20), line(What::Unattributed, 10)]);
}

proptest! {
    #[test]
    fn whatever_overlaps_the_sum_is_exact(
        extents in prop::collection::vec((0u64..200, 0u64..200, 0u8..4), 0..60),
        start in 0u64..100, len in 0u64..120, lines in 0usize..6,
    ) {
        let spans: Vec<_> = extents.iter().enumerate().map(|(n, (from, to, kind))| {
            let (from, to) = (*from.min(to), *from.max(to));
            match kind {
                0 => poll(from, to),
                1 => gc(from, to),
                2 => span(from, to, SpanKind::Phase(Phase::Io)),
                _ => task(n as u64, from, to),
            }
        }).collect();
        let ledger = ledger(Timestamp(start), Timestamp(start + len), &spans, lines);
        let polled = (start..start + len).filter(|ns| {
            spans.iter().any(|span| matches!(span.what, SpanKind::Poll { .. })
                && span.start.0 <= *ns && *ns < span.end.0)
        }).count() as u64;
        prop_assert_eq!(ledger.total_ns, len - polled);
        prop_assert_eq!(ledger.shares.iter().map(|share| share.ns).sum::<u64>(), ledger.total_ns);
        prop_assert_eq!(ledger.shares.last().map(|share| share.what), Some(What::Unattributed));
    }
}
