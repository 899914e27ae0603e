//! JSON by hand, from integers: an export has millions of events, and none of them needs a float.

use std::io::{self, Write};

/// Bytes gathered before they are handed on.
const BUFFER_BYTES: usize = 1 << 16;

/// Above this, a viewer that keeps numbers as doubles would round: such integers are written as strings.
const EXACT_MAX: u64 = 1 << 53;

/// Gathers text and hands it on in large pieces.
#[derive(Debug)]
pub(crate) struct JsonOut<W> {
    out: W,
    buffer: Vec<u8>,
    pub(crate) bytes: u64,
}

impl<W: Write> JsonOut<W> {
    pub(crate) fn new(out: W) -> Self {
        let buffer = Vec::with_capacity(BUFFER_BYTES + 4096);
        Self { out, buffer, bytes: 0 }
    }

    /// Text as it is: it must be JSON already.
    #[inline]
    pub(crate) fn raw(&mut self, text: &str) -> &mut Self {
        self.buffer.extend_from_slice(text.as_bytes());
        self
    }

    /// An integer as a number of JSON, a string where it is too large for one.
    #[inline]
    pub(crate) fn number(&mut self, value: u64) -> &mut Self {
        let exact = value <= EXACT_MAX;
        if !exact {
            self.buffer.push(b'"');
        }
        self.buffer.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        if !exact {
            self.buffer.push(b'"');
        }
        self
    }

    /// An integer as a number of JSON, however large: for readers that have no other form.
    #[inline]
    pub(crate) fn plain(&mut self, value: u64) -> &mut Self {
        self.buffer.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self
    }

    /// What `other` gathered.
    pub(crate) fn append<V>(&mut self, other: &JsonOut<V>) {
        self.buffer.extend_from_slice(&other.buffer);
    }

    /// Bytes gathered and not yet handed on.
    pub(crate) fn gathered(&self) -> usize {
        self.buffer.len()
    }

    /// Nanoseconds as microseconds with three decimals.
    #[inline]
    pub(crate) fn micros(&mut self, ns: u64) -> &mut Self {
        let rest = (ns % 1_000) as u16;
        self.buffer.extend_from_slice(itoa::Buffer::new().format(ns / 1_000).as_bytes());
        let digit = |value: u16| b'0' + (value % 10) as u8;
        self.buffer.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
        self
    }

    /// Text as a JSON string.
    pub(crate) fn string(&mut self, text: &str) -> &mut Self {
        self.buffer.push(b'"');
        self.escaped(text);
        self.buffer.push(b'"');
        self
    }

    /// Text for the inside of a JSON string.
    pub(crate) fn escaped(&mut self, text: &str) -> &mut Self {
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' => self.buffer.extend_from_slice(&[b'\\', byte]),
                0..0x20 | 0x7f => {
                    const HEX: &[u8; 16] = b"0123456789abcdef";
                    let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                    self.buffer.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
                }
                // The bytes of a longer character stay together: the text is UTF-8.
                byte => self.buffer.push(byte),
            }
        }
        self
    }

    /// Hands on what was gathered once it is much.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut JsonOut<&mut Vec<u8>>)) -> String {
        let mut bytes = Vec::new();
        let mut out = JsonOut::new(&mut bytes);
        write(&mut out);
        out.flush().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn microseconds_are_exact() {
        let shown = |ns| {
            written(|out| {
                out.micros(ns);
            })
        };
        assert_eq!(
            [shown(0), shown(7), shown(1_050), shown(123_456_789)],
            ["0.000", "0.007", "1.050", "123456.789"]
        );
        assert_eq!(shown(u64::MAX), "18446744073709551.615");
    }

    #[test]
    fn integers_that_a_double_cannot_hold_are_strings() {
        assert_eq!(
            written(|out| {
                out.number(1 << 53);
            }),
            "9007199254740992"
        );
        assert_eq!(
            written(|out| {
                out.number(u64::MAX);
            }),
            "\"18446744073709551615\""
        );
    }

    #[test]
    fn any_text_is_a_valid_string() {
        for text in ["", "a\"b\\c", "\u{0}\u{1f}\u{7f}\n\t", "ü€😀\u{2028}", "</script>"] {
            let json = written(|out| {
                out.string(text);
            });
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            assert!(!json.chars().any(|character| character.is_ascii_control()));
        }
    }
}
