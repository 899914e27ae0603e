//! Tests of the speedscope file: valid by its schema, balanced and sorted, and independent of the room for waiting
//! text.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::source::{MemorySource, SourceKind};
use crate::synthetic::Script;
use crate::synthetic::strategy::{hanging, hostile_events, scripts, with_running};

fn exported(source: &MemorySource, room: usize) -> (Value, SpeedscopeStats) {
    let mut out = Vec::new();
    let stats = within(|| Ok(source.clone()), TimeRange::default(), &mut out, room).unwrap();
    assert_eq!(stats.bytes, out.len() as u64);
    (serde_json::from_slice(&out).unwrap(), stats)
}

fn has_only(object: &Value, keys: &[&str]) {
    let object = object.as_object().unwrap();
    assert_eq!(object.keys().map(String::as_str).collect::<HashSet<_>>(), keys.iter().copied().collect());
}

/// Checks what the schema requires of a file with evented profiles, and what it cannot express: order and balance.
fn check(file: &Value) -> u64 {
    has_only(file, &["$schema", "exporter", "name", "activeProfileIndex", "profiles", "shared"]);
    assert_eq!(file["$schema"], "https://www.speedscope.app/file-format-schema.json");
    let frames = file["shared"]["frames"].as_array().unwrap();
    assert!(frames.iter().all(|frame| frame["name"].is_string()));
    let mut slices = 0;
    for profile in file["profiles"].as_array().unwrap() {
        has_only(profile, &["type", "name", "unit", "startValue", "endValue", "events"]);
        assert_eq!((&profile["type"], &profile["unit"]), (&"evented".into(), &"nanoseconds".into()));
        let (mut open, mut last) = (Vec::new(), profile["startValue"].as_u64().unwrap());
        for event in profile["events"].as_array().unwrap() {
            has_only(event, &["type", "frame", "at"]);
            let (at, frame) = (event["at"].as_u64().unwrap(), event["frame"].as_u64().unwrap());
            assert!(at >= last && (frame as usize) < frames.len());
            last = at;
            match event["type"].as_str().unwrap() {
                "O" => open.push(frame),
                "C" => assert_eq!(open.pop(), Some(frame), "what opened last closes first"),
                other => panic!("type {other}"),
            }
            slices += u64::from(event["type"] == "O");
        }
        assert!(open.is_empty());
        assert_eq!(profile["endValue"].as_u64(), Some(last));
    }
    slices
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_file_is_what_its_schema_asks(script in scripts(), room in 0_usize..20_000) {
        let source = script.source();
        let (file, stats) = exported(&source, WAITING_BYTES_MAX);
        prop_assert_eq!(check(&file), stats.slices);
        prop_assert_eq!(file["shared"]["frames"].as_array().unwrap().len() as u64, stats.frames);
        // Little room costs a temporary file and changes nothing.
        prop_assert_eq!(exported(&source, room), (file, stats));
    }

    #[test]
    fn a_stream_that_ends_anywhere_makes_a_valid_file(script in scripts(), every in 1usize..9, end in any::<prop::sample::Index>()) {
        let mut events = with_running(&script.events(), every);
        events.truncate(end.index(events.len()));
        let source = MemorySource::new("t", SourceKind::Ring, script.metadata(), events);
        let (file, stats) = exported(&source, WAITING_BYTES_MAX);
        prop_assert_eq!(check(&file), stats.slices);
    }

    #[test]
    fn hostile_events_make_a_valid_file(events in hostile_events()) {
        let source = MemorySource::new("t", SourceKind::Ring, Script::default().metadata(), events);
        check(&exported(&source, 100).0);
    }
}

#[test]
fn equal_work_shares_a_frame_and_names_hold_no_numbers_of_single_runs() {
    let (file, stats) =
        exported(&Script { agenda_workers: 2, ..Script::default() }.source(), WAITING_BYTES_MAX);
    let frames: Vec<&str> =
        file["shared"]["frames"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert!(["tick", "phase tasks", "Echo", "poll", "parse \"header\""].iter().all(|it| frames.contains(it)));
    assert_eq!(frames.iter().collect::<HashSet<_>>().len(), frames.len());
    assert!(stats.slices > 50 * stats.frames);
    let names: Vec<&Value> = file["profiles"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names[0], "loop");
    assert!(names.len() > 2, "{names:?}");
}

/// The slices of the first profile: name, start and end.
fn slices(file: &Value) -> Vec<(String, u64, u64)> {
    let (mut open, mut slices) = (Vec::new(), Vec::new());
    for event in file["profiles"][0]["events"].as_array().unwrap() {
        let name = &file["shared"]["frames"][event["frame"].as_u64().unwrap() as usize]["name"];
        let at = event["at"].as_u64().unwrap();
        if event["type"] == "O" {
            open.push(at);
        } else {
            slices.push((name.as_str().unwrap().to_owned(), open.pop().unwrap(), at));
        }
    }
    slices
}

#[test]
fn what_has_not_ended_is_there_as_far_as_it_is_known() {
    let (file, _) = exported(&hanging(), WAITING_BYTES_MAX);
    check(&file);
    let slices = slices(&file);
    let [.., echo, unfinished, tick] = slices.as_slice() else { panic!("{slices:?}") };
    for ((name, start, end), expected, ns) in
        [(unfinished, "unfinished", 3_000_000), (echo, "Echo", 3_000_000), (tick, "tick", 3_000_015)]
    {
        assert_eq!((name.as_str(), end - start), (expected, ns), "{slices:?}");
    }
}
