//! The check: does the loop make the recorded decisions again?
//!
//! A new loop is restored from a recorded snapshot and fed with exactly what the recorded one saw: each clock reading
//! at its decision point, batches, readiness, heap sizes, what callbacks did and returned, signals, finished jobs. Its
//! events are compared with the recorded ones while it runs. Everything that is not fed is decided: which task and
//! which timer is next, how long a poll may wait, when to collect, what is left.

mod assumptions;
mod checked;
mod compared;
mod replay_session;
mod replayed;
mod start;
mod stream;
#[cfg(test)]
mod tests;
mod window;

use std::path::Path;
use std::rc::Rc;
use std::thread::{self, Scope};

use loop_core::low_level::oracle::{Env, EnvPoller};
use loop_core::low_level::replay::{ExternalEvents, Flags, LoopState};
use loop_core::policy::{DrainRule, PanicRule};
use loop_core::{EventLoop, HeapHost, RequestError, RunError};
use loop_probes::clock::monotonic_now;
use loop_probes::event::{Event, LoopCall, StopReason};
use loop_probes::ids::{SourceId, Tag, Timestamp};
use loop_probes::recorder::Recorder;
use loop_probes::text::printable;
use loop_traces::reader::TraceReader;
use loop_traces::source::{AnySource, SourceError};

pub use checked::{Checked, Coverage, Divergence, Happened};

use super::RerunError;
use super::engine::on_this_thread;
use super::loops::Wanted;
use assumptions::Assumptions;
use replay_session::{Replay, ReplaySession, Replayed};
use stream::Stream;
use window::{ComparedEvent, FrameKind, Window};

/// Maximum number of runs with different assumptions: a recording that needs more proves nothing.
const TRIES_MAX: u32 = 64;

type Checking = EventLoop<Replayed, Env<Replay>, EnvPoller<Replay>>;

/// Checks the trace at `path`.
///
/// # Errors
///
/// [`RerunError`] if it cannot be read, does not come from a loop-core loop, or has no snapshot to start from.
pub fn check(path: &Path) -> Result<Checked, RerunError> {
    check_source(|| Ok(Box::new(TraceReader::open(path).map_err(SourceError::from)?)), None)
}

/// Checks the source that `open` returns, which is read twice: the loop named `wanted`, or the one with the most ticks.
///
/// # Errors
///
/// Same as for [`check`].
pub fn check_source(
    mut open: impl FnMut() -> Result<AnySource, RerunError>,
    wanted: Option<&str>,
) -> Result<Checked, RerunError> {
    let began = monotonic_now();
    let (is_named, wanted) = (wanted.is_some(), Wanted::from(wanted));
    let quickly = !is_named && open()?.counts().lost_records == 0;
    let mut check = |quickly| thread::scope(|scope| check_from(&mut open, scope, quickly, wanted));
    let (checked, is_wrong) = check(quickly)?;
    // A damaged block, or a loop that starts late, is found only when it is reached.
    let checked = if is_wrong && quickly { check(false)?.0 } else { checked };
    Ok(Checked { elapsed_ns: monotonic_now().ns_since(began), ..checked })
}

type Open<'a> = &'a mut dyn FnMut() -> Result<AnySource, RerunError>;

