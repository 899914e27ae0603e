//! `loopscope ps`: the loops on this machine.

use std::fmt::Write as _;

use loop_probes::clock::wall_ns;
use loop_probes::discover::{self, RingInfo};
use loop_probes::process::ProcessState;
use loop_probes::text::{printable, printable_path};
use serde_json::json;

use super::warn;
use crate::cli::PsArgs;
use crate::exit::Failure;
use crate::stdout;

pub(super) fn run(args: &PsArgs) -> Result<(), Failure> {
    let listing = discover::list();
    for problem in &listing.problems {
        warn(&problem.to_string());
    }
    if args.json {
        let loops: Vec<_> = listing.rings.iter().map(as_json).collect();
        return stdout::print_json(&loops);
    }
    if listing.rings.is_empty() {
        return stdout::print("no loops here; `loopscope demo` starts one\n");
    }
    stdout::print(&table(&listing.rings))
}

fn as_json(ring: &RingInfo) -> serde_json::Value {
    json!({
        "pid": ring.pid,
        "state": ring.state.name(),
        "program": ring.program,
        "policy": ring.policy,
        "started_wall_ns": ring.started.wall_ns,
        "command": ring.metadata.command,
        "ring": stdout::json_path(&ring.path),
    })
}

fn table(rings: &[RingInfo]) -> String {
    let mut text = format!(
        "{:>8}  {:<8} {:<8} {:>9}  {:<20} {}\n",
        "PID", "STATE", "POLICY", "STARTED", "PROGRAM", "RING"
    );
    for ring in rings {
        let age = age(ring.started.wall_ns);
        let program = printable(&ring.program);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:>8}  {:<8} {:<8} {:>9}  {:<20} {}",
            ring.pid,
            ring.state.name(),
            printable(&ring.policy),
            age,
            program,
            printable_path(&ring.path)
        );
    }
    if rings.iter().any(|ring| ring.state == ProcessState::Crashed) {
        text.push_str("\ncrashed: the ring stays until its file is deleted; `loopscope report PID` shows what happened last\n");
    }
    text
}

/// How long ago, in the largest unit that fits.
fn age(started_wall_ns: u64) -> String {
    let seconds = wall_ns().saturating_sub(started_wall_ns) / 1_000_000_000;
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}
