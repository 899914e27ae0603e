//! The content of a page of verdicts and gates, which submodules render as text, Markdown or JUnit XML.

pub mod junit;
pub mod markdown;
pub mod text;

use loop_probes::text::printable;
use std::collections::HashSet;

use loop_traces::analysis::diff::Comparison;
use loop_traces::analysis::diff::Verdict;
use loop_traces::analysis::diff::any_tag::EVERY_TAG;
use loop_traces::analysis::diff::changes::Change;
use loop_traces::analysis::diff::decide::{Judged, MoreRuns};
use loop_traces::analysis::diff::speed::OTHERS_MIN;
use loop_traces::analysis::diff::uncertainty::Loss;
use loop_traces::analysis::gate::{Judgement, Outcome};
use loop_traces::analysis::metric::{CLOCK_GRAIN_NS, Statistic, Unit, Value};
use loop_traces::units::{change, count, counted, percent};

/// The content of a page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The verdict in one sentence, if there is one.
    pub headline: Option<(Verdict, String)>,
    /// Metrics with a verdict.
    pub rows: Vec<Row>,
    /// Metrics without a verdict, largest change first.
    pub changes: Vec<Moved>,
    /// The judgements of all gates.
    pub gates: Vec<Judgement>,
    /// Whether undecided gates fail the command.
    pub strict: bool,
    /// Further remarks.
    pub notes: Vec<String>,
}

/// One metric and its verdict.
#[derive(Clone, Debug)]
pub struct Row {
    /// The verdict on the change of the metric.
    pub verdict: Verdict,
    /// Name of the metric.
    pub metric: String,
    /// The median of the base.
    pub base: String,
    /// The median of the candidate.
    pub candidate: String,
    /// The shift, relative if possible.
    pub change: String,
    /// The 95% confidence interval of the shift.
    pub interval: String,
    /// The p-value.
    pub p: String,
    /// Lines below the row: affected tags, and what would decide an undecided verdict.
    pub details: Vec<String>,
}

/// One metric without a verdict.
#[derive(Clone, Debug)]
pub struct Moved {
    /// Name of the metric.
    pub metric: String,
    /// The median of the base.
    pub base: String,
    /// The median of the candidate.
    pub candidate: String,
    /// The change of the median.
    pub change: String,
}

/// The placeholder for a missing value.
const NONE: &str = "-";

impl Page {
    /// The page of a comparison and its gates.
    #[must_use]
    pub fn of(comparison: &Comparison, gates: Vec<Judgement>, strict: bool) -> Self {
        let mut notes = comparison.notes.clone();
        if let Some(speed) = comparison.machine_speed.filter(|speed| *speed >= FASTER) {
            notes.push(format!("the machine was up to {speed:.1} times as fast in one run as in another"));
        }
        Self {
            headline: Some((comparison.verdict, headline(comparison))),
            rows: comparison
                .primary
                .iter()
                .map(|judged| row(judged, comparison.machine_speed.is_some()))
                .collect(),
            changes: changes(&comparison.descriptive),
            gates,
            strict,
            notes: notes.iter().map(|note| printable(note)).collect(),
        }
    }

    /// The page of one run's gates.
    #[must_use]
    pub fn of_gates(gates: Vec<Judgement>, strict: bool) -> Self {
        Self { gates, strict, ..Self::default() }
    }

    /// The gates that fail the command.
    pub fn failed(&self) -> impl Iterator<Item = &Judgement> {
        self.gates.iter().filter(|gate| self.fails(gate.outcome))
    }

    /// Whether a gate with this outcome fails the command.
    #[must_use]
    pub fn fails(&self, outcome: Outcome) -> bool {
        outcome == Outcome::Failed || (self.strict && outcome == Outcome::Undecided)
    }

    /// The undecided gates that do not fail the command.
    fn undecided(&self) -> impl Iterator<Item = &Judgement> {
        self.gates.iter().filter(|gate| gate.outcome == Outcome::Undecided && !self.strict)
    }

    /// One line that names failed gates with their numbers; `None` if none failed.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let failed = named(self.failed())?;
        Some(format!("{}: {failed}", self.gates_line()))
    }

    /// One line that names undecided gates that do not fail the command; `None` if there are none.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let open = named(self.undecided())?;
        Some(format!("{}; undecided gates fail only with --strict: {open}", self.gates_line()))
    }

    /// Formats the number of gates, and of failed and undecided ones.
    #[must_use]
    pub fn gates_line(&self) -> String {
        let all = counted(self.gates.len() as u64, "gate", "gates");
        let failed = self.failed().count();
        match (failed, self.undecided().count()) {
            (0, 0) => format!("{all} held"),
            (0, open) => format!("no gate of {} failed, {open} undecided", self.gates.len()),
            (failed, 0) => format!("{failed} of {all} failed"),
            (failed, open) => format!("{failed} of {all} failed, {open} undecided"),
        }
    }
}

/// Formats the numbers of a gate, and the reason for its outcome if it needs one.
#[must_use]
pub fn describe_gate(gate: &Judgement) -> String {
    let why = gate.why.iter().map(|why| format!("; {why}")).collect::<String>();
    printable(&format!("{}{why}", gate.numbers))
}

