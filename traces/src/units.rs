//! Numbers for display: three digits and a unit, thousands separated.

/// Formats a duration: `0`, `87ns`, `31.4µs`, `1.24ms`, `12.4s`, `3m05s`, `2h07m`, `4.17d`, `585y`; [`UNKNOWN`] for
/// `None`. At most six cells wide.
#[must_use]
pub fn duration(ns: impl Into<Option<u64>>) -> String {
    duration_to(3, ns.into())
}

/// Like [`duration`] with two digits instead of three, for narrow columns: at most five cells below a minute.
#[must_use]
pub fn short_duration(ns: impl Into<Option<u64>>) -> String {
    duration_to(2, ns.into())
}

fn duration_to(figures: i32, ns: Option<u64>) -> String {
    const SECOND: u64 = 1_000_000_000;
    const DAY: u64 = 86_400 * SECOND;
    let Some(ns) = ns else { return UNKNOWN.to_owned() };
    let rounded = |unit: u64| ns.saturating_add(unit / 2) / unit;
    // Each limit is the first value that rounds up to the next unit.
    match ns {
        0 => "0".to_owned(),
        1..=999 => format!("{ns}ns"),
        _ if ns < 999_500 => scaled(figures, ns, 1_000, "µs"),
        _ if ns < 999_500_000 => scaled(figures, ns, 1_000_000, "ms"),
        _ if ns < 59_950_000_000 => scaled(figures, ns, SECOND, "s"),
        _ if rounded(SECOND) < 3_600 => {
            let seconds = rounded(SECOND);
            format!("{}m{:02}s", seconds / 60, seconds % 60)
        }
        _ if rounded(60 * SECOND) < 6_000 => {
            let minutes = rounded(60 * SECOND);
            format!("{}h{:02}m", minutes / 60, minutes % 60)
        }
        _ if rounded(DAY) < 1_000 => scaled(figures, ns, DAY, "d"),
        _ => scaled(figures, ns, 31_557_600 * SECOND, "y"),
    }
}

/// Formats a limit or the edge of a scale: like [`duration`] without trailing zeros: `10ms`, `1.5s`.
#[must_use]
pub fn limit(ns: u64) -> String {
    let shown = duration(ns);
    let unit_at = shown.find(char::is_alphabetic).unwrap_or(shown.len());
    let (digits, unit) = shown.split_at(unit_at);
    match digits.contains('.') {
        true => format!("{}{unit}", digits.trim_end_matches('0').trim_end_matches('.')),
        false => shown,
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
        scaled(3, bytes, 1 << (10 * power), "") + " " + UNITS[power]
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

/// Formats a value below 1,000 units with this many significant digits.
fn scaled(figures: i32, value: u64, unit: u64, name: &str) -> String {
    let value = value as f64 / unit as f64;
    let fits = |decimals: &i32| value < 10f64.powi(figures - decimals) - 0.5 * 10f64.powi(-decimals);
    let decimals = (0..figures).rev().find(fits).unwrap_or(0) as usize;
    format!("{value:.decimals$}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_one_takes_the_singular() {
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
        for (seconds, expected) in [
            (59.94, "59.9s"),
            (59.95, "1m00s"),
            (89.6, "1m30s"),
            (185.0, "3m05s"),
            (3_599.4, "59m59s"),
            (3_599.5, "1h00m"),
            (7_649.0, "2h07m"),
            (359_969.0, "99h59m"),
            (360_000.0, "4.17d"),
            (86_355_000.0, "999d"),
            (86_400_000.0, "2.74y"),
        ] {
            assert_eq!(duration((seconds * 1e9) as u64), expected, "{seconds} s");
        }
        assert_eq!(duration(u64::MAX), "585y");
        assert_eq!(duration(None), UNKNOWN);
    }

    #[test]
    fn short_durations_have_two_digits() {
        let shown = [0, 310, 9_949, 9_950, 31_400, 310_400, 1_249_000, 999_500_000, 12_400_000_000]
            .map(short_duration);
        assert_eq!(shown, ["0", "310ns", "9.9µs", "10µs", "31µs", "310µs", "1.2ms", "1.0s", "12s"]);
    }

    #[test]
    fn durations_fit_six_cells() {
        let mut ns = 1u64;
        while let Some(next) = ns.checked_mul(101) {
            for ns in [ns - 1, ns, ns + 1] {
                assert!(duration(ns).chars().count() <= 6, "{ns}: {}", duration(ns));
            }
            ns = next / 100 + 1;
        }
    }

    #[test]
    fn limits_have_no_trailing_zeros() {
        let shown =
            [0, 100, 1_000, 10_000_000, 100_000_000, 1_500_000_000, 1_050_000, 60_000_000_000].map(limit);
        assert_eq!(shown, ["0", "100ns", "1µs", "10ms", "100ms", "1.5s", "1.05ms", "1m00s"]);
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
    fn changes_have_a_sign_or_a_factor() {
        let shown = [0.33, -0.004, 0.0, 0.052, -0.95, 12.4, 9.4, 3245.2].map(change);
        assert_eq!(shown, ["+33%", "-0.4%", "0%", "+5.2%", "-95%", "×13", "+940%", "×3,246"]);
    }
}
