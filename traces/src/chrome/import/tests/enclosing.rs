//! Slices around a loop are not tasks, and a slice without an end is unfinished: neither is busy time.

use super::super::tally::repaired;
use super::*;

/// `count` closed slices of 1 ms each, one every 10 ms from `from` on.
fn tasks(name: &str, from: u64, count: u64) -> Vec<String> {
    let slice = |n: u64| format!(r#""ph":"X","name":"{name}","ts":{},"dur":1000"#, from + n * 10_000);
    (0..count).map(slice).collect()
}

fn imported(events: &[String]) -> Imported {
    let texts: Vec<&str> = events.iter().map(String::as_str).collect();
    import(&list(&texts))
}

fn begin(name: &str, at: u64) -> String {
    format!(r#""ph":"B","name":"{name}","ts":{at}"#)
}

fn end(name: &str, at: u64) -> String {
    format!(r#""ph":"E","name":"{name}","ts":{at}"#)
}

/// Checks that the loop is busy for its tasks, and for nothing else.
fn has_tasks(imported: &Imported, tasks: u64, around: u64) {
    let Imported { timeline, report, .. } = imported;
    assert_eq!((timeline.tasks_run, timeline.ticks.busy_ns), (tasks, tasks * 1_000_000), "{report:#?}");
    assert_eq!((imported.repaired(repaired::AROUND_LOOP), timeline.stalls.count), (around, 0));
}

#[test]
fn an_unclosed_slice_around_a_loop_is_no_stall() {
    // Two of them around the tasks, as Chromium draws them, and slices before the loop begins.
    for name in ["MessageLoop::RunTask", "anything"] {
        let mut events = vec![begin("RendererMain", 0), begin("START_MSG_LOOP", 500)];
        events.extend(tasks(name, 1_000, 40));
        let imported = imported(&events);
        has_tasks(&imported, 40, 2);
        assert_eq!(imported.repaired(repaired::BEGIN_WITHOUT_END), 2);
    }
}

#[test]
fn a_slice_enclosing_tasks_of_a_known_loop_is_no_task() {
    let mut events = vec![begin("BrowserMain", 0)];
    events.extend(tasks("ThreadControllerImpl::RunTask", 1_000, 40));
    events.push(end("BrowserMain", 500_000));
    has_tasks(&imported(&events), 40, 1);
    // A slice that contains only one task is that task.
    let mut events = Vec::new();
    for n in 0..20 {
        events.push(format!(r#""ph":"X","name":"DoWork","ts":{},"dur":1000"#, n * 10_000));
        events.push(format!(r#""ph":"X","name":"A::RunTask","ts":{},"dur":900"#, n * 10_000 + 50));
    }
    has_tasks(&imported(&events), 20, 0);
}

#[test]
fn a_slice_that_only_repeats_the_same_contents_encloses_a_loop() {
    let mut events = vec![begin("main", 0)];
    events.extend(tasks("step", 1_000, 40));
    events.push(end("main", 402_000));
    has_tasks(&imported(&events), 40, 1);
    // A long task with spans of its own remains one task.
    let mut events = vec![begin("handle", 0)];
    for n in 0..40 {
        events.push(format!(r#""ph":"X","name":"part {n}","ts":{},"dur":900"#, n * 1_000 + 1));
    }
    events.extend([end("handle", 41_000), r#""ph":"X","name":"next","ts":50000,"dur":1"#.to_owned()]);
    let imported = imported(&events);
    assert_eq!((imported.timeline.tasks_run, imported.repaired(repaired::AROUND_LOOP)), (2, 0));
    assert_eq!(imported.timeline.stalls.count, 1);
}

#[test]
fn a_task_without_an_end_is_unfinished() {
    let mut events = tasks("work", 0, 40);
    events.push(begin("hangs", 500_000));
    events.extend(tasks("part", 501_000, 9));
    let imported = imported(&events);
    has_tasks(&imported, 40, 0);
    assert_eq!(imported.report.loops[0].counts.unfinished, 1);
    assert_eq!(
        imported.timeline.unfinished_ticks().first().and_then(|open| open.tick),
        Some(41),
        "it is still running"
    );
}

#[test]
fn a_task_whose_end_was_lost_holds_up_none_of_those_after_it() {
    let mut events = tasks("A::RunTask", 0, 40);
    events.push(begin("A::RunTask", 400_000));
    events.extend(tasks("A::RunTask", 410_000, 10));
    has_tasks(&imported(&events), 50, 1);
}

#[test]
fn what_other_threads_do_later_does_not_lengthen_a_task_without_an_end() {
    let json = r#"[{"ph":"X","name":"a","pid":1,"tid":1,"ts":0,"dur":5},{"ph":"B","name":"open","pid":1,"tid":1,"ts":10},
        {"ph":"i","name":"m","pid":1,"tid":1,"ts":30},{"ph":"X","name":"b","pid":2,"tid":2,"ts":5000000,"dur":5}]"#;
    let imported = import(json);
    assert_eq!(imported.report.loops.len(), 2);
    let open: Vec<_> = imported.timeline.unfinished_ticks().iter().map(|tick| tick.busy_ns).collect();
    assert_eq!(open, [20_000], "no stall of 5 s");
}
