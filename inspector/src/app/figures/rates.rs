//! Utilization and timer lag of the loop; with several loops, those of the worst.

use loop_probes::ids::Timestamp;
use loop_traces::histogram::Percentiles;
use loop_traces::timeline::{MissingSamples, PerSecond, SLOT_NS, Slot, Timeline, Unfinished, utilization};

/// A loop with at least this many ticks per second is measured over the last second, a slower one over the whole
/// window.
const BRISK: f64 = 10.0;
/// The number of slots per second.
const SLOTS: usize = (SECOND_NS / SLOT_NS) as usize;
const SECOND_NS: u64 = 1_000_000_000;

/// One of several loops, with its own figures.
pub(super) struct LoopFigures<'t> {
    timeline: &'t Timeline,
    unfinished: Unfinished,
    missing: MissingSamples,
}

impl<'t> LoopFigures<'t> {
    /// The figures of each loop; empty if there is only one.
    pub(super) fn all(timeline: &'t Timeline) -> Vec<Self> {
        let each = timeline.separate_loops().map(|(_, timeline)| {
            let unfinished = timeline.unfinished_so_far();
            let missing = timeline.missing_with(&unfinished);
            Self { timeline, unfinished, missing }
        });
        each.collect()
    }
}

/// Rates over the last second, or over the whole window if one second has too few ticks. A hanging loop must not be
/// credited with its earlier activity.
fn rate(timeline: &Timeline, unfinished: &Unfinished, now: Timestamp, hangs: bool) -> PerSecond {
    let window = timeline.rates.per_second(now, |window_ns| unfinished.within(window_ns));
    let young = timeline.first_at().is_none_or(|first| now.ns_since(first) < 1_200_000_000);
    if young || (window.ticks < BRISK && !hangs) {
        return window;
    }
    let slots = timeline.rates.series(now);
    // The last slot is not over: it counts in the utilization, but in no rate.
    let over = slots.len().saturating_sub(1);
    let begun = &slots[over.saturating_sub(SLOTS)..];
    let second = &slots[over.saturating_sub(SLOTS)..over];
    let sum = |slots: &[Slot], of: fn(&Slot) -> u64| slots.iter().map(of).fold(0, u64::saturating_add);
    let [busy_ns, poll_wait_ns] = unfinished.within(SECOND_NS);
    PerSecond {
        ticks: sum(second, |slot| u64::from(slot.ticks)) as f64,
        tasks: sum(second, |slot| u64::from(slot.tasks)) as f64,
        utilization: utilization(
            sum(begun, |slot| slot.busy_ns).saturating_add(busy_ns),
            sum(begun, |slot| slot.poll_wait_ns).saturating_add(poll_wait_ns),
        ),
        window_ns: SECOND_NS,
        has_lost: timeline.rates.has_lost_since(Timestamp(now.as_ns().saturating_sub(SECOND_NS))),
    }
}

/// Like [`rate`], for several loops: the ticks and tasks of all, the utilization of the busiest. The utilization of all
/// loops together would describe none of them.
pub(super) fn rate_of_loops(
    timeline: &Timeline,
    unfinished: &Unfinished,
    by_loop: &[LoopFigures<'_>],
    now: Timestamp,
    hangs: bool,
) -> PerSecond {
    let whole = rate(timeline, unfinished, now, hangs);
    let each = by_loop.iter().map(|own| rate(own.timeline, &own.unfinished, now, hangs).utilization);
    PerSecond { utilization: each.reduce(f64::max).unwrap_or(whole.utilization), ..whole }
}

/// The timer lag, raw or corrected; with several loops, that of the loop with the worst p99.
pub(super) fn worst_lag(
    timeline: &Timeline,
    missing: &MissingSamples,
    by_loop: &[LoopFigures<'_>],
    lag: fn(&Timeline, &MissingSamples) -> Percentiles,
) -> Percentiles {
    let each = by_loop.iter().map(|own| lag(own.timeline, &own.missing));
    each.max_by_key(|lag| (lag.p99, lag.max)).unwrap_or_else(|| lag(timeline, missing))
}

#[cfg(test)]
mod tests {
    use loop_probes::event::{Event, PollReason};
    use loop_probes::ids::SourceId;
    use loop_probes::stamped::Stamped;
    use loop_traces::timeline::TimelineConfig;

    use super::*;

    /// A tick of 10 ms of one of two loops: the first is busy for all of it, the second polls.
    fn tick(source: u32, number: u64) -> Vec<Stamped> {
        let (start, end) = (Timestamp(number * 10_000_000), Timestamp((number + 1) * 10_000_000));
        let stamped = |at, event| Stamped { at, source: SourceId(source), event };
        let poll = Event::Poll { reason: PollReason::Idle, ready: 0, timeout_ns: None, start };
        let mut events = vec![stamped(start, Event::TickStart { tick: number })];
        events.extend((source == 2).then(|| stamped(end, poll)));
        events.push(stamped(end, Event::TickEnd { tick: number, tasks_run: 0, start }));
        events
    }

    #[test]
    fn the_busiest_of_several_loops_is_shown_and_not_their_mean() {
        let mut timeline = Timeline::new(TimelineConfig::default());
        for number in 0..300 {
            timeline.extend(&tick(1, number));
            timeline.extend(&tick(2, number));
        }
        let now = Timestamp(3_000_000_000);
        let unfinished = timeline.unfinished_so_far();
        let shown = rate_of_loops(&timeline, &unfinished, &LoopFigures::all(&timeline), now, false);
        assert!((shown.utilization - 1.0).abs() < 1e-9, "{shown:?}");
        assert!((shown.ticks - 200.0).abs() < 1.0, "those of both: {shown:?}");
    }
}
