//! Fuzzes re-execution with recordings that no loop made: the records are whole, but their contents are damaged
//! or made up.
//!
//! An input is a plan: which recording of the corpus to start from, how much of it, and what to change in it, down to
//! single words of its records. The result is checked, used for a what-if, and minimized. Each ends in an answer or
//! an error, within its memory limit, and a recording that was only truncated does not diverge.
//!
//! `cargo test` runs the plans in the corpus beside this file and a few random ones; the page on testing explains
//! how to run it under an engine that measures coverage.

mod memory;
mod plan;

use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::record::{Packed, Record, unpack};
use loop_probes::stamped::Stamped;
use loop_rerun::check::check_source;
use loop_rerun::minimize::{Limits, minimize};
use loop_rerun::{Changes, Recorded, RerunError};
use loop_traces::reader::TraceReader;
use loop_traces::source::{AnySource, EventSource, MemorySource, SourceKind, SourceState};
use plan::Plan;

/// The most events that a plan starts with: a few are enough to find problems, and many take long.
const EVENTS_MAX: usize = 3000;

/// The corpus, read once: the names of recordings and their events.
fn seeds() -> &'static [(Metadata, Vec<Stamped>)] {
    static SEEDS: OnceLock<Vec<(Metadata, Vec<Stamped>)>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus");
        let entries = std::fs::read_dir(folder).expect("the corpus is there").flatten();
        let paths = entries.map(|entry| entry.path());
        let mut paths: Vec<_> =
            paths.filter(|path| path.extension().is_some_and(|ext| ext == "looptrace")).collect();
        paths.sort();
        paths.iter().map(|path| read(path)).collect()
    })
}

fn read(path: &Path) -> (Metadata, Vec<Stamped>) {
    let mut reader = TraceReader::open(path).expect("a trace of the corpus");
    let mut events = Vec::new();
    while reader.poll(&mut events).expect("a whole trace") == SourceState::More {}
    events.truncate(EVENTS_MAX);
    (reader.metadata().clone(), events)
}

/// The recording described by a plan, and whether it was only truncated.
fn made(plan: &mut Plan<'_>) -> (MemorySource, bool) {
    let (metadata, whole) = &seeds()[usize::from(plan.byte()) % seeds().len()];
    let cut = if plan.byte().is_multiple_of(2) { whole.len() } else { plan.below(whole.len()) };
    let mut events = whole[..cut].to_vec();
    let mut is_cut_only = true;
    while plan.has_more() && !events.is_empty() {
        is_cut_only = false;
        change(&mut events, plan);
    }
    (MemorySource::new("made up", SourceKind::Trace, metadata.clone(), events), is_cut_only)
}

fn change(events: &mut Vec<Stamped>, plan: &mut Plan<'_>) {
    let kind = plan.byte() % 9;
    let place = plan.below(events.len());
    match kind {
        0 => drop(events.remove(place)),
        1 => {
            let other = plan.below(events.len());
            events.swap(place, other);
        }
        2 => {
            let copy = events[plan.below(events.len())];
            events.insert(place, Stamped { at: events[place].at, ..copy });
        }
        3 => {
            // Many copies of one event: what each may request, they request together.
            let copies = vec![events[place]; usize::from(plan.byte())];
            events.splice(place..place, copies);
        }
        4 => events[place].at = Timestamp(plan.number()),
        5 => events[place].source = SourceId((plan.byte() % 4).into()),
        6 => {
            let end = place.saturating_add(plan.byte().into()).min(events.len());
            events.drain(place..end);
        }
        kind => rewrite(&mut events[place], kind == 8, plan),
    }
}

/// Changes a record of an event if the result is again an event: one value, or all bytes of the payload.
fn rewrite(stamped: &mut Stamped, whole: bool, plan: &mut Plan<'_>) {
    let packed = Packed::new(stamped.at, stamped.event);
    let mut records: Vec<Record> = packed.records(0).collect();
    let part = usize::from(plan.byte()) % records.len();
    let payload = &mut records[part][2..];
    if whole {
        let bytes = plan.bytes(16);
        for (word, bytes) in payload.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("a chunk is a word"));
        }
    } else {
        let value = plan.number();
        let word = &mut payload[usize::from(plan.byte() % 2)];
        // Narrow records have two values in a word.
        *word = match plan.byte() % 4 {
            0 => value,
            1 => *word & !0xffff_ffff | value & 0xffff_ffff,
            2 => *word & 0xffff_ffff | value << 32,
            _ => *word ^ 1 << (value % 64),
        };
    }
    if let Ok((at, event)) = unpack::<Timestamp>(&records) {
        (stamped.at, stamped.event) = (at, event);
    }
}

fn changes(kind: u8) -> Changes {
    let policies = ["bun", "quickjs", "agenda", "mini"];
    let mut changes = Changes::default();
    match kind % 8 {
        kind @ 0..=3 => changes.policy = Some(policies[usize::from(kind)].to_owned()),
        4 => changes.budget = Some(Duration::from_nanos(1)),
        5 => changes.workers = Some(u16::MAX),
        6 => changes.snapshot_every_tick = true,
        _ => changes.gc = Some(false),
    }
    changes
}

fn try_all(plan: &[u8]) {
    let mut plan = Plan(plan);
    let how = plan.byte();
    let (source, is_cut_only) = made(&mut plan);
    let open = || -> Result<AnySource, RerunError> { Ok(Box::new(source.clone())) };
    if let Ok(checked) = check_source(open, None)
        && is_cut_only
    {
        assert!(checked.agrees(), "{:#?}", checked.divergence);
    }
    if let Ok(recorded) = Recorded::read(&mut source.clone()) {
        let _ = recorded.what_if(&Changes::default(), None);
        let _ = recorded.what_if(&changes(how), None);
    }
    if how >= 224 {
        let keep = ["tasks.count > 0", "timer_lag.max > 1us", "ticks.count > 3"][usize::from(how) % 3];
        let looks = AtomicU32::new(0);
        let stop = move || looks.fetch_add(1, Ordering::Relaxed) >= 3000;
        let limits = Limits { tries: 12, budget: Duration::MAX, stop: Arc::new(stop), watch: &mut |_| {} };
        let open = || Ok(Box::new(source.clone()) as AnySource);
        let _ = minimize(&open, &keep.parse().expect("a condition"), limits, &mut std::io::sink());
    }
}

#[test]
fn recordings() {
    memory::limit(1 << 30);
    bolero::check!().with_iterations(20).with_max_len(256).for_each(|plan: &[u8]| try_all(plan));
}

/// Each recording of the corpus, whole and truncated, is re-executed.
#[test]
fn the_initial_recordings_of_plans_are_whole() {
    assert!(seeds().len() > 10 && seeds().iter().all(|(_, events)| events.len() > 20));
    let ticks = |events: &[Stamped]| {
        events.iter().filter(|stamped| matches!(stamped.event, Event::TickStart { .. })).count()
    };
    assert!(seeds().iter().all(|(_, events)| ticks(events) > 0));
    (0..seeds().len() as u8).for_each(|seed| try_all(&[0, seed, 0]));
}
