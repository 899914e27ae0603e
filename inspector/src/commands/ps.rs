//! `loopscope ps`: lists the loops on this machine.

use loop_probes::clock::wall_ns;
use loop_probes::discover::{self, Listing, Problem, RingInfo};
use loop_probes::process::ProcessState;
use loop_probes::ring::Start;
use loop_probes::text::{printable, printable_path};
use loop_traces::cells::table::{Column, Table};
use loop_traces::cells::width;
use loop_traces::source::{EventSource as _, MemorySource};
use loop_traces::summary::OpenTickSummary;
use loop_traces::timeline::Timeline;
use loop_traces::units::duration;
use serde_json::json;

use crate::cli::PsArgs;
use crate::io::exit::{CommandError, warn};
use crate::io::input;
use crate::io::stdout;
use crate::text::{fill, line, wrap};

pub(super) fn run(args: &PsArgs) -> Result<(), CommandError> {
    let Listing { rings, problems } = discover::list();
    let (folders, files): (Vec<_>, Vec<_>) =
        problems.into_iter().partition(|problem| matches!(problem, Problem::Folder(_)));
    files.iter().for_each(|problem| warn(&problem.to_string()));
    if args.json {
        let loops: Vec<_> = rings.iter().map(as_json).collect();
        stdout::print_json(&loops)?;
    } else if !rings.is_empty() {
        stdout::print(&page(&rings, stdout::width()))?;
    } else if !files.is_empty() {
        stdout::print("none of the loops on this machine can be read\n")?;
    } else if folders.is_empty() {
        stdout::print("no loops on this machine; `loopscope demo` starts one\n")?;
    }
    // An unreadable folder is an error, because it may contain loops.
    let reasons: Vec<_> = folders.iter().map(ToString::to_string).collect();
    if reasons.is_empty() { Ok(()) } else { Err(CommandError::Input(reasons.join("; "))) }
}

fn as_json(ring: &RingInfo) -> serde_json::Value {
    json!({
        "pid": ring.pid,
        "state": ring.state.name(),
        "program": ring.metadata.program,
        "policy": ring.metadata.policy,
        "started_wall_ns": ring.metadata.started.wall_ns,
        "command": ring.metadata.command,
        "ring": stdout::json_path(&ring.path),
        "open_tick": open_tick(ring),
    })
}

/// The tick in progress of a ring's loop.
fn open_tick(ring: &RingInfo) -> Option<OpenTickSummary> {
    let mut reader = input::open_ring(&ring.path, Start::Newest).ok()?;
    let kept = MemorySource::read(&mut reader).ok()?;
    let mut timeline = Timeline::of(kept.metadata());
    timeline.extend(kept.events());
    OpenTickSummary::of(&kept, &timeline)
}

/// Describes what a loop has been running for longer than its stall limit: `at least 3.20s, still running: Report #12`.
fn hang(ring: &RingInfo) -> Option<String> {
    let open = open_tick(ring)?;
    let is_long = |ns: u64| (ns > ring.metadata.stall_limit_ns).then(|| duration(ns));
    if open.running.is_none() {
        return is_long(open.run_ns).map(|lasted| format!("at least {lasted}, its activity is unknown"));
    }
    let lasted = is_long(open.running_ns?)?;
    let running = open.busy_with()?;
    let verb = if ring.state.is_alive() { "still" } else { "was" };
    Some(format!("at least {lasted}, {verb} running: {running}"))
}

/// Formats the loops as a table. Each path is beside its row, or below it if one of them does not fit into `columns`.
fn page(rings: &[RingInfo], columns: usize) -> String {
    let mut table = Table::new([
        Column::figure("PID", 8),
        Column::text("STATE", 10),
        Column::text("POLICY", 10),
        Column::figure("STARTED", 11),
        Column::name("PROGRAM", 22),
    ]);
    for ring in rings {
        table.row([
            ring.pid.to_string(),
            ring.state.name().to_owned(),
            printable(&ring.metadata.policy),
            age(ring.metadata.started.wall_ns),
            printable(&ring.metadata.program),
        ]);
    }
    let table = table.fit(columns);
    let paths: Vec<String> = rings.iter().map(|ring| printable_path(&ring.path)).collect();
    let wide = table.rows.iter().chain([&table.head]).map(|row| width(row)).max().unwrap_or(0);
    let is_beside = paths.iter().all(|path| wide + 2 + width(path) <= columns);
    let mut text = String::new();
    if is_beside {
        line!(text, "{}  RING", fill(&table.head, wide));
    } else {
        line!(text, "{}", table.head);
    }
    for ((ring, row), path) in rings.iter().zip(&table.rows).zip(&paths) {
        if is_beside {
            line!(text, "{}  {path}", fill(row, wide));
        } else {
            line!(text, "{row}\n{:>8}  {path}", "");
        }
        if let Some(hang) = hang(ring) {
            line!(text, "{:>8}  {}", "", wrap(&hang, columns.saturating_sub(10), 10));
        }
    }
    if rings.iter().any(|ring| ring.state == ProcessState::Crashed) {
        let crashed = "crashed: the ring stays until its file is deleted; `loopscope report PID` shows what happened last";
        line!(text, "\n{}", wrap(crashed, columns, 0));
    }
    if rings.iter().any(|ring| ring.state == ProcessState::Unclosed) {
        let copied = "unclosed: the file is a copy of a ring, which shows nothing that followed the copying";
        line!(text, "\n{}", wrap(copied, columns, 0));
    }
    text
}

/// Formats a start time as an age in its largest unit: `5 min ago`.
fn age(started_wall_ns: u64) -> String {
    let seconds = wall_ns().saturating_sub(started_wall_ns) / 1_000_000_000;
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}
