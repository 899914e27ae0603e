//! Operations for shutdown, and owners' error rules.

use loop_probes::event::{Event, Origin, RefKind};
use loop_probes::ids::TaskId;

use crate::body::Queued;
use crate::body::{Body, FailureReport};
use crate::error::{RequestError, RunError};
use crate::failure::{Failure, OnError};
use crate::shutdown::{OnShutdown, Shutdown};
use crate::task::Context;
use crate::task::Task;
use crate::timer::Timer;
use crate::timer::TimerGone;

impl<T: Task> Context<'_, T> {
    /// Shuts the loop down after the current turn. A second request can only bring the deadline forward.
    pub fn shutdown(&mut self, shutdown: Shutdown) {
        self.core.shutdown.ask(shutdown.deadline);
        if self.core.on {
            let within_ns = u64::try_from(shutdown.deadline.as_nanos()).unwrap_or(u64::MAX);
            self.core.record(Event::InputShutdown { outside: false, within_ns });
        }
    }

    /// Whether a shutdown has begun.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.core.shutdown.has_begun()
    }

    /// Sets what a shutdown does with a timer; by default it is cleared. With [`OnShutdown::Finish`], a timer still fires,
    /// and an interval keeps firing until the deadline.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] if the timer is not armed.
    pub fn set_timer_on_shutdown(&mut self, timer: Timer, rule: OnShutdown) -> Result<(), TimerGone> {
        self.core.scheduler.timers.set_on_shutdown(timer, rule)?;
        if self.is_shutting_down() {
            self.set_timer_referenced(timer, rule == OnShutdown::Finish)?;
        }
        Ok(())
    }

    /// Sets what a shutdown does with a job; by default it finishes. Returns false if the job is done or never existed.
    pub fn set_work_on_shutdown(&mut self, job: TaskId, rule: OnShutdown) -> bool {
        let job = self.core.work.get_mut(&job);
        job.map(|job| job.on_shutdown = rule).is_some()
    }

    /// The failure that the running task has to handle, if it is an owner's [error task](OnError::Tell).
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        let (task, failure) = self.core.failure_notice.as_ref()?;
        (self.core.current.task == Some(*task)).then_some(failure)
    }

    /// Refuses new work while the loop shuts down.
    pub(super) fn check_open(&self, what: RefKind) -> Result<(), RequestError> {
        if self.core.shutdown.has_begun() { Err(RequestError::ShuttingDown { what }) } else { Ok(()) }
    }

    /// Applies `rule` to an error. Returns the rule for the next error.
    pub(crate) fn apply_rule(
        &mut self,
        rule: OnError<T>,
        what: RefKind,
        name: impl FnOnce() -> String,
        message: &str,
    ) -> OnError<T> {
        match rule {
            OnError::Report | OnError::Close => rule,
            OnError::Stop => {
                let failed = RunError::Failed { what, name: name(), message: message.to_owned() };
                self.core.failed.get_or_insert(failed);
                self.stop();
                rule
            }
            OnError::Tell(task) => {
                let failure = Failure { what, name: name(), message: message.to_owned() };
                match task.again() {
                    Some(copy) => {
                        self.notify_owner(copy, failure);
                        OnError::Tell(task)
                    }
                    None => {
                        self.notify_owner(task, failure);
                        OnError::Report
                    }
                }
            }
        }
    }

    fn notify_owner(&mut self, task: T, failure: Failure) {
        let (tag, queued) = (self.core.tag(&task), self.stamp());
        let (id, parent) = (self.core.scheduler.new_id(), self.core.current.task);
        let task = Body::FailureReport(Box::new(FailureReport { task, failure }));
        let queued = Queued { task, id, tag, origin: Origin::Local, signo: 0, queued };
        self.core.queue(queued, parent, None);
    }

    /// Runs an owner's error task with its failure.
    pub(crate) fn run_failure_report(&mut self, report: FailureReport<T>) {
        self.core.failure_notice = self.core.current.task.map(|task| (task, report.failure));
        self.dispatch(report.task);
    }
}
