//! Checks each event separately, and keeps counts over all of them.

use std::collections::{HashMap, HashSet};

use loop_probes::text::printable;
use serde_json::value::RawValue;

use super::flows::Flows;
use super::pairs::Pairs;
use super::replay::{Kind, Replay, Step};
use super::rules::{Check, Emit, cut};
use crate::chrome::read::{ChromeEvent, EventId, Flaw, Form, Position, hash};

/// Above this, a double cannot hold every integer.
const EXACT_MAX: u64 = 1 << 53;

/// Nanoseconds above which a double of microseconds cannot hold three decimals.
const FAR_NS: u64 = (1 << 43) * 1_000;

/// Maximum number of distinct names and counters tracked.
const NAMES_MAX: usize = 1 << 14;

/// Maximum number of distinct args tracked per name.
const ARGS_MAX: usize = 64;

/// Slices of a name needed before its args are judged.
const ARGS_MIN: u64 = 16;

/// The Firefox Profiler recognises a list by this many first events.
const LOOKED_AT: u64 = 5;

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LintReport {
    /// Number of events in the file.
    pub events: u64,
    /// Events that speedscope does not show, by design: it knows slices only.
    pub not_in_speedscope: u64,
    /// Events that the Firefox Profiler does not show, by design: counters and flows.
    pub not_in_firefox: u64,
    /// Events whose nesting, pair or flow was not checked, because there were too many or they came too late.
    pub unchecked: u64,
    /// Bytes of text.
    pub bytes: u64,
}

/// The args seen with slices of one name.
struct NameArgs {
    slices: u64,
    different: HashSet<u64>,
    place: Position,
    name: String,
}

#[derive(Default)]
pub(super) struct Events {
    report: LintReport,
    pub(super) unchecked: u64,
    replay: Replay,
    pairs: Pairs,
    flows: Flows,
    counters: HashMap<u64, u64>,
    names: HashMap<u64, NameArgs>,
    /// Whether the file is a list rather than an object.
    in_list: bool,
    /// Events that create a thread in the Firefox Profiler.
    shown: u64,
    /// Whether there is an event that is not valid JSON, which has its own finding.
    pub(super) has_unread: bool,
}

impl Events {
    pub(super) fn of(form: Form) -> Self {
        Self { in_list: form == Form::Array, ..Self::default() }
    }

