//! Each rule on a recording that shows its fault, most of them from the corpus.

use std::path::Path;

use loop_probes::event::{Event, LabelKind, Phase, RunningKind, WorkerPhase};
use loop_probes::ids::{NonMax, SourceId, Tag, TaskId, TimerId};
use loop_probes::stamped::Stamped;
use loop_probes::text::Text;
use loop_probes::{event::Outcome, ids::Timestamp};

use super::*;
use crate::reader::TraceReader;
use crate::source::{EventSource, SourceState};
use crate::timeline::TimelineConfig;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

fn folded(events: &[Stamped]) -> Timeline {
    let mut timeline = Timeline::new(TimelineConfig::default());
    timeline.extend(events);
    timeline
}

fn of_corpus(name: &str) -> (Rule, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("corpus/{name}.looptrace"));
    let mut trace = TraceReader::open(&path).unwrap();
    let mut timeline = Timeline::of(trace.metadata());
    let mut batch = Vec::new();
    while trace.poll(&mut batch).unwrap() == SourceState::More {}
    timeline.extend(&batch);
    let diagnosis = Diagnosis::of(&timeline, StreamEnd::Known);
    (diagnosis.rule, diagnosis.with_next())
}

#[test]
fn the_corpus_shows_each_fault() {
    let faults = [
        (
            "periodic-blocker",
            Rule::PeriodicBlocker,
            "Report blocks the loop for about 15.0ms every 100ms: delayed Heartbeat ×6 → delay caused",
        ),
        (
            "interval-drift",
            Rule::OneOffStall,
            "Report blocked the loop once, for 35.0ms at 00:00.020: delayed Heartbeat ×1 → delay caused",
        ),
        (
            "slow-behind-fast",
            Rule::OneOffStall,
            "Slow blocked the loop once, for 30.0ms at 00:00.000: delayed Timer ×1 and 1 other → delay caused",
        ),
        (
            "concurrent-burst",
            Rule::Blocker,
            "Busy runs for up to 4.00ms: delayed 1 timer and 600 tasks → delay caused",
        ),
        (
            "gc-thrash",
            Rule::GcThrash,
            "Collections take 62.3% of the busy time: 122 a second, 800µs each → gc",
        ),
        (
            "microtask-flood",
            Rule::MicrotaskFlood,
            "Microtasks after Flood take 98.8% of the busy time: up to 5,000 in a row, for 25.0ms: delayed Timer ×1 and 1 other → microtasks",
        ),
        (
            "signal-storm",
            Rule::SignalStorm,
            "Signals arrive faster than they are taken: 8,193 signals, most of them CHLD, 1,000 dropped → signals",
        ),
        (
            "growing-queue",
            Rule::QueueGrowth,
            "The queue tasks keeps growing: from 10 to 301 in 3.00s → queues",
        ),
        (
            "self-posting",
            Rule::TimerStarvation,
            "25,000 short runs of Again keep timers waiting: up to 8.00ms late → delay caused",
        ),
        (
            "busy-pool",
            Rule::PoolSaturated,
            "The pool is saturated: jobs wait 20.1ms for one of 2 workers and run 10.0ms (medians) → jobs",
        ),
        (
            "zero-delay-chain",
            Rule::LoopSaturated,
            "The loop is busy 100.0% of the time, most of it in Link → tags",
        ),
        ("unreferenced-timers", Rule::Healthy, "Healthy: busy 3.0% of the time, no stall, timers on time"),
        ("futures", Rule::Idle, "Idle: busy 0.1% of the time, no stall, timers on time"),
    ];
    for (name, rule, text) in faults {
        assert_eq!(of_corpus(name), (rule, text.to_owned()), "{name}");
    }
}

/// A loop's events, made up.
#[derive(Default)]
struct Made {
    events: Vec<Stamped>,
    ticks: u64,
}

impl Made {
    fn at(&mut self, at_ns: u64, event: Event) {
        self.events.push(Stamped { at: Timestamp(SECOND + at_ns), source: SourceId(1), event });
    }

