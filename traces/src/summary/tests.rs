//! Tests of the summary: the fields named in its schema, and sums that add up.

use std::collections::{BTreeMap, BTreeSet};

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::instrument::LoopProbe;
use loop_probes::ring::Start;
use loop_probes::session::Session;
use loop_probes::stamped::Stamped;

use super::*;
use crate::analysis::metric::Metric;
use crate::source::EventSource;
use crate::synthetic::Script;
use crate::timeline::Timeline;
use crate::timeline::TimelineConfig;

fn summary() -> Summary {
    of(&Script { ticks: 700, agenda_workers: 2, loop_kinds: true, ..Script::default() })
}

fn of(script: &Script) -> Summary {
    let mut timeline = Timeline::of(&script.metadata());
    timeline.extend(&script.events());
    Summary::new(&script.source(), &timeline)
}

/// The paths of all keys.
fn keys(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(object) => object.iter().for_each(|(key, value)| {
            let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
            keys(value, &path, found);
            found.push(path);
        }),
        serde_json::Value::Array(list) => {
            let mut entries = list.iter().enumerate().take(1);
            entries.by_ref().for_each(|(place, value)| keys(value, &format!("{path}/{place}"), found));
        }
        _ => {}
    }
}

#[test]
fn a_key_that_is_missing_from_a_saved_summary_is_unknown_and_never_zero() {
    let whole = serde_json::to_value(summary()).unwrap();
    let mut paths = Vec::new();
    keys(&whole, "", &mut paths);
    let mut refused = 0;
    for path in &paths {
        let mut without = whole.clone();
        let (parent, key) = path.rsplit_once('/').unwrap();
        without.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
        match serde_json::from_value::<Summary>(without) {
            Err(_) => refused += 1,
            Ok(read) => {
                let read = serde_json::to_value(read).unwrap();
                assert!(read.pointer(path).is_none_or(serde_json::Value::is_null), "{path}");
            }
        }
    }
    assert!(refused > 100 && paths.len() > 400, "{refused} of {}", paths.len());
}

#[test]
fn a_summary_has_the_documented_fields() {
    let json = serde_json::to_value(summary()).unwrap();
    let paths = [
        "/schema",
        "/source/kind",
        "/source/name",
        "/source/pid",
        "/source/policy",
        "/span_ns",
        "/lost_records",
        "/ticks/count",
        "/ticks/busy_ns",
        "/ticks/poll_wait_ns",
        "/ticks/utilization",
        "/ticks/run_ns/p50",
        "/ticks/run_ns/p90",
        "/ticks/run_ns/p99",
        "/ticks/run_ns/max",
        "/tasks/count",
        "/tasks/by_tag/0/tag",
        "/tasks/by_tag/0/count",
        "/tasks/by_tag/0/run_ns/p99",
        "/tasks/by_tag/0/queue_wait_ns/p50",
        "/microtasks/checkpoints",
        "/microtasks/ran",
        "/microtasks/run_ns/max",
        "/timers/armed",
        "/timers/fired",
        "/timers/cleared",
        "/timers/lag_ns/p50",
        "/queues/0/queue",
        "/queues/0/depth/p50",
        "/queues/0/depth/max",
        "/gc/collect",
        "/gc/defer",
        "/gc/skip",
        "/gc/run_ns/p50",
        "/agenda/added",
        "/agenda/ran",
        "/agenda/failed",
        "/agenda/waiting",
        "/agenda/priorities/0/priority",
        "/agenda/priorities/2/queue_wait_ns/p99",
        "/agenda/priorities/2/run_ns/p50",
        "/agenda/priorities/2/passed_by_max",
        "/agenda/workers/1/worker",
        "/agenda/workers/1/busy_ns",
        "/agenda/rendezvous/count",
        "/agenda/rendezvous/failed",
        "/agenda/rendezvous/waited_ns/max",
        "/keep_alive/0/what",
        "/keep_alive/0/name",
        "/keep_alive/0/count",
        "/keep_alive_age_ns",
        "/keep_alive_left_out",
        "/commands/count",
        "/commands/unknown",
        "/commands/by_byte/0/byte",
        "/pumps/count",
        "/pumps/handled",
        "/pumps/ready",
        "/pumps/run_ns/p50",
        "/futures/refs_taken",
        "/futures/refs_released",
        "/futures/woken",
        "/futures/pending",
        "/shutdown/at_ns",
        "/shutdown/limit_ns",
        "/shutdown/run_ns",
        "/shutdown/left",
        "/signals/arrived",
        "/signals/delivered",
        "/signals/dropped",
        "/stalls/0/tick",
        "/stalls/0/at_ns",
        "/stalls/0/run_ns",
        "/stalls/0/blame/0/what",
        "/stalls/0/blame/0/ns",
        "/timers/late",
        "/timers/late_limit_ns",
        "/late_timers/0/timer",
        "/late_timers/0/tag",
        "/late_timers/0/task",
        "/late_timers/0/at_ns",
        "/late_timers/0/due_ns",
        "/late_timers/0/fired_ns",
        "/late_timers/0/lag_ns",
        "/late_timers/0/blame/0/what",
        "/late_signals",
        "/slow_tasks/0/task",
        "/slow_tasks/0/tag",
        "/slow_tasks/0/at_ns",
        "/slow_tasks/0/run_ns",
        "/slow_tasks/0/blame/0/ns",
        "/delay_caused/0/tag",
        "/delay_caused/0/delay_caused_ns",
        "/delay_caused/0/timers_ns",
        "/delay_caused/0/signals_ns",
        "/delay_caused/0/tasks_ns",
        "/delay_caused/0/delayed",
        "/delay_caused/0/run_ns",
        "/delay_caused/0/worst/at_ns",
    ];
    for path in paths {
        assert!(json.pointer(path).is_some(), "{path}");
    }
    assert_eq!(json["source"]["kind"], "ring");
    assert_eq!(serde_json::from_value::<Summary>(json).unwrap(), summary());
}

