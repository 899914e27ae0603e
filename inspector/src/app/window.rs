//! The window of time that the figures are of, and the baselines that its figures are measured from.

use std::collections::VecDeque;
use std::sync::Arc;

use clap::builder::PossibleValue;
use loop_probes::ids::Timestamp;
use loop_traces::timeline::{Baseline, Timeline};

const SECOND_NS: u64 = 1_000_000_000;

/// The window that all figures are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Window {
    /// The last ten seconds.
    TenSeconds,
    /// The last minute.
    #[default]
    Minute,
    /// The last five minutes.
    FiveMinutes,
    /// Everything so far.
    All,
}

impl Window {
    /// Every window, from the shortest.
    pub const ALL: [Self; 4] = [Self::TenSeconds, Self::Minute, Self::FiveMinutes, Self::All];

    /// Its length in nanoseconds; `None` for everything.
    #[must_use]
    pub const fn ns(self) -> Option<u64> {
        match self {
            Self::TenSeconds => Some(10 * SECOND_NS),
            Self::Minute => Some(60 * SECOND_NS),
            Self::FiveMinutes => Some(300 * SECOND_NS),
            Self::All => None,
        }
    }

    /// Its name on the screen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TenSeconds => "10s",
            Self::Minute => "60s",
            Self::FiveMinutes => "5min",
            Self::All => "all",
        }
    }

    /// The next longer window, or the longest.
    #[must_use]
    pub fn longer(self) -> Self {
        self.step(1)
    }

    /// The next shorter window, or the shortest.
    #[must_use]
    pub fn shorter(self) -> Self {
        self.step(-1)
    }

    fn step(self, by: isize) -> Self {
        let place = Self::ALL.iter().position(|window| *window == self).unwrap_or(0);
        Self::ALL[place.saturating_add_signed(by).min(Self::ALL.len() - 1)]
    }
}

impl clap::ValueEnum for Window {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

/// The time between two baselines of the shortest window.
const STEP_NS: u64 = SECOND_NS / 2;

/// How far apart the baselines of an age are: a window is longer than its name says by a twentieth at most.
const fn spacing_ns(age_ns: u64) -> u64 {
    match age_ns {
        _ if age_ns <= CLOSER_NS[0] => STEP_NS,
        _ if age_ns <= CLOSER_NS[1] => 3 * SECOND_NS,
        _ => 15 * SECOND_NS,
    }
}

/// The ages up to which they are closer.
const CLOSER_NS: [u64; 2] = [10 * SECOND_NS + STEP_NS, 63 * SECOND_NS];

/// Baselines of this age are needed no more.
pub const AGE_MAX_NS: u64 = 315 * SECOND_NS;

/// Memory limit of the baselines. Usually they take less than a tenth of it. Beyond it they are further apart.
const BYTES_MAX: usize = 32 << 20;

/// Of larger distributions no baselines are made: a single one would take all of that. Then there is no window.
const DISTRIBUTION_BYTES_MAX: usize = BYTES_MAX / 4;

/// How long a quiet loop is waited for until its figures count for the time that passed: records may be read late.
const QUIET_NS: u64 = SECOND_NS;

/// No baseline is due at any time.
const NEVER: Timestamp = Timestamp(u64::MAX);

/// A baseline, and the time of the last event in it: it is one for any moment from there on.
#[derive(Clone, Debug)]
struct Kept {
    from: Timestamp,
    baseline: Arc<Baseline>,
}

/// The baselines of the last five minutes.
#[derive(Clone, Debug, Default)]
pub struct Baselines {
    kept: VecDeque<Kept>,
    /// When the next one is due.
    next: Timestamp,
    /// The time up to which events are about to be folded.
    target: Timestamp,
}

impl Baselines {
    /// None, until events are [expected](Self::expect).
    #[must_use]
    pub const fn never() -> Self {
        Self { kept: VecDeque::new(), next: NEVER, target: Timestamp(0) }
    }

