//! Feeds arbitrary Chrome JSON to the import and to the lint: damaged files, and files of made-up events. Each becomes
//! a trace with a sound report, or is refused.

mod memory;
mod plan;
mod printable;
mod sound;

use std::fmt::Write as _;
use std::io::Cursor;
use std::path::Path;
use std::sync::OnceLock;

use loop_traces::chrome::import::Import;
use loop_traces::chrome::lint::lint;
use loop_traces::reader::TraceReader;
use loop_traces::writer::{TraceWriter, WriteOptions};
use plan::Plan;
use printable::is_printable;

/// Keys that events have, and some that they cannot have.
const PHASES: &[&str] = &[
    "X", "B", "E", "i", "I", "R", "b", "e", "n", "s", "t", "f", "C", "M", "P", "O", "S", "F", "c", "?", "",
    "XX",
];
const NAMES: &[&str] = &[
    "a",
    "b",
    "A::RunTask",
    "ThreadController active",
    "BaseEventLoop._run_once (x.py:1)",
    "EpollSelector.select (x.py:2)",
    "Handle._run (x.py:3)",
    "_contextvars.Context.run",
    "RunTimers",
    "Immediate",
    "Immediate_CALLBACK",
    "MinorGC",
    "thread_name",
    "process_name",
    "queue tasks",
    "\\u001b[2J\\ud800",
    "",
];
const CATEGORIES: &[&str] =
    &["", "c", "node,node.async_hooks", "node,node.environment", "tick", "poll", "task"];
const ARGS: &[&str] = &[
    "{}",
    r#"{"name":"CrRendererMain"}"#,
    r#"{"name":"\u001bJavaScriptMainThread"}"#,
    r#"{"depth":4}"#,
    r#"{"usedHeapSizeBefore":500}"#,
    r#"{"usedHeapSizeAfter":18446744073709551615}"#,
    r#"{"src_file":"a/b.cc","src_func":"F"}"#,
    "7",
    "[[[[1]]]]",
];
const WORDS: &[&str] =
    &["null", "true", "\"1\"", "-1", "1e300", "{}", "0.0001", "\"x\"", "1e18", "9007199254740993"];

/// Files to damage.
const SEEDS: &[&str] = &[
    r#"[{"ph":"B","name":"main","pid":1,"tid":1,"ts":0},{"ph":"X","name":"a","pid":1,"tid":1,"ts":1,"dur":2},{"ph":"E","pid":1,"tid":1,"ts":9}]"#,
    r#"{"displayTimeUnit":"ms","traceEvents":[{"ph":"s","name":"f","cat":"c","id":"0x1","pid":1,"tid":2,"ts":1},{"ph":"f","bp":"e","name":"f","cat":"c","id":"0x1","pid":1,"tid":1,"ts":3},{"ph":"X","name":"A::RunTask","pid":1,"tid":1,"ts":3,"dur":5}],"otherData":{"recorder":"loopscope 0"}}"#,
    r#"{"traceEvents":[{"ph":"b","cat":"node,node.async_hooks","name":"Immediate","id":"0x5","ts":1,"pid":1,"tid":1},{"ph":"b","cat":"node,node.async_hooks","name":"Immediate_CALLBACK","id":"0x5","ts":5,"pid":1,"tid":1},{"ph":"e","cat":"node,node.async_hooks","name":"Immediate_CALLBACK","id":"0x5","ts":7,"pid":1,"tid":1}]}"#,
];

/// Our own export, including the recording.
fn own_export() -> &'static [u8] {
    static EXPORT: OnceLock<Vec<u8>> = OnceLock::new();
    EXPORT.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus/busy-pool.looptrace");
        let mut out = Vec::new();
        let open = || Ok(TraceReader::open(&path)?);
        loop_traces::chrome::export::export(open, Default::default(), &mut out)
            .expect("the corpus is exported");
        out
    })
}

/// A value, mostly a number.
fn value(plan: &mut Plan<'_>, out: &mut String) {
    let _ = match plan.byte() {
        kind @ 0..=199 => write!(out, "{}", u64::from(kind) * 10 + u64::from(plan.byte() % 10)),
        200..=229 => write!(out, "{}", plan.number()),
        _ => write!(out, "{}", WORDS[plan.below(WORDS.len())]),
    };
}

