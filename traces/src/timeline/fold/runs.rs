//! Folds the ends of runs: tasks of a loop, jobs of a pool, tasklets of an agenda.

use loop_probes::event::{Event, Outcome};
use loop_probes::ids::{Tag, TaskId, Timestamp};
use loop_probes::stamped::Stamped;

use crate::timeline::open_tick::Wait;
use crate::timeline::tags::failed;
use crate::timeline::worst_runs::WorstRun;
use crate::timeline::{RunStats, SlowTask, TagStats, Timeline, Waiter};

/// The record of a task that ran, or of a timer that woke a future.
#[derive(Clone, Copy, Debug)]
pub(super) struct TaskRun {
    pub(super) task: TaskId,
    pub(super) tag: Tag,
    pub(super) outcome: Outcome,
    pub(super) queued: Timestamp,
    pub(super) start: Timestamp,
}

impl Timeline {
    #[inline]
    pub(super) fn task_ran(&mut self, place: Option<usize>, run: TaskRun, stamped: &Stamped) {
        let TaskRun { task, tag, outcome, queued, start } = run;
        let at = stamped.at;
        if let Some(place) = place {
            self.keep_alive.task_left(place, task, self.queues.left_by(place, task));
            self.loss_bounds.task_ran(place, start, at);
            self.open[place].last_run = Some((task, tag));
        }
        self.futures.pending += u64::from(outcome == Outcome::Pending);
        let in_part = self.config.queue_waits_in_part;
        let queue_wait_ns = self.queues.wait_of(place, task, (queued, start), in_part);
        let run = WorstRun { task, at, run_ns: at.ns_since(start), queue_wait_ns };
        if run.run_ns > self.config.slow_task_ns {
            let (source, tick) = (stamped.source, self.tick_of(place));
            self.task_was_slow(SlowTask { source, task, tag, start, end: at, tick });
        }
        // The wait of a signal's task is the signal's, which is counted already.
        let is_signal = || place.is_some_and(|place| self.open[place].signal_task == Some(task));
        if queue_wait_ns > Some(self.config.late_task_ns) && !is_signal() {
            self.kept_waiting(place, Wait { kind: Waiter::Task, from: queued, to: start });
        }
        // The firing of a future's timer is not a task; the poll of the future is.
        if outcome != Outcome::Woke {
            self.tasks_run += 1;
            self.rates.slot(at).tasks += 1;
            self.tasks_run_ns.record(run.run_ns);
            let keep = self.config.worst_runs_kept;
            self.tags.entry(tag).tasks.add(run, failed(outcome), keep);
        }
    }

    /// Removes a task that was cancelled before it ran from its queue; it is counted nowhere else. If dropping it took
    /// time, it was the last thing that the loop ran.
    pub(super) fn task_cancelled(&mut self, place: Option<usize>, task: TaskId, stamped: &Stamped) {
        let Some(place) = place else { return };
        self.keep_alive.task_left(place, task, self.queues.left_by(place, task));
        if let (false, Event::TaskRan { tag, start, .. }) = (stamped.never_ran(), stamped.event) {
            self.loss_bounds.task_ran(place, start, stamped.at);
            self.open[place].last_run = Some((task, tag));
        }
    }

    /// Counts a run by a worker of the pool or of the agenda.
    pub(super) fn worked(
        &mut self,
        tag: Tag,
        runs: fn(&mut TagStats) -> &mut Option<Box<RunStats>>,
        run: WorstRun,
        outcome: Outcome,
    ) {
        let keep = self.config.worst_runs_kept;
        runs(self.tags.entry(tag)).get_or_insert_with(Box::default).add(run, failed(outcome), keep);
    }
}
