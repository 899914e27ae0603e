//! The part of the summary about the jobs of the work pool, which run on its workers. Their completions are tasks of
//! the loop.

use serde::{Deserialize, Serialize};

use super::tags::TagSummary;
use crate::histogram::{Histogram, Percentiles};
use crate::loss::Missing;
use crate::timeline::{MissingSamples, Timeline};

/// Jobs of the work pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct JobsSummary {
    /// Jobs scheduled.
    pub queued: u64,
    /// Jobs that ended on a worker, including failed ones.
    pub ran: u64,
    /// Jobs that failed or panicked.
    pub failed: u64,
    /// Run times, from taken by a worker to done.
    pub run_ns: Percentiles,
    /// Queue waits, from scheduled to taken.
    pub queue_wait_ns: Percentiles,
    /// The jobs that ended, by tag, in descending order of their longest run.
    #[serde(deserialize_with = "super::lists::entries")]
    pub by_tag: Vec<TagSummary>,
}

impl JobsSummary {
    /// The jobs of a `timeline`, given what is [missing](Timeline::missing_with); `None` if there were none.
    #[must_use]
    pub fn of(timeline: &Timeline, missing: &MissingSamples) -> Option<Self> {
        jobs(timeline, &missing.others)
    }
}

/// `None` if there were no jobs. `missing` are the samples that lost records may have held.
pub(super) fn jobs(timeline: &Timeline, missing: &Missing) -> Option<JobsSummary> {
    let work = Some(&timeline.work).filter(|work| work.queued > 0 || work.ran > 0 || work.not_ended() > 0)?;
    // It is unknown which of the unfinished jobs a worker has taken. Workers go on after the loop has stopped.
    let to_come = timeline.jobs_to_come();
    let (mut stuck, longest) = (Histogram::new(), timeline.stuck_jobs());
    if let Some((jobs, waited_ns)) = longest.filter(|(_, waited_ns)| *waited_ns > 0) {
        stuck.record_many(waited_ns, jobs.min(to_come));
    }
    let waits = &missing.clone().with_unfinished(stuck.clone(), to_come.saturating_sub(stuck.count()));
    let missing = &missing.clone().with_unfinished(Histogram::new(), to_come);
    let by_tag = timeline.tags.iter().filter_map(|tag| {
        let jobs = tag.work.as_deref()?;
        Some(TagSummary {
            tag: timeline.labels.tag(tag.tag).into_owned(),
            count: jobs.count(),
            failed: Some(jobs.failed),
            run_ns: jobs.run_ns.percentiles_missing(missing),
            queue_wait_ns: jobs.queue_wait_ns.percentiles_missing(missing),
        })
    });
    let mut by_tag: Vec<TagSummary> = by_tag.collect();
    by_tag.sort_by(|a, b| b.run_ns.max.cmp(&a.run_ns.max).then_with(|| a.tag.cmp(&b.tag)));
    Some(JobsSummary {
        queued: work.queued,
        ran: work.ran,
        failed: work.failed,
        run_ns: work.run_ns.percentiles_missing(missing),
        queue_wait_ns: work.queue_wait_ns.percentiles_missing(waits),
        by_tag,
    })
}

#[cfg(test)]
mod tests;
