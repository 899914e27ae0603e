//! Reasons why a recording cannot be re-executed.

use loop_core::policy::PolicyError;
use loop_core::{RequestError, RunError};
use loop_traces::source::SourceError;
use loop_traces::units::{count, counted};
use loop_traces::writer::WriteError;

/// Why a recording cannot be re-executed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RerunError {
    /// The recording cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// No loop in the recording has a tick.
    #[error(
        "{name} has no ticks of a loop-core loop: only what such a loop recorded (`demo --record`, `record`) can be executed \
         again"
    )]
    NoLoop {
        /// Name of the recording.
        name: String,
    },
    /// The recording does not come from a loop-core loop.
    #[error(
        "{name} {what}, which does not record everything that its loop decides by: only what a loop-core loop recorded \
         (`demo --record`, `record`) can be re-executed"
    )]
    Foreign {
        /// Name of the recording.
        name: String,
        /// Where it comes from, as a clause.
        what: &'static str,
    },
    /// The recording was cut off or damaged before its first tick.
    #[error(
        "{name} has no whole tick left: {lost} records are missing, cut off or damaged, and a re-execution needs those from a \
         snapshot on"
    )]
    NothingLeft {
        /// Name of the recording.
        name: String,
        /// Records that are missing.
        lost: u64,
    },
    /// `--loop` names a loop that it does not have.
    #[error("--loop {wanted}: {name} has no loop of that name; it has {}", .loops.join(", "))]
    UnknownLoop {
        /// Name of the recording.
        name: String,
        /// The name, made printable.
        wanted: String,
        /// The names of its loops.
        loops: Vec<String>,
    },
    /// The recording has more loops than are tracked at once.
    #[error("{name} has more than {most} loops, and loop {wanted} is not among the first that tick")]
    TooManyLoops {
        /// Name of the recording.
        name: String,
        /// The name of the loop that was asked for.
        wanted: String,
        /// The maximum number of loops.
        most: usize,
    },
    /// The recording ends before the first tick that can be executed again does.
    #[error(
        "{name} ends within its first tick with a snapshot, and only whole ticks are re-executed: record it for longer"
    )]
    NoWholeTick {
        /// Name of the recording.
        name: String,
    },
    /// The recording predates snapshots with everything that a check needs.
    #[error(
        "{name} was recorded in format 1.1 or earlier: its snapshots lack the policy, the sources and the jobs, so its loop \
         cannot be put into their state; record it again"
    )]
    Old {
        /// Name of the recording.
        name: String,
    },
    /// The re-execution diverges, and the recorded loop followed older rules that may explain it.
    #[error(
        "{name} was recorded by a loop with older rules for deferred callbacks, reloads, requests of futures and a GC \
         controller that is off, and from tick {tick} on they \
         decide otherwise: check it with the version that recorded it, or record it again"
    )]
    OldRules {
        /// Name of the recording.
        name: String,
        /// The tick of the divergence.
        tick: u64,
    },
    /// The re-execution diverges; the recording lacks inputs of the loop that may explain it.
    #[error(
        "{name}: whether the loop decides differently in tick {tick} is not known, because the recording does not show {what}"
    )]
    NotShown {
        /// Name of the recording.
        name: String,
        /// The tick of the divergence.
        tick: u64,
        /// What it does not show.
        what: &'static str,
    },
    /// The recording contradicts itself.
    #[error("{name}: tick {tick}: {what} is damaged or forged")]
    Damaged {
        /// Name of the recording.
        name: String,
        /// Number of the tick.
        tick: u64,
        /// The damaged part.
        what: &'static str,
    },
    /// A tick has more events than can be held.
    #[error("{name}: one tick has more than {} events, the most that a check keeps at a time", count(*.most as u64))]
    TickTooLong {
        /// Name of the recording.
        name: String,
        /// The maximum number of events.
        most: usize,
    },
    /// The snapshot to start from was lost.
    #[error(
        "{name} has no snapshot of a loop after its last loss, which is where a re-execution starts: record it without loss, \
         or for one snapshot interval longer (2 s)"
    )]
    BehindLoss {
        /// Name of the recording.
        name: String,
    },
    /// The recording has no snapshot to start from.
    #[error(
        "{name} has no snapshot of its loop that is whole, which is where a re-execution starts: record it from its start, or \
         for at least one snapshot interval (2 s)"
    )]
    NoSnapshot {
        /// Name of the recording.
        name: String,
    },
    /// The recording needs more memory than is allowed.
    #[error(
        "{name} needs more than {} of memory to be re-executed: record a shorter stretch",
        loop_traces::units::bytes(*.most)
    )]
    TooLong {
        /// Name of the recording.
        name: String,
        /// The limit, in bytes.
        most: u64,
    },
    /// The recording requires more work than a recording of that size can contain.
    #[error(
        "the recording asks for more than {} operations, more than its first {} can account for: {name} is damaged or forged",
        count(*.most),
        counted(*.events, "event", "events")
    )]
    TooMuchWork {
        /// Name of the recording.
        name: String,
        /// The maximum number of operations.
        most: u64,
        /// Events read so far.
        events: u64,
    },
    /// The recording leaves more tasks waiting than is allowed.
    #[error(
        "the recording asks for more than {} tasks, timers and jobs at a time: {name} is damaged, forged, or too large to \
         be re-executed",
        count(u64::from(*.most))
    )]
    TooManyWaiting {
        /// Name of the recording.
        name: String,
        /// The maximum number of tasks, timers and jobs at a time.
        most: u32,
    },
    /// The recording does not name a known policy.
    #[error("{name} was recorded under policy \"{policy}\", which is not a policy of loop-core: name one with --policy ({})", loop_core::Policy::NAMES.join(", "))]
    ForeignPolicy {
        /// Name of the recording.
        name: String,
        /// The recorded name, made printable.
        policy: String,
    },
    /// The policy asked for is invalid.
    #[error("--policy: {0}")]
    Policy(PolicyError),
    /// The recorded policy is invalid.
    #[error("the policy in the snapshot of {name} is damaged or forged: {error}")]
    DamagedPolicy {
        /// Name of the recording.
        name: String,
        /// What is wrong with the policy.
        error: PolicyError,
    },
    /// `--scale` or `--drop` names a tag that was not recorded.
    #[error("{option} {tag}: nothing of that tag was recorded; {}", nearest(.near))]
    UnknownTag {
        /// The option that named it.
        option: &'static str,
        /// The name, made printable.
        tag: String,
        /// The most similar names.
        near: Vec<String>,
    },
    /// A tag is scaled twice.
    #[error("--scale {tag} is given twice, as {first} and as {second}: give one factor")]
    ScaledTwice {
        /// The tag, made printable.
        tag: String,
        /// The first factor.
        first: f64,
        /// The second factor.
        second: f64,
    },
    /// The loop could not continue.
    #[error("{name}: the loop failed in its virtual world: {error}")]
    Loop {
        /// Name of the recording.
        name: String,
        /// The underlying error.
        error: RunError,
    },
    /// The loop cannot be restored to its recorded state.
    #[error("{name}: the loop cannot be restored to its recorded state: {error}")]
    Restore {
        /// Name of the recording.
        name: String,
        /// The underlying error.
        error: RequestError,
    },
    /// The result cannot be saved.
    #[error(transparent)]
    Write(#[from] WriteError),
}

fn nearest(near: &[String]) -> String {
    match near {
        [] => "it has no tags".to_owned(),
        [one] => format!("the only tag is {one}"),
        near => format!("the nearest are {}", near.join(", ")),
    }
}
