//! The longest runs: of all time, of the slice since the last baseline, and of a window.

use std::cmp::Reverse;

use loop_probes::ids::{TaskId, Timestamp};

/// One run, as the worst-runs list keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorstRun {
    /// Id of the task.
    pub task: TaskId,
    /// When it ended.
    pub at: Timestamp,
    /// How long it ran.
    pub run_ns: u64,
    /// The task's queue wait; `None` if it was in no queue, or if the time it was queued is unknown.
    pub queue_wait_ns: Option<u64>,
}

/// The longest runs since the last baseline. Figures of the same events are equal, wherever their baselines are.
#[derive(Clone, Debug, Default)]
pub(super) struct RunsOfSlice(pub(super) Vec<WorstRun>);

impl PartialEq for RunsOfSlice {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Adds a run to the longest `keep` ones, longest first.
pub(super) fn add_to(worst: &mut Vec<WorstRun>, run: WorstRun, keep: usize) {
    if worst.len() < keep || worst.last().is_some_and(|least| least.run_ns < run.run_ns) {
        // Earlier runs stay ahead of equal ones.
        let place = worst.partition_point(|kept| kept.run_ns >= run.run_ns);
        worst.insert(place, run);
        worst.truncate(keep);
    }
}

/// How many of the longest runs a window shows.
const OF_WINDOW_MAX: usize = 5;

/// Adds those of `more` that are not there yet, and keeps the longest of both.
pub(super) fn merge_worst(worst: &mut Vec<WorstRun>, more: &[WorstRun]) {
    let known = worst.len();
    let is_new = |run: &&WorstRun| !worst[..known].contains(run);
    let new: Vec<WorstRun> = more.iter().filter(is_new).copied().collect();
    worst.extend(new);
    worst.sort_by_key(|run| (Reverse(run.run_ns), run.at));
    worst.truncate(OF_WINDOW_MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: u64, run_ns: u64) -> WorstRun {
        WorstRun { task: TaskId(id), at: Timestamp(id), run_ns, queue_wait_ns: None }
    }

    #[test]
    fn merged_runs_are_the_longest_of_both_without_twins() {
        let mut worst = Vec::new();
        (1..=7).for_each(|id| add_to(&mut worst, run(id, id * 10), 3));
        assert_eq!(worst, [run(7, 70), run(6, 60), run(5, 50)]);
        merge_worst(&mut worst, &[run(6, 60), run(8, 60), run(9, 90), run(10, 5), run(11, 4)]);
        assert_eq!(worst, [run(9, 90), run(7, 70), run(6, 60), run(8, 60), run(5, 50)]);
    }
}
