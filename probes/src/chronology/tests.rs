//! Tests every kind of event with possible and with impossible times.

use super::*;
use crate::event::{FIELDS_MAX, FieldValue, Fields, Phase};
use crate::ids::{Tag, TaskId, TimerId};

const MS: u64 = 1_000_000;

/// The time of each event in these tests.
const AT: Timestamp = Timestamp(10_000 * MS);

/// A time's name, and whether it can come 10 s later and 9 s earlier than all others of its event.
type Possible = (&'static str, bool, bool);

/// The times of each kind that has any besides the record's own, in the order of its fields.
const TIMES: &[(&str, &[Possible])] = &[
    ("tick_end", &[("start", false, false)]),
    ("phase", &[("start", false, false)]),
    ("poll", &[("start", false, false)]),
    ("task_queued", &[("queued", false, true)]),
    ("task_ran", &[("queued", false, true), ("start", false, false)]),
    ("microtasks", &[("start", false, false)]),
    ("deferred_ran", &[("start", false, false)]),
    ("immediates", &[("start", false, false)]),
    ("timer_armed", &[("due", true, true)]),
    ("timer_fired", &[("due", false, true), ("fired", false, false)]),
    ("signal_arrived", &[("arrived", false, true)]),
    ("signal_delivered", &[("arrived", false, true)]),
    ("gc_ran", &[("start", false, false)]),
    ("work_ran", &[("queued", false, true), ("start", false, false)]),
    ("agenda_ran", &[("queued", false, true), ("start", false, false)]),
    ("gc_rendezvous", &[("start", false, true)]),
    ("io_ready", &[("start", false, false)]),
    ("slow_task", &[("start", false, false)]),
    ("span", &[("start", false, true)]),
    ("lost", &[("from", true, true)]),
    ("calibration", &[("monotonic", true, true)]),
    ("input_clock", &[("now", true, true)]),
    ("snapshot_timer", &[("due", true, true)]),
    ("snapshot_task", &[("queued", false, true)]),
    ("pumped", &[("start", false, false)]),
    ("shutdown_began", &[("deadline", true, true)]),
    ("shutdown_ended", &[("start", false, true)]),
    ("snapshot_loop", &[("due", true, true)]),
    ("callback_ran", &[("start", false, true)]),
    ("running", &[("deadline", true, true), ("since", true, true)]),
    ("suspended", &[("alive", false, true), ("start", false, false)]),
    ("pressure", &[("start", false, true)]),
];

/// An event of this kind; each word is at least 1.
fn event_of(code: u8, change: impl FnOnce(&mut Fields)) -> Event {
    let mut fields =
        Fields::small().into_iter().find(|fields| Event::from_fields(code, AT, fields).is_ok()).unwrap();
    change(&mut fields);
    Event::from_fields(code, AT, &fields).unwrap()
}

/// The names and values of its times.
fn times(event: Event) -> Vec<(&'static str, Timestamp)> {
    let mut times = Vec::new();
    event.each_field(|name, value| {
        if let FieldValue::Time(time) = value {
            times.push((name, time));
        }
    });
    times
}

/// An event of this kind, with times from `of`.
fn with_times(code: u8, of: impl Fn(&str) -> Timestamp) -> Event {
    let words: Vec<(usize, u64)> = times(event_of(code, |_| {}))
        .into_iter()
        .map(|(name, _)| {
            let place = word_of(code, name);
            (place, word_for(code, place, name, of(name)))
        })
        .collect();
    let made = event_of(code, |fields| words.iter().for_each(|(place, word)| fields.words[*place] = *word));
    assert!(times(made).into_iter().all(|(name, time)| time == of(name)), "{made:?}");
    made
}

fn time_of(event: Event, name: &str) -> Option<Timestamp> {
    times(event).into_iter().find(|(its, _)| *its == name).map(|(_, time)| time)
}

/// The index of the word of a time, found by changing it.
fn word_of(code: u8, name: &str) -> usize {
    let usual = event_of(code, |_| {});
    let is_it = |place: &usize| {
        let mut fields = usual.to_fields(AT);
        fields.words[*place] += 1;
        let changed = Event::from_fields(code, AT, &fields);
        changed.is_ok_and(|event| time_of(event, name) != time_of(usual, name))
    };
    (0..FIELDS_MAX).find(is_it).unwrap()
}

/// The word that encodes a time: absolute, plus one, or relative to the record.
fn word_for(code: u8, place: usize, name: &str, time: Timestamp) -> u64 {
    let candidates = [time.0, time.0 + 1, AT.0.wrapping_sub(time.0)];
    let is_right = |word: &u64| {
        let event = event_of(code, |fields| fields.words[place] = *word);
        time_of(event, name) == Some(time)
    };
    candidates.into_iter().find(is_right).unwrap()
}

fn stamped(event: Event) -> Stamped {
    Stamped { at: AT, source: SourceId(1), event }
}

/// Whether it is allowed in a tick that began at `began`.
fn is_allowed(event: Event, began: Timestamp) -> bool {
    let mut chronology = Chronology::new(Timestamp(0));
    let begins = Stamped { at: began, source: SourceId(1), event: Event::TickStart { tick: 1 } };
    assert!(chronology.allows(&begins, 0));
    chronology.allows(&stamped(event), 0)
}

#[test]
fn every_kind_says_which_of_its_times_can_be_true() {
    let usual = Timestamp(AT.0 - MS);
    for (code, kind) in Event::<Timestamp>::KINDS {
        let names: Vec<&str> = times(event_of(*code, |_| {})).into_iter().map(|(name, _)| name).collect();
        let expected = TIMES.iter().find(|(its, _)| its == kind).map_or(&[][..], |(_, times)| *times);
        assert_eq!(names, expected.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), "{kind}");
        for (name, can_be_late, can_be_early) in expected {
            let with = |time: Timestamp| with_times(*code, |its| if its == *name { time } else { usual });
            let allowed = |time| is_allowed(with(time), usual);
            assert!(allowed(usual), "{kind}.{name}");
            // The record's clock, or another one.
            assert_eq!(allowed(Timestamp(AT.0 + 10_000 * MS)), *can_be_late, "late {kind}.{name}");
            assert_eq!(allowed(Timestamp(AT.0 - 9_000 * MS)), *can_be_early, "early {kind}.{name}");
        }
    }
    assert!(TIMES.iter().all(|(kind, _)| Event::<Timestamp>::KINDS.iter().any(|(_, name)| name == kind)));
}

