//! Reads Chrome-trace JSON from other programs, one event at a time, in bounded memory.
//!
//! Files can be larger than memory, cut off in the middle, and begin with their events or with anything else. So a
//! small scanner that knows only strings and brackets splits the text, and each event is parsed separately: a damaged
//! event costs that event, not the file. Both forms are read (`[…]`, and `{"traceEvents":[…]}` with its keys in any
//! order), plain or gzip, from any input that can be read once.

mod event;
mod input;
mod item;
mod looks;
mod number;
mod split;

use std::io::Read;

pub(super) use event::hash;
pub use event::{ChromeEvent, EventError, EventId, Flaw};
pub use item::{DEPTH_MAX, Ending, Form, Item, Position, ReadError, Skip, VALUE_BYTES_MAX};
pub use number::Micros;

use input::Input;
use split::Splitter;

/// Maximum number of keys of the file's object listed when it is refused.
const KEYS_KEPT: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Events,
    Keys,
    Tail,
    Ended,
}

/// Reads one file. See the [module](self).
#[derive(Debug)]
pub struct ChromeReader<R: Read> {
    input: Input<R>,
    form: Form,
    state: State,
    ending: Ending,
    bom: bool,
    events_seen: bool,
    keys: Vec<String>,
    trailing_comma: bool,
    /// Whether a value precedes the current position in the list.
    after_value: bool,
    bad_comma: Option<Position>,
    key: Vec<u8>,
}

impl<R: Read> ChromeReader<R> {
    /// Reads the beginning of `input`.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if it cannot be read, or is not a Chrome trace: the error says what it looks like.
    pub fn new(input: R) -> Result<Self, ReadError> {
        let mut input = Input::new(input)?;
        let bom = input.skip_bom()?;
        if let Some(what) = looks::foreign(input.ahead(512)?) {
            return Err(ReadError::Foreign(what));
        }
        let first = input.peek()?;
        let (form, state) = match first {
            Some(b'[') => (Form::Array, State::Events),
            Some(b'{') => (Form::Object, State::Keys),
            Some(byte) => return Err(ReadError::Foreign(looks::beginning(byte))),
            None => return Err(ReadError::Foreign("it is empty".to_owned())),
        };
        input.advance(1);
        Ok(Self {
            input,
            form,
            state,
            ending: Ending::Unread,
            bom,
            events_seen: form == Form::Array,
            keys: Vec::new(),
            trailing_comma: false,
            after_value: false,
            bad_comma: None,
            key: Vec::new(),
        })
    }

    /// How the file holds its events.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// How the file ended; final once [`read`](Self::read) has returned `None`.
    #[must_use]
    pub const fn ending(&self) -> Ending {
        self.ending
    }

    /// Whether it begins with a byte order mark, which JSON forbids.
    #[must_use]
    pub const fn has_bom(&self) -> bool {
        self.bom
    }

    /// Whether the list of events ends with a comma.
    #[must_use]
    pub const fn has_trailing_comma(&self) -> bool {
        self.trailing_comma
    }

    /// The first place where a comma is missing between two events, or is misplaced.
    #[must_use]
    pub const fn bad_comma(&self) -> Option<Position> {
        self.bad_comma
    }

    /// Whether it is compressed.
    #[must_use]
    pub const fn is_gzip(&self) -> bool {
        self.input.is_gzip()
    }

    /// Bytes taken from the input so far, before decompression.
    #[must_use]
    pub fn bytes_taken(&self) -> u64 {
        self.input.bytes_taken()
    }

    /// How far the text has been read.
    #[must_use]
    pub fn place(&self) -> Position {
        self.input.place()
    }

