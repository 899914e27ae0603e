//! Re-execution of recordings that no loop made: the records are whole, and what they say is damaged or made up.
//!
//! An input is a plan: which recording of the corpus to begin with, how much of it, and what to change in it, down to
//! single words of its records. Whatever comes of it is checked, asked what would have been, and minimized. Each ends
//! in an answer or an error, within its memory; and a recording that was only cut off does not diverge.
//!
//! `cargo test` runs what is in the corpus beside this file and a hundred random plans. To look for more, for ten
//! minutes: `BOLERO_RANDOM_ITERATIONS=1000000000 BOLERO_RANDOM_TEST_TIME_MS=600000 cargo test -p loopscope --test
//! fuzz_rerun recordings`; under an engine that measures coverage: `cargo bolero test recordings`.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::record::{Packed, Record, unpack};
use loop_probes::stamped::Stamped;
use loop_traces::reader::TraceReader;
use loop_traces::source::{EventSource, MemorySource, SourceKind, SourceState};
use loopscope::rerun::check::check_source;
use loopscope::rerun::minimize::{Limits, minimize};
use loopscope::rerun::{Changes, Recorded, RerunError};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Most events that a plan begins with: what there is to find is in few, and many take long.
const EVENTS_MAX: usize = 3000;

/// All that these commands may take, and what the test itself does: its threads, and the recordings that it begins with.
const MEMORY: u64 = (1 << 30) + (1 << 29);

/// Values at which arithmetic and limits break.
const EDGES: [u64; 12] = [
    0,
    1,
    2,
    255,
    1 << 20,
    (1 << 31) - 1,
    u32::MAX as u64 - 1,
    u32::MAX as u64,
    1 << 32,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// The corpus, read once: names of recordings and their events.
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

/// What a plan says, byte by byte; behind its end it says 0.
struct Plan<'a>(&'a [u8]);

impl Plan<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn word(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    fn place(&mut self, length: usize) -> usize {
        self.word() % length.max(1)
    }

    /// Any number: an edge, a small one, or all of its bytes.
    fn number(&mut self) -> u64 {
        match self.byte() {
            kind @ 0..=127 => EDGES[usize::from(kind) % EDGES.len()],
            128..=191 => self.byte().into(),
            _ => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }
}

/// The recording that a plan makes, and whether that was only cut off.
fn made(plan: &mut Plan<'_>) -> (MemorySource, bool) {
    let (metadata, whole) = &seeds()[usize::from(plan.byte()) % seeds().len()];
    let cut = if plan.byte().is_multiple_of(2) { whole.len() } else { plan.place(whole.len()) };
    let mut events = whole[..cut].to_vec();
    let mut is_cut_only = true;
    while !plan.0.is_empty() && !events.is_empty() {
        is_cut_only = false;
        change(&mut events, plan);
    }
    (MemorySource::new("made up", SourceKind::Trace, metadata.clone(), events), is_cut_only)
}

fn change(events: &mut Vec<Stamped>, plan: &mut Plan<'_>) {
    let kind = plan.byte() % 9;
    let place = plan.place(events.len());
    match kind {
        0 => drop(events.remove(place)),
        1 => {
            let other = plan.place(events.len());
            events.swap(place, other);
        }
        2 => {
            let copy = events[plan.place(events.len())];
            events.insert(place, Stamped { at: events[place].at, ..copy });
        }
        3 => {
            // The same over and over: what one of them may ask for, many ask for together.
            let copies = vec![events[place]; usize::from(plan.byte())];
            events.splice(place..place, copies);
        }
        4 => events[place].at = Timestamp(plan.number()),
        5 => events[place].source = SourceId((plan.byte() % 4).into()),
        6 => {
            let end = place.saturating_add(plan.byte().into()).min(events.len());
            events.drain(place..end);
        }
        _ => rewrite(&mut events[place], plan),
    }
}

/// Changes words of an event's records, where that is an event again.
fn rewrite(stamped: &mut Stamped, plan: &mut Plan<'_>) {
    let packed = Packed::new(stamped.at, stamped.event);
    let mut records: Vec<Record> = packed.records(0).collect();
    let part = usize::from(plan.byte()) % records.len();
    let value = plan.number();
    let payload = &mut records[part][2 + usize::from(plan.byte() % 2)];
    // Narrow records have two values in a word.
    *payload = match plan.byte() % 4 {
        0 => value,
        1 => *payload & !0xffff_ffff | value & 0xffff_ffff,
        2 => *payload & 0xffff_ffff | value << 32,
        _ => *payload ^ 1 << (value % 64),
    };
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
    let open = || -> Result<Box<dyn EventSource>, RerunError> { Ok(Box::new(source.clone())) };
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
        let folder = tempfile::tempdir().expect("a folder");
        let keep = ["tasks.count > 0", "timer_lag.max > 1us", "ticks.count > 3"][usize::from(how) % 3];
        let looks = Rc::new(Cell::new(0));
        let stop = move || {
            looks.set(looks.get() + 1);
            looks.get() > 3000
        };
        let limits = Limits { tries: 12, budget: Duration::MAX, stop: Rc::new(stop), watch: &mut |_| {} };
        let open = || Ok(Box::new(source.clone()) as Box<dyn EventSource>);
        let _ = minimize(
            &open,
            &keep.parse().expect("a condition"),
            limits,
            &folder.path().join("small.looptrace"),
        );
    }
}

/// What the address space of this test may grow to from here on.
fn limit_memory() {
    let limits = getrlimit(Resource::As);
    setrlimit(Resource::As, Rlimit { current: Some(MEMORY), ..limits }).expect("a smaller limit");
}

#[test]
fn recordings() {
    limit_memory();
    bolero::check!().with_iterations(100).with_max_len(256).for_each(|plan: &[u8]| try_all(plan));
}

/// Each recording of the corpus, as it is and cut off, is decided again.
#[test]
fn the_corpus_is_what_the_plans_begin_with() {
    assert!(seeds().len() > 10 && seeds().iter().all(|(_, events)| events.len() > 20));
    let ticks = |events: &[Stamped]| {
        events.iter().filter(|stamped| matches!(stamped.event, Event::TickStart { .. })).count()
    };
    assert!(seeds().iter().all(|(_, events)| ticks(events) > 0));
    (0..seeds().len() as u8).for_each(|seed| try_all(&[0, seed, 0]));
}
