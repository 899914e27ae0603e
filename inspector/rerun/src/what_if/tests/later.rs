//! Later changes by callbacks, and what they report themselves: references, signal handlers, jobs that are no longer
//! awaited, spans and marks.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use loop_core::poller::{Interest, Readiness};
use loop_core::sim::{Sim, SimLoop, SimSource};
use loop_core::tag::tag_of_label;
use loop_core::{Builtin, Context, EventLoop, TagOf};
use loop_probes::event::{Event, LabelKind, Outcome, Priority, StopReason};
use loop_probes::ids::{SourceId, TaskId, Ticks, Timestamp};
use loop_probes::recorder::Recorder;
use loop_probes::stamped::Stamped;
use loop_probes::tags;
use loop_probes::text::Text;
use loop_traces::reader::TraceReader;
use loop_traces::source::MemorySource;
use loop_traces::summary::Summary;

use super::super::{Changes, Recorded};
use super::recorded::program;

const fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

/// Runs a loop prepared by `set_up`, and returns its recording.
fn recorded(set_up: impl FnOnce(&mut Context<'_, Builtin>, &Sim)) -> MemorySource {
    recorded_by(|event_loop, sim| {
        event_loop.with(|cx| set_up(cx, sim));
        event_loop.run().unwrap();
    })
}

/// The recording of a loop that `drive` runs.
fn recorded_by(drive: impl FnOnce(&mut SimLoop<Builtin>, &Sim)) -> MemorySource {
    let sim = Sim::new();
    let (recorder, capture) = Recorder::capture();
    let (workers, jobs) = Recorder::capture();
    sim.worker_recorder(workers);
    sim.job_durations([us(2_000); 8]);
    let mut event_loop = sim.build(EventLoop::<Builtin>::builder().recorder(recorder));
    drive(&mut event_loop, &sim);
    drop(event_loop);
    let stamp = |at, event| Stamped { at, source: SourceId(1), event };
    let name = |kind, id, text: &str| Event::Label { kind, id, text: Text::new(text) };
    let mut events = vec![stamp(Timestamp(0), name(LabelKind::Source, 1, "loop"))];
    events.extend(
        tags::named_after(loop_probes::ids::Tag(0))
            .into_iter()
            .map(|(tag, text)| stamp(Timestamp(0), name(LabelKind::Tag, tag.0.into(), &text))),
    );
    for id in 1..8 {
        let label = capture.label(LabelKind::Span, id);
        events.extend(label.map(|text| stamp(Timestamp(0), name(LabelKind::Span, id, &text))));
    }
    let stamped = |source| {
        move |(at, event): (Ticks, Event<Ticks>)| Stamped {
            at: Timestamp(at.0),
            source: SourceId(source),
            event: event.map_time(|time| Timestamp(time.0)),
        }
    };
    events.extend(capture.take().into_iter().map(stamped(1)));
    events.extend(jobs.take().into_iter().map(stamped(2)));
    events.sort_by_key(|stamped| stamped.at);
    program(events)
}

/// The recording of its re-execution with `changes`.
fn again(recorded: &MemorySource, changes: &Changes) -> MemorySource {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("after.looptrace");
    Recorded::read(&mut recorded.clone()).unwrap().what_if(changes, Some(&path)).unwrap();
    MemorySource::read(&mut TraceReader::open(&path).unwrap()).unwrap()
}

fn count(source: &MemorySource, is_wanted: impl Fn(&Event) -> bool) -> usize {
    let mut begun = false;
    let events = source.events().iter().filter(|stamped| {
        begun |= matches!(stamped.event, Event::SnapshotEnd { .. });
        begun
    });
    events.filter(|stamped| is_wanted(&stamped.event)).count()
}

#[test]
fn spans_and_marks_come_again_inside_their_callback_and_as_long_as_it_takes() {
    let then = recorded(|cx, sim| {
        let clock = sim.clone();
        let work = Builtin::once("work", move |cx| {
            clock.advance(us(100));
            cx.span("half", |_| clock.advance(us(400)));
            cx.mark("done");
        });
        cx.set_timeout(us(3_000), work);
    });
    let scale = vec![("work".to_owned(), 0.5)];
    for (changes, factor) in [(Changes::default(), 1.0), (Changes { scale, ..Changes::default() }, 0.5)] {
        let now = again(&then, &changes);
        let mut labels = loop_traces::labels::Labels::default();
        now.events().iter().for_each(|stamped| labels.learn_event(&stamped.event));
        let ran = now.events().iter().find_map(|stamped| match stamped.event {
            Event::TaskRan { start, .. } => Some((start, stamped.at)),
            _ => None,
        });
        let (start, end) = ran.unwrap();
        let span = now.events().iter().find_map(|stamped| match stamped.event {
            Event::Span { label, start } => Some((labels.span(label).into_owned(), start, stamped.at)),
            _ => None,
        });
        let (name, span_start, span_end) = span.unwrap();
        assert_eq!(name, "half");
        assert!(start <= span_start && span_end <= end, "{span_start:?}..{span_end:?} in {start:?}..{end:?}");
        assert_eq!(span_end.ns_since(span_start), (400_000.0 * factor) as u64);
        let marks = now.events().iter().filter_map(|stamped| match stamped.event {
            Event::Mark { label } => Some(labels.span(label).into_owned()),
            _ => None,
        });
        assert_eq!(marks.collect::<Vec<_>>(), ["done"]);
    }
}

#[test]
fn a_firing_that_the_recording_does_not_have_costs_the_scaled_median() {
    // Each callback takes longer than the period, so that shorter ones leave time for further firings.
    let then = recorded(|cx, sim| {
        let clock = sim.clone();
        let work = Builtin::repeat("work", move |_| clock.advance(us(2_000)));
        let timer = cx.set_interval(us(1_000), work).unwrap();
        cx.set_timeout(us(20_000), Builtin::once("last", move |cx| assert!(cx.clear_timer(timer))));
    });
    let now = again(&then, &Changes { scale: vec![("work".to_owned(), 0.1)], ..Changes::default() });
    let run_ns = |source: &MemorySource| {
        let ran = source.events().iter().filter_map(|stamped| match stamped.event {
            Event::TaskRan { start, .. } => Some(stamped.at.ns_since(start)).filter(|ns| *ns > 0),
            _ => None,
        });
        ran.collect::<Vec<_>>()
    };
    let (then, now) = (run_ns(&then), run_ns(&now));
    assert!(now.len() > then.len(), "{then:?}, then {now:?}");
    assert!(now.iter().all(|ns| *ns == 200_000), "{now:?}");
}

#[test]
fn a_loop_without_references_ends_again() {
    let then = recorded(|cx, sim| {
        let source = SimSource::new();
        let io = Builtin::repeat("socket", |_| {});
        let socket = cx.register(source.clone(), Interest::READABLE, io).unwrap();
        sim.ready_at(us(1_500), &source, Readiness::READABLE);
        cx.set_timeout(
            us(1_000),
            Builtin::once("unref", move |cx| {
                cx.set_source_referenced(socket, false).unwrap();
                let unwanted = cx.immediate(Builtin::once("unwanted", |_| {}));
                cx.set_immediate_referenced(unwanted, false);
            }),
        );
        cx.set_timeout(us(2_000), Builtin::once("last", |_| {}));
    });
    let unreferenced = |event: &Event| {
        matches!(
            event,
            Event::IoRef { referenced: false, .. } | Event::ImmediateRef { referenced: false, .. }
        )
    };
    let stopped = |event: &Event| matches!(event, Event::LoopStopped { .. });
    let now = again(&then, &Changes::default());
    assert_eq!(count(&then, unreferenced), 2);
    assert_eq!(count(&now, unreferenced), 2);
    assert_eq!(count(&now, stopped), count(&then, stopped));
    let end = |source: &MemorySource| source.events().last().unwrap().at;
    assert!(end(&now).ns_since(end(&then)) < 100_000, "{:?} and {:?}", end(&then), end(&now));
}

/// Registers a source whose callback removes it, and registers the next one as often as asked for.
fn listen_once(cx: &mut Context<'_, Builtin>, sim: &Sim, times: u32) {
    let (source, sim_too, own) = (SimSource::new(), sim.clone(), Rc::new(Cell::new(None)));
    let id = Rc::clone(&own);
    let io = Builtin::repeat("socket", move |cx| {
        cx.remove(id.get().unwrap()).unwrap();
        sim_too.advance(us(100));
        if times > 1 {
            listen_once(cx, &sim_too, times - 1);
        }
    });
    own.set(Some(cx.register(source.clone(), Interest::READABLE, io).unwrap()));
    sim.ready_at(sim.elapsed() + us(700), &source, Readiness::READABLE);
}

#[test]
fn sources_that_remove_themselves_do_so_again() {
    let then = recorded(|cx, sim| listen_once(cx, sim, 4));
    let now = again(&then, &Changes::default());
    let called = |event: &Event| matches!(event, Event::IoReady { .. });
    let removed = |event: &Event| matches!(event, Event::IoRemoved { .. });
    for is_wanted in [&called as &dyn Fn(&Event) -> bool, &removed] {
        assert_eq!((count(&then, is_wanted), count(&now, is_wanted)), (4, 4));
    }
    // Nothing that was not recorded keeps the loop alive.
    let stopped = |source: &MemorySource| -> Vec<StopReason> {
        let reason = |stamped: &Stamped| match stamped.event {
            Event::LoopStopped { reason } => Some(reason),
            _ => None,
        };
        source.events().iter().filter_map(reason).collect()
    };
    assert_eq!(stopped(&then), stopped(&now));
    let end = |source: &MemorySource| source.events().last().unwrap().at;
    assert!(end(&now).ns_since(end(&then)) < 100_000, "{:?} and {:?}", end(&then), end(&now));
}

#[test]
fn signal_handlers_are_set_and_removed_again() {
    let then = recorded(|cx, sim| {
        cx.set_timeout(
            us(1_000),
            Builtin::once("listen", |cx| {
                cx.on_signal(12, Builtin::repeat("heard", |_| {})).unwrap();
            }),
        );
        sim.signal_at(us(1_500), 12);
        cx.set_timeout(
            us(2_000),
            Builtin::once("stop listening", |cx| {
                assert!(cx.remove_signal(12));
            }),
        );
        cx.set_timeout(us(3_000), Builtin::once("last", |_| {}));
    });
    let handler = |event: &Event| matches!(event, Event::SignalHandler { signo: 12, .. });
    let heard = |event: &Event| matches!(event, Event::SignalArrived { signo: 12, .. });
    let now = again(&then, &Changes::default());
    for (is_wanted, how_often) in [(&handler as &dyn Fn(&Event) -> bool, 2), (&heard, 1)] {
        assert_eq!(count(&then, is_wanted), how_often);
        assert_eq!(count(&now, is_wanted), how_often);
    }
}

#[test]
fn a_cancelled_job_has_no_completion_again() {
    let then = recorded(|cx, _| {
        cx.set_timeout(
            us(1_000),
            Builtin::once("ask", |cx| {
                let job = TagOf::Global(tag_of_label("unwanted job"));
                let done = |_: &loop_core::work_pool::Worker<'_>| Builtin::remote("unwanted", |_| {});
                let job = cx.work(job, done, |rejected| panic!("{rejected}")).unwrap();
                cx.set_timeout(
                    us(500),
                    Builtin::once("take back", move |cx| {
                        assert!(cx.replay().cancel_work(job));
                    }),
                );
            }),
        );
        cx.set_timeout(us(6_000), Builtin::once("last", |_| {}));
    });
    let settled = |event: &Event| matches!(event, Event::WorkSettled { .. });
    let ran = |event: &Event| matches!(event, Event::TaskRan { .. });
    let now = again(&then, &Changes::default());
    assert_eq!(count(&then, settled), 1);
    assert_eq!(count(&now, settled), 1);
    assert_eq!(count(&now, ran), count(&then, ran));
}

/// A recording of tasklets: when each was queued, its worker, start and end, in microseconds.
fn with_tasklets(ran: &[(u64, u16, u64, u64)]) -> Recorded {
    let quiet = recorded(|cx, _| {
        cx.set_timeout(us(9_000), Builtin::once("last", |_| {}));
    });
    let mut events = quiet.events().to_vec();
    let (tag, priority) = (tag_of_label("tasklet"), Priority::Normal);
    let begin = events.iter().find(|stamped| matches!(stamped.event, Event::TickStart { .. })).unwrap().at;
    let time = |at_us: u64| begin.plus_ns(at_us * 1_000);
    let mut emit = |at_us: u64, source, event| {
        let (at, source) = (time(at_us), SourceId(source));
        events.push(Stamped { at, source, event });
    };
    for (task, &(queued, worker, start, end)) in (1..).map(TaskId).zip(ran) {
        emit(queued, 7, Event::AgendaAdded { task, tag, priority, depth: 1 });
        let (queued, start, outcome) = (time(queued), time(start), Outcome::Done);
        let ran = Event::AgendaRan { task, tag, priority, worker, outcome, queued, start };
        emit(end, 8 + u32::from(worker), ran);
    }
    events.sort_by_key(|stamped| stamped.at);
    Recorded::read(&mut program(events)).unwrap()
}

/// The longest time that one of `count` tasklets waits on as many workers.
fn longest_wait_ns(recorded: &Recorded, count: u64, workers: Option<u16>) -> u64 {
    let answer = recorded.what_if(&Changes { workers, ..Changes::default() }, None).unwrap();
    assert_eq!(answer.after.summary.agenda.unwrap().ran, count);
    answer.after.tasklet_wait_ns.quantile(0.99)
}

fn near(ns: u64, expected: u64) -> bool {
    ns.abs_diff(expected) <= expected / 50
}

#[test]
fn tasklets_wait_for_as_many_workers_as_there_are() {
    // Four at once, a millisecond each, on two workers.
    let four = [(1, 1_000), (0, 1_000), (1, 2_000), (0, 2_000)];
    let recorded = with_tasklets(&four.map(|(worker, start)| (1_000, worker, start, start + 1_000)));
    let longest_ns = |workers| longest_wait_ns(&recorded, 4, workers);
    assert!(near(longest_ns(None), 1_000_000), "{}", longest_ns(None));
    assert!(near(longest_ns(Some(1)), 3_000_000), "{}", longest_ns(Some(1)));
    assert_eq!(longest_ns(Some(8)), 0);
}

#[test]
fn a_tasklets_queue_wait_is_not_worker_wakeup_time() {
    // The second worker wakes up between 1.1 and 1.3 ms. The third tasklet, added in that time, waits until 3 ms because
    // both workers are busy.
    let ran = [(1_000, 0, 1_000, 3_000), (1_100, 1, 1_300, 3_500), (1_200, 0, 3_000, 4_000)];
    let recorded = with_tasklets(&ran);
    let longest_ns = |workers| longest_wait_ns(&recorded, 3, workers);
    assert!(near(longest_ns(None), 1_800_000), "{}", longest_ns(None));
    // A third worker takes as long as the second from when the tasklet was added.
    assert!(near(longest_ns(Some(3)), 200_000), "{}", longest_ns(Some(3)));
}

#[test]
fn time_between_two_runs_is_not_the_loops() {
    let then = recorded_by(|event_loop, sim| {
        let clock = sim.clone();
        let work = Builtin::repeat("beat", move |_| clock.advance(us(100)));
        event_loop.with(|cx| cx.set_interval(us(2_000), work).unwrap());
        let clock = sim.clone();
        let stops = move |cx: &mut Context<'_, Builtin>| {
            clock.advance(us(50));
            cx.stop();
        };
        event_loop.post(Builtin::once("stops", stops));
        event_loop.run().unwrap();
        for outside in [75_000, 30_000, 40_000] {
            sim.advance(us(outside));
            event_loop.run_for(us(9_000)).unwrap();
        }
        // What is left is not run.
        event_loop.post(Builtin::once("left", |_| {}));
        sim.advance(us(20_000));
    });
    let answer = Recorded::read(&mut then.clone()).unwrap().what_if(&Changes::default(), None).unwrap();
    let (before, after) = (&answer.before.summary, &answer.after.summary);
    assert!(answer.assumptions.iter().any(|line| line.contains("ran the loop again 3 times, after 145ms")));
    assert_eq!(after.timers.fired, before.timers.fired);
    assert_eq!(after.tasks.count, before.tasks.count);
    assert!(after.ticks.count.abs_diff(before.ticks.count) <= 3, "{:?} {:?}", after.ticks, before.ticks);
    let max_ns = |summary: &Summary| summary.ticks.run_ns.max.unwrap();
    assert_eq!((max_ns(after), after.ticks.stalls), (max_ns(before), 0));
    let lag_ns = |summary: &Summary| summary.timers.lag_ns.max.unwrap();
    assert!(lag_ns(after).abs_diff(lag_ns(before)) < 1_000_000, "{} {}", lag_ns(after), lag_ns(before));
    assert!(after.span_ns.abs_diff(before.span_ns) < 2_100_000, "{} {}", after.span_ns, before.span_ns);
}
