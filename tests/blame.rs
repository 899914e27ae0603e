//! Tests blame: the breakdowns of a demo with a blocking handler, against the recorded events themselves.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::program::{Place, Running, text, wait_for};
use loop_probes::event::{Event, LabelKind};
use loop_probes::stamped::Stamped;
use loop_traces::reader::TraceReader;
use loop_traces::source::{EventSource as _, SourceState};
use serde_json::Value;

/// A demo in which a report blocks the loop for 40 ms once a second.
fn blocked(place: &Place) -> PathBuf {
    let trace = place.file("blocked.looptrace");
    let demo =
        ["demo", "--stall", "40ms", "--seed", "7", "--duration", "3s", "--no-tui", "--record", text(&trace)];
    place.succeed(&demo);
    trace
}

fn events(trace: &Path) -> Vec<Stamped> {
    let mut reader = TraceReader::open(trace).expect("the demo writes it");
    let mut events = Vec::new();
    while reader.poll(&mut events).expect("it is undamaged") == SourceState::More {}
    events
}

/// The recorded runs of the blocking handler: its task, start and end.
fn reports(events: &[Stamped]) -> Vec<(u64, u64, u64)> {
    let report = events.iter().find_map(|stamped| match stamped.event {
        Event::Label { kind: LabelKind::Tag, id, text } if text.get().as_str() == "Report" => Some(id),
        _ => None,
    });
    let runs = events.iter().filter_map(|stamped| match stamped.event {
        Event::TaskRan { task, tag, start, .. } if Some(u32::from(tag.0)) == report => {
            Some((task.0, start.as_ns(), stamped.at.as_ns()))
        }
        _ => None,
    });
    runs.collect()
}

/// [`reports`] as waiting work sees them: the task of a timer starts when the timer fired.
fn reports_for_waits(events: &[Stamped]) -> Vec<(u64, u64, u64)> {
    let fired = events.iter().filter_map(|stamped| match stamped.event {
        Event::TimerFired { task, fired, .. } => Some((task.0, fired.max(stamped.at).as_ns())),
        _ => None,
    });
    let fired: HashMap<u64, u64> = fired.collect();
    let starts =
        |(task, start, end): (u64, u64, u64)| (task, start.max(fired.get(&task).copied().unwrap_or(0)), end);
    reports(events).into_iter().map(starts).collect()
}

fn list<'a>(json: &'a Value, field: &str) -> &'a Vec<Value> {
    json[field].as_array().unwrap_or_else(|| panic!("{field} is a list in {json}"))
}

fn number(json: &Value, field: &str) -> u64 {
    json[field].as_u64().unwrap_or_else(|| panic!("{field} is a number in {json}"))
}

fn sum(breakdown: &Value) -> u64 {
    list(breakdown, "blame").iter().map(|line| number(line, "ns")).sum()
}