#[test]
fn blame_sums_to_the_stall() {
    let summary = summary();
    assert_eq!(summary.stalls.len() as u64, summary.ticks.stalls);
    for stall in &summary.stalls {
        assert_eq!(stall.blame.iter().map(|blame| blame.ns).sum::<u64>(), stall.run_ns);
        assert_eq!(stall.blame.last().unwrap().what, "unattributed");
        assert!(stall.at_ns < summary.span_ns);
    }
}

#[test]
fn the_worst_late_timers_come_first_and_sum_up() {
    let summary = summary();
    assert_eq!(summary.late_timers.len() as u64, summary.timers.late.unwrap().min(100));
    assert!(summary.late_timers.is_sorted_by(|a, b| a.lag_ns >= b.lag_ns));
    assert_eq!(Some(summary.late_timers[0].lag_ns), summary.timers.lag_ns.max);
    for late in &summary.late_timers {
        assert_eq!(late.blame.iter().map(|line| line.ns).sum::<u64>(), late.lag_ns);
        assert_eq!(late.blame.last().unwrap().what, "unattributed");
        assert_eq!(u64::try_from(late.at_ns - late.due_ns), Ok(late.lag_ns));
        assert_eq!(late.fired_ns.is_none(), late.task.is_none());
    }
    let not_fired = summary.late_timers.iter().filter(|late| late.fired_ns.is_none()).count() as u64;
    assert_eq!((summary.timers.overdue, summary.timers.overdue_at_stop), (Some(not_fired), Some(not_fired)));
    assert!(summary.late_timers.iter().all(|late| !late.open), "the loop has stopped");
    let by_timers: u64 = summary.delay_caused.iter().map(|impact| impact.timers_ns).sum();
    assert_eq!(by_timers, summary.late_timers.iter().map(|late| late.lag_ns).sum::<u64>());
}

#[test]
fn lost_records_give_percentiles_bounds() {
    let lossy = of(&Script { ticks: 700, lost_every: 300, ..Script::default() });
    assert!(lossy.lost_records > 0);
    for unit in
        [&lossy.ticks.run_ns, &lossy.tasks.run_ns, &lossy.timers.lag_ns, &lossy.tasks.by_tag[0].run_ns]
    {
        let (bounds, p99) = (unit.p99_bounds.unwrap(), unit.p99.unwrap());
        assert!(bounds.lo <= p99 && bounds.hi.is_none_or(|hi| p99 <= hi), "{unit:?}");
    }
    let json = serde_json::to_value(&lossy).unwrap();
    assert!(json["timers"]["lag_ns"]["p99_bounds"].is_array(), "{json}");
    assert!(serde_json::to_value(summary()).unwrap()["timers"]["lag_ns"].get("p99_bounds").is_none());
    let page = crate::report::text(&lossy);
    assert!(page.contains("records were lost") && page.contains("at least"), "{page}");
}