    /// A tick in which one task runs, for a timer that was due when the tick began.
    fn tick(&mut self, at_ns: u64, run_ns: u64) {
        self.ticks += 1;
        let (tick, task, start) = (self.ticks, TaskId(self.ticks), Timestamp(SECOND + at_ns));
        self.at(at_ns, Event::TickStart { tick });
        let timer = TimerId(task.0);
        self.at(at_ns, Event::TimerArmed { timer, tag: Tag(1), due: start, period_ns: None });
        self.at(at_ns, Event::TimerFired { timer, tag: Tag(1), task, due: start, fired: start, skipped: 0 });
        let ran = Event::TaskRan { task, tag: Tag(1), outcome: Outcome::Done, queued: start, start };
        self.at(at_ns + run_ns, ran);
        self.at(at_ns + run_ns, Event::TickEnd { tick, tasks_run: 1, start });
    }

    fn diagnosis(&self, end: StreamEnd) -> Diagnosis {
        let text = Text::new("Report");
        let label = Event::Label { kind: LabelKind::Tag, id: 1, text };
        let named = Stamped { at: Timestamp(SECOND), source: SourceId(1), event: label };
        Diagnosis::of(&folded(&[&[named], &self.events[..]].concat()), end)
    }
}

/// Ten short ticks, a tenth of a second apart.
fn ordinary() -> Made {
    let mut made = Made::default();
    for tick in 0..10 {
        made.tick(tick * 100 * MS, MS);
    }
    made
}

#[test]
fn a_loop_without_a_fault_is_healthy_or_idle() {
    let healthy = ordinary().diagnosis(StreamEnd::Known);
    assert_eq!((healthy.rule, healthy.look_at), (Rule::Healthy, None), "{}", healthy.text);
    let mut idle = Made::default();
    idle.tick(0, 1_000);
    idle.tick(SECOND, 1_000);
    assert_eq!(idle.diagnosis(StreamEnd::Known).rule, Rule::Idle);
}

#[test]
fn nothing_is_said_beyond_what_was_recorded() {
    let mut made = ordinary();
    made.at(950 * MS, Event::Lost { count: 3, from: Timestamp(SECOND + 902 * MS) });
    let lost = made.diagnosis(StreamEnd::Known);
    assert_eq!(lost.rule, Rule::Undecided);
    assert_eq!(lost.text, "Undecided: nothing wrong was seen, but 3 records were lost");
    made.tick(SECOND, 50 * MS);
    let stalled = made.diagnosis(StreamEnd::Known);
    assert_eq!(stalled.rule, Rule::OneOffStall);
    assert!(stalled.text.ends_with("; 3 records were lost, so there may be more"), "{}", stalled.text);
    let nothing = Made::default().diagnosis(StreamEnd::Known);
    assert_eq!(
        (nothing.rule, &*nothing.text),
        (Rule::Undecided, "Undecided: no tick of any loop was recorded")
    );
    let mut wrong = ordinary();
    wrong.tick(SECOND, 50 * MS);
    let mut timeline = folded(&wrong.events);
    timeline.counts.clock_error_ns_max = SECOND;
    assert_eq!(Diagnosis::of(&timeline, StreamEnd::Known).rule, Rule::Undecided);
}

#[test]
fn a_stall_of_many_causes_is_one_without_a_name() {
    let mut made = ordinary();
    made.ticks += 1;
    let start = Timestamp(SECOND + SECOND);
    made.at(SECOND, Event::TickStart { tick: 11 });
    for number in 0..3 {
        let begin = Timestamp(start.0 + number * 10 * MS);
        let (task, tag) = (TaskId(100 + number), Tag(2 + number as u16));
        let ran = Event::TaskRan { task, tag, outcome: Outcome::Done, queued: begin, start: begin };
        made.at(SECOND + (number + 1) * 10 * MS, ran);
    }
    made.at(SECOND + 30 * MS, Event::TickEnd { tick: 11, tasks_run: 3, start });
    let stalled = made.diagnosis(StreamEnd::Known);
    assert_eq!((stalled.rule, stalled.who), (Rule::OneOffStall, None));
    assert_eq!(stalled.text, "The loop stalled once, for 30.0ms, for no single reason");
    // No task is recorded at all, as where only ticks are instrumented.
    let mut bare = ordinary();
    bare.at(SECOND, Event::TickStart { tick: 11 });
    bare.at(2 * SECOND, Event::TickEnd { tick: 11, tasks_run: 0, start });
    assert_eq!(
        bare.diagnosis(StreamEnd::Known).text,
        "The loop stalled once, for 1.00s, most of it in no task or phase"
    );
}