fn ran(queued: u64, start: u64) -> Event {
    let (queued, start) = (Timestamp(queued), Timestamp(start));
    let (task, tag) = (TaskId(1), Tag(1));
    Event::TaskRan { task, tag, outcome: crate::event::Outcome::Done, queued, start }
}

#[test]
fn clocks_that_differ_a_little_contradict_nothing() {
    let began = Timestamp(AT.0 - 20 * MS);
    for (queued, start, is_possible) in [
        (began.0, began.0, true),
        (0, AT.0, true),
        (AT.0 + MS, AT.0 + MS, true),
        (AT.0, AT.0 + 3 * MS, false),
        (AT.0, AT.0 - MS, true),
        (AT.0, AT.0 - 3 * MS, false),
        (0, began.0 - MS, true),
        (0, began.0 - 3 * MS, false),
    ] {
        assert_eq!(is_allowed(ran(queued, start), began), is_possible, "{queued} {start}");
    }
    let fired = |due, fired| {
        let (due, fired) = (Timestamp(due), Timestamp(fired));
        Event::TimerFired { timer: TimerId(1), tag: Tag(1), task: TaskId(1), due, fired, skipped: 0 }
    };
    // A millisecond too early by a loop that rounds; by a clock that is half a second ahead of the record's.
    assert!(is_allowed(fired(AT.0 + MS, AT.0), began));
    assert!(is_allowed(fired(AT.0, AT.0 + 500 * MS), began));
    let ahead = stamped(fired(AT.0, AT.0 + 1_500 * MS));
    let mut chronology = Chronology::new(Timestamp(0));
    assert!(!chronology.allows(&ahead, 0) && chronology.allows(&ahead, 500 * MS));
}

#[test]
fn what_a_loop_does_begins_in_its_tick_and_in_its_session() {
    let mut chronology = Chronology::new(Timestamp(5_000 * MS));
    let mut allows = |at: u64, source, event| {
        chronology.allows(&Stamped { at: Timestamp(at * MS), source: SourceId(source), event }, 0)
    };
    assert!(allows(6_000, 1, ran(5_500 * MS, 5_600 * MS)), "it is in no tick");
    assert!(!allows(6_000, 1, ran(3_900 * MS, 5_600 * MS)), "it was queued before the session");
    assert!(allows(6_000, 1, ran(4_100 * MS, 5_600 * MS)), "the clocks may differ");
    assert!(allows(4_000, 1, ran(100 * MS, 200 * MS)), "its time is virtual");
    assert!(allows(7_000, 1, Event::TickStart { tick: 1 }));
    assert!(!allows(7_100, 1, ran(6_000 * MS, 6_900 * MS)));
    assert!(allows(7_100, 2, ran(6_000 * MS, 6_900 * MS)), "another emitter is in no tick");
    let ended = |tick, start: u64| Event::TickEnd { tick, tasks_run: 1, start: Timestamp(start * MS) };
    for (tick, start, is_possible) in
        [(1, 7_000, true), (1, 6_900, false), (1, 7_200, false), (2, 7_200, true)]
    {
        allows(7_000, 1, Event::TickStart { tick: 1 });
        assert_eq!(allows(7_300, 1, ended(tick, start)), is_possible, "{tick} {start}");
        assert!(allows(7_400, 1, ran(6_000 * MS, 6_900 * MS)), "the tick is over");
    }
}