#[test]
fn breakdowns_name_the_exact_part_of_a_blocking_handler() {
    let place = Place::new();
    let trace = blocked(&place);
    let events = events(&trace);
    let reports = reports(&events);
    // The demo's clients also request shorter reports.
    let injected = |(_, start, end): &(u64, u64, u64)| end - start >= 39_500_000;
    assert!(reports.iter().any(injected), "the demo blocked: {reports:?}");
    // A busy machine adds stalls, so the list must not be limited to a few.
    let lists = ["--late-timers", "10000", "--stalls", "10000"];
    let summary = place.json(&[&["report", text(&trace), "--json"][..], &lists].concat());

    // Checks each late timer against the recorded events.
    let for_waits = reports_for_waits(&events);
    let mut overlaps: HashMap<(u64, u64, u64), Vec<(u64, u64)>> = HashMap::new();
    for stamped in &events {
        if let Event::TimerFired { timer, task, due, fired, .. } = stamped.event
            && let fired = fired.max(stamped.at)
            && fired.ns_since(due) > 1_000_000
        {
            let of = |(report, start, end): &(u64, u64, u64)| {
                let ns = (*end).min(fired.as_ns()).saturating_sub((*start).max(due.as_ns()));
                (ns > 0).then_some((*report, ns))
            };
            let found = for_waits.iter().filter_map(of).collect();
            overlaps.insert((timer.0, task.0, fired.ns_since(due)), found);
        }
    }
    // Timers that were due when the loop stopped have no record.
    let (overdue, late): (Vec<&Value>, Vec<&Value>) =
        list(&summary, "late_timers").iter().partition(|timer| timer["fired_ns"].is_null());
    assert_eq!(late.len(), overlaps.len(), "each late timer has a breakdown");
    let (mut named, mut caused_ns) = (0, 0);
    for timer in overdue {
        assert_eq!(sum(timer), number(timer, "lag_ns"), "{timer}");
        let by_report =
            |line: &&Value| line["what"].as_str().is_some_and(|what| what.starts_with("task Report #"));
        let by_report = list(timer, "blame").iter().filter(by_report);
        caused_ns += by_report.map(|line| number(line, "ns")).sum::<u64>();
    }
    for timer in late {
        let lag_ns = number(timer, "lag_ns");
        assert_eq!(sum(timer), lag_ns, "{timer}");
        let times = ["fired_ns", "due_ns"].map(|field| timer[field].as_i64().expect("a time"));
        assert_eq!(u64::try_from(times[0] - times[1]).ok(), Some(lag_ns), "{timer}");
        for (report, ns) in &overlaps[&(number(timer, "timer"), number(timer, "task"), lag_ns)] {
            let blame = list(timer, "blame");
            let name = format!("task Report #{report}");
            // On a busy machine, others may be larger: a late wakeup, for example.
            assert!(2 * ns <= lag_ns || blame[0]["what"] == name, "more than half comes first: {timer}");
            if let Some(line) = blame.iter().find(|line| line["what"] == name) {
                assert_eq!(number(line, "ns"), *ns, "{timer}");
                named += 1;
            }
            caused_ns += ns;
        }
    }
    assert!(named > 0, "the handler delayed a timer");
    let delay_caused = list(&summary, "delay_caused")
        .iter()
        .find(|impact| impact["tag"] == "Report")
        .expect("the handler caused delay");
    assert_eq!(number(delay_caused, "timers_ns"), caused_ns, "{delay_caused}");
    let run_ns: u64 = reports.iter().map(|(_, start, end)| end - start).sum();
    assert_eq!(number(delay_caused, "run_ns"), run_ns);

    let mut named = 0;
    for stall in list(&summary, "stalls") {
        assert_eq!(sum(stall), number(stall, "run_ns"), "{stall}");
        for (report, start, end) in &reports {
            let name = format!("task Report #{report}");
            if let Some(line) = list(stall, "blame").iter().find(|line| line["what"] == name) {
                assert_eq!(number(line, "ns"), end - start, "{stall}");
                named += 1;
            }
        }
    }
    assert!(named > 0, "stalls name the handler");
    for (field, total) in [("late_signals", "latency_ns"), ("slow_tasks", "run_ns")] {
        for breakdown in list(&summary, field) {
            assert_eq!(sum(breakdown), number(breakdown, total), "{breakdown}");
        }
    }
    let slow = list(&summary, "slow_tasks").iter().filter(|slow| slow["tag"] == "Report");
    assert_eq!(slow.count(), reports.len());
}