#[test]
fn a_stall_of_several_runs_that_are_each_a_stall_is_theirs() {
    let mut made = ordinary();
    for (tick, runs) in [(11, 4), (12, 1)] {
        let begin_ns = SECOND + tick * 100 * MS;
        made.at(begin_ns, Event::TickStart { tick });
        for run in 0..runs {
            let (task, start) = (TaskId(tick * 10 + run), Timestamp(SECOND + begin_ns + run * 15 * MS));
            let ran = Event::TaskRan { task, tag: Tag(1), outcome: Outcome::Done, queued: start, start };
            made.at(begin_ns + (run + 1) * 15 * MS, ran);
        }
        let start = Timestamp(SECOND + begin_ns);
        made.at(begin_ns + runs * 15 * MS, Event::TickEnd { tick, tasks_run: runs as u32, start });
    }
    let seen = made.diagnosis(StreamEnd::Known);
    assert_eq!((seen.rule, seen.count), (Rule::Blocker, Some(2)), "{}", seen.text);
    assert!(seen.text.starts_with("Report blocked the loop 2 times, for 15.0ms to 60.0ms"), "{}", seen.text);
}

#[test]
fn a_tick_that_does_not_end_is_a_hang() {
    let mut made = ordinary();
    made.at(SECOND, Event::TickStart { tick: 11 });
    let running = |at_ms: u64| {
        let since = Timestamp(SECOND + SECOND);
        let (what, tag, task) = (RunningKind::Task, Tag(1), Some(TaskId(99)));
        (at_ms * MS, Event::Running { what, tag, phase: None, task, deadline: None, since })
    };
    let (at, event) = running(1_050);
    made.at(at, event);
    let short = made.diagnosis(StreamEnd::Known);
    assert_eq!((short.rule, short.who.as_deref()), (Rule::OneOffStall, Some("Report")), "{}", short.text);
    let (at, event) = running(3_000);
    made.at(at, event);
    for (end, text) in [
        (StreamEnd::Known, "Report has been running for at least 2.00s, since 00:01.000"),
        (
            StreamEnd::Died,
            "Report had been running for at least 2.00s when the process died, since 00:01.000",
        ),
        (
            StreamEnd::Cut,
            "Report had been running for at least 2.00s when the recording ends, since 00:01.000",
        ),
    ] {
        let hang = made.diagnosis(end);
        assert_eq!((hang.rule, &*hang.text, hang.look_at), (Rule::Hang, text, Some(LookAt::OpenTick)));
        assert_eq!(hang.run_ns, Some(2 * SECOND));
    }
}

#[test]
fn a_loop_in_its_poll_does_not_hang_whatever_its_tick_ran_before() {
    let mut made = ordinary();
    made.at(SECOND, Event::TickStart { tick: 11 });
    let (start, outcome) = (Timestamp(2 * SECOND), Outcome::Done);
    made.at(1_700 * MS, Event::TaskRan { task: TaskId(90), tag: Tag(1), outcome, queued: start, start });
    let since = Timestamp(2_701 * MS);
    let (what, tag, deadline) = (RunningKind::Poll, Tag(0), None);
    made.at(2_500 * MS, Event::Running { what, tag, phase: None, task: None, deadline, since });
    for end in [StreamEnd::Known, StreamEnd::Died] {
        let seen = made.diagnosis(end);
        assert_eq!((seen.rule, seen.who.as_deref()), (Rule::OneOffStall, Some("Report")), "{}", seen.text);
        assert!(
            seen.text.starts_with("Report blocked the loop once, for 700ms at 00:01.000"),
            "{}",
            seen.text
        );
    }
}

#[test]
fn what_began_before_the_reading_and_goes_on_is_not_healthy() {
    // A worker of the agenda has recorded nothing since.
    let mut made = ordinary();
    let since = Timestamp(SECOND / 2);
    let (what, tag, task) = (RunningKind::Task, Tag(1), Some(TaskId(99)));
    let running = Event::Running { what, tag, phase: None, task, deadline: None, since };
    made.events.push(Stamped { at: Timestamp(2 * SECOND), source: SourceId(7), event: running });
    let name = Event::Label { kind: LabelKind::Source, id: 7, text: Text::new("agenda worker 1") };
    made.at(0, name);
    let seen = made.diagnosis(StreamEnd::Known);
    let text = "Undecided: nothing wrong was seen, but agenda worker 1 has been running Report for at least 1.50s, since before the \
                reading";
    assert_eq!(seen.text, text);
}

