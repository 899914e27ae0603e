//! What is compared with what, and what may be said about it.
//!
//! A change is what lies between two executions by the same model: without the change and with it. So what the model
//! gets wrong of the recording is on both sides, and is never credited to the change. Where the model is off by as much
//! as something changed, nothing is said; nor is it where the events of both sides are not the same ones: a percentile
//! rises when quick ones leave the sample, and nobody waits longer for that.

use std::borrow::Cow;

use loop_traces::histogram::Histogram;
use serde::Serialize;

use super::answer::{Changed, Figure, Kind, Side};

/// Changes below this share are none.
const SAME: f64 = 0.02;

/// Counts that differ by less than this share are of the same events.
const SAME_EVENTS: f64 = 0.05;

/// Events above a percentile, at least, for it to say anything by itself: of fewer, one that moves there moves it.
const ABOVE_MIN: f64 = 10.0;

/// What nobody waits longer for than this is no news.
const NEWS_NS: f64 = 1_000.0;

/// Tags that are listed.
const CHANGED_MAX: usize = 12;

/// What may be said about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is less of it, of something of which less is better.
    Better,
    /// There is more of it.
    Worse,
    /// The model alone is off by as much.
    Model,
    /// There are other events on both sides, which could be all there is to it.
    Unlike,
    /// There is a change, and neither is better.
    Changed,
    /// There is none.
    Same,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// A number of something.
    Count,
    /// A share of the time.
    Share,
}

/// One figure of the loop, on all sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// What it is of, for example `timer lag`.
    pub what: &'static str,
    /// Which figure: `p50`, `p90`, `p99`, `max`; empty where there is but one.
    pub statistic: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// As recorded; `None` where nothing was.
    pub before: Option<f64>,
    /// As executed again without a change, where that was done: the change is from here.
    pub model: Option<f64>,
    /// As executed again; `None` where that is less than the error.
    pub after: Option<f64>,
    /// By how much the model may be off, where that is known: by as much as it is off without a change, and a wait by as
    /// much as a wake-up is late.
    pub error: Option<f64>,
    /// What may be said about it.
    pub verdict: Verdict,
    /// How much longer or shorter somebody waits, in nanoseconds.
    #[serde(skip)]
    waits_ns: f64,
}

/// A change that is worth a headline.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// What changed.
    pub name: String,
    /// Without the change.
    pub from: f64,
    /// With it.
    pub to: f64,
    weight: f64,
}

/// All sides, and the tags that are left out of them.
pub(super) struct Comparison<'a> {
    pub(super) before: &'a Side,
    pub(super) model: Option<&'a Side>,
    pub(super) after: &'a Side,
    pub(super) left_out: &'a [String],
    /// Both executions came to their end: something may be said.
    pub(super) judges: bool,
    /// How late wake-ups are. A loop that sleeps otherwise wakes up otherwise, by as much.
    pub(super) wake_ns: u64,
}

/// Whether from one to the other is a change at all.
#[must_use]
pub fn is_change(from: f64, to: f64) -> bool {
    (to - from).abs() > from.abs() * SAME
}

/// How much a change weighs: how much longer somebody waits, times by how many times it is.
fn weight(waits_ns: f64, from: f64, to: f64) -> f64 {
    waits_ns * (to.max(0.5) / from.max(0.5)).ln().abs()
}

/// Whether a percentile is better, or worse, whatever those events were that are on one side only.
fn holds(verdict: Verdict, quantile: f64, from: &Histogram, to: &Histogram) -> bool {
    let (before, after) = (from.count() as f64, to.count() as f64);
    if from.is_empty() || to.is_empty() {
        return false;
    }
    if (after - before).abs() <= before * SAME_EVENTS {
        return true;
    }
    // The rank that it has where what is missing had been the shortest, and what is new is the longest; or the reverse.
    let as_if_short = 1.0 - (1.0 - quantile) * before / after;
    let as_if_long = quantile * before / after;
    let rank = if (verdict == Verdict::Worse) == (after < before) { as_if_short } else { as_if_long };
    let value = from.quantile(quantile);
    match verdict {
        Verdict::Worse => rank > 0.0 && to.quantile(rank.min(1.0)) > value,
        _ => rank < 1.0 && to.quantile(rank.max(0.0)) < value,
    }
}

/// Whether a percentile that a few events make moved one way, and the longest of them the other.
fn contradicts(verdict: Verdict, quantile: f64, from: &Histogram, to: &Histogram) -> bool {
    let above = (1.0 - quantile) * from.count().min(to.count()) as f64;
    let (longest, now) = (from.max() as f64, to.max() as f64);
    above < ABOVE_MIN && is_change(longest, now) && (verdict == Verdict::Worse) == (now < longest)
}