#[test]
fn the_end_of_a_tick_repeats_its_start_to_the_nanosecond() {
    for (start, clock_error_ns, is_possible) in
        [(AT.0, 0, true), (AT.0 - 1, 0, false), (AT.0 + 1, 0, false), (AT.0 + 1, 1, true)]
    {
        let mut chronology = Chronology::new(Timestamp(0));
        assert!(chronology.allows(&stamped(Event::TickStart { tick: 1 }), 0));
        let ended = Event::TickEnd { tick: 1, tasks_run: 0, start: Timestamp(start) };
        let ended = Stamped { at: Timestamp(AT.0 + MS), ..stamped(ended) };
        assert_eq!(chronology.allows(&ended, clock_error_ns), is_possible, "{start} {clock_error_ns}");
    }
}

#[test]
fn what_an_emitter_is_doing_began_in_its_session() {
    let mut chronology = Chronology::new(Timestamp(5_000 * MS));
    for (at, since, is_possible) in [
        (9_000, 6_000, true),
        (9_000, 4_500, true),
        (9_000, 0, false),
        (6_000, 9_000, true),
        (2_000, 0, true),
    ] {
        let doing = crate::recorder::Running::Poll { deadline: None }.event(Timestamp(since * MS));
        let doing = Stamped { at: Timestamp(at * MS), source: SourceId(1), event: doing };
        assert_eq!(chronology.allows(&doing, 0), is_possible, "{at} {since}");
    }
}

#[test]
fn a_step_back_of_an_emitter_is_counted_and_measured() {
    let mut chronology = Chronology::new(Timestamp(0));
    let mut step = |source, at_ms: u64, event, clock_error_ns| {
        let at = Timestamp(at_ms * MS);
        assert!(chronology.allows(&Stamped { at, source: SourceId(source), event }, clock_error_ns));
        (chronology.steps_back(), chronology.back_ns_max())
    };
    let read = Event::TickStart { tick: 1 };
    let cached = Event::TimerCleared { timer: TimerId(1) };
    assert_eq!(step(1, 100, read, 0), (0, 0));
    assert_eq!(step(2, 50, read, 0), (0, 0), "another emitter");
    assert_eq!(step(1, 98, read, 0), (0, 0), "the clocks of two processors");
    assert_eq!(step(1, 97, read, MS), (0, 0), "the clocks are known to be wrong");
    let late = Event::Lost { count: 1, from: Timestamp(0) };
    assert_eq!(step(1, 500, late, 0), (0, 0), "the reader's own");
    assert_eq!(step(1, 40, cached, 0), (0, 0), "when its task began");
    assert_eq!(step(1, 90, read, 0), (1, 10 * MS));
    assert_eq!(step(1, 200, read, 0), (1, 10 * MS));
    assert_eq!(step(2, 150, cached, 0), (1, 10 * MS));
    assert_eq!(step(2, 100, read, 0), (2, 50 * MS));
}

#[test]
fn an_emitter_is_not_both_before_its_session_and_in_it() {
    let read = Event::TickStart { tick: 1 };
    let cached = Event::TimerCleared { timer: TimerId(1) };
    let session = |events: [(u64, Event); 3]| {
        let mut chronology = Chronology::new(Timestamp(50_000 * MS));
        for (at_ms, event) in events {
            let at = Timestamp(at_ms * MS);
            assert!(chronology.allows(&Stamped { at, source: SourceId(1), event }, 0));
        }
        (chronology.steps_back(), chronology.back_ns_max())
    };
    let older = session([(37_000, read), (50_001, read), (50_002, read)]);
    assert_eq!(older, (1, 13_000 * MS), "a block of an older recording");
    let back = session([(50_001, read), (40_000, cached), (50_002, read)]);
    assert_eq!(back, (1, 10_000 * MS), "damage to an event without a reading");
    assert_eq!(session([(49_500, read), (50_001, read), (50_002, cached)]), (0, 0), "the clocks may differ");
    assert_eq!(session([(1, read), (2, read), (3, cached)]), (0, 0), "in virtual time");
}

#[test]
fn what_an_emitter_is_doing_began_in_its_tick() {
    use crate::recorder::Running;

    let mut chronology = Chronology::new(Timestamp(0));
    let mut allows = |at: u64, event| {
        chronology.allows(&Stamped { at: Timestamp(at * MS), source: SourceId(1), event }, 0)
    };
    let doing = |running: Running, since: u64| running.event(Timestamp(since * MS));
    let poll = Running::Poll { deadline: None };
    assert!(allows(50, doing(poll, 10)), "no tick is known");
    assert!(allows(100, Event::TickStart { tick: 7 }));
    for (running, since, is_possible) in [
        (poll, 100, true),
        (poll, 10, false),
        (Running::Phase(Phase::Gc), 10, false),
        (Running::Task { task: TaskId(1), tag: Tag(1) }, 10, false),
        // It was read before the tick began.
        (Running::Outside, 10, true),
    ] {
        assert_eq!(allows(150, doing(running, since)), is_possible, "{running:?} {since}");
    }
}