#[test]
fn the_page_the_export_and_the_option_agree() {
    let place = Place::new();
    let trace = blocked(&place);
    let summary = place.json(&["report", text(&trace), "--json"]);
    let three = place.json(&["report", text(&trace), "--json", "--late-timers", "1"]);
    assert_eq!(list(&three, "late_timers")[..], list(&summary, "late_timers")[..1], "the worst");
    assert_eq!(three["timers"], summary["timers"], "all are counted");
    assert_eq!(place.run(&["report", text(&trace), "--late-timers", "10001"]).status.code(), Some(2));

    let page = place.succeed(&["report", text(&trace)]);
    assert!(page.contains("timers later than 1.00ms, worst first"), "{page}");
    assert!(page.contains("\nDELAYED OTHERS"), "{page}");
    assert!(page.contains(" = Report #"), "{page}");

    let json = place.file("blocked.json");
    place.succeed(&["export", text(&trace), "--format", "chrome", "-o", text(&json)]);
    let exported: Value =
        serde_json::from_slice(&fs::read(&json).expect("it was written")).expect("it is JSON");
    let micros = |value: &Value| (value.as_f64().expect("microseconds") * 1_000.0).round() as u64;
    let total = |args: &Value| list(args, "blame").iter().map(|line| micros(&line["us"])).sum::<u64>();
    let (mut timers, mut stalls, mut slow) = (0, 0, 0);
    for event in list(&exported, "traceEvents") {
        let args = &event["args"];
        assert!(event["ph"] == "i" || args["blame"].is_null(), "only instants have breakdowns: {event}");
        if event["cat"] == "timer" && micros(&args["lag_us"]) > 1_000_000 {
            assert_eq!(total(args), micros(&args["lag_us"]), "{event}");
            timers += 1;
        }
        if event["cat"] == "stall" {
            assert_eq!(total(args), micros(&args["busy_us"]), "{event}");
            stalls += 1;
        }
        if event["name"] == "slow task" {
            assert_eq!(total(args), micros(&args["run_us"]), "{event}");
            slow += 1;
        }
    }
    assert!(slow > 0, "reports are slow");
    // The export has no instant for a timer that did not fire before the loop stopped.
    let all = place.json(&["report", text(&trace), "--json", "--late-timers", "10000"]);
    let overdue = list(&all, "late_timers").iter().filter(|timer| timer["fired_ns"].is_null()).count() as u64;
    assert_eq!(timers + overdue, number(&summary["timers"], "late"));
    assert_eq!(stalls, number(&summary["ticks"], "stalls"));
}

/// A suspension of the process, in nanoseconds: when it last ran for certain, and its start and end.
#[derive(Clone, Copy)]
struct Suspension {
    alive: u64,
    start: u64,
    end: u64,
}

