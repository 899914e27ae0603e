//! Tests of the lint: the smallest file that breaks each rule, and our own exports without findings.

mod fixtures;

use std::collections::{BTreeMap, BTreeSet};

use loop_probes::event::{Event, Queue};
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::stamped::Stamped;
use proptest::prelude::*;

use super::*;
use crate::chrome::export::{ExportOptions, export};
use crate::chrome::import::Import;
use crate::source::{MemorySource, SourceKind};
use crate::synthetic::Script;
use crate::synthetic::strategy::{scripts, with_running};
use fixtures::{FIXTURES, HARMLESS};

/// The findings in `text`: how often each rule is broken, and where first.
fn found(text: &[u8]) -> BTreeMap<&'static str, (u64, Position)> {
    let mut found = BTreeMap::new();
    lint(text, |finding| {
        let entry = found.entry(finding.rule.id).or_insert((0, finding.place));
        entry.0 += 1;
    })
    .expect("it is a trace");
    found
}

#[test]
fn each_fixture_breaks_its_rules_and_no_other() {
    for (expected, text) in FIXTURES {
        let rules: Vec<&str> = found(text).into_keys().collect();
        let mut expected: Vec<&str> = expected.split(' ').collect();
        expected.sort_unstable();
        assert_eq!(rules, expected, "in {}", String::from_utf8_lossy(text));
    }
}

#[test]
fn every_rule_has_a_fixture_and_affects_a_viewer() {
    let broken: BTreeSet<&str> = FIXTURES.iter().flat_map(|(rules, _)| rules.split(' ')).collect();
    let mut ids = BTreeSet::new();
    for rule in RULES {
        assert!(ids.insert(rule.id), "{} is there twice", rule.id);
        assert!(Viewer::ALL.iter().any(|viewer| rule.effect(*viewer) != Effect::Fine), "{}", rule.id);
        // A fixture of 256 MiB would show no more than that a size is a number.
        if !rule.id.starts_with("too-large") {
            assert!(broken.contains(rule.id), "{} has no fixture", rule.id);
        }
    }
}

#[test]
fn harmless_oddities_are_no_findings() {
    for text in HARMLESS {
        let found = found(text.as_bytes());
        assert!(found.is_empty(), "{found:?} in {text}");
    }
}

#[test]
fn a_finding_says_where() {
    let text = b"[{\"ph\":\"X\",\"name\":\"a\",\"pid\":1,\"tid\":2,\"ts\":1,\"dur\":5},\n {\"ph\":\"X\",\"name\":\"b\",\"pid\":1,\"tid\":2,\"ts\":3.5,\"dur\":5}]";
    let mut findings = Vec::new();
    let report = lint(&text[..], |finding| findings.push(finding)).unwrap();
    assert_eq!((report.events, report.bytes), (2, text.len() as u64));
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!((finding.rule.id, finding.place.line), ("overlap", 2));
    assert_eq!(text[finding.place.offset as usize], b'{');
    assert_eq!(finding.detail, "it begins 2.50µs before the end of the one in line 1");
}

#[test]
fn slices_that_are_written_when_they_end_nest_all_the_same() {
    // Inner slices first, as most recorders write them: file order is not time order.
    let mut text = String::from("[");
    for number in 0..2_000_u64 {
        let ts = 2_000 - number;
        text += &format!(
            "{{\"ph\":\"X\",\"name\":\"a\",\"pid\":1,\"tid\":2,\"ts\":{ts},\"dur\":{}}},\n",
            2 * number + 1
        );
    }
    text += "{\"ph\":\"X\",\"name\":\"b\",\"pid\":1,\"tid\":2,\"ts\":2000.5,\"dur\":1}]";
    let found = found(text.as_bytes());
    assert_eq!(found.keys().collect::<Vec<_>>(), [&"overlap"], "{found:?}");
    assert_eq!(found["overlap"].0, 1, "only the last one crosses, and only the innermost");
}

#[test]
fn an_export_without_slices_is_clean() {
    let at = |event| Stamped { at: Timestamp(5), source: SourceId(1), event };
    let depth = at(Event::QueueDepth { queue: Queue::Tasks, depth: 3 });
    for events in [vec![], vec![depth]] {
        let source = MemorySource::new("t", SourceKind::Ring, Script::default().metadata(), events.clone());
        let mut json = Vec::new();
        let stats = export(|| Ok(source.clone()), ExportOptions::default(), &mut json).unwrap();
        assert_eq!((stats.slices, stats.instants), (0, 1));
        assert_eq!(found(&json), BTreeMap::new(), "{events:?}");
        let import = Import::read(&json[..], "t", &[], &mut |_| ()).unwrap();
        assert!(import.report().own_recording, "{events:?}");
    }
}

#[test]
fn a_file_of_something_else_is_refused_by_its_name() {
    for (text, says) in [("{\"nodes\":[],\"samples\":[]}", "V8"), ("<html>", "HTML"), ("", "empty")] {
        let error = lint(text.as_bytes(), |_| panic!("a finding in {text}")).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn our_own_exports_are_clean(
        script in scripts(), details in any::<bool>(), every in 1usize..9, end in any::<prop::sample::Index>(),
    ) {
        // Wherever the stream ends.
        let mut events = with_running(&script.events(), every);
        events.truncate(end.index(events.len()) + 1);
        let source = MemorySource::new("t", SourceKind::Ring, script.metadata(), events);
        let mut json = Vec::new();
        let options = ExportOptions { details, ..Default::default() };
        export(|| Ok(source.clone()), options, &mut json).unwrap();
        let mut found = found(&json);
        // The numbers of single runs were requested.
        if details {
            found.remove("args-unique");
        }
        prop_assert!(found.is_empty(), "{:?}", found);
    }

    #[test]
    fn no_text_at_all_is_a_panic(text in ".{0,200}", cut in 0_usize..400) {
        let source = Script { ticks: 2, ..Script::default() }.source();
        let mut json = Vec::new();
        export(|| Ok(source.clone()), ExportOptions::default(), &mut json).unwrap();
        json.truncate(cut * 20);
        json.extend_from_slice(text.as_bytes());
        let _ = lint(&json[..], |_| ());
        let _ = lint(format!("[{text}").as_bytes(), |_| ());
    }
}