#[test]
fn absent_features_are_null() {
    let plain = of(&Script { ticks: 100, ..Script::default() });
    let json = serde_json::to_value(&plain).unwrap();
    for field in [
        "agenda",
        "keep_alive",
        "keep_alive_age_ns",
        "keep_alive_left_out",
        "commands",
        "pumps",
        "futures",
        "shutdown",
    ] {
        assert!(json.get(field).is_some_and(serde_json::Value::is_null), "{field}");
    }
    assert_eq!(serde_json::from_value::<Summary>(json).unwrap(), plain);
}

#[test]
fn a_foreign_loop_has_no_figures_for_unrecorded_families() {
    let session = Session::builder("epoll").private();
    let probe = LoopProbe::new(&session, "main");
    let echo = probe.tag("Echo");
    let mut source = session.reader(Start::Oldest);
    for _ in 0..20 {
        let _tick = probe.tick();
        probe.poll(Some(std::time::Duration::ZERO), || 1usize);
        drop(probe.task(echo));
    }
    let (mut timeline, mut events) = (Timeline::of(EventSource::metadata(&source)), Vec::new());
    EventSource::poll(&mut source, &mut events).unwrap();
    timeline.extend(&events);
    let summary = Summary::new(&source, &timeline);
    let json = serde_json::to_value(&summary).unwrap();
    for field in [
        "/microtasks/ran",
        "/gc/collect",
        "/signals/dropped",
        "/timers/fired",
        "/timers/armed",
        "/timers/skipped",
        "/timers/period_unknown",
        "/timers/lag_ns/p50",
        "/tasks/queue_wait_ns/max",
        "/gc/heap_bytes_max",
    ] {
        assert!(json.pointer(field).is_some_and(serde_json::Value::is_null), "{field} in {json}");
    }
    assert_eq!(json["tasks"]["by_tag"][0]["count"], 20);
    let page = crate::report::text(&summary);
    for row in ["timers", "microtasks", "gc", "signals", "QUEUE"] {
        assert!(!page.lines().any(|line| line.starts_with(row)), "{page}");
    }
    assert!(page.contains("* fewer than 100 samples") && page.contains("–"), "{page}");
    for metric in ["gc.collect", "signals.dropped", "queue.immediates.depth.p50", "timers.armed"] {
        assert_eq!(metric.parse::<Metric>().unwrap().of(&summary), None, "{metric}");
    }
}

#[test]
fn handles_from_an_incomplete_snapshot_are_marked_incomplete() {
    let left_out = |parts| {
        let script = Script { ticks: 700, loop_kinds: true, ..Script::default() };
        let mut events = script.events();
        for stamped in &mut events {
            if let Event::SnapshotEnd { left_out, .. } = &mut stamped.event {
                *left_out = parts;
            }
        }
        let mut timeline = Timeline::of(&script.metadata());
        timeline.extend(&events);
        let summary = Summary::new(&script.source(), &timeline);
        let page = crate::report::text(&summary);
        (summary.keep_alive_left_out, page.contains("incomplete: its snapshot had no room for 7 parts"))
    };
    assert_eq!((left_out(0), left_out(7)), ((Some(0), false), (Some(7), true)));
}

#[test]
fn names_and_priorities_are_text_in_json() {
    let json = serde_json::to_value(summary()).unwrap();
    assert_eq!(json["agenda"]["priorities"][0]["priority"], "high");
    let held = json["keep_alive"].as_array().unwrap();
    let is = |what: &str, name: &str| held.iter().any(|it| it["what"] == what && it["name"] == name);
    assert!(is("timer", "Heartbeat") && is("handle", "config watcher"), "{held:?}");
    let bytes = json["commands"]["by_byte"].as_array().unwrap();
    assert!(bytes.iter().any(|it| it["byte"] == "D" && it["known"] == true), "{bytes:?}");
    assert!(bytes.iter().any(|it| it["byte"] == "0x07" && it["known"] == false), "{bytes:?}");
}

