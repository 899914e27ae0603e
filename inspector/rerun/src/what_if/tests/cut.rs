//! A recording that ends in a tick is re-executed up to its last whole tick, and the answer names the tick left out.

use loop_probes::event::{Event, RunningKind};
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};
use loop_probes::stamped::Stamped;
use loop_traces::reader::TraceReader;
use loop_traces::source::MemorySource;

use super::recorded::{program, shop};
use super::{Answer, Changes, Recorded};
use crate::RerunError;

/// How long the loop hangs at the end of the recording.
const HANG_NS: u64 = 8_000_000_000;
/// The interval of the recorder's heartbeats in a hang.
const HEARTBEAT_NS: u64 = 100_000_000;

/// The number of whole ticks, and the tick that did not end.
fn ticks(events: &[Stamped]) -> (u64, Option<u64>) {
    events.iter().filter(|stamped| stamped.source == SourceId(1)).fold((0, None), |ticks, stamped| {
        match stamped.event {
            Event::TickStart { tick } => (ticks.0, Some(tick)),
            Event::TickEnd { .. } => (ticks.0 + 1, None),
            _ => ticks,
        }
    })
}

/// The shop up to its 30th tick, which has begun and hangs in a task, as the recorder's heartbeats say.
pub(crate) fn hanging() -> MemorySource {
    let mut events = shop().events().to_vec();
    let is_start = |stamped: &Stamped| matches!(stamped.event, Event::TickStart { .. });
    let starts = events.iter().enumerate().filter(|(_, stamped)| is_start(stamped)).map(|(place, _)| place);
    let last = starts.clone().nth(29).expect("it has that many ticks");
    events.truncate(last + 1);
    let hang = events[last];
    for after_ns in (HEARTBEAT_NS..=HANG_NS).step_by(HEARTBEAT_NS as usize) {
        let event = Event::Running {
            what: RunningKind::Task,
            tag: Tag(1),
            phase: None,
            task: Some(TaskId(1)),
            deadline: None,
            since: hang.at,
        };
        events.push(Stamped { at: hang.at.plus_ns(after_ns), event, ..hang });
    }
    program(events)
}

fn up_to_last_whole_tick(source: &MemorySource) -> MemorySource {
    let mut events = source.events().to_vec();
    let is_end = |stamped: &Stamped| matches!(stamped.event, Event::TickEnd { .. });
    events.truncate(events.iter().rposition(is_end).expect("it has a whole tick") + 1);
    program(events)
}

fn answer(source: &MemorySource) -> Answer {
    Recorded::read(&mut source.clone()).unwrap().what_if(&Changes::default(), None).unwrap()
}

#[test]
fn a_hang_at_the_end_is_not_included_and_is_not_idle_time() {
    let (cut, whole) = (hanging(), up_to_last_whole_tick(&hanging()));
    let (answer, expected) = (answer(&cut), answer(&whole));
    let [before, after] = [&answer.before.summary, &answer.after.summary];
    assert!(expected.open_tick.is_none() && expected.open_tick_line().is_none());
    assert_eq!(answer.rows, expected.rows);
    assert_eq!(answer.assumptions, expected.assumptions);
    for side in [before, after] {
        assert!(side.span_ns < HANG_NS / 10 && side.open_tick.is_none(), "{side:?}");
        assert_eq!((side.ticks.stalls, side.ticks.open), (0, 0));
    }
    assert_eq!(before.timers.fired, after.timers.fired, "no firing is invented");
    let is_synthesized = |line: &String| line.starts_with("invented") && line.contains("firing");
    assert!(!answer.assumptions.iter().any(is_synthesized), "{:?}", answer.assumptions);

    let open = answer.open_tick.as_ref().expect("the tick is named");
    assert_eq!((open.tick, Some(open.run_ns)), (ticks(cut.events()).1, open.running_ns));
    assert_eq!((open.as_of_ns - open.at_ns) as u64, HANG_NS);
    let text = answer.open_tick_line().unwrap();
    assert!(text.starts_with("not included: tick 30, ") && text.contains("at least 8.00s"), "{text}");
}

