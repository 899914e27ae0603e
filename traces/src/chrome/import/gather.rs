//! The first pass: turns every event of the file into a record, or counts it under the reason it cannot be used.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};

use loop_probes::event::Queue;
use serde::Deserialize;

use super::names::Names;
use super::own_export::Pieces;
use super::posted::{is_run_task, posted_from};
use super::record::{EventRecord, Kind};
use super::role::{Producer, RECORDS_LOST};
use super::sorted::Sorter;
use super::status::{ImportError, Progress};
use super::tally::{Tally, dropped, repaired};
use super::threads::Threads;
use crate::chrome::read::{
    ChromeEvent, ChromeReader, Ending, EventId, Flaw, Form, Item, Micros, Position, ReadError, Skip, hash,
};

/// The contents of the file.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) records: Sorter<EventRecord>,
    pub(super) names: Names,
    pub(super) threads: Threads,
    pub(super) producer: Option<Producer>,
    pub(super) repaired: Tally,
    pub(super) dropped: Tally,
    pub(super) events: u64,
    pub(super) counters: u64,
    /// Slices and instants in the file, also those that are dropped.
    pub(super) read: Counts,
    pub(super) own: Option<Pieces>,
    /// Heap sizes before and after collections, by where the slice begins or ends in the file.
    pub(super) heaps: HashMap<u64, Heap>,
    /// What the instants for lost records in our own exports say, by where they are in the file.
    pub(super) losses: HashMap<u64, Loss>,
    /// The time from which Perfetto sorts events; before it, it takes them as they come.
    pub(super) sorted_from: Option<i64>,
    last: Option<i64>,
    max: Option<i64>,
    pub(super) any_complete: bool,
    /// Slices around a loop, by where they begin in the file.
    pub(super) enclosing: HashSet<u64>,
}

/// Slices and instants, counted as in Perfetto's table of slices.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) slices: u64,
    pub(super) instants: u64,
}

/// V8's heap sizes: a begin has the one before the collection, an end the one after it, a complete slice both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Heap {
    #[serde(rename = "usedHeapSizeBefore")]
    pub(super) before: Option<u64>,
    #[serde(rename = "usedHeapSizeAfter")]
    pub(super) after: Option<u64>,
}

/// Maximum number of collections whose heap sizes are kept.
const HEAPS_MAX: usize = 1 << 20;

/// Maximum number of instants for lost records of which the numbers are kept.
const LOSSES_MAX: usize = 1 << 20;

/// How many records were lost, and the microseconds within which that happened.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Loss {
    pub(super) count: u64,
    /// Exports of older versions do not say.
    pub(super) within_us: Option<f64>,
}

/// Reads the whole input.
pub(super) fn gather<R: Read>(
    input: R,
    asked: &[String],
    progress: &mut dyn FnMut(Progress),
) -> Result<Gathered, ImportError> {
    let mut reader = ChromeReader::new(input)?;
    let mut gathered = Gathered { threads: Threads::new(asked), ..Gathered::default() };
    let start = reader.place();
    if reader.has_bom() {
        gathered.repaired.one(repaired::BYTE_ORDER_MARK, start);
    }
    let mut scratch = String::new();
    let mut until_report = 0_u32;
    loop {
        if until_report == 0 {
            until_report = 4096;
            progress(Progress::Reading { bytes: reader.bytes_taken(), events: gathered.events });
        }
        until_report -= 1;
        match reader.read()? {
            None => break,
            Some(Item::Event { place, text }) => {
                gathered.events += 1;
                match ChromeEvent::parse(text, &mut scratch) {
                    Ok(event) => gathered.event(&event, place).map_err(ImportError::Temporary)?,
                    Err(_) => gathered.dropped.one(dropped::MALFORMED, place),
                }
            }
            Some(Item::Other { key, text, .. }) => gathered.other(key, text)?,
            Some(Item::Skipped { place, why }) => {
                let kind = match why {
                    Skip::TooLong => dropped::TOO_LONG,
                    Skip::TooDeep => dropped::TOO_DEEP,
                    Skip::NoObject => dropped::NO_OBJECT,
                    Skip::Trailing => dropped::TRAILING,
                };
                gathered.dropped.one(kind, place);
            }
        }
    }
    if gathered.events == 0 && matches!(reader.ending(), Ending::CutOff(_) | Ending::Unclosed(_)) {
        let what = "it is cut off before the end of its first event".to_owned();
        return Err(ImportError::Read(ReadError::Foreign(what)));
    }
    match (reader.ending(), reader.form()) {
        (Ending::Unclosed(place), Form::Array) => gathered.repaired.one(repaired::UNCLOSED_LIST, place),
        (Ending::CutOff(place) | Ending::Unclosed(place), _) => {
            gathered.repaired.one(repaired::CUT_OFF, place);
        }
        (Ending::Whole | Ending::Unread, _) => {}
    }
    if reader.has_trailing_comma() {
        gathered.repaired.one(repaired::TRAILING_COMMA, reader.place());
    }
    let bad = gathered.dropped.count(dropped::MALFORMED) + gathered.dropped.count(dropped::UNKNOWN_PHASE);
    if bad > 0 && bad == gathered.events {
        let what = format!("none of its {bad} objects is an event (they have no valid `ph`)");
        return Err(ImportError::Read(ReadError::Foreign(what)));
    }
    gathered.repaired.add(repaired::TOO_MANY_NAMES, gathered.names.refused);
    progress(Progress::Reading { bytes: reader.bytes_taken(), events: gathered.events });
    Ok(gathered)
}

