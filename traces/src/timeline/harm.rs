//! Harm: who *caused* how much lateness of others, in total. What a ledger says of one wait, summed over all
//! late ones: late timers ([due, fired]), late signals ([arrived, delivered]) and tasks that waited for longer
//! than the limit ([queued, start]). So the sum over all causes is the sum of all those waits.
//!
//! A wait is known when it is over, and may reach over many ticks and thousands of runs; so may thousands of waits
//! over the same runs. Therefore [`lane`] cuts the last ticks into stretches, each somebody's, and a wait only
//! marks its first and its last one. Ticks in which nobody was late are never cut.

mod lane;

use loop_probes::event::Phase;
use loop_probes::ids::{LabelId, SourceId, Tag, TaskId, Timestamp};

use super::Timeline;
use super::config::TimelineConfig;
use crate::analysis::attribution::What;
use crate::analysis::attribution::sweep::Spans;
use crate::labels::Labels;
use lane::{Lane, Near};

/// Who caused lateness: what a ledger's lines have in common over many ledgers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Tasks of a tag.
    Tasks(Tag),
    /// Readiness callbacks of a tag.
    Io(Tag),
    /// Microtasks after tasks of a tag, where that is known.
    Microtasks(Option<Tag>),
    /// The deferred queue.
    Deferred,
    /// Batches of immediates, less the tasks in them.
    Immediates,
    /// Collections.
    Gc,
    /// Labelled spans outside of any task.
    Spans(LabelId),
    /// A phase, less what ran in it.
    Phase(Phase),
    /// A phase, less what is kept of what ran in it.
    ShortRuns(Phase),
    /// Polls that were not to wait.
    Poll,
    /// Polls, up to their own deadline: the loop asked to sleep though something was due or waited.
    Overslept,
    /// Polls from which the system returned late.
    LateWakeup,
    /// The whole process was stopped, or the machine was.
    Suspended,
    /// Causes beyond the number that is told apart.
    Others,
    /// Before the first event of the recording.
    BeforeRecording,
    /// Longer ago than what is kept goes back.
    NotKept,
    /// Records of this time were lost.
    Unknown,
    /// Time of which nothing is known.
    Unattributed,
}

impl Cause {
    /// The cause behind a ledger's line.
    #[must_use]
    pub const fn of(what: &What) -> Self {
        match *what {
            What::Task { tag, .. } => Self::Tasks(tag),
            What::Io { tag, .. } => Self::Io(tag),
            What::Microtasks { after: Some((_, tag)) } => Self::Microtasks(Some(tag)),
            What::Microtasks { after: None } => Self::Microtasks(None),
            What::Deferred => Self::Deferred,
            What::Immediates => Self::Immediates,
            What::Gc => Self::Gc,
            What::Span { label } => Self::Spans(label),
            What::Phase(phase) => Self::Phase(phase),
            What::ShortRuns(phase) => Self::ShortRuns(phase),
            What::Poll => Self::Poll,
            What::Overslept => Self::Overslept,
            What::LateWakeup => Self::LateWakeup,
            What::Suspended => Self::Suspended,
            What::Others { .. } => Self::Others,
            What::BeforeRecording => Self::BeforeRecording,
            What::NotKept => Self::NotKept,
            What::Unknown { .. } => Self::Unknown,
            What::Unattributed => Self::Unattributed,
        }
    }

    /// A number of its own, to be found by.
    const fn key(&self) -> u64 {
        let (kind, which) = match *self {
            Self::Tasks(tag) => (0, tag.0 as u64),
            Self::Io(tag) => (1, tag.0 as u64),
            Self::Microtasks(Some(tag)) => (2, tag.0 as u64),
            Self::Microtasks(None) => (3, 0),
            Self::Deferred => (4, 0),
            Self::Immediates => (5, 0),
            Self::Gc => (6, 0),
            Self::Spans(label) => (7, label.0 as u64),
            Self::Phase(phase) => (8, phase.code() as u64),
            Self::ShortRuns(phase) => (9, phase.code() as u64),
            Self::Poll => (10, 0),
            Self::Overslept => (11, 0),
            Self::LateWakeup => (12, 0),
            Self::Suspended => (13, 0),
            Self::Others => (14, 0),
            Self::BeforeRecording => (15, 0),
            Self::NotKept => (16, 0),
            Self::Unknown => (17, 0),
            Self::Unattributed => (18, 0),
        };
        kind << 32 | which
    }