impl<'a> Comparison<'a> {
    fn sides<T>(&self, of: impl Fn(&'a Side) -> T) -> (T, Option<T>, T) {
        (of(self.before), self.model.map(&of), of(self.after))
    }

    /// Of something of which less is better.
    fn verdict(&self, before: f64, model: Option<f64>, after: f64, is_wait: bool) -> Verdict {
        let from = model.unwrap_or(before);
        let off = self.error(Some(before), model, is_wait).unwrap_or(0.0);
        match after - from {
            _ if !is_change(from, after) => Verdict::Same,
            _ if !self.judges || model.is_none() => Verdict::Changed,
            // In its own direction, or in the other: a change says something where it is larger.
            change if change.abs() <= off => Verdict::Model,
            change if change < 0.0 => Verdict::Better,
            _ => Verdict::Worse,
        }
    }

    /// By how much the model may be off.
    fn error(&self, before: Option<f64>, model: Option<f64>, is_wait: bool) -> Option<f64> {
        let own = if is_wait { self.wake_ns as f64 } else { 0.0 };
        model.map(|model| (model - before.unwrap_or(0.0)).abs().max(own))
    }

    /// The same of a percentile.
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

    /// How often which time was waited, without the tags that are left out.
    fn pooled(&self, side: &'a Side, kind: Kind) -> Cow<'a, Histogram> {
        if self.left_out.is_empty() {
            return Cow::Borrowed(match kind {
                Kind::TimerLag => &side.timeline.timers.lag_ns,
                Kind::QueueWait => &side.queue_wait_ns,
                Kind::TaskletWait => &side.tasklet_wait_ns,
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
            let after_told = a.filter(|after| error.is_none_or(|error| *after >= error));
            // What is worst happens once, and happens or not: more events are no excuse.
            let verdict = match (*quantile, b, a) {
                _ if a.is_some() && after_told.is_none() => Verdict::Model,
                (1.0, Some(b), Some(a)) => self.verdict(b, m, a, is_wait),
                (_, Some(_), Some(_)) => {
                    self.verdict_of(*quantile, [Some(&before), model.as_deref(), Some(&after)], is_wait)
                }
                _ => Verdict::Changed,
            };
            let waits_ns = (a.unwrap_or(0.0) - m.or(b).unwrap_or(0.0)).abs();
            let (unit, after) = (Unit::Ns, after_told);
            Row { what, statistic, unit, before: b, model: m, after, error, verdict, waits_ns }
        };
        of.iter().map(row).collect()
    }

    /// A number of which less is better; each of it keeps somebody waiting for so long.
    fn number(&self, what: &'static str, statistic: &'static str, each_ns: f64, of: fn(&Side) -> u64) -> Row {
        let (before, model, after) = self.sides(|side| of(side) as f64);
        let verdict = self.verdict(before, model, after, false);
        let waits_ns = (after - model.unwrap_or(before)).abs() * each_ns;
        self.row(what, statistic, Unit::Count, [Some(before), model, Some(after)], verdict, waits_ns)
    }

    /// What is neither better nor worse.
    fn told(&self, what: &'static str, unit: Unit, of: fn(&Side) -> f64) -> Row {
        let (before, model, after) = self.sides(of);
        let verdict = match self.verdict(before, model, after, false) {
            Verdict::Better | Verdict::Worse => Verdict::Changed,
            other => other,
        };
        self.row(what, "", unit, [Some(before), model, Some(after)], verdict, 0.0)
    }

    /// A count or a share: none at all is what it is, and no less than an error.
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
        // Whoever stands one place further back waits for one task more.
        let task_ns = ticks.busy_ns as f64 / self.before.summary.tasks.count.max(1) as f64;
        let mut rows = self.percentiles("timer lag", &lag, |side| self.pooled(side, Kind::TimerLag));
        let runs = |side: &'a Side| Cow::Borrowed(&side.timeline.ticks.run_ns);
        rows.extend(self.percentiles("tick run", &tails, runs));
        rows.push(self.number("stalls", "", ticks.stall_limit_ns as f64, |side| side.summary.ticks.stalls));
        rows.extend(self.percentiles("queue wait", &p99, |side| self.pooled(side, Kind::QueueWait)));
        if !self.before.tasklet_wait_ns.is_empty() {
            rows.extend(self.percentiles("tasklet wait", &p99, |side| self.pooled(side, Kind::TaskletWait)));
        }
        rows.push(self.number("queue depth", "max", task_ns, |side| side.queue_depth_max));
        rows.extend([
            self.told("utilization", Unit::Share, |side| side.summary.ticks.utilization.unwrap_or(0.0)),
            self.told("ticks", Unit::Count, |side| side.summary.ticks.count as f64),
            self.told("tasks run", Unit::Count, |side| side.summary.tasks.count as f64),
            self.told("timers fired", Unit::Count, |side| side.timeline.timers.fired as f64),
            self.told("GC runs", Unit::Count, |side| side.summary.gc.run_ns.count as f64),
            self.told("span", Unit::Ns, |side| side.summary.span_ns as f64),
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
    /// Without the change: by the model, where that is known.
    #[must_use]
    pub fn from(&self) -> Option<f64> {
        self.model.or(self.before)
    }
}

impl Changed {
    /// Without the change: by the model, where that is known.
    #[must_use]
    pub fn from(&self) -> Figure {
        self.model.unwrap_or(self.before)
    }

    fn weight(&self) -> f64 {
        let (from, to) = (self.from().p99_ns, self.after.p99_ns);
        weight(from.abs_diff(to) as f64, from as f64, to as f64)
    }
}

/// What got better, or worse, of all that is shown, the most first.
pub(super) fn news(rows: &[Row], changed: &[Changed], verdict: Verdict) -> Vec<News> {
    let is_news = |found: Verdict, waits_ns: f64| found == verdict && waits_ns >= NEWS_NS;
    let of_rows = rows.iter().filter(|row| is_news(row.verdict, row.waits_ns)).filter_map(|row| {
        let (name, from, to) = (format!("{} {}", row.what, row.statistic), row.from()?, row.after?);
        let weight = weight(row.waits_ns, from, to);
        Some(News { name: name.trim_end().to_owned(), from, to, weight })
    });
    let tags = changed.iter().filter(|changed| {
        is_news(changed.verdict, changed.from().p99_ns.abs_diff(changed.after.p99_ns) as f64)
    });
    let of_tags = tags.map(|changed| News {
        name: format!("{} {}", changed.what.word(), changed.tag),
        from: changed.from().p99_ns as f64,
        to: changed.after.p99_ns as f64,
        weight: changed.weight(),
    });
    let mut news: Vec<News> = of_rows.chain(of_tags).collect();
    news.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    news
}

#[cfg(test)]
mod tests;
