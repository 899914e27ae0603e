//! Checks policies, so that a policy with which no loop could run is an error, not a hang.

use std::time::Duration;

use loop_probes::event::PolicyField;

use super::{DrainRule, Policy, Step};

/// Why a policy is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// No preset has this name.
    #[error("there is no policy \"{name}\": use one of {}", Policy::NAMES.join(", "))]
    UnknownName {
        /// The name, made printable.
        name: String,
    },
    /// The policy has no name.
    #[error("a policy needs a name: traces and the inspector show it")]
    Unnamed,
    /// A step that every turn needs is missing.
    #[error("policy {policy} has no step {step}: its work would wait forever; add the step to the turn")]
    Missing {
        /// The policy.
        policy: String,
        /// The step.
        step: Step,
    },
    /// No step runs the task queue.
    #[error("policy {policy} never runs its task queue: add step tasks or passes to the turn")]
    NoTasks {
        /// The policy.
        policy: String,
    },
    /// No step drains microtasks that were queued outside of a task.
    #[error("policy {policy} never drains some microtasks: add step {step} to the turn")]
    NoDrain {
        /// The policy.
        policy: String,
        /// The missing step.
        step: Step,
    },
    /// A step that may occur once per turn occurs twice.
    #[error("policy {policy} has step {step} twice in its turn: remove one")]
    Twice {
        /// The policy.
        policy: String,
        /// The step.
        step: Step,
    },
    /// A step precedes one that it depends on.
    #[error("policy {policy} has step {step} before step {needs}: move it after {needs}")]
    TooEarly {
        /// The policy.
        policy: String,
        /// The step.
        step: Step,
        /// The step that must come first.
        needs: Step,
    },
    /// `tick()` must not wait, so it must not poll.
    #[error("policy {policy} polls in tick(), which never waits: move step poll to auto_tick()")]
    PollInTick {
        /// The policy.
        policy: String,
    },
    /// A recorded value is invalid.
    #[error(
        "policy {policy} cannot have {field} {}: the recording is damaged, or newer than this program",
        value.map_or_else(|| "none".to_owned(), |value| value.to_string())
    )]
    Value {
        /// The policy.
        policy: String,
        /// The field.
        field: PolicyField,
        /// The value.
        value: Option<u64>,
    },
    /// A limit is zero, so that the loop could never do anything.
    #[error("policy {policy} has {limit} 0: use at least 1")]
    Zero {
        /// The policy.
        policy: String,
        /// The field.
        limit: &'static str,
    },
}

impl Policy {
    /// Checks that a loop can run with this policy, as [`Builder::build`](crate::Builder::build) does.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] names what is invalid.
    pub fn check(&self) -> Result<(), PolicyError> {
        let policy = || self.name.to_string();
        if self.name.trim().is_empty() {
            return Err(PolicyError::Unnamed);
        }
        for (limit, value) in [
            ("tasks_per_tick", Some(self.tasks_per_tick)),
            ("jobs_per_read", self.jobs_per_read),
            ("microtasks_per_checkpoint", self.microtasks_per_checkpoint),
        ] {
            if value == Some(0) {
                return Err(PolicyError::Zero { policy: policy(), limit });
            }
        }
        if self.task_time_per_tick == Some(Duration::ZERO) {
            return Err(PolicyError::Zero { policy: policy(), limit: "task_time_per_tick" });
        }
        if self.tick.contains(&Step::Poll) {
            return Err(PolicyError::PollInTick { policy: policy() });
        }
        let turn: Vec<Step> = self.tick.iter().chain(self.auto_tick.iter()).copied().collect();
        let times = |step| turn.iter().filter(|other| **other == step).count();
        for step in Step::ALL {
            match times(step) {
                0 if step.is_needed() => return Err(PolicyError::Missing { policy: policy(), step }),
                2.. if !step.may_repeat() => return Err(PolicyError::Twice { policy: policy(), step }),
                _ => {}
            }
        }
        if times(Step::Tasks) + times(Step::Passes) == 0 {
            return Err(PolicyError::NoTasks { policy: policy() });
        }
        if times(Step::Passes) + times(Step::LastDrain) == 0 {
            return Err(PolicyError::NoDrain { policy: policy(), step: Step::LastDrain });
        }
        if self.drain == DrainRule::AfterEveryPass && times(Step::Drain) + times(Step::LastDrain) == 0 {
            return Err(PolicyError::NoDrain { policy: policy(), step: Step::Drain });
        }
        if self.jobs_per_read.is_some() && times(Step::Work) == 0 {
            return Err(PolicyError::Missing { policy: policy(), step: Step::Work });
        }
        let place = |step| turn.iter().position(|other| *other == step);
        if place(Step::Io) < place(Step::Poll) {
            return Err(PolicyError::TooEarly { policy: policy(), step: Step::Io, needs: Step::Poll });
        }
        Ok(())
    }
}
