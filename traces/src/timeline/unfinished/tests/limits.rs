//! Timers beyond the limit of those that are tracked.

use super::*;

#[test]
fn timers_beyond_the_limit_may_be_overdue_and_leave_the_lag_open() {
    let config = TimelineConfig { names_kept: 2, ..TimelineConfig::default() };
    let armed = |timer, due| {
        let (timer, due) = (TimerId(timer), Timestamp(due));
        at(200, Event::TimerArmed { timer, tag: TAG, due, period_ns: None })
    };
    let of = |more: &[Stamped], end| {
        let mut timeline = Timeline::new(config.clone());
        let begins = [begun(1, 100), armed(1, HOUR), armed(2, HOUR)];
        timeline.extend(begins.iter().chain(more).chain(&[seen(in_task(1), 300, 900)]));
        let unfinished = timeline.unfinished(end);
        let lag = timeline.missing_with(&unfinished).lag.longest();
        (unfinished.timers.len(), unfinished.has_timers_beyond_limit, lag)
    };
    assert_eq!(of(&[], StreamEnd::Known), (0, false, Some(0)));
    assert_eq!(of(&[armed(3, 800)], StreamEnd::Known), (0, true, None));
    assert_eq!(of(&[armed(3, HOUR)], StreamEnd::Known), (0, false, Some(0)));
    assert_eq!(of(&[armed(3, HOUR)], StreamEnd::Died), (0, true, None));
    // The tracked timer is known to be overdue; the other may be.
    assert_eq!(of(&[armed(2, 700), armed(3, 800)], StreamEnd::Known), (1, true, None));
    // A snapshot shows which are armed.
    let listed = |timer, due| {
        let (timer, due) = (TimerId(timer), Timestamp(due));
        at(850, Event::SnapshotTimer { timer, tag: TAG, due, period_ns: None, referenced: true })
    };
    let begin = at(850, Event::SnapshotBegin { tick: 1, next_task: TaskId(9), next_timer: TimerId(9) });
    let end = at(850, Event::SnapshotEnd { parts: 4, left_out: 0 });
    let snapshot = |dues: [u64; 3]| {
        let timers = dues.iter().zip(1..).map(|(due, timer)| listed(timer, *due));
        [armed(3, 800), begin].into_iter().chain(timers).chain([end]).collect::<Vec<_>>()
    };
    assert_eq!(of(&snapshot([HOUR; 3]), StreamEnd::Known), (0, false, Some(0)));
    assert_eq!(of(&snapshot([HOUR, HOUR, 800]), StreamEnd::Known), (0, true, None));
}

#[test]
fn a_count_of_the_armed_timers_shows_that_none_is_left_beyond_the_limit() {
    let config = TimelineConfig { names_kept: 2, ..TimelineConfig::default() };
    let armed = |timer, due| {
        let (timer, due) = (TimerId(timer), Timestamp(due));
        at(200, Event::TimerArmed { timer, tag: TAG, due, period_ns: None })
    };
    let fired = |timer: u64| {
        let (due, fired) = (Timestamp(250), Timestamp(260));
        let task = TaskId(10 + timer);
        at(260, Event::TimerFired { timer: TimerId(timer), tag: TAG, task, due, fired, skipped: 0 })
    };
    let depth = |depth| at(400, Event::QueueDepth { queue: Queue::Timers, depth });
    let may_be_more = |more: &[Stamped]| {
        let mut timeline = Timeline::new(config.clone());
        timeline.extend(&[begun(1, 100), armed(1, 250), armed(2, HOUR), armed(3, 250), armed(4, 250)]);
        timeline.extend(more);
        timeline.extend(&[seen(in_task(9), 500, 900)]);
        timeline.unfinished(StreamEnd::Known).has_timers_beyond_limit
    };
    let [first, third] = [1, 3].map(|timer| [fired(timer), ran(10 + timer, 260, 270)]).map(Vec::from);
    let both = [first.clone(), third].concat();
    assert!(may_be_more(&both));
    assert!(may_be_more(&[both.clone(), vec![depth(2)]].concat()), "one is tracked, the other is not");
    assert!(!may_be_more(&[both.clone(), vec![depth(1)]].concat()));
    // An interval whose callback runs is tracked, and may not be counted.
    let running = [first, vec![fired(3), depth(1)]].concat();
    assert!(may_be_more(&running));
    // Timers armed before a loss are counted, but not tracked.
    let lost = at(300, Event::Lost { count: 1, from: Timestamp(270) });
    let again = [armed(5, HOUR), armed(6, HOUR), armed(7, 350)];
    assert!(may_be_more(&[&both, &[lost][..], &again, &[depth(3)]].concat()));
}

#[test]
fn the_limit_of_tracked_timers_holds_for_each_loop() {
    let config = TimelineConfig { names_kept: 2, ..TimelineConfig::default() };
    let mut timeline = Timeline::new(config);
    for source in [LOOP, OTHER] {
        timeline.fold(&on(source, 100, Event::TickStart { tick: 1 }));
        for timer in [1, 2] {
            let (timer, due) = (TimerId(timer), Timestamp(300));
            timeline.fold(&on(source, 200, Event::TimerArmed { timer, tag: TAG, due, period_ns: None }));
        }
        timeline.fold(&on(source, 900, in_task(1).event(Timestamp(210))));
    }
    let unfinished = timeline.unfinished(StreamEnd::Known);
    assert_eq!((unfinished.timers.len(), unfinished.has_timers_beyond_limit), (4, false));
}