#[test]
fn what_has_ended_is_not_what_runs_in_a_hang() {
    let begin = |made: &mut Made, ran_ms: u64| {
        made.at(SECOND, Event::TickStart { tick: 11 });
        let (start, outcome) = (Timestamp(2 * SECOND), Outcome::Done);
        let ran = Event::TaskRan { task: TaskId(90), tag: Tag(1), outcome, queued: start, start };
        made.at(SECOND + ran_ms * MS, ran);
    };
    let running = |since_ms: u64| {
        let (what, tag, task) = (RunningKind::Task, Tag(2), Some(TaskId(91)));
        let since = Timestamp(2 * SECOND + since_ms * MS);
        Event::Running { what, tag, phase: None, task, deadline: None, since }
    };
    // Most of the tick was another task, which has ended.
    let mut made = ordinary();
    begin(&mut made, 400);
    made.at(SECOND + 650 * MS, running(400));
    let seen = made.diagnosis(StreamEnd::Known);
    let text = "The loop has been busy for at least 650ms, since 00:01.000, most of it in Report; tag 2 is running now, for \
                at least 250ms";
    assert_eq!((&*seen.text, seen.rule, seen.who.as_deref()), (text, Rule::Hang, Some("Report")));
    // Most of it is what runs now.
    let mut made = ordinary();
    begin(&mut made, 200);
    made.at(SECOND + 650 * MS, running(200));
    let seen = made.diagnosis(StreamEnd::Known);
    assert_eq!(seen.text, "tag 2 has been running for at least 450ms, since 00:01.200");
    // A stall that is no hang yet: what blocked most has ended.
    let mut made = ordinary();
    begin(&mut made, 45);
    made.at(SECOND + 55 * MS, running(45));
    let seen = made.diagnosis(StreamEnd::Known);
    assert!(seen.text.starts_with("Report blocked the loop once, for 45.0ms at 00:01.000"), "{}", seen.text);
    // Nobody knows what runs now.
    let mut made = ordinary();
    begin(&mut made, 700);
    let wake = Event::Wake { from: None, coalesced: 0 };
    made.at(SECOND + 710 * MS, wake);
    let seen = made.diagnosis(StreamEnd::Died);
    let text = "The loop had been busy for at least 710ms when the process died, since 00:01.000, most of it in Report";
    assert_eq!((&*seen.text, seen.who.as_deref()), (text, Some("Report")));
}

#[test]
fn a_period_is_seen_among_the_latest_stalls_although_the_worst_is_long_ago() {
    let mut made = Made::default();
    let kept = TimelineConfig::default().stalls_kept as u64;
    for second in 0..2 * kept {
        made.tick(second * SECOND, if second == 3 { 90 * MS } else { 30 * MS });
    }
    let seen = made.diagnosis(StreamEnd::Known);
    assert_eq!(seen.rule, Rule::PeriodicBlocker, "{}", seen.text);
    assert!(seen.text.starts_with("Report blocks the loop for about 30.0ms every 1.00s"), "{}", seen.text);
}

#[test]
fn of_several_loops_the_sentence_names_the_one_it_means() {
    let mut made = ordinary();
    made.tick(2 * SECOND, 30 * MS);
    assert!(made.diagnosis(StreamEnd::Known).text.starts_with("Report blocked the loop once, for 30.0ms"));
    for (source, name) in [(1, "main"), (2, "second")] {
        let label = Event::Label { kind: LabelKind::Source, id: source, text: Text::new(name) };
        made.at(0, label);
    }
    let of_second = made.events.iter().take(6).map(|stamped| Stamped { source: SourceId(2), ..*stamped });
    let of_second = of_second.collect::<Vec<_>>();
    made.events.extend(of_second);
    let several = made.diagnosis(StreamEnd::Known);
    assert!(several.text.starts_with("main: Report blocked the loop once, for 30.0ms"), "{}", several.text);
    assert_eq!(several.loop_name.as_deref(), Some("main"));
}