    /// It says what is not known, and nobody is to blame for it.
    #[must_use]
    pub const fn is_ignorance(&self) -> bool {
        matches!(self, Self::BeforeRecording | Self::NotKept | Self::Unknown | Self::Unattributed)
    }

    /// What it is called: a tag's name alone, `io Echo`, `microtasks after Echo`, `late wakeup`.
    #[must_use]
    pub fn describe(&self, labels: &Labels) -> String {
        match self {
            Self::Tasks(tag) => labels.tag(*tag).into_owned(),
            Self::Io(tag) => format!("io {}", labels.tag(*tag)),
            Self::Microtasks(Some(tag)) => format!("microtasks after {}", labels.tag(*tag)),
            Self::Microtasks(None) => "microtasks".to_owned(),
            Self::Deferred => "deferred".to_owned(),
            Self::Immediates => "immediates".to_owned(),
            Self::Gc => "gc".to_owned(),
            Self::Spans(label) => format!("span {}", labels.span(*label)),
            Self::Phase(phase) => format!("phase {phase}"),
            Self::ShortRuns(phase) => format!("phase {phase} and its short runs"),
            Self::Poll => "poll".to_owned(),
            Self::Overslept => "overslept".to_owned(),
            Self::LateWakeup => "late wakeup".to_owned(),
            Self::Suspended => "suspended".to_owned(),
            Self::Others => "others".to_owned(),
            Self::BeforeRecording => "before the recording".to_owned(),
            Self::NotKept => "not kept".to_owned(),
            Self::Unknown => "unknown (records lost)".to_owned(),
            Self::Unattributed => "unattributed".to_owned(),
        }
    }
}

/// What waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Waiter {
    /// A timer, from due to fired.
    Timer,
    /// A signal, from its handler to its delivery.
    Signal,
    /// A task, from queued to started.
    Task,
}

impl Waiter {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Timer, Self::Signal, Self::Task];
}

/// The run that did most harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorstHarm {
    /// The task or callback, where it was one; of microtasks the one before them.
    pub task: Option<TaskId>,
    /// When it began.
    pub at: Timestamp,
    /// How much lateness it caused.
    pub lateness_ns: u64,
    /// How many waited for it.
    pub victims: u64,
}

/// How much lateness one cause is to blame for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Harm {
    /// Who.
    pub cause: Cause,
    /// Lateness caused, in nanoseconds, by [`Waiter`] in the order of [`Waiter::ALL`].
    pub lateness_ns: [u64; 3],
    /// How many timers, signals and tasks it delayed: each counts once, however many of its runs it waited for.
    pub victims: [u64; 3],
    /// The worst run.
    pub worst: Option<WorstHarm>,
    /// All its runs together; `None` where it has none of its own.
    pub run_ns: Option<u64>,
}

impl Harm {
    /// Lateness caused, of all kinds.
    #[must_use]
    pub fn total_ns(&self) -> u64 {
        self.lateness_ns.iter().fold(0, |sum, ns| sum.saturating_add(*ns))
    }

    /// How many it delayed, of all kinds.
    #[must_use]
    pub fn victims(&self) -> u64 {
        self.victims.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Loops whose waits are charged to somebody; further ones are rare, and theirs are nobody's.
const LANES_MAX: usize = 8;

/// Waits that may end in one tick; those of further ones are nobody's.
const WAITS_MAX: usize = 1 << 14;

/// One wait that was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) kind: Waiter,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// What is charged to one cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Charge {
    lateness_ns: [u64; 3],
    victims: [u64; 3],
    worst: Option<WorstHarm>,
}

/// What is charged to all causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Charges {
    /// In the order of their keys: they are few, and charged for every stretch.
    by_cause: Vec<(u64, Cause, Charge)>,
    limit: usize,
}

