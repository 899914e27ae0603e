//! Compares the sides, and decides what may be said about each change.
//!
//! A change is the difference between two executions by the same model: with the change and without it. So what the
//! model gets wrong is on both sides, and is never credited to the change. Nothing is claimed if the model is off by as
//! much as something changed, or if the two sides do not consist of the same events: a percentile rises when short
//! waits leave the sample, although nothing waits longer.

use std::borrow::Cow;

use loop_traces::histogram::Histogram;
use serde::Serialize;

use super::side::{Kind, Side};

/// Smaller relative changes count as none.
const SAME: f64 = 0.02;

/// Counts that differ by less than this share are treated as the same events.
const SAME_EVENTS: f64 = 0.05;

/// Minimum number of events above a percentile for it to be meaningful on its own: among fewer, one event moves it.
const ABOVE_MIN: f64 = 10.0;

/// Changes of waiting time below this are not news, in nanoseconds.
const NEWS_NS: f64 = 1_000.0;

/// Maximum number of tags listed.
const CHANGED_MAX: usize = 12;

/// The figures of one side, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// The number of values.
    pub count: u64,
    /// The median.
    pub p50_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
    /// The largest value.
    pub max_ns: u64,
}

impl Figure {
    pub(super) fn of(histogram: &Histogram) -> Self {
        let [p50_ns, p99_ns] = [0.5, 0.99].map(|quantile| histogram.quantile(quantile));
        Self { count: histogram.count(), p50_ns, p99_ns, max_ns: histogram.max() }
    }
}

/// A tag whose waiting times changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Changed {
    /// What changed.
    pub what: Kind,
    /// Name of the tag.
    pub tag: String,
    /// The figures as recorded.
    pub before: Figure,
    /// The figures as re-executed with the changes.
    pub after: Figure,
    /// The figures as re-executed without changes, if requested: the baseline of the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Figure>,
    /// The verdict on the change of the 99th percentile.
    pub verdict: Verdict,
}

/// The verdict on a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Less, where less is better.
    Better,
    /// More, where less is better.
    Worse,
    /// The model alone is off by as much.
    Model,
    /// The sides have different events, which could explain the difference.
    Unlike,
    /// A change that is neither better nor worse.
    Changed,
    /// No change.
    Same,
}

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// A count.
    Count,
    /// A share of the time.
    Share,
}

/// One figure of the loop, on all sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// The quantity, for example `timer lag`.
    pub what: &'static str,
    /// The statistic: `p50`, `p90`, `p99`, `max`; empty if there is only one.
    pub statistic: &'static str,
    /// Unit of the figures.
    pub unit: Unit,
    /// The figure as recorded; `None` if nothing was.
    pub before: Option<f64>,
    /// The figure as re-executed without changes, if requested: the baseline of the change.
    pub model: Option<f64>,
    /// The figure as re-executed with the changes; `None` if below the error.
    pub after: Option<f64>,
    /// Uncertainty of the model, if known: its own deviation from the recording and, for waits, at least that of a late
    /// wakeup.
    pub error: Option<f64>,
    /// The verdict on the change.
    pub verdict: Verdict,
    /// How much longer or shorter a wait gets, in nanoseconds.
    #[serde(skip)]
    waits_ns: f64,
}

/// A change worth a headline.
#[derive(Clone, Debug, PartialEq)]
pub struct Headline {
    /// What changed.
    pub name: String,
    /// The value without the change.
    pub from: f64,
    /// The value with the change.
    pub to: f64,
    weight: f64,
}

/// All sides, and the tags left out of them.
pub(super) struct Comparison<'a> {
    pub(super) before: &'a Side,
    pub(super) model: Option<&'a Side>,
    pub(super) after: &'a Side,
    pub(super) left_out: &'a [String],
    /// Whether both executions ran to their end, so verdicts are possible.
    pub(super) judges: bool,
    /// The lateness of wakeups, in nanoseconds: the uncertainty of a loop that sleeps at other times.
    pub(super) wake_ns: u64,
}

/// Whether the difference is large enough to count as a change.
#[must_use]
pub fn is_change(from: f64, to: f64) -> bool {
    (to - from).abs() > from.abs() * SAME
}

