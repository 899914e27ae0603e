//! Tests traces made to be expensive: each command ends within its limit of memory or processor time.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::program::{NO_CONFIG, Place, text};
use loop_probes::event::{Event, Origin, Outcome, Placement, Priority, Queue, RefKind};
use loop_probes::ids::{IoSource, LabelId, SourceId, Tag, TaskId, TimerId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;
use loop_traces::writer::TraceWriter;

/// Memory that a command may use, including its code and its stacks.
const MEMORY_KIB: u32 = 256 * 1024;

/// Memory for distributions of the largest size: 8 for each of 1,024 tags, at most 120 kB each.
const DISTRIBUTIONS_MEMORY_KIB: u32 = MEMORY_KIB + 8 * 1_024 * 120;

/// Processor time of a command, in seconds: ten times what the slowest one takes in a debug build.
const PROCESSOR_S: u32 = 60;

/// Events per trace. At four kilobytes each, they would fill the memory limit.
const EVENTS: u64 = 1 << 16;

/// Event number `number` of emitter 1, or of the emitter returned with it.
type Make = fn(u64) -> (u32, Event);

fn ran(number: u64, tag: u16) -> Event {
    let at = Timestamp(number * 1_000);
    Event::TaskRan { task: TaskId(number), tag: Tag(tag), outcome: Outcome::Done, queued: at, start: at }
}

/// A time before which runs of all lengths fit.
const LATE: u64 = 1 << 63;

/// A run of each kind for each of 1,024 tags: first short ones, then ones that are twice as long, and so on.
fn ran_ever_longer(number: u64) -> (u32, Event) {
    let (kind, tag, round) = (number % 4, Tag((number / 4 % 1_024) as u16), number / 4_096);
    let at = LATE + number * 1_000;
    let [queued, start] = [2 << (4 * round), 1 << (4 * round)].map(|ago: u64| Timestamp(at - ago));
    let (task, outcome, worker) = (TaskId(number), Outcome::Done, 0);
    let event = match kind {
        0 => Event::TaskRan { task, tag, outcome, queued, start },
        1 => Event::IoReady { source: IoSource(1), tag, readiness: 1, task, start },
        2 => Event::WorkRan { task, tag, worker, outcome, queued, start },
        _ => {
            let priority = Priority::Low;
            Event::AgendaRan { task, tag, priority, worker, outcome, queued, start }
        }
    };
    (1, event)
}

const HOSTILE: [(&str, Make); 9] = [
    ("1,024 emitters with names for each span", |number| {
        let label = LabelId(number as u32);
        ((number % 1_024) as u32 + 1, Event::Span { label, start: Timestamp(number * 1_000) })
    }),
    ("4,096 emitters in a tick that does not end", |number| match number {
        0..4_096 => (number as u32 + 1, Event::TickStart { tick: 1 }),
        _ => ((number % 4_096) as u32 + 1, ran(number, 1)),
    }),
    ("one tick that does not end", |number| match number {
        0 => (1, Event::TickStart { tick: 1 }),
        _ => (1, ran(number, 1)),
    }),
    ("tasks of every tag", |number| (1, ran(number, number as u16))),
    ("tasks that never run", |number| {
        let place = Placement { queue: Queue::Tasks, origin: Origin::Local, depth: number as u32 };
        let queued = Timestamp(number * 1_000);
        (
            1,
            Event::TaskQueued {
                task: TaskId(number),
                tag: Tag(1),
                place,
                parent: None,
                poster: None,
                queued,
            },
        )
    }),
    ("timers that never fire", |number| {
        let due = Timestamp(u64::MAX);
        (1, Event::TimerArmed { timer: TimerId(number as _), tag: Tag(1), due, period_ns: Some(1) })
    }),
    ("sources that stay", |number| {
        (1, Event::IoRegistered { source: IoSource(number as u32), tag: Tag(number as u16) })
    }),
    ("ticks of a nanosecond", |number| match number % 2 {
        0 => (1, Event::TickStart { tick: number }),
        _ => (1, Event::TickEnd { tick: number - 1, tasks_run: 0, start: Timestamp((number - 1) * 1_000) }),
    }),
    ("references without an end", |number| {
        (1, Event::RefChanged { what: RefKind::Handle, delta: i32::MAX, alive: number as u32 })
    }),
];

/// A task that fills the microsecond before its record.
fn filled(number: u64) -> Event {
    let (task, tag, start) = (TaskId(number), Tag(1), Timestamp((number - 1) * 1_000));
    Event::TaskRan { task, tag, outcome: Outcome::Done, queued: start, start }
}

/// Four events for each tick of 4 µs, in each of which a timer fires that was due before the first tick. Each wait is
/// longer than all earlier ones, and from the 4,096th tick on longer than the history.
fn ever_later(number: u64) -> (u32, Event) {
    let (tick, start) = (number / 4, Timestamp(number / 4 * 4_000));
    let event = match number % 4 {
        0 => Event::TickStart { tick },
        1 => filled(number),
        2 => {
            let (task, tag, fired) = (TaskId(number), Tag(2), Timestamp(number * 1_000));
            Event::TimerFired { timer: TimerId(tick as _), tag, task, due: Timestamp(0), fired, skipped: 0 }
        }
        _ => Event::TickEnd { tick, tasks_run: 1, start },
    };
    (1, event)
}

/// 64 stalls of 256 events, then suspensions, each of which may have begun before all of them.
fn suspended_since_the_first_stall(number: u64) -> (u32, Event) {
    let (tick, start) = (number / 256, Timestamp(number / 256 * 256_000));
    let event = match number % 256 {
        _ if tick >= 64 => {
            Event::Suspended { asleep_ns: 0, alive: Timestamp(0), start: Timestamp(number * 1_000) }
        }
        0 => Event::TickStart { tick },
        255 => Event::TickEnd { tick, tasks_run: 1, start },
        _ => filled(number),
    };
    (1, event)
}

const SLOW: [(&str, Make); 2] =
    [("timers ever later", ever_later), ("suspended since the first stall", suspended_since_the_first_stall)];

fn write(trace: &Path, from: u64, make: Make) {
    write_events(trace, EVENTS, from, make);
}

fn write_events(trace: &Path, events: u64, from: u64, make: Make) {
    let mut metadata = Metadata::new("hostile");
    metadata.stall_limit_ns = 100_000;
    let mut writer = TraceWriter::create(trace, &metadata).expect("a trace can be written");
    let stamped = |number: u64| {
        let (source, event) = make(number);
        Stamped { at: Timestamp(from + number * 1_000), source: SourceId(source), event }
    };
    for begin in (0..events).step_by(4_096) {
        let batch: Vec<Stamped> = (begin..begin + 4_096).map(stamped).collect();
        writer.append(&batch).expect("a trace can be written");
    }
    writer.finish().expect("a trace can be written");
}

/// The formats of `export`.
const FORMATS: [&str; 4] = ["chrome", "speedscope", "folded", "csv"];

fn keeps_to(memory_kib: u32, trace: &str, name: &str, formats: &[&str]) {
    let limit = format!("-v {memory_kib}");
    for format in formats {
        succeeds(&limit, &["export", trace, "--format", format, "-o", "/dev/null"], name);
    }
    for arguments in [
        &["report", trace, "--json"][..],
        &["replay", trace, "--no-tui"],
        &["diff", "--anyway", trace, "--", trace],
    ] {
        succeeds(&limit, arguments, name);
    }
}

/// Runs a command under a limit, given as arguments of `ulimit`.
fn succeeds(limit: &str, arguments: &[&str], name: &str) {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("ulimit {limit}; exec \"$0\" \"$@\"")]);
    command.arg(env!("CARGO_BIN_EXE_loopscope")).args(arguments).envs([NO_CONFIG]).stdin(Stdio::null());
    let output = command.output().expect("a shell runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{name}: {arguments:?}: {} {stderr}", output.status);
}