    pub(super) fn see(
        &mut self,
        event: &ChromeEvent<'_>,
        text: &[u8],
        place: Position,
        emit: &mut impl Emit,
    ) {
        self.report.events += 1;
        let quoted = || event.name.as_deref().map(|name| format!("\"{}\"", cut(name))).unwrap_or_default();
        let is_slice = matches!(event.phase, b'X' | b'B' | b'E');
        self.flaws(event, text, place, is_slice, emit);
        self.phase(event, text, place, &quoted(), emit);
        self.report.not_in_speedscope += u64::from(!is_slice && event.phase != b'M');
        self.report.not_in_firefox += u64::from(matches!(event.phase, b'C' | b's' | b't' | b'f'));
        if event.phase == b'M' {
            let names =
                event.name.as_deref().is_some_and(|name| name == "process_name" || name == "thread_name");
            if names && !event.args.is_some_and(|args| args.get().starts_with('{')) {
                emit(Check::NameRow, place, quoted());
            }
            if event.pid.is_none() {
                emit(Check::PidMissing, place, quoted());
            }
            return;
        }
        let Some(ts) = self.time(event, place, &quoted(), emit) else { return };
        if event.pid.is_none() {
            emit(Check::PidMissing, place, quoted());
        }
        if is_slice {
            if event.tid.is_none() || event.pid.is_none() {
                emit(Check::ThreadMissing, place, quoted());
            }
            let is_text = |id: &Option<EventId<'_>>| matches!(id, Some(EventId::Text(it)) if it.parse::<f64>().is_err());
            if is_text(&event.tid) || is_text(&event.pid) {
                emit(Check::TidText, place, quoted());
            }
        }
        if let Some(args) = event.args
            && let Some(number) = large_number(args.get())
        {
            emit(Check::NumberLarge, place, number.to_owned());
        }
        let thread = hash((&event.pid, &event.tid));
        let name = event.name.as_deref().map_or(0, |name| hash(name) | 1);
        let as_double = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
        let read = as_double(event.ts_text);
        let key = if is_slice { hash((name, event.args.map(RawValue::get))) } else { 0 };
        let mut step = Step { ts, end: ts, read, dur: 0.0, kind: Kind::Begin, name, key, place };
        match event.phase {
            b'X' => {
                self.args(event, name, place);
                match event.dur.map(|dur| dur.ns()) {
                    // A length that cannot be read has its own finding.
                    None if event.flaws().any(|flaw| flaw == Flaw::BadTime) => {}
                    None => emit(Check::DurMissing, place, quoted()),
                    Some(dur) if dur < 0 => emit(Check::DurNegative, place, quoted()),
                    Some(dur) => {
                        if dur == 0 {
                            emit(Check::DurZero, place, quoted());
                        }
                        let (end, dur) = (ts.saturating_add(dur), as_double(event.dur_text));
                        step = Step { kind: Kind::Whole, end, dur, ..step };
                        self.replay.push(thread, step, emit);
                    }
                }
            }
            b'B' => {
                self.args(event, name, place);
                self.replay.push(thread, step, emit);
            }
            b'E' => self.replay.push(thread, Step { kind: Kind::End, ..step }, emit),
            b'i' | b'I' => self.instant(text, place, &quoted(), emit),
            b'C' => self.counter(event, place, &quoted(), emit),
            b'b' | b'n' | b'e' => self.pairs.asynchronous(event, ts, place, emit),
            b's' | b't' | b'f' => {
                self.flows.by_id(event, text, ts, place, emit);
                let to_next = event.phase == b'f' && !event.bind_enclosing;
                let kind = if to_next { Kind::FlowToNext } else { Kind::Flow };
                self.replay.push(thread, Step { kind, ..step }, emit);
            }
            _ => {}
        }
        if !event.bind_id_text.is_empty() && !matches!(event.phase, b's' | b't' | b'f') {
            self.flows.bound(event, text, ts, place, emit);
        }
        self.shown +=
            u64::from(matches!(event.phase, b'X' | b'B' | b'E' | b'b' | b'n' | b'e' | b'i' | b'I' | b'R'));
    }

    fn flaws(
        &self,
        event: &ChromeEvent<'_>,
        text: &[u8],
        place: Position,
        is_slice: bool,
        emit: &mut impl Emit,
    ) {
        for flaw in event.flaws() {
            match flaw {
                Flaw::TimeAsText if event.flaws().any(|flaw| flaw == Flaw::BadTime) => {}
                Flaw::TimeAsText => emit(Check::TimeText, place, String::new()),
                Flaw::BadTime => emit(Check::TimeBad, place, String::new()),
                Flaw::DuplicateKey => emit(Check::DuplicateKey, place, String::new()),
                Flaw::InvalidText => no_json(text, place, emit),
                // For a thread it matters only if it is not a number, which the id itself shows.
                _ => {}
            }
        }
        if event.name.is_none() {
            let check = match event.phase {
                b'E' => Check::EndNameless,
                _ if is_slice || matches!(event.phase, b'i' | b'I' | b'R') => {
                    if event.flaws().any(|flaw| flaw == Flaw::WrongType) {
                        Check::NameNoText
                    } else {
                        Check::NameMissing
                    }
                }
                b'b' | b'n' | b'e' | b's' | b't' | b'f' => Check::PairNameless,
                _ => Check::OtherNameless,
            };
            emit(check, place, String::new());
        }
    }

