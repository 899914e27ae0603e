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

    /// The duration of what begins at `start`, in microseconds, so that the two as doubles add up to one and the
    /// same double for all that ends at that time. With three decimals the sum often misses the end by the last bit,
    /// and speedscope, which adds them, then sees what touches overlap. Further decimals, far below the half
    /// nanosecond by which others round, mend that.
    pub(crate) fn duration(&mut self, start: u64, dur: u64) -> &mut Self {
        let end = start.saturating_add(dur);
        // Above, doubles hold no nanoseconds, and nothing can be mended.
        if end > EXACT_MAX {
            return self.micros(dur);
        }
        let as_written = |ns: u64| ns as f64 / 1_000.0;
        let (from, to) = (as_written(start), end_sum(as_written(end)));
        let reaches = |dur: f64| (from + dur).total_cmp(&to).is_eq();
        if reaches(as_written(dur)) {
            return self.micros(dur);
        }
        let decimals = (-(to.next_up() - to).log10()).ceil().max(4.0) as usize;
        let mended = (decimals..decimals + 4).find_map(|decimals| {
            let text = format!("{:.decimals$}", to - from);
            let value: f64 = text.parse().ok()?;
            // It must still round to its nanosecond.
            (reaches(value) && (value * 1_000.0 - dur as f64).abs() < 0.4).then_some(text)
        });
        match mended {
            Some(text) => self.raw(&text),
            None => self.micros(dur),
        }
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

/// The double that sums reach for an end: with its last bit clear, because where a slice is longer than all that was
/// before it, the sum is rounded to such a one, and never later than the time itself as it is read.
fn end_sum(end: f64) -> f64 {
    if end.to_bits() & 1 == 0 { end } else { end.next_down() }
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
    fn a_start_and_its_duration_add_up_to_the_end() {
        let mut mended = 0;
        for (number, start) in (0..40_u32).flat_map(|bits| (0..200_u32).map(move |n| (n, 1_u64 << bits))) {
            let (start, dur) = (start + u64::from(number) * 7_919, 1 + u64::from(number * number) * 613);
            let text = written(|out| {
                out.duration(start, dur);
            });
            let read: f64 = text.parse().unwrap();
            let (sum, end) = (start as f64 / 1e3 + read, (start + dur) as f64 / 1e3);
            assert_eq!(sum.to_bits(), end_sum(end).to_bits(), "{start} and {text}");
            assert!(sum <= end && sum.next_up() >= end, "{start} and {text}");
            assert!((read * 1e3 - dur as f64).abs() < 0.4, "{dur} is not {text}");
            mended += u32::from(text.split_once('.').unwrap().1.len() > 3);
        }
        assert!(mended > 100, "only {mended} had anything to mend");
        // What a double cannot hold stays as it is.
        let far = written(|out| {
            out.duration(u64::MAX - 5_000, 5_000);
        });
        assert_eq!(far, "5.000");
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