/// Also returns whether records were lost after the start, or a different loop should have been checked.
fn check_from<'scope>(
    open: Open<'_>,
    scope: &'scope Scope<'scope, '_>,
    quickly: bool,
    wanted: Wanted<'_>,
) -> Result<(Checked, bool), RerunError> {
    let place = start::find(&mut *open()?, quickly, wanted)?;
    let mut stream = Stream::new(open()?, scope);
    let mut checked = Checked {
        name: stream.name().to_owned(),
        policy: String::new(),
        seen: Coverage::default(),
        chosen: place.chosen,
        in_sequence: 0,
        unchecked: place.unchecked,
        lost_records: place.lost_records,
        cut_in: None,
        goes_on: false,
        divergence: None,
        elapsed_ns: 0,
    };
    let (emitter, mut has_loss) = (checked.chosen.source, false);
    for start in place.starts {
        let attempt = match check_loop(open, scope, stream, emitter, start) {
            Err(RerunError::NoWholeTick { .. }) if checked.in_sequence > 0 => {
                // It is the last loop, and the stream is at its end.
                checked.unchecked += 1;
                return Ok((checked, true));
            }
            attempt => attempt?,
        };
        has_loss |= attempt.has_loss;
        stream = checked.add(attempt);
        if !checked.agrees() {
            break;
        }
    }
    if !quickly {
        return Ok((checked, has_loss));
    }
    let (loops, ticks_on) = stream.count_loops(emitter)?;
    checked.chosen = loops.choose(&checked.name, wanted)?;
    let has_more = ticks_on && checked.agrees();
    let is_wrong = has_loss || has_more || checked.chosen.source != emitter;
    Ok((checked, is_wrong))
}

/// Checks the loop that starts after `start` events, with one set of assumptions after the other.
fn check_loop<'scope>(
    open: Open<'_>,
    scope: &'scope Scope<'scope, '_>,
    stream: Stream,
    emitter: SourceId,
    start: u64,
) -> Result<Attempt, RerunError> {
    let mut best = check_at(stream, emitter, start, Assumptions::default())?;
    let mut tried = best.assumed.clone();
    for _ in 1..TRIES_MAX {
        let Some(assumed) = tried.otherwise().filter(|_| best.divergence.is_some()) else { break };
        // Reports the run that gets furthest: no assumption explains the recording at its divergence.
        let again = open().and_then(|source| check_at(Stream::new(source, scope), emitter, start, assumed));
        let Ok(next) = again else { break };
        tried = next.assumed.clone();
        if next.divergence.is_none() || next.seen.decisions > best.seen.decisions {
            best = next;
        }
    }
    let name = || printable(best.stream.name());
    match best.divergence {
        Some(Divergence { tick, .. }) if best.is_of_old_rules => {
            Err(RerunError::OldRules { name: name(), tick })
        }
        Some(Divergence { tick, .. }) if let Some(what) = best.not_shown => {
            Err(RerunError::NotShown { name: name(), tick, what })
        }
        _ => Ok(best),
    }
}

/// One check of one loop under one set of assumptions.
struct Attempt {
    policy: String,
    seen: Coverage,
    cut_in: Option<u64>,
    goes_on: bool,
    divergence: Option<Divergence>,
    /// Whether records of the loop were lost after the start.
    has_loss: bool,
    /// Whether older rules may explain a divergence.
    is_of_old_rules: bool,
    /// Unrecorded input that may explain a divergence.
    not_shown: Option<&'static str>,
    assumed: Assumptions,
    /// Where the loop ended, if it did not diverge.
    stream: Stream,
}

impl Checked {
    /// Adds the next loop in sequence; returns the stream.
    fn add(&mut self, attempt: Attempt) -> Stream {
        self.in_sequence += 1;
        self.seen.add(attempt.seen);
        self.cut_in = attempt.cut_in;
        self.goes_on |= attempt.goes_on;
        if self.policy.is_empty() {
            self.policy = attempt.policy;
        }
        let loop_number = self.in_sequence;
        self.divergence = attempt.divergence.map(|divergence| Divergence { loop_number, ..divergence });
        attempt.stream
    }
}