/// The weight of a change: the waiting time gained or lost, times the logarithm of the ratio.
fn weight(waits_ns: f64, from: f64, to: f64) -> f64 {
    waits_ns * (to.max(0.5) / from.max(0.5)).ln().abs()
}

/// Whether the verdict on a percentile holds whichever events the other side lacks.
fn holds(verdict: Verdict, quantile: f64, from: &Histogram, to: &Histogram) -> bool {
    let (before, after) = (from.count() as f64, to.count() as f64);
    if from.is_empty() || to.is_empty() {
        return false;
    }
    if (after - before).abs() <= before * SAME_EVENTS {
        return true;
    }
    // The rank of the same event if the missing ones were the shortest and the new ones are the longest; or the
    // reverse.
    let as_if_short = 1.0 - (1.0 - quantile) * before / after;
    let as_if_long = quantile * before / after;
    let rank = if (verdict == Verdict::Worse) == (after < before) { as_if_short } else { as_if_long };
    let value = from.quantile(quantile);
    match verdict {
        Verdict::Worse => rank > 0.0 && to.quantile(rank.min(1.0)) > value,
        _ => rank < 1.0 && to.quantile(rank.max(0.0)) < value,
    }
}

/// Whether a percentile that rests on few events moved one way, and the maximum the other.
fn contradicts(verdict: Verdict, quantile: f64, from: &Histogram, to: &Histogram) -> bool {
    let above = (1.0 - quantile) * from.count().min(to.count()) as f64;
    let (longest, now) = (from.max() as f64, to.max() as f64);
    above < ABOVE_MIN && is_change(longest, now) && (verdict == Verdict::Worse) == (now < longest)
}

