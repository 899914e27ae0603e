//! Times of a Chrome trace: microseconds as decimal text, exact to the nanosecond and beyond, never converted through a
//! float.

/// A time or a duration in picoseconds, so that both ends of a slice are rounded only once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Micros {
    ps: i128,
}

/// Limit in nanoseconds on either side of zero, from which on a time is out of range (146 years): viewers hold signed
/// 64-bit nanoseconds.
const NS_MAX: u64 = 1 << 62;

impl Micros {
    /// Parses `text`: digits, with optional sign, fraction and exponent. Decimals beyond the picosecond are cut off.
    /// `None` if it is not a number or out of range.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (digits, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut value: i128 = 0;
        // The position of the decimal point, counted from the last digit taken, in picoseconds.
        let mut scale = 6_i32.checked_add(exponent)?;
        for (is_fraction, part) in [(false, whole), (true, fraction)] {
            for digit in part.bytes() {
                if !digit.is_ascii_digit() {
                    return None;
                }
                if value < 10_i128.pow(30) {
                    value = value * 10 + i128::from(digit - b'0');
                    scale = scale.checked_sub(i32::from(is_fraction))?;
                } else if !is_fraction {
                    scale = scale.checked_add(1)?;
                }
            }
        }
        let ps = match scale {
            _ if value == 0 => 0,
            0..30 => value.checked_mul(10_i128.pow(scale.unsigned_abs()))?,
            -37..0 => value / 10_i128.pow(scale.unsigned_abs()),
            30.. => return None,
            _ => 0,
        };
        (ps / 1000 < i128::from(NS_MAX)).then_some(Self { ps: if negative { -ps } else { ps } })
    }

    /// Rounds to the nearest nanosecond.
    #[must_use]
    pub const fn ns(self) -> i64 {
        let rounded = (self.ps + 500).div_euclid(1000);
        // In range, as ensured by `parse` and `plus`.
        rounded as i64
    }

    /// The end of an interval that begins here and lasts `dur`, clamped to the range.
    #[must_use]
    pub fn plus(self, dur: Self) -> Self {
        let ps_max = i128::from(NS_MAX) * 1000;
        Self { ps: (self.ps + dur.ps).clamp(-ps_max, ps_max) }
    }

    /// Whether it lies before zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.ps < 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ns(text: &str) -> Option<i64> {
        Micros::parse(text).map(Micros::ns)
    }

    #[test]
    fn decimal_text_is_exact() {
        assert_eq!(ns("0"), Some(0));
        assert_eq!(ns("1.5"), Some(1500));
        assert_eq!(ns("81995533209.122"), Some(81_995_533_209_122));
        assert_eq!(ns("1700000000000000.123"), Some(1_700_000_000_000_000_123));
        assert_eq!(ns("-2.0015"), Some(-2001));
        assert_eq!(ns("1e3"), Some(1_000_000));
        assert_eq!(ns("1.25E-2"), Some(13));
        assert_eq!(ns("0.0004"), Some(0));
        assert_eq!(ns("0.0005"), Some(1));
        assert_eq!(ns(&format!("1.{}", "3".repeat(400))), Some(1333));
    }

    #[test]
    fn what_is_no_number_or_too_large_is_none() {
        for text in
            ["", "-", ".", "NaN", "1e99", "1e999999999999", "12a", "0x10", "1.2.3", "9999999999999999999"]
        {
            assert_eq!(ns(text), None, "{text}");
        }
        assert_eq!(ns(&"9".repeat(400)), None);
        assert_eq!(ns("0e999999"), Some(0));
        assert_eq!(ns("1e-999999"), Some(0));
    }

    #[test]
    fn both_ends_are_rounded_once() {
        let start = Micros::parse("0.0004").unwrap();
        let dur = Micros::parse("0.0004").unwrap();
        assert_eq!((start.ns(), dur.ns(), start.plus(dur).ns()), (0, 0, 1));
    }
}