fn event(plan: &mut Plan<'_>, out: &mut String) {
    let text = |plan: &mut Plan<'_>, of: &[&'static str]| of[usize::from(plan.byte()) % of.len()];
    let _ = write!(out, "{{\"ph\":\"{}\",\"name\":\"{}\"", text(plan, PHASES), text(plan, NAMES));
    let _ = write!(out, ",\"pid\":{},\"tid\":{}", plan.byte() % 3, plan.byte() % 4);
    out.push_str(",\"ts\":");
    value(plan, out);
    let keys = plan.byte();
    for (bit, key) in ["dur", "id", "bind_id", "tts"].iter().enumerate() {
        if keys >> bit & 1 == 1 {
            let _ = write!(out, ",\"{key}\":");
            value(plan, out);
        }
    }
    if keys >> 4 & 1 == 1 {
        let _ = write!(out, ",\"cat\":\"{}\"", text(plan, CATEGORIES));
    }
    if keys >> 5 & 1 == 1 {
        let _ = write!(out, ",\"args\":{}", text(plan, ARGS));
    }
    if keys >> 6 & 1 == 1 {
        let _ = write!(
            out,
            ",\"flow_in\":true,\"flow_out\":{},\"s\":\"{}\"",
            keys >> 7 == 1,
            text(plan, &["t", "p", "g", "x"])
        );
    }
    out.push('}');
}

/// The file described by a plan.
fn made(plan: &mut Plan<'_>) -> Vec<u8> {
    match plan.byte() % 8 {
        0 => plan.0.to_vec(),
        kind @ 1..=2 => {
            let seed = plan.below(SEEDS.len());
            let mut file = if kind == 1 { SEEDS[seed].as_bytes().to_vec() } else { own_export().to_vec() };
            while plan.has_more() {
                let place = plan.below(file.len());
                match plan.byte() % 6 {
                    0 => file.truncate(place),
                    1 => drop(file.drain(place..place.saturating_add(plan.byte().into()).min(file.len()))),
                    2 => drop(file.splice(place..place, plan.bytes(64).iter().copied())),
                    _ => {
                        if let Some(byte) = file.get_mut(place) {
                            *byte = plan.byte();
                        }
                    }
                }
            }
            file
        }
        kind => {
            let mut out = if kind == 3 { "{\"traceEvents\":[".to_owned() } else { "[".to_owned() };
            while plan.has_more() {
                event(plan, &mut out);
                out.push_str(if plan.byte() == 255 { " " } else { "," });
            }
            out.push_str(if kind == 3 { "{}]}" } else { "{}]" });
            out.into_bytes()
        }
    }
}

fn try_import(mut plan: Plan<'_>) {
    let threads: Vec<String> = match plan.byte() {
        0..=199 => Vec::new(),
        _ => vec![["1", "1/1", "CrRendererMain", "2/3"][plan.below(4)].to_owned()],
    };
    let file = made(&mut plan);
    let import = match Import::read(&file[..], "made up", &threads, &mut |_| {}) {
        Ok(import) => import,
        Err(error) => return is_printable(&error.to_string()),
    };
    let report = import.report().clone();
    assert!(report.loops.iter().all(|found| !found.name.chars().any(char::is_control)), "{report:?}");
    let threads: u64 = report.left_out.threads + report.loops.len() as u64;
    assert!(
        report.own_recording || report.left_out.slices <= report.left_out.slices_of && threads > 0,
        "{report:?}"
    );
    let mut trace = Vec::new();
    let path = Path::new("made-up");
    let writer = TraceWriter::new(&mut trace, path, &import.metadata(), WriteOptions::default())
        .expect("memory is written");
    import.write(writer, &mut |_| {}).expect("memory is written");
    let open = || Ok(TraceReader::new(Cursor::new(&trace), path)?);
    let mut reader = open().expect("what was written is read");
    assert_eq!(reader.damage(), &[]);
    let summary = sound::report_of(&mut reader).expect("what was written is read");
    if !report.own_recording {
        let of = |count: fn(&loop_traces::chrome::import::LoopCounts) -> u64| -> u64 {
            report.loops.iter().map(|found| count(&found.counts)).sum()
        };
        assert_eq!(summary.tasks.count, of(|counts| counts.tasks));
        assert_eq!(summary.ticks.count, of(|counts| counts.ticks));
        assert_eq!(summary.ticks.incomplete, 0);
    }
    sound::exports(open);
}

#[test]
fn import() {
    memory::limit(1 << 30);
    bolero::check!().with_iterations(1500).with_max_len(2048).for_each(|plan: &[u8]| try_import(Plan(plan)));
}

#[test]
fn linted() {
    memory::limit(1 << 30);
    bolero::check!().with_iterations(3000).with_max_len(2048).for_each(|plan: &[u8]| {
        let file = made(&mut Plan(plan));
        let outcome = lint(&file[..], |finding| {
            is_printable(&finding.detail);
            assert!(finding.place.offset <= file.len() as u64 && finding.place.line > 0, "{finding:?}");
        });
        match outcome {
            Ok(report) => assert!(report.bytes <= file.len() as u64, "{report:?}"),
            Err(error) => is_printable(&error.to_string()),
        }
    });
}
