//! Conditions: a metric against a bound, as users write it: `timer_lag.max > 20ms`, `stalls == 0`.
//!
//! The bound has the metric's unit: times `850ns`, `3us`, `20ms`, `1.5s`, `2m`; shares `0.8` or `80%`; sizes
//! `512B`, `3KiB`, `3MiB`, `1GiB`; counts and rates are numbers alone.

use std::fmt;
use std::str::FromStr;

use loop_probes::text::printable;

use super::metric::{Metric, Unit, UnknownMetric, Value};
use crate::summary::Summary;

/// A metric against a bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The metric to compare.
    pub metric: Metric,
    /// The required relation to the bound.
    pub comparison: Comparison,
    /// In the metric's unit.
    pub bound: f64,
}

/// The relation of a figure to a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// The text is not a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// The condition has no comparison.
    #[error("{text:?} compares nothing; write it as `timer_lag.max > 20ms`, with one of < <= > >= == !=")]
    NoComparison {
        /// What was written.
        text: String,
    },
    /// The metric is unknown.
    #[error(transparent)]
    Metric(#[from] UnknownMetric),
    /// The bound does not suit the metric.
    #[error(transparent)]
    Bound(#[from] BoundError),
}

/// The text is not a value of the metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} {what} of {metric}; write it as {example}")]
pub struct BoundError {
    text: String,
    what: NoNumber,
    metric: String,
    example: &'static str,
}

/// Why a text cannot be a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoNumber {
    /// The text is not a number with a unit.
    Unreadable,
    /// The number would be rounded, and a figure next to it would be on the wrong side.
    TooManyDigits,
    /// The number is above the largest figure there is ([`u64::MAX`], or 1 for a share), so a condition on it would compare
    /// nothing.
    TooLarge,
}

impl fmt::Display for NoNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "is no value",
            Self::TooManyDigits => "has more digits than can be compared with a value",
            Self::TooLarge => "is larger than any value",
        })
    }
}

impl Comparison {
    /// Longer signs first: `<=` begins with `<`.
    const ALL: [Self; 6] = [Self::AtMost, Self::AtLeast, Self::Equal, Self::NotEqual, Self::Less, Self::More];

    /// The sign as written.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }

    /// Whether `number` has this relation to `bound`.
    #[must_use]
    pub fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Less => number < bound,
            Self::AtMost => number <= bound,
            Self::More => number > bound,
            Self::AtLeast => number >= bound,
            Self::Equal => number == bound,
            Self::NotEqual => number != bound,
        }
    }
}

impl Condition {
    /// Whether the condition holds in `summary`; `None` if the metric was not measured.
    #[must_use]
    pub fn holds(&self, summary: &Summary) -> Option<bool> {
        let value = self.metric.of(summary)?;
        Some(self.comparison.holds(value.number, self.bound))
    }
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        // A tag may contain these signs, a bound may not: the last one counts.
        let missing = || ConditionError::NoComparison { text: text.to_owned() };
        let last = text.rfind(['<', '>', '=', '!']).ok_or_else(missing)?;
        let behind = last + 1;
        let found = Comparison::ALL.into_iter().find(|sign| text[..behind].ends_with(sign.sign()));
        let comparison = found.ok_or_else(missing)?;
        let metric: Metric = text[..behind - comparison.sign().len()].parse()?;
        let bound = bound(&metric, &text[behind..])?;
        Ok(Self { metric, comparison, bound })
    }
}

impl fmt::Display for Condition {
    /// Exact, so that it parses back to the same condition.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.metric, self.comparison.sign())?;
        match self.metric.unit() {
            Unit::Ns => f.write_str(&exact_time(self.bound)),
            Unit::Bytes => write!(f, "{}B", exact_number(self.bound)),
            Unit::Count | Unit::Ratio | Unit::PerSecond => f.write_str(&exact_number(self.bound)),
        }
    }
}

/// All digits of a whole number: `f64` writes zeros for those after its 17th.
fn exact_number(number: f64) -> String {
    if number.fract() == 0.0 { (number as u128).to_string() } else { number.to_string() }
}

