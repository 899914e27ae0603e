//! The diagnosis: what is wrong most, in one sentence.
//!
//! A small set of rules looks at a fold. Each that applies makes a finding: a sentence, and what the fault costs.
//! The costliest one is the diagnosis. The cost of a fault is the time that others waited for it, plus the time for
//! which the loop could not respond: both count the same nanoseconds of somebody's latency. `docs/src/diagnosis.md` has
//! the rules and their limits.
//!
//! Nothing is said beyond what was recorded: without a finding, but with records lost or clocks that contradict each
//! other, the diagnosis is [`Rule::Undecided`], never [`Rule::Healthy`].

mod blockers;
mod case;
mod engine;
mod finding;
mod none;
mod period;
#[cfg(test)]
mod tests;
mod waits;

use serde::{Deserialize, Serialize};

use crate::timeline::{Impact, StallFigures, StreamEnd, Timeline, Unfinished};
use crate::units::position;
use case::Case;
use finding::Finding;
pub use finding::{LookAt, Rule};

/// What is wrong most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Diagnosis {
    /// The sentence: what is wrong, who, how often, what it costs others, since when.
    pub text: String,
    /// The rule that made it.
    pub rule: Rule,
    /// The cause, named as in `delay_caused`; null if there is none, or if it is unknown.
    pub who: Option<String>,
    /// The loop concerned, if there are several; null if it is not one of them.
    #[serde(rename = "loop")]
    pub loop_name: Option<String>,
    /// How often it was seen: stalls, collections, signals. A lower bound if records were lost.
    pub count: Option<u64>,
    /// Its typical duration each time; a lower bound for what has not ended.
    pub run_ns: Option<u64>,
    /// The time between two, if it recurs at regular intervals.
    pub period_ns: Option<u64>,
    /// When it was first seen, in nanoseconds since the first event; null if what came before is not kept.
    pub since_ns: Option<u64>,
    /// The time that timers, signals and tasks waited for it, all together.
    pub delay_caused_ns: Option<u64>,
    /// How many timers, signals and tasks waited for it.
    pub delayed: Option<u64>,
    /// Where to look next; null if there is nothing to see.
    pub look_at: Option<LookAt>,
}

impl Diagnosis {
    /// The diagnosis of `timeline`, whose stream ended like `end`.
    #[must_use]
    pub fn of(timeline: &Timeline, end: StreamEnd) -> Self {
        let unfinished = timeline.unfinished(end);
        let impacts = timeline.delay_caused_with(&unfinished);
        let stalls = timeline.stall_figures(&unfinished, &timeline.missing_with(&unfinished));
        Self::of_known(timeline, &unfinished, &impacts, stalls)
    }

    /// The sentence, and where to look next: `… → late timers`.
    #[must_use]
    pub fn with_next(&self) -> String {
        self.look_at
            .map_or_else(|| self.text.clone(), |look_at| format!("{} → {}", self.text, look_at.name()))
    }

    /// The diagnosis of a process that is stopped at present: nothing of it runs, whatever was wrong before.
    #[must_use]
    pub fn of_stopped(timeline: &Timeline) -> Self {
        let first = timeline.first_at().unwrap_or_default();
        let since_ns = timeline.last_moved_at().map(|last| last.ns_since(first));
        let last =
            since_ns.map_or_else(String::new, |ns| format!("; its last record is of {}", position(ns)));
        let text = format!("The process is stopped, by a signal or a debugger{last}");
        let rule = Rule::Suspended;
        Self {
            text,
            rule,
            who: None,
            loop_name: None,
            count: Some(1),
            run_ns: None,
            period_ns: None,
            since_ns,
            delay_caused_ns: None,
            delayed: None,
            look_at: None,
        }
    }

    /// Like [`of`](Self::of), with all figures that it needs already computed.
    #[must_use]
    pub fn of_known(
        timeline: &Timeline,
        unfinished: &Unfinished,
        impacts: &[Impact],
        stalls: StallFigures,
    ) -> Self {
        let case = Case { timeline, unfinished, impacts, stalls };
        let found = case
            .findings()
            .into_iter()
            .reduce(|worst, next| if next.cost_ns > worst.cost_ns { next } else { worst });
        match found {
            Some(finding) if !timeline.is_clock_wrong() => case.tell(finding),
            _ => case.tell(case.nothing_found()),
        }
    }
}

impl Case<'_> {
    /// What each rule found.
    fn findings(&self) -> Vec<Finding> {
        let mut found = self.blockers();
        found.extend(self.hang());
        found.extend(self.suspended());
        found.extend(self.busy_machine());
        found.extend(self.late_wakeups());
        found.extend(self.short_runs());
        found.extend(self.collections());
        found.extend(self.microtasks());
        found.extend(self.signals());
        found.extend(self.pool());
        found.extend(self.stuck_pool());
        found.extend(self.agenda());
        found.extend(self.outside_ticks());
        found.extend(self.growing_queue());
        found
    }

    fn tell(&self, finding: Finding) -> Diagnosis {
        let first = self.timeline.first_at().unwrap_or_default();
        let delayed = finding.cause.and_then(|cause| waits::delayed(self, self.impact(cause)?));
        let runs = finding.cause.and_then(|cause| self.runs(cause));
        let mut text = match delayed {
            // Only some of its runs may be those that the sentence counts.
            Some(delayed) if runs.zip(finding.count).is_some_and(|(runs, count)| runs > count) => {
                format!("{}; all its runs delayed {delayed}", finding.text)
            }
            Some(delayed) => format!("{}: delayed {delayed}", finding.text),
            None => finding.text,
        };
        let lost = self.timeline.lost_in_all();
        if finding.rule.is_fault() && lost > 0 {
            let records = crate::units::counted(lost, "record was", "records were");
            text = format!("{text}; {records} lost, so there may be more");
        }
        let loop_name = finding.of_loop.and_then(|source| self.loop_name(source));
        if let Some(loop_name) = &loop_name {
            text = format!("{loop_name}: {text}");
        }
        Diagnosis {
            text,
            rule: finding.rule,
            who: finding.who,
            loop_name,
            count: finding.count,
            run_ns: finding.run_ns,
            period_ns: finding.period_ns,
            since_ns: finding.since.map(|since| since.ns_since(first)),
            delay_caused_ns: finding.delay_caused_ns,
            delayed: finding.delayed,
            look_at: finding.look_at,
        }
    }
}
