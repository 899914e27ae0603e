//! Parses one event: the fields that viewers know, from the event's own text. Nothing in it is trusted.

use std::borrow::Cow;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::number::Micros;

/// A deviation from the format that the reader tolerates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Flaw {
    /// A time is in quotes.
    TimeAsText,
    /// A process or a thread is in quotes.
    ThreadAsText,
    /// A time is not a number, or is out of range: it counts as missing.
    BadTime,
    /// A key occurs twice: the last one counts.
    DuplicateKey,
    /// Another field has an impossible type: it counts as missing.
    WrongType,
    /// Invalid UTF-8, half of a surrogate pair, or control characters: replaced.
    InvalidText,
}

impl Flaw {
    const ALL: [Self; 6] = [
        Self::TimeAsText,
        Self::ThreadAsText,
        Self::BadTime,
        Self::DuplicateKey,
        Self::WrongType,
        Self::InvalidText,
    ];
}

/// The id of a process, a thread, a flow or an asynchronous slice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventId<'a> {
    /// A whole number, even if in quotes.
    Number(i64),
    /// Anything else, as written.
    Text(Cow<'a, str>),
}

impl EventId<'_> {
    /// Converts it to own its text.
    #[must_use]
    pub fn into_owned(self) -> EventId<'static> {
        match self {
            Self::Number(number) => EventId::Number(number),
            Self::Text(text) => EventId::Text(Cow::Owned(text.into_owned())),
        }
    }
}

impl fmt::Display for EventId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A hash of an id together with what distinguishes it from others.
pub(in crate::chrome) fn hash(parts: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

/// An event of a Chrome trace. Missing or unreadable fields are `None`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ChromeEvent<'a> {
    /// `ph`; 0 if missing or longer than a character.
    pub phase: u8,
    /// `name`.
    pub name: Option<Cow<'a, str>>,
    /// `cat`.
    pub category: Option<Cow<'a, str>>,
    /// `ts`.
    pub ts: Option<Micros>,
    /// `dur`.
    pub dur: Option<Micros>,
    /// `ts` as written, for checks that depend on how a viewer reads it.
    pub ts_text: &'a str,
    /// `dur` as written.
    pub dur_text: &'a str,
    /// `pid`.
    pub pid: Option<EventId<'a>>,
    /// `tid`.
    pub tid: Option<EventId<'a>>,
    /// `id`, or the id from `id2`.
    pub id: Option<EventId<'a>>,
    /// `id` as written, empty if absent: viewers distinguish `16` from `"16"`.
    pub id_text: &'a str,
    /// Whether the id is local to its process (`id2` with `local`).
    pub id_is_local: bool,
    /// `bind_id`.
    pub bind_id: Option<EventId<'a>>,
    /// `bind_id` as written, empty if absent.
    pub bind_id_text: &'a str,
    /// Whether the event has `flow_in`.
    pub flow_in: bool,
    /// Whether the event has `flow_out`.
    pub flow_out: bool,
    /// Whether `bp` is `e`: a flow ends in the enclosing slice, not in the next one.
    pub bind_enclosing: bool,
    /// `args`, as text.
    pub args: Option<&'a RawValue>,
    /// `s` of an instant: `t` for its thread, `p` for its process, `g` for global; 0 if missing.
    pub scope: u8,
    /// The data that a loopscope export adds for its own import.
    pub own: Option<&'a RawValue>,
    flaws: u8,
}

/// Why an event cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EventError(#[from] serde_json::Error);

impl<'a> ChromeEvent<'a> {
    /// Parses an event. `scratch` holds its text if that has to be repaired first.
    ///
    /// # Errors
    ///
    /// [`EventError`] if it is not JSON.
    pub fn parse(text: &'a [u8], scratch: &'a mut String) -> Result<Self, EventError> {
        let first = std::str::from_utf8(text).ok().and_then(|text| serde_json::from_str(text).ok());
        if let Some(event) = first {
            return Ok(event);
        }
        // Repairs control characters and invalid UTF-8; anything still wrong is an error.
        *scratch = String::from_utf8_lossy(text).into_owned();
        let is_repaired = scratch.contains('\u{fffd}') || scratch.bytes().any(|byte| byte < 0x20);
        if is_repaired {
            *scratch = scratch.replace(|character: char| character < ' ', " ");
        }
        let mut event: Self = serde_json::from_str(scratch)?;
        event.flaw(Flaw::InvalidText);
        Ok(event)
    }

