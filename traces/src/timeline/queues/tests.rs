//! Tests of queue depths: how long each depth counts, which queue an entry leaves, and when the depth is unknown.

use loop_probes::event::{Origin, Outcome, Placement};
use loop_probes::ids::{Tag, TimerId};

use super::*;
use crate::loss::Bounds;

const LOOP: usize = 0;

fn queues() -> Queues {
    Queues::new(&TimelineConfig::default())
}

fn see(queues: &mut Queues, at: u64, event: &Event) {
    queues.see(Timestamp(at), Some(LOOP), event);
}

fn queued(task: u64, queue: Queue, depth: u32, at: u64) -> Event {
    let place = Placement { queue, origin: Origin::Local, depth };
    Event::TaskQueued {
        task: TaskId(task),
        tag: Tag(1),
        place,
        parent: None,
        poster: None,
        queued: Timestamp(at),
    }
}

fn ran(task: u64, start: u64) -> Event {
    let start = Timestamp(start);
    Event::TaskRan { task: TaskId(task), tag: Tag(1), outcome: Outcome::Done, queued: start, start }
}

fn median(queues: &Queues, queue: Queue, now: u64) -> Option<u64> {
    queues.queue(queue).depth_p50(Timestamp(now))
}

#[test]
fn every_queue_has_its_own_place() {
    for queue in Queue::ALL {
        assert_eq!(Queue::ALL[place_of(*queue)], *queue);
    }
}

#[test]
fn a_peak_between_samples_is_not_missed() {
    let mut queues = queues();
    let tasks = queues.queue_mut(Queue::Tasks);
    tasks.sampled(LOOP, Timestamp(1), 2);
    tasks.reached(LOOP, Timestamp(2), 9);
    tasks.reached(LOOP, Timestamp(3), 4);
    assert_eq!((tasks.depth_now(), tasks.peak_since_sample(), tasks.depth_max.get()), (Some(2), 9, 9));
    tasks.sampled(LOOP, Timestamp(4), 0);
    assert_eq!((tasks.depth_now(), tasks.peak_since_sample(), tasks.depth_max.get()), (Some(0), 0, 9));
    assert_eq!(queues.seen().count(), 1);
}

#[test]
fn a_depth_counts_for_as_long_as_it_lasts_and_not_once_a_sample() {
    let mut queues = queues();
    for (at, depth) in [(0, 224), (1, 200), (2, 190), (3, 5), (1_000, 0)] {
        see(&mut queues, at, &Event::QueueDepth { queue: Queue::Tasks, depth });
    }
    assert_eq!(median(&queues, Queue::Tasks, 1_000), Some(5), "three of five samples lasted for 3 ns");
    assert_eq!(median(&queues, Queue::Tasks, 5_000), Some(0), "the last one lasts until now");
}

#[test]
fn between_samples_it_follows_what_is_queued_and_what_runs() {
    let mut queues = queues();
    see(&mut queues, 0, &queued(1, Queue::Tasks, 1, 0));
    see(&mut queues, 0, &queued(2, Queue::Tasks, 2, 0));
    see(&mut queues, 400, &ran(1, 100));
    // Queued by the task that ends at 900: that task had left the queue before.
    see(&mut queues, 500, &queued(3, Queue::Tasks, 1, 500));
    see(&mut queues, 900, &ran(2, 400));
    see(&mut queues, 901, &ran(3, 900));
    // 2 for 100 ns, 1 for 300, 0 for 100, 1 for 400, 0 from 900 on.
    assert_eq!(median(&queues, Queue::Tasks, 900), Some(1));
    assert_eq!(median(&queues, Queue::Tasks, 2_000), Some(0));
    assert_eq!(queues.queue(Queue::Tasks).depth_max.get(), 2);
}

#[test]
fn a_task_that_posts_while_it_runs_is_not_in_the_queue() {
    for (count, expected) in [(1, 0), (3, 2)] {
        let mut queues = queues();
        for task in 0..count {
            see(&mut queues, 0, &queued(task, Queue::Tasks, task as u32 + 1, 0));
        }
        // Each posts itself again as the last thing it does.
        for run in 0..50 {
            let (start, end) = (1 + run * 200, 200 + run * 200);
            see(&mut queues, end, &queued(run + count, Queue::Tasks, count as u32, end));
            see(&mut queues, end + 1, &ran(run, start));
        }
        assert_eq!(median(&queues, Queue::Tasks, 10_001), Some(expected), "{count}");
        assert_eq!(queues.queue(Queue::Tasks).depth_p50_bounds(Timestamp(10_001), 0), None);
    }
}

