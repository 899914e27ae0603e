//! Nothing is wrong, as far as the recording shows.

use super::case::Case;
use super::finding::{Finding, LookAt, Rule};
use crate::timeline::StreamEnd;
use crate::units::{counted, duration, percent};

/// A loop that is busy for less of the time has next to nothing to do.
const IDLE_MAX: f64 = 0.01;

impl Case<'_> {
    /// What to say where no rule applies.
    pub(super) fn nothing_found(&self) -> Finding {
        let is = |rule, text| Finding::new(rule, text, 0, None);
        if let Some(why) = self.not_known() {
            return is(Rule::Undecided, format!("Undecided: {why}"));
        }
        let (busy_ns, share) = (self.busy_ns(), self.utilization());
        let loops = self.timeline.separate_loops().len() as u64;
        if let Some(share) = share.filter(|_| self.is_full()) {
            return self.saturated(share, busy_ns);
        }
        let delay_ns = self.impacts.iter().map(|impact| impact.total_ns()).fold(0, u64::saturating_add);
        if self.matters(delay_ns) {
            let delay = duration(delay_ns);
            let text = format!("Undecided: no fault was seen, but others waited for {delay} in all");
            return Finding::new(Rule::Undecided, text, 0, Some(LookAt::DelayCaused));
        }
        let [jobs_ns, tasklets_ns] = self.worker_waits_ns();
        let waits_ns = jobs_ns.saturating_add(tasklets_ns);
        if self.matters(waits_ns) {
            let (who, look_at) =
                if jobs_ns >= tasklets_ns { ("jobs", LookAt::Jobs) } else { ("tasklets", LookAt::Agenda) };
            let waits = duration(jobs_ns.max(tasklets_ns));
            let text =
                format!("Undecided: no fault was seen, but {who} waited for {waits} in all for a worker");
            return Finding::new(Rule::Undecided, text, 0, Some(look_at));
        }
        let is_idle = loops <= 1 && (busy_ns as f64) < self.timeline.span_ns() as f64 * IDLE_MAX;
        let (rule, begins) = if is_idle { (Rule::Idle, "Idle") } else { (Rule::Healthy, "Healthy") };
        // Where polls are not recorded, what is between ticks is unknown.
        let begins = match share.filter(|share| *share < 1.0) {
            Some(share) => format!("{begins}: busy {} of the time", percent(share)),
            None => format!("{begins}: {}", counted(loops.max(1), "loop", "loops")),
        };
        let lag_ns = &self.timeline.timers.lag_ns;
        let timers = match lag_ns.max() {
            _ if lag_ns.is_empty() => String::new(),
            0 => ", timers on time".to_owned(),
            ns => format!(", timers up to {} late", duration(ns)),
        };
        is(rule, format!("{begins}, no stall{timers}"))
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

    /// What began before the reading did, and has not ended for long.
    fn begun_before(&self) -> Option<String> {
        let timeline = self.timeline;
        let running = timeline.running_on_unknown(self.unfinished.end);
        if let Some((source, tag, ns)) = running.filter(|(.., ns)| *ns > self.stuck_ns()) {
            let (labels, lasts) = (&timeline.labels, duration(ns));
            let (emitter, tag) = (labels.source(source), labels.tag(tag));
            return Some(format!(
                "{emitter} has been running {tag} for at least {lasts}, since before the reading"
            ));
        }
        // Without a snapshot, their number is unknown, and there may be no pool at all.
        let jobs = Some(timeline.jobs_to_come()).filter(|jobs| *jobs < u64::from(u32::MAX))?;
        let is_stuck = timeline.misses_the_beginning()
            && jobs > 0
            && timeline.work.ran == 0
            && timeline.span_ns() > self.stuck_ns();
        let jobs = counted(jobs, "job", "jobs");
        is_stuck.then(|| format!("{jobs} scheduled before the reading began, of which none has ended since"))
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
        if let Some(why) = self.begun_before() {
            return Some(format!("nothing wrong was seen, but {why}"));
        }
        // A tick that has only just begun is no stall, whatever it does.
        let are_short = self.unfinished.has_only_short_ticks(timeline.config().stall_limit_ns);
        let at_end = unseen && !are_short && self.unfinished.end != StreamEnd::Cut;
        at_end
            .then(|| "nothing wrong was seen, but what a tick does that has not ended is unknown".to_owned())
    }
}
