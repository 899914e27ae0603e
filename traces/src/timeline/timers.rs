//! Timers: how many were armed and fired, their lag, and the late ones themselves.
//!
//! **Skipped periods.** An interval that fires late by many periods gives one raw sample, however many firings were due
//! in that time (coordinated omission): a timer of 1 ms that is blocked for 300 ms has one bad sample among 700 good
//! ones, and a p99 near zero. The corrected distribution has a sample for each period, like HdrHistogram's correction:
//! `lag`, `lag - period`, … down to one period. The period is the one the timer was armed with. If that is unknown (it
//! was armed before the first event), it lies between `lag / (skipped + 1)` and `lag / skipped`, and the middle is
//! taken.
//!
//! **Lag.** The time from due to the start of the callback. A single reading of the clock finds all timers of a pass
//! due, and the loop counts skipped periods up to that reading. Callbacks that run earlier in the pass delay the later
//! ones further.

use std::collections::HashMap;

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Tag, TaskId, TimerId, Timestamp};
use loop_probes::stamped::Stamped;

use super::config::TimelineConfig;
use crate::histogram::Histogram;
use crate::recent::Recent;

/// A timer that fired too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateTimer {
    /// The loop on which it fired.
    pub source: SourceId,
    /// The timer.
    pub timer: TimerId,
    /// The tag of its task.
    pub tag: Tag,
    /// The task that ran for it.
    pub task: TaskId,
    /// When it was due.
    pub due: Timestamp,
    /// When it fired, that is, when its callback began.
    pub fired: Timestamp,
    /// The tick in which it fired, where that is known.
    pub tick: Option<u64>,
    /// Periods that it skipped.
    pub skipped: u32,
}

impl LateTimer {
    /// The timer that fired; `None` for other events.
    #[must_use]
    pub const fn of(stamped: &Stamped, tick: Option<u64>) -> Option<Self> {
        let Some((due, began)) = stamped.timer_wait() else { return None };
        match stamped.event {
            Event::TimerFired { timer, tag, task, skipped, .. } => {
                Some(Self { source: stamped.source, timer, tag, task, due, fired: began, tick, skipped })
            }
            _ => None,
        }
    }

    /// Time from due to fired.
    #[must_use]
    pub const fn lag_ns(&self) -> u64 {
        self.fired.ns_since(self.due)
    }
}

/// All timers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Timers {
    /// Timers armed, including again.
    pub armed: u64,
    /// Timers fired.
    pub fired: u64,
    /// Timers cleared before they fired.
    pub cleared: u64,
    /// Periods that late intervals skipped.
    pub skipped: u64,
    /// Timers that fired later than the limit.
    pub late: u64,
    /// Timer lag: the time from due to fired, one sample for each firing.
    pub lag_ns: Histogram,
    /// Timer lag with a sample for each period that a late interval skipped.
    pub lag_corrected_ns: Histogram,
    /// The most recent late ones.
    pub recent_late: Recent<LateTimer>,
    /// The one with the greatest lag.
    pub worst: Option<LateTimer>,
    /// Periods of armed intervals, at most `periods_max`.
    periods: HashMap<(SourceId, TimerId), u64>,
    periods_max: usize,
}

impl Timers {
    pub(crate) fn new(config: &TimelineConfig) -> Self {
        Self {
            armed: 0,
            fired: 0,
            cleared: 0,
            skipped: 0,
            late: 0,
            lag_ns: Histogram::new(),
            lag_corrected_ns: Histogram::new(),
            recent_late: Recent::new(config.entries_kept),
            worst: None,
            periods: HashMap::new(),
            periods_max: config.names_kept,
        }
    }

    pub(crate) fn armed(&mut self, source: SourceId, timer: TimerId, period_ns: Option<u64>) {
        self.armed += 1;
        self.has_period(source, timer, period_ns);
    }

    pub(crate) fn cleared(&mut self, source: SourceId, timer: TimerId) {
        self.cleared += 1;
        self.periods.remove(&(source, timer));
    }

    /// Notes the period of an interval; a one-shot has none.
    pub(crate) fn has_period(&mut self, source: SourceId, timer: TimerId, period_ns: Option<u64>) {
        let key = (source, timer);
        match period_ns {
            None => drop(self.periods.remove(&key)),
            Some(period_ns) if self.periods.len() < self.periods_max || self.periods.contains_key(&key) => {
                self.periods.insert(key, period_ns);
            }
            Some(_) => {}
        }
    }

    /// The period of an interval that the clock reading `found` found due: the one it was armed with, unless the
    /// periods skipped by then contradict that (records were lost in between). `None` for a one-shot, or if unknown.
    fn period_ns(&self, timer: &LateTimer, found: Timestamp) -> Option<u64> {
        let (lag_ns, skipped) = (found.ns_since(timer.due), u64::from(timer.skipped));
        let known = self.periods.get(&(timer.source, timer.timer)).copied();
        let fits = |period: &u64| lag_ns.checked_div(*period) == Some(skipped);
        let middle = || (lag_ns / (2 * skipped + 1)).saturating_mul(2);
        known.filter(fits).or_else(|| (skipped > 0).then(middle))
    }