impl<'a> Comparison<'a> {
    fn sides<T>(&self, of: impl Fn(&'a Side) -> T) -> (T, Option<T>, T) {
        (of(self.before), self.model.map(&of), of(self.after))
    }

    /// The verdict on a quantity where lower is better.
    fn verdict(&self, before: f64, model: Option<f64>, after: f64, is_wait: bool) -> Verdict {
        let from = model.unwrap_or(before);
        let off = self.error(Some(before), model, is_wait).unwrap_or(0.0);
        match after - from {
            _ if !is_change(from, after) => Verdict::Same,
            _ if !self.judges || model.is_none() => Verdict::Changed,
            // Within the uncertainty, in either direction, a change says nothing.
            change if change.abs() <= off => Verdict::Model,
            change if change < 0.0 => Verdict::Better,
            _ => Verdict::Worse,
        }
    }

    /// The uncertainty of the model.
    fn error(&self, before: Option<f64>, model: Option<f64>, is_wait: bool) -> Option<f64> {
        let own = if is_wait { self.wake_ns as f64 } else { 0.0 };
        model.map(|model| (model - before.unwrap_or(0.0)).abs().max(own))
    }

    /// The verdict on a percentile.
    fn verdict_of(&self, quantile: f64, sides: [Option<&Histogram>; 3], is_wait: bool) -> Verdict {
        let value = |side: &Histogram| side.quantile(quantile) as f64;
        let [Some(before), model, Some(after)] = sides else { return Verdict::Changed };
        let verdict = self.verdict(value(before), model.map(value), value(after), is_wait);
        match (verdict, model) {
            (Verdict::Better | Verdict::Worse, Some(model)) if !holds(verdict, quantile, model, after) => {
                Verdict::Unlike
            }
            (Verdict::Better | Verdict::Worse, _)
                if contradicts(verdict, quantile, model.unwrap_or(before), after) =>
            {
                Verdict::Changed
            }
            _ => verdict,
        }
    }

    /// The distribution of waits of a kind, without the tags left out.
    fn pooled(&self, side: &'a Side, kind: Kind) -> Cow<'a, Histogram> {
        if self.left_out.is_empty() {
            return Cow::Borrowed(match kind {
                Kind::TimerLag => &side.timeline.timers.lag_ns,
                Kind::QueueWait => &side.queue_wait_ns,
                Kind::TaskletWait => &side.tasklet_wait_ns,
                Kind::JobWait => &side.job_wait_ns,
            });
        }
        let mut pool = Histogram::new();
        let kept = side.figures.iter().filter(|((of, tag), _)| *of == kind && !self.left_out.contains(tag));
        kept.for_each(|(_, histogram)| pool.merge(histogram));
        Cow::Owned(pool)
    }

    fn percentiles(
        &self,
        what: &'static str,
        of: &[(&'static str, f64)],
        histogram: impl Fn(&'a Side) -> Cow<'a, Histogram>,
    ) -> Vec<Row> {
        let (before, model, after) = self.sides(histogram);
        let row = |(statistic, quantile): &(&'static str, f64)| {
            let value = |side: &Histogram| match *quantile {
                _ if side.is_empty() => None,
                1.0 => Some(side.max() as f64),
                quantile => Some(side.quantile(quantile) as f64),
            };
            let (b, m, a) = (value(&before), model.as_deref().and_then(value), value(&after));
            let is_wait = what != "tick run";
            let error = self.error(b, m, is_wait);
            let known_after = a.filter(|after| error.is_none_or(|error| *after >= error));
            // A maximum is a single event, whatever the number of events.
            let verdict = match (*quantile, b, a) {
                _ if a.is_some() && known_after.is_none() => Verdict::Model,
                (1.0, Some(b), Some(a)) => self.verdict(b, m, a, is_wait),
                (_, Some(_), Some(_)) => {
                    self.verdict_of(*quantile, [Some(&before), model.as_deref(), Some(&after)], is_wait)
                }
                _ => Verdict::Changed,
            };
            let waits_ns = (a.unwrap_or(0.0) - m.or(b).unwrap_or(0.0)).abs();
            let (unit, after) = (Unit::Ns, known_after);
            Row { what, statistic, unit, before: b, model: m, after, error, verdict, waits_ns }
        };
        of.iter().map(row).collect()
    }

    /// The row of a count where lower is better; each item costs a wait of `each_ns`.
    fn number(&self, what: &'static str, statistic: &'static str, each_ns: f64, of: fn(&Side) -> u64) -> Row {
        let (before, model, after) = self.sides(|side| of(side) as f64);
        let verdict = self.verdict(before, model, after, false);
        let waits_ns = (after - model.unwrap_or(before)).abs() * each_ns;
        self.row(what, statistic, Unit::Count, [Some(before), model, Some(after)], verdict, waits_ns)
    }

    /// The row of a figure that is neither better nor worse.
    fn figure_row(&self, what: &'static str, unit: Unit, of: fn(&Side) -> f64) -> Row {
        let (before, model, after) = self.sides(of);
        let verdict = match self.verdict(before, model, after, false) {
            Verdict::Better | Verdict::Worse => Verdict::Changed,
            other => other,
        };
        self.row(what, "", unit, [Some(before), model, Some(after)], verdict, 0.0)
    }

    /// The row of a count or a share, where 0 is a real value rather than one below the error.
    fn row(
        &self,
        what: &'static str,
        statistic: &'static str,
        unit: Unit,
        [before, model, after]: [Option<f64>; 3],
        verdict: Verdict,
        waits_ns: f64,
    ) -> Row {
        let error = self.error(before, model, false);
        Row { what, statistic, unit, before, model, after, error, verdict, waits_ns }
    }

    /// The figures of the loop.
    pub(super) fn rows(&self) -> Vec<Row> {
        let lag = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)];
        let (tails, p99) = ([("p99", 0.99), ("max", 1.0)], [("p99", 0.99)]);
        let ticks = &self.before.summary.ticks;
        // Each place further back in the queue means waiting for one more task.
        let task_ns = ticks.busy_ns as f64 / self.before.summary.tasks.count.max(1) as f64;
        let mut rows = self.percentiles("timer lag", &lag, |side| self.pooled(side, Kind::TimerLag));
        let runs = |side: &'a Side| Cow::Borrowed(&side.timeline.ticks.run_ns);
        rows.extend(self.percentiles("tick run", &tails, runs));
        rows.push(self.number("stalls", "", ticks.stall_limit_ns as f64, |side| side.summary.ticks.stalls));
        rows.extend(self.percentiles("queue wait", &p99, |side| self.pooled(side, Kind::QueueWait)));
        if !self.before.tasklet_wait_ns.is_empty() {
            rows.extend(self.percentiles("tasklet wait", &p99, |side| self.pooled(side, Kind::TaskletWait)));
        }
        let has_jobs = !self.before.job_wait_ns.is_empty();
        if has_jobs {
            let tails = [("p50", 0.5), ("p99", 0.99), ("max", 1.0)];
            rows.extend(self.percentiles("job wait", &tails, |side| self.pooled(side, Kind::JobWait)));
        }
        rows.push(self.number("queue depth", "max", task_ns, |side| side.queue_depth_max));
        rows.extend([
            self.figure_row("utilization", Unit::Share, |side| side.summary.ticks.utilization.unwrap_or(0.0)),
            self.figure_row("ticks", Unit::Count, |side| side.summary.ticks.count as f64),
            self.figure_row("tasks run", Unit::Count, |side| side.summary.tasks.count as f64),
        ]);
        if has_jobs {
            rows.push(self.figure_row("jobs run", Unit::Count, |side| side.timeline.work.ran as f64));
        }
        rows.extend([
            self.figure_row("timers fired", Unit::Count, |side| side.timeline.timers.fired as f64),
            self.figure_row("GC runs", Unit::Count, |side| side.summary.gc.run_ns.count as f64),
            self.figure_row("span", Unit::Ns, |side| side.summary.span_ns as f64),
        ]);
        rows
    }

    /// The timers and tags that changed most at the 99th percentile.
    pub(super) fn changed(&self) -> Vec<Changed> {
        let mut names: Vec<&(Kind, String)> =
            self.before.figures.keys().chain(self.after.figures.keys()).collect();
        names.sort();
        names.dedup();
        let changed = |name: &(Kind, String)| {
            let (before, model, after) = self.sides(|side| side.figures.get(name));
            let model = model.flatten();
            let of = |histogram: Option<&Histogram>| histogram.map(Figure::of).unwrap_or_default();
            let verdict = self.verdict_of(0.99, [before, model, after], true);
            let model = self.model.map(|_| of(model));
            Changed {
                what: name.0,
                tag: name.1.clone(),
                before: of(before),
                after: of(after),
                model,
                verdict,
            }
        };
        let mut all: Vec<Changed> = names.into_iter().map(changed).collect();
        all.retain(|changed| changed.from() != changed.after);
        all.sort_by(|a, b| b.weight().total_cmp(&a.weight()).then_with(|| a.tag.cmp(&b.tag)));
        all.truncate(CHANGED_MAX);
        all
    }
}

impl Row {
    /// The value without the change: from the model if there is one, otherwise as recorded.
    #[must_use]
    pub fn from(&self) -> Option<f64> {
        self.model.or(self.before)
    }
}

impl Changed {
    /// The figures without the change: from the model if there is one, otherwise as recorded.
    #[must_use]
    pub fn from(&self) -> Figure {
        self.model.unwrap_or(self.before)
    }

    fn weight(&self) -> f64 {
        let (from, to) = (self.from().p99_ns, self.after.p99_ns);
        weight(from.abs_diff(to) as f64, from as f64, to as f64)
    }
}

/// Everything shown that got better, or worse, largest change first.
pub(super) fn news(rows: &[Row], changed: &[Changed], verdict: Verdict) -> Vec<Headline> {
    let is_news = |found: Verdict, waits_ns: f64| found == verdict && waits_ns >= NEWS_NS;
    let of_rows = rows.iter().filter(|row| is_news(row.verdict, row.waits_ns)).filter_map(|row| {
        let (name, from, to) = (format!("{} {}", row.what, row.statistic), row.from()?, row.after?);
        let weight = weight(row.waits_ns, from, to);
        Some(Headline { name: name.trim_end().to_owned(), from, to, weight })
    });
    let tags = changed.iter().filter(|changed| {
        is_news(changed.verdict, changed.from().p99_ns.abs_diff(changed.after.p99_ns) as f64)
    });
    let of_tags = tags.map(|changed| Headline {
        name: format!("{} {}", changed.what.word(), changed.tag),
        from: changed.from().p99_ns as f64,
        to: changed.after.p99_ns as f64,
        weight: changed.weight(),
    });
    let mut news: Vec<Headline> = of_rows.chain(of_tags).collect();
    news.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    news
}

#[cfg(test)]
mod tests;
