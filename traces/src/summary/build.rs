//! Builds a summary from a fold.
//!
//! Counts and sums are those of all loops. A share, a percentile or a median over several loops describes none of them,
//! so it is null in the totals, and each loop has its own.

use super::{
    GcSummary, LoopSummary, MicrotasksSummary, PressureSummary, SCHEMA, SignalsSummary, SourceSummary,
    StateSummary, Summary, SuspendedSummary, TagsBeyondLimit, TasksSummary, TicksSummary, TimersSummary,
    blame, families, io, jobs, loop_kinds, loops, tags, unfinished,
};
use loop_probes::event::Queue;

use crate::diagnosis::Diagnosis;
use crate::histogram::Percentiles;
use crate::import_summary::ImportSummary;
use crate::loss::{Bounds, SpreadBounds};
use crate::source::EventSource;
use crate::timeline::{Suspensions, Timeline, utilization};

impl Summary {
    /// The summary of `timeline`, which was folded from `source`.
    #[must_use]
    pub fn new(source: &(impl EventSource + ?Sized), timeline: &Timeline) -> Self {
        let metadata = source.metadata();
        let printable = loop_probes::text::printable;
        let source = SourceSummary {
            kind: source.kind(),
            name: printable(source.name()),
            pid: metadata.pid,
            policy: printable(&metadata.policy),
            import: ImportSummary::of(metadata),
            state: StateSummary::of(source, timeline),
        };
        Self::of(source.clone(), timeline).with_loops(&source, timeline)
    }

