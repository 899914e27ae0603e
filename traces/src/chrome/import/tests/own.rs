//! An export by loopscope is restored unchanged.

use super::super::tally::repaired;
use super::*;
use crate::chrome::export::{ExportOptions, export};
use crate::source::SourceError;
use crate::summary::Summary;
use crate::synthetic::Script;

fn exported(script: &Script) -> Vec<u8> {
    let mut json = Vec::new();
    let source = script.source();
    export(|| Ok::<_, SourceError>(source.clone()), ExportOptions::default(), &mut json).unwrap();
    json
}

fn script() -> Script {
    Script { ticks: 900, agenda_workers: 2, faces: true, ..Script::default() }
}

#[test]
fn every_event_comes_back() {
    let script = script();
    let imported = try_import(&exported(&script), &[]).unwrap();
    assert!(imported.report.own_recording);
    let mut timeline = Timeline::of(&script.metadata());
    timeline.extend(&script.events());
    assert_eq!(imported.timeline.ticks, timeline.ticks);
    assert_eq!(
        serde_json::to_value(Summary::new(&script.source(), &imported.timeline)).unwrap(),
        serde_json::to_value(Summary::new(&script.source(), &timeline)).unwrap()
    );
    assert_eq!(imported.metadata.policy, script.metadata().policy);
}

#[test]
fn where_somebody_changed_the_events_they_count() {
    let json = String::from_utf8(exported(&script())).unwrap();
    let place = json.find("{\"ph\":\"X\"").unwrap();
    let added = "{\"ph\":\"X\",\"name\":\"added\",\"pid\":77,\"tid\":77,\"ts\":1,\"dur\":1},\n";
    let changed = format!("{}{added}{}", &json[..place], &json[place..]);
    let imported = try_import(changed.as_bytes(), &[]).unwrap();
    assert!(!imported.report.own_recording);
    assert_eq!(imported.repaired(repaired::OWN_RECORDING_UNUSED), 1);
    // Its slices still show ticks and tasks.
    let original = try_import(json.as_bytes(), &[]).unwrap();
    assert_eq!(imported.timeline.tasks_run, original.timeline.tasks_run);
    assert_eq!(imported.timeline.ticks.poll_wait_ns, original.timeline.ticks.poll_wait_ns);
}

#[test]
fn what_is_left_of_a_cut_export_is_read() {
    let json = exported(&script());
    for part in [3, 10, 17] {
        let cut = &json[..json.len() * part / 20];
        let imported = try_import(cut, &[]).unwrap();
        assert_eq!(imported.repaired(repaired::CUT_OFF) + imported.repaired(repaired::UNCLOSED_LIST), 1);
    }
}
