//! Encodes a policy as numbers and decodes it. Recordings contain these numbers, so that a loop can be rebuilt from its
//! recording alone.

use std::borrow::Cow;
use std::time::Duration;

use loop_probes::event::PolicyField;

use super::{
    DrainRule, ExitRule, PanicRule, Policy, PolicyError, PollRule, SignalRule, SourceRule, Step, TimerRule,
    Validation,
};

/// Maximum number of steps decoded per half of a turn, far above the length of any real list.
const STEPS_MAX: usize = 256;

/// Revision of the rules that all policies share, as recorded in snapshots. Recordings without a revision have 1.
///
/// Revision 2: callbacks deferred while the deferred queue drains run in the same drain; posted deferred callbacks count
/// as work; the drain that a reload skipped happens before anything else runs; a GC controller that is off makes no
/// checks; requests through a [`LocalHandle`](crate::LocalHandle) are carried out before the checkpoint of the callback
/// that made them.
pub const RULES: u64 = 2;

/// A rule, encoded as the position of its value.
trait Rule: Copy + PartialEq + 'static {
    const VALUES: &'static [Self];

    fn place(self) -> Option<u64> {
        Self::VALUES.iter().position(|value| *value == self).map(|place| place as u64)
    }

    fn at(place: Option<u64>) -> Option<Self> {
        Self::VALUES.get(usize::try_from(place?).ok()?).copied()
    }
}

macro_rules! rules {
    ($($rule:ident: $($value:ident),+;)+) => {
        $(impl Rule for $rule {
            const VALUES: &'static [Self] = &[$(Self::$value),+];
        })+
    };
}

// Add new values at the end: recordings contain their positions.
rules! {
    TimerRule: AllDue, OnePerTurn;
    SignalRule: AllPending, OnePerTurn;
    SourceRule: AllReady, OnePerTurn;
    DrainRule: AfterEveryTask, AfterEveryPass;
    ExitRule: Unreferenced, OnlyStopped;
    PollRule: EveryTurn, WhenNoTask;
    PanicRule: Continue, Stop;
    Validation: Off, Record, Panic;
}

