//! Tests of attribution: the sums, the nesting, and arbitrary overlaps.

use loop_probes::event::{Outcome, Phase, PollReason};
use loop_probes::ids::{LabelId, Tag, TaskId, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::span::SpanKind;

fn span(start: u64, end: u64, what: SpanKind) -> TickSpan {
    TickSpan { start: Timestamp(start), end: Timestamp(end), what }
}

fn task(id: u64, start: u64, end: u64) -> TickSpan {
    let what = SpanKind::Task { task: TaskId(id), tag: Tag(1), outcome: Outcome::Done, queue_wait_ns: None };
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
    let breakdown = breakdown(Timestamp(100), Timestamp(300), &spans, 9);
    assert_eq!(
        breakdown.shares,
        [
            line(What::Gc, 30),
            line(A, 20),
            line(What::Phase(Phase::Tasks), 15),
            line(What::Span { label: LabelId(5) }, 1),
            line(What::Unattributed, 34),
        ]
    );
    assert_eq!(breakdown.total_ns, 100);
}

#[test]
fn a_poll_within_a_task_is_the_tasks_time() {
    let spans = [poll(20, 70), task(1, 10, 90), poll(92, 96)];
    let busy = breakdown(Timestamp(0), Timestamp(100), &spans, 9);
    assert_eq!(busy.shares, [line(A, 80), line(What::Unattributed, 16)]);
    let timer = waiting(Waiter::Timer, Timestamp(15), Timestamp(100), &spans, 9);
    assert_eq!(timer.shares, [line(A, 75), line(What::Overslept, 4), line(What::Unattributed, 6)]);
    // The breakdown of the task itself lists its poll separately.
    let mut nodes = Nodes::default();
    nodes.add(&spans, false);
    let own = ran(TaskId(1), Tag(1), Timestamp(10), Timestamp(90), nodes, 9);
    assert_eq!(own.shares, [line(What::Poll, 50), line(What::Unattributed, 30)]);
}

fn poll_for(start: u64, end: u64, timeout_ns: Option<u64>) -> TickSpan {
    let reason = if timeout_ns.is_some() { PollReason::Timer } else { PollReason::Idle };
    span(start, end, SpanKind::Poll { reason, ready: 0, timeout_ns })
}

#[test]
fn up_to_its_own_deadline_a_poll_slept_as_long_as_the_loop_asked() {
    // The poll waited for its timeout of 50, although a timer was due at 10; then the system was late by 3.
    let spans = [poll_for(0, 53, Some(50))];
    let of = |kind, from| waiting(kind, Timestamp(from), Timestamp(55), &spans, 9).shares;
    let expected = [line(What::Overslept, 40), line(What::LateWakeup, 3), line(What::Unattributed, 2)];
    for kind in Waiter::ALL {
        assert_eq!(of(kind, 10), expected, "what came without waking it, too");
    }
    assert_eq!(of(Waiter::Timer, 50), [line(What::LateWakeup, 3), line(What::Unattributed, 2)]);
}

#[test]
fn an_arrival_during_a_poll_waits_for_the_wakeup_it_causes() {
    for timeout_ns in [None, Some(1000)] {
        let spans = [poll_for(20, 53, timeout_ns)];
        let of = |kind, from| waiting(kind, Timestamp(from), Timestamp(53), &spans, 9).shares;
        assert_eq!(of(Waiter::Signal, 30)[0], line(What::LateWakeup, 23));
        assert_eq!(of(Waiter::Task, 30)[0], line(What::LateWakeup, 23));
        // The loop knew of the timer, and of the task queued before the poll, when it began to poll.
        assert_eq!(of(Waiter::Timer, 30)[0], line(What::Overslept, 23));
        assert_eq!(of(Waiter::Task, 10)[0], line(What::Overslept, 33));
    }
}

#[test]
fn small_parts_share_a_line_and_the_sum_stays() {
    let spans: Vec<_> = (0..50).map(|n| task(n, n * 10, n * 10 + 1 + n % 9)).collect();
    let breakdown = breakdown(Timestamp(0), Timestamp(600), &spans, 5);
    assert_eq!(breakdown.shares.len(), 6);
    assert!(matches!(breakdown.shares[4].what, What::Others { parts: 46 }));
    assert_eq!(breakdown.shares.iter().map(|share| share.ns).sum::<u64>(), 600);
}

#[test]
fn a_stretch_that_cuts_through_a_task_takes_its_part() {
    let breakdown = breakdown(Timestamp(50), Timestamp(80), &[task(1, 10, 70)], 5);
    assert_eq!(breakdown.shares, [line(A, 20), line(What::Unattributed, 10)]);
}

#[test]
fn a_waiter_also_waits_for_the_poll() {
    let look = SpanKind::Poll { reason: PollReason::NonBlock, ready: 0, timeout_ns: Some(0) };
    let spans = [poll(20, 70), task(1, 75, 90), span(92, 95, look)];
    let breakdown = waiting(Waiter::Signal, Timestamp(60), Timestamp(100), &spans, 9);
    let lines = [line(A, 15), line(What::LateWakeup, 10), line(What::Poll, 3), line(What::Unattributed, 12)];
    assert_eq!(breakdown.shares, lines);
    assert_eq!(breakdown.total_ns, 40);
}

fn microtasks(trigger: u64, start: u64, end: u64) -> TickSpan {
    span(start, end, SpanKind::Microtasks { trigger: Some(TaskId(trigger)), ran: 1, left: 0 })
}

#[test]
fn microtasks_are_of_the_task_that_made_most_of_them() {
    let spans = [task(1, 0, 10), microtasks(1, 10, 40), task(2, 40, 50), microtasks(2, 50, 55)];
    let shares = breakdown(Timestamp(0), Timestamp(55), &spans, 9).shares;
    assert_eq!(shares[0], line(What::Microtasks { after: Some((TaskId(1), Tag(1))) }, 30));
    assert!(shares.contains(&line(What::Microtasks { after: None }, 5)));
    // With three equal tasks, none is to blame.
    let spans: Vec<_> =
        (0..3).flat_map(|n| [task(n, n * 20, n * 20 + 5), microtasks(n, n * 20 + 5, n * 20 + 20)]).collect();
    let shares = breakdown(Timestamp(0), Timestamp(60), &spans, 9).shares;
    assert_eq!(shares[0], line(What::Microtasks { after: None }, 45));
}

#[test]
fn a_slow_task_is_broken_down_into_its_own_parts() {
    let label = |id, start, end| span(start, end, SpanKind::Span { label: LabelId(id) });
    let spans = [label(1, 10, 30), label(2, 5, 60), gc(70, 80), task(1, 0, 100), microtasks(1, 100, 130)];
    let mut nodes = Nodes::default();
    nodes.add(&spans, false);
    let breakdown = ran(TaskId(1), Tag(1), Timestamp(0), Timestamp(100), nodes, 9);
    let of = |label| What::Span { label: LabelId(label) };
    let lines = [line(of(2), 35), line(of(1), 20), line(What::Gc, 10), line(What::Unattributed, 35)];
    assert_eq!((breakdown.shares.as_slice(), breakdown.total_ns), (&lines[..], 100));
}

/// Attributes each poll within callbacks to the innermost one.
fn add_own_polls(nodes: &[sweep::Node]) -> Vec<sweep::Node> {
    use std::cmp::Reverse;
    let order = |place: usize| (nodes[place].start, Reverse(nodes[place].end), Reverse(place));
    let with_own_poll = |place: usize| {
        let node = nodes[place];
        let around = (0..nodes.len()).filter(|outer| {
            let is_run = nodes[*outer].layer == sweep::Layer::Ran && sweep::is_run(&nodes[*outer].what);
            is_run && nodes[*outer].start <= node.start && nodes[*outer].end >= node.end
        });
        match around.max_by_key(|outer| order(*outer)) {
            Some(outer) if node.layer == sweep::Layer::Polled => {
                sweep::Node::new(node.start, node.end, nodes[outer].what, sweep::Layer::Ran)
            }
            _ => node,
        }
    };
    (0..nodes.len()).map(with_own_poll).collect()
}

/// Applies the rule to one nanosecond: missing time first, then polls, then callbacks; within a layer the node that
/// began last, of those the one that ended first, of those the first in the stream.
fn owner(nodes: &[sweep::Node], at: u64) -> What {
    let covers = |node: &sweep::Node| node.start.0 <= at && at < node.end.0;
    let all = nodes.iter().enumerate().filter(|(_, node)| covers(node));
    let best = all.min_by_key(|(place, node)| {
        (std::cmp::Reverse(node.layer as u8), std::cmp::Reverse(node.start), node.end, *place)
    });
    let Some((place, node)) = best else { return What::Unattributed };
    if let What::Span { .. } = node.what {
        // A span belongs to the activity in which it began: apply the rule at its start, to the nodes around it.
        let is_outer = |(its, outer): &(usize, &sweep::Node)| {
            outer.layer == node.layer
                && outer.start <= node.start
                && (outer.start < node.start || (outer.end, *its) > (node.end, place))
        };
        let outer: Vec<sweep::Node> =
            nodes.iter().enumerate().filter(is_outer).map(|(_, outer)| *outer).collect();
        return match owner(&outer, node.start.0) {
            What::Unattributed | What::Phase(_) => node.what,
            outer => outer,
        };
    }
    node.what
}

proptest! {
    #[test]
    fn each_nanosecond_goes_where_the_rule_says(
        extents in prop::collection::vec((0u64..60, 0u64..60, 0u8..7), 0..24),
        start in 0u64..40, len in 0u64..50,
    ) {
        let mut nodes = Nodes::default();
        for (n, (from, to, kind)) in extents.iter().enumerate() {
            let (from, to) = (*from.min(to), *from.max(to));
            match kind {
                0 => nodes.add(&[poll(from, to)], false),
                1 => nodes.add(&[gc(from, to)], false),
                2 => nodes.add(&[span(from, to, SpanKind::Phase(Phase::Io))], false),
                3 => nodes.add(&[span(from, to, SpanKind::Span { label: LabelId(n as u32) })], false),
                4 => nodes.list.push(sweep::Node::missing(Timestamp(from), Timestamp(to), What::Unknown { lost: 3 })),
                _ => nodes.add(&[task(n as u64, from, to)], false),
            }
        }
        nodes.list.retain(|node| node.start < node.end);
        let all = add_own_polls(&nodes.list);
        let mut expected: std::collections::BTreeMap<What, u64> = std::collections::BTreeMap::new();
        for at in start..start + len {
            *expected.entry(owner(&all, at)).or_default() += 1;
        }
        let breakdown = waited(Waiter::Timer, Timestamp(start), Timestamp(start + len), nodes, 99);
        for share in &breakdown.shares {
            prop_assert_eq!(share.ns, expected.remove(&share.what).unwrap_or(0), "{:?}", share.what);
        }
        prop_assert!(expected.is_empty(), "{:?}", expected);
        prop_assert_eq!(breakdown.total_ns, len);
    }

    #[test]
    fn the_sum_is_exact_for_any_overlaps(
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
        let breakdown = breakdown(Timestamp(start), Timestamp(start + len), &spans, lines);
        let mut nodes = Nodes::default();
        nodes.add(&spans, false);
        let nodes = add_own_polls(&nodes.list);
        let polled = (start..start + len).filter(|ns| {
            nodes.iter().any(|node| node.layer == sweep::Layer::Polled
                && node.start.0 <= *ns && *ns < node.end.0)
        }).count() as u64;
        prop_assert_eq!(breakdown.total_ns, len - polled);
        prop_assert_eq!(breakdown.shares.iter().map(|share| share.ns).sum::<u64>(), breakdown.total_ns);
        prop_assert_eq!(breakdown.shares.last().map(|share| share.what), Some(What::Unattributed));
    }
}
