//! Fuzzes text that people write: gates and config files in TOML, and conditions. Each is understood, or refused in one line.

mod memory;
mod plan;
mod printable;

use std::io::Write as _;

use loop_traces::analysis::condition::Condition;
use loop_traces::source::{MemorySource, SourceKind};
use loop_traces::summary::Summary;
use loop_traces::timeline::Timeline;
use loopscope::config;
use loopscope::io::exit::CommandError;
use loopscope::io::gates::{self, Bounds};
use plan::Plan;
use printable::is_printable;

const METRICS: &[&str] = &[
    "timer_lag.p99",
    "timer_lag_corrected.max",
    "stalls",
    "stalls.busy",
    "utilization",
    "ticks.count",
    "ticks.run.p50",
    "task.*.run.gmean",
    "task.A.b.run.max",
    "queue.tasks.depth.p50",
    "gc.heap.max",
    "tasks.wait.p90",
    "lost",
    "",
    "x",
];
const BOUNDS: &[&str] = &[
    "2ms",
    "0",
    "80%",
    "0.8",
    "1e999",
    "-1",
    "nan",
    "inf",
    "3KiB",
    "18446744073709551616",
    "1.5s",
    "10%",
    "µs",
    "",
];
const KEYS: &[&str] = &["max", "min", "worse_by", "metric", "mix", "gate", "\"max\""];
const SIGNS: &[&str] = &["<", "<=", ">", ">=", "==", "!=", "=", "<>", ""];
const PIECES: &[&str] =
    &["[[gate]]\n", "[gate]\n", "\n", "gate = []\n", "# x\n", "[[gate.max]]\n", "]", "\"\"\"", "\u{1b}[2J"];

fn of(plan: &mut Plan<'_>, words: &[&'static str]) -> &'static str {
    words[usize::from(plan.byte()) % words.len()]
}

/// Text of mostly correct lines.
fn toml(plan: &mut Plan<'_>) -> String {
    let mut text = String::new();
    while plan.has_more() {
        match plan.byte() % 8 {
            0 => text.push_str(of(plan, PIECES)),
            1 => text.push_str(&String::from_utf8_lossy(plan.bytes(32))),
            2..=3 => text.push_str(&format!("[[gate]]\nmetric = \"{}\"\n", of(plan, METRICS))),
            4 => text.push_str(&format!("{} = {}\n", of(plan, KEYS), plan.number())),
            _ => text.push_str(&format!("{} = \"{}\"\n", of(plan, KEYS), of(plan, BOUNDS))),
        }
    }
    text
}

#[test]
fn gate_files() {
    memory::limit(1 << 30);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gates.toml");
    bolero::check!().with_iterations(1000).with_max_len(512).for_each(|plan: &[u8]| {
        let mut plan = Plan(plan);
        let bounds = if plan.byte() % 2 == 0 { Bounds::OfOneRun } else { Bounds::OfTwoSides };
        let text = if plan.byte() == 0 { plan.0.to_vec() } else { toml(&mut plan).into_bytes() };
        std::fs::File::create(&path).unwrap().write_all(&text).unwrap();
        match gates::read(&path, bounds) {
            Ok(gates) => assert!(!gates.is_empty()),
            Err(error) => is_printable(&error.to_string()),
        }
    });
}

#[test]
fn config_files() {
    memory::limit(1 << 30);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    const NAMES: &[&str] =
        &["theme", "color", "ascii", "fps", "window", "page", "sort", "speed", "them", "fps.fps"];
    const VALUES: &[&str] =
        &["\"dark\"", "\"all\"", "true", "30", "0.5", "\"2x\"", "[1]", "{ a = 1 }", "\"\u{202e}\""];
    bolero::check!().with_iterations(1000).with_max_len(512).for_each(|plan: &[u8]| {
        let mut plan = Plan(plan);
        let mut text = Vec::new();
        while plan.has_more() {
            match plan.byte() % 4 {
                0 => text.extend_from_slice(plan.bytes(32)),
                _ => text.extend_from_slice(
                    format!("{} = {}\n", of(&mut plan, NAMES), of(&mut plan, VALUES)).as_bytes(),
                ),
            }
        }
        std::fs::write(&path, &text).unwrap();
        if let Err(error) = config::load(Some(&path)) {
            is_printable(&CommandError::Usage(error.to_string()).to_string());
        }
    });
}

#[test]
fn conditions() {
    memory::limit(1 << 30);
    let source = MemorySource::new(
        "none",
        SourceKind::Trace,
        loop_probes::metadata::Metadata::new("none"),
        Vec::new(),
    );
    let summary = Summary::new(&source, &Timeline::new(Default::default()));
    bolero::check!().with_iterations(2000).with_max_len(128).for_each(|plan: &[u8]| {
        let mut plan = Plan(plan);
        let text = match plan.byte() % 4 {
            0 => String::from_utf8_lossy(plan.0).into_owned(),
            _ => {
                let (metric, sign, bound) =
                    (of(&mut plan, METRICS), of(&mut plan, SIGNS), of(&mut plan, BOUNDS));
                format!("{metric} {sign} {bound}{}", String::from_utf8_lossy(plan.bytes(8)))
            }
        };
        match text.parse::<Condition>() {
            Ok(condition) => {
                assert!(condition.bound.is_finite(), "{text:?} is {condition:?}");
                let _ = condition.holds(&summary);
                let shown = condition.to_string();
                assert_eq!(shown.parse::<Condition>(), Ok(condition), "{text:?} is shown as {shown:?}");
            }
            Err(error) => is_printable(&error.to_string()),
        }
    });
}
