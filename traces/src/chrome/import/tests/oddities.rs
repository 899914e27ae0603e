//! Each fault of a file separately: counted by its kind, with no more lost than necessary.

use super::super::tally::{dropped, repaired};
use super::*;
use crate::analysis::diff::Run;
use crate::analysis::gate::{Gate, Limit, Outcome};
use crate::source::MemorySource;
use crate::summary::Summary;

/// Imports a file with one good slice beside something odd: returns the count of `kind`, and of slices and instants.
fn odd(rest: &str, kind: &str) -> (u64, u64) {
    let imported = import(&list(&[r#""ph":"X","name":"good","ts":100,"dur":5"#, rest]));
    let Imported { report, .. } = &imported;
    (imported.dropped(kind) + imported.repaired(kind), report.slices + report.instants)
}

#[test]
fn each_oddity_is_counted_by_its_kind() {
    for (rest, kind, shown) in [
        (r#""ph":"E","name":"a","ts":1"#, dropped::END_WITHOUT_BEGIN, 1),
        (r#""ph":"B","name":"a","ts":1"#, repaired::BEGIN_WITHOUT_END, 2),
        (r#""ph":"X","name":"a","ts":103,"dur":9"#, dropped::OVERLAPPING, 1),
        (r#""ph":"X","name":"a","ts":1"#, dropped::NO_DURATION, 1),
        (r#""ph":"X","name":"a","ts":1,"dur":-5"#, repaired::NEGATIVE_DURATION, 2),
        (r#""ph":"X","name":"a","ts":-1,"dur":5"#, dropped::NEGATIVE_TIME, 1),
        (r#""ph":"X","name":"a","dur":5"#, dropped::NO_TIME, 1),
        (r#""ph":"X","name":"a","ts":1e99,"dur":5"#, dropped::NO_TIME, 1),
        (r#""ph":"X","name":"a","ts":"1","dur":"5""#, repaired::TIME_AS_TEXT, 2),
        (r#""ph":"X","ts":1,"dur":5"#, repaired::NO_NAME, 2),
        (r#""ph":"X","name":"a","ts":1,"dur":5,"ts":2"#, repaired::DUPLICATE_KEY, 2),
        (r#""ph":"X","name":7,"ts":1,"dur":5"#, repaired::WRONG_TYPE, 2),
        (r#""ph":"X","name":"a\udc00","ts":1,"dur":5"#, repaired::INVALID_TEXT, 2),
        (r#""ph":"X","name":"a","ts":NaN,"dur":5"#, dropped::MALFORMED, 1),
        (r#""ph":"b","name":"a","ts":1"#, dropped::NO_ID, 1),
        (r#""ph":"b","name":"a","id":1,"ts":1"#, dropped::ASYNC, 2),
        (r#""ph":"n","name":"a","id2":{"local":"0x1"},"ts":1"#, "none", 2),
        (r#""ph":"S","name":"a","id":1,"ts":1"#, dropped::LEGACY_ASYNC, 1),
        (r#""ph":"T","name":"a","id":1,"ts":1"#, dropped::LEGACY_ASYNC, 1),
        (r#""ph":"F","name":"a","id":1,"ts":1"#, dropped::LEGACY_ASYNC, 1),
        (r#""ph":"P","name":"a","ts":1"#, dropped::SAMPLE, 1),
        (r#""ph":"R","name":"a","ts":1"#, "none", 2),
        (r#""ph":"O","name":"a","id":1,"ts":1,"args":{"snapshot":{}}"#, dropped::OBJECT, 1),
        (r#""ph":"N","name":"a","id":1,"ts":1"#, dropped::OBJECT, 1),
        (r#""ph":"D","name":"a","id":1,"ts":1"#, dropped::OBJECT, 1),
        (r#""ph":"c","name":"a","ts":1"#, dropped::BOOKKEEPING, 1),
        (r#""ph":"C","name":"memory","ts":1,"args":{"mb":3}"#, dropped::COUNTER, 1),
        (r#""ph":"f","name":"a","id":1,"ts":1"#, dropped::FLOW_END, 1),
        (r#""ph":"s","name":"a","id":1,"ts":1"#, dropped::FLOW_START, 1),
        (r#""name":"a","ts":1"#, dropped::UNKNOWN_PHASE, 1),
    ] {
        let counted = u64::from(kind != "none");
        assert_eq!(odd(rest, kind), (counted, shown), "{rest}: {kind}");
    }
}

#[test]
fn events_without_a_thread_belong_to_their_process() {
    let imported =
        import(r#"[{"ph":"X","name":"a","pid":"main","ts":1,"dur":2},{"ph":"X","name":"b","ts":1,"dur":2}]"#);
    assert_eq!((imported.report.slices, imported.repaired(repaired::NO_THREAD)), (2, 2));
    assert_eq!(imported.repaired(repaired::THREAD_AS_TEXT), 1);
}

#[test]
fn slices_that_end_in_the_wrong_order_are_cut() {
    let imported = import(&list(&[
        r#""ph":"B","name":"a","ts":0"#,
        r#""ph":"X","name":"x","ts":2,"dur":5"#,
        r#""ph":"E","name":"a","ts":4"#,
        r#""ph":"X","name":"z","ts":8,"dur":4"#,
    ]));
    let lines = imported.lines();
    assert!(lines.contains(&"span 2000..4000 x".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"task 0..4000 a +0".to_owned()), "{lines:#?}");
}

#[test]
fn a_slice_of_no_length_ends_where_it_begins() {
    let imported = import(&list(&[
        r#""ph":"B","name":"a","ts":5"#,
        r#""ph":"E","name":"a","ts":5"#,
        r#""ph":"B","name":"b","ts":5"#,
        r#""ph":"E","name":"b","ts":7"#,
        r#""ph":"X","name":"c","ts":7,"dur":1"#,
    ]));
    let tasks: Vec<String> = imported.lines().into_iter().filter(|line| line.starts_with("task")).collect();
    assert_eq!(tasks, ["task 5000..5000 a +0", "task 5000..7000 b +0", "task 7000..8000 c +0"]);
    assert!(imported.report.dropped.is_empty());
}

#[test]
fn a_cut_file_says_so_and_one_without_slices_is_refused() {
    let cut = import(r#"{"traceEvents":[{"ph":"X","name":"a","pid":1,"tid":1,"ts":0,"dur":1},{"ph":"X","na"#);
    assert_eq!((cut.report.slices, cut.repaired(repaired::CUT_OFF)), (1, 1));
    for (json, says) in [
        (list(&[r#""ph":"O","name":"a","id":1,"ts":1,"args":{"snapshot":{}}"#]), "none of its 1 event is"),
        ("[]".to_owned(), "none of its 0 events is"),
    ] {
        let refused = try_import(json.as_bytes(), &[]).unwrap_err().to_string();
        assert!(refused.contains("has no event loop") && refused.contains(says), "{refused}");
    }
    let other = try_import(br#"[{"a":1},{"b":2}]"#, &[]).unwrap_err().to_string();
    assert!(other.contains("none of its 2 objects is an event"), "{other}");
}

#[test]
fn text_of_a_file_steers_no_terminal() {
    let json = list(&[
        "\"ph\":\"M\",\"name\":\"thread_name\",\"args\":{\"name\":\"\\u001b[2Jmain\"}",
        "\"ph\":\"X\",\"name\":\"\\u001b]0;x\\u0007\",\"ts\":0,\"dur\":1",
    ]);
    let imported = import(&json);
    assert!(!imported.report.loops[0].name.chars().any(char::is_control));
    assert!(!imported.lines().concat().chars().any(char::is_control));
}

#[test]
fn what_was_dropped_of_a_loop_leaves_figures_open() {
    let malformed = |events: &str| {
        let imported = import(events);
        imported.timeline.counts.malformed
    };
    let good = r#""ph":"X","name":"good","ts":100,"dur":5"#;
    for (rest, open) in [
        (r#""ph":"X","name":"a","ts":103,"dur":50000"#, 1),
        (r#""ph":"X","name":"a","ts":1"#, 1),
        (r#""ph":"X","name":"a","dur":5"#, 1),
        (r#""ph":"X","name":"a","ts":NaN,"dur":5"#, 1),
        // A slice that began before the recording did is in no figure of a recording.
        (r#""ph":"E","name":"a","ts":1"#, 0),
        (r#""ph":"X","name":"a","ts":200,"dur":5"#, 0),
        // One that ends behind another is around it, or its begin is missing.
        (r#""ph":"E","name":"a","ts":200"#, 1),
        (r#""ph":"X","name":"a","ts":200,"dur":-5"#, 1),
        (r#""ph":"Y","name":"a","ts":200,"dur":5"#, 1),
        (r#""name":"a","ts":200,"dur":5"#, 1),
        (r#""ph":"Y","name":"a","ts":200"#, 0),
    ] {
        assert_eq!(malformed(&list(&[good, rest])), open, "{rest}");
    }
    for (rest, open) in [("#######", 1), ("null", 1), ("{}", 0)] {
        assert_eq!(malformed(&format!("[{},{rest}]", event(good))), open, "{rest:?}");
    }
    // A second list may hold slices of the same threads.
    let second = list(&[r#""ph":"X","name":"stall","ts":200,"dur":500000"#]);
    let object = |events: &str| format!(r#"{{"traceEvents":{events}}}"#);
    for (file, open) in [
        (list(&[good]) + &second, 1),
        (list(&[good]) + "\n" + &second, 1),
        (object(&list(&[good])) + "," + &object(&second), 1),
        (list(&[good]) + "#", 1),
        (list(&[good]) + "\n\n", 0),
    ] {
        assert_eq!(malformed(&file), open, "{file}");
    }
    let of_worker = [(1, 5), (3, 50)].map(|(ts, dur)| {
        format!("{{\"ph\":\"X\",\"name\":\"a\",\"pid\":1,\"tid\":2,\"ts\":{ts},\"dur\":{dur}}}")
    });
    let both = format!("[{},{}]", event(good), of_worker.join(","));
    assert_eq!(import(&both).dropped(dropped::OVERLAPPING), 1);
    assert_eq!(malformed(&both), 0, "of a thread that is no loop");
    for rest in [r#""ts":60,"dur":-5"#, r#""ts":60"#, r#""dur":5"#, r#""ts":-1,"dur":5"#] {
        let of_worker = format!("{{\"ph\":\"X\",\"name\":\"a\",\"pid\":1,\"tid\":2,{rest}}}");
        let both = format!("[{},{},{of_worker}]", event(good), event(&good.replace("100", "200")));
        assert_eq!(malformed(&both), 0, "of a thread that is no loop: {rest}");
    }
}

#[test]
fn any_number_of_instants_fit_into_one_time() {
    let mut events = vec![r#""ph":"X","name":"task","ts":100,"dur":50"#];
    events.extend([r#""ph":"i","s":"t","name":"mark","ts":120"#; 600]);
    events.push(r#""ph":"X","name":"call","ts":120,"dur":10"#);
    let imported = import(&list(&events));
    let Imported { report, timeline, .. } = &imported;
    assert_eq!((report.instants, report.slices, imported.dropped(dropped::NESTED_TOO_DEEP)), (600, 2, 0));
    assert_eq!((report.loops[0].counts.marks, timeline.counts.malformed), (600, 0));
}

#[test]
fn dropped_slices_and_loops_beyond_the_limit_are_reported() {
    let summary_of = |imported: &Imported| {
        let source = MemorySource::new("t", SourceKind::Chrome, imported.metadata.clone(), Vec::new());
        Summary::new(&source, &imported.timeline)
    };
    let why = |summary: &Summary| {
        let run = Run { name: "t".to_owned(), summary: summary.clone(), metadata: None };
        let gate = Gate::new("stalls".parse().unwrap(), Limit::Max(1e9)).unwrap();
        let judged = gate.judge(&run).unwrap();
        (judged.outcome, judged.why.unwrap())
    };
    let good = r#""ph":"X","name":"good","ts":100,"dur":5"#;
    let summary = summary_of(&import(&list(&[good, r#""ph":"X","name":"a","ts":1"#])));
    let text = crate::report::text(&summary);
    assert!(text.contains("1 event that the import dropped may have been of these loops"), "{text}");
    assert!(!text.contains("impossible"), "{text}");
    let expected = "1 event that the import dropped could overturn it".to_owned();
    assert_eq!(why(&summary), (Outcome::Undecided, expected));

    let loops = (1..=258).map(|tid| {
        format!(
            "{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":{tid},\"args\":{{\"name\":\"node\"}}}},\
             {{\"ph\":\"X\",\"name\":\"a\",\"pid\":1,\"tid\":{tid},\"ts\":{tid},\"dur\":5}}"
        )
    });
    let imported = import(&format!("[{}]", loops.collect::<Vec<_>>().join(",")));
    let summary = summary_of(&imported);
    assert_eq!((imported.dropped(dropped::LOOP_BEYOND_LIMIT), summary.malformed_events), (2, 0));
    assert!(summary.loops_left_out);
    assert_eq!(summary.loops[0].ticks.stalls_bounds, None, "each of the others is known");
    let (outcome, why) = why(&summary);
    assert!(outcome == Outcome::Undecided && why.contains("loops beyond the limit"), "{why}");
}
