//! Tests of what the fold counts.

use loop_probes::event::{Event, Origin, Outcome, Placement, Queue};
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;

use crate::timeline::Timeline;

const TAG: Tag = Tag(3);
const OTHER_TAG: Tag = Tag(4);

fn folded(events: &[(u64, Event)]) -> Timeline {
    let mut timeline = Timeline::of(&Metadata::new("t"));
    let stamped =
        |(at, event): &(u64, Event)| Stamped { at: Timestamp(*at), source: SourceId(1), event: *event };
    timeline.extend(&events.iter().map(stamped).collect::<Vec<_>>());
    timeline
}

fn set(task: u64, at: u64) -> (u64, Event) {
    let place = Placement { queue: Queue::Immediates, origin: Origin::Immediate, depth: task as u32 };
    let (task, queued) = (TaskId(task), Timestamp(at));
    (at, Event::TaskQueued { task, tag: OTHER_TAG, place, parent: None, poster: None, queued })
}

fn ended(task: u64, tag: Tag, outcome: Outcome, times: [u64; 3]) -> (u64, Event) {
    let [queued, start, end] = times;
    let (task, queued, start) = (TaskId(task), Timestamp(queued), Timestamp(start));
    (end, Event::TaskRan { task, tag, outcome, queued, start })
}

#[test]
fn a_cleared_immediate_did_not_run() {
    let timeline = folded(&[
        (0, Event::TickStart { tick: 1 }),
        set(1, 10),
        set(2, 20),
        ended(1, OTHER_TAG, Outcome::Cancelled, [10, 3_000_030, 3_000_030]),
        ended(9, TAG, Outcome::Done, [1, 5, 3_000_040]),
        ended(2, OTHER_TAG, Outcome::Done, [20, 3_000_041, 3_000_047]),
        (3_000_050, Event::TickEnd { tick: 1, tasks_run: 2, start: Timestamp(0) }),
    ]);
    assert_eq!((timeline.tasks_run, timeline.tasks_run_ns.count()), (2, 2));
    assert_eq!(timeline.tasks_run_ns.known_quantile(0.01), Some(6), "no run of 0 ns");
    let tasks = &timeline.tags.tag(OTHER_TAG).unwrap().tasks;
    assert_eq!((tasks.count(), tasks.queue_wait_ns.count()), (1, 1));
    assert_eq!(timeline.queues.queue(Queue::Immediates).depth_now(), Some(0), "both have left their queue");
    let tick = timeline.ticks.recent.iter().last().unwrap();
    assert_eq!(timeline.opened(tick).unwrap().spans.len(), 2);
}

#[test]
fn the_time_to_drop_a_cancelled_future_stays_in_the_breakdown() {
    let stall_ns = Timeline::of(&Metadata::new("t")).config().stall_limit_ns;
    let timeline = folded(&[
        (0, Event::TickStart { tick: 1 }),
        ended(9, TAG, Outcome::Cancelled, [1, 5, stall_ns + 40]),
        (stall_ns + 50, Event::TickEnd { tick: 1, tasks_run: 1, start: Timestamp(0) }),
    ]);
    assert_eq!((timeline.tasks_run, timeline.tags.tag(TAG).is_none()), (0, true));
    let stall = timeline.stalls.newest_first().next().unwrap();
    assert_eq!(stall.blame.shares[0].ns, stall_ns + 35, "{:?}", stall.blame);
}