/// Checks the loop that starts after `start` events of `stream`, assuming `assumed`.
fn check_at(
    mut stream: Stream,
    emitter: SourceId,
    start: u64,
    assumed: Assumptions,
) -> Result<Attempt, RerunError> {
    stream.skip_to(start)?;
    let name = stream.name().to_owned();
    let mut recorded = Window::new(stream, emitter)?;
    if recorded.front().is_none() {
        return Err(RerunError::NoWholeTick { name: printable(&name) });
    }
    let snapshot = start::read(&recorded)?;
    let policy = snapshot.policy.name.to_string();
    recorded.starts(snapshot.flags);
    let mut session = ReplaySession::new(
        recorded,
        replay_session::Start {
            now: snapshot.now,
            agenda: snapshot.agenda,
            signals_dropped: snapshot.signals_dropped,
            sets_jobs_aside: start::sets_jobs_aside(&snapshot.policy),
            drains_late: snapshot.policy.drain == DrainRule::AfterEveryPass,
            shows_calls: snapshot.flags.contains(Flags::SHOWS_CALLS),
            rules: snapshot.rules,
            policy_fields: snapshot.policy_fields,
            checks_in_vain: !snapshot.policy.gc.enabled && snapshot.flags.contains(Flags::HEAP),
            stops: snapshot.flags.contains(Flags::STOPPING),
            stops_on_panic: snapshot.policy.panics == PanicRule::Stop,
        },
    );
    session.assumed = assumed;
    let replay = Replay::new(session);
    let state = snapshot.state(&replay).ok_or_else(|| start::damaged(&name))?;
    let ran = run(&replay, snapshot, state);
    let Some(session) = replay.into_session() else {
        return Err(RerunError::NoSnapshot { name: printable(&name) });
    };
    if let Some(failed) = session.failed {
        return Err(failed);
    }
    ran.map_err(|error| RerunError::Restore { name: printable(&name), error })?;
    Ok(Attempt {
        policy,
        seen: session.seen,
        cut_in: session.recorded.cut_in(),
        goes_on: session.recorded.goes_on,
        is_of_old_rules: session.is_of_old_rules(),
        not_shown: session.recorded.not_shown(),
        has_loss: session.recorded.has_loss,
        divergence: session.diverged.map(|divergence| *divergence),
        assumed: session.assumed,
        stream: session.recorded.stream,
    })
}

fn run(
    replay: &Rc<Replay>,
    snapshot: start::Snapshot,
    mut state: LoopState<Replayed>,
) -> Result<(), RequestError> {
    let start::Snapshot { policy, flags, until, finished, releases, .. } = snapshot;
    let set_aside = replay.with(|session| {
        let finished = session.afford(finished.into());
        session.jobs_set_aside(usize::try_from(finished).unwrap_or(0))
    });
    let set_aside = set_aside.into_iter();
    state.finished = set_aside.map(|job| (job, Some(replay.remote(Tag(0))))).collect();
    let observer = on_this_thread(replay);
    let mut builder = EventLoop::<Replayed>::builder()
        .policy(policy)
        .recorder(Recorder::tap(move |_, event| observer.get().observe(event)));
    if flags.contains(Flags::HEAP) {
        builder = builder.host(HeapHost(Env::new(replay)));
    }
    let mut event_loop: Checking = builder.build_in(replay);
    let restored = event_loop.low_level().restore(state)?;
    let outside: ExternalEvents<Replayed> = event_loop.low_level().external_events();
    let local = event_loop.low_level().with_heap_unchanged(|cx| cx.local());
    let released = replay.with(|session| {
        session.timers = restored.timers;
        (session.outside, session.local) = (Some(outside), Some(local));
        session.afford(releases.saturating_add(session.recorded.released_before))
    });
    event_loop.low_level().with_heap_unchanged(|cx| replayed::release(cx, released));
    match until {
        _ if flags.contains(Flags::RUNNING) => run_on(replay, &mut event_loop, until),
        Some(until) => drop(event_loop.low_level().turn_as_recorded(until)),
        None => turn(replay, &mut event_loop),
    }
    while !replay.is_over() {
        if !step(replay, &mut event_loop) {
            replay.with(|session| {
                session.part_at_end("the loop is stuck: it waits and no recorded event follows")
            });
        }
    }
    // The rest of the loop no longer reports to this session.
    replay.with(|session| (session.outside, session.local) = (None, None));
    Ok(())
}

