//! Tests traces that are made to be expensive: each command runs under a memory limit, and ends.

#[expect(dead_code, reason = "each test file uses its part")]
#[path = "support/program.rs"]
mod program;

use std::path::Path;
use std::process::{Command, Stdio};

use loop_probes::event::{Event, Origin, Outcome, Placement, Priority, Queue, RefKind};
use loop_probes::ids::{IoSource, LabelId, SourceId, Tag, TaskId, TimerId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;
use loop_traces::writer::TraceWriter;
use program::{Place, text};

/// Memory that a command may use, including its code and its stacks.
const MEMORY_KIB: u32 = 256 * 1024;

/// Memory for distributions of the largest size: 8 for each of 1,024 tags, at most 120 kB each.
const DISTRIBUTIONS_MEMORY_KIB: u32 = MEMORY_KIB + 8 * 1_024 * 120;

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

fn write(trace: &Path, from: u64, make: Make) {
    let mut writer = TraceWriter::create(trace, &Metadata::new("hostile")).expect("a trace can be written");
    let stamped = |number: u64| {
        let (source, event) = make(number);
        Stamped { at: Timestamp(from + number * 1_000), source: SourceId(source), event }
    };
    for begin in (0..EVENTS).step_by(4_096) {
        let batch: Vec<Stamped> = (begin..begin + 4_096).map(stamped).collect();
        writer.append(&batch).expect("a trace can be written");
    }
    writer.finish().expect("a trace can be written");
}

fn keeps_to(memory_kib: u32, trace: &str, name: &str) {
    for arguments in [
        &["report", trace, "--json"][..],
        &["replay", trace, "--no-tui"],
        &["export", trace, "-o", "/dev/null"],
        &["export", trace, "--format", "speedscope", "-o", "/dev/null"],
        &["export", trace, "--format", "folded", "-o", "/dev/null"],
        &["export", trace, "--format", "csv", "-o", "/dev/null"],
        &["diff", "--anyway", trace, "--", trace],
    ] {
        let mut command = Command::new("bash");
        command.args(["-c", "ulimit -v \"$0\"; exec \"$@\"", &memory_kib.to_string()]);
        command.arg(env!("CARGO_BIN_EXE_loopscope")).args(arguments).stdin(Stdio::null());
        let output = command.output().expect("a shell runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{name}: {arguments:?}: {} {told}", output.status);
    }
}

#[test]
fn every_command_keeps_to_its_memory() {
    let place = Place::new();
    let trace = place.file("hostile.looptrace");
    for (name, make) in HOSTILE {
        write(&trace, 0, make);
        keeps_to(MEMORY_KIB, text(&trace), name);
    }
}

#[test]
fn distributions_of_the_largest_size_keep_to_their_memory() {
    let place = Place::new();
    let trace = place.file("hostile.looptrace");
    write(&trace, LATE, ran_ever_longer);
    keeps_to(DISTRIBUTIONS_MEMORY_KIB, text(&trace), "runs of all lengths of 1,024 tags");
}
