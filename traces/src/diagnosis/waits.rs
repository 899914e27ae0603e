//! Who waits: what a cause delayed, and the rules about waits that no single run explains.

use super::case::{Case, MainCause};
use super::finding::{Finding, LookAt, Rule};
use crate::histogram::Histogram;
use crate::timeline::{Cause, Impact, SLOT_NS, StreamEnd, Waiter};
use crate::units::{count, counted, duration};
use loop_probes::event::{Queue, WorkerPhase};
use loop_probes::ids::{Tag, Timestamp};

/// Fewest runs that are many.
const RUNS_MIN: u64 = 20;

/// How many slots a queue must have grown for.
const GROWTH_SLOTS_MIN: usize = 20;

/// By how many entries it must have grown.
const GROWTH_MIN: u64 = 10;

/// What a cause delayed: `Heartbeat1ms ×12 and 78 others`; `None` if nothing.
pub(super) fn delayed(case: &Case<'_>, impact: &Impact) -> Option<String> {
    let all = impact.delayed();
    if all == 0 {
        return None;
    }
    let late = case.timeline.late_timers();
    let are_all = case.timeline.timers.late == late.len() as u64;
    let mut tags: Vec<(Tag, u64)> = Vec::new();
    for late in late {
        if MainCause::of(&late.blame).is_none_or(|main| main.cause != impact.cause) {
            continue;
        }
        match tags.iter_mut().find(|(tag, _)| *tag == late.what.tag) {
            Some((_, number)) => *number += 1,
            None => tags.push((late.what.tag, 1)),
        }
    }
    let most = tags.into_iter().reduce(|most, next| if next.1 > most.1 { next } else { most });
    let name = |tag| case.timeline.labels.tag(tag).into_owned();
    Some(match most {
        Some((tag, number)) if are_all && number >= all => format!("{} ×{}", name(tag), count(number)),
        Some((tag, number)) if are_all => {
            format!("{} ×{} and {}", name(tag), count(number), counted(all - number, "other", "others"))
        }
        Some((tag, _)) => format!("{}, {} most often", counted(all, "other", "others"), name(tag)),
        None => by_kind(impact),
    })
}

