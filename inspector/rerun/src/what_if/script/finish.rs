//! Completes the script after the whole recording was read.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use loop_probes::event::Outcome;
use loop_probes::ids::{SourceId, Tag, Timestamp};
use loop_traces::labels::Labels;
use loop_traces::source::EventSource;

use super::super::cost::Costs;
use super::super::measure::{Detail, Measure};
use super::acts::ActLists;
use super::arrive::JobTimes;
use super::reading::Reading;
use super::{LeftOut, Run, RunId, RunRole, Script, Start};

/// An empty script.
pub(super) fn blank(source: &(impl EventSource + ?Sized), detail: Detail) -> Script {
    Script {
        name: loop_probes::text::printable(source.name()),
        kind: source.kind(),
        detail,
        metadata: source.metadata().clone(),
        labels: Labels::default(),
        source: SourceId(0),
        chosen: None,
        begin_ns: 0,
        end_ns: 0,
        ended: None,
        runs: Vec::new(),
        large_costs: HashMap::new(),
        large_growth: HashMap::new(),
        acts: ActLists::default(),
        arms: Vec::new(),
        timers: 0,
        jobs: Vec::new(),
        tasklets: Vec::new(),
        sources: Vec::new(),
        arrivals: Vec::new(),
        start: Start::default(),
        workers: 1,
        agenda_workers: 0,
        spans: BTreeSet::new(),
        handled: Vec::new(),
        has_heap: false,
        costs: Costs::default(),
        typical_ns: Vec::new(),
        ticks: 0,
        events: 0,
        left: LeftOut::default(),
        open_tick: None,
    }
}

pub(super) fn finish(reading: Reading) -> (Script, Measure) {
    let Reading { source, begin, end, mut script, before, worked, jobs, .. } = reading;
    (script.source, script.begin_ns, script.end_ns) = (source, begin.as_ns(), end.as_ns());
    script.arrivals.iter_mut().for_each(|arrival| arrival.at_ns = arrival.at_ns.max(begin.as_ns()));
    script.arrivals.sort_by_key(|arrival| arrival.at_ns);
    let mut ran: Vec<(JobTimes, u32)> =
        jobs.iter().filter_map(|(task, job)| Some((*worked.get(task)?, *job))).collect();
    ran.sort_by_key(|(worked, job)| (worked.queued, *job));
    script.workers = worked.values().map(|worked| worked.worker.saturating_add(1)).max().unwrap_or(1);
    wakes(&mut script, &ran);
    script.typical_ns = typical(&script);
    jobs_without_end(&mut script);
    (script, before)
}

/// Sets the cost of each job, and the time that an idle worker took to take it.
fn wakes(script: &mut Script, ran: &[(JobTimes, u32)]) {
    let mut free: BinaryHeap<Reverse<Timestamp>> =
        (0..script.workers).map(|_| Reverse(Timestamp(0))).collect();
    for (worked, job) in ran {
        let Reverse(idle) = free.pop().unwrap_or(Reverse(Timestamp(0)));
        let job = &mut script.jobs[*job as usize];
        job.cost_ns = worked.end.ns_since(worked.start);
        job.wake_ns = worked.start.ns_since(worked.queued.max(idle));
        job.is_known = true;
        free.push(Reverse(worked.end));
    }
}

/// Jobs that no worker finished in time get the median cost of their tag.
fn jobs_without_end(script: &mut Script) {
    let known = script.jobs.iter().filter(|job| job.is_known);
    let median_ns = medians(known.map(|job| (job.tag.0, job.cost_ns)).collect());
    for job in script.jobs.iter_mut().filter(|job| !job.is_known) {
        job.cost_ns = median_ns(job.tag);
    }
}

/// The median of each tag's costs.
pub(super) fn medians(mut costs: Vec<(u16, u64)>) -> impl Fn(Tag) -> u64 {
    costs.sort_unstable();
    move |tag| {
        let from = costs.partition_point(|(known, _)| *known < tag.0);
        let to = costs.partition_point(|(known, _)| *known <= tag.0);
        costs[from..to].get((to - from) / 2).map_or(0, |(_, ns)| *ns)
    }
}

/// The median cost of each tag's callbacks.
fn typical(script: &Script) -> Vec<u64> {
    let tags = script.runs.iter().map(|run| usize::from(run.tag.0) + 1).max().unwrap_or(0);
    let mut costs: Vec<Vec<u64>> = vec![Vec::new(); tags];
    // Checkpoints carry the tag of the callback that they follow.
    let is_callback = |(_, run): &(RunId, &Run)| {
        run.role != RunRole::Checkpoint && run.outcome.is_some_and(|outcome| outcome != Outcome::Woke)
    };
    for (id, run) in (0..).zip(&script.runs).filter(is_callback) {
        costs[usize::from(run.tag.0)].push(script.cost_ns(id));
    }
    costs
        .into_iter()
        .map(|mut costs| {
            let middle = costs.len() / 2;
            if costs.is_empty() { 0 } else { *costs.select_nth_unstable(middle).1 }
        })
        .collect()
}