#[test]
fn a_suspension_is_no_fault_of_the_loop() {
    let mut made = ordinary();
    let (alive, start) = (Timestamp(SECOND + 905 * MS), Timestamp(SECOND + 910 * MS));
    made.at(2_900 * MS, Event::Suspended { asleep_ns: 0, alive, start });
    made.tick(2_950 * MS, MS);
    let suspended = made.diagnosis(StreamEnd::Known);
    assert_eq!(suspended.rule, Rule::Suspended, "{}", suspended.text);
    assert_eq!(suspended.text, "The process was suspended once, for 1.99s at 00:00.910");
}

#[test]
fn runs_that_are_long_only_on_a_busy_machine_are_its_fault() {
    let mut made = ordinary();
    made.tick(SECOND, 40 * MS);
    assert_eq!(made.diagnosis(StreamEnd::Known).rule, Rule::OneOffStall);
    let start = Timestamp(SECOND);
    let delayed_ns = Some(NonMax::from(500 * MS));
    made.at(1_100 * MS, Event::Pressure { waited_ns: None, stolen_ns: None, delayed_ns, start });
    let busy = made.diagnosis(StreamEnd::Known);
    assert_eq!((busy.rule, busy.who.as_deref()), (Rule::BusyMachine, None), "{}", busy.text);
    assert!(
        busy.text.starts_with("The machine is too busy: threads of this program waited 500ms"),
        "{}",
        busy.text
    );
}

/// A job for the pool.
fn queued(job: u64, depth: u32) -> Event {
    Event::WorkQueued { task: TaskId(job), tag: Tag(1), depth, parent: None }
}

#[test]
fn a_pool_whose_jobs_do_not_end_is_stuck() {
    let mut made = ordinary();
    let (queued_at, start) = (Timestamp(SECOND + 905 * MS), Timestamp(SECOND + 906 * MS));
    let ended = |task, worker| Event::WorkRan {
        task: TaskId(task),
        tag: Tag(1),
        worker,
        outcome: Outcome::Done,
        queued: queued_at,
        start,
    };
    made.at(905 * MS, queued(100, 1));
    made.at(907 * MS, ended(100, 0));
    for job in 0..6_u32 {
        made.at((910 + u64::from(job)) * MS, queued(200 + u64::from(job), job.saturating_sub(1)));
    }
    made.tick(SECOND, MS);
    let soon = made.diagnosis(StreamEnd::Known);
    assert_eq!(soon.rule, Rule::Healthy, "{}", soon.text);
    made.tick(3 * SECOND, MS);
    let stuck = made.diagnosis(StreamEnd::Known);
    assert_eq!((stuck.rule, stuck.look_at), (Rule::PoolSaturated, Some(LookAt::Jobs)), "{}", stuck.text);
    assert!(
        stuck
            .text
            .starts_with("The pool is stuck: 4 jobs wait, some for at least 1.90s, in which none has ended"),
        "{}",
        stuck.text
    );
    assert_eq!(stuck.delayed, Some(4));
    // As soon as a job ends, nothing is known of the others but their number.
    let mut flows = ordinary();
    flows.at(905 * MS, queued(100, 1));
    flows.at(906 * MS, queued(101, 2));
    flows.tick(3 * SECOND, MS);
    flows.at(3_002 * MS, ended(100, 0));
    assert!(!flows.diagnosis(StreamEnd::Known).text.contains("stuck"));
}

#[test]
fn a_collection_that_stops_the_agenda_and_does_not_end_is_named() {
    let mut made = ordinary();
    for worker in 0..2 {
        made.at(SECOND, Event::WorkerState { worker, from: WorkerPhase::Idle, to: WorkerPhase::Gc });
    }
    made.tick(SECOND + 20 * MS, MS);
    assert!(!made.diagnosis(StreamEnd::Known).rule.is_fault());
}

#[test]
fn jobs_that_still_wait_count_although_those_before_did_not() {
    let mut made = ordinary();
    for job in 0..20_u32 {
        made.at((910 + u64::from(job)) * MS, queued(200 + u64::from(job), job.saturating_sub(1)));
    }
    let (at, start) = (Timestamp(SECOND + 910 * MS), Timestamp(SECOND + 911 * MS));
    for worker in 0..2 {
        let (task, tag, outcome) = (TaskId(200 + u64::from(worker)), Tag(1), Outcome::Done);
        made.at(SECOND + 210 * MS, Event::WorkRan { task, tag, worker, outcome, queued: at, start });
    }
    made.tick(SECOND + 300 * MS, MS);
    let seen = made.diagnosis(StreamEnd::Known);
    let text =
        "The pool is saturated: 16 jobs wait for one of 2 workers, and those before ran 299ms (median)";
    assert_eq!((&*seen.text, seen.rule), (text, Rule::PoolSaturated));
}