    /// Returns the next item; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the file cannot be read any further. Anything read before remains valid.
    pub fn read(&mut self) -> Result<Option<Item<'_>>, ReadError> {
        loop {
            match self.state {
                State::Ended => return Ok(None),
                State::Events => match self.input.peek()? {
                    None => return self.end(Ending::Unclosed(self.input.place())),
                    Some(b',') => {
                        if self.trailing_comma || !self.after_value {
                            self.bad_comma.get_or_insert(self.input.place());
                        }
                        self.trailing_comma = true;
                        self.input.advance(1);
                    }
                    Some(b']') => {
                        self.input.advance(1);
                        self.state = if self.form == Form::Array { State::Tail } else { State::Keys };
                    }
                    Some(byte @ (b'}' | b':')) => return Err(self.damaged(byte, "an event")),
                    Some(byte) => {
                        if self.after_value && !self.trailing_comma {
                            self.bad_comma.get_or_insert(self.input.place());
                        }
                        (self.trailing_comma, self.after_value) = (false, true);
                        return self.value(byte, true);
                    }
                },
                State::Keys => match self.input.peek()? {
                    None => return self.end(Ending::Unclosed(self.input.place())),
                    Some(b',') => self.input.advance(1),
                    Some(b'}') => {
                        self.input.advance(1);
                        self.state = State::Tail;
                    }
                    Some(b'"') => {
                        if let Some(byte) = self.key()? {
                            return self.value(byte, false);
                        }
                    }
                    Some(byte) => return Err(self.damaged(byte, "a key")),
                },
                State::Tail => {
                    if !self.events_seen {
                        return Err(ReadError::Foreign(looks::object(&self.keys)));
                    }
                    let rest = self.input.peek()?;
                    self.state = State::Ended;
                    self.ending = Ending::Whole;
                    if rest.is_some() {
                        let place = self.input.place();
                        return Ok(Some(Item::Skipped { place, why: Skip::Trailing }));
                    }
                }
            }
        }
    }

    /// Reads a key and returns the first byte of its value; `None` if the events begin or the file ends.
    fn key(&mut self) -> Result<Option<u8>, ReadError> {
        let place = self.input.place();
        let Some(split) = self.split()? else {
            return self.end(Ending::CutOff(place)).map(|_| None);
        };
        self.key.clear();
        if split.kept && split.len <= 1 << 10 {
            self.key.extend_from_slice(self.input.taken(split.len));
        }
        match self.input.peek()? {
            None => return self.end(Ending::CutOff(place)).map(|_| None),
            Some(b':') => self.input.advance(1),
            Some(byte) => return Err(self.damaged(byte, "a colon")),
        }
        let name = String::from_utf8_lossy(&self.key);
        let name = name.trim_matches('"');
        let is_events = name == "traceEvents";
        if self.keys.len() < KEYS_KEPT && !is_events {
            self.keys.push(loop_probes::text::printable(name).chars().take(40).collect());
        }
        let first = self.input.peek()?;
        match first {
            None => self.end(Ending::CutOff(place)).map(|_| None),
            Some(b'[') if is_events => {
                self.input.advance(1);
                self.events_seen = true;
                self.state = State::Events;
                Ok(None)
            }
            Some(byte) if is_events => Err(self.damaged(byte, "the list of events")),
            Some(byte @ (b',' | b'}' | b']' | b':')) => Err(self.damaged(byte, "a value")),
            Some(byte) => Ok(Some(byte)),
        }
    }

    fn value(&mut self, first: u8, is_event: bool) -> Result<Option<Item<'_>>, ReadError> {
        let place = self.input.place();
        let Some(split) = self.split()? else { return self.end(Ending::CutOff(place)) };
        let skipped = if !split.kept {
            Some(Skip::TooLong)
        } else if split.depth > DEPTH_MAX {
            Some(Skip::TooDeep)
        } else if is_event && first != b'{' {
            Some(Skip::NoObject)
        } else {
            None
        };
        Ok(Some(match skipped {
            Some(why) => Item::Skipped { place, why },
            None if is_event => Item::Event { place, text: self.input.taken(split.len) },
            None => Item::Other { place, key: &self.key, text: self.input.taken(split.len) },
        }))
    }

    /// Reads one value. `None` if the file ends within it.
    fn split(&mut self) -> Result<Option<Split>, ReadError> {
        let mut splitter = Splitter::default();
        let (mut len, mut kept) = (0_usize, true);
        loop {
            let ahead = self.input.rest(len);
            let (used, done) = splitter.feed(ahead);
            len += used;
            if done {
                break;
            }
            if len > VALUE_BYTES_MAX {
                // Read on to its end, discarding it.
                kept = false;
                self.input.advance(len);
                len = 0;
            }
            if !self.input.more()? {
                if splitter.ends_with_input() {
                    break;
                }
                self.input.advance(len);
                return Ok(None);
            }
        }
        self.input.advance(len);
        Ok(Some(Split { len, kept, depth: splitter.depth_max() }))
    }

    fn end(&mut self, ending: Ending) -> Result<Option<Item<'_>>, ReadError> {
        self.state = State::Ended;
        self.ending = ending;
        if !self.events_seen {
            let cut = ", and it is cut off";
            return Err(ReadError::Foreign(looks::object(&self.keys) + cut));
        }
        Ok(None)
    }

    fn damaged(&self, byte: u8, expected: &'static str) -> ReadError {
        ReadError::Damaged { place: self.input.place(), found: looks::byte(byte), expected }
    }
}

struct Split {
    len: usize,
    kept: bool,
    depth: u32,
}

#[cfg(test)]
mod tests;