#[test]
fn several_loops_have_separate_figures_and_totals_do_not_mix_them() {
    let mut timeline =
        Timeline::new(TimelineConfig { stall_limit_ns: 5_000_000, ..TimelineConfig::default() });
    timeline.extend(&crate::timeline::two_loops());
    let summary = Summary::new(&Script::default().source(), &timeline);
    let json = serde_json::to_value(&summary).unwrap();
    let loops = json["loops"].as_array().unwrap();
    let of = |place: usize| {
        let own = &loops[place];
        (
            own["name"].as_str().unwrap(),
            own["ticks"]["utilization"].as_f64().unwrap(),
            own["tasks"]["count"].as_u64().unwrap(),
        )
    };
    assert_eq!((of(0), of(1), loops.len()), (("source 1", 1.0, 50), ("source 2", 0.0, 50), 2));
    assert_eq!((&loops[0]["ticks"]["stalls"], &loops[1]["ticks"]["stalls"]), (&50.into(), &0.into()));
    // Counts and busy time are sums; figures that would describe no single loop are null.
    assert_eq!((&json["ticks"]["count"], &json["ticks"]["busy_ns"]), (&100.into(), &500_000_000.into()));
    assert!(json["ticks"]["utilization"].is_null() && json["ticks"]["run_ns"]["p99"].is_null(), "{json}");
    assert!(json["stalls"].as_array().unwrap().iter().all(|stall| stall["loop"] == "source 1"));
    let page = crate::report::text(&summary);
    assert!(page.lines().any(|line| line.starts_with("source 1 ") && line.contains("100.0%")), "{page}");
    assert!(page.contains("of source 1") && page.contains("busy –"), "{page}");
    // The output can be read back.
    let again: Summary = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(again, summary);
    // The summary of one loop equals that of a stream with nothing else in it.
    let one = summary.of_loop("source 2").unwrap();
    assert!(one.stalls.is_empty() && one.ticks.count == 50 && one.ticks.utilization == Some(0.0));
}

#[test]
fn one_loop_is_listed_with_the_figures_of_the_whole() {
    let script = Script { ticks: 50, ..Script::default() };
    let mut timeline = Timeline::of(&script.metadata());
    timeline.extend(&script.events());
    let summary = Summary::new(&script.source(), &timeline);
    assert_eq!(summary.loops.len(), 1);
    assert_eq!((&summary.loops[0].ticks, &summary.loops[0].timers), (&summary.ticks, &summary.timers));
}

/// `LOOPSCOPE_UPDATE_SCHEMA=1` rewrites the schema in `docs/`, so that each change of the summary shows up there.
#[test]
fn the_schema_in_the_docs_is_that_of_the_summary() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/summary.schema.json");
    let generator = schemars::generate::SchemaSettings::draft2020_12().for_serialize().into_generator();
    let schema = generator.into_root_schema_for::<Summary>();
    let schema = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("LOOPSCOPE_UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    let documented = std::fs::read_to_string(&path).unwrap();
    assert!(
        documented == schema,
        "docs/src/summary.schema.json is out of date: run this test with LOOPSCOPE_UPDATE_SCHEMA=1"
    );
}

/// The table rows of the book's page on figures: the keys in the first cell, and the other cells.
fn rows_of_the_book() -> Vec<(Vec<String>, Vec<String>)> {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/figures.md");
    let page = std::fs::read_to_string(page).unwrap();
    let row = |line: &str| {
        let cells: Vec<String> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        let keys = cells.get(1)?.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        line.starts_with("| `").then(|| (keys, cells.get(2..).unwrap_or_default().to_vec()))
    };
    page.lines().filter_map(row).collect()
}

/// Each key of the summary has a row with its meaning and, if it may be null or absent, with the conditions for that.
#[test]
fn the_book_explains_every_key() {
    let schema = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/summary.schema.json");
    let schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let mut keys = BTreeMap::new();
    keys_of(&schema, &mut keys);
    assert!(keys.len() > 100, "{keys:?}");
    let rows = rows_of_the_book();
    // Whether a row that names the key has this cell.
    let has = |key: &String, cell: usize| {
        rows.iter().any(|(keys, cells)| keys.contains(key) && !cells[cell].is_empty())
    };
    let missing: Vec<&String> = keys.keys().filter(|key| !has(key, 0)).collect();
    assert!(missing.is_empty(), "docs/src/figures.md does not say what these mean: {missing:?}");
    let unknown = keys.iter().filter(|(_, may_be_null)| **may_be_null).map(|(key, _)| key);
    let missing: Vec<&String> = unknown.filter(|key| !has(key, 1)).collect();
    assert!(missing.is_empty(), "docs/src/figures.md does not say when these are unknown: {missing:?}");
}

