//! Detects that the watched loop is stuck, and where: read from the ring's *now running* cell, because a stuck loop
//! emits nothing.

use loop_probes::recorder::Running;
use loop_traces::source::NowRunning;
use loop_traces::timeline::UnfinishedTick;

use super::message::Process;
use super::state::{AppState, Moment};
use crate::describe;
use crate::units;

/// A loop hangs after this long in one activity, in nanoseconds; the stall limit applies if it is longer.
const HANG_NS: u64 = 250_000_000;

/// The reason why the loop makes no progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hang {
    /// The reason in words.
    pub text: String,
    /// Whether it is a fault: over a limit or crashed, as opposed to stopped or ended.
    pub is_fault: bool,
    /// Whether the strip has a column for the running tick that this explains.
    pub has_column: bool,
}

/// The emitter that represents the loop: the one whose tick ended last, else the first that reports anything.
#[must_use]
pub fn loop_running(state: &AppState) -> Option<&NowRunning> {
    let newest = state.picture().timeline.ticks.recent.newest().map(|tick| tick.source);
    let all = &state.shown().running;
    let own = all.iter().find(|running| Some(running.source) == newest);
    own.or_else(|| all.first())
}

/// How long the loop has been busy with its current activity, in nanoseconds; 0 if it is idle.
#[must_use]
pub fn busy_now_ns(state: &AppState) -> u64 {
    let Moment { running_at, process, .. } = *state.shown();
    let running = loop_running(state).filter(|_| process == Process::Running && !state.is_replay());
    running.map_or(0, |running| match running.running {
        Running::Outside | Running::Poll { .. } => 0,
        Running::Phase(_) | Running::Task { .. } => running_at.ns_since(running.since),
    })
}

/// The tick in which the events end, of the loop whose tick ended last.
#[must_use]
pub fn unfinished_tick(state: &AppState) -> Option<UnfinishedTick> {
    let timeline = &state.picture().timeline;
    let newest = timeline.ticks.recent.newest().map(|tick| tick.source);
    let mut unfinished = timeline.unfinished_ticks().into_iter();
    unfinished.find(|tick| newest.is_none_or(|newest| tick.source == newest))
}

/// The tick that the loop is in, if it is in no task, phase or poll: it is busy with something that has no name.
fn nameless(state: &AppState) -> Option<UnfinishedTick> {
    let running = loop_running(state).filter(|running| running.running == Running::Outside)?;
    unfinished_tick(state).filter(|tick| tick.source == running.source)
}

/// Whether the loop hangs, is stopped or is gone, and where; in a frozen view, at the time shown.
#[must_use]
pub fn hang(state: &AppState) -> Option<Hang> {
    if state.is_replay() {
        return None;
    }
    let Moment { running_at, process, .. } = *state.shown();
    let timeline = &state.picture().timeline;
    let last = timeline.last_at().unwrap_or_default();
    let running = loop_running(state);
    let nameless = nameless(state);
    let doing = match nameless {
        Some(tick) => Some(format!("in a tick for {}, activity unknown", units::duration(tick.busy_ns))),
        None => running.map(|running| describe::running(running, &timeline.labels, running_at)),
    };
    let since = |at| units::position(state.since_start_ns(at));
    let and_doing = doing.as_ref().map_or_else(String::new, |doing| format!(": {doing}"));
    match process {
        Process::Ended => {
            let text = format!("the process ended at {}", since(last));
            return Some(Hang { text, is_fault: false, has_column: false });
        }
        Process::Crashed => {
            let was = match (nameless, running) {
                (Some(_), _) => " in a tick".to_owned(),
                (None, Some(running)) => format!(" {}", describe::doing(running, &timeline.labels)),
                (None, None) => String::new(),
            };
            let text = format!("the process is gone, last seen at {}{was}", since(last));
            return Some(Hang { text, is_fault: true, has_column: false });
        }
        Process::Stopped => {
            let last = timeline.last_moved_at().unwrap_or(last);
            let moved = running.map_or(last, |running| running.since.max(last));
            let text = format!("no progress since {}: process stopped{and_doing}", since(moved));
            return Some(Hang { text, is_fault: false, has_column: true });
        }
        Process::Running => {}
    }
    let running = running?;
    let lasted = match running.running {
        Running::Outside => nameless?.busy_ns,
        Running::Poll { deadline: None } => return None,
        Running::Poll { deadline: Some(deadline) } => running_at.ns_since(deadline),
        Running::Phase(_) | Running::Task { .. } => running_at.ns_since(running.since),
    };
    let limit = state.about.stall_limit_ns.max(HANG_NS);
    (lasted > limit).then(|| Hang { text: doing.unwrap_or_default(), is_fault: true, has_column: true })
}
