//! `loopscope demo`: the embedded loop under a real load.

use std::ffi::OsStr;
use std::time::Duration;

use loop_probes::ring::Start;
use loop_probes::session::{Session, SharingError};
use loop_traces::summary::Summary;

use super::diagnostics;
use super::save::{Reread, Saver};
use super::{drawing, summary};
use crate::cli::{DemoArgs, Global};
use crate::io::exit::{CommandError, warn};
use crate::io::interrupt::Interrupt;
use crate::io::recording::{Recording, Tap};
use crate::io::stdout;
use loop_demo::{Load, Workload, WorkloadError, WorkloadOptions};

/// Run time of a demo without `--duration` whose output is not a terminal.
const UNWATCHED: Duration = Duration::from_secs(5);

/// How often a demo that is not drawn checks whether it should end.
const GLANCE: Duration = Duration::from_millis(20);

/// The environment variables that the demo's loop reads.
const ENVIRONMENT: [&str; 2] = ["LOOP_GC_TIMER_INTERVAL", "LOOP_GC_TIMER_DISABLE"];

pub(super) fn run(args: &DemoArgs, global: &Global) -> Result<(), CommandError> {
    loop_demo::check(&options(args)).map_err(failure)?;
    let session = if args.no_ring { Session::disabled() } else { session(args) };
    diagnostics::start(global.log.as_deref(), session.is_enabled().then_some(&session))?;
    if drawing::is_wanted(&args.live) && !args.no_ring {
        return draw(args, global, &session);
    }
    let unwatched = (!stdout::is_terminal()).then_some(UNWATCHED);
    let mut interrupt = Interrupt::new(None)?;
    let recording = Recording::start(&session, args.live.record.as_deref())?;
    let workload = Workload::start(&options(args), &session).map_err(failure)?;
    interrupt.end_after(args.live.duration.or(unwatched));
    let source = recording.source();
    let (mut warned, mut warned_unsaved) = (false, false);
    while workload.is_running() && !interrupt.is_due() {
        warned = warned || warn_off(&session);
        warned_unsaved = warned_unsaved || warn_unsaved(&source);
        interrupt.nap(GLANCE);
    }
    let is_off = warned || warn_off(&session);
    let served = workload.stop().map_err(failure)?;
    let (timeline, written) = recording.finish_with(&session);
    warn_unshared(&session);
    if args.no_ring && !args.live.json {
        warn("--no-ring: nothing is recorded");
    }
    let printed = summary::print_demo(&Summary::new(&source, &timeline), &served, args.live.json, global);
    // Without a file to save, the warning is enough.
    let written = if is_off && args.live.record.is_none() { Ok(None) } else { written };
    summary::conclude(printed, written, args.live.record.as_deref())
}

fn draw(args: &DemoArgs, global: &Global, session: &Session) -> Result<(), CommandError> {
    let (recording, tap) = Recording::start_tapped(session, args.live.record.as_deref())?;
    let workload = Workload::start(&options(args), session).map_err(failure)?;
    let ring = session.clone();
    let saver = Saver::new(Reread::Ring(Box::new(move || Ok(ring.reader(Start::Oldest).with_heartbeat()))))
        .recorded_separately(args.live.record.as_deref(), recording.source());
    let pid = std::process::id().to_string();
    let drawn = drawing::live(tap, Some("demo".to_owned()), OsStr::new(&pid), &args.live, global, &saver);
    drop(saver);
    let stopped = workload.stop().map_err(failure);
    let is_off = warn_off(session);
    let (_timeline, written) = recording.finish_with(session);
    warn_unshared(session);
    let printed = drawn.and_then(|()| stdout::print(&format!("{}\n", summary::served(&stopped?))));
    let written = if is_off && args.live.record.is_none() { Ok(None) } else { written };
    summary::conclude(printed, written, args.live.record.as_deref())
}

/// Warns if the ring was truncated. Returns whether it was.
fn warn_off(session: &Session) -> bool {
    let Err(error @ SharingError::Truncated { .. }) = session.check() else { return false };
    warn(&format!("{error}; the demo continues"));
    true
}

/// Warns once the recording has stopped for lack of room.
fn warn_unsaved(source: &Tap) -> bool {
    let Some(why) = source.why_not_saved() else { return false };
    warn(&format!("{why}; the demo continues"));
    true
}

/// Warns if some rings did not fit into the file, so that only this process can read them.
fn warn_unshared(session: &Session) {
    if let Err(error @ SharingError::NoRoom { .. }) = session.check() {
        warn(&error.to_string());
    }
}

fn options(args: &DemoArgs) -> WorkloadOptions {
    WorkloadOptions {
        policy: args.policy.clone(),
        seed: args.seed,
        load: args.load,
        stall: args.stall,
        scales: args.scale.clone(),
    }
}

/// A session that other processes can attach to, or a private one if no ring file can be created.
fn session(args: &DemoArgs) -> Session {
    let load = match args.load {
        Load::Rate(rate) => rate.to_string(),
        Load::Max => "max".to_owned(),
    };
    let scales: Vec<String> =
        args.scale.iter().map(|scale| format!("{}={}", scale.tag, scale.factor)).collect();
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let builder = Session::builder("demo")
        .policy(args.policy.as_str())
        .build(format!("{} {build}", env!("CARGO_PKG_VERSION")))
        .stall_limit_ns(u64::try_from(args.stall_limit.as_nanos()).unwrap_or(u64::MAX))
        .setting("seed", args.seed)
        .setting("load", load)
        .setting("stall_ns", args.stall.unwrap_or_default().as_nanos())
        .setting("scale", scales.join(","))
        .survive_truncation();
    // The loop's environment variables affect its behaviour, so trace comparisons must know them.
    let builder = ENVIRONMENT.iter().fold(builder, |builder, name| match std::env::var(name) {
        Ok(value) => builder.setting(*name, value),
        Err(_) => builder,
    });
    builder.clone().shared().unwrap_or_else(|error| {
        warn(&format!("other processes cannot attach: {error}"));
        builder.private()
    })
}

fn failure(error: WorkloadError) -> CommandError {
    match error {
        WorkloadError::UnknownTag { .. }
        | WorkloadError::UnknownPolicy { .. }
        | WorkloadError::Environment(_) => CommandError::Usage(error.to_string()),
        error => CommandError::Input(error.to_string()),
    }
}