/// With few descriptors, each command either works or says in a line what to do, and a process that runs is not said to
/// have crashed.
#[test]
fn a_lack_of_descriptors_is_said_in_one_line() {
    let place = Place::new();
    let demo = place.demo(&[]);
    let pid = demo.pid().to_string();
    let [trace, output] = ["a.looptrace", "output"].map(|name| place.file(name));
    let (trace, output) = (text(&trace), text(&output));
    place.succeed(&["demo", "--no-tui", "--duration", "300ms", "--record", trace]);
    let commands = [
        &["demo", "--no-tui", "--duration", "100ms", "--no-ring"][..],
        &["demo", "--no-tui", "--duration", "100ms", "--record", output],
        &["record", &pid, "-o", output, "--duration", "100ms"],
        &["attach", &pid, "--no-tui", "--duration", "100ms"],
        &["report", &pid],
        &["report", trace],
        &["export", trace, "-o", output],
        &["rerun", trace],
        &["rerun", trace, "--check"],
        &["minimize", trace, "--keep", "tasks.count > 3", "-o", output, "--tries", "1"],
        &["diff", trace, "--", trace, "--anyway"],
        &["ps"],
    ];
    for descriptors in [4, 5, 6, 7, 8, 9, 10, 14, 20] {
        for arguments in commands {
            let _ = std::fs::remove_file(output);
            let mut command = Command::new("bash");
            command.args(["-c", &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"")]);
            command.arg(env!("CARGO_BIN_EXE_loopscope")).args(arguments).envs(place.environment());
            let ended = command.stdin(Stdio::null()).output().expect("a shell runs");
            let [stdout, stderr] =
                [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
            let what =
                format!("{descriptors} descriptors: {arguments:?}: {}\n{stdout}{stderr}", ended.status);
            assert!(!stdout.contains("crashed") && !stderr.contains("crashed"), "{what}");
            match ended.status.code() {
                Some(0) => {}
                Some(3) => {
                    let last = stderr.lines().last().unwrap_or_default();
                    let is_clear = ["ulimit -n", "raise the limit"].iter().any(|way| last.contains(way));
                    assert!(last.starts_with("loopscope: ") && is_clear, "{what}");
                    // The demo records from the start, until something else fails.
                    assert!(arguments[0] == "demo" || !Path::new(output).exists(), "{what}");
                }
                _ => panic!("{what}"),
            }
        }
    }
}