    /// Events up to `to` are about to be folded: only windows that end there are of interest.
    pub fn expect(&mut self, to: Timestamp) {
        self.target = self.target.max(to);
        let first = Timestamp(to.as_ns().saturating_sub(AGE_MAX_NS));
        self.next = if self.next == NEVER { first } else { self.next.max(first) };
    }

    /// Whether a baseline is due before an event at `at`.
    #[inline]
    pub fn is_due(&self, at: Timestamp) -> bool {
        at >= self.next
    }

    /// Makes the baseline that is due before an event at `at`.
    #[cold]
    pub fn make(&mut self, timeline: &mut Timeline, at: Timestamp) {
        let boundary = Timestamp(at.as_ns() / STEP_NS * STEP_NS);
        self.target = self.target.max(at);
        let age_ns = self.target.ns_since(boundary);
        let until_closer = CLOSER_NS.map(|closer| age_ns.checked_sub(closer).filter(|ns| *ns > 0));
        let next_ns = until_closer.into_iter().flatten().chain([spacing_ns(age_ns)]).min();
        self.next = boundary.plus_ns(next_ns.unwrap_or(STEP_NS));
        let Some(from) = timeline.last_at() else { return };
        if timeline.tags.bytes() > DISTRIBUTION_BYTES_MAX {
            return self.kept.clear();
        }
        let before = self.kept.back().map(|kept| &*kept.baseline);
        let baseline = Arc::new(timeline.baseline(boundary, before));
        self.kept.push_back(Kept { from, baseline });
        self.thin_out(boundary);
    }

    /// Makes the baseline that is due at `now` although nothing was read.
    pub fn pass(&mut self, timeline: &mut Timeline, now: Timestamp) {
        let quiet = Timestamp(now.as_ns().saturating_sub(QUIET_NS));
        if self.is_due(quiet) && timeline.last_at() < Some(quiet) {
            self.make(timeline, quiet);
        }
    }

    /// Bytes that the baselines take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.kept.iter().map(|kept| kept.baseline.bytes()).sum()
    }

    fn thin_out(&mut self, now: Timestamp) {
        let age = |kept: &Kept| now.ns_since(kept.baseline.at());
        // The oldest is needed until another is as old as the longest window.
        while self.kept.get(1).is_some_and(|next| age(next) > AGE_MAX_NS) {
            self.remove(0);
        }
        for place in (1..self.kept.len().saturating_sub(1)).rev() {
            let [before, this] = [&self.kept[place - 1], &self.kept[place]];
            let slot = |kept: &Kept| kept.baseline.at().as_ns() / spacing_ns(age(this));
            if slot(before) == slot(this) {
                self.remove(place);
            }
        }
        while self.bytes() > BYTES_MAX && self.kept.len() > 2 {
            (1..self.kept.len() - 1).rev().step_by(2).for_each(|place| self.remove(place));
        }
    }

    /// Removes a baseline that is not the newest.
    fn remove(&mut self, place: usize) {
        let Some(removed) = self.kept.remove(place) else { return };
        let before = place.checked_sub(1).and_then(|before| self.kept.get(before));
        let before = before.map(|before| Arc::clone(&before.baseline));
        if let Some(next) = self.kept.get_mut(place) {
            Arc::make_mut(&mut next.baseline).absorb(&removed.baseline, before.as_deref());
        }
    }

    /// The figures of `window` up to `now`; `None` if that is everything.
    #[must_use]
    pub fn of_window(&self, timeline: &Timeline, window: Window, now: Timestamp) -> Option<Timeline> {
        let start = Timestamp(now.as_ns().checked_sub(window.ns()?)?);
        let after = self.kept.partition_point(|kept| kept.from <= start);
        let place = after.checked_sub(1)?;
        let later = self.kept.iter().skip(after).map(|kept| &*kept.baseline);
        Some(timeline.since(&self.kept[place].baseline, start, later))
    }
}

#[cfg(test)]
mod tests {
    use loop_probes::event::Event;
    use loop_probes::ids::SourceId;
    use loop_probes::stamped::Stamped;
    use loop_traces::timeline::TimelineConfig;

    use super::super::fold::Fold;
    use super::*;