impl Rule for Step {
    const VALUES: &'static [Self] = &Self::ALL;
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Policy {
    /// All values that determine behaviour, as recordings contain them: steps in order, rules as positions among their
    /// values, times in nanoseconds. `None` means "no limit" or "forever". The name is not included.
    ///
    /// # Examples
    ///
    /// ```
    /// use loop_core::Policy;
    ///
    /// let policy = Policy::quickjs();
    /// assert_eq!(Policy::from_values("quickjs", policy.values())?, policy);
    /// # Ok::<(), loop_core::policy::PolicyError>(())
    /// ```
    pub fn values(&self) -> impl Iterator<Item = (PolicyField, Option<u64>)> + use<> {
        use PolicyField as Field;
        let steps =
            |field, steps: &[Step]| -> Vec<_> { steps.iter().map(|step| (field, step.place())).collect() };
        let count = |value: u32| Some(u64::from(value));
        let single = [
            (Field::Timers, self.timers.place()),
            (Field::Signals, self.signals.place()),
            (Field::Sources, self.sources.place()),
            (Field::JobsPerRead, self.jobs_per_read.and_then(count)),
            (Field::Drain, self.drain.place()),
            (Field::Exit, self.exit.place()),
            (Field::Poll, self.poll.place()),
            (Field::PollTimeoutDefault, self.poll_timeout_default.map(ns)),
            (Field::PollGap, Some(ns(self.poll_gap))),
            (Field::SourcesMax, self.sources_max.and_then(count)),
            (Field::TasksPerTick, count(self.tasks_per_tick)),
            (Field::MicrotasksPerCheckpoint, self.microtasks_per_checkpoint.and_then(count)),
            (Field::GcEnabled, Some(u64::from(self.gc.enabled))),
            (Field::GcFast, Some(self.gc.fast_ns)),
            (Field::GcSlow, Some(self.gc.slow_ns)),
            (Field::GcOneShot, Some(self.gc.one_shot_ns)),
            (Field::GcUnchangedMax, count(self.gc.unchanged_max)),
            (Field::Panics, self.panics.place()),
            (Field::Validation, self.validation.place()),
            (Field::SlowTaskLimit, Some(ns(self.slow_task_limit))),
            (Field::SnapshotInterval, Some(ns(self.snapshot_interval))),
            (Field::SnapshotPartsMax, count(self.snapshot_parts_max)),
            (Field::TaskTimePerTick, self.task_time_per_tick.map(ns)),
            (Field::Rules, Some(RULES)),
            (Field::GcSample, Some(self.gc.sample_ns)),
        ];
        let (tick, auto_tick) =
            (steps(Field::TickStep, &self.tick), steps(Field::AutoTickStep, &self.auto_tick));
        tick.into_iter().chain(auto_tick).chain(single)
    }

    /// Decodes and checks a policy. Missing [values](Self::values) are those of [`bun`](Self::bun), except that a missing
    /// interval of heap measurements means "at each check".
    ///
    /// # Errors
    ///
    /// [`PolicyError::Value`] names a value that no policy can have; otherwise the errors of [`check`](Self::check).
    pub fn from_values(
        name: impl Into<String>,
        values: impl IntoIterator<Item = (PolicyField, Option<u64>)>,
    ) -> Result<Self, PolicyError> {
        let name = name.into();
        let (mut tick, mut auto_tick) = (Vec::new(), Vec::new());
        let mut policy = Self { name: Cow::Owned(name), ..Self::bun() };
        // Loops whose recordings lack the interval measured their heap at each check.
        policy.gc.sample_ns = 0;
        for (field, value) in values {
            let half = match field {
                PolicyField::TickStep => &mut tick,
                PolicyField::AutoTickStep => &mut auto_tick,
                _ => {
                    policy.set(field, value).ok_or_else(|| policy.refuse(field, value))?;
                    continue;
                }
            };
            let step = Step::at(value).filter(|_| half.len() < STEPS_MAX);
            half.push(step.ok_or_else(|| policy.refuse(field, value))?);
        }
        if !tick.is_empty() || !auto_tick.is_empty() {
            (policy.tick, policy.auto_tick) = (Cow::Owned(tick), Cow::Owned(auto_tick));
        }
        policy.check()?;
        Ok(policy)
    }

    fn refuse(&self, field: PolicyField, value: Option<u64>) -> PolicyError {
        PolicyError::Value { policy: loop_probes::text::printable(&self.name), field, value }
    }

    /// Sets one field; `None` if the value is invalid for it.
    fn set(&mut self, field: PolicyField, value: Option<u64>) -> Option<()> {
        let count = || u32::try_from(value?).ok();
        let limit = || value.map(u32::try_from).transpose().ok();
        match field {
            // A recording cannot override the rules of this crate.
            PolicyField::Name | PolicyField::Rules => {}
            PolicyField::TickStep | PolicyField::AutoTickStep => return None,
            PolicyField::Timers => self.timers = Rule::at(value)?,
            PolicyField::Signals => self.signals = Rule::at(value)?,
            PolicyField::Sources => self.sources = Rule::at(value)?,
            PolicyField::JobsPerRead => self.jobs_per_read = limit()?,
            PolicyField::Drain => self.drain = Rule::at(value)?,
            PolicyField::Exit => self.exit = Rule::at(value)?,
            PolicyField::Poll => self.poll = Rule::at(value)?,
            PolicyField::PollTimeoutDefault => self.poll_timeout_default = value.map(Duration::from_nanos),
            PolicyField::PollGap => self.poll_gap = Duration::from_nanos(value?),
            PolicyField::SourcesMax => self.sources_max = limit()?,
            PolicyField::TasksPerTick => self.tasks_per_tick = count()?,
            PolicyField::MicrotasksPerCheckpoint => self.microtasks_per_checkpoint = limit()?,
            PolicyField::GcEnabled => self.gc.enabled = value? != 0,
            PolicyField::GcFast => self.gc.fast_ns = value?,
            PolicyField::GcSlow => self.gc.slow_ns = value?,
            PolicyField::GcOneShot => self.gc.one_shot_ns = value?,
            PolicyField::GcUnchangedMax => self.gc.unchanged_max = count()?,
            PolicyField::Panics => self.panics = Rule::at(value)?,
            PolicyField::Validation => self.validation = Rule::at(value)?,
            PolicyField::SlowTaskLimit => self.slow_task_limit = Duration::from_nanos(value?),
            PolicyField::SnapshotInterval => self.snapshot_interval = Duration::from_nanos(value?),
            PolicyField::SnapshotPartsMax => self.snapshot_parts_max = count()?,
            PolicyField::GcSample => self.gc.sample_ns = value?,
            PolicyField::TaskTimePerTick => self.task_time_per_tick = value.map(Duration::from_nanos),
        }
        Some(())
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn every_policy_comes_back_from_its_values() {
        for name in Policy::NAMES {
            let mut policy = Policy::by_name(name).unwrap();
            assert_eq!(Policy::from_values(name, policy.values()).unwrap(), policy);
            policy.gc.unchanged_max = 7;
            policy.poll_gap = Duration::from_micros(3);
            policy.microtasks_per_checkpoint = Some(9);
            policy.panics = PanicRule::Stop;
            policy.task_time_per_tick = Some(Duration::from_millis(2));
            assert_eq!(Policy::from_values(name, policy.values()).unwrap(), policy);
        }
    }

    #[test]
    fn what_no_policy_can_have_is_named() {
        let wrong = [
            (PolicyField::Timers, Some(9)),
            (PolicyField::TickStep, Some(200)),
            (PolicyField::TasksPerTick, None),
            (PolicyField::TasksPerTick, Some(0)),
        ];
        for value in wrong {
            assert!(Policy::from_values("wrong", [value]).is_err(), "{value:?}");
        }
        let error = Policy::from_values("mine", [(PolicyField::Timers, Some(9))]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "policy mine cannot have timers 9: the recording is damaged, or newer than this program"
        );
        let steps = std::iter::repeat_n((PolicyField::TickStep, Some(0)), 1_000_000);
        assert!(Policy::from_values("long", steps).is_err());
    }
}