#[test]
fn every_command_stays_within_its_memory() {
    let place = Place::new();
    let trace = place.file("hostile.looptrace");
    for (name, make) in HOSTILE {
        write(&trace, 0, make);
        keeps_to(MEMORY_KIB, text(&trace), name, &FORMATS);
    }
}

#[test]
fn the_largest_distributions_stay_within_their_memory() {
    let place = Place::new();
    let trace = place.file("hostile.looptrace");
    write(&trace, LATE, ran_ever_longer);
    // It is too long for a Chrome trace, whose times are doubles.
    keeps_to(DISTRIBUTIONS_MEMORY_KIB, text(&trace), "runs of all lengths of 1,024 tags", &FORMATS[1..]);
}

#[test]
fn the_fold_stays_within_its_processor_time() {
    let place = Place::new();
    let trace = place.file("slow.looptrace");
    for (name, make) in SLOW {
        write_events(&trace, 4 * EVENTS, 0, make);
        succeeds(&format!("-t {PROCESSOR_S}"), &["report", text(&trace), "--json"], name);
    }
}

/// Memory for a saved summary of the largest size.
const SUMMARY_MEMORY_KIB: u32 = 512 * 1024;

#[test]
fn saved_summaries_stay_within_their_memory() {
    const TEXT_MAX: usize = 64 << 20;
    let place = Place::new();
    let (trace, saved) = (place.file("a.looptrace"), place.file("saved.json"));
    write(&trace, 0, |number| (1, Event::Mark { label: LabelId(number as u32) }));
    let summary = place.succeed(&["report", text(&trace), "--json"]);
    let none = r#"{"count":0,"few_samples":false,"p50":null,"p90":null,"p99":null,"max":null}"#;
    let tag = format!(r#"{{"tag":"","count":0,"run_ns":{none},"queue_wait_ns":{none}}}"#);
    let held = r#"{"what":"","name":"","count":0}"#;
    // As long as allowed, except for the last, which is a byte longer.
    for (list, entry, pad, refused) in [
        (r#""by_tag":["#, &*tag, 0, Some("a list has more than 1024 entries")),
        (r#""keep_alive":"#, held, 0, None),
        (r#""keep_alive":"#, held, 1, Some("it is longer than 64 MiB")),
    ] {
        let (before, after) = summary.split_once(list).expect("the list is there");
        let (open, after) = match list.ends_with('[') {
            true => ("", after.split_once(']').expect("the list ends").1),
            false => ("[", after.strip_prefix("null").or(after.strip_prefix("[]")).expect("it is empty")),
        };
        let room = TEXT_MAX - before.len() - list.len() - after.len() - 2;
        let entries = vec![entry; room / (entry.len() + 1)].join(",");
        let mut whole = format!("{before}{list}{open}{entries}]{after}").trim_end().to_owned();
        whole.extend(std::iter::repeat_n(' ', TEXT_MAX + pad - whole.len()));
        std::fs::write(&saved, whole).expect("the file can be written");
        let mut command = Command::new("bash");
        command.args(["-c", "ulimit -v \"$0\"; exec \"$@\"", &SUMMARY_MEMORY_KIB.to_string()]);
        command.arg(env!("CARGO_BIN_EXE_loopscope")).args([
            "diff",
            "--anyway",
            text(&saved),
            "--",
            text(&trace),
        ]);
        let output = command.envs([NO_CONFIG]).stdin(Stdio::null()).output().expect("a shell runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let code = if refused.is_some() { 3 } else { 0 };
        assert_eq!(output.status.code(), Some(code), "{list}: {} {stderr}", output.status);
        assert!(refused.is_none_or(|why| stderr.contains(why)), "{stderr}");
    }
}
