//! The plan of a what-if: its changes, resolved against one recording.

use std::sync::Arc;

use loop_core::Policy;
use loop_core::policy::Validation;
use loop_probes::event::StopReason;
use loop_probes::ids::{SourceId, Tag};
use loop_probes::text::printable;

use super::changes::Changes;
use super::script::Script;
use super::tags::Names;
use crate::RerunError;

/// Returns whether a reading or a re-execution should end early. They ask from threads of their own.
pub type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// The emitter of agenda events that belong to no worker.
pub(super) const EXTERNAL: u16 = 0;

/// The changes, resolved against one recording.
pub(super) struct Plan {
    pub(super) policy: Policy,
    /// For each recorded tag, the tag of this process with the same name.
    tags: Vec<Tag>,
    /// Factors for the run time of callbacks, by recorded tag; empty if none is scaled.
    factors: Vec<f64>,
    dropped: Vec<bool>,
    typical_ns: Vec<u64>,
    pub(super) workers: u16,
    /// Workers of the agenda; 0 if there is no agenda.
    pub(super) agenda_workers: u16,
    /// The emitter of the loop.
    source: SourceId,
    /// Time before which nothing arrives, in nanoseconds.
    pub(super) begin_ns: u64,
    pub(super) end_ns: u64,
    /// Whether the loop is stopped at the end; otherwise it ends when nothing is left to do.
    pub(super) stops: bool,
}

impl Plan {
    pub(super) fn new(script: &Script, changes: &Changes) -> Result<Self, RerunError> {
        let names = Names::of(script);
        let mut factors = Vec::new();
        for (place, (name, factor)) in changes.scale.iter().enumerate() {
            if let Some((_, first)) = changes.scale[..place].iter().find(|(earlier, _)| earlier == name) {
                let tag = printable(name);
                return Err(RerunError::ScaledTwice { tag, first: *first, second: *factor });
            }
            factors.resize(names.len(), 1.0);
            names.find("--scale", name)?.for_each(|place| factors[place] = *factor);
        }
        let mut dropped = vec![false; names.len()];
        for name in &changes.drop {
            names.find("--drop", name)?.for_each(|place| dropped[place] = true);
        }
        if let Some(kept) = &changes.filter.tags {
            names.iter().for_each(|(place, name)| dropped[place] |= place > 0 && !kept.contains(name));
        }
        let tags = names.in_this_process();
        let mut typical_ns = vec![0; usize::from(tags.iter().map(|tag| tag.0).max().unwrap_or(0)) + 1];
        for (recorded, (tag, ns)) in tags.iter().zip(&script.typical_ns).enumerate() {
            typical_ns[usize::from(tag.0)] = scaled(&factors, recorded, *ns);
        }
        let drains = matches!(script.ended, Some(StopReason::Drained | StopReason::Policy));
        let window_ns = changes.filter.window_ns;
        let end_ns = window_ns.map_or(script.end_ns, |(_, to)| script.begin_ns.saturating_add(to));
        Ok(Self {
            policy: policy(script, changes)?,
            tags,
            factors,
            dropped,
            typical_ns,
            workers: changes.workers.unwrap_or(script.workers),
            agenda_workers: match script.agenda_workers {
                0 => 0,
                recorded => changes.workers.unwrap_or(recorded).max(1),
            },
            source: script.source,
            begin_ns: script.begin_ns.saturating_add(window_ns.map_or(0, |(from, _)| from)),
            end_ns: end_ns.min(script.end_ns),
            stops: !drains || window_ns.is_some(),
        })
    }

    /// The tag of this process with the same name as a recorded tag.
    pub(super) fn tag_of(&self, tag: Tag) -> Tag {
        self.tags.get(usize::from(tag.0)).copied().unwrap_or_default()
    }

    pub(super) fn is_dropped(&self, recorded: Tag) -> bool {
        self.dropped.get(usize::from(recorded.0)).copied().unwrap_or(false)
    }

    /// The median cost of a callback with this tag (of this process), scaled by the tag's factor.
    pub(super) fn typical_ns(&self, tag: Tag) -> u64 {
        self.typical_ns.get(usize::from(tag.0)).copied().unwrap_or(0)
    }

    /// Scales `ns` of a callback by the factor of its recorded tag.
    pub(super) fn scaled(&self, recorded: Tag, ns: u64) -> u64 {
        scaled(&self.factors, usize::from(recorded.0), ns)
    }

    /// The emitter for a worker of the pool.
    pub(super) const fn worker(&self, worker: u16) -> SourceId {
        SourceId(self.source.0.saturating_add(1 + worker as u32))
    }

    /// The emitter for the agenda: the agenda itself is 0, its workers count from 1.
    pub(super) const fn agenda_side(&self, emitter: u16) -> SourceId {
        SourceId(self.worker(self.workers).0.saturating_add(emitter as u32))
    }

    /// This process's tags, indexed by recorded tag.
    pub(super) fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

/// Scales `ns` by the factor of a recorded tag, 1 if it has none.
fn scaled(factors: &[f64], recorded: usize, ns: u64) -> u64 {
    factors.get(recorded).map_or(ns, |factor| (ns as f64 * factor) as u64)
}

fn policy(script: &Script, changes: &Changes) -> Result<Policy, RerunError> {
    let recorded = recorded_policy(script);
    let (mut policy, recorded) = match &changes.policy {
        Some(name) => (Policy::by_name(name).map_err(RerunError::Policy)?, recorded.ok()),
        None => {
            let recorded = recorded?;
            (recorded.clone(), Some(recorded))
        }
    };
    if let Some(recorded) = recorded {
        // GC settings belong to the program's environment, and recording settings are not part of a policy.
        (policy.gc, policy.slow_task_limit) = (recorded.gc, recorded.slow_task_limit);
        (policy.snapshot_interval, policy.snapshot_parts_max) =
            (recorded.snapshot_interval, recorded.snapshot_parts_max);
    }
    if let Some(on) = changes.gc {
        policy.gc.enabled = on;
    }
    if changes.budget.is_some() {
        policy.task_time_per_tick = changes.budget;
    }
    if changes.snapshot_every_tick {
        policy.snapshot_interval = std::time::Duration::ZERO;
    }
    policy.validation = Validation::Record;
    Ok(policy)
}

/// The policy of the recording: from its recorded values or, without them, by its name.
fn recorded_policy(script: &Script) -> Result<Policy, RerunError> {
    let (name, values) = (&script.metadata.policy, &script.start.policy);
    if values.is_empty() {
        return Policy::by_name(name)
            .map_err(|_| RerunError::ForeignPolicy { name: script.name.clone(), policy: printable(name) });
    }
    Policy::from_values(name.as_str(), values.iter().copied())
        .map_err(|error| RerunError::DamagedPolicy { name: script.name.clone(), error })
}
