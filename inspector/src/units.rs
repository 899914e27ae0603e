//! Numbers in the cells that a column of the dashboard has; durations are as in the reports.

pub use loop_traces::units::{UNKNOWN, bytes, count, counted, duration, limit, position, short_duration};

/// A tick with its number, which is unknown if its beginning was not seen.
#[must_use]
pub fn tick_name(number: Option<u64>) -> String {
    format!("tick {}", number.map_or_else(|| UNKNOWN.to_owned(), count))
}

fn rounded(value: u64, unit: u64) -> u64 {
    value.saturating_add(unit / 2) / unit
}

/// A value with one decimal, in units of `unit` with the name `name`: `38.2ms`.
#[must_use]
pub fn tenths(value: u64, unit: u64, name: &str) -> String {
    let tenths = rounded(value, unit / 10);
    format!("{}.{}{name}", tenths / 10, tenths % 10)
}

/// A position to the microsecond, for lists of events: `00:12.400123`.
#[must_use]
pub fn position_us(ns: u64) -> String {
    format!("{}{:03}", position(ns), ns / 1_000 % 1_000)
}

/// A count in at most six cells: `1,204`, `120k`, `3.4M`, `18.4E`.
#[must_use]
pub fn short_count(value: u64) -> String {
    match value {
        0..100_000 => count(value),
        100_000..999_500 => format!("{}k", rounded(value, 1_000)),
        999_500..999_500_000 => tenths(value, 1_000_000, "M"),
        999_500_000..999_950_000_000 => tenths(value, 1_000_000_000, "G"),
        999_950_000_000..999_950_000_000_000 => tenths(value, 1_000_000_000_000, "T"),
        999_950_000_000_000..999_950_000_000_000_000 => tenths(value, 1_000_000_000_000_000, "P"),
        _ => tenths(value, 1_000_000_000_000_000_000, "E"),
    }
}

/// A count in at most four cells: `812`, `1.2k`, `99k`, `3M`.
#[must_use]
pub fn tiny_count(value: u64) -> String {
    match value {
        0..1_000 => value.to_string(),
        1_000..10_000 => format!("{}.{}k", value / 1_000, value / 100 % 10),
        10_000..1_000_000 => format!("{}k", value / 1_000),
        1_000_000..1_000_000_000 => format!("{}M", value / 1_000_000),
        _ => ">1G".to_owned(),
    }
}

/// A rate in at most six cells: `0.3`, `12`, `1,204`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    if !per_second.is_finite() || per_second <= 0.0 {
        "0".to_owned()
    } else if per_second < 9.95 {
        format!("{per_second:.1}")
    } else {
        short_count(per_second.round() as u64)
    }
}

/// A share of one: `37%`, `1.8%`, `<0.1%`.
#[must_use]
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if !percent.is_finite() || percent <= 0.0 {
        "0%".to_owned()
    } else if percent < 0.1 {
        "<0.1%".to_owned()
    } else if percent < 9.95 {
        format!("{percent:.1}%")
    } else {
        format!("{percent:.0}%")
    }
}

const BYTES: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

fn power_of(bytes: u64) -> usize {
    (bytes.max(1).ilog2() / 10) as usize
}

/// Bytes in a unit, without its name: `18.2`, `<0.1`.
fn in_unit(value: u64, power: usize) -> String {
    let scaled = value as f64 / (1u64 << (10 * power)) as f64;
    match power {
        0 => value.to_string(),
        _ if value > 0 && scaled < 0.05 => "<0.1".to_owned(),
        _ => format!("{scaled:.1}"),
    }
}

/// Bytes in at most ten cells: `312 B`, `18.2 MiB`, `1023.9 KiB`.
#[must_use]
pub fn short_bytes(value: u64) -> String {
    let power = power_of(value);
    format!("{} {}", in_unit(value, power), BYTES[power])
}

/// Bytes and their limit, both in the unit of the larger, in at most 19 cells: `0.9 / 2.0 MiB`.
#[must_use]
pub fn bytes_of(value: u64, limit: u64) -> String {
    let power = power_of(value.max(limit));
    format!("{} / {} {}", in_unit(value, power), in_unit(limit, power), BYTES[power])
}

/// The speed of a replay: `1x`, `0.1x`, `1000x`.
#[must_use]
pub fn speed(factor: f64) -> String {
    format!("{factor}x")
}

/// Reads the speed of a replay: `2x`, `0.1x` or `0.1`, from 0.01 to 1000.
#[must_use]
pub fn read_speed(text: &str) -> Option<f64> {
    let factor = text.strip_suffix('x').unwrap_or(text).parse::<f64>().ok();
    factor.filter(|factor| (0.01..=1000.0).contains(factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_fit_six_cells() {
        let mut value = 1u64;
        while let Some(next) = value.checked_mul(101) {
            for value in [value - 1, value, value + 1] {
                let shown = short_count(value);
                assert!(shown.chars().count() <= 6, "{value}: {shown}");
            }
            value = next / 100 + 1;
        }
        assert!(short_count(u64::MAX).len() <= 6);
    }

    #[test]
    fn positions_and_counts() {
        assert_eq!(position(12_449_000_000), "00:12.449");
        assert_eq!(position(3_723_400_000_000), "1:02:03.400");
        assert_eq!(position_us(12_400_123_999), "00:12.400123");
        assert_eq!(position_us(3_723_400_123_000), "1:02:03.400123");
        assert_eq!(
            (count(7), count(4_120), count(1_234_567)),
            ("7".into(), "4,120".into(), "1,234,567".into())
        );
        assert_eq!((short_count(99_999), short_count(123_456)), ("99,999".into(), "123k".into()));
        let tiny = [999, 1_299, 99_999, 1_234_567, u64::MAX].map(tiny_count);
        assert_eq!(tiny, ["999", "1.2k", "99k", "1M", ">1G"]);
        assert_eq!(short_count(u64::MAX), "18.4E");
        assert_eq!(tenths(38_249_000, 1_000_000, "ms"), "38.2ms");
    }

    #[test]
    fn shares_rates_and_bytes() {
        assert_eq!((short_bytes(312), short_bytes(19_083_000)), ("312 B".into(), "18.2 MiB".into()));
        assert_eq!(bytes_of(1_026_048, 2_097_152), "1.0 / 2.0 MiB");
        assert_eq!(
            (bytes_of(7, 1 << 30), bytes_of(0, 2_048)),
            ("<0.1 / 1.0 GiB".into(), "0.0 / 2.0 KiB".into())
        );
        assert!((0..64).all(|power| bytes_of((1 << power) - 1, (1 << power) - 1).len() <= 19));
        assert_eq!((short_bytes(0), short_bytes(u64::MAX)), ("0 B".into(), "16.0 EiB".into()));
        assert_eq!((percent(0.37), percent(0.018), percent(0.0)), ("37%".into(), "1.8%".into(), "0%".into()));
        assert_eq!((percent(0.0001), percent(f64::NAN)), ("<0.1%".into(), "0%".into()));
        assert_eq!((rate(0.25), rate(1_203.7), rate(f64::NAN)), ("0.2".into(), "1,204".into(), "0".into()));
    }
}