    fn of(source: SourceSummary, timeline: &Timeline) -> Self {
        let Timeline { ticks, timers, microtasks, gc, signals, .. } = timeline;
        // Imported slices do not tell how tasks ended.
        let (state, has_outcomes) = (source.state, !timeline.config().queue_waits_in_part);
        let unfinished = timeline.unfinished(state.end());
        let (missing, recorded) = (timeline.missing_with(&unfinished), timeline.families());
        let (busy_ns, poll_wait_ns) = (
            ticks.busy_ns.saturating_add(unfinished.busy_ns()),
            ticks.poll_wait_ns.saturating_add(unfinished.poll_wait_ns()),
        );
        let has_ticks = ticks.count > 0 || timeline.incomplete_ticks() > 0 || !unfinished.ticks.is_empty();
        let stalls = timeline.stall_figures(&unfinished, &missing);
        let loop_name = blame::loop_names(timeline);
        let impacts = timeline.delay_caused_with(&unfinished);
        let diagnosis = match state {
            StateSummary::Stopped => Diagnosis::of_stopped(timeline),
            _ => Diagnosis::of_known(timeline, &unfinished, &impacts, stalls),
        };
        let overdue = unfinished.timers.len() as u64;
        let most_overdue = match unfinished.has_timers_beyond_limit || unfinished.has_timers_unseen {
            true => None,
            false => Some(overdue.saturating_add(unfinished.timers_lost)),
        };
        let knows_overdue = recorded.timers_armed && (overdue > 0 || !unfinished.has_timers_unseen);
        let is_range = knows_overdue && most_overdue != Some(overdue);
        let overdue_bounds = is_range.then_some(Bounds { lo: overdue, hi: most_overdue });
        let at_stop = unfinished.timers.iter().filter(|timer| timer.is_final).count() as u64;
        let late = unfinished.late_timers(timeline.config().late_timer_ns);
        let late = recorded.timers.then(|| timers.late.saturating_add(late));
        let lag_ns = timers.lag_ns.percentiles_missing(&missing.lag);
        let may_be_later = lag_ns.bounds.is_some_and(|bounds| bounds.max.hi.is_none());
        let skipped = recorded.timers.then(|| timers.skipped.saturating_add(unfinished.skipped()));
        let has_gaps = timeline.lost_in_all() > 0 || timeline.may_miss_anything();
        let may_skip_more = has_gaps || unfinished.may_skip_more();
        Self {
            schema: SCHEMA,
            diagnosis: Some(diagnosis),
            source,
            closed: state.is_closed(),
            open_tick: unfinished::open_tick(timeline, &unfinished),
            span_ns: timeline.span_ns(),
            span_bounds: timeline.span_bounds(),
            lost_records: timeline.lost_in_all(),
            lost_records_bounds: timeline.lost_bounds(),
            before_attach: timeline.counts.before_attach,
            unknown_kinds: timeline.counts.unknown_kinds,
            malformed_events: timeline.counts.malformed,
            uncounted_gaps: timeline.uncounted_gaps(),
            clock_error_ns_max: timeline.counts.clock_error_ns_max,
            pressure: PressureSummary::of(timeline),
            ticks: TicksSummary {
                count: ticks.count,
                incomplete: timeline.incomplete_ticks(),
                missing: timeline.ticks_missing(),
                open: unfinished.ticks.len() as u64,
                stalls: stalls.count,
                stalls_bounds: stalls.bounds,
                stalls_busy_ns: Some(stalls.busy_ns),
                stalls_busy_bounds: stalls.busy_bounds,
                stall_limit_ns: timeline.config().stall_limit_ns,
                busy_ns,
                poll_wait_ns,
                utilization: (busy_ns > 0 || poll_wait_ns > 0).then(|| utilization(busy_ns, poll_wait_ns)),
                utilization_bounds: unfinished::utilization_bounds(timeline, &unfinished, &missing)
                    .filter(|_| has_ticks),
                run_ns: ticks.run_ns.percentiles_missing(&missing.ticks),
            },
            tasks: TasksSummary {
                count: timeline.tasks_run,
                failed: has_outcomes.then(|| tags::failed(timeline)),
                run_ns: timeline.tasks_run_ns.percentiles_missing(&missing.tasks),
                queue_wait_ns: tags::queue_wait_ns(timeline, &missing),
                by_tag: tags::by_tag(timeline, &missing, has_outcomes),
                tags_beyond_limit: TagsBeyondLimit::of(timeline, &missing, has_outcomes),
            },
            spans: families::spans(timeline, &missing),
            spans_beyond_limit: timeline.spans.beyond_limit,
            microtasks: MicrotasksSummary {
                checkpoints: recorded.microtasks.then(|| microtasks.checkpoints()),
                ran: recorded.microtasks.then_some(microtasks.ran),
                run_ns: microtasks.run_ns.percentiles_missing(&missing.in_ticks),
            },
            timers: TimersSummary {
                armed: recorded.timers_armed.then_some(timers.armed),
                fired: recorded.timers.then_some(timers.fired),
                cleared: recorded.timers_armed.then_some(timers.cleared),
                late,
                late_bounds: families::timed_bounds(timeline, late, has_gaps || may_be_later),
                overdue: knows_overdue.then_some(overdue),
                overdue_bounds,
                overdue_at_stop: recorded.timers_armed.then_some(at_stop),
                late_limit_ns: timeline.config().late_timer_ns,
                skipped,
                skipped_bounds: families::skipped_bounds(timeline, skipped, may_skip_more),
                period_unknown: recorded.timers.then(|| timers.period_unknown()),
                lag_ns,
                lag_corrected_ns: timers.lag_corrected_ns().percentiles_missing(&missing.lag_corrected),
            },
            queues: families::queues(timeline, &unfinished),
            gc: GcSummary {
                collect: recorded.gc_decisions.then_some(gc.collect),
                defer: recorded.gc_decisions.then_some(gc.defer),
                skip: recorded.gc_decisions.then_some(gc.skip),
                run_ns: gc.run_ns.percentiles_missing(&missing.in_ticks),
                heap_bytes_max: recorded.gc.then_some(gc.heap_bytes_max),
            },
            signals: SignalsSummary {
                arrived: recorded.signals.then(|| signals.arrived()),
                delivered: recorded.signals.then(|| signals.delivered()),
                dropped: recorded.signals_dropped.then(|| signals.dropped()),
                latency_ns: families::signal_latency_ns(timeline, &missing),
            },
            suspended: suspended(timeline),
            agenda: loop_kinds::agenda(timeline, &missing.others, state.end()),
            io: io::io(timeline, &missing.in_ticks, &unfinished),
            jobs: jobs::jobs(timeline, &missing.others),
            keep_alive: loop_kinds::keep_alive(timeline),
            keep_alive_age_ns: loop_kinds::keep_alive_age_ns(timeline),
            keep_alive_left_out: timeline.keep_alive.as_of().map(|_| timeline.keep_alive.left_out()),
            commands: loop_kinds::commands(timeline),
            pumps: loop_kinds::pumps(timeline, &missing.others, &unfinished),
            futures: loop_kinds::futures(timeline),
            shutdown: loop_kinds::shutdown(timeline),
            loops: Vec::new(),
            loops_beyond_limit: timeline.has_more_loops(),
            loops_left_out: timeline.loops_left_out,
            stalls: blame::stalls(timeline, &unfinished, &loop_name),
            late_timers: blame::late_timers(timeline, &unfinished, &loop_name),
            late_signals: blame::late_signals(timeline, &loop_name),
            slow_tasks: blame::slow_tasks(timeline, &unfinished, &loop_name),
            delay_caused: blame::delay_caused(timeline, &impacts),
        }
    }