/// The book says that only bounds may be absent.
#[test]
fn only_bounds_may_be_absent() {
    let generator = schemars::generate::SchemaSettings::draft2020_12().for_serialize().into_generator();
    let schema = generator.into_root_schema_for::<Summary>().to_value();
    let types = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let mut optional = BTreeSet::new();
    for of_type in types {
        let Some(properties) = of_type["properties"].as_object() else { continue };
        let is_required = |key: &&String| of_type["required"].as_array().unwrap().iter().any(|it| it == *key);
        optional.extend(properties.keys().filter(|key| !is_required(key)).cloned());
    }
    assert!(!optional.is_empty());
    let others: Vec<&String> =
        optional.iter().filter(|key| *key != "bounds" && !key.ends_with("_bounds")).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// Collects the keys of a schema, and for each whether any property of that name may be null.
fn keys_of(schema: &serde_json::Value, keys: &mut BTreeMap<String, bool>) {
    let is_null = |of: &serde_json::Value| {
        of == "null"
            || of.as_array().is_some_and(|types| types.iter().any(|of| of == "null" || of["type"] == "null"))
    };
    match schema {
        serde_json::Value::Object(members) => {
            if let Some(properties) = members.get("properties").and_then(serde_json::Value::as_object) {
                for (key, of) in properties {
                    *keys.entry(key.clone()).or_default() |= is_null(&of["type"]) || is_null(&of["anyOf"]);
                }
            }
            members.values().for_each(|member| keys_of(member, keys));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| keys_of(item, keys)),
        _ => {}
    }
}

#[test]
fn without_a_tick_the_utilization_is_unknown() {
    let session = Session::builder("no tick").private();
    let probe = LoopProbe::new(&session, "loop");
    let mut timeline = Timeline::new(TimelineConfig::default());
    let mut events = Vec::new();
    drop(probe.task(probe.tag("task")));
    session.reader(Start::Oldest).flush(&mut events).unwrap();
    timeline.extend(&events);
    let summary = Summary::new(&Script::default().source(), &timeline);
    assert_eq!((summary.tasks.count, summary.ticks.count, summary.ticks.utilization), (1, 0, None));
    drop(probe.tick());
    session.reader(Start::Oldest).flush(&mut events).unwrap();
    timeline.extend(&events);
    assert!(Summary::new(&Script::default().source(), &timeline).ticks.utilization.is_some());
}

#[test]
fn an_incomplete_tick_leaves_the_utilization_open() {
    let at = |at, event| Stamped { at: Timestamp(at), source: SourceId(1), event };
    let tick = |tick, start, end| at(end, Event::TickEnd { tick, tasks_run: 0, start: Timestamp(start) });
    let of = |events: &[Stamped]| {
        let mut timeline = Timeline::new(TimelineConfig::default());
        timeline.extend(events);
        let summary = Summary::new(&Script::default().source(), &timeline);
        assert_eq!(summary.lost_records, 0);
        (summary.ticks.utilization, summary.ticks.utilization_bounds, crate::report::text(&summary))
    };
    // The beginning of the only tick was not seen: nothing is known.
    for start in [1_000, 500] {
        let (utilization, bounds, text) = of(&[tick(1, start, 1_000)]);
        assert_eq!((utilization, bounds), (None, Some([0.0, 1.0])));
        assert!(text.contains("busy – ·"), "{text}");
    }
    // Two thirds of the time are known to be busy, the rest is an incomplete tick.
    let begun = at(2_000, Event::TickStart { tick: 2 });
    let (utilization, bounds, _) = of(&[tick(1, 1_000, 2_000), begun, tick(2, 2_000, 4_000)]);
    assert_eq!((utilization, bounds), (Some(1.0), Some([2.0 / 3.0, 1.0])));
}
