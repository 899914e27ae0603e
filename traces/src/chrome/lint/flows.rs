//! Checks that the ends of flows belong together by id, in any file order. Viewers do not agree on when two ids are
//! equal.
//!
//! | | `s`, `t`, `f` by `id` | slices by `bind_id` |
//! |---|---|---|
//! | Perfetto | same number, cat and name; text is hexadecimal: `"10"`, `"0x10"` = `16` | same number, read alike |
//! | Catapult | same JSON, cat and name: `"16"` ≠ `16` | same as text: `"16"` = `16` |
//!
//! Neither compares cat and name for `bind_id`. Perfetto keeps both kinds in one table, in which it numbers the flows
//! of the first kind from 0.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use super::rules::{Check, Emit, cut};
use crate::chrome::read::{ChromeEvent, Position, hash};

/// Maximum number of distinct flows tracked.
const FLOWS_MAX: usize = 1 << 18;

/// One end of a flow.
#[derive(Clone, Copy, Debug)]
struct End {
    ts: i64,
    place: Position,
    /// The flow of this end in the other viewer.
    other: Option<u64>,
}

/// A flow as one of the viewers sees it.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    /// The earliest event that starts it.
    start: Option<End>,
    /// The earliest event that continues or ends it.
    further: Option<End>,
}

impl Flow {
    fn see(&mut self, end: End, starts: bool) {
        let which = if starts { &mut self.start } else { &mut self.further };
        if which.is_none_or(|first| end.ts < first.ts) {
            *which = Some(end);
        }
    }

    /// The earliest continuation or end, if it precedes any start.
    fn early(&self) -> Option<End> {
        self.further.filter(|further| self.start.is_none_or(|start| further.ts < start.ts))
    }
}

#[derive(Debug, Default)]
pub(super) struct Flows {
    perfetto: HashMap<u64, Flow>,
    catapult: HashMap<u64, Flow>,
    /// The number of flows by `id`, as Perfetto counts them.
    by_id: u64,
    /// The numbers used as `bind_id`.
    bound: HashMap<u64, Position>,
    unchecked: u64,
}

impl Flows {
    /// Takes a start, a step or an end.
    pub(super) fn by_id(
        &mut self,
        event: &ChromeEvent<'_>,
        text: &[u8],
        ts: i64,
        place: Position,
        emit: &mut impl Emit,
    ) {
        let id = event.id_text;
        if id.is_empty() {
            emit(Check::FlowId, place, event.name.as_deref().map(cut).unwrap_or_default());
            return;
        }
        let number = as_perfetto(id);
        if number.is_none() {
            emit(Check::FlowIdText, place, cut(id));
        }
        if event.phase == b'f' && event.category.is_none() && Written::of(text).bp.is_none() {
            emit(Check::FlowCategory, place, cut(id));
        }
        let what = (&event.category, &event.name);
        let perfetto = number.map(|number| hash((number, what)));
        let is_new = perfetto.is_some_and(|key| !self.perfetto.contains_key(&key));
        self.by_id += u64::from(is_new);
        let catapult = hash((id.starts_with('"'), as_property(id), what));
        self.see([Some(catapult), perfetto], event.phase == b's', ts, place, id, emit);
    }

    /// Takes a slice with a `bind_id`.
    pub(super) fn bound(
        &mut self,
        event: &ChromeEvent<'_>,
        text: &[u8],
        ts: i64,
        place: Position,
        emit: &mut impl Emit,
    ) {
        let id = event.bind_id_text;
        match event.phase {
            b'X' => {}
            b'B' | b'b' | b'n' => emit(Check::BindBegin, place, cut(id)),
            _ => return emit(Check::BindPhase, place, cut(id)),
        }
        let (number, property) = (as_perfetto(id), as_property(id));
        if number.is_none() {
            emit(Check::BindIdText, place, cut(id));
        }
        // Text with a 0 in it is not empty.
        if property.is_empty() || (property == "0" && !id.starts_with('"')) {
            emit(Check::BindIdEmpty, place, cut(id));
        }
        let Written { flow_in, flow_out, .. } = Written::of(text);
        let [(arrives, is_bool_in), (starts, is_bool_out)] = [flow_in, flow_out].map(direction);
        if !arrives && !starts {
            return emit(Check::BindNowhere, place, cut(id));
        }
        if !is_bool_in || !is_bool_out {
            emit(Check::BindNoBool, place, cut(id));
        }
        if let Some(number) = number.filter(|_| self.bound.len() < FLOWS_MAX) {
            self.bound.entry(number).or_insert(place);
        }
        let keys = [Some(hash(("bind_id", property))), number.map(|number| hash(("bind_id", number)))];
        // A slice where it arrives and continues belongs to one flow.
        self.see(keys, !arrives, ts, place, id, emit);
    }

    /// `keys`: its flow in Catapult, and in Perfetto.
    fn see(
        &mut self,
        keys: [Option<u64>; 2],
        starts: bool,
        ts: i64,
        place: Position,
        id: &str,
        emit: &mut impl Emit,
    ) {
        let [catapult, perfetto] = keys;
        let viewers = [
            (&mut self.catapult, catapult, perfetto, Check::FlowAgain),
            (&mut self.perfetto, perfetto, catapult, Check::FlowIdAlike),
        ];
        let is_full = |flows: &HashMap<u64, Flow>, key: Option<u64>| {
            flows.len() >= FLOWS_MAX && key.is_some_and(|key| !flows.contains_key(&key))
        };
        if viewers.iter().any(|(flows, key, ..)| is_full(flows, *key)) {
            self.unchecked += 1;
            return;
        }
        let mut again = None;
        for (flows, key, other, check) in viewers {
            let Some(key) = key else { continue };
            let flow = flows.entry(key).or_default();
            again = again.or(flow.start.filter(|_| starts).map(|start| (check, start.place.line)));
            flow.see(End { ts, place, other }, starts);
        }
        if let Some((check, line)) = again {
            emit(check, place, format!("id {}, first in line {line}", cut(id)));
        }
    }