    fn phase(&self, event: &ChromeEvent<'_>, text: &[u8], place: Position, name: &str, emit: &mut impl Emit) {
        let check = match event.phase {
            b'X' | b'B' | b'E' | b'i' | b'I' | b'C' | b'M' | b'b' | b'n' | b'e' | b's' | b't' | b'f' => {
                return;
            }
            // Marks, clocks, objects, samples and memory: losing them is harmless.
            b'R' | b'c' | b'N' | b'O' | b'D' | b'P' | b'v' | b'V' | b'(' | b')' | b'=' | b'm' => return,
            b'S' | b'T' | b'F' | b'p' => Check::PhaseObsolete,
            0 if has_phase(text) => Check::PhaseUnknown,
            0 if self.in_list && self.report.events <= LOOKED_AT => Check::PhaseMissingEarly,
            0 => Check::PhaseMissing,
            _ => Check::PhaseUnknown,
        };
        emit(check, place, name.to_owned());
    }

    fn time(
        &self,
        event: &ChromeEvent<'_>,
        place: Position,
        name: &str,
        emit: &mut impl Emit,
    ) -> Option<i64> {
        let Some(ts) = event.ts else {
            if !event.flaws().any(|flaw| flaw == Flaw::BadTime) {
                let is_slice = matches!(event.phase, b'X' | b'B' | b'E');
                let check = if is_slice { Check::TimeMissing } else { Check::TimeMissingElse };
                emit(check, place, name.to_owned());
            }
            return None;
        };
        let ns = ts.ns();
        if ns < 0 {
            emit(Check::TimeNegative, place, name.to_owned());
        } else if ns.unsigned_abs() >= FAR_NS && ns % 1_000 != 0 {
            emit(Check::TimeFar, place, name.to_owned());
        }
        Some(ns)
    }

    fn instant(&self, text: &[u8], place: Position, name: &str, emit: &mut impl Emit) {
        #[derive(serde::Deserialize)]
        struct Scope<'a> {
            #[serde(borrow)]
            s: Option<&'a RawValue>,
        }
        let scope = serde_json::from_slice::<Scope<'_>>(text).ok().and_then(|it| it.s);
        if let Some(scope) = scope
            && !matches!(scope.get(), "\"t\"" | "\"p\"" | "\"g\"")
        {
            emit(Check::Scope, place, format!("{name} has {}", cut(scope.get())));
        }
    }

    fn counter(&mut self, event: &ChromeEvent<'_>, place: Position, name: &str, emit: &mut impl Emit) {
        let args = event.args.and_then(|args| {
            serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(args.get()).ok()
        });
        let Some(args) = args.filter(|args| !args.is_empty()) else {
            emit(Check::CounterEmpty, place, name.to_owned());
            return;
        };
        let is_number = |value: &serde_json::Value| {
            value.is_number() || value.as_str().is_some_and(|text| text.trim().parse::<f64>().is_ok())
        };
        if let Some((series, _)) = args.iter().find(|(_, value)| !is_number(value)) {
            emit(Check::CounterText, place, format!("{name}: {}", cut(series)));
        }
        let mut series: Vec<&String> = args.keys().collect();
        series.sort_unstable();
        let series = hash(series);
        let counter = hash((&event.pid, &event.name, &event.id));
        if self.counters.len() < NAMES_MAX || self.counters.contains_key(&counter) {
            let first = *self.counters.entry(counter).or_insert(series);
            if first != series {
                emit(Check::CounterSeries, place, name.to_owned());
            }
        } else {
            self.unchecked += 1;
        }
    }

    /// Tracks args, because speedscope groups slices with equal names and args.
    fn args(&mut self, event: &ChromeEvent<'_>, name: u64, place: Position) {
        let Some(args) = event.args else { return };
        if self.names.len() >= NAMES_MAX && !self.names.contains_key(&name) {
            return;
        }
        let of_name = self.names.entry(name).or_insert_with(|| NameArgs {
            slices: 0,
            different: HashSet::new(),
            place,
            name: event.name.as_deref().map(cut).unwrap_or_default(),
        });
        if of_name.different.len() < ARGS_MAX {
            of_name.slices += 1;
            of_name.different.insert(hash(args.get()));
        }
    }

    pub(super) fn finish(mut self, is_whole: bool, start: Position, emit: &mut impl Emit) -> LintReport {
        let unchecked =
            self.unchecked + self.replay.finish(emit) + self.pairs.finish(emit) + self.flows.finish(emit);
        let mut names: Vec<NameArgs> = self.names.into_values().collect();
        names.sort_by_key(|name| name.place.offset);
        for NameArgs { slices, different, place, name } in names {
            if slices >= ARGS_MIN && different.len() as u64 * 2 > slices {
                emit(Check::ArgsUnique, place, format!("\"{name}\""));
            }
        }
        if self.has_unread {
            // Some viewers read it.
        } else if is_whole && self.report.events == 0 {
            emit(Check::Empty, start, String::new());
        } else if is_whole && self.shown == 0 {
            emit(Check::NothingShown, start, String::new());
        }
        LintReport { unchecked, ..self.report }
    }
}

