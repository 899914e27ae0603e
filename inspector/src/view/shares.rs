//! A breakdown in one row: what took the time, largest first, in one unit.

use loop_traces::attribution::{Share, What};
use loop_traces::labels::Labels;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use crate::text::cut;
use crate::units;

/// The common unit of a sum and its parts, which have one decimal: from this sum on, the unit, both in nanoseconds, and
/// its name. Smaller sums have no common unit.
const UNITS: [(u64, u64, &str); 3] = [
    (360_000_000_000_000, 3_600_000_000_000, "h"),
    (100_000_000_000, 1_000_000_000, "s"),
    (10_000_000, 1_000_000, "ms"),
];

/// `ReadFile #8812 38.2ms + microtasks 2.1ms + 3 smaller 0.1ms`, shortened to fit. The parts shown add up to the sum
/// shown, all in one unit.
pub(crate) fn line(
    shares: &[Share],
    labels: &Labels,
    width: usize,
    (text, dim): (Style, Style),
) -> Line<'static> {
    let mut line = Line::default();
    let room = |line: &Line<'_>| width.saturating_sub(line.width());
    let sum_ns = shares.iter().fold(0u64, |sum, share| sum.saturating_add(share.ns));
    let unit = UNITS.iter().find(|(from_ns, ..)| sum_ns >= *from_ns);
    let shown = |ns: u64| match unit {
        Some((_, unit, _)) => ns.saturating_add(unit / 20) / (unit / 10) * (unit / 10),
        None => ns,
    };
    let figure = |ns: u64| match unit {
        Some((_, unit, name)) => units::tenths(ns, *unit, name),
        None => units::duration(ns),
    };
    let more = |parts: usize, ns: u64| match ns {
        0 => String::new(),
        _ => format!(" + {parts} smaller {}", figure(ns)),
    };
    let mut rest_ns = shown(sum_ns);
    let mut parts: usize = shares.iter().map(|share| small_parts(share).unwrap_or(1)).sum();
    // Parts that would read 0.0 are left out, except for the first.
    let named = shares.iter().filter(|share| small_parts(share).is_none());
    let shown_shares = named.enumerate().filter(|(place, share)| *place == 0 || shown(share.ns) > 0);
    for (place, share) in shown_shares {
        let joint = if place > 0 { " + " } else { "" };
        let (name, ns) = (name(&share.what, labels), figure(share.ns));
        let after_ns = rest_ns.saturating_sub(shown(share.ns));
        let more = if parts > 1 { more(parts - 1, after_ns) } else { String::new() };
        let needed = joint.len() + name.width() + 1 + ns.width() + more.width();
        if place > 0 && room(&line) < needed {
            break;
        }
        // The first part is always shown, and its figure matters more than its name.
        let name = cut(&name, room(&line).saturating_sub(joint.len() + 1 + ns.width()));
        let part = [(joint.to_owned(), dim), (name, text), (format!(" {ns}"), dim)];
        line.extend(part.map(|(text, style)| Span::styled(text, style)));
        (rest_ns, parts) = (after_ns, parts - 1);
    }
    let more = if parts > 0 { more(parts, rest_ns) } else { String::new() };
    if more.width() <= room(&line) {
        line.push_span(Span::styled(more, dim));
    }
    line
}

/// The number of parts that the breakdown itself has merged.
fn small_parts(share: &Share) -> Option<usize> {
    match share.what {
        What::Others { parts } => usize::try_from(parts).ok(),
        _ => None,
    }
}

/// The name without the word "task": in a breakdown, nearly all are tasks.
pub(crate) fn name(what: &What, labels: &Labels) -> String {
    match what {
        What::Task { task, tag } => format!("{} #{task}", labels.tag(*tag)),
        What::Io { tag, task, .. } => format!("io {} #{task}", labels.tag(*tag)),
        other => other.describe(labels),
    }
}