#[test]
fn a_tick_that_had_just_begun_has_no_duration() {
    let mut events = hanging().events().to_vec();
    let last = events.iter().rposition(|stamped| matches!(stamped.event, Event::TickStart { .. }));
    events.truncate(last.expect("it has ticks") + 1);
    let text = answer(&program(events)).open_tick_line();
    assert_eq!(text.as_deref(), Some("not included: tick 30, in which the recording ends"));
}

#[test]
fn the_result_of_a_recording_that_ends_in_a_hang_ends_before_the_hang() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("after.looptrace");
    Recorded::read(&mut hanging()).unwrap().what_if(&Changes::default(), Some(&path)).unwrap();
    let saved = MemorySource::read(&mut TraceReader::open(&path).unwrap()).unwrap();
    let last = saved.events().iter().map(|stamped| stamped.at).max().unwrap();
    let end = up_to_last_whole_tick(&hanging()).events().last().unwrap().at;
    assert!(last.ns_since(end) < HEARTBEAT_NS, "{last:?} {end:?}");
}

/// The other loop has fewer ticks, and goes on while the first one hangs.
#[test]
fn another_loop_that_goes_on_does_not_extend_the_stretch() {
    let alone = hanging();
    let mut events = alone.events().to_vec();
    let hung = events.last().unwrap().at;
    let other = |at: Timestamp, event| Stamped { at, source: SourceId(9), event };
    for tick in 1..10 {
        let at = Timestamp(hung.as_ns() - HANG_NS / 10 * tick);
        events.push(other(at, Event::TickStart { tick: 10 - tick }));
        events.push(other(at.plus_ns(5), Event::TickEnd { tick: 10 - tick, tasks_run: 0, start: at }));
    }
    events.push(other(hung.plus_ns(HANG_NS), Event::TickStart { tick: 10 }));
    events.sort_by_key(|stamped| stamped.at);
    let (answer, expected) = (answer(&program(events)), answer(&alone));
    assert_eq!((answer.rows, answer.open_tick), (expected.rows, expected.open_tick));
}

#[test]
fn a_recording_that_was_cut_off_anywhere_is_executed_up_to_its_last_whole_tick() {
    let events = shop().events().to_vec();
    let mut executed = 0;
    for cut in 0..events.len() {
        let (whole, open) = ticks(&events[..cut]);
        let mut source = program(events[..cut].to_vec());
        let recorded = match Recorded::read(&mut source) {
            Ok(recorded) => recorded,
            Err(
                RerunError::NoWholeTick { .. }
                | RerunError::NoLoop { .. }
                | RerunError::NoSnapshot { .. }
                | RerunError::Foreign { .. },
            ) => {
                assert_eq!(whole, 0, "cut at {cut}");
                continue;
            }
            Err(error) => panic!("cut at {cut}: {error}"),
        };
        executed += 1;
        assert_eq!(recorded.open_tick().and_then(|open| open.tick), open, "cut at {cut}");
        let answer = recorded.what_if(&Changes::default(), None).unwrap();
        let before = &answer.before.summary;
        assert_eq!((before.ticks.count, before.ticks.open), (whole, 0), "cut at {cut}");
        assert!(answer.after.summary.ticks.count.abs_diff(whole) <= 1, "cut at {cut}");
    }
    assert!(executed > 200, "{executed} of {}", events.len());
}

#[test]
fn a_recording_without_a_whole_tick_is_refused_for_that() {
    let events = shop().events().to_vec();
    let end = events.iter().position(|stamped| matches!(stamped.event, Event::TickEnd { .. })).unwrap();
    let refused = Recorded::read(&mut program(events[..end].to_vec())).unwrap_err();
    assert!(matches!(refused, RerunError::NoWholeTick { .. }), "{refused}");
}