/// `3 timers, 1 signal and 12 tasks`.
fn by_kind(impact: &Impact) -> String {
    let kinds = Waiter::ALL.iter().zip(impact.delayed).filter(|(_, number)| *number > 0);
    let parts: Vec<String> = kinds
        .map(|(kind, number)| match kind {
            Waiter::Timer => counted(number, "timer", "timers"),
            Waiter::Signal => counted(number, "signal", "signals"),
            Waiter::Task => counted(number, "task", "tasks"),
        })
        .collect();
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

impl Case<'_> {
    /// Many short runs that keep others waiting.
    pub(super) fn short_runs(&self) -> Option<Finding> {
        let is_short = |cause: Cause| match cause {
            Cause::Tasks(_) | Cause::Io(_) => {
                self.run_ns_max(cause).is_some_and(|ns| ns <= self.timeline.config().late_timer_ns)
            }
            Cause::ShortRuns(_) | Cause::Others => true,
            _ => false,
        };
        let short = || self.impacts.iter().filter(|impact| is_short(impact.cause));
        // Tasks of one batch always wait for each other; timers and signals do not.
        let kept_ns = |impact: &Impact| impact.total_ns() - impact.lateness_of(Waiter::Task);
        let caused_ns = short().map(kept_ns).fold(0, u64::saturating_add);
        if !self.matters(caused_ns) {
            return None;
        }
        // Runs too short to be kept are those of the tag that ran most often.
        let named = short().filter(|impact| matches!(impact.cause, Cause::Tasks(_) | Cause::Io(_)));
        let worst =
            named.max_by_key(|impact| kept_ns(impact)).filter(|worst| kept_ns(worst) >= caused_ns / 2);
        let most_run = || self.timeline.tags.iter().max_by_key(|tag| tag.tasks.count());
        let cause = worst.map(|worst| worst.cause).or_else(|| most_run().map(|tag| Cause::Tasks(tag.tag)))?;
        let tag = match cause {
            Cause::Tasks(tag) | Cause::Io(tag) => self.timeline.tags.tag(tag)?,
            _ => return None,
        };
        let ran = match cause {
            Cause::Io(_) => tag.io.as_ref().map_or(0, |io| io.count()),
            _ => tag.tasks.count(),
        };
        if ran < RUNS_MIN {
            return None;
        }
        let who = cause.describe(&self.timeline.labels);
        // The stalls that such runs make are theirs, too.
        let cost_ns = caused_ns.saturating_add(self.stalled_in_many_ns());
        let text = match self.timeline.timers.lag_ns.max() {
            ns if ns > self.timeline.config().late_timer_ns => {
                format!("{} short runs of {who} keep timers waiting: up to {} late", count(ran), duration(ns))
            }
            _ => format!("{} short runs of {who} keep signals waiting", count(ran)),
        };
        Some(Finding {
            who: Some(who),
            count: Some(ran),
            delay_caused_ns: Some(caused_ns),
            delayed: worst.map(|worst| worst.delayed()),
            ..Finding::new(Rule::TimerStarvation, text, cost_ns, Some(LookAt::DelayCaused))
        })
    }

    /// A pool with more jobs than workers.
    pub(super) fn pool(&self) -> Option<Finding> {
        let work = &self.timeline.work;
        let now = self.timeline.last_at()?;
        let queue = self.timeline.queues.queue(Queue::Work);
        let ended = &work.queue_wait_ns;
        let (wait_ns, run_ns) = (ended.known_quantile(0.5)?, work.run_ns.known_quantile(0.5)?);
        // The median is of the waits that have ended: what still waits may be most.
        let workers = (work.workers.len() as u64).max(1);
        let sampled = u64::from(queue.depth_now().unwrap_or(0));
        let still = self.timeline.jobs_to_come().saturating_sub(workers).min(sampled);
        let ahead_ns = still.saturating_mul(run_ns) / workers;
        let is_most = still >= ended.count() && ahead_ns > self.stuck_ns();
        if queue.depth_p50(now)? == 0 || (wait_ns <= self.timeline.config().late_timer_ns && !is_most) {
            return None;
        }
        let cost_ns = ended.total().saturating_add(still.saturating_mul(run_ns));
        let workers = match workers {
            1 => "its worker".to_owned(),
            number => format!("one of {} workers", count(number)),
        };
        let (waits, runs) = (duration(wait_ns), duration(run_ns));
        let text = if is_most {
            let jobs = counted(still, "job waits", "jobs wait");
            format!("The pool is saturated: {jobs} for {workers}, and those before ran {runs} (median)")
        } else {
            format!("The pool is saturated: jobs wait {waits} for {workers} and run {runs} (medians)")
        };
        Some(Finding {
            count: Some(work.ran),
            run_ns: Some(run_ns),
            delay_caused_ns: Some(cost_ns),
            delayed: Some(work.queue_wait_ns.count()),
            ..Finding::new(Rule::PoolSaturated, text, cost_ns, Some(LookAt::Jobs))
        })
    }

    /// A pool in which jobs wait, and none ends. While none ends, no worker becomes free: what waited then, still waits.
    pub(super) fn stuck_pool(&self) -> Option<Finding> {
        let waiting = self.timeline.queues.queue(Queue::Work).depth_now()?;
        let (_, waited_ns) = self.timeline.stuck_jobs()?;
        if waited_ns <= self.stuck_ns() {
            return None;
        }
        let jobs = counted(waiting.into(), "job waits", "jobs wait");
        let lasts = duration(waited_ns);
        let text = format!("The pool is stuck: {jobs}, some for at least {lasts}, in which none has ended");
        let cost_ns = waited_ns.saturating_mul(waiting.into());
        Some(Finding {
            count: Some(waiting.into()),
            run_ns: Some(waited_ns),
            delayed: Some(waiting.into()),
            ..Finding::new(Rule::PoolSaturated, text, cost_ns, Some(LookAt::Jobs))
        })
    }

    /// An agenda in which a tasklet waits for long.
    pub(super) fn agenda(&self) -> Option<Finding> {
        self.agenda_waits().or_else(|| self.agenda_stopped())
    }

    /// Workers of the agenda that have stopped for a collection, which does not end.
    fn agenda_stopped(&self) -> Option<Finding> {
        let (workers, now) = (self.timeline.agenda.workers(), self.timeline.last_at()?);
        let stopped = workers.iter().filter_map(|worker| {
            let (phase, since) = worker.state?;
            (phase == WorkerPhase::Gc).then_some(since)
        });
        let stopped: Vec<Timestamp> = stopped.collect();
        let since = stopped.iter().copied().min()?;
        let stopped_ns = now.ns_since(since);
        if stopped_ns <= self.stuck_ns() {
            return None;
        }
        let are = if self.unfinished.end == StreamEnd::Known { "are" } else { "were" };
        let text = format!(
            "{} of {} {are} stopped for a collection, for at least {}",
            count(stopped.len() as u64),
            counted(workers.len() as u64, "agenda worker", "agenda workers"),
            duration(stopped_ns)
        );
        Some(Finding {
            count: Some(1),
            run_ns: Some(stopped_ns),
            since: Some(since),
            ..Finding::new(Rule::AgendaSaturated, text, stopped_ns, Some(LookAt::Agenda))
        })
    }

    /// Tasklets that have waited for long.
    fn agenda_waits(&self) -> Option<Finding> {
        let (agenda, now) = (&self.timeline.agenda, self.timeline.last_at()?);
        let oldest = agenda.priorities.iter().filter_map(|stats| {
            let waits_ns = agenda.oldest_waiting_ns(stats.priority, now, self.unfinished.end)?;
            Some((waits_ns, stats))
        });
        let (waits_ns, stats) = oldest.max_by_key(|(waits_ns, _)| *waits_ns)?;
        if waits_ns <= self.stuck_ns() {
            return None;
        }
        let priority = stats.priority.to_string();
        let waiting = u64::from(stats.waiting());
        let text = format!(
            "The agenda is saturated: {} of priority {priority}, the oldest for at least {}",
            counted(waiting, "tasklet waits", "tasklets wait"),
            duration(waits_ns)
        );
        Some(Finding {
            who: Some(priority),
            count: Some(waiting),
            run_ns: Some(waits_ns),
            delayed: Some(waiting),
            ..Finding::new(Rule::AgendaSaturated, text, waits_ns, Some(LookAt::Agenda))
        })
    }

    /// The time that jobs, and that tasklets waited for a worker, of those that waited for long.
    pub(super) fn worker_waits_ns(&self) -> [u64; 2] {
        let long = |waits: &Histogram| waits.total_above(self.timeline.config().late_task_ns);
        let tasklets = self.timeline.agenda.priorities.iter().map(|stats| long(&stats.queue_wait_ns));
        [long(&self.timeline.work.queue_wait_ns), tasklets.fold(0, u64::saturating_add)]
    }

    /// A queue that is ever deeper.
    pub(super) fn growing_queue(&self) -> Option<Finding> {
        let now = self.timeline.last_at()?;
        let pool = self.pool().is_some();
        let queues = self.timeline.queues.seen().filter(|queue| {
            // Armed timers wait for their time.
            queue.queue != Queue::Timers && !(pool && queue.queue == Queue::Work)
        });
        let grown = queues.filter_map(|queue| {
            let series = queue.through_time.series(now);
            let known: Vec<u64> = series.into_iter().flatten().collect();
            let quarter = known.len() / 4;
            if known.len() < GROWTH_SLOTS_MIN {
                return None;
            }
            // Of each quarter, the slot that is least deep: a queue that is emptied now and then does not grow.
            let least: Vec<u64> =
                known.chunks(quarter.max(1)).take(4).filter_map(|part| part.iter().min().copied()).collect();
            let (first, last) = (*least.first()?, *least.last()?);
            let grows = least.is_sorted_by(|a, b| a < b) && last >= first + GROWTH_MIN;
            let waited_ns =
                known.iter().fold(0_u64, |sum, depth| sum.saturating_add(depth.saturating_mul(SLOT_NS)));
            let newest = *known.last()?;
            grows.then_some((queue.queue, known[0], newest, (known.len() as u64 - 1) * SLOT_NS, waited_ns))
        });
        let (queue, first, last, span_ns, waited_ns) = grown.max_by_key(|(.., waited_ns)| *waited_ns)?;
        let text = format!(
            "The queue {} keeps growing: from {} to {} in {}",
            queue.name(),
            count(first),
            count(last),
            duration(span_ns)
        );
        Some(Finding {
            who: Some(queue.name().to_owned()),
            count: Some(last),
            ..Finding::new(Rule::QueueGrowth, text, waited_ns, Some(LookAt::Queues))
        })
    }
}