    /// Reports flows without a matching end; returns how many events were not checked.
    pub(super) fn finish(self, emit: &mut impl Emit) -> u64 {
        let of = |flows: &HashMap<u64, Flow>, end: &End| end.other.and_then(|key| flows.get(&key).copied());
        let line = |start: Option<End>| start.map_or(0, |start| start.place.line);
        let mut found: Vec<(Check, Position, String)> = Vec::new();
        for flow in self.catapult.values() {
            if let Some(early) = flow.early() {
                let in_other_viewer =
                    of(&self.perfetto, &early).filter(|in_other_viewer| in_other_viewer.early().is_none());
                found.push(match in_other_viewer {
                    Some(Flow { start, .. }) => {
                        (Check::FlowIdForm, early.place, format!("it starts in line {}", line(start)))
                    }
                    None => (Check::FlowEnd, early.place, String::new()),
                });
            }
            if let Flow { start: Some(start), further: None } = flow
                && of(&self.perfetto, start).is_none_or(|in_other_viewer| in_other_viewer.further.is_none())
            {
                found.push((Check::FlowStart, start.place, String::new()));
            }
        }
        for early in self.perfetto.values().filter_map(Flow::early) {
            if let Some(Flow { start, .. }) =
                of(&self.catapult, &early).filter(|in_other_viewer| in_other_viewer.early().is_none())
            {
                found.push((Check::BindIdForm, early.place, format!("it starts in line {}", line(start))));
            }
        }
        let small = self.bound.into_iter().filter(|(number, _)| *number < self.by_id);
        found.extend(small.map(|(number, place)| (Check::BindIdSmall, place, number.to_string())));
        found.sort_by_key(|(check, place, _)| (place.offset, *check));
        for (check, place, detail) in found {
            emit(check, place, detail);
        }
        self.unchecked
    }
}

/// The fields of an event that only flows need.
#[derive(Default, serde::Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    flow_in: Option<&'a RawValue>,
    #[serde(borrow)]
    flow_out: Option<&'a RawValue>,
    #[serde(borrow)]
    bp: Option<&'a RawValue>,
}

impl<'a> Written<'a> {
    fn of(text: &'a [u8]) -> Self {
        serde_json::from_slice(text).unwrap_or_default()
    }
}

/// Whether a `flow_in` or `flow_out` counts as set, and whether Perfetto reads it the same way.
fn direction(raw: Option<&RawValue>) -> (bool, bool) {
    match raw.map_or("false", RawValue::get) {
        "true" => (true, true),
        "false" | "0" | "\"\"" => (false, true),
        _ => (true, false),
    }
}

/// The text of a JSON string; `None` for anything else.
fn unquoted(json: &str) -> Option<Cow<'_, str>> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') {
        return Some(serde_json::from_str::<String>(json).map_or(Cow::Borrowed(inside), Cow::Owned));
    }
    Some(Cow::Borrowed(inside))
}

/// An id as JavaScript turns it into a key: text unchanged, a number as printed.
fn as_property(json: &str) -> Cow<'_, str> {
    unquoted(json).unwrap_or_else(|| match json.parse::<f64>() {
        // Adding 0 drops the sign of a negative zero.
        Ok(number) => Cow::Owned((number + 0.0).to_string()),
        Err(_) => Cow::Borrowed(json),
    })
}

/// An id as Perfetto reads it: an integer of 64 bits, or hexadecimal text as `strtoull` takes it.
fn as_perfetto(json: &str) -> Option<u64> {
    let Some(text) = unquoted(json) else { return json.parse::<i64>().ok().map(i64::cast_unsigned) };
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (is_negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let digits = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).unwrap_or(digits);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    // Too large a number saturates.
    let number = u64::from_str_radix(digits, 16);
    Some(number.map_or(u64::MAX, |number| if is_negative { number.wrapping_neg() } else { number }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_each_viewer_reads_them() {
        let read = [
            ("16", Some(16), "16"),
            ("16.0", None, "16"),
            ("\"16\"", Some(0x16), "16"),
            ("\"0x10\"", Some(16), "0x10"),
            ("\"\\u0031\"", Some(1), "1"),
            ("\" +1F\"", Some(0x1f), " +1F"),
            ("-1", Some(u64::MAX), "-1"),
            ("\"-1\"", Some(u64::MAX), "-1"),
            ("9223372036854775808", None, "9223372036854776000"),
            ("\"11112222333344445\"", Some(u64::MAX), "11112222333344445"),
            ("1.5", None, "1.5"),
            ("-0.0", None, "0"),
            ("\"\"", None, ""),
            ("\"zz\"", None, "zz"),
            ("[1]", None, "[1]"),
        ];
        for (json, perfetto, catapult) in read {
            assert_eq!((as_perfetto(json), as_property(json).as_ref()), (perfetto, catapult), "{json}");
        }
    }
}