fn suspensions(events: &[Stamped]) -> Vec<Suspension> {
    let of = |stamped: &Stamped| match stamped.event {
        Event::Suspended { alive, start, .. } => {
            Some(Suspension { alive: alive.as_ns(), start: start.as_ns(), end: stamped.at.as_ns() })
        }
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

fn polls(events: &[Stamped]) -> Vec<(u64, u64)> {
    let of = |stamped: &Stamped| match stamped.event {
        Event::Poll { start, .. } => Some((start.as_ns(), stamped.at.as_ns())),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

fn overlap((from, to): (u64, u64), (start, end): (u64, u64)) -> u64 {
    to.min(end).saturating_sub(from.max(start))
}

/// Stops `demo` for 400 ms while its loop is in `what`, which the ring shows before and during the stop.
fn stop_in(place: &Place, demo: &Running, what: &str) {
    let pid = demo.pid().to_string();
    let is_in = || {
        let json_report = place.report(&pid).unwrap_or_default();
        json_report["open_tick"]["running"].as_str().is_some_and(|running| running.starts_with(what))
    };
    wait_for(what, || {
        if !is_in() {
            return false;
        }
        demo.stop();
        let is_in = is_in();
        if is_in {
            std::thread::sleep(Duration::from_millis(400));
        }
        demo.signal("CONT");
        is_in
    });
}

/// The events and the report of a recorded demo that is stopped while its loop is in `what`. `extents` returns the start
/// and end of each recorded `what`.
fn stopped_in(
    place: &Place,
    demo: &[&str],
    what: &str,
    extents: impl Fn(&[Stamped]) -> Vec<(u64, u64)>,
) -> (Vec<Stamped>, Value) {
    let trace = place.file("stopped.looptrace");
    let mut demo = place.demo(&[demo, &["--record", text(&trace)]].concat());
    // The thread that detects suspensions may start after the first one.
    let is_recorded = (0..20).any(|_| {
        stop_in(place, &demo, what);
        let recorded = || {
            let events = events(&trace);
            let of = |it: &Suspension| (it.start, it.end);
            let is_in = |it: &Suspension| {
                extents(&events).iter().any(|extent| overlap(*extent, of(it)) >= 300_000_000)
            };
            suspensions(&events).iter().any(is_in)
        };
        // The activity is recorded when it ends.
        (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(30));
            recorded()
        })
    });
    assert!(is_recorded, "a stop in {what} is recorded");
    demo.signal("INT");
    assert!(demo.wait().success(), "an interrupted demo succeeds");
    let json_report =
        place.json(&["report", text(&trace), "--json", "--late-timers", "10000", "--stalls", "10000"]);
    let suspended = &json_report["suspended"];
    assert!(number(suspended, "count") >= 1 && number(suspended, "total_ns") >= 300_000_000, "{suspended}");
    assert_eq!(suspended["asleep_ns"], 0, "the machine did not sleep");
    let delay_caused = list(&json_report, "delay_caused").iter().find(|impact| impact["tag"] == "suspended");
    assert!(
        delay_caused.is_some_and(|impact| number(impact, "timers_ns") >= 300_000_000),
        "{}",
        json_report["delay_caused"]
    );
    let page = place.succeed(&["report", text(&trace)]);
    assert!(page.contains(": nothing of the process ran"), "{page}");
    (events(&trace), json_report)
}

/// The nanoseconds of one line of a breakdown; 0 without such a line.
fn line(breakdown: &Value, what: &str) -> u64 {
    let found = list(breakdown, "blame").iter().find(|line| line["what"] == what);
    found.map_or(0, |line| number(line, "ns"))
}

/// The time of the first event, from which reports count.
fn begin(events: &[Stamped]) -> i64 {
    let first = events.iter().find(|stamped| !matches!(stamped.event, Event::Label { .. }));
    first.expect("it recorded something").at.as_ns().cast_signed()
}

/// The late timers that fired, each with the time for which it waited.
fn waits<'a>(events: &[Stamped], json_report: &'a Value) -> Vec<(&'a Value, (u64, u64))> {
    let begin = begin(events);
    let fired = list(json_report, "late_timers").iter().filter(|timer| !timer["fired_ns"].is_null());
    let at = |timer: &Value, key: &str| (timer[key].as_i64().expect("a time") + begin).cast_unsigned();
    fired.map(|timer| (timer, (at(timer, "due_ns"), at(timer, "fired_ns")))).collect()
}

#[test]
fn a_stop_in_poll_is_blamed_on_the_suspension_alone() {
    let place = Place::new();
    let (events, json_report) = stopped_in(&place, &["--load", "100"], "poll", polls);
    // A poll past its deadline counts as suspended from the deadline on.
    let late: Vec<(u64, u64)> = events
        .iter()
        .filter_map(|stamped| match stamped.event {
            Event::Poll { start, timeout_ns: Some(ns @ 1..), .. } => {
                Some((start.plus_ns(ns).as_ns(), stamped.at.as_ns()))
            }
            _ => None,
        })
        .collect();
    let stopped = suspensions(&events).into_iter().map(|Suspension { alive, start, end }| {
        let polled = late.iter().filter(|(deadline, returned)| (*deadline..*returned).contains(&start));
        (polled.map(|(deadline, _)| alive.max(*deadline)).min().unwrap_or(start), end)
    });
    let stopped: Vec<(u64, u64)> = stopped.collect();
    let mut blamed = 0;
    for (timer, wait) in waits(&events, &json_report) {
        // The lines sum to the lag, so no other line includes this time.
        let suspended: u64 = stopped.iter().map(|extent| overlap(*extent, wait)).sum();
        assert_eq!((line(timer, "suspended"), sum(timer)), (suspended, number(timer, "lag_ns")), "{timer}");
        blamed += usize::from(suspended >= 300_000_000);
    }
    assert!(blamed > 0, "a timer was due while the process was stopped");
}

#[test]
fn a_stop_in_a_task_is_blamed_on_the_suspension_and_not_the_task() {
    let place = Place::new();
    let runs = |events: &[Stamped]| reports(events).iter().map(|(_, start, end)| (*start, *end)).collect();
    let (events, json_report) = stopped_in(&place, &["--stall", "1500ms"], "task Report #", runs);
    let (suspensions, reports, begin) = (suspensions(&events), reports(&events), begin(&events));
    // Within `extent`, the time of a run in which the process ran, and in which it was stopped.
    let parts = |(_, start, end): &(u64, u64, u64), (from, to): (u64, u64)| {
        let within = (from.max(*start), to.min(*end));
        let stopped: u64 = suspensions.iter().map(|it| overlap((it.start, it.end), within)).sum();
        (within.1.saturating_sub(within.0) - stopped, stopped)
    };
    // The most that other suspensions add: each failed attempt to stop the demo in a run is one.
    let beside = |(_, start, end): &(u64, u64, u64), extent: (u64, u64)| {
        let others = suspensions.iter().filter(|it| overlap((it.start, it.end), (*start, *end)) == 0);
        others.map(|it| overlap((it.alive, it.end), extent)).sum::<u64>()
    };
    let always = (0, u64::MAX);
    let is_stopped = |report: &&(u64, u64, u64)| parts(report, always).1 >= 300_000_000;
    let mut blamed = [0; 3];
    for (report, for_waits) in reports.iter().zip(reports_for_waits(&events)).filter(|(it, _)| is_stopped(it))
    {
        let name = format!("task Report #{}", report.0);
        // The task has the rest of its run, but a phase that begins within nanoseconds of its end may take a little. A
        // small part may be merged with others into one line.
        let has_its_own = |breakdown: &Value, ran: u64| {
            let its = line(breakdown, &name);
            its.abs_diff(ran) <= 1_000 || its == 0 && ran < sum(breakdown) / 10
        };
        for (timer, wait) in waits(&events, &json_report) {
            let (ran, stopped) = parts(&for_waits, wait);
            if stopped > 0 {
                let all = stopped..=stopped + beside(report, wait);
                assert!(all.contains(&line(timer, "suspended")), "{all:?}: {timer}");
                assert!(has_its_own(timer, ran), "{name} ran for {ran}: {timer}");
                assert_eq!(sum(timer), number(timer, "lag_ns"), "{timer}");
                blamed[0] += 1;
            }
        }
        let (ran, stopped) = parts(report, always);
        let begun = |stall: &&Value| stall["at_ns"].as_i64() <= Some(report.1.cast_signed() - begin);
        let stall =
            list(&json_report, "stalls").iter().filter(begun).max_by_key(|stall| stall["at_ns"].as_i64());
        if let Some(stall) = stall {
            let all = stopped..=stopped + beside(report, always);
            assert!(all.contains(&line(stall, "suspended")), "{all:?}: {stall}");
            assert!(has_its_own(stall, ran), "{name} ran for {ran}: {stall}");
            blamed[1] += 1;
        }
        let is_it = |slow: &&Value| slow["tag"] == "Report" && slow["task"] == report.0;
        for slow in list(&json_report, "slow_tasks").iter().filter(is_it) {
            assert_eq!(line(slow, "suspended"), stopped, "{slow}");
            assert_eq!(number(slow, "run_ns"), ran + stopped, "{slow}");
            blamed[2] += 1;
        }
    }
    assert!(
        blamed.iter().all(|count| *count > 0),
        "timers, stalls and slow tasks include the stop: {blamed:?}"
    );
}