/// Maximum number of gates named in a line. The page lists all.
const NAMED_MAX: usize = 20;

/// Formats gates on one line, with their numbers; `None` if there are none.
fn named<'a>(gates: impl Iterator<Item = &'a Judgement>) -> Option<String> {
    let mut gates = gates.peekable();
    gates.peek()?;
    let mut parts: Vec<String> = gates
        .by_ref()
        .take(NAMED_MAX)
        .map(|gate| format!("{}: {}", gate.gate, describe_gate(gate)))
        .collect();
    match gates.count() {
        0 => {}
        more => parts.push(format!("and {} more", count(more as u64))),
    }
    Some(parts.join("; "))
}

/// Differences in machine speed are mentioned from this factor on.
const FASTER: f64 = 1.5;

/// The changes to list: for each distribution, the statistic that changed most.
fn changes(all: &[Change]) -> Vec<Moved> {
    let mut seen = HashSet::new();
    let shows = |change: &&Change| {
        let by = (change.candidate.unwrap_or_default() - change.base.unwrap_or_default()).abs();
        let grain = if change.unit == Unit::Ns { CLOCK_GRAIN_NS } else { 0.0 };
        change.change.is_some_and(|share| share.abs() >= 0.005) && by > grain
    };
    let shown = all.iter().filter(shows).filter(|change| {
        let end = change.metric.rsplit_once('.').map_or("", |(_, end)| end);
        let is_statistic = Statistic::ALL.iter().any(|statistic| statistic.name() == end);
        let of =
            if is_statistic { &change.metric[..change.metric.len() - end.len()] } else { &change.metric };
        seen.insert(of.to_owned())
    });
    shown.map(moved).collect()
}

fn value(number: Option<f64>, unit: Unit) -> String {
    number.map_or_else(|| NONE.to_owned(), |number| Value { number, unit }.to_string())
}

fn signed(shift: f64, unit: Unit) -> String {
    let sign = if shift < 0.0 { "-" } else { "+" };
    if shift == 0.0 { "0".to_owned() } else { format!("{sign}{}", Value { number: shift.abs(), unit }) }
}

fn row(judged: &Judged, is_speed_known: bool) -> Row {
    let effect = judged.effect.as_ref();
    let is_common = judged.tag.as_deref() == Some(EVERY_TAG);
    let shown = |number: Option<f64>| if is_common { NONE.to_owned() } else { value(number, judged.unit) };
    let interval = effect.and_then(|effect| match (effect.change_interval, effect.shift_interval) {
        (Some([low, high]), _) => Some(format!("{} … {}", change(low), change(high))),
        (None, Some([low, high])) => {
            Some(format!("{} … {}", signed(low, judged.unit), signed(high, judged.unit)))
        }
        (None, None) => None,
    });
    let by = effect.map(|effect| match effect.change {
        Some(share) => change(share),
        None => signed(effect.shift, judged.unit),
    });
    Row {
        verdict: judged.verdict,
        metric: printable(&judged.metric),
        base: shown(effect.map(|effect| effect.base)),
        candidate: shown(effect.map(|effect| effect.candidate)),
        change: by.unwrap_or_else(|| NONE.to_owned()),
        interval: interval.unwrap_or_else(|| NONE.to_owned()),
        p: judged.p.map_or_else(|| NONE.to_owned(), |p| format!("{p:.4}")),
        details: details(judged, is_speed_known),
    }
}

/// `is_speed_known`: whether the runs' machine speeds could be told from their tags.
fn details(judged: &Judged, is_speed_known: bool) -> Vec<String> {
    let mut details = Vec::new();
    if let (Some(tag), Some(compared)) = (&judged.tag, judged.tags_compared) {
        let tags = counted(compared as u64, "tag", "tags");
        let up = judged.effect.as_ref().is_some_and(|effect| effect.shift > 0.0);
        // Tags that moved in the other direction may have moved further.
        let is_mixed = judged.other_tags.iter().any(|other| (other.change > 0.0) != up);
        let most = if judged.verdict == Verdict::Worse && is_mixed { "is the worst" } else { "changed most" };
        details.push(match tag.as_str() {
            EVERY_TAG => format!("all {tags} changed alike: the build or the machine changed"),
            tag if judged.metric.contains(".run.") => {
                let share = judged
                    .share
                    .map_or_else(String::new, |share| format!(", {} of the time", percent(share)));
                // A tag's own speed is no evidence of the machine's.
                let is_taken_out = is_speed_known && compared > OTHERS_MIN;
                let speed = if is_taken_out { "; the machine's speed is taken out" } else { "" };
                format!("{} {most} of {tags}{share}{speed}", printable(tag))
            }
            tag => format!("{} {most} of {tags}", printable(tag)),
        });
    }
    let others: Vec<String> = judged
        .other_tags
        .iter()
        .map(|other| {
            let share = percent(other.share);
            format!("{} {} ({share} of the time)", printable(&other.tag), change(other.change))
        })
        .collect();
    if !others.is_empty() {
        details.push(format!("also {}", others.join(", ")));
    }
    if judged.effect.is_none() {
        details.push("nothing was measured on one side".to_owned());
    }
    if judged.verdict == Verdict::Same {
        details.extend(judged.same_p.map(|p| format!("by equivalence test: p = {p:.4}")));
    }
    details.extend(judged.more_runs.map(|more| format!("{more} would decide")));
    details.extend(judged.loss.and_then(|loss| lost(judged.verdict, &loss)));
    details.extend(
        judged.refused.iter().map(|refused| format!("{}, but {}", refused.verdict.name(), refused.why)),
    );
    details
}