    /// What was wrong with the event.
    pub fn flaws(&self) -> impl Iterator<Item = Flaw> + '_ {
        Flaw::ALL.into_iter().filter(|flaw| self.flaws & 1 << *flaw as u8 != 0)
    }

    fn flaw(&mut self, flaw: Flaw) {
        self.flaws |= 1 << flaw as u8;
    }

    fn text(&mut self, raw: &'a RawValue) -> Option<Cow<'a, str>> {
        let text = raw.get();
        if !text.starts_with('"') {
            if text != "null" {
                self.flaw(Flaw::WrongType);
            }
            return None;
        }
        let inside = &text[1..text.len() - 1];
        if !inside.contains('\\') {
            return Some(Cow::Borrowed(inside));
        }
        if let Ok(text) = serde_json::from_str::<String>(text) {
            return Some(Cow::Owned(text));
        }
        self.flaw(Flaw::InvalidText);
        let bytes: Option<Bytes> = serde_json::from_str(text).ok();
        bytes.map(|Bytes(bytes)| Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn time(&mut self, raw: &'a RawValue) -> Option<Micros> {
        let text = raw.get();
        if text == "null" {
            return None;
        }
        let number = match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(inside) => {
                self.flaw(Flaw::TimeAsText);
                inside.trim()
            }
            None => text,
        };
        let time = Micros::parse(number);
        if time.is_none() {
            self.flaw(Flaw::BadTime);
        }
        time
    }

    fn id(&mut self, raw: &'a RawValue, is_thread: bool) -> Option<EventId<'a>> {
        let text = raw.get();
        if text.starts_with('"') {
            let text = self.text(raw)?;
            if is_thread {
                self.flaw(Flaw::ThreadAsText);
            }
            return Some(text.parse().map_or(EventId::Text(text), EventId::Number));
        }
        match text.as_bytes().first() {
            Some(b'0'..=b'9' | b'-') => {
                Some(text.parse().map_or(EventId::Text(Cow::Borrowed(text)), EventId::Number))
            }
            Some(b'n') => None,
            _ => {
                self.flaw(Flaw::WrongType);
                None
            }
        }
    }

    fn id2(&mut self, raw: &'a RawValue) {
        #[derive(serde::Deserialize)]
        struct Id2<'a> {
            #[serde(borrow)]
            local: Option<&'a RawValue>,
            #[serde(borrow)]
            global: Option<&'a RawValue>,
        }
        match serde_json::from_str::<Id2<'a>>(raw.get()) {
            Ok(Id2 { local: Some(local), .. }) => {
                self.id = self.id(local, false);
                self.id_is_local = true;
            }
            Ok(Id2 { global: Some(global), .. }) => self.id = self.id(global, false),
            _ => self.flaw(Flaw::WrongType),
        }
    }

    fn yes(&mut self, raw: &'a RawValue) -> bool {
        match raw.get() {
            "true" => true,
            "false" | "null" => false,
            number => number.parse::<f64>().is_ok_and(|number| number != 0.0),
        }
    }

    fn set(&mut self, key: &str, raw: &'a RawValue) -> bool {
        macro_rules! replace {
            ($field:ident, $value:expr) => {{
                let value = $value;
                std::mem::replace(&mut self.$field, value).is_some()
            }};
        }
        match key {
            "ph" => {
                let phase = self.text(raw);
                let phase = phase.as_deref().map_or(&[][..], str::as_bytes);
                let before = std::mem::replace(&mut self.phase, if phase.len() == 1 { phase[0] } else { 0 });
                before != 0
            }
            "name" => replace!(name, self.text(raw)),
            "cat" => replace!(category, self.text(raw)),
            "ts" => {
                self.ts_text = raw.get();
                replace!(ts, self.time(raw))
            }
            "dur" => {
                self.dur_text = raw.get();
                replace!(dur, self.time(raw))
            }
            "pid" => replace!(pid, self.id(raw, true)),
            "tid" => replace!(tid, self.id(raw, true)),
            "id" => {
                self.id_text = raw.get();
                replace!(id, self.id(raw, false))
            }
            "bind_id" => {
                self.bind_id_text = raw.get();
                replace!(bind_id, self.id(raw, false))
            }
            "args" => replace!(args, Some(raw)),
            "loopscope" => replace!(own, Some(raw)),
            "id2" => {
                self.id2(raw);
                false
            }
            "flow_in" => {
                self.flow_in = self.yes(raw);
                false
            }
            "flow_out" => {
                self.flow_out = self.yes(raw);
                false
            }
            "s" => {
                self.scope = raw.get().as_bytes().get(1).copied().unwrap_or(0);
                false
            }
            "bp" => {
                self.bind_enclosing = raw.get() == "\"e\"";
                false
            }
            _ => false,
        }
    }
}

const KNOWN: [&str; 16] = [
    "ph",
    "name",
    "cat",
    "ts",
    "dur",
    "pid",
    "tid",
    "id",
    "bind_id",
    "args",
    "loopscope",
    "id2",
    "flow_in",
    "flow_out",
    "bp",
    "s",
];

impl<'de: 'a, 'a> Deserialize<'de> for ChromeEvent<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EventVisitor;

        impl<'de> Visitor<'de> for EventVisitor {
            type Value = ChromeEvent<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut event = ChromeEvent::default();
                while let Some(Key(key)) = map.next_key()? {
                    let Some(key) = key else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    let raw: &'de RawValue = map.next_value()?;
                    if event.set(key, raw) {
                        event.flaw(Flaw::DuplicateKey);
                    }
                }
                Ok(event)
            }
        }

        deserializer.deserialize_map(EventVisitor)
    }
}

/// A known key, or `None`.
struct Key(Option<&'static str>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Key, E> {
                self.visit_bytes(key.as_bytes())
            }

            fn visit_bytes<E>(self, key: &[u8]) -> Result<Key, E> {
                Ok(Key(KNOWN.into_iter().find(|known| known.as_bytes() == key)))
            }
        }

        // Read as bytes, so that a key containing half of a surrogate pair is unknown rather than invalid.
        deserializer.deserialize_bytes(KeyVisitor)
    }
}

/// Text that may contain unpaired surrogates.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;

        impl Visitor<'_> for BytesVisitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(BytesVisitor)
    }
}
