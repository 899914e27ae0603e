//! What a reader returns: the parts of a file with their positions, how the file ended, and errors.

use std::io;

/// Maximum size in bytes of one event, or of any other value in the file; longer ones are skipped.
pub const VALUE_BYTES_MAX: usize = 16 << 20;

/// Deepest nesting of brackets within one event.
pub const DEPTH_MAX: u32 = 100;

/// A position in the text, after decompression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Number of bytes before this place.
    pub offset: u64,
    /// The line, from 1.
    pub line: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, byte {}", self.line, self.offset)
    }
}

/// How the file holds its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `[…]`, which viewers accept even if cut off.
    Array,
    /// `{"traceEvents":[…]}`.
    Object,
}

/// How the file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Not reached yet.
    Unread,
    /// The file is complete.
    Whole,
    /// After a whole event, but without the bracket that closes the list or the object.
    Unclosed(Position),
    /// In the middle of the value that begins here.
    CutOff(Position),
}

/// A part of a file, in file order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item<'a> {
    /// An event: an object, as text. [`ChromeEvent::parse`](super::ChromeEvent::parse) reads it.
    Event {
        /// Where it begins.
        place: Position,
        /// The event's text, brackets included.
        text: &'a [u8],
    },
    /// Another value of the file's object.
    Other {
        /// Where the value begins.
        place: Position,
        /// The value's key, including the quotes.
        key: &'a [u8],
        /// The value's text.
        text: &'a [u8],
    },
    /// A value that is skipped.
    Skipped {
        /// Where it begins.
        place: Position,
        /// Why the value was skipped.
        why: Skip,
    },
}

/// Why a value was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skip {
    /// The value has more than [`VALUE_BYTES_MAX`].
    TooLong,
    /// The value nests deeper than [`DEPTH_MAX`].
    TooDeep,
    /// The value is among the events but is not an object.
    NoObject,
    /// The value follows the end of the file's JSON.
    Trailing,
}

/// Why a file cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Reading failed.
    #[error("cannot be read beyond {place}: {source}")]
    Io {
        /// How far it was read.
        place: Position,
        /// The reason.
        source: io::Error,
    },
    /// The file is compressed, and expands far more than traces do.
    #[error("unpacks to more than 100 times its size beyond {place}: {packed} bytes were read by then")]
    Expands {
        /// How far it was read.
        place: Position,
        /// Compressed bytes read.
        packed: u64,
    },
    /// The file is not a Chrome trace.
    #[error("is not a Chrome trace: {0}")]
    Foreign(String),
    /// The file is not valid JSON at this point.
    #[error("is damaged at {place}: expected {expected}, found {found}")]
    Damaged {
        /// The position of the damage.
        place: Position,
        /// The text found there.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
}
