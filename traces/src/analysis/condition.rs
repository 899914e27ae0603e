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
    /// The metric.
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
    /// It has no comparison.
    #[error("{text:?} compares nothing; write it as `timer_lag.max > 20ms`, with one of < <= > >= == !=")]
    NoComparison {
        /// What was written.
        text: String,
    },
    /// It names an unknown metric.
    #[error(transparent)]
    Metric(#[from] UnknownMetric),
    /// Its bound does not suit the metric.
    #[error(transparent)]
    Bound(#[from] BoundError),
}

/// The text is not a value of the metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no value of {metric}; write it as {example}")]
pub struct BoundError {
    text: String,
    metric: String,
    example: &'static str,
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
    /// Whether it holds in `summary`; `None` if the metric was not measured.
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
            Unit::Bytes => write!(f, "{}B", self.bound),
            Unit::Count | Unit::Ratio | Unit::PerSecond => write!(f, "{}", self.bound),
        }
    }
}

fn exact_time(ns: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "us")];
    let whole = units.iter().find(|(unit, _)| ns >= *unit && ns % unit == 0.0);
    whole.map_or_else(|| format!("{ns}ns"), |(unit, name)| format!("{}{name}", ns / unit))
}

/// Parses a bound of `metric`.
///
/// # Errors
///
/// [`BoundError`] if the text is not a number, or has another unit.
pub fn bound(metric: &Metric, text: &str) -> Result<f64, BoundError> {
    let unit = metric.unit();
    number(unit, text.trim()).ok_or_else(|| BoundError {
        text: text.trim().to_owned(),
        metric: printable(&metric.to_string()),
        example: match unit {
            Unit::Ns => "850ns, 3us, 20ms or 1.5s",
            Unit::Bytes => "512B, 3KiB or 3MiB",
            Unit::Ratio => "0.8 or 80%",
            Unit::Count | Unit::PerSecond => "a number",
        },
    })
}

fn number(unit: Unit, text: &str) -> Option<f64> {
    let suffixes: &[(&str, f64)] = match unit {
        // `ns` and `ms` before `s`, which they end with.
        Unit::Ns => {
            &[("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9)]
        }
        Unit::Bytes => &[
            ("KiB", 1024.0),
            ("MiB", 1_048_576.0),
            ("GiB", 1_073_741_824.0),
            ("kB", 1e3),
            ("MB", 1e6),
            ("GB", 1e9),
            ("B", 1.0),
        ],
        Unit::Ratio => &[("%", 0.01), ("", 1.0)],
        Unit::Count => &[("", 1.0)],
        Unit::PerSecond => &[("/s", 1.0), ("", 1.0)],
    };
    if text == "0" {
        return Some(0.0);
    }
    let (digits, factor) =
        suffixes.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, factor)))?;
    let digits = digits.trim_end();
    // `f64` also parses `inf`, `nan` and `1e9`, which are never meant here.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = digits.parse().ok().filter(|_| plain)?;
    let value = number * factor;
    // Whole nanoseconds and bytes, so that `1.1ms` equals a recorded 1,100,000.
    let whole = matches!(unit, Unit::Ns | Unit::Bytes);
    Some(if whole { value.round() } else { value }).filter(|value| value.is_finite())
}

/// Parses a share: `0.1` or `10%`. `None` if it is not one.
#[must_use]
pub fn share(text: &str) -> Option<f64> {
    number(Unit::Ratio, text.trim())
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
        assert_eq!(read("task.a > b == c.run.p99 != 1500ns").metric.whose(), Some("a > b == c"));
        assert_eq!(read("stalls != 1").comparison, Comparison::NotEqual);
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (text, says) in [
            ("timer_lag.max", "compares nothing"),
            ("stalls = 0", "compares nothing"),
            ("timerlag.max > 20ms", "near it are timer_lag.max"),
            ("timer_lag.max > 20", "850ns, 3us, 20ms or 1.5s"),
            ("timer_lag.max > -1ms", "\"-1ms\" is no value of timer_lag.max"),
            ("stalls > 3ms", "a number"),
            ("utilization > inf", "0.8 or 80%"),
            ("tasks.rate > 1e9", "a number"),
        ] {
            let error = text.parse::<Condition>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn they_hold_or_not_or_nothing_was_measured() {
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
