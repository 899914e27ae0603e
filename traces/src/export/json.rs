//! Buffered output of text and JSON by hand, from integers: an export has millions of events, none of which needs a
//! float.

use std::io::{self, Write};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 1 << 18;

/// A viewer that keeps numbers as doubles would round integers above this, so they are written as strings.
const EXACT_MAX: u64 = 1 << 53;

/// The last time, in nanoseconds (12 days), at which two doubles of microseconds are less than half a nanosecond.
const FINE_MAX_NS: u64 = (1 << 40) * 1_000;

/// Gathers text and writes it in large pieces.
#[derive(Debug)]
pub(crate) struct JsonOut<W> {
    out: W,
    buffer: Vec<u8>,
    pub(crate) bytes: u64,
    /// Whether times are rounded down to microseconds.
    is_coarse: bool,
}

impl<W: Write> JsonOut<W> {
    pub(crate) fn new(out: W) -> Self {
        // The buffer grows to full size only once needed: there may be thousands, one for each emitter, and most hold
        // little.
        Self { out, buffer: Vec::new(), bytes: 0, is_coarse: false }
    }

    /// Appends text unchanged: it must be JSON already.
    #[inline]
    pub(crate) fn raw(&mut self, text: &str) -> &mut Self {
        self.buffer.extend_from_slice(text.as_bytes());
        self
    }

    /// Appends an integer as a JSON number, or as a string if it is too large for one.
    #[inline]
    pub(crate) fn number(&mut self, value: u64) -> &mut Self {
        if value <= EXACT_MAX {
            return self.plain(value);
        }
        self.raw("\"").plain(value).raw("\"")
    }

    /// Appends an integer as a JSON number, however large, for readers that accept no other form.
    #[inline]
    pub(crate) fn plain(&mut self, value: u64) -> &mut Self {
        self.buffer.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self
    }

    /// Text gathered and not yet written.
    pub(crate) const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Writes everything from `from`, piece by piece.
    pub(crate) fn copy(&mut self, from: &mut impl io::Read) -> io::Result<()>
    where
        W: Write,
    {
        self.flush()?;
        self.bytes += io::copy(from, &mut self.out)?;
        Ok(())
    }

    /// Appends nanoseconds as microseconds with three decimals.
    #[inline]
    pub(crate) fn micros(&mut self, ns: u64) -> &mut Self {
        let rest = (ns % 1_000) as u16;
        self.buffer.extend_from_slice(itoa::Buffer::new().format(ns / 1_000).as_bytes());
        let digit = |value: u16| b'0' + (value % 10) as u8;
        self.buffer.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
        self
    }

    /// Rounds all times down to microseconds if the latest one, `latest_ns`, is so late that an end moved by one or two
    /// doubles, as rounded by a reader, would no longer nest.
    pub(crate) const fn hold_times_up_to(&mut self, latest_ns: u64) {
        self.is_coarse = latest_ns > FINE_MAX_NS;
    }

    const fn rounded(&self, ns: u64) -> u64 {
        if self.is_coarse { ns - ns % 1_000 } else { ns }
    }

    /// Appends a time in microseconds.
    #[inline]
    pub(crate) fn time(&mut self, ns: u64) -> &mut Self {
        self.micros(self.rounded(ns))
    }