fn exact_time(ns: f64) -> String {
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")];
    let whole = ns as u128;
    let unit =
        units.iter().find(|(unit, _)| ns.fract() == 0.0 && whole >= *unit && whole.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{}ns", exact_number(ns)), |(unit, name)| format!("{}{name}", whole / unit))
}

/// Parses a bound of `metric`.
///
/// # Errors
///
/// [`BoundError`] if the text is not a number, has another unit, is above every value of the metric, or would have to be
/// rounded to a whole number.
pub fn bound(metric: &Metric, text: &str) -> Result<f64, BoundError> {
    let unit = metric.unit();
    let within =
        |bound: f64| if unit == Unit::Ratio && bound > 1.0 { Err(NoNumber::TooLarge) } else { Ok(bound) };
    number(unit, text.trim()).and_then(within).map_err(|what| BoundError {
        text: text.trim().to_owned(),
        what,
        metric: printable(&metric.to_string()),
        example: match unit {
            Unit::Ns => "850ns, 3us, 20ms or 1.5s",
            Unit::Bytes => "512B, 3KiB or 3MiB",
            Unit::Ratio => "0.8 or 80%",
            Unit::Count | Unit::PerSecond => "a number",
        },
    })
}

fn number(unit: Unit, text: &str) -> Result<f64, NoNumber> {
    // The factor, and the power of ten by which the number is divided.
    let suffixes: &[(&str, u128, usize)] = match unit {
        // `ns` and `ms` before `s`, which they end with.
        Unit::Ns => &[
            ("ns", 1, 0),
            ("us", 1_000, 0),
            ("µs", 1_000, 0),
            ("μs", 1_000, 0),
            ("ms", 1_000_000, 0),
            ("s", 1_000_000_000, 0),
            ("m", 60_000_000_000, 0),
        ],
        Unit::Bytes => &[
            ("KiB", 1 << 10, 0),
            ("MiB", 1 << 20, 0),
            ("GiB", 1 << 30, 0),
            ("kB", 1_000, 0),
            ("MB", 1_000_000, 0),
            ("GB", 1_000_000_000, 0),
            ("B", 1, 0),
        ],
        Unit::Ratio => &[("%", 1, 2), ("", 1, 0)],
        Unit::Count => &[("", 1, 0)],
        Unit::PerSecond => &[("/s", 1, 0), ("", 1, 0)],
    };
    if text == "0" {
        return Ok(0.0);
    }
    let found = suffixes.iter().find_map(|(suffix, by, tens)| Some((text.strip_suffix(suffix)?, by, tens)));
    let (digits, factor, tens) = found.ok_or(NoNumber::Unreadable)?;
    let digits = digits.trim_end();
    // `f64` also parses `inf`, `nan` and `1e9`, which are never meant here.
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_plain || digits.parse::<f64>().is_err() {
        return Err(NoNumber::Unreadable);
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    exact(&[whole, fraction].concat(), *factor, fraction.len() + tens)
}

/// Returns `digits * factor / 10^tens`, or an error if rounding to a double would change a comparison with a figure: so
/// `1.1ms` equals a recorded 1,100,000, and nothing becomes a whole number by rounding.
fn exact(digits: &str, factor: u128, tens: usize) -> Result<f64, NoNumber> {
    const TENS_MAX: usize = 26;
    let digits = digits.trim_start_matches('0');
    if tens > TENS_MAX {
        return Err(NoNumber::TooManyDigits);
    }
    let digits: u128 =
        if digits.is_empty() { 0 } else { digits.parse().map_err(|_| NoNumber::TooManyDigits)? };
    let scaled = digits.checked_mul(factor).ok_or(NoNumber::TooManyDigits)?;
    let divisor = 10_u128.pow(u32::try_from(tens).expect("at most 26"));
    let (below, is_whole) = (scaled / divisor, scaled.is_multiple_of(divisor));
    if below > u128::from(u64::MAX) {
        return Err(NoNumber::TooLarge);
    }
    // Parsing rounds once, so that a fraction that is written out is parsed back to itself.
    let value: f64 = format!("{scaled}e-{tens}").parse().expect("digits and an exponent");
    let is_exact = value as u128 == below && (value.fract() == 0.0) == is_whole;
    if is_exact { Ok(value) } else { Err(NoNumber::TooManyDigits) }
}

/// Parses a share: `0.1` or `10%`. `None` if it is not one.
#[must_use]
pub fn share(text: &str) -> Option<f64> {
    number(Unit::Ratio, text.trim()).ok()
}

/// Formats a bound as reports show it.
#[must_use]
pub fn shown(metric: &Metric, bound: f64) -> String {
    Value { number: bound, unit: metric.unit() }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::EventSource as _;
    use crate::synthetic::Script;
    use crate::timeline::Timeline;

    fn read(text: &str) -> Condition {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn conditions_are_read_and_written() {
        for (text, bound) in [
            ("timer_lag.max > 20ms", 2e7),
            ("stalls == 0", 0.0),
            ("utilization <= 0.8", 0.8),
            ("task.a > b == c.run.p99 != 1500ns", 1500.0),
            ("gc.heap.max < 3145728B", 3_145_728.0),
            ("tasks.rate >= 12.5", 12.5),
        ] {
            let condition = read(text);
            assert_eq!(condition.bound, bound, "{text}");
            assert_eq!(read(&condition.to_string()), condition);
        }
        assert_eq!(read("gc.heap.max<3MiB").bound, 3_145_728.0);
        assert_eq!(read(" utilization>=10% ").bound, 0.1);
        assert_eq!(read("timer_lag.p50 < 1.1ms").bound, 1_100_000.0);
        assert_eq!(read("timer_lag.p50 < 2m").bound, 120e9);
        // Not rounded: nothing but 0 is below it.
        assert_eq!(read("span < 0.0000000001ns").bound, 1e-10);
        assert_eq!(read("gc.heap.max < 1.1KiB").bound, 1126.4);
        for share in 0..=100 {
            assert_eq!(read(&format!("utilization < {share}%")).bound, f64::from(share) / 100.0);
            let ms = f64::from(share) / 10.0;
            assert_eq!(read(&format!("busy < {ms}ms")).bound, f64::from(share) * 1e5);
        }
        assert_eq!(read("task.a > b == c.run.p99 != 1500ns").metric.subject(), Some("a > b == c"));
        assert_eq!(read("stalls != 1").comparison, Comparison::NotEqual);
    }

    #[test]
    fn bounds_are_written_with_all_their_digits() {
        for text in [
            "span < 18446744073709549568ns",
            "gc.heap.max < 18446744073709549568B",
            "stalls < 9007199254740994",
        ] {
            assert_eq!(read(text).to_string(), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn a_bound_is_parsed_back_from_how_it_is_written(
            metric in proptest::sample::select(vec!["span", "gc.heap.max", "utilization", "tasks.rate", "stalls"]),
            digits in "[0-9]{1,22}", fraction in "[0-9]{0,20}", unit in "(ns|us|ms|s|m|B|KiB|%|)",
        ) {
            if let Ok(condition) = format!("{metric} < {digits}.{fraction}{unit}").parse::<Condition>() {
                proptest::prop_assert_eq!(condition.to_string().parse(), Ok(condition));
            }
        }
    }

    #[test]
    fn errors_say_what_to_write() {
        for (text, says) in [
            ("timer_lag.max", "compares nothing"),
            ("stalls = 0", "compares nothing"),
            ("timerlag.max > 20ms", "did you mean timer_lag.max"),
            ("timer_lag.max > 20", "850ns, 3us, 20ms or 1.5s"),
            ("timer_lag.max > -1ms", "\"-1ms\" is no value of timer_lag.max"),
            ("stalls > 3ms", "a number"),
            ("utilization > inf", "0.8 or 80%"),
            ("tasks.rate > 1e9", "a number"),
            ("stalls > 0.9999999999999999999", "has more digits than can be compared with a value of stalls"),
            ("ticks.count > 18446744073709551615", "has more digits"),
            ("utilization < 99.99999999999999999%", "has more digits"),
            ("utilization < 80", "is larger than any value of utilization; write it as 0.8 or 80%"),
            ("utilization < 100.1%", "is larger than any value"),
            ("span > 0.00000000000000000000000000001ns", "has more digits"),
            ("tasks.wait.p90 != 18446744073709551616m", "is larger than any value of tasks.wait.p90"),
            ("gc.heap.max < 18446744073709551616B", "is larger than any value"),
        ] {
            let error = text.parse::<Condition>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn conditions_hold_or_fail_or_were_not_measured() {
        let script = Script { ticks: 700, ..Script::default() };
        let source = script.source();
        let mut timeline = Timeline::of(source.metadata());
        timeline.extend(source.events());
        let summary = Summary::new(&source, &timeline);
        assert_eq!(read("stalls > 0").holds(&summary), Some(true));
        assert_eq!(read("stalls == 0").holds(&summary), Some(false));
        assert_eq!(read("ticks.count == 700").holds(&summary), Some(true));
        assert_eq!(read("task.Nobody.run.max > 0").holds(&summary), None);
    }
}
