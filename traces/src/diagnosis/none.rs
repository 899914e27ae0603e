//! Nothing is wrong, as far as the recording shows.

use loop_probes::ids::SourceId;

use super::Case;
use super::finding::{Finding, LookAt, Rule};
use crate::timeline::utilization;
use crate::units::{counted, duration, percent};

/// A loop that is busy for more of the time has no reserves.
const BUSY_MIN: f64 = 0.95;

/// A loop that is busy for less of the time has next to nothing to do.
const IDLE_MAX: f64 = 0.01;

impl Case<'_> {
    /// The name of a loop, if there are several.
    pub(super) fn loop_name(&self, source: SourceId) -> Option<String> {
        let sources: Vec<SourceId> = self.timeline.separate_loops().map(|(source, _)| source).collect();
        let place = sources.iter().position(|known| *known == source).filter(|_| sources.len() > 1)?;
        self.timeline.labels.of_loops(&sources).into_iter().nth(place)
    }

    /// What to say where no rule applies.
    pub(super) fn nothing_found(&self) -> Finding {
        let is = |rule, text| Finding::new(rule, text, 0, None);
        if let Some(why) = self.not_known() {
            return is(Rule::Undecided, format!("Undecided: {why}"));
        }
        let ticks = &self.timeline.ticks;
        let busy_ns = ticks.busy_ns.saturating_add(self.unfinished.busy_ns());
        let poll_wait_ns = ticks.poll_wait_ns.saturating_add(self.unfinished.poll_wait_ns());
        let loops = self.timeline.separate_loops().len() as u64;
        // A share over several loops describes none of them.
        let share = (loops <= 1 && busy_ns.max(poll_wait_ns) > 0).then(|| utilization(busy_ns, poll_wait_ns));
        let is_full = busy_ns as f64 >= self.timeline.span_ns() as f64 * BUSY_MIN;
        if let Some(share) = share.filter(|share| *share >= BUSY_MIN && is_full) {
            return self.saturated(share, busy_ns);
        }
        let is_idle = loops <= 1 && (busy_ns as f64) < self.timeline.span_ns() as f64 * IDLE_MAX;
        let (rule, begins) = if is_idle { (Rule::Idle, "Idle") } else { (Rule::Healthy, "Healthy") };
        // Where polls are not recorded, what is between ticks is unknown.
        let begins = match share.filter(|_| poll_wait_ns > 0) {
            Some(share) => format!("{begins}: busy {} of the time", percent(share)),
            None => format!("{begins}: {}", counted(loops.max(1), "loop", "loops")),
        };
        let timers = self.timeline.timers.lag_ns.percentiles().max;
        let timers = match timers {
            None => String::new(),
            Some(0) => ", timers on time".to_owned(),
            Some(ns) => format!(", timers up to {} late", duration(ns)),
        };
        let stalls = match self.stalls.count {
            0 => "no stall".to_owned(),
            number => counted(number, "stall of no known cause", "stalls of no known cause"),
        };
        is(rule, format!("{begins}, {stalls}{timers}"))
    }

    fn saturated(&self, share: f64, busy_ns: u64) -> Finding {
        let tags = self.timeline.tags.iter();
        let most = tags
            .max_by_key(|tag| tag.tasks.run_ns.total())
            .filter(|tag| tag.tasks.run_ns.total() >= busy_ns / 2);
        let who = most.map(|tag| self.timeline.labels.tag(tag.tag).into_owned());
        let of = who.as_ref().map_or_else(String::new, |who| format!(", most of it in {who}"));
        let text = format!("The loop is busy {} of the time{of}", percent(share));
        Finding { who, ..Finding::new(Rule::LoopSaturated, text, 0, Some(LookAt::Tags)) }
    }

    /// Why nothing can be said; `None` if everything is known.
    fn not_known(&self) -> Option<String> {
        let timeline = self.timeline;
        let lost = timeline.lost_in_all();
        if timeline.is_clock_wrong() {
            return Some("readings of the clocks contradict each other".to_owned());
        }
        if timeline.ticks.count == 0 && timeline.incomplete_ticks() == 0 && self.unfinished.ticks.is_empty() {
            return Some("no tick of any loop was recorded".to_owned());
        }
        if lost > 0 {
            let records = counted(lost, "record was", "records were");
            return Some(format!("nothing wrong was seen, but {records} lost"));
        }
        if timeline.may_miss_anything() || timeline.has_unplaced_loss() {
            return Some("nothing wrong was seen, but any part may be missing".to_owned());
        }
        let unseen =
            self.stalls.bounds.is_some_and(|bounds| bounds.hi.is_none_or(|most| most > self.stalls.count));
        if timeline.incomplete_ticks() > 0 {
            let ticks = counted(timeline.incomplete_ticks(), "tick is", "ticks are");
            return Some(format!("nothing wrong was seen, but {ticks} incomplete"));
        }
        let at_end = unseen && self.unfinished.end != crate::timeline::StreamEnd::Cut;
        at_end
            .then(|| "nothing wrong was seen, but what a tick does that has not ended is unknown".to_owned())
    }
}