/// Reports an event, or another part of the file, that is not valid JSON as it stands.
pub(super) fn no_json(text: &[u8], place: Position, emit: &mut impl Emit) {
    let Ok(valid) = std::str::from_utf8(text) else {
        emit(Check::NotUtf8, place, String::new());
        return;
    };
    let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(valid) else { return };
    if has_control_character(text) {
        emit(Check::ControlCharacter, place, String::new());
        return;
    }
    if error.to_string().starts_with("invalid escape") {
        emit(Check::BadEscape, place, String::new());
        return;
    }
    // Longest first: what remains after replacing a shorter one is not JSON either.
    let replaced = ["-Infinity", "Infinity", "-NaN", "NaN"];
    let repaired = replaced.iter().fold(valid.to_owned(), |text, word| {
        [": ", ":", "[", ",", ", "]
            .iter()
            .fold(text, |text, before| text.replace(&format!("{before}{word}"), &format!("{before}null")))
    });
    let mut scratch = String::new();
    match ChromeEvent::parse(repaired.as_bytes(), &mut scratch) {
        Ok(event) => {
            let in_time =
                event.phase != b'M' && (event.ts.is_none() || (event.phase == b'X' && event.dur.is_none()));
            emit(if in_time { Check::NotNumberTime } else { Check::NotNumber }, place, String::new());
        }
        Err(_) => emit(Check::NotJson, place, printable(&error.to_string())),
    }
}

fn has_control_character(text: &[u8]) -> bool {
    let (mut in_string, mut escaped) = (false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            0..0x20 if in_string => return true,
            _ => {}
        }
    }
    false
}

/// Checks a value of the file's object other than the list of events.
pub(super) fn other(key: &[u8], text: &[u8], place: Position, emit: &mut impl Emit) {
    if std::str::from_utf8(text).is_err() || serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err() {
        no_json(text, place, emit);
    } else if key == b"\"displayTimeUnit\"" && !matches!(text, b"\"ms\"" | b"\"ns\"") {
        let check = if text.starts_with(b"\"") { Check::Unit } else { Check::UnitNoText };
        emit(check, place, cut(&String::from_utf8_lossy(text)));
    }
}

/// Whether there is a `ph`, of any type.
fn has_phase(text: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Phase<'a> {
        #[serde(borrow)]
        ph: Option<&'a RawValue>,
    }
    serde_json::from_slice::<Phase<'_>>(text).is_ok_and(|it| it.ph.is_some())
}

/// The first integer in the JSON that a double cannot hold.
fn large_number(json: &str) -> Option<&str> {
    let bytes = json.as_bytes();
    let (mut at, mut in_string) = (0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'0'..=b'9' if !in_string => {
                let len = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let ends = !matches!(bytes.get(at + len), Some(b'.' | b'e' | b'E'));
                let begins = at == 0 || bytes[at - 1] != b'.';
                let digits = &json[at..at + len];
                if len >= 16 && ends && begins && digits.parse::<u64>().is_ok_and(|it| it > EXACT_MAX) {
                    return Some(digits);
                }
                at += len;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}
