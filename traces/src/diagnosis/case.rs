//! What the rules look at, and the questions that several of them ask.

use loop_probes::ids::SourceId;

use super::finding::{Finding, LookAt, Rule};
use crate::attribution::Breakdown;
use crate::histogram::Histogram;
use crate::timeline::{Cause, Impact, StallFigures, Timeline, Unfinished, utilization};

/// The share of the time that delays must amount to before they are a fault.
const SHARE_MIN: f64 = 0.02;

/// The share of the time that the program's threads must have waited for a processor before the machine counts as busy.
const WAITED_SHARE_MIN: f64 = 0.1;

/// A loop that is busy for more of the time has no reserves.
const BUSY_MIN: f64 = 0.95;

/// What lasts for this many stall limits is stuck.
const STUCK_LIMITS: u64 = 10;

/// A fold, and what was computed from it.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) timeline: &'a Timeline,
    pub(super) unfinished: &'a Unfinished,
    pub(super) impacts: &'a [Impact],
    pub(super) stalls: StallFigures,
}

/// The cause of most of a breakdown.
#[derive(Clone, Copy, Debug)]
pub(super) struct MainCause {
    pub(super) cause: Cause,
    pub(super) ns: u64,
    /// Whether one run took most of this time, rather than many.
    is_one_run: bool,
    longest_ns: u64,
}

impl MainCause {
    /// The cause of at least half of a breakdown; `None` if there is none, or if it is unknown.
    pub(super) fn of(breakdown: &Breakdown) -> Option<Self> {
        let mut sums: Vec<(Cause, u64, u64)> = Vec::new();
        for share in &breakdown.shares {
            let cause = Cause::of(&share.what);
            match sums.iter_mut().find(|(known, ..)| *known == cause) {
                Some((_, ns, longest)) => (*ns, *longest) = (*ns + share.ns, share.ns.max(*longest)),
                None => sums.push((cause, share.ns, share.ns)),
            }
        }
        let (cause, ns, longest) = sums.into_iter().max_by_key(|(_, ns, _)| *ns)?;
        let is_known =
            !cause.is_ignorance() && cause != Cause::Others && ns >= breakdown.total_ns.div_ceil(2);
        is_known.then_some(Self { cause, ns, is_one_run: longest >= ns.div_ceil(2), longest_ns: longest })
    }
}

impl MainCause {
    /// Whether single runs explain a stall: one is most of it, or each such run would be a stall.
    pub(super) const fn is_of_long_runs(&self, limit_ns: u64) -> bool {
        self.is_one_run || self.longest_ns > limit_ns
    }
}

impl Case<'_> {
    /// The name of a loop, if there are several.
    pub(super) fn loop_name(&self, source: SourceId) -> Option<String> {
        let sources: Vec<SourceId> = self.timeline.separate_loops().map(|(source, _)| source).collect();
        let place = sources.iter().position(|known| *known == source).filter(|_| sources.len() > 1)?;
        self.timeline.labels.of_loops(&sources).into_iter().nth(place)
    }

    /// The busy time of all loops.
    pub(super) fn busy_ns(&self) -> u64 {
        self.timeline.ticks.busy_ns.saturating_add(self.unfinished.busy_ns())
    }

    /// The utilization. A share over several loops describes none of them.
    pub(super) fn utilization(&self) -> Option<f64> {
        let poll_wait_ns = self.timeline.ticks.poll_wait_ns.saturating_add(self.unfinished.poll_wait_ns());
        let is_known = self.timeline.separate_loops().len() <= 1 && self.busy_ns().max(poll_wait_ns) > 0;
        is_known.then(|| utilization(self.busy_ns(), poll_wait_ns))
    }

    /// Whether the loop has next to no time left.
    pub(super) fn is_full(&self) -> bool {
        let is_full = self.busy_ns() as f64 >= self.timeline.span_ns() as f64 * BUSY_MIN;
        is_full && self.utilization().is_some_and(|share| share >= BUSY_MIN)
    }

    /// Whether a delay is long enough to be a fault.
    pub(super) fn matters(&self, delay_ns: u64) -> bool {
        delay_ns as f64 >= self.timeline.span_ns() as f64 * SHARE_MIN && delay_ns > 0
    }

    /// How long something lasts before it counts as stuck: a shorter stall may soon be over.
    pub(super) fn stuck_ns(&self) -> u64 {
        self.timeline.config().stall_limit_ns.saturating_mul(STUCK_LIMITS)
    }

    /// The delay that a cause inflicted.
    pub(super) fn impact(&self, cause: Cause) -> Option<&Impact> {
        self.impacts.iter().find(|impact| impact.cause == cause)
    }

    /// Whether the program's threads waited for a processor for much of the time.
    pub(super) fn is_machine_busy(&self) -> bool {
        let pressure = &self.timeline.pressure;
        let waited_ns = pressure.delayed_ns.unwrap_or(0);
        pressure.observed_ns > 0 && waited_ns as f64 >= pressure.observed_ns as f64 * WAITED_SHARE_MIN
    }

    /// The longest run of a cause, if its runs are known one by one.
    pub(super) fn run_ns_max(&self, cause: Cause) -> Option<u64> {
        self.runs_ns(cause).map(Histogram::max)
    }

    /// The runs of a cause, if they are known one by one.
    fn runs_ns(&self, cause: Cause) -> Option<&Histogram> {
        let timeline = self.timeline;
        let runs = match cause {
            Cause::Tasks(tag) => &timeline.tags.tag(tag)?.tasks.run_ns,
            Cause::Io(tag) => &timeline.tags.tag(tag)?.io.as_ref()?.run_ns,
            Cause::Deferred => &timeline.deferred.run_ns,
            Cause::Immediates => &timeline.immediates.run_ns,
            Cause::Gc => &timeline.gc.run_ns,
            _ => return None,
        };
        Some(runs).filter(|runs| !runs.is_empty())
    }

    /// The number of runs of a cause, if it is known.
    pub(super) fn runs(&self, cause: Cause) -> Option<u64> {
        self.runs_ns(cause).map(Histogram::count)
    }

    /// A finding about one cause, which cost its own time and the delay that it caused.
    pub(super) fn by(&self, cause: Cause, rule: Rule, text: String, own_ns: u64, look_at: LookAt) -> Finding {
        let impact = self.impact(cause);
        let caused_ns = impact.map_or(0, |impact| impact.total_ns());
        Finding {
            cause: Some(cause),
            who: Some(cause.describe(&self.timeline.labels)),
            delay_caused_ns: Some(caused_ns),
            delayed: Some(impact.map_or(0, |impact| impact.delayed())),
            ..Finding::new(rule, text, own_ns.saturating_add(caused_ns), Some(look_at))
        }
    }
}