/// Repeats the next thing that the owner of the loop did. Returns false if that made no progress in the recording.
fn step(replay: &Rc<Replay>, event_loop: &mut Checking) -> bool {
    let place = |session: &mut ReplaySession| session.recorded.place;
    let before = replay.with(place);
    let next = replay.with(|session| {
        let next = session.recorded.ahead().next().map(|entry| entry.event);
        let outside = session.frame().filter(|frame| matches!(frame.kind, FrameKind::Outside(_)));
        let at_external = outside.map(|frame| matches!(frame.kind, FrameKind::Outside(true)));
        (next, at_external)
    });
    let (Some(event), outside) = next else { return false };
    let is_run = matches!(
        event,
        Event::InputRun { .. }
            | Event::TickStart { .. }
            | Event::LoopStopped { .. }
            | Event::InputCall { call: LoopCall::Drain }
    );
    match (event, outside) {
        (_, Some(is_callback)) if !is_run => run_outside(replay, event_loop, is_callback),
        (Event::InputRun { until_ns: Some(until_ns) }, _)
            if replay.with(|session| session.is_turn_within()) =>
        {
            let _ = event_loop.low_level().turn_as_recorded(Timestamp(until_ns));
        }
        (Event::InputRun { until_ns }, _) => run_on(replay, event_loop, until_ns.map(Timestamp)),
        (Event::TickStart { .. }, _) => turn(replay, event_loop),
        (Event::InputCall { call: LoopCall::Drain }, _) => {
            if replay.with(|session| session.is_host_drain()) {
                event_loop.low_level().with_heap_unchanged(|cx| replayed::bring_host_microtasks(replay, cx));
            }
            drain(event_loop);
        }
        // Older recordings lack the call.
        (Event::Microtasks { .. } | Event::DeferredRan { .. }, _) => drain(event_loop),
        // A failure of the environment, or the caller's end of the loop: not a decision.
        (Event::LoopStopped { reason: StopReason::Failed | StopReason::Closed }, _) => {
            replay.with(|session| session.skip(replay));
        }
        _ => {}
    }
    replay.is_over() || replay.with(place) != before
}

/// What the caller of the loop did between two turns: a callback from outside, or no callback at all.
fn run_outside(replay: &Rc<Replay>, event_loop: &mut Checking, is_callback: bool) {
    if is_callback {
        event_loop.call("recorded", |cx| replayed::run_frame(replay, cx));
    } else {
        event_loop.with(|cx| replayed::run_frame(replay, cx));
        replay.with(|session| session.recorded.frames.pop_front());
    }
}

fn drain(event_loop: &mut Checking) {
    event_loop.enter();
    event_loop.exit();
}

fn turn(replay: &Replay, event_loop: &mut Checking) {
    let called = replay.with(|session| session.turn_called());
    match called {
        Some(LoopCall::Tick) => event_loop.tick(),
        Some(LoopCall::AutoTick) => ended(replay, event_loop.auto_tick().map(|()| None)),
        _ => ended(replay, event_loop.turn().map(|()| None)),
    }
}

fn run_on(replay: &Replay, event_loop: &mut Checking, until: Option<Timestamp>) {
    let done = || replay.with(|session| session.is_over() || session.is_for_the_caller());
    ended(replay, event_loop.low_level().run_as_recorded(until, done).map(Some));
}

/// Handles an error of the loop, which comes from its environment: the recording is over, or the two have diverged.
fn ended(replay: &Replay, ended: Result<Option<StopReason>, RunError>) {
    if let Err(error) = ended {
        replay.with(|session| {
            let failed = |entry: &ComparedEvent| {
                matches!(entry.event, Event::LoopStopped { reason: StopReason::Failed })
            };
            // The loop records its failure at the end of a run, but not of a turn.
            if !session.recorded.front().is_some_and(failed) && !session.latest_event().is_some_and(failed) {
                session.part_at_end(&format!("the loop fails: {error}"));
            }
        });
    }
}
