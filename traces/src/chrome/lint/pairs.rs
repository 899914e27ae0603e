//! What belongs together by its id: asynchronous beginnings and ends, flows. In any order of the file.

use std::collections::HashMap;

use super::event::{cut, hash};
use super::rules::Check;
use super::{Place, Tell};
use crate::chrome::read::{ChromeEvent, EventId};

/// Most that wait for their other half.
const OPEN_MAX: usize = 1 << 18;

/// An end of an asynchronous stretch whose other end has not come.
#[derive(Clone, Copy, Debug)]
struct Half {
    ts: i64,
    begins: bool,
    place: Place,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    start: Option<Place>,
    /// The first that goes on or ends it.
    further: Option<Place>,
}

#[derive(Debug, Default)]
pub(super) struct Pairs {
    halves: HashMap<u64, Vec<Half>>,
    waiting: usize,
    flows: HashMap<u64, Flow>,
    unchecked: u64,
}

impl Pairs {
    pub(super) fn asynchronous(
        &mut self,
        event: &ChromeEvent<'_>,
        ts: i64,
        place: Place,
        tell: &mut impl Tell,
    ) {
        let name = event.name.as_deref().map(cut).unwrap_or_default();
        if event.category.is_none() {
            tell(Check::AsyncCategory, place, name.clone());
        }
        if event.id.is_none() {
            tell(Check::AsyncId, place, name);
            return;
        }
        // A point begins and ends nothing; an end without a name was told of.
        if event.phase == b'n' || event.name.is_none() {
            return;
        }
        let begins = event.phase == b'b';
        let key = hash((&event.pid, &event.category, &event.id, &event.name));
        let halves = self.halves.entry(key).or_default();
        let other = halves
            .iter()
            .rposition(|half| half.begins != begins && if begins { half.ts >= ts } else { half.ts <= ts });
        if let Some(other) = other {
            halves.remove(other);
            self.waiting -= 1;
            if halves.is_empty() {
                self.halves.remove(&key);
            }
        } else if self.waiting < OPEN_MAX {
            halves.push(Half { ts, begins, place });
            self.waiting += 1;
        } else {
            self.unchecked += 1;
        }
    }

    pub(super) fn flow(&mut self, event: &ChromeEvent<'_>, place: Place, tell: &mut impl Tell) {
        let name = event.name.as_deref().map(cut).unwrap_or_default();
        let Some(id) = &event.id else {
            tell(Check::FlowId, place, name);
            return;
        };
        if let EventId::Text(text) = id
            && !is_hexadecimal(text)
        {
            tell(Check::FlowIdText, place, cut(text));
        }
        let key = hash((&event.category, id, &event.name));
        if self.flows.len() >= OPEN_MAX && !self.flows.contains_key(&key) {
            self.unchecked += 1;
            return;
        }
        let flow = self.flows.entry(key).or_default();
        if event.phase != b's' {
            flow.further.get_or_insert(place);
        } else if let Some(first) = flow.start.replace(place) {
            tell(
                Check::FlowAgain,
                place,
                format!("id {}, first in line {}", cut(&id.to_string()), first.line),
            );
        }
    }

    /// What found no other half; how many events were not checked.
    pub(super) fn finish(self, tell: &mut impl Tell) -> u64 {
        for half in self.halves.into_values().flatten() {
            tell(if half.begins { Check::AsyncOpen } else { Check::AsyncEnd }, half.place, String::new());
        }
        for flow in self.flows.into_values() {
            match flow {
                Flow { start: None, further: Some(place) } => tell(Check::FlowEnd, place, String::new()),
                Flow { start: Some(place), further: None } => tell(Check::FlowStart, place, String::new()),
                _ => {}
            }
        }
        self.unchecked
    }
}

fn is_hexadecimal(text: &str) -> bool {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}