impl Charges {
    fn new(limit: usize) -> Self {
        Self { by_cause: Vec::new(), limit }
    }

    fn of(&mut self, cause: Cause) -> &mut Charge {
        let mut place = self.place(cause);
        // What is not known is never put together with what is.
        if place.is_err() && self.by_cause.len() >= self.limit && !cause.is_ignorance() {
            place = self.place(Cause::Others);
        }
        let place = place.unwrap_or_else(|(place, cause)| {
            self.by_cause.insert(place, (cause.key(), cause, Charge::default()));
            place
        });
        &mut self.by_cause[place].2
    }

    /// Where a cause is, or where it belongs.
    fn place(&self, cause: Cause) -> Result<usize, (usize, Cause)> {
        let key = cause.key();
        self.by_cause.binary_search_by(|(its, _, _)| its.cmp(&key)).map_err(|place| (place, cause))
    }

    fn add(&mut self, cause: Cause, lateness_ns: [u64; 3], run: Option<WorstHarm>) {
        let charge = self.of(cause);
        for (sum, ns) in charge.lateness_ns.iter_mut().zip(lateness_ns) {
            *sum = sum.saturating_add(ns);
        }
        if let Some(run) = run
            && charge.worst.is_none_or(|worst| worst.lateness_ns < run.lateness_ns)
        {
            charge.worst = Some(run);
        }
    }

    /// Waits that a cause had part of.
    fn delayed(&mut self, cause: Cause, waits: [u64; 3]) {
        let charge = self.of(cause);
        for (sum, waits) in charge.victims.iter_mut().zip(waits) {
            *sum = sum.saturating_add(waits);
        }
    }

    /// A part of one wait.
    fn part(&mut self, cause: Cause, kind: Waiter, ns: u64) {
        let mut lateness_ns = [0; 3];
        lateness_ns[kind as usize] = ns;
        self.add(cause, lateness_ns, None);
    }

    /// A whole wait.
    fn whole(&mut self, cause: Cause, wait: &Wait) {
        let ns = wait.to.ns_since(wait.from);
        if ns > 0 {
            self.part(cause, wait.kind, ns);
            self.delayed(cause, one(wait.kind));
        }
    }
}

/// One wait of a kind.
const fn one(kind: Waiter) -> [u64; 3] {
    match kind {
        Waiter::Timer => [1, 0, 0],
        Waiter::Signal => [0, 1, 0],
        Waiter::Task => [0, 0, 1],
    }
}

/// Everything that is charged, and what is not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Harms {
    charges: Charges,
    lanes: Vec<(SourceId, Lane)>,
    stretches_kept: usize,
}

impl Harms {
    pub(crate) fn new(config: &TimelineConfig) -> Self {
        let charges = Charges::new(config.causes_max);
        Self { charges, lanes: Vec::new(), stretches_kept: config.stretches_kept.max(1) }
    }

    fn lane(&mut self, source: SourceId) -> Option<(&mut Lane, &mut Charges)> {
        let place = match self.lanes.iter().position(|(its, _)| *its == source) {
            Some(place) => place,
            None if self.lanes.len() < LANES_MAX => {
                self.lanes.push((source, Lane::new(self.stretches_kept, self.charges.limit)));
                self.lanes.len() - 1
            }
            None => return None,
        };
        Some((&mut self.lanes[place].1, &mut self.charges))
    }
}