    /// A tick of 1 ms that ends at `end_ms`.
    fn tick(fold: &mut Fold, tick: u64, end_ms: u64) {
        let stamped = |ms: u64, event| Stamped { at: Timestamp(ms * 1_000_000), source: SourceId(1), event };
        let start = Timestamp((end_ms - 1) * 1_000_000);
        fold.fold(&stamped(end_ms - 1, Event::TickStart { tick }));
        fold.fold(&stamped(end_ms, Event::TickEnd { tick, tasks_run: 0, start }));
    }

    fn ticks_in(fold: &Fold, window: Window, now_ms: u64) -> u64 {
        let of_window = fold.of_window(window, Timestamp(now_ms * 1_000_000));
        of_window.as_ref().unwrap_or(&fold.timeline).ticks.count
    }

    #[test]
    fn few_baselines_suffice_for_every_window() {
        let mut fold = Fold::new(TimelineConfig::default());
        for number in 1..=40_000 {
            tick(&mut fold, number, number * 10);
            if number % 3_777 == 0 {
                let all =
                    [(Window::TenSeconds, 1_000), (Window::Minute, 6_000), (Window::FiveMinutes, 30_000)];
                for (window, expected) in all {
                    let shown = ticks_in(&fold, window, number * 10);
                    let least = number.min(expected);
                    assert!(
                        (least..=least + expected / 20).contains(&shown),
                        "{window:?} at {number}: {shown}"
                    );
                }
            }
        }
        assert!(fold.baselines.kept.len() < 70, "{}", fold.baselines.kept.len());
        assert_eq!(ticks_in(&fold, Window::All, 400_000), 40_000);
    }

    #[test]
    fn time_passes_while_nothing_is_read() {
        let mut fold = Fold::new(TimelineConfig::default());
        (1..=100).for_each(|number| tick(&mut fold, number, number * 10));
        for now_ms in (1_000..=30_000).step_by(200) {
            fold.pass(Timestamp(now_ms * 1_000_000));
        }
        assert_eq!(ticks_in(&fold, Window::TenSeconds, 5_000), 100);
        assert_eq!(ticks_in(&fold, Window::TenSeconds, 30_000), 0);
        tick(&mut fold, 101, 30_100);
        assert_eq!(ticks_in(&fold, Window::TenSeconds, 30_200), 1);
        assert_eq!(ticks_in(&fold, Window::Minute, 30_200), 101);
    }

    #[test]
    fn a_long_silence_lies_within_one_window() {
        let mut fold = Fold::new(TimelineConfig::default());
        tick(&mut fold, 1, 100);
        tick(&mut fold, 2, 100_000);
        assert_eq!(ticks_in(&fold, Window::Minute, 100_100), 1, "not the first one");
        assert_eq!(ticks_in(&fold, Window::FiveMinutes, 100_100), 2);
    }

    #[test]
    fn memory_is_limited_by_larger_distances() {
        let mut baselines = Baselines::default();
        let mut timeline = Timeline::new(TimelineConfig::default());
        let mut random = fastrand::Rng::with_seed(3);
        for number in 1..400_u64 {
            let at = Timestamp(number * 500_000_000);
            for tag in 0..40 {
                let start = Timestamp(at.0 - (random.u64(..) >> random.u32(36..64)).min(at.0));
                let event = Event::TaskRan {
                    task: loop_probes::ids::TaskId(number),
                    tag: loop_probes::ids::Tag(tag),
                    outcome: loop_probes::event::Outcome::Done,
                    queued: start,
                    start,
                };
                timeline.fold(&Stamped { at, source: SourceId(1), event });
            }
            baselines.make(&mut timeline, at);
            assert!(baselines.bytes() <= BYTES_MAX);
        }
        assert!(baselines.kept.len() > 2);
    }

    #[test]
    fn windows_go_up_and_down_and_stop_at_the_ends() {
        assert_eq!(Window::default().longer().longer().longer(), Window::All);
        assert_eq!(Window::default().shorter().shorter(), Window::TenSeconds);
    }
}