#[test]
fn when_a_running_task_left_the_queue_is_unknown_until_it_ends() {
    let mut queues = queues();
    see(&mut queues, 0, &queued(1, Queue::Tasks, 1, 0));
    see(&mut queues, 900, &queued(2, Queue::Tasks, 1, 900));
    let bounds = queues.queue(Queue::Tasks).depth_p50_bounds(Timestamp(950), 0);
    assert_eq!(bounds, Some(Bounds { lo: 0, hi: None }));
    see(&mut queues, 950, &ran(1, 100));
    let bounds = queues.queue(Queue::Tasks).depth_p50_bounds(Timestamp(950), 0);
    assert_eq!((median(&queues, Queue::Tasks, 950), bounds), (Some(0), None));
}

#[test]
fn time_without_the_loop_does_not_count() {
    let mut queues = queues();
    let stopped = Event::LoopStopped { reason: loop_probes::event::StopReason::Drained };
    for (at, depth) in [(0, 3), (20, 2), (40, 1)] {
        see(&mut queues, at, &Event::QueueDepth { queue: Queue::Timers, depth });
    }
    see(&mut queues, 60, &stopped);
    assert_eq!(median(&queues, Queue::Timers, 1_000_000), Some(2));
    // The loop goes on.
    see(&mut queues, 1_000_000, &Event::TickStart { tick: 9 });
    assert_eq!(median(&queues, Queue::Timers, 1_000_061), Some(1));
}

#[test]
fn immediates_and_after_loop_callbacks_leave_their_own_queues() {
    for queue in [Queue::Immediates, Queue::AfterLoop] {
        let mut queues = queues();
        see(&mut queues, 0, &Event::QueueDepth { queue: Queue::Tasks, depth: 3 });
        see(&mut queues, 0, &queued(1, queue, 1, 0));
        see(&mut queues, 0, &queued(2, queue, 2, 0));
        see(&mut queues, 700, &ran(1, 600));
        see(&mut queues, 800, &ran(2, 700));
        assert_eq!(median(&queues, queue, 1_000), Some(2));
        assert_eq!(median(&queues, Queue::Tasks, 1_000), Some(3));
    }
}

#[test]
fn tracked_immediates_are_limited_over_all_loops() {
    let mut queues = Queues::new(&TimelineConfig { queued_followed: 3, ..TimelineConfig::default() });
    let followed = |queues: &Queues| [0, 1].map(|place| queues.waiting(place).count());
    for task in 1..=4 {
        for place in [0, 1] {
            queues.see(Timestamp(1), Some(place), &queued(task, Queue::Immediates, task as u32, 1));
        }
    }
    assert_eq!(followed(&queues), [2, 1]);
    queues.see(Timestamp(2), Some(0), &Event::QueueDepth { queue: Queue::Immediates, depth: 0 });
    queues.see(Timestamp(3), Some(1), &ran(1, 2));
    assert_eq!((followed(&queues), queues.others_followed), ([0, 0], 0));
}

#[test]
fn a_queue_without_events_has_no_depth() {
    let mut queues = queues();
    see(&mut queues, 5, &Event::TickStart { tick: 1 });
    assert_eq!(median(&queues, Queue::Immediates, 10), None);
    assert_eq!(queues.known().count(), 0);
    see(&mut queues, 5, &Event::QueueDepth { queue: Queue::Concurrent, depth: 7 });
    assert_eq!(queues.queue(Queue::Concurrent).depth_max.get(), 7);
    assert_eq!(
        median(&queues, Queue::Concurrent, 10),
        None,
        "what others have posted is seen when it is taken"
    );
}

#[test]
fn a_queue_that_others_fill_was_as_deep_as_what_was_taken_of_it() {
    let mut queues = queues();
    see(&mut queues, 0, &Event::TickStart { tick: 1 });
    for taken in [18, 36, 1_040, 87] {
        see(&mut queues, 5, &Event::InputBatch { queue: Queue::Concurrent, taken });
        see(&mut queues, 6, &Event::QueueDepth { queue: Queue::Concurrent, depth: 18 });
    }
    see(&mut queues, 10, &Event::QueueDepth { queue: Queue::Signals, depth: 1 });
    for depth in (1..=3).rev() {
        see(&mut queues, 20, &Event::SignalArrived { signo: 10, depth, arrived: Timestamp(12) });
    }
    // What a batch of finished jobs takes was in no queue of jobs.
    see(&mut queues, 30, &Event::InputBatch { queue: Queue::Work, taken: 9 });
    for (queue, deepest, sampled) in
        [(Queue::Concurrent, 1_040, Some(18)), (Queue::Signals, 3, Some(1)), (Queue::Work, 0, None)]
    {
        let stats = queues.queue(queue);
        assert_eq!((stats.depth_max.get(), stats.depth_now()), (deepest, sampled), "{queue}");
        assert_eq!(median(&queues, queue, 99), None, "{queue}: when they came is not known");
    }
}