#[test]
fn jobs_that_waited_for_long_are_not_healthy() {
    let mut made = ordinary();
    made.at(910 * MS, queued(100, 0));
    let (queued, start) = (Timestamp(SECOND + 910 * MS), Timestamp(SECOND + 990 * MS));
    let (task, tag, outcome) = (TaskId(100), Tag(1), Outcome::Done);
    made.at(995 * MS, Event::WorkRan { task, tag, worker: 0, outcome, queued, start });
    made.tick(SECOND, MS);
    let waited = made.diagnosis(StreamEnd::Known);
    assert_eq!(waited.rule, Rule::Undecided);
    assert!(
        waited.text.starts_with("Undecided: no fault was seen, but jobs waited for 80."),
        "{}",
        waited.text
    );
}

#[test]
fn tasklets_that_waited_for_long_are_not_jobs() {
    let mut made = ordinary();
    let (task, tag, priority) = (TaskId(100), Tag(1), loop_probes::event::Priority::Normal);
    made.at(910 * MS, Event::AgendaAdded { task, tag, priority, depth: 1 });
    let (queued, start) = (Timestamp(SECOND + 910 * MS), Timestamp(SECOND + 990 * MS));
    let (worker, outcome) = (0, Outcome::Done);
    made.at(995 * MS, Event::AgendaRan { task, tag, priority, worker, outcome, queued, start });
    made.tick(SECOND, MS);
    let waited = made.diagnosis(StreamEnd::Known);
    assert!(
        waited.text.starts_with("Undecided: no fault was seen, but tasklets waited for 80."),
        "{}",
        waited.text
    );
    assert_eq!(waited.look_at, Some(LookAt::Agenda));
}

#[test]
fn tasklets_that_wait_for_long_are_named() {
    let mut made = ordinary();
    for task in 0..3 {
        let depth = task as u32 + 1;
        let priority = loop_probes::event::Priority::Normal;
        made.at((910 + task) * MS, Event::AgendaAdded { task: TaskId(task), tag: Tag(1), priority, depth });
    }
    made.tick(SECOND, MS);
    assert_ne!(made.diagnosis(StreamEnd::Known).rule, Rule::AgendaSaturated);
    made.tick(2 * SECOND, MS);
    let waits = made.diagnosis(StreamEnd::Known);
    assert_eq!((waits.rule, waits.who.as_deref()), (Rule::AgendaSaturated, Some("normal")), "{}", waits.text);
    let text = "The agenda is saturated: 3 tasklets wait of priority normal, the oldest for at least 1.09s";
    assert_eq!((&*waits.text, waits.look_at), (text, Some(LookAt::Agenda)));
}

#[test]
fn a_long_run_outside_of_ticks_is_not_healthy() {
    let mut made = ordinary();
    let start = Timestamp(SECOND + 950 * MS);
    let (task, tag, outcome) = (TaskId(99), Tag(1), Outcome::Done);
    made.at(1_000 * MS, Event::TaskRan { task, tag, outcome, queued: start, start });
    made.tick(1_010 * MS, MS);
    let long = made.diagnosis(StreamEnd::Known);
    let text = "Report runs for up to 50.0ms, outside of ticks";
    assert_eq!((long.rule, &*long.text, long.run_ns), (Rule::Blocker, text, Some(50 * MS)));
    let running = |what, tag, phase, task| {
        let since = Timestamp(SECOND + 950 * MS);
        Event::Running { what, tag, phase, task, deadline: None, since }
    };
    for (event, who) in [
        (running(RunningKind::Task, Tag(1), None, Some(TaskId(99))), "Report"),
        (running(RunningKind::Phase, Tag(0), Some(Phase::Io), None), "phase io"),
    ] {
        let mut made = ordinary();
        made.at(1_550 * MS, event);
        let hang = made.diagnosis(StreamEnd::Known);
        assert_eq!((hang.rule, hang.who.as_deref()), (Rule::Hang, Some(who)), "{}", hang.text);
        assert_eq!(hang.text, format!("{who} has been running for at least 600ms, outside of ticks"));
    }
}

