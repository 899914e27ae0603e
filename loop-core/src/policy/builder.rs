//! Builds and checks custom policies: one that no loop could run by is an error here rather than a hang later.

use std::borrow::Cow;
use std::time::Duration;

use loop_probes::event::PolicyField;

use super::{
    DrainRule, ExitRule, PanicRule, Policy, PollRule, SignalRule, SourceRule, Step, TimerRule, Validation,
};
use crate::gc::GcConfig;

/// Why a policy is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// There is no policy of that name.
    #[error("there is no policy \"{name}\": take one of {}", Policy::NAMES.join(", "))]
    UnknownName {
        /// The name, made printable.
        name: String,
    },
    /// It has no name.
    #[error("a policy needs a name: traces and the inspector show it")]
    Unnamed,
    /// A step that every turn needs is missing.
    #[error("policy {policy} has no step {step}: what it serves would wait for ever; add it to the turn")]
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
    /// No step drains work that belongs to no task.
    #[error("policy {policy} leaves microtasks for ever: add step {step} to the turn")]
    NoDrain {
        /// The policy.
        policy: String,
        /// The step that would drain it.
        step: Step,
    },
    /// A step that may occur once per turn occurs twice.
    #[error("policy {policy} has step {step} twice in its turn: leave one out")]
    Twice {
        /// The policy.
        policy: String,
        /// The step.
        step: Step,
    },
    /// A step precedes one that it depends on.
    #[error("policy {policy} has step {step} before step {needs}: put it behind")]
    TooEarly {
        /// The policy.
        policy: String,
        /// The step.
        step: Step,
        /// The step that has to come first.
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
    /// A limit of zero: the loop would turn and never do anything.
    #[error("policy {policy} has {limit} 0: take at least 1")]
    Zero {
        /// The policy.
        policy: String,
        /// The field.
        limit: &'static str,
    },
}

/// Builds a custom policy.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use loop_core::policy::{Step, TimerRule};
/// use loop_core::Policy;
///
/// let policy = Policy::builder("mine").timers(TimerRule::OnePerTurn).tasks_per_tick(100).build()?;
/// assert_eq!(policy.tasks_per_tick, 100);
///
/// let refused = Policy::builder("blind").auto_tick(vec![Step::Immediates]).build();
/// assert!(refused.is_err());
/// # Ok::<(), loop_core::policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct PolicyBuilder {
    policy: Policy,
}

/// One setter per field.
macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident: $kind:ty;)+) => {
        $($(#[$doc])*
        pub const fn $field(mut self, $field: $kind) -> Self {
            self.policy.$field = $field;
            self
        })+
    };
}

impl PolicyBuilder {
    /// Copies everything but the name from `other`.
    pub fn like(self, other: Policy) -> Self {
        Self { policy: Policy { name: self.policy.name, ..other } }
    }

    /// The steps of `tick()`, in order.
    pub fn tick(mut self, steps: impl Into<Cow<'static, [Step]>>) -> Self {
        self.policy.tick = steps.into();
        self
    }

    /// The steps of `auto_tick()`, in order.
    pub fn auto_tick(mut self, steps: impl Into<Cow<'static, [Step]>>) -> Self {
        self.policy.auto_tick = steps.into();
        self
    }

    fields! {
        /// Sets [`Policy::timers`].
        timers: TimerRule;
        /// Sets [`Policy::signals`].
        signals: SignalRule;
        /// Sets [`Policy::sources`].
        sources: SourceRule;
        /// Sets [`Policy::jobs_per_read`].
        jobs_per_read: Option<u32>;
        /// Sets [`Policy::drain`].
        drain: DrainRule;
        /// Sets [`Policy::exit`].
        exit: ExitRule;
        /// Sets [`Policy::poll`].
        poll: PollRule;
        /// Sets [`Policy::poll_timeout_default`].
        poll_timeout_default: Option<Duration>;
        /// Sets [`Policy::poll_gap`].
        poll_gap: Duration;
        /// Sets [`Policy::sources_max`].
        sources_max: Option<u32>;
        /// Sets [`Policy::tasks_per_tick`].
        tasks_per_tick: u32;
        /// Sets [`Policy::task_time_per_tick`].
        task_time_per_tick: Option<Duration>;
        /// Sets [`Policy::microtasks_per_checkpoint`].
        microtasks_per_checkpoint: Option<u32>;
        /// Sets [`Policy::gc`].
        gc: GcConfig;
        /// Sets [`Policy::panics`].
        panics: PanicRule;
        /// Sets [`Policy::validation`].
        validation: Validation;
        /// Sets [`Policy::slow_task_limit`].
        slow_task_limit: Duration;
        /// Sets [`Policy::snapshot_interval`].
        snapshot_interval: Duration;
        /// Sets [`Policy::snapshot_parts_max`].
        snapshot_parts_max: u32;
    }

    /// Returns the policy, if it is valid.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] names what is invalid.
    pub fn build(self) -> Result<Policy, PolicyError> {
        self.policy.check()?;
        Ok(self.policy)
    }
}

impl Policy {
    /// Returns a builder for a custom policy that starts from [`bun`](Self::bun).
    pub fn builder(name: impl Into<Cow<'static, str>>) -> PolicyBuilder {
        PolicyBuilder { policy: Self { name: name.into(), ..Self::bun() } }
    }

    /// Checks that a loop can run by it. [`PolicyBuilder::build`] and [`Builder::build`](crate::Builder::build)
    /// call this; fields changed after that may invalidate it.
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