impl Timeline {
    /// Who caused how much lateness, worst first, also where that is not known.
    #[must_use]
    pub fn harm(&self) -> Vec<Harm> {
        let mut charges = self.harms.charges.clone();
        for (_, lane) in &self.harms.lanes {
            lane.count(&mut charges);
        }
        let mut all: Vec<Harm> =
            charges.by_cause.iter().map(|(_, cause, charge)| self.harm_of(*cause, charge)).collect();
        all.sort_by(|a, b| b.total_ns().cmp(&a.total_ns()).then(a.cause.cmp(&b.cause)));
        all
    }

    fn harm_of(&self, cause: Cause, charge: &Charge) -> Harm {
        let Charge { lateness_ns, victims, worst } = *charge;
        Harm { cause, lateness_ns, victims, worst, run_ns: self.run_ns_of(cause) }
    }

    /// What all runs of a cause took.
    fn run_ns_of(&self, cause: Cause) -> Option<u64> {
        let tag = |tag| self.tags.tag(tag);
        match cause {
            Cause::Tasks(its) => tag(its).map(|tag| tag.tasks.run_ns.total()),
            Cause::Io(its) => tag(its)?.io.as_ref().map(|io| io.run_ns.total()),
            Cause::Microtasks(Some(its)) => tag(its).map(|tag| tag.microtasks_ns),
            Cause::Microtasks(None) => {
                let named: u64 = self.tags.iter().map(|tag| tag.microtasks_ns).sum();
                Some(self.microtasks.run_ns.total().saturating_sub(named))
            }
            Cause::Deferred => Some(self.deferred.run_ns.total()),
            Cause::Immediates => Some(self.immediates.run_ns.total()),
            Cause::Gc => Some(self.gc.run_ns.total()),
            Cause::Spans(label) => self.spans.by_label.get(&label)?.run_ns.as_ref().map(|ns| ns.total()),
            Cause::Phase(phase) => Some(self.ticks.phases.of(phase)),
            _ => None,
        }
    }

    /// Somebody waited for too long: charged when the tick is over, because only then all that ran is known.
    #[cold]
    #[inline(never)]
    pub(super) fn kept_waiting(&mut self, place: Option<usize>, wait: Wait) {
        match place {
            Some(place) if self.open[place].open && self.open[place].waits.len() < WAITS_MAX => {
                self.open[place].waits.push(wait);
            }
            // Nothing is known of a tick that began before the recording did.
            Some(place) if !self.open[place].open && !self.gaps[place].any_tick() => {
                self.harms.charges.whole(Cause::BeforeRecording, &wait);
            }
            Some(place) if !self.open[place].open => self.harms.charges.whole(Cause::Unattributed, &wait),
            _ => self.harms.charges.whole(Cause::NotKept, &wait),
        }
    }

    /// A tick is over and kept: charges the waits that ended in it.
    #[inline]
    pub(super) fn charge(&mut self, place: usize, end: Timestamp) {
        if !self.open[place].waits.is_empty() {
            self.charge_waits(place, end);
        }
    }

    #[cold]
    fn charge_waits(&mut self, place: usize, end: Timestamp) {
        let source = self.open[place].source;
        let mut waits = std::mem::take(&mut self.open[place].waits);
        let from = waits.iter().map(|wait| wait.from).min().unwrap_or(end);
        let mut harms =
            std::mem::replace(&mut self.harms, Harms { lanes: Vec::new(), ..Harms::new(&self.config) });
        match harms.lane(source) {
            Some((lane, charges)) => {
                let begin = lane.begin(from, charges);
                if begin < end {
                    let nodes = self.gathered(source, begin, end);
                    nodes.pieces(begin, end, Spans::AreTheTasks, |piece| lane.push(piece, charges));
                }
                let mut near = Near::default();
                for wait in &waits {
                    lane.charge(wait, &mut near, charges);
                }
            }
            None => {
                waits.iter().for_each(|wait| harms.charges.whole(Cause::NotKept, wait));
            }
        }
        self.harms = harms;
        waits.clear();
        self.open[place].waits = waits;
    }
}

#[cfg(test)]
mod tests;