    /// Adds a firing, and returns whether it was late. The loop counted skipped periods up to `found`, the clock
    /// reading that found the timer due; this extends the count to the start of its callback.
    pub(crate) fn fired(&mut self, timer: &mut LateTimer, found: Timestamp, late_ns: u64) -> bool {
        let lag_ns = timer.lag_ns();
        let period_ns = self.period_ns(timer, found).unwrap_or(0);
        if let Some(skipped) = lag_ns.checked_div(period_ns) {
            timer.skipped = u32::try_from(skipped).unwrap_or(u32::MAX);
        }
        let timer = *timer;
        self.fired += 1;
        self.skipped += u64::from(timer.skipped);
        self.lag_ns.record(lag_ns);
        self.lag_corrected_ns.record_spaced(lag_ns, period_ns, u64::from(timer.skipped.max(1)));
        if self.worst.is_none_or(|worst| worst.lag_ns() < lag_ns) {
            self.worst = Some(timer);
        }
        let late = lag_ns > late_ns;
        if late {
            self.late += 1;
            self.recent_late.push(timer);
        }
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOP: SourceId = SourceId(1);
    const TIMER: TimerId = TimerId(7);
    const MS: u64 = 1_000_000;

    fn fired(timers: &mut Timers, lag_ns: u64, skipped: u32) {
        let (due, fired) = (Timestamp(0), Timestamp(lag_ns));
        let mut timer = LateTimer {
            source: LOOP,
            timer: TIMER,
            tag: Tag(1),
            task: TaskId(1),
            due,
            fired,
            tick: None,
            skipped,
        };
        timers.fired(&mut timer, fired, MS);
    }

    fn near(one: u64, other: u64) -> bool {
        one.abs_diff(other) * 50 <= other
    }

    /// A timer of 1 ms on a loop that is blocked four times for a quarter of a second, and is on time otherwise.
    #[test]
    fn a_blocked_interval_is_late_for_every_period_that_it_skipped() {
        for known in [true, false] {
            let mut timers = Timers::new(&TimelineConfig::default());
            if known {
                timers.armed(LOOP, TIMER, Some(MS));
            }
            let mut truth: Vec<u64> = (0..2_975).map(|place| 20_000 + place * 10).collect();
            truth.iter().for_each(|lag_ns| fired(&mut timers, *lag_ns, 0));
            for blocked_ms in [200, 250, 287, 330] {
                fired(&mut timers, blocked_ms * MS + 300_000, blocked_ms as u32);
                truth.extend((1..=blocked_ms).map(|ms| ms * MS + 300_000));
            }
            truth.sort_unstable();
            let (p90, p99) = (truth[truth.len() * 9 / 10], truth[truth.len() * 99 / 100]);
            assert_eq!((timers.fired, timers.skipped), (2_979, 1_067));
            let (raw, corrected) = (&timers.lag_ns, &timers.lag_corrected_ns);
            assert!(raw.quantile(0.99) < MS);
            assert_eq!((corrected.count(), corrected.max()), (truth.len() as u64, raw.max()));
            assert!(p90 > 150 * MS && p99 > 280 * MS);
            for (quantile, truth) in [(0.9, p90), (0.99, p99)] {
                assert!(near(corrected.quantile(quantile), truth), "{known}: {:?}", corrected.percentiles());
            }
        }
    }

    #[test]
    fn it_is_the_correction_of_hdrhistogram() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut timers = Timers::new(&TimelineConfig::default());
        let mut expected = hdrhistogram::Histogram::<u64>::new(2).unwrap();
        for _ in 0..2_000 {
            let (period_ns, lag_ns) = (random.u64(1_000..MS), random.u64(0..50 * MS));
            timers.armed(LOOP, TIMER, Some(period_ns));
            fired(&mut timers, lag_ns, (lag_ns / period_ns) as u32);
            expected.record_correct(lag_ns, period_ns).unwrap();
        }
        assert_eq!(timers.lag_corrected_ns.count(), expected.len());
        for quantile in [0.5, 0.9, 0.99] {
            let corrected = timers.lag_corrected_ns.quantile(quantile);
            assert!(near(corrected, expected.value_at_quantile(quantile)), "{quantile}: {corrected}");
        }
    }

    #[test]
    fn a_period_that_contradicts_what_was_skipped_is_not_believed() {
        let mut timers = Timers::new(&TimelineConfig::default());
        timers.armed(LOOP, TIMER, Some(1));
        fired(&mut timers, 10 * MS, 4);
        let corrected = timers.lag_corrected_ns;
        assert_eq!((corrected.count(), corrected.max()), (4, 10 * MS));
        assert!(corrected.quantile(0.5) > 4 * MS);
    }

    #[test]
    fn only_so_many_periods_are_kept() {
        let mut timers = Timers::new(&TimelineConfig { names_kept: 2, ..TimelineConfig::default() });
        (0..9).for_each(|timer| timers.armed(LOOP, TimerId(timer), Some(1)));
        assert_eq!(timers.periods.len(), 2);
        (0..9).for_each(|timer| timers.cleared(LOOP, TimerId(timer)));
        assert!(timers.periods.is_empty());
    }
}
