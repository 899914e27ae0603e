//! Polls that overlap, nest in each other and in callbacks: their union is exact, and busy time is what the breakdown
//! sums to.

use loop_probes::event::{Outcome, PollReason};
use loop_probes::ids::{Tag, TaskId};
use proptest::prelude::*;

use super::*;
use crate::attribution;
use crate::attribution::sweep::Nodes;
use crate::span::{SpanKind, TickSpan};

fn poll(start: u64, end: u64, timeout_ns: Option<u64>) -> TickSpan {
    let reason = if timeout_ns.is_some() { PollReason::Timer } else { PollReason::Idle };
    let what = SpanKind::Poll { reason, ready: 0, timeout_ns };
    TickSpan { start: Timestamp(start), end: Timestamp(end), what }
}

fn task(start: u64, end: u64) -> TickSpan {
    let what =
        SpanKind::Task { task: TaskId(start), tag: Tag(1), outcome: Outcome::Done, queue_wait_ns: None };
    TickSpan { start: Timestamp(start), end: Timestamp(end), what }
}

fn wait_ns(from: u64, until: u64, spans: &[TickSpan]) -> u64 {
    let mut polls = PollWait::since(Timestamp(from));
    for span in spans {
        match span.what {
            SpanKind::Poll { .. } => polls.add(span.start, span.end),
            _ => polls.ran(span.start, span.end),
        }
    }
    polls.wait_ns(Timestamp(until))
}

#[test]
fn a_poll_that_encloses_earlier_ones_counts_once() {
    let nested: Vec<TickSpan> = (0..2_000).map(|n| poll(5_000 - n, 6_000 + n, None)).collect();
    for count in [1, 2, 3, 1_000, 2_000] {
        assert_eq!(wait_ns(0, 10_000, &nested[..count]), 1_000 + 2 * (count as u64 - 1));
    }
    assert_eq!(wait_ns(0, 100, &[poll(38, 39, None), poll(1, 40, None)]), 39);
    assert_eq!(wait_ns(0, 100, &[poll(10, 20, None), poll(15, 30, None), task(12, 40)]), 10);
    assert_eq!(wait_ns(0, 100, &[poll(10, 20, None), poll(5, 30, None), task(8, 40)]), 25);
    assert_eq!(wait_ns(12, 25, &[poll(10, 20, None), poll(15, 30, None)]), 13, "up to the end");
}

#[test]
fn polls_beyond_the_tracking_limit_still_sum_up() {
    let many: Vec<TickSpan> = (0..10_000).map(|n| poll(n * 10, n * 10 + 3, None)).collect();
    assert_eq!(wait_ns(0, 100_000, &many), 30_000);
    assert_eq!(wait_ns(0, 100_000, &[&many[..], &[task(0, 100_000)]].concat()), 0);
    let last = [&many[..], &[task(99_000, 100_000)]].concat();
    assert_eq!(wait_ns(0, 100_000, &last), 29_700, "the newest are kept apart");
}

proptest! {
    #[test]
    fn busy_time_is_what_the_breakdown_sums_to(
        mut extents in prop::collection::vec((0u64..60, 0u64..60, 0u8..5, 0u64..40), 0..24),
        start in 0u64..30, len in 0u64..60,
    ) {
        for (from, to, ..) in &mut extents {
            (*from, *to) = (*from.min(to), *from.max(to));
        }
        extents.sort_by_key(|(_, to, ..)| *to);
        let span = |(from, to, kind, timeout): &(u64, u64, u8, u64)| match kind {
            0 | 1 => task(*from, *to),
            2 => poll(*from, *to, Some(*timeout)),
            _ => poll(*from, *to, None),
        };
        let spans: Vec<TickSpan> = extents.iter().map(span).collect();
        let mut nodes = Nodes::default();
        nodes.add(&spans, false);
        let busy = attribution::busy(Timestamp(start), Timestamp(start + len), nodes, 9);
        prop_assert_eq!(len - wait_ns(start, start + len, &spans), busy.total_ns);
    }
}
