//! The loop's own overhead, and the part of it that a timer waits for.

use loop_probes::event::{ClockPoint, Event};
use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;

use super::recorded::{program, shop};
use super::{Changes, Recorded};

/// The loop's overhead before each poll, and the part of it after the clock reading, in nanoseconds.
const BEFORE_NS: u64 = 10_000;
const BEHIND_NS: u64 = 2_000;

/// The shop, with a loop that takes time before each poll.
fn slow_to_poll() -> Vec<Stamped> {
    let events = shop().events().to_vec();
    let starts: Vec<Timestamp> = events
        .iter()
        .filter_map(|stamped| match stamped.event {
            Event::Poll { start, .. } => Some(start),
            _ => None,
        })
        .collect();
    // Everything after the start of a poll is later by the overhead before it.
    let moved = |at: Timestamp| at.plus_ns(BEFORE_NS * starts.partition_point(|start| *start < at) as u64);
    let mut polls = 0;
    let mut slow = Vec::new();
    for stamped in events {
        let event = stamped.event.map_time(moved);
        let next_ns = BEFORE_NS * (polls + 1);
        let (event, is_poll) = match (stamped.event, event) {
            (Event::Poll { start, .. }, Event::Poll { reason, ready, timeout_ns, .. }) => {
                polls += 1;
                (Event::Poll { reason, ready, timeout_ns, start: start.plus_ns(next_ns) }, true)
            }
            (Event::InputClock { point: point @ ClockPoint::BeforePoll, now }, _) => {
                (Event::InputClock { point, now: Timestamp(now.as_ns() + next_ns - BEHIND_NS) }, false)
            }
            (_, event) => (event, false),
        };
        let later_ns = if is_poll { next_ns } else { BEFORE_NS * polls };
        slow.push(Stamped { at: stamped.at.plus_ns(later_ns), event, ..stamped });
    }
    slow
}

#[test]
fn a_wait_counts_from_the_clock_reading_before_loop_overhead() {
    let recorded = Recorded::read(&mut program(slow_to_poll())).unwrap();
    let answer = recorded.what_if(&Changes::default(), None).unwrap();
    let lag_ns = answer.after.timeline.timers.lag_ns.quantile(0.5);
    let lag_ns = Into::<Option<u64>>::into(lag_ns).unwrap();
    assert!((BEHIND_NS..BEHIND_NS * 2).contains(&lag_ns), "{lag_ns}");
}