impl Gathered {
    /// Whether the end of the file is missing. That is assumed of a list without its bracket, because programs close their
    /// list on exit.
    pub(super) fn is_cut(&self) -> bool {
        [repaired::CUT_OFF, repaired::UNCLOSED_LIST].iter().any(|kind| self.repaired.count(kind) > 0)
    }

    fn other(&mut self, key: &[u8], text: &[u8]) -> Result<(), ImportError> {
        match key {
            b"\"viztracer_metadata\"" => self.producer = Some(Producer::Viztracer),
            b"\"otherData\"" => {
                #[derive(Deserialize)]
                struct Other<'a> {
                    #[serde(borrow)]
                    recorder: Option<std::borrow::Cow<'a, str>>,
                }
                let recorder_name =
                    serde_json::from_slice::<Other<'_>>(text).ok().and_then(|other| other.recorder);
                if recorder_name.is_some_and(|recorder_name| recorder_name.starts_with("loopscope ")) {
                    self.producer = Some(Producer::Loopscope);
                }
            }
            b"\"loopscope\"" => self.piece(text).map_err(ImportError::Temporary)?,
            _ => {}
        }
        Ok(())
    }

    /// Takes a piece of the recording embedded in an export by loopscope.
    fn piece(&mut self, json: &[u8]) -> io::Result<()> {
        match &mut self.own {
            Some(pieces) => pieces.push(json),
            None => self.own.insert(Pieces::new()?).push(json),
        }
    }

    fn event(&mut self, event: &ChromeEvent<'_>, place: Position) -> io::Result<()> {
        for flaw in event.flaws() {
            let kind = match flaw {
                Flaw::TimeAsText => repaired::TIME_AS_TEXT,
                Flaw::ThreadAsText => repaired::THREAD_AS_TEXT,
                Flaw::DuplicateKey => repaired::DUPLICATE_KEY,
                Flaw::InvalidText => repaired::INVALID_TEXT,
                Flaw::WrongType => repaired::WRONG_TYPE,
                // Counted by what the event then lacks.
                Flaw::BadTime => continue,
            };
            self.repaired.one(kind, place);
        }
        if let Some(own) = event.own {
            self.piece(own.get().as_bytes())?;
        }
        match event.phase {
            b'M' => {
                self.metadata(event);
                return Ok(());
            }
            b'O' | b'N' | b'D' | b'v' | b'V' => {
                self.dropped.one(dropped::OBJECT, place);
                return Ok(());
            }
            b'P' => {
                self.dropped.one(dropped::SAMPLE, place);
                return Ok(());
            }
            b'S' | b'T' | b'p' | b'F' => {
                self.dropped.one(dropped::LEGACY_ASYNC, place);
                return Ok(());
            }
            b'c' | b'(' | b')' | b'=' => {
                self.dropped.one(dropped::BOOKKEEPING, place);
                return Ok(());
            }
            b'B' | b'X' | b'b' => self.read.slices += 1,
            b'i' | b'I' | b'R' | b'n' => self.read.instants += 1,
            b'E' | b'e' | b's' | b't' | b'f' | b'C' => {}
            _ => {
                let was_slice = event.ts.is_some() && event.dur.is_some();
                self.dropped.one(if was_slice { dropped::MALFORMED } else { dropped::UNKNOWN_PHASE }, place);
                return Ok(());
            }
        }
        let Some(at) = event.ts else {
            self.dropped.one(dropped::NO_TIME, place);
            self.uncertain(event, place);
            return Ok(());
        };
        if at.is_negative() {
            self.dropped.one(dropped::NEGATIVE_TIME, place);
            self.uncertain(event, place);
            return Ok(());
        }
        let ts = at.ns();
        if self.last.is_some_and(|last| ts < last) {
            self.repaired.one(repaired::OUT_OF_ORDER, place);
        }
        self.last = Some(ts);
        self.any_complete |= event.phase == b'X';
        match self.max {
            Some(max) if ts < max || (ts == max && self.any_complete) => {
                self.sorted_from = Some(self.sorted_from.map_or(ts, |from| from.min(ts)));
            }
            _ => self.max = Some(ts),
        }
        self.timed(event, at, place)
    }

    fn metadata(&mut self, event: &ChromeEvent<'_>) {
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let named = || serde_json::from_str::<Named>(event.args?.get()).ok();
        match event.name.as_deref() {
            Some("thread_name") => {
                if let Some(Named { name }) = named() {
                    let (pid, tid) = thread_of(event);
                    self.producer = self.producer.or_else(|| Producer::of_thread(&name));
                    self.threads.name_thread(&pid, &tid, &name);
                }
            }
            Some("process_name") => {
                if let (Some(Named { name }), Some(pid)) = (named(), &event.pid) {
                    let is_known = self.threads.name_process(pid, &name);
                    self.repaired.add(repaired::TOO_MANY_NAMES, u64::from(!is_known));
                }
            }
            _ => {}
        }
    }

    /// Notes that the thread of an event is known in part only.
    fn uncertain(&mut self, event: &ChromeEvent<'_>, place: Position) {
        let (pid, tid) = thread_of(event);
        match self.threads.number(&pid, &tid) {
            Some(thread) => self.threads.get_mut(thread).dropped += 1,
            None => self.dropped.one(dropped::THREAD_BEYOND_LIMIT, place),
        }
    }

    fn timed(&mut self, event: &ChromeEvent<'_>, at: Micros, place: Position) -> io::Result<()> {
        let (pid, tid) = thread_of(event);
        let Some(thread) = self.threads.number(&pid, &tid) else {
            self.dropped.one(dropped::THREAD_BEYOND_LIMIT, place);
            return Ok(());
        };
        if event.pid.is_none() || (event.tid.is_none() && !matches!(event.phase, b'C' | b'b' | b'e' | b'n')) {
            self.repaired.one(repaired::NO_THREAD, place);
        }
        let mut record = EventRecord {
            ts: at.ns(),
            kind: Kind::Begin,
            thread,
            name: event.name.as_deref().map_or(0, |name| self.names.number(name)),
            category: event.category.as_deref().map_or(0, |name| self.names.number(name)),
            value: 0,
            runs: self.runs(event),
            place: place.offset,
        };
        if record.name == 0 && matches!(event.phase, b'B' | b'X' | b'i' | b'I' | b'R' | b'b' | b'n') {
            self.repaired.one(repaired::NO_NAME, place);
        }
        record.kind = match event.phase {
            b'B' => {
                self.threads.get_mut(thread).begun(record.ts);
                Kind::Begin
            }
            b'E' if self.threads.get_mut(thread).ends_at_begin(record.ts) => Kind::EndAtBegin,
            b'E' => Kind::End,
            b'X' => {
                let Some(dur) = event.dur else {
                    self.dropped.one(dropped::NO_DURATION, place);
                    self.threads.get_mut(thread).dropped += 1;
                    return Ok(());
                };
                if dur.is_negative() {
                    self.repaired.one(repaired::NEGATIVE_DURATION, place);
                    self.threads.get_mut(thread).dropped += 1;
                }
                record.value = (at.plus(dur).ns() - record.ts).max(0) as u64;
                Kind::Complete
            }
            b'i' | b'I' | b'R' => match self.instant(event, place) {
                Some(kind) => {
                    self.loss(event, place);
                    kind
                }
                None => return Ok(()),
            },
            b'b' | b'e' | b'n' => {
                if event.id.is_none() || event.pid.is_none() {
                    self.dropped.one(dropped::NO_ID, place);
                    return Ok(());
                }
                record.value = id_of(event, true);
                match event.phase {
                    b'b' => Kind::AsyncBegin,
                    b'e' => Kind::AsyncEnd,
                    _ => Kind::Point,
                }
            }
            b's' | b't' | b'f' => {
                if event.id.is_none() {
                    self.dropped.one(dropped::NO_ID, place);
                    return Ok(());
                }
                record.value = id_of(event, false);
                if event.phase == b't' {
                    self.records.push(EventRecord { kind: Kind::FlowIn, ..record })?;
                }
                match event.phase {
                    b's' | b't' => Kind::FlowOut,
                    _ if event.bind_enclosing => Kind::FlowIn,
                    _ => Kind::FlowNext,
                }
            }
            _ => return self.counter(event, record, place),
        };
        self.heap(event, place);
        self.records.push(record)?;
        self.bound(event, record)
    }

    /// Where a task of Chromium was posted: its slice says nothing else about what it runs.
    fn runs(&mut self, event: &ChromeEvent<'_>) -> u32 {
        if !matches!(event.phase, b'X' | b'B') || !event.name.as_deref().is_some_and(is_run_task) {
            return 0;
        }
        let posted = event.args.and_then(|args| posted_from(args.get()));
        posted.map_or(0, |text| self.names.number(&text))
    }

    /// Adds flows that begin or end at a slice itself.
    fn bound(&mut self, event: &ChromeEvent<'_>, record: EventRecord) -> io::Result<()> {
        let Some(id) = &event.bind_id else { return Ok(()) };
        // Odd ids mark flows that may end in many slices.
        let value = hash(("bind", id)) | 1;
        // The end first: a slice does not lead to itself.
        for (is, kind) in [(event.flow_in, Kind::FlowIn), (event.flow_out, Kind::FlowOut)] {
            if is && matches!(event.phase, b'X' | b'B') {
                self.records.push(EventRecord { kind, value, ..record })?;
            }
        }
        Ok(())
    }

    fn instant(&mut self, event: &ChromeEvent<'_>, place: Position) -> Option<Kind> {
        let known = match event.scope {
            b'g' => Some(Kind::Point),
            b'p' => event.pid.is_some().then_some(Kind::Point),
            _ => event.tid.is_some().then_some(Kind::Instant),
        };
        if known.is_none() {
            self.dropped.one(dropped::NO_SCOPE, place);
        }
        known
    }

    /// Adds queue depths, in the form our own exports use.
    fn counter(&mut self, event: &ChromeEvent<'_>, record: EventRecord, place: Position) -> io::Result<()> {
        #[derive(Deserialize)]
        struct Depth {
            depth: u32,
        }
        self.counters += 1;
        let name = event.name.as_deref().unwrap_or("");
        let queue =
            name.strip_prefix("queue ").and_then(|name| Queue::ALL.iter().find(|queue| queue.name() == name));
        let depth = event.args.and_then(|args| serde_json::from_str::<Depth>(args.get()).ok());
        match (queue, depth) {
            (Some(queue), Some(Depth { depth })) => {
                let (name, value) = (u32::from(queue.code()), u64::from(depth));
                self.records.push(EventRecord { kind: Kind::Depth, name, value, ..record })
            }
            _ => {
                self.dropped.one(dropped::COUNTER, place);
                Ok(())
            }
        }
    }

    /// Takes V8's heap sizes before and after a collection.
    fn heap(&mut self, event: &ChromeEvent<'_>, place: Position) {
        if !matches!(event.name.as_deref(), Some("MinorGC" | "MajorGC")) || self.heaps.len() >= HEAPS_MAX {
            return;
        }
        let Some(args) = event.args else { return };
        if let Ok(heap) = serde_json::from_str::<Heap>(args.get())
            && heap != Heap::default()
        {
            self.heaps.insert(place.offset, heap);
        }
    }

    /// Takes the numbers of our own instant for lost records.
    fn loss(&mut self, event: &ChromeEvent<'_>, place: Position) {
        if event.name.as_deref() != Some(RECORDS_LOST) || self.losses.len() >= LOSSES_MAX {
            return;
        }
        if let Some(loss) = event.args.and_then(|args| serde_json::from_str::<Loss>(args.get()).ok()) {
            self.losses.insert(place.offset, loss);
        }
    }
}

/// Process and thread of an event, as Perfetto reads them: a missing process is 0, a missing thread is the process's
/// main thread.
fn thread_of<'a>(event: &ChromeEvent<'a>) -> (EventId<'a>, EventId<'a>) {
    let pid = event.pid.clone().unwrap_or(EventId::Number(0));
    let tid = event.tid.clone().unwrap_or_else(|| pid.clone());
    (pid, tid)
}

/// Hashes the id of an asynchronous slice or of a flow.
fn id_of(event: &ChromeEvent<'_>, is_async: bool) -> u64 {
    let name = event.name.as_ref().filter(|_| !is_async);
    let pid = event.pid.as_ref().filter(|_| event.id_is_local);
    hash((&event.category, name, &event.id, pid)) & !1
}