/// Formats how lost records affect a verdict.
fn lost(verdict: Verdict, loss: &Loss) -> Option<String> {
    let records = loss.left_open;
    let end = |end: Option<f64>| end.map_or_else(|| "anything".to_owned(), change);
    let could_be = loss.change_interval.map(|[low, high]| format!(": {} … {}", end(low), end(high)));
    match (loss.overturned, verdict) {
        (Some(seen), _) => {
            Some(format!("{}, but {records} could overturn it{}", seen.name(), could_be.unwrap_or_default()))
        }
        (None, Verdict::Undecided) => None,
        (None, _) => Some(format!("holds regardless of {records}{}", could_be.unwrap_or_default())),
    }
}

fn moved(moved: &Change) -> Moved {
    Moved {
        metric: printable(&moved.metric),
        base: value(moved.base, moved.unit),
        candidate: value(moved.candidate, moved.unit),
        change: moved.change.map_or_else(|| NONE.to_owned(), change),
    }
}

fn headline(comparison: &Comparison) -> String {
    let of = |verdict: Verdict| {
        let judged = comparison.primary.iter().filter(move |judged| judged.verdict == verdict);
        judged.map(sentence).collect::<Vec<String>>().join(", and ")
    };
    let one = comparison.candidate.len() == 1;
    let runs = format!(
        "{} against {} {}",
        counted(comparison.candidate.len() as u64, "run", "runs"),
        comparison.base.len(),
        if one { "does not decide" } else { "do not decide" }
    );
    match comparison.verdict {
        Verdict::Worse => match of(Verdict::Better) {
            better if better.is_empty() => of(Verdict::Worse),
            better => format!("{}; but {better}", of(Verdict::Worse)),
        },
        Verdict::Better => of(Verdict::Better),
        Verdict::Same => {
            let within = change(comparison.same_within);
            format!("no metric differs by {} or more", within.trim_start_matches('+'))
        }
        Verdict::Undecided => {
            let mut refused =
                comparison.primary.iter().filter_map(|judged| Some((judged, judged.refused.as_ref()?)));
            match (refused.next(), nearest(comparison)) {
                (Some((_, refused)), _) if refused.verdict == Verdict::Same => refused.why.clone(),
                (Some((judged, refused)), _) => format!("{}, but {}", sentence(judged), refused.why),
                (None, Some((metric, more))) => format!("{runs}; {more} would decide {metric}"),
                (None, None) => comparison.primary.iter().find_map(overturned).unwrap_or(runs),
            }
        }
    }
}

/// Formats the verdict that lost records prevent.
fn overturned(judged: &Judged) -> Option<String> {
    let loss = judged.loss.filter(|loss| loss.overturned.is_some())?;
    Some(format!("{}, but {} could overturn it", sentence(judged), loss.left_open))
}

/// The metric that the fewest additional runs would decide.
fn nearest(comparison: &Comparison) -> Option<(String, MoreRuns)> {
    let open =
        comparison.primary.iter().filter_map(|judged| Some((judged.metric.clone(), judged.more_runs?)));
    open.min_by_key(|(_, more)| match more {
        MoreRuns::About(runs) | MoreRuns::AtLeast(runs) => *runs,
        MoreRuns::MoreThan(runs) => runs.saturating_add(1),
    })
}

fn sentence(judged: &Judged) -> String {
    let share = judged.effect.as_ref().and_then(|effect| effect.change);
    let by = share.map(|share| change(share.abs()).trim_start_matches('+').to_owned());
    let up = judged.effect.as_ref().is_some_and(|effect| effect.shift > 0.0);
    let by = by.map_or_else(String::new, |by| format!("{by} "));
    match &judged.tag {
        Some(tag) if judged.metric.contains(".run.") => {
            let others = judged.other_tags.iter().map(|other| {
                let (by, how) =
                    (change(other.change.abs()), if other.change > 0.0 { "longer" } else { "shorter" });
                format!(", {} {} {how}", printable(&other.tag), by.trim_start_matches('+'))
            });
            let others = others.collect::<String>();
            format!("{} runs {by}{}{others}", printable(tag), if up { "longer" } else { "shorter" })
        }
        tag => {
            let whose = tag.iter().map(|tag| format!("{}: ", printable(tag))).collect::<String>();
            format!("{whose}{} is {by}{}", printable(&judged.metric), if up { "higher" } else { "lower" })
        }
    }
}

#[cfg(test)]
mod tests;