#[test]
fn what_has_not_ended_is_not_in_the_past_and_a_period_that_is_over_is() {
    let mut made = ordinary();
    made.at(SECOND, Event::TickStart { tick: 11 });
    let (since, phase) = (Timestamp(SECOND + SECOND), Some(Phase::Deferred));
    let (what, tag) = (RunningKind::Phase, Tag(0));
    made.at(1_050 * MS, Event::Running { what, tag, phase, task: None, deadline: None, since });
    let open = made.diagnosis(StreamEnd::Known).text;
    assert!(open.starts_with("The loop has been stalled for at least 50.0ms at the end, "), "{open}");

    let mut made = ordinary();
    (0..5).for_each(|number| made.tick(SECOND + number * 100 * MS, 30 * MS));
    let text = |made: &Made| made.diagnosis(StreamEnd::Known).text;
    let goes_on = text(&made);
    assert!(goes_on.starts_with("Report blocks the loop for about 30.0ms every 100ms"), "{goes_on}");
    made.tick(3 * SECOND, MS);
    let over = text(&made);
    assert!(over.starts_with("Report blocked the loop for about 30.0ms every 100ms"), "{over}");
    assert!(over.contains(" until 00:01.400"), "{over}");
}

#[test]
fn a_short_tick_that_has_not_ended_makes_nothing_undecided() {
    let mut made = ordinary();
    made.at(SECOND, Event::TickStart { tick: 11 });
    assert_eq!(made.diagnosis(StreamEnd::Known).rule, Rule::Healthy);
    made.at(SECOND + MS, Event::Wake { from: None, coalesced: 0 });
    assert_eq!(made.diagnosis(StreamEnd::Known).rule, Rule::Healthy);
}

#[test]
fn delays_of_runs_that_are_no_stalls_are_not_those_of_the_stall() {
    let mut made = Made::default();
    for number in 0..10 {
        let start_ns = number * 50 * MS;
        made.tick(start_ns, if number == 9 { 30 * MS } else { 6 * MS });
        // A timer of another tag that was due when the run began.
        let (timer, due) = (TimerId(1_000 + number), Timestamp(SECOND + start_ns));
        let at_ns = start_ns + 31 * MS;
        let fired = Timestamp(SECOND + at_ns);
        let task = TaskId(2_000 + number);
        made.at(at_ns, Event::TickStart { tick: 100 + number });
        made.at(at_ns, Event::TimerArmed { timer, tag: Tag(2), due, period_ns: None });
        made.at(at_ns, Event::TimerFired { timer, tag: Tag(2), task, due, fired, skipped: 0 });
        let outcome = Outcome::Done;
        made.at(at_ns, Event::TaskRan { task, tag: Tag(2), outcome, queued: fired, start: fired });
        made.at(at_ns, Event::TickEnd { tick: 100 + number, tasks_run: 1, start: fired });
    }
    let once = made.diagnosis(StreamEnd::Known);
    assert_eq!((once.rule, once.count), (Rule::OneOffStall, Some(1)), "{}", once.text);
    assert!(once.text.contains("; all its runs delayed "), "{}", once.text);
}

#[test]
fn many_signals_that_are_delivered_at_once_are_no_storm() {
    let storm = |late_ns: u64| {
        let mut made = ordinary();
        for number in 0..2_000 {
            let arrived = Timestamp(SECOND + 905 * MS + number * 10_000);
            let (signo, task) = (10, TaskId(5_000 + number));
            made.events.push(Stamped {
                at: arrived,
                source: SourceId(1),
                event: Event::SignalArrived { signo, depth: 1, arrived },
            });
            let at = arrived.plus_ns(late_ns);
            let event = Event::SignalDelivered { signo, task, arrived };
            made.events.push(Stamped { at, source: SourceId(1), event });
        }
        made.events.sort_by_key(|stamped| stamped.at);
        made.diagnosis(StreamEnd::Known).rule
    };
    assert_eq!((storm(20_000), storm(3 * MS)), (Rule::Healthy, Rule::SignalStorm));
}
