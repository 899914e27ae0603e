//! Numbers for display: three digits and a unit, thousands separated.

/// Formats a duration: `0`, `87ns`, `31µs`, `1.24ms`, `12.4s`, `3m05s`, `2h07m`; [`UNKNOWN`] if there is none.
#[must_use]
pub fn duration(ns: impl Into<Option<u64>>) -> String {
    const MINUTE: u64 = 60_000_000_000;
    let Some(ns) = ns.into() else { return UNKNOWN.to_owned() };
    match ns {
        0 => "0".to_owned(),
        1..=999 => format!("{ns}ns"),
        _ if ns < 999_500 => three_digits(ns, 1_000, "µs"),
        _ if ns < 999_500_000 => three_digits(ns, 1_000_000, "ms"),
        _ if ns < MINUTE => three_digits(ns, 1_000_000_000, "s"),
        _ if ns < 60 * MINUTE => {
            // Rounded, as every figure below a minute is.
            let seconds = (ns + 500_000_000) / 1_000_000_000;
            format!("{}m{:02}s", seconds / 60, seconds % 60)
        }
        _ => format!("{}h{:02}m", ns / (60 * MINUTE), ns / MINUTE % 60),
    }
}

/// Shown for figures that were not measured.
pub const UNKNOWN: &str = "–";

/// Formats a size: `512 B`, `18.2 MiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let power = (bytes.max(1).ilog2() / 10) as usize;
    if power == 0 {
        format!("{bytes} B")
    } else {
        three_digits(bytes, 1 << (10 * power), "") + " " + UNITS[power]
    }
}

/// Formats a count with thousands separators: `1,204`.
#[must_use]
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Formats a count with its noun: `1 stall`, `1,204 stalls`.
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Formats a range: `2.00ms to 2.60ms`, or without an upper bound `2.00ms or more`.
#[must_use]
pub fn between(low: &str, high: Option<&str>) -> String {
    match high {
        Some(high) => format!("{low} to {high}"),
        None => format!("{low} or more"),
    }
}

/// Formats a position in a recording: `00:11.204`, `1:02:11.204`.
#[must_use]
pub fn position(ns: u64) -> String {
    let (millis, minutes) = (ns / 1_000_000 % 60_000, ns / 60_000_000_000);
    let seconds = format!("{:02}.{:03}", millis / 1000, millis % 1000);
    if minutes < 60 {
        format!("{minutes:02}:{seconds}")
    } else {
        format!("{}:{:02}:{seconds}", minutes / 60, minutes % 60)
    }
}

/// Formats a share: `37.2%`.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// Formats a relative change: `+33%`, `-0.4%`, `0%`, `×12`.
#[must_use]
pub fn change(share: f64) -> String {
    match share.abs() * 100.0 {
        percent if share > 0.0 && percent >= 999.5 => format!("×{}", count((share + 1.0).round() as u64)),
        percent if percent < 0.05 => "0%".to_owned(),
        percent if percent < 9.95 => format!("{:+.1}%", share * 100.0),
        _ => format!("{:+.0}%", share * 100.0),
    }
}

/// Formats a rate: `1,204`, `97.1`, `0.50`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate >= 999.5 => count(rate.round() as u64),
        rate if rate >= 99.95 => format!("{rate:.0}"),
        rate if rate >= 9.995 => format!("{rate:.1}"),
        rate => format!("{rate:.2}"),
    }
}

fn three_digits(value: u64, unit: u64, name: &str) -> String {
    let value = value as f64 / unit as f64;
    let digits = match value {
        value if value >= 99.95 => 0,
        value if value >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.digits$}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!(counted(1, "stall", "stalls"), "1 stall");
        assert_eq!(counted(1204, "stall", "stalls"), "1,204 stalls");
    }

    #[test]
    fn durations_have_three_digits() {
        let shown = [0, 87, 999, 1_000, 31_400, 999_499, 999_500, 1_240_000, 41_000_000, 12_400_000_000]
            .map(duration);
        let expected =
            ["0", "87ns", "999ns", "1.00µs", "31.4µs", "999µs", "1.00ms", "1.24ms", "41.0ms", "12.4s"];
        assert_eq!(shown, expected);
        assert_eq!(duration(185_000_000_000), "3m05s");
        assert_eq!(duration(89_600_000_000), "1m30s");
        assert_eq!(duration(7_620_000_000_000), "2h07m");
        assert!(duration(u64::MAX).ends_with('m'));
    }

    #[test]
    fn sizes_counts_positions_and_rates() {
        assert_eq!([bytes(0), bytes(512), bytes(19_083_674)], ["0 B", "512 B", "18.2 MiB"]);
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
        assert_eq!(
            [count(0), count(999), count(1_204), count(u64::MAX)],
            ["0", "999", "1,204", "18,446,744,073,709,551,615"]
        );
        assert_eq!([position(11_250_000_000), position(3_731_200_000_000)], ["00:11.250", "1:02:11.200"]);
        assert_eq!([rate(1_203.6), rate(97.13), rate(0.5)], ["1,204", "97.1", "0.50"]);
        assert_eq!(percent(0.3716), "37.2%");
    }

    #[test]
    fn changes_are_phrased_naturally() {
        let shown = [0.33, -0.004, 0.0, 0.052, -0.95, 12.4, 9.4, 3245.2].map(change);
        assert_eq!(shown, ["+33%", "-0.4%", "0%", "+5.2%", "-95%", "×13", "+940%", "×3,246"]);
    }
}
