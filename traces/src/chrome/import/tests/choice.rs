//! Tests of which threads become loops, how the others are reported, and files without any loop.

use super::*;

fn named(pid: u32, tid: u32, name: &str) -> String {
    format!(r#"{{"ph":"M","name":"thread_name","pid":{pid},"tid":{tid},"args":{{"name":"{name}"}}}}"#)
}

fn slices(pid: u32, tid: u32, name: &str, count: u64) -> Vec<String> {
    let slice =
        |n: u64| format!(r#"{{"ph":"X","name":"{name}","pid":{pid},"tid":{tid},"ts":{},"dur":3}}"#, n * 10);
    (0..count).map(slice).collect()
}

fn loops(events: &[String]) -> Vec<(String, ChosenBy)> {
    let imported = import(&format!("[{}]", events.join(",")));
    let found = imported.report.loops.iter();
    found.map(|found| (format!("{}/{}", found.pid, found.tid), found.chosen)).collect()
}

#[test]
fn each_main_thread_is_a_loop_of_its_own() {
    let mut events = Vec::new();
    for (tid, name) in [
        (10, "CrBrowserMain"),
        (11, "Chrome_InProcRendererThread"),
        (12, "CrPPAPIMain"),
        (13, "Chrome_IOThread"),
    ] {
        events.push(named(10, tid, name));
        events.extend(slices(10, tid, "A::RunTask", 3));
    }
    let found: Vec<String> = loops(&events).into_iter().map(|(ids, _)| ids).collect();
    assert_eq!(found, ["10/10", "10/11", "10/12"]);
}

#[test]
fn unnamed_threads_are_chosen_by_number_then_by_tasks() {
    let events = [
        slices(20, 20, "a", 2),
        slices(20, 21, "b", 90),
        slices(30, 30, "a", 2),
        slices(40, 1, "A::RunTask", 5),
        slices(40, 2, "A::RunTask", 6),
        slices(40, 3, "ThreadPool_RunTask", 70),
    ]
    .concat();
    let expected = [
        ("20/20", ChosenBy::MainThread),
        ("30/30", ChosenBy::MainThread),
        ("40/1", ChosenBy::Tasks),
        ("40/2", ChosenBy::Tasks),
    ];
    assert_eq!(loops(&events), expected.map(|(ids, chosen)| (ids.to_owned(), chosen)));
    let imported = import(&format!("[{}]", events.join(",")));
    let left_out = &imported.report.left_out;
    assert_eq!((left_out.threads, left_out.slices, left_out.slices_of), (2, 160, 175));
    assert_eq!(
        left_out.text().unwrap(),
        "2 threads with 160 of 175 slices (91.4%): thread 21 (20/21) 90, thread 3 (40/3) 70"
    );
}

#[test]
fn the_trace_repeats_what_the_import_did() {
    let mut events = [slices(7, 7, "a", 9), slices(7, 8, "b", 9)].concat();
    events.push(r#"{"ph":"B","name":"open","pid":7,"tid":7,"ts":100}"#.to_owned());
    let imported = import(&format!("[{},", events.join(",")));
    let parsed = ImportSummary::of(&imported.metadata).unwrap();
    assert_eq!(parsed, ImportSummary::new(&imported.report));
    assert_eq!((parsed.repaired["begin_without_end"], parsed.left_out.slices), (1, 9));
    let summary = crate::summary::Summary::new(
        &crate::source::MemorySource::new("test", SourceKind::Chrome, imported.metadata, imported.events),
        &imported.timeline,
    );
    let text = crate::report::text_within(&summary, 80);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for line in [
        "imported from Chrome JSON · queue waits known for 0 of 9 tasks",
        "repaired: 1 begin without end, 1 out of order, 1 trailing comma, 1 unclosed list",
        "left out: 1 thread with 9 of 19 slices (47.4%): thread 8 (7/8) 9",
    ] {
        assert!(lines.contains(&line), "{line} in {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn import_data_in_a_trace_is_not_trusted() {
    let mut metadata = import(&format!("[{}]", slices(1, 1, "a", 2).join(","))).metadata;
    let kinds: Vec<String> = (0..1000).map(|n| format!("\"k{n}\\u001b[2J\":1")).collect();
    for hostile in [
        "7".to_owned(),
        format!("{{\"producer\":\"\\u001b{}\",\"repaired\":{{{}}}}}", "x".repeat(999), kinds.join(",")),
    ] {
        metadata.settings.insert(IMPORT.to_owned(), hostile);
        let summary = ImportSummary::of(&metadata).unwrap();
        assert!(summary.repaired.len() <= 64 && summary.from().len() < 120);
        assert!(!format!("{summary:?}").contains('\u{1b}') && !summary.from().contains('\u{1b}'));
    }
}

#[test]
fn a_cpu_profile_is_no_loop() {
    let sample = |name: &str| event(&format!(r#""ph":"P","name":"{name}","id":"0x1","ts":1,"args":{{}}"#));
    let json = format!("[{},{}]", sample("Profile"), sample("ProfileChunk"));
    let refused = try_import(json.as_bytes(), &[]).unwrap_err().to_string();
    assert!(refused.contains("has no event loop: it is a CPU profile (2 events of samples)"), "{refused}");
    // Samples as slices: one after the other, without a gap.
    let mut slices = vec![r#""ph":"X","name":"(root)","ts":0,"dur":500"#.to_owned()];
    slices.extend((0..50).map(|n| format!(r#""ph":"X","name":"f{}","ts":{},"dur":10"#, n % 7, n * 10)));
    let texts: Vec<&str> = slices.iter().map(String::as_str).collect();
    let imported = import(&list(&texts));
    assert!(imported.report.loops[0].never_waits);
    let doubt = ImportSummary::of(&imported.metadata).unwrap().doubt().unwrap();
    assert_eq!(doubt, "1 loop never waits, so this may be a CPU profile rather than a loop");
}
