//! One row: sorts an event's fields into the shared columns and the object with the rest.

use loop_probes::event::FieldValue;
use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;
use loop_probes::text::printable;

use crate::labels::Labels;

/// Numeric fields that are times of the monotonic clock.
const POINTS: [&str; 3] = ["until_ns", "periodic_due_ns", "one_shot_due_ns"];

/// An event with the context its row needs.
pub(super) struct Row<'a> {
    pub(super) stamped: &'a Stamped,
    /// Where time begins.
    pub(super) zero: Timestamp,
    pub(super) labels: &'a Labels,
    /// How long its task was queued, where that is known.
    pub(super) waited: Option<u64>,
}

/// The values of the columns.
#[derive(Default)]
struct Columns {
    tick: Option<u64>,
    task: Option<u64>,
    tag: Option<FieldValue>,
    name: Option<FieldValue>,
    start: Option<Timestamp>,
    queued: Option<Timestamp>,
    timer: Option<u64>,
    due: Option<Timestamp>,
    fired: Option<Timestamp>,
    queue: Option<&'static str>,
    depth: Option<u64>,
    worker: Option<u64>,
    outcome: Option<&'static str>,
}

impl Columns {
    /// Takes a value if it has a column; returns it otherwise.
    #[inline]
    fn take(&mut self, name: &'static str, value: FieldValue) -> Option<FieldValue> {
        match (name, value) {
            ("tick", FieldValue::Number(it)) => self.tick = Some(it),
            ("task", FieldValue::Number(it)) => self.task = Some(it),
            ("timer", FieldValue::Number(it)) => self.timer = Some(it),
            ("depth", FieldValue::Number(it)) => self.depth = Some(it),
            ("worker", FieldValue::Number(it)) => self.worker = Some(it),
            ("queue", FieldValue::Word(it)) => self.queue = Some(it),
            ("outcome", FieldValue::Word(it)) => self.outcome = Some(it),
            ("start", FieldValue::Time(it)) => self.start = Some(it),
            ("queued", FieldValue::Time(it)) => self.queued = Some(it),
            ("due", FieldValue::Time(it)) => self.due = Some(it),
            ("fired", FieldValue::Time(it)) => self.fired = Some(it),
            ("tag", FieldValue::Tag(_)) => self.tag = Some(value),
            ("phase" | "label" | "message" | "rule" | "text", _) => self.name = Some(value),
            ("source", FieldValue::Io(_)) => {
                self.name.get_or_insert(value);
                return Some(value);
            }
            ("place", FieldValue::Placement(place)) => {
                (self.queue, self.depth) = (Some(place.queue.name()), Some(u64::from(place.depth)));
                return Some(value);
            }
            (_, FieldValue::Absent) => {}
            _ => return Some(value),
        }
        None
    }
}

