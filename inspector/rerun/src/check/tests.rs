//! Records, in a virtual world, a program that uses all of its loop, and checks the recording; edited recordings must
//! not pass.

mod anything;
mod churn;
mod cut;
mod edited;
mod ended;
mod futures;
mod hostile;
mod listed;
mod microtasks;
mod turns;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use loop_core::low_level::replay::Flags;
use loop_core::sim::Sim;
use loop_core::{Builtin, Context, EventLoop, Host, Policy, policy};
use loop_probes::event::{Event, PolicyField, Queue};
use loop_probes::ids::{SourceId, Ticks, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::recorder::Recorder;
use loop_probes::stamped::Stamped;
use loop_traces::source::{MemorySource, SourceKind};

use super::{Checked, check_source};
use crate::RerunError;

type Captured = Vec<(Ticks, Event<Ticks>)>;

/// The source id of the loop.
const LOOP: SourceId = SourceId(1);

fn stamped(captured: &Captured) -> Vec<Stamped> {
    let stamp = |(at, event): &(Ticks, Event<Ticks>)| Stamped {
        at: Timestamp(at.0),
        source: LOOP,
        event: event.map_time(|ticks| Timestamp(ticks.0)),
    };
    captured.iter().map(stamp).collect()
}

fn check(events: &[Stamped]) -> Result<Checked, RerunError> {
    check_named("churn", events)
}

fn check_named(name: &str, events: &[Stamped]) -> Result<Checked, RerunError> {
    let source = MemorySource::new(name, SourceKind::Trace, Metadata::new("churn"), events.to_vec());
    check_source(|| Ok(Box::new(source.clone())), None)
}

/// Whether the loop decides otherwise than recorded.
fn is_found(events: &[Stamped]) -> bool {
    check(events).is_ok_and(|checked| !checked.agrees())
}

#[track_caller]
fn assert_agrees(events: &[Stamped]) -> Checked {
    let checked = check(events).unwrap();
    assert!(checked.agrees(), "{:#?}", checked.divergence);
    checked
}

fn policies() -> Vec<Policy> {
    let mut all: Vec<Policy> = Policy::NAMES.iter().map(|name| Policy::by_name(name).unwrap()).collect();
    let mut tight = Policy::bun();
    (tight.tasks_per_tick, tight.microtasks_per_checkpoint) = (3, Some(2));
    tight.snapshot_interval = Duration::from_millis(7);
    let mut passes = Policy::bun();
    passes.drain = policy::DrainRule::AfterEveryPass;
    passes.poll_gap = Duration::from_micros(700);
    all.extend([tight, passes]);
    all
}

#[test]
fn every_operation_replays_identically_under_every_policy() {
    for policy in policies() {
        let name = policy.name.clone();
        for seed in 0..8 {
            let events = stamped(&churn::record(policy.clone(), seed));
            let checked = check(&events).unwrap();
            assert!(checked.agrees(), "policy {name}, seed {seed}: {:#?}", checked.divergence);
            assert!(
                checked.seen.ticks > 100 && checked.seen.tasks > 300,
                "{name} {seed}: {:?}",
                checked.seen
            );
        }
    }
}

/// A reload leaves microtasks to the checkpoint of another callback: of a timer before other threads' references, of a
/// source's callback before a snapshot, and none if the poll does not wait for other reasons. A checkpoint that
/// continues one that ended with its budget spent creates more.
#[test]
fn microtasks_left_by_a_callback_are_inferred() {
    let found = [("bun", 15), ("mini", 23), ("tight", 14), ("tight", 9), ("tight", 202), ("tight", 271)];
    for mut policy in policies() {
        for (_, seed) in found.iter().filter(|(name, _)| policy.name == *name) {
            assert_agrees(&stamped(&churn::record(policy.clone(), *seed)));
            policy.snapshot_interval = Duration::from_millis(5);
            assert_agrees(&stamped(&churn::record(policy.clone(), *seed)));
        }
    }
}

#[test]
fn it_begins_where_the_loop_was_asked_to_stop() {
    let mut policy = policies().pop().unwrap();
    policy.snapshot_interval = Duration::from_millis(5);
    // A rare coincidence that not every program produces.
    let (events, asked) = (0..200)
        .find_map(|seed| {
            let events = stamped(&churn::record(policy.clone(), seed));
            let asked = events.iter().position(|stamped| match stamped.event {
                Event::SnapshotLoop { flags, .. } => Flags::from_bits(flags).contains(Flags::STOPPING),
                _ => false,
            })?;
            Some((events, asked))
        })
        .expect("a program was asked to stop where a snapshot was due");
    let start = events[..asked].iter().rposition(|stamped| matches!(stamped.event, Event::TickStart { .. }));
    assert_agrees(&events[start.unwrap()..]);
}

#[test]
fn it_begins_at_any_snapshot() {
    let mut policy = Policy::bun();
    policy.snapshot_interval = Duration::from_millis(5);
    let events = stamped(&churn::record(policy, 11));
    let whole = assert_agrees(&events);
    assert!(whole.seen.snapshots > 10, "{:?}", whole.seen);
    let starts: Vec<usize> = events
        .iter()
        .enumerate()
        .filter(|(_, stamped)| matches!(stamped.event, Event::TickStart { .. }))
        .map(|(index, _)| index)
        .collect();
    for start in starts.iter().step_by(starts.len() / 12) {
        // Once a shutdown has begun, no check starts.
        if matches!(check(&events[*start..]), Err(RerunError::NoSnapshot { .. })) {
            continue;
        }
        let checked = assert_agrees(&events[*start..]);
        assert!(checked.seen.first_tick > Some(0) && checked.seen.decisions > 0);
    }
}

/// Setting the check up runs nothing of the program, so it cannot have changed the program's heap.
#[test]
fn it_begins_where_nothing_ran_after_the_heap_measurement() {
    let mut policy = Policy::bun();
    policy.snapshot_interval = Duration::from_millis(5);
    let mut begun = 0;
    for seed in 0..20 {
        let events = stamped(&churn::record(policy.clone(), seed));
        let measured = events.iter().enumerate().filter(|(_, stamped)| {
            matches!(stamped.event, Event::SnapshotGc { sample_due_ns: Some(_), ran: false, .. })
        });
        for (at, _) in measured.step_by(8) {
            let start =
                events[..at].iter().rposition(|stamped| matches!(stamped.event, Event::TickStart { .. }));
            if matches!(check(&events[start.unwrap()..]), Err(RerunError::NoSnapshot { .. })) {
                continue;
            }
            assert_agrees(&events[start.unwrap()..]);
            begun += 1;
        }
    }
    assert!(begun > 5, "{begun} snapshots with nothing to measure");
}

#[test]
fn it_begins_after_the_last_loss() {
    let mut policy = Policy::bun();
    policy.snapshot_interval = Duration::from_millis(5);
    let mut events = stamped(&churn::record(policy, 3));
    let middle = events.len() / 2;
    let at = events[middle].at;
    events.drain(middle..middle + 40);
    events.insert(middle, Stamped { at, source: LOOP, event: Event::Lost { count: 40, from: at } });
    let lost_in = events[..middle].iter().rev().find_map(|stamped| match stamped.event {
        Event::TickStart { tick } => Some(tick),
        _ => None,
    });
    let seen = assert_agrees(&events).seen;
    assert!(seen.first_tick > lost_in);
    // A loss after everything else invalidates nothing.
    let end = events.last().unwrap().at;
    let cut = Stamped { at: Timestamp(end.0 + 5), source: LOOP, event: Event::Lost { count: 9, from: end } };
    let checked = assert_agrees(&[&events[..], &[cut]].concat());
    assert_eq!((checked.seen.first_tick, checked.lost_records), (seen.first_tick, 40));
    events.push(Stamped { at, source: LOOP, event: Event::Lost { count: 1, from: at } });
    assert!(matches!(check(&events), Err(RerunError::BehindLoss { .. })));
}

/// Recordings by older rules have no revision in their snapshots.
#[test]
fn a_recording_under_older_rules_is_refused_only_where_they_matter() {
    let mut policy = Policy::bun();
    policy.gc.sample_ns = 0;
    policy.snapshot_interval = Duration::from_millis(5);
    let mut events = stamped(&churn::record(policy, 3));
    let is_rules = |event: &Event| {
        matches!(event, Event::SnapshotPolicy { field: PolicyField::Rules | PolicyField::GcSample, .. })
    };
    assert!(events.iter().filter(|stamped| is_rules(&stamped.event)).count() > 1);
    events.retain(|stamped| !is_rules(&stamped.event));
    assert_agrees(&events);
    // The recorded loop waited; under today's rules it would not have.
    let posted =
        events.iter().position(|stamped| matches!(stamped.event, Event::DeferredPosted { .. })).unwrap();
    let poll =
        events[posted..].iter_mut().find(|stamped| matches!(stamped.event, Event::Poll { .. })).unwrap();
    if let Event::Poll { timeout_ns, .. } = &mut poll.event {
        *timeout_ns = Some(7);
    }
    let refused = check(&events).unwrap_err();
    assert!(matches!(refused, RerunError::OldRules { .. }), "{refused}");
    let message = refused.to_string();
    assert!(message.contains("older rules for deferred callbacks, reloads"), "{message}");
    let message = check_named("churn\u{1b}[31m", &events).unwrap_err().to_string();
    assert!(message.starts_with("churn") && !message.contains('\u{1b}'), "{message}");
}

#[test]
fn a_run_that_ended_before_its_poll_agrees_and_so_does_the_next() {
    for name in Policy::NAMES {
        let (sim, (recorder, capture)) = (Sim::new(), Recorder::capture());
        let policy = Policy::by_name(name).unwrap();
        let mut event_loop = sim.build(EventLoop::<Builtin>::builder().policy(policy).recorder(recorder));
        let done = Rc::new(Cell::new(false));
        event_loop.with(|cx| cx.set_timeout(Duration::from_millis(5), Builtin::once("far", |_| ())));
        for _ in 0..3 {
            let sets = Rc::clone(&done);
            done.set(false);
            event_loop.post(Builtin::once("sets it", move |_| sets.set(true)));
            assert!(event_loop.tick_until(|| done.get()).unwrap());
        }
        event_loop.turn().unwrap();
        let sets = Rc::clone(&done);
        done.set(false);
        event_loop.post(Builtin::once("sets it", move |_| sets.set(true)));
        assert!(event_loop.tick_until(|| done.get()).unwrap());
        event_loop.with(|cx| cx.set_timeout(Duration::from_millis(5), Builtin::once("far", |cx| cx.stop())));
        event_loop.run().unwrap();
        let events = stamped(&capture.take());
        let polls = events.iter().filter(|stamped| matches!(stamped.event, Event::Poll { .. })).count();
        let ticks = events.iter().filter(|stamped| matches!(stamped.event, Event::TickEnd { .. })).count();
        assert!(polls + 4 <= ticks, "four turns did not poll: {polls} polls in {ticks} ticks");
        let checked = assert_agrees(&events);
        assert_eq!(checked.seen.ticks, ticks as u64, "policy {name}");
    }
}

/// Has another thread post in the middle of a tick: after every third pass.
#[derive(Default)]
struct Poster {
    passes: u32,
}

impl Host<Builtin> for Poster {
    fn report_rejections(&mut self, cx: &mut Context<'_, Builtin>) {
        self.passes += 1;
        if self.passes.is_multiple_of(3) {
            cx.handle().post(Builtin::remote("posted", |_| ())).unwrap();
        }
    }
}

#[test]
fn posts_may_come_while_a_tick_passes_over_its_tasks() {
    for mut policy in policies() {
        let name = policy.name.clone();
        policy.snapshot_interval = Duration::from_millis(5);
        let (sim, (recorder, capture)) = (Sim::new(), Recorder::capture());
        let builder = EventLoop::<Builtin>::builder().policy(policy).recorder(recorder);
        let mut event_loop = sim.build(builder.host(Poster::default()));
        event_loop.with(|cx| {
            cx.set_interval(Duration::from_millis(1), Builtin::repeat("beat", |_| ())).unwrap();
            cx.set_timeout(Duration::from_millis(40), Builtin::once("end", |cx| cx.stop()));
        });
        event_loop.run().unwrap();
        let events = stamped(&capture.take());
        let count = |is_it: fn(&Event) -> bool| events.iter().filter(|stamped| is_it(&stamped.event)).count();
        let batches = count(|event| matches!(event, Event::InputBatch { queue: Queue::Concurrent, .. }));
        assert!(batches > 9, "policy {name}: {batches} batches");
        let checked = check(&events).unwrap();
        assert!(checked.agrees(), "policy {name}: {:#?}", checked.divergence);
        assert!(checked.seen.snapshots > 3, "policy {name}: {:?}", checked.seen);
    }
}