#[test]
fn a_whole_snapshot_says_of_every_queue_how_deep_it_is() {
    let begin = Event::SnapshotBegin { tick: 1, next_task: TaskId(9), next_timer: TimerId(1) };
    let task =
        Event::SnapshotTask { task: TaskId(4), tag: Tag(1), queue: Queue::Tasks, queued: Timestamp(0) };
    for left_out in [0, 1] {
        let mut queues = queues();
        for event in [&begin, &task, &Event::SnapshotEnd { parts: 1, left_out }] {
            see(&mut queues, 5, event);
        }
        let known = |queue| median(&queues, queue, 10);
        let expected = if left_out == 0 { [Some(1), Some(0)] } else { [None, None] };
        assert_eq!([known(Queue::Tasks), known(Queue::Immediates)], expected);
        let signals = queues.known().any(|stats| stats.queue == Queue::Signals);
        assert_eq!((signals, known(Queue::Signals)), (left_out == 0, None), "empty as of the snapshot");
        let deepest = queues.queue(Queue::Tasks).depth_max.get();
        assert_eq!(deepest, u64::from(1 - left_out), "no median is above the maximum");
    }
}

#[test]
fn a_depth_stays_as_sampled_until_a_tick_reports_another() {
    let mut queues = queues();
    see(&mut queues, 0, &Event::QueueDepth { queue: Queue::Tasks, depth: 0 });
    see(&mut queues, 10, &queued(1, Queue::Tasks, 1, 10));
    // Its run is recorded by an event that this reader does not know.
    see(&mut queues, 20, &Event::TickStart { tick: 2 });
    assert_eq!(median(&queues, Queue::Tasks, 100), Some(0));
}

#[test]
fn after_lost_records_the_depth_is_unknown_until_the_next_sample() {
    let mut queues = queues();
    see(&mut queues, 0, &Event::QueueDepth { queue: Queue::Tasks, depth: 4 });
    see(&mut queues, 60, &Event::Lost { count: 3, from: Timestamp(40) });
    see(&mut queues, 70, &Event::TickStart { tick: 9 });
    see(&mut queues, 80, &ran(7, 75));
    let tasks = queues.queue(Queue::Tasks);
    assert_eq!(tasks.depth_p50(Timestamp(100)), Some(4), "of the 40 ns that are known");
    let bounds = tasks.depth_p50_bounds(Timestamp(100), 0).unwrap();
    assert!(bounds.lo == 0 && bounds.hi.is_none(), "{bounds:?}");
    see(&mut queues, 80, &queued(8, Queue::Tasks, 1, 80));
    let bounds = queues.queue(Queue::Tasks).depth_p50_bounds(Timestamp(1_000), 0).unwrap();
    assert_eq!((bounds.lo, bounds.hi), (1, Some(1)), "40 ns in a thousand do not move it");
}

#[test]
fn a_timer_s_task_leaves_no_queue() {
    let mut queues = queues();
    see(&mut queues, 0, &queued(1, Queue::Tasks, 1, 0));
    let (timer, task, at) = (TimerId(1), TaskId(2), Timestamp(10));
    let fired = Event::TimerFired { timer, tag: Tag(1), task, due: at, fired: at, skipped: 0 };
    see(&mut queues, 10, &fired);
    let extent = (Timestamp(3), Timestamp(10));
    assert_eq!(queues.wait_of(Some(LOOP), task, extent, false), None);
    assert_eq!(queues.wait_of(Some(LOOP), TaskId(1), extent, false), Some(7));
    see(&mut queues, 10, &Event::Lost { count: 1, from: Timestamp(9) });
    assert_eq!(queues.wait_of(Some(LOOP), TaskId(9), extent, false), None, "it may be a timer's");
    assert_eq!((queues.wait_of(Some(LOOP), TaskId(9), extent, false), queues.waits_left_out()), (Some(7), 1));
    let mut queues = self::queues();
    see(&mut queues, 0, &queued(1, Queue::Tasks, 1, 0));
    see(&mut queues, 10, &fired);
    assert!(!queues.records_waits_of(Some(LOOP), task) && queues.records_waits_of(Some(LOOP), TaskId(1)));
    see(&mut queues, 20, &ran(2, 10));
    assert_eq!(median(&queues, Queue::Tasks, 100), Some(1));
}
