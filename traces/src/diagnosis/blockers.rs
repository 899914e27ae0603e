//! Causes that block the loop: whose single runs are long enough to be stalls, or to delay others.

use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::recorder::Running;

use super::case::{Case, MainCause};
use super::finding::{Finding, LookAt, Rule};
use super::period::period;
use crate::attribution::{Breakdown, What};
use crate::timeline::{Cause, StreamEnd, UnfinishedTick};
use crate::units::{counted, duration, position};

/// After this many periods without a stall, a period is over.
const PERIODS_SILENT: u64 = 5;

/// A run this much longer than the median of its tag was probably preempted, if the machine was busy.
const PREEMPTED_MEDIANS: u64 = 8;

/// A stall, as its main cause has it.
#[derive(Clone, Copy, Debug)]
struct Blocked {
    source: SourceId,
    at: Timestamp,
    /// The cause's part of the busy time.
    run_ns: u64,
    /// Whether it goes on.
    is_open: bool,
}

/// A stall that no single run explains.
#[derive(Clone, Copy, Debug)]
struct OfMany {
    /// The main cause, if there is one; also time of which nothing is known but that the loop was busy.
    cause: Option<Cause>,
    busy_ns: u64,
    /// Whether it goes on.
    is_open: bool,
    /// Whether most of it consists of parts that its breakdown does not name.
    is_mostly_small: bool,
}

impl OfMany {
    /// The stall with this breakdown; `None` if another rule explains it.
    fn of(blame: &Breakdown, busy_ns: u64, is_open: bool, stall_limit_ns: u64) -> Option<Self> {
        let main = MainCause::of(blame);
        let is_explained = main.is_some_and(|main| match main.cause {
            Cause::Microtasks(_) | Cause::Suspended => true,
            cause => main.is_of_long_runs(stall_limit_ns) && is_blocker(cause),
        });
        let is_mostly = |is_meant: fn(&What) -> bool| {
            let parts = blame.shares.iter().filter(|share| is_meant(&share.what));
            parts.map(|share| share.ns).fold(0, u64::saturating_add) >= blame.total_ns.div_ceil(2)
        };
        let is_mostly_small = is_mostly(|what| matches!(what, What::Others { .. }));
        let unattributed = is_mostly(|what| *what == What::Unattributed).then_some(Cause::Unattributed);
        let cause = main.map(|main| main.cause).or(unattributed);
        (!is_explained).then_some(Self { cause, busy_ns, is_open, is_mostly_small })
    }
}