    /// Adds the loops to a summary, and removes figures that describe none of them.
    fn with_loops(mut self, source: &SourceSummary, timeline: &Timeline) -> Self {
        let names = loops::names(timeline);
        if let [(number, name)] = names.as_slice() {
            self.loops = vec![of_one(name.clone(), *number, &self)];
            return self;
        }
        let loops = names.into_iter().zip(timeline.loops_by_now());
        self.loops = loops
            .map(|((number, name), own)| {
                let mut own = of_one(name, number, &Self::of(source.clone(), &own));
                // Workers take from the agenda, and their records belong to no loop.
                own.queues.retain(|queue| queue.queue != Queue::Agenda.name());
                own
            })
            .collect();
        if self.has_several_loops() {
            self.take_out_blends();
        }
        self
    }

    fn take_out_blends(&mut self) {
        (self.ticks.utilization, self.ticks.utilization_bounds) = (None, None);
        let spreads = [
            &mut self.ticks.run_ns,
            &mut self.tasks.run_ns,
            &mut self.tasks.queue_wait_ns,
            &mut self.microtasks.run_ns,
            &mut self.timers.lag_ns,
            &mut self.timers.lag_corrected_ns,
            &mut self.gc.run_ns,
            &mut self.signals.latency_ns,
        ];
        for spread in spreads {
            // The maximum over all loops is meaningful: it is a sample of one of them.
            let bounds = spread.bounds.map(SpreadBounds::of_maximum);
            *spread = Percentiles { count: spread.count, max: spread.max, bounds, ..Percentiles::default() };
        }
        for queue in &mut self.queues {
            (queue.depth.p50, queue.depth.p50_bounds) = (None, None);
        }
    }
}

fn of_one(name: String, source: u32, whole: &Summary) -> LoopSummary {
    LoopSummary {
        name,
        source,
        lost_records: whole.lost_records,
        open_tick: whole.open_tick.clone(),
        ticks: whole.ticks.clone(),
        tasks: whole.tasks.clone(),
        microtasks: whole.microtasks.clone(),
        timers: whole.timers.clone(),
        queues: whole.queues.clone(),
        gc: whole.gc.clone(),
        signals: whole.signals,
    }
}

fn suspended(timeline: &Timeline) -> Option<SuspendedSummary> {
    let Suspensions { count, total_ns, asleep_ns, .. } = timeline.suspensions;
    (count > 0).then_some(SuspendedSummary { count, total_ns, asleep_ns })
}