impl Row<'_> {
    /// Appends the row to `out`; `rest` is scratch space for fields.
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        rest: &mut Vec<(&'static str, FieldValue)>,
        emitter: &[u8],
        open_tick: Option<u64>,
    ) {
        let (at, event) = (self.stamped.at, self.stamped.event);
        let mut columns = Columns::default();
        rest.clear();
        event.each_field(|name, value| rest.extend(columns.take(name, value).map(|value| (name, value))));
        self.time(out, at);
        out.push(b',');
        out.extend_from_slice(emitter);
        out.push(b',');
        out.extend_from_slice(event.name().as_bytes());
        number(out, columns.tick.or(open_tick));
        number(out, columns.task);
        out.push(b',');
        self.value(out, columns.tag);
        out.push(b',');
        self.value(out, columns.name);
        out.push(b',');
        if let Some(start) = columns.start {
            self.time(out, start);
        }
        number(out, columns.start.map(|start| at.ns_since(start)));
        number(out, self.waited);
        number(out, columns.timer);
        let lag = columns.fired.zip(columns.due);
        number(out, lag.map(|(fired, due)| at.max(fired).ns_since(due)));
        out.push(b',');
        out.extend_from_slice(columns.queue.unwrap_or("").as_bytes());
        number(out, columns.depth);
        number(out, columns.worker);
        out.push(b',');
        out.extend_from_slice(columns.outcome.unwrap_or("").as_bytes());
        out.push(b',');
        let mut object = Object { out, any: false };
        for (name, value) in rest.iter() {
            self.field(&mut object, name, *value);
        }
        let queued = columns.queued.filter(|_| columns.start.is_none());
        for (name, time) in [("queued_ns", queued), ("due_ns", columns.due), ("fired_ns", columns.fired)] {
            if let Some(time) = time {
                object.key(name);
                self.time(object.out, time);
            }
        }
        object.end();
        out.push(b'\n');
    }

    fn field(&self, object: &mut Object<'_>, name: &str, value: FieldValue) {
        match value {
            FieldValue::Absent => {}
            FieldValue::Number(point) if POINTS.contains(&name) => {
                object.key(name);
                self.time(object.out, Timestamp(point));
            }
            FieldValue::Number(number) => object.number(name, number),
            FieldValue::Signed(number) => {
                object.key(name);
                object.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            }
            FieldValue::Flag(is) => {
                object.key(name);
                object.out.extend_from_slice(if is { b"true" } else { b"false" });
            }
            FieldValue::Word(word) => object.text(name, word),
            FieldValue::Tag(tag) => object.text(name, &self.labels.tag(tag)),
            FieldValue::Label(label) => object.text(name, &self.labels.any(label)),
            FieldValue::Source(source) => object.text(name, &self.labels.source(source)),
            FieldValue::Io(source) => object.number(name, u64::from(source.0)),
            FieldValue::Placement(place) => object.text("origin", place.origin.name()),
            FieldValue::Time(time) => {
                object.key_ns(name);
                self.time(object.out, time);
            }
            FieldValue::Text(it) => object.text(name, &printable(it.get().as_str())),
            other => object.text(name, &format!("{other:?}")),
        }
    }

    /// Appends a name as a value.
    fn value(&self, out: &mut Vec<u8>, value: Option<FieldValue>) {
        match value {
            Some(FieldValue::Word(word)) => text(out, word),
            Some(FieldValue::Tag(tag)) => text(out, &self.labels.tag(tag)),
            Some(FieldValue::Label(label)) => text(out, &self.labels.any(label)),
            Some(FieldValue::Io(source)) => text(out, &self.labels.io(source)),
            Some(FieldValue::Text(it)) => text(out, &printable(it.get().as_str())),
            _ => {}
        }
    }

    /// Appends nanoseconds since the zero, negative before it.
    fn time(&self, out: &mut Vec<u8>, at: Timestamp) {
        if at < self.zero {
            out.push(b'-');
        }
        let apart = at.0.abs_diff(self.zero.0);
        out.extend_from_slice(itoa::Buffer::new().format(apart).as_bytes());
    }
}

fn number(out: &mut Vec<u8>, value: Option<u64>) {
    out.push(b',');
    if let Some(value) = value {
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }
}

/// Appends text as a value, quoted if necessary.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    if !text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in text.bytes() {
        out.extend_from_slice(if byte == b'"' { b"\"\"" } else { std::slice::from_ref(&byte) });
    }
    out.push(b'"');
}

/// A JSON object as a value: its quotes are doubled.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    any: bool,
}

impl Object<'_> {
    fn key(&mut self, name: &str) {
        self.begin(name);
        self.out.extend_from_slice(b"\"\":");
    }

    fn key_ns(&mut self, name: &str) {
        self.begin(name);
        self.out.extend_from_slice(b"_ns\"\":");
    }

    fn begin(&mut self, name: &str) {
        self.out.extend_from_slice(if self.any { b",\"\"" } else { b"\"{\"\"" });
        self.any = true;
        self.out.extend_from_slice(name.as_bytes());
    }

    fn number(&mut self, name: &str, value: u64) {
        self.key(name);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn text(&mut self, name: &str, text: &str) {
        self.key(name);
        self.out.extend_from_slice(b"\"\"");
        for byte in text.bytes() {
            match byte {
                b'"' => self.out.extend_from_slice(b"\\\"\""),
                b'\\' => self.out.extend_from_slice(b"\\\\"),
                0..0x20 | 0x7f => self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                byte => self.out.push(byte),
            }
        }
        self.out.extend_from_slice(b"\"\"");
    }

    fn end(self) {
        if self.any {
            self.out.extend_from_slice(b"}\"");
        }
    }
}
