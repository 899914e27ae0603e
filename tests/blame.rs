//! Tests blame: the breakdowns of a demo with a blocking handler, against the recorded events themselves.

#[expect(dead_code, reason = "each test file uses its part")]
#[path = "support/program.rs"]
mod program;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loop_probes::event::{Event, LabelKind};
use loop_probes::stamped::Stamped;
use loop_traces::reader::TraceReader;
use loop_traces::source::{EventSource as _, SourceState};
use program::{Place, text, wait_for};
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
    let mut reader = TraceReader::open(trace).expect("the demo closed it");
    let mut events = Vec::new();
    while reader.poll(&mut events).expect("it is whole") != SourceState::Ended {}
    events
}

/// The recorded runs of the blocking handler: its task, start and end.
fn reports(events: &[Stamped]) -> Vec<(u64, u64, u64)> {
    let report = events.iter().find_map(|stamped| match stamped.event {
        Event::Label { kind: LabelKind::Tag, id, text } if text.as_str() == "Report" => Some(id),
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

fn list<'a>(json: &'a Value, field: &str) -> &'a Vec<Value> {
    json[field].as_array().unwrap_or_else(|| panic!("{field} is a list in {json}"))
}

fn number(json: &Value, field: &str) -> u64 {
    json[field].as_u64().unwrap_or_else(|| panic!("{field} is a number in {json}"))
}

fn sum(ledger: &Value) -> u64 {
    list(ledger, "blame").iter().map(|line| number(line, "ns")).sum()
}

#[test]
fn a_blocking_handler_is_named_by_all_that_it_made_late_with_its_exact_part() {
    let place = Place::new();
    let trace = blocked(&place);
    let events = events(&trace);
    let reports = reports(&events);
    // The demo's clients request shorter ones too.
    let injected = |(_, start, end): &(u64, u64, u64)| end - start >= 39_500_000;
    assert!(reports.iter().any(injected), "the demo ran it: {reports:?}");
    let summary = place.json(&["report", text(&trace), "--json", "--late-timers", "10000"]);

    // Checks each late timer against the recorded events.
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
            let found = reports.iter().filter_map(of).collect();
            overlaps.insert((timer.0, task.0, fired.ns_since(due)), found);
        }
    }
    // Those that were due when the loop stopped have no record of their own.
    let (overdue, late): (Vec<&Value>, Vec<&Value>) =
        list(&summary, "late_timers").iter().partition(|timer| timer["open"] == true);
    assert_eq!(late.len(), overlaps.len(), "each late timer has its ledger");
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
            // On a busy machine a late wakeup may be the largest part, and then comes first.
            if 2 * ns > lag_ns {
                assert_eq!(
                    (blame[0]["what"].as_str(), number(&blame[0], "ns")),
                    (Some(&*name), *ns),
                    "{timer}"
                );
                named += 1;
            }
            caused_ns += ns;
        }
    }
    assert!(named > 0, "somebody was made late by it");
    let harm = list(&summary, "harm").iter().find(|harm| harm["tag"] == "Report").expect("it did harm");
    assert_eq!(number(harm, "timers_ns"), caused_ns, "{harm}");
    let run_ns: u64 = reports.iter().map(|(_, start, end)| end - start).sum();
    assert_eq!(number(harm, "run_ns"), run_ns);

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
    assert!(named > 0, "its stalls name it");
    for (field, total) in [("late_signals", "latency_ns"), ("slow_tasks", "run_ns")] {
        for ledger in list(&summary, field) {
            assert_eq!(sum(ledger), number(ledger, total), "{ledger}");
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
    assert!(page.contains("\nMADE OTHERS LATE"), "{page}");
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
        assert!(
            event["ph"] == "i" || args["blame"].is_null(),
            "only instants have numbers of their own: {event}"
        );
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
    let overdue = list(&all, "late_timers").iter().filter(|timer| timer["open"] == true).count() as u64;
    assert_eq!(timers + overdue, number(&summary["timers"], "late"));
    assert_eq!(stalls, number(&summary["ticks"], "stalls"));
}

/// All of the time in which nothing of the process ran is `suspended` in every breakdown, so neither the system nor a task
/// is blamed for any of it.
#[test]
fn a_process_that_was_stopped_blames_that_and_nothing_else() {
    let place = Place::new();
    let trace = place.file("stopped.looptrace");
    let mut demo = place.demo(&["--load", "100", "--record", text(&trace)]);
    let stopped_for = Duration::from_millis(400);
    // Until the watching thread has started.
    wait_for("a stop to be told", || {
        demo.stop();
        std::thread::sleep(stopped_for);
        demo.signal("CONT");
        let late = |told: &Value| {
            let by_it = |timer: &&Value| {
                let line = |what| list(timer, "blame").iter().find(|line| line["what"] == what);
                let of = |what| line(what).map_or(0, |line| number(line, "ns"));
                let lag = number(timer, "lag_ns");
                lag >= 350_000_000 && of("suspended") * 2 > lag
            };
            list(told, "late_timers").iter().any(|timer| by_it(&timer))
        };
        place.told(text(&trace)).is_some_and(|told| late(&told))
    });
    demo.signal("INT");
    assert!(demo.wait().success(), "it ends when it is interrupted");
    let told = place.json(&["report", text(&trace), "--json", "--late-timers", "10000"]);
    let blamed = nothing_else_is_blamed_for_suspensions(&events(&trace), &told);
    assert!(blamed > 0, "a timer was due while the process was stopped");
    let suspended = &told["suspended"];
    assert!(number(suspended, "count") >= 1 && number(suspended, "total_ns") >= 300_000_000, "{suspended}");
    assert_eq!(suspended["asleep_ns"], 0, "the machine did not sleep");
    let harm = |tag: &str| list(&told, "harm").iter().find(|harm| harm["tag"] == tag).cloned();
    assert!(harm("suspended").is_some_and(|harm| number(&harm, "timers_ns") >= 300_000_000), "{told}");
    let page = place.succeed(&["report", text(&trace)]);
    assert!(page.contains(": nothing of the process ran"), "{page}");
}

/// Checks each late timer that fired, and returns how many of them waited during a suspension. What began up to `alive`
/// may count, too: a poll that was due by then and had not returned.
fn nothing_else_is_blamed_for_suspensions(events: &[Stamped], told: &Value) -> usize {
    let first = events.iter().find(|stamped| !matches!(stamped.event, Event::Label { .. }));
    let begin = first.expect("it recorded something").at.as_ns().cast_signed();
    let since_begin = |at: u64| at.cast_signed() - begin;
    let suspensions = events.iter().filter_map(|stamped| match stamped.event {
        Event::Suspended { alive, start, .. } => {
            Some([alive.as_ns(), start.as_ns(), stamped.at.as_ns()].map(since_begin))
        }
        _ => None,
    });
    let suspensions: Vec<[i64; 3]> = suspensions.collect();
    let mut blamed = 0;
    for timer in list(told, "late_timers").iter().filter(|timer| timer["open"] == false) {
        let [due, fired] = ["due_ns", "fired_ns"].map(|key| timer[key].as_i64().expect("a time"));
        let overlap = |from: i64, to: i64| (to.min(fired) - from.max(due)).max(0).unsigned_abs();
        let at_least: u64 = suspensions.iter().map(|[_, start, end]| overlap(*start, *end)).sum();
        let at_most: u64 = suspensions.iter().map(|[alive, _, end]| overlap(*alive, *end)).sum();
        let line = list(timer, "blame").iter().find(|line| line["what"] == "suspended");
        let by_it = line.map_or(0, |line| number(line, "ns"));
        assert!((at_least..=at_most).contains(&by_it), "{at_least}..={at_most} ns were suspended: {timer}");
        blamed += usize::from(at_least > 0);
    }
    blamed
}
