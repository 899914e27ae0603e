//! Timers: how many were armed and fired, their lag, and the late ones themselves.
//!
//! **Skipped periods.** An interval that fires late by many periods gives one raw sample, although a firing was due in
//! each of them (coordinated omission): a timer of 1 ms that is blocked for 300 ms has one bad sample among 700 good
//! ones, and a p99 near zero. The corrected distribution has a sample for each period, like HdrHistogram's correction:
//! `lag`, `lag - period`, … down to one period. The period is the one the timer was armed with. If that is unknown (it
//! was armed before the first event), the figures are a range; see [`Unresolved`].
//!
//! **Lag.** The time from due to the start of the callback. One clock reading finds all timers of a pass due, and the loop
//! counts skipped periods up to that reading. Earlier callbacks of the pass delay the later ones further.

mod unresolved;

use std::borrow::Cow;
use std::collections::HashMap;

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Tag, TaskId, TimerId, Timestamp};
use loop_probes::stamped::Stamped;

use self::unresolved::{Firing, Unresolved};
use super::baseline::Figures;
use super::config::TimelineConfig;
use crate::histogram::Histogram;
use crate::histogram::spaced::Spaced;
use crate::loss::Missing;
use crate::recent::Recent;

/// A timer that fired too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateTimer {
    /// The loop on which it fired.
    pub source: SourceId,
    /// Id of the timer.
    pub timer: TimerId,
    /// The tag of its task.
    pub tag: Tag,
    /// The task that ran for the timer.
    pub task: TaskId,
    /// When it was due.
    pub due: Timestamp,
    /// When it fired, that is, when its callback began.
    pub fired: Timestamp,
    /// The tick in which it fired, if known.
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
    /// Periods that late intervals skipped; the fewest possible where a period is unknown.
    pub skipped: u64,
    /// Timers that fired later than the limit.
    pub late: u64,
    /// Timer lag: the time from due to fired, one sample for each firing.
    pub lag_ns: Histogram,
    /// Timer lag with a sample for each period that a late interval skipped.
    lag_corrected_ns: Spaced,
    /// The most recent late timers.
    pub recent_late: Recent<LateTimer>,
    /// The one with the greatest lag.
    pub worst: Option<LateTimer>,
    /// Periods of armed intervals, at most `periods_max`. While not all armed timers are known, also one-shots, with
    /// `None`.
    periods: HashMap<(SourceId, TimerId), Option<u64>>,
    periods_max: usize,
    /// Whether there were more periods than are kept.
    has_more_periods: bool,
    unresolved: Unresolved,
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
            lag_corrected_ns: Spaced::new(),
            recent_late: Recent::new(config.entries_kept),
            worst: None,
            periods: HashMap::new(),
            periods_max: config.names_kept,
            has_more_periods: false,
            unresolved: Unresolved::new(config.names_kept),
        }
    }

    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        let Self { armed, fired, cleared, skipped, late, lag_ns, lag_corrected_ns, .. } = self;
        by.counts([armed, fired, cleared, skipped, late]);
        by.histogram(lag_ns);
        by.spaced(lag_corrected_ns);
        self.unresolved.figures(by);
    }

    /// Forgets what was before `from`.
    pub(super) fn forget_before(&mut self, from: Timestamp) {
        self.recent_late.retain(|late| late.fired > from);
        let latest = || self.recent_late.iter().rev().max_by_key(|late| late.lag_ns()).copied();
        self.worst = self.worst.filter(|worst| worst.fired > from).or_else(latest);
    }

    /// A timer was armed. `are_known`: the stream shows every armed timer of the loop, so timers without a known period are
    /// one-shots, which need no entry.
    pub(crate) fn armed(
        &mut self,
        source: SourceId,
        timer: TimerId,
        period_ns: Option<u64>,
        are_known: bool,
    ) {
        self.armed += 1;
        match period_ns {
            Some(_) => self.resolve((source, timer), period_ns),
            // Whether it was one before, when it fired, is unknown.
            None => self.unresolved.settle((source, timer)),
        }
        if period_ns.is_none() && are_known {
            self.periods.remove(&(source, timer));
        } else {
            self.has_period(source, timer, period_ns);
        }
    }

    pub(crate) fn cleared(&mut self, source: SourceId, timer: TimerId) {
        self.cleared += 1;
        self.periods.remove(&(source, timer));
        self.unresolved.settle((source, timer));
    }

    /// A snapshot lists a timer, which is armed since before its last firing.
    pub(crate) fn listed(&mut self, source: SourceId, timer: TimerId, period_ns: Option<u64>) {
        self.resolve((source, timer), period_ns);
        self.has_period(source, timer, period_ns);
    }

    /// A snapshot has listed all armed timers of the loop: a timer that fired, was not cleared, and is not armed was a
    /// one-shot.
    pub(super) fn all_listed(&mut self, source: SourceId) {
        self.periods.retain(|(of, _), period_ns| *of != source || period_ns.is_some());
        for key in self.unresolved.of(source) {
            self.resolve(key, None);
        }
    }

    /// Forgets the armed timers of the loop, because another one uses its ring.
    pub(crate) fn forget(&mut self, source: SourceId) {
        self.periods.retain(|(of, _), _| *of != source);
        for key in self.unresolved.of(source) {
            self.unresolved.settle(key);
        }
    }

    /// Notes the period of a timer; a one-shot has none.
    fn has_period(&mut self, source: SourceId, timer: TimerId, period_ns: Option<u64>) {
        let key = (source, timer);
        if self.periods.len() < self.periods_max || self.periods.contains_key(&key) {
            self.periods.insert(key, period_ns);
        } else {
            self.has_more_periods = true;
        }
    }

    /// Completes the figures of a timer's firings so far, whose period turned out to be this one.
    fn resolve(&mut self, key: (SourceId, TimerId), period_ns: Option<u64>) {
        for firing in self.unresolved.take(key) {
            if !firing.fits(period_ns) {
                self.unresolved.is_range(&firing);
                continue;
            }
            let Some(period_ns) = period_ns else { continue };
            let (all, counted) = (firing.skipped_by(period_ns), firing.skipped_range()[0]);
            self.skipped += all.saturating_sub(counted);
            let (all, recorded) = (all.max(1), counted.max(1));
            let next_ns = firing.lag_ns.saturating_sub(recorded.saturating_mul(period_ns));
            self.lag_corrected_ns.record(next_ns, period_ns, all.saturating_sub(recorded));
        }
    }

    /// Timer lag with a sample for each period that a late interval skipped. Computed when it is asked for.
    #[must_use]
    pub fn lag_corrected_ns(&self) -> Cow<'_, Histogram> {
        self.lag_corrected_ns.histogram()
    }

    /// By how much `skipped` may be too low, because periods are unknown.
    #[must_use]
    pub fn skipped_more(&self) -> u64 {
        self.unresolved.skipped_more()
    }

    /// Firings of timers with an unknown period.
    #[must_use]
    pub fn period_unknown(&self) -> u64 {
        self.unresolved.count()
    }

    /// Adds the samples that the corrected lag may lack where periods are unknown.
    pub(super) fn add_unresolved(&self, corrected: &mut Missing) {
        self.unresolved.add_to(corrected);
    }

    /// Adds a firing, and returns whether it was late. The loop counted skipped periods up to `found`, the clock reading
    /// that found the timer due; this extends the count to the start of its callback. `are_known`: the stream shows every
    /// armed timer of the loop.
    pub(crate) fn fired(
        &mut self,
        timer: &mut LateTimer,
        found: Timestamp,
        late_ns: u64,
        are_known: bool,
    ) -> bool {
        let (key, lag_ns) = ((timer.source, timer.timer), timer.lag_ns());
        let firing = Firing { lag_ns, found_ns: found.ns_since(timer.due), skipped: timer.skipped };
        let known = match self.periods.get(&key) {
            Some(period_ns) => Some(*period_ns),
            None => (are_known && !self.has_more_periods).then_some(None),
        };
        if known == Some(None) {
            self.periods.remove(&key);
        }
        // If the period contradicts the skipped periods, either is wrong.
        let fitting = known.filter(|period_ns| firing.fits(*period_ns));
        let (skipped, period_ns) = match fitting {
            Some(period_ns) => (period_ns.map_or(0, |period_ns| firing.skipped_by(period_ns)), period_ns),
            None => {
                if let Some(period_ns) = known {
                    (self.unresolved.is_either(&firing, period_ns), period_ns.or(firing.period_about()))
                } else {
                    self.unresolved.add(key, firing);
                    (firing.skipped_range()[0], firing.period_about())
                }
            }
        };
        timer.skipped = u32::try_from(skipped).unwrap_or(u32::MAX);
        let period_ns = period_ns.unwrap_or(0);
        let timer = *timer;
        self.fired += 1;
        self.skipped += u64::from(timer.skipped);
        self.lag_ns.record(lag_ns);
        self.lag_corrected_ns.record(lag_ns, period_ns, u64::from(timer.skipped.max(1)));
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
        timers.fired(&mut timer, fired, MS, false);
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
                timers.armed(LOOP, TIMER, Some(MS), false);
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
            let (raw, corrected) = (&timers.lag_ns, timers.lag_corrected_ns());
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
            timers.armed(LOOP, TIMER, Some(period_ns), false);
            fired(&mut timers, lag_ns, (lag_ns / period_ns) as u32);
            expected.record_correct(lag_ns, period_ns).unwrap();
        }
        assert_eq!(timers.lag_corrected_ns().count(), expected.len());
        for quantile in [0.5, 0.9, 0.99] {
            let corrected = timers.lag_corrected_ns().quantile(quantile);
            assert!(near(corrected, expected.value_at_quantile(quantile)), "{quantile}: {corrected}");
        }
    }

    #[test]
    fn a_period_that_contradicts_what_was_skipped_is_not_believed() {
        let mut timers = Timers::new(&TimelineConfig::default());
        timers.armed(LOOP, TIMER, Some(1), false);
        fired(&mut timers, 10 * MS, 4);
        let corrected = timers.lag_corrected_ns();
        assert_eq!((corrected.count(), corrected.max()), (4, 10 * MS));
        assert!(corrected.quantile(0.5) > 4 * MS);
    }

    #[test]
    fn skipped_periods_that_contradict_the_period_leave_a_range() {
        let mut timers = Timers::new(&TimelineConfig::default());
        timers.armed(LOOP, TIMER, Some(10 * MS), false);
        fired(&mut timers, 25 * MS, 9);
        assert_eq!((timers.skipped, timers.skipped_more(), timers.period_unknown()), (2, 7, 1));
        let corrected = timers.lag_corrected_ns();
        assert_eq!((corrected.count(), corrected.max()), (2, 25 * MS));
        assert!(corrected.quantile(0.1) > 14 * MS);
    }

    #[test]
    fn one_shots_whose_firing_was_lost_are_not_kept_beyond_a_snapshot() {
        let mut timers = Timers::new(&TimelineConfig { names_kept: 4, ..TimelineConfig::default() });
        (0..3).for_each(|timer| timers.armed(LOOP, TimerId(timer), None, false));
        assert_eq!(timers.periods.len(), 3);
        timers.all_listed(LOOP);
        (3..99).for_each(|timer| timers.armed(LOOP, TimerId(timer), None, true));
        assert!(timers.periods.is_empty() && !timers.has_more_periods);
    }

    #[test]
    fn the_number_of_kept_periods_is_limited() {
        let mut timers = Timers::new(&TimelineConfig { names_kept: 2, ..TimelineConfig::default() });
        (0..9).for_each(|timer| timers.armed(LOOP, TimerId(timer), Some(1), false));
        assert_eq!(timers.periods.len(), 2);
        (0..9).for_each(|timer| timers.cleared(LOOP, TimerId(timer)));
        assert!(timers.periods.is_empty());
    }
}