    /// Appends, in microseconds, the duration from `start` to `end` on a thread whose first slice begins at `first`.
    ///
    /// speedscope subtracts the first slice's time from all others and adds times and durations, all as doubles. An end
    /// that exceeds its time by the last bit then lies after the beginning of what follows, or after the end of what
    /// surrounds it, and is misplaced. An end that matches exactly is misread too if what begins there has the same
    /// name: one tick then lies inside another. So everything that ends at one time is made to end at the same double,
    /// one or two before the exact one. That takes decimals far below the half nanosecond by which others round.
    pub(crate) fn duration(&mut self, first: u64, start: u64, end: u64) -> &mut Self {
        let [first, start, end] = [first, start, end].map(|ns| self.rounded(ns));
        let dur = end.saturating_sub(start);
        // Beyond that, doubles cannot hold nanoseconds, and nothing can be corrected.
        if dur == 0 || (end > EXACT_MAX && !self.is_coarse) {
            return self.micros(dur);
        }
        let as_read = |ns: u64| ns as f64 / 1_000.0;
        let from = as_read(start) - as_read(first);
        let to = sum_before(as_read(end) - as_read(first));
        // It must still round to its nanosecond, or to its microsecond.
        let off_ns = if self.is_coarse { 700.0 } else { 0.4 };
        let is_it = |value: f64| {
            (from + value).total_cmp(&to).is_eq() && (value * 1_000.0 - dur as f64).abs() < off_ns
        };
        let least = decimals(to);
        for places in least..least + 3 {
            let Some(unit) = 10_u64.checked_pow(places).filter(|_| places <= PLACES_MAX) else { break };
            // Both are exact as doubles, so their quotient is what a reader makes of the text.
            let scaled = ((to - from) * unit as f64).round() as u64;
            if scaled > EXACT_MAX {
                break;
            }
            if is_it(scaled as f64 / unit as f64) {
                self.buffer.extend_from_slice(itoa::Buffer::new().format(scaled / unit).as_bytes());
                // A leading one keeps the zeros after it.
                let mut digits = itoa::Buffer::new();
                let digits = digits.format(unit + scaled % unit).as_bytes();
                self.buffer.push(b'.');
                self.buffer.extend_from_slice(&digits[1..]);
                return self;
            }
        }
        // A slice longer than most of what preceded it has more digits than a double holds as an integer.
        let repaired = (least..least + 4).find_map(|places| {
            let text = format!("{:.*}", places as usize, to - from);
            is_it(text.parse().ok()?).then_some(text)
        });
        match repaired {
            Some(text) => self.raw(&text),
            None => self.micros(dur),
        }
    }

    /// Appends text as a JSON string.
    pub(crate) fn string(&mut self, text: &str) -> &mut Self {
        self.buffer.push(b'"');
        self.escaped(text);
        self.buffer.push(b'"');
        self
    }

    /// Appends text escaped for the inside of a JSON string.
    pub(crate) fn escaped(&mut self, text: &str) -> &mut Self {
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20 | 0x7f);
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(is_special) {
            let byte = rest[at];
            self.buffer.extend_from_slice(&rest[..at]);
            rest = &rest[at + 1..];
            if matches!(byte, b'"' | b'\\') {
                self.buffer.extend_from_slice(&[b'\\', byte]);
            } else {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                self.buffer.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
        self.buffer.extend_from_slice(rest);
        self
    }

    /// Writes what was gathered once there is enough of it.
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

/// Maximum number of decimals for which a power of ten is an exact double.
const PLACES_MAX: u32 = 18;

/// The double that sums should reach for an end: just before it, and with the last bit clear, because if a slice is
/// longer than everything before it, the sum is rounded to such a value.
fn sum_before(end: f64) -> f64 {
    let before = end.next_down();
    if before.to_bits() & 1 == 0 { before } else { before.next_down() }
}

/// The number of decimals that distinguish a double from its neighbours.
fn decimals(value: f64) -> u32 {
    let exponent = ((value.to_bits() >> 52) & 0x7ff) as u32;
    // Its last bit is worth 2^-bits; a decimal is worth log2(10) bits.
    let bits = (1_023_u32 + 52).saturating_sub(exponent);
    ((bits * 1_233) >> 12) + 1
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
    fn all_that_ends_at_one_time_adds_up_to_one_double_before_it() {
        let firsts = [0, 7, 1_234_567, 999_999_999_999];
        let starts = (0..40_u32).flat_map(|bits| (0..200_u64).map(move |n| (n, (1_u64 << bits) + n * 7_919)));
        for (first, (number, start)) in firsts.into_iter().flat_map(|first| {
            let starts = starts.clone();
            starts.map(move |(number, start)| (first, (number, first + start)))
        }) {
            let end = start + 1 + number * number * 613;
            let as_read = |ns: u64| ns as f64 / 1e3;
            let rebased = |ns: u64| as_read(ns) - as_read(first);
            for start in [start, first] {
                let text = written(|out| {
                    out.duration(first, start, end);
                });
                let read: f64 = text.parse().unwrap();
                let (sum, end_read) = (rebased(start) + read, rebased(end));
                assert_eq!(sum.to_bits(), sum_before(end_read).to_bits(), "{first}, {start} and {text}");
                assert!(sum < end_read && rebased(start) < sum, "{first}, {start} and {text}");
                assert!((read * 1e3 - (end - start) as f64).abs() < 0.4, "{} is not {text}", end - start);
            }
        }
        // Values that a double cannot hold stay unchanged, and so do empty slices.
        let far = |start, end| {
            written(|out| {
                out.duration(0, start, end);
            })
        };
        assert_eq!((far(u64::MAX - 5_000, u64::MAX), far(7, 7)), ("5.000".to_owned(), "0.000".to_owned()));
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