impl Case<'_> {
    /// Causes whose runs block the loop.
    pub(super) fn blockers(&self) -> Vec<Finding> {
        let limit_ns = self.timeline.config().stall_limit_ns;
        let mut by_cause: Vec<(Cause, Vec<Blocked>)> = Vec::new();
        for (main, blocked) in self.stalled() {
            if !main.is_of_long_runs(limit_ns) || !is_blocker(main.cause) || self.is_preempted(main) {
                continue;
            }
            match by_cause.iter_mut().find(|(cause, _)| *cause == main.cause) {
                Some((_, stalls)) => stalls.push(blocked),
                None => by_cause.push((main.cause, vec![blocked])),
            }
        }
        // In a loop without time left, everything waits for everything.
        let impacts = if self.is_full() { &[] } else { self.impacts };
        let short_of_stalls = impacts.iter().filter(|impact| {
            let is_known = by_cause.iter().any(|(cause, _)| *cause == impact.cause);
            let is_long =
                self.run_ns_max(impact.cause).is_some_and(|ns| ns > self.timeline.config().late_timer_ns);
            !is_known && is_long && is_blocker(impact.cause) && self.matters(impact.total_ns())
        });
        let short_of_stalls =
            short_of_stalls.filter_map(|impact| self.delays(impact.cause)).collect::<Vec<_>>();
        let blocks = by_cause.iter().map(|(cause, stalls)| self.blocks(*cause, stalls));
        blocks.chain(short_of_stalls).chain(self.stalls_of_many()).collect()
    }

    /// Stalls that no single run explains.
    fn stalls_of_many(&self) -> Option<Finding> {
        let all = self.stalls_without_run();
        let (longest_ns, is_open) = all.iter().map(|stall| (stall.busy_ns, stall.is_open)).max()?;
        let least = if is_open { "at least " } else { "" };
        let (number, lasts) = (all.len() as u64, format!("{least}{}", duration(longest_ns)));
        let cause = all[0].cause.filter(|cause| all.iter().all(|stall| stall.cause == Some(*cause)));
        let who = cause.map(|cause| cause.describe(&self.timeline.labels));
        let mut nameless = all.iter().filter(|stall| stall.cause.is_none()).peekable();
        let why = match &who {
            Some(_) if cause == Some(Cause::Unattributed) => "most of it in no task or phase".to_owned(),
            Some(who) => format!("most of it in {who}"),
            // A breakdown merges its smallest parts, and with them their names.
            None if nameless.peek().is_some() && nameless.all(|stall| stall.is_mostly_small) => {
                "most of it in many short runs".to_owned()
            }
            None => "for no single reason".to_owned(),
        };
        // What waited for time without a name is known, too.
        let waited_for = self.impact(cause.unwrap_or(Cause::Unattributed));
        let delay_ns = waited_for.map_or(0, |impact| impact.total_ns());
        let (rule, text) = match number {
            1 if is_open => {
                (Rule::OneOffStall, format!("The loop has been stalled for {lasts} at the end, {why}"))
            }
            1 => (Rule::OneOffStall, format!("The loop stalled once, for {lasts}, {why}")),
            _ => (Rule::Blocker, format!("The loop stalled {number} times, for up to {lasts}, {why}")),
        };
        Some(Finding {
            who,
            cause: waited_for.map(|impact| impact.cause),
            count: Some(number),
            run_ns: Some(longest_ns),
            delay_caused_ns: Some(delay_ns),
            delayed: Some(waited_for.map_or(0, |impact| impact.delayed())),
            ..Finding::new(
                rule,
                text,
                self.stalled_in_many_ns().saturating_add(delay_ns),
                Some(LookAt::Stalls),
            )
        })
    }

    /// The busy time of stalls that no single run explains.
    pub(super) fn stalled_in_many_ns(&self) -> u64 {
        self.stalls_without_run().iter().map(|stall| stall.busy_ns).fold(0, u64::saturating_add)
    }

    /// The stalls that no other rule explains.
    fn stalls_without_run(&self) -> Vec<OfMany> {
        let limit_ns = self.timeline.config().stall_limit_ns;
        let ended = self
            .timeline
            .stalls
            .newest_first()
            .filter_map(|stall| OfMany::of(&stall.blame, stall.tick.busy_ns, false, limit_ns));
        let open = self.unfinished.stalls(self.timeline.config().stall_limit_ns).filter_map(|tick| {
            let is_open = self.unfinished.is_growing(tick);
            OfMany::of(&self.timeline.blame_unfinished(tick), tick.busy_ns, is_open, limit_ns)
        });
        ended.chain(open).collect()
    }

    /// The stalls kept, oldest first, with their main causes.
    fn stalled(&self) -> Vec<(MainCause, Blocked)> {
        let ended = self.timeline.stalls.newest_first().filter_map(|stall| {
            let main = MainCause::of(&stall.blame)?;
            Some((
                main,
                Blocked { source: stall.tick.source, at: stall.tick.start, run_ns: main.ns, is_open: false },
            ))
        });
        let open = self.unfinished.stalls(self.timeline.config().stall_limit_ns).filter_map(|tick| {
            let main = MainCause::of(&self.timeline.blame_unfinished(tick))?;
            // What blocked most may have ended, and something else keeps the tick from its end.
            let is_open = self.running_in(tick).besides.is_none();
            Some((main, Blocked { source: tick.source, at: tick.start, run_ns: main.ns, is_open }))
        });
        let mut all: Vec<(MainCause, Blocked)> = ended.chain(open).collect();
        all.sort_by_key(|(_, blocked)| blocked.at);
        all
    }

    /// The busy time of stalls by runs that were probably preempted.
    pub(super) fn preempted_ns(&self) -> u64 {
        let limit_ns = self.timeline.config().stall_limit_ns;
        let preempted = self
            .stalled()
            .into_iter()
            .filter(|(main, _)| main.is_of_long_runs(limit_ns) && self.is_preempted(*main));
        preempted.map(|(main, _)| main.ns).fold(0, u64::saturating_add)
    }

    /// Whether a run was probably long because its thread had no processor: the machine was busy, and the tag's runs are
    /// far shorter otherwise.
    fn is_preempted(&self, main: MainCause) -> bool {
        let typical_ns = || match main.cause {
            Cause::Tasks(tag) => self.timeline.tags.tag(tag)?.tasks.run_ns.known_quantile(0.5),
            Cause::Io(tag) => self.timeline.tags.tag(tag)?.io.as_ref()?.run_ns.known_quantile(0.5),
            _ => None,
        };
        self.is_machine_busy()
            && typical_ns().is_some_and(|ns| ns.saturating_mul(PREEMPTED_MEDIANS) < main.ns)
    }

    /// Stalls of one cause.
    fn blocks(&self, cause: Cause, stalls: &[Blocked]) -> Finding {
        let who = cause.describe(&self.timeline.labels);
        // The stalls between the worst one and these may not be kept.
        let apart = self.timeline.stalls.worst_apart().map(|stall| stall.tick.start);
        let latest = &stalls[usize::from(stalls.first().is_some_and(|stall| Some(stall.at) == apart))..];
        let times: Vec<u64> = latest.iter().map(|stall| stall.at.as_ns()).collect();
        let period = period(&times);
        let typical: Vec<&Blocked> = match &period {
            Some(period) => period.hits.iter().map(|hit| &latest[*hit]).collect(),
            None => stalls.iter().collect(),
        };
        let is_open = stalls.last().is_some_and(|last| last.is_open);
        let all_kept = self.timeline.stalls.count == self.timeline.stalls.newest_first().len() as u64;
        let mut runs: Vec<u64> = typical.iter().map(|stall| stall.run_ns).collect();
        runs.sort_unstable();
        let (least, most) = (runs.first().copied().unwrap_or(0), runs.last().copied().unwrap_or(0));
        let median = runs.get(runs.len() / 2).copied().unwrap_or(0);
        let lasts = match runs.len() {
            1 => duration(most),
            _ if most - least <= median / 4 => format!("about {}", duration(median)),
            _ => format!("{} to {}", duration(least), duration(most)),
        };
        let first = stalls.first().map(|stall| stall.at);
        let begun_ns = first.unwrap_or_default().ns_since(self.timeline.first_at().unwrap_or_default());
        // From the beginning on, as far as anybody can tell.
        let after_ns = first.unwrap_or_default().ns_since(self.timeline.counted_from().unwrap_or_default());
        let since = match all_kept && after_ns > self.timeline.span_ns() / 4 {
            true => format!(" since {}", position(begun_ns)),
            false => String::new(),
        };
        // A period that is over is in the past.
        let until = period.as_ref().filter(|_| !is_open).and_then(|period| {
            let last = Timestamp(times[*period.hits.last()?]);
            let silent_ns = self.timeline.last_at()?.ns_since(last);
            let first = self.timeline.first_at().unwrap_or_default();
            let is_over = silent_ns > period.ns.saturating_mul(PERIODS_SILENT);
            is_over.then(|| position(last.ns_since(first)))
        });
        let (rule, sentence) = match (&period, stalls) {
            (Some(period), _) => {
                let every = duration(period.ns);
                let sentence = match until {
                    Some(until) => {
                        format!("{who} blocked the loop for {lasts} every {every}{since} until {until}")
                    }
                    None => format!("{who} blocks the loop for {lasts} every {every}{since}"),
                };
                (Rule::PeriodicBlocker, sentence)
            }
            (None, [_]) if is_open => {
                (Rule::OneOffStall, format!("{who} has blocked the loop for at least {lasts} at the end"))
            }
            (None, [_]) => (
                Rule::OneOffStall,
                format!("{who} blocked the loop once, for {lasts} at {}", position(begun_ns)),
            ),
            (None, _) => {
                let times = counted(stalls.len() as u64, "time", "times");
                let least = if all_kept { "" } else { "at least " };
                (Rule::Blocker, format!("{who} blocked the loop {least}{times}, for {lasts}{since}"))
            }
        };
        let own_ns = stalls.iter().map(|stall| stall.run_ns).fold(0, u64::saturating_add);
        let mut sources: Vec<SourceId> = stalls.iter().map(|stall| stall.source).collect();
        sources.dedup();
        Finding {
            count: Some(stalls.len() as u64),
            run_ns: Some(median),
            period_ns: period.as_ref().map(|period| period.ns),
            since: first.filter(|_| all_kept),
            of_loop: sources.first().copied().filter(|_| sources.len() == 1),
            ..self.by(cause, rule, sentence, own_ns, LookAt::DelayCaused)
        }
    }

    /// Delays of one cause without a stall of its own.
    fn delays(&self, cause: Cause) -> Option<Finding> {
        let longest_ns = self.run_ns_max(cause)?;
        let sentence =
            format!("{} runs for up to {}", cause.describe(&self.timeline.labels), duration(longest_ns));
        let finding = self.by(cause, Rule::Blocker, sentence, 0, LookAt::DelayCaused);
        Some(Finding { run_ns: Some(longest_ns), ..finding })
    }

    /// Runs as long as stalls that are in no tick, of a loop without any stall.
    pub(super) fn outside_ticks(&self) -> Option<Finding> {
        if self.stalls.count > 0 || self.timeline.incomplete_ticks() > 0 {
            return None;
        }
        let ended = self.timeline.tags.iter().filter(|tag| tag.tasks.count() > 0);
        let ended = ended.map(|tag| (tag.tag, tag.tasks.run_ns.max(), None));
        let running = self.unfinished.tasks.iter().chain(&self.unfinished.callbacks);
        let running = running.filter(|task| !self.timeline.agenda.is_worker(task.source));
        let running = running.map(|task| (task.tag, task.run_ns(), Some(task.start)));
        let named = |tag| self.timeline.labels.tag(tag).into_owned();
        let tasks = ended.chain(running).map(|(tag, run_ns, since)| (named(tag), run_ns, since));
        let phase = self.timeline.phase_outside_ticks(self.unfinished.end);
        let phase = phase.map(|(phase, since, ns)| (format!("phase {phase}"), ns, Some(since)));
        let (who, longest_ns, since) = tasks.chain(phase).max_by_key(|(_, run_ns, _)| *run_ns)?;
        if longest_ns <= self.timeline.config().stall_limit_ns {
            return None;
        }
        let lasts = duration(longest_ns);
        let (rule, text, cost_ns) = match since {
            Some(_) if longest_ns > self.stuck_ns() => {
                let text = format!("{who} has been running for at least {lasts}, outside of ticks");
                (Rule::Hang, text, u64::MAX)
            }
            _ => (Rule::Blocker, format!("{who} runs for up to {lasts}, outside of ticks"), longest_ns),
        };
        Some(Finding {
            who: Some(who),
            run_ns: Some(longest_ns),
            since,
            ..Finding::new(rule, text, cost_ns, Some(LookAt::Tags))
        })
    }

    /// A tick that has not ended and has been busy for long.
    pub(super) fn hang(&self) -> Option<Finding> {
        // A tick in its poll is idle by now.
        let busy = self.unfinished.stalls(self.stuck_ns()).filter(|tick| self.unfinished.is_growing(tick));
        let tick = busy.max_by_key(|tick| tick.busy_ns)?;
        let first = self.timeline.first_at().unwrap_or_default();
        let InProgress { who, subject, run_ns, since, besides } = self.running_in(tick);
        let (lasts, begun) = (duration(run_ns), position(since.ns_since(first)));
        let (has, when) = match self.unfinished.end {
            StreamEnd::Known => ("has", ""),
            StreamEnd::Died => ("had", " when the process died"),
            StreamEnd::Cut => ("had", " when the recording ends"),
        };
        let is = if besides.is_some() { "busy" } else { "running" };
        let besides = besides.unwrap_or_default();
        let sentence =
            format!("{subject} {has} been {is} for at least {lasts}{when}, since {begun}{besides}");
        let overdue =
            self.unfinished.timers.iter().filter(|timer| timer.source == tick.source).count() as u64;
        let runs = |task| self.unfinished.tasks.iter().any(|running| running.task == task);
        let waiting = self.unfinished.waiting.iter();
        let waiting = waiting.filter(|task| task.source == tick.source && !runs(task.task)).count() as u64;
        let parts = [
            (overdue, counted(overdue, "timer is overdue", "timers are overdue")),
            (waiting, counted(waiting, "task waits", "tasks wait")),
        ];
        let parts: Vec<String> =
            parts.into_iter().filter(|(number, _)| *number > 0).map(|(_, text)| text).collect();
        let wait = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
        Some(Finding {
            who,
            of_loop: Some(tick.source),
            count: Some(1),
            run_ns: Some(run_ns),
            since: Some(since),
            delayed: Some(overdue + waiting),
            ..Finding::new(Rule::Hang, sentence + &wait, u64::MAX, Some(LookAt::OpenTick))
        })
    }

    /// What goes on in an unfinished tick: what runs now, if it took most of the tick, or else the whole tick.
    fn running_in(&self, tick: &UnfinishedTick) -> InProgress {
        let tasks = self.unfinished.tasks.iter().chain(&self.unfinished.callbacks);
        let task = tasks.filter(|task| task.source == tick.source).max_by_key(|task| task.start);
        let task =
            task.map(|task| (self.timeline.labels.tag(task.tag).into_owned(), task.run_ns(), task.start));
        let is_most = |run_ns: u64| run_ns >= tick.busy_ns / 2;
        if let Some((tag, run_ns, since)) = task.clone().filter(|(_, run_ns, _)| is_most(*run_ns)) {
            return InProgress { who: Some(tag.clone()), subject: tag, run_ns, since, besides: None };
        }
        let main = MainCause::of(&self.timeline.blame_unfinished(tick));
        let main = main.map(|main| main.cause.describe(&self.timeline.labels));
        if let Some((Running::Phase(phase), since)) = tick.running
            && is_most(tick.running_ns())
        {
            let subject = main.clone().unwrap_or_else(|| format!("phase {phase}"));
            return InProgress { who: main, subject, run_ns: tick.running_ns(), since, besides: None };
        }
        let most = main.as_ref().map_or_else(String::new, |main| format!(", most of it in {main}"));
        let is_then =
            if self.unfinished.end == StreamEnd::Known { "is running now" } else { "was running then" };
        let now = task.as_ref().map_or_else(String::new, |(tag, run_ns, _)| {
            format!("; {tag} {is_then}, for at least {}", duration(*run_ns))
        });
        InProgress {
            who: main.or(task.map(|(tag, ..)| tag)),
            subject: "The loop".to_owned(),
            run_ns: tick.busy_ns,
            since: tick.start,
            besides: Some(most + &now),
        }
    }
}

/// What an unfinished tick does.
struct InProgress {
    who: Option<String>,
    subject: String,
    /// How long it has been going on at least.
    run_ns: u64,
    since: Timestamp,
    /// If no single thing took most of the tick, what else is known of it.
    besides: Option<String>,
}

/// Whether a cause has runs that block the loop. Time in the system and in many short runs has rules of its own.
const fn is_blocker(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Tasks(_) | Cause::Io(_) | Cause::Deferred | Cause::Immediates | Cause::Gc | Cause::Spans(_)
    )
}
