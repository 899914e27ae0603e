//! Callbacks of the re-executed loop: each repeats what the recorded one did.

use std::rc::Rc;
use std::time::Duration;

use loop_core::low_level::timer::Delay;
use loop_core::poller::Interest;
use loop_core::sim::SimSource;
use loop_core::{Context, OnShutdown, Options, Shutdown, TagOf};
use loop_probes::event::{Event, Origin, Outcome, RefKind};
use loop_probes::ids::{Tag, TimerId};

use super::replay_session::{Callback, Replay, Replayed};
use super::window::FrameKind;
use crate::act::{Act, Done, Operation};
use crate::engine::Engine;

type Cx<'a> = Context<'a, Replayed>;

impl Engine for Replay {
    type Callback = Callback;

    fn tag(of: Callback) -> Tag {
        match of {
            Callback::Tagged(tag) => tag,
            Callback::Microtask => Tag(0),
        }
    }

    fn repeats(_of: Callback) -> bool {
        true
    }

    fn run(replay: &Rc<Self>, of: Callback, cx: &mut Cx<'_>) {
        match of {
            Callback::Tagged(tag) => run_callback(replay, cx, tag),
            Callback::Microtask => run_microtask(replay, cx),
        }
    }
}

/// A callback of the deferred queue.
pub(super) fn deferred(replay: &Rc<Replay>) -> impl FnMut(&mut Cx<'_>) -> bool + 'static {
    let replay = Rc::clone(replay);
    move |cx| run_deferred(&replay, cx)
}

fn run_callback(replay: &Rc<Replay>, cx: &mut Cx<'_>, tag: Tag) {
    let task = cx.task().unwrap_or_default();
    let entered = replay.with(|session| {
        session.enter(
            |kind| *kind == FrameKind::Callback(task),
            |labels| format!("{} #{task} is run", labels.tag(tag)),
        )
    });
    if !entered {
        return;
    }
    run_frame(replay, cx);
    let ended = replay.with(|session| session.frame().map(|frame| frame.outcome));
    match ended.unwrap_or(Outcome::Done) {
        Outcome::Done => {}
        Outcome::Reload => cx.reload(),
        Outcome::Panicked => {
            // Not a real panic: the loop catches it.
            std::panic::resume_unwind(Box::new("recorded"));
        }
        outcome @ (Outcome::Failed | Outcome::Cancelled | Outcome::Pending | Outcome::Woke) => {
            cx.replay().end_as(outcome);
        }
    }
}

/// Performs all acts of the frame.
pub(super) fn run_frame(replay: &Rc<Replay>, cx: &mut Cx<'_>) {
    while let Some(done) = next_act(replay, |_, _| true) {
        perform(replay, cx, done);
    }
    leave_microtasks(replay, cx);
    release_later(replay, cx);
}

/// Releases the references that the frame released for the end of the tick.
fn release_later(replay: &Rc<Replay>, cx: &mut Cx<'_>) {
    let releases = replay.with(|session| {
        let releases = session.frame().map_or(0, |frame| std::mem::take(&mut frame.releases));
        session.afford(releases.into())
    });
    release(cx, releases);
}

/// Releases this many references for the end of the tick.
pub(super) fn release(cx: &mut Cx<'_>, count: u64) {
    (0..count).for_each(|_| cx.replay().release_later());
}

/// The recording has the acts of a checkpoint's microtasks, but neither which microtask did what nor which queued
/// another. So each performs the acts that are possible so far, and queues the next one when an act shows that it was
/// waiting, or when no other waits.
fn run_microtask(replay: &Rc<Replay>, cx: &mut Cx<'_>) {
    let entered = replay.with(|session| {
        let entered = session
            .enter(|kind| matches!(kind, FrameKind::Microtasks { .. }), |_| "a microtask is run".to_owned());
        let frame = session.frame().filter(|_| entered)?;
        frame.begun = frame.begun.saturating_add(1);
        match frame.kind {
            FrameKind::Microtasks { ran, left } if frame.begun == ran => Some((true, left)),
            // An unrecorded microtask queues no more: the two diverge at the end of the checkpoint.
            FrameKind::Microtasks { ran, .. } => Some((frame.begun > ran, u32::from(frame.begun < ran))),
            _ => None,
        }
    });
    let Some((is_last, waits)) = entered else { return };
    while let Some(done) = next_act(replay, |done, ()| {
        // An act recorded with fewer microtasks waiting belongs to a later one.
        is_last
            || done.alive.is_none()
            || alive_before(done, cx.replay().held()) >= i64::from(cx.replay().alive())
    }) {
        perform(replay, cx, done);
    }
    let waiting = cx.replay().microtasks() as u64;
    queue_microtasks(replay, cx, u64::from(waits).saturating_sub(waiting));
    release_later(replay, cx);
}

/// A callback of the deferred queue; returns true to stay queued.
fn run_deferred(replay: &Rc<Replay>, cx: &mut Cx<'_>) -> bool {
    let entered = replay.with(|session| {
        let entered = session.enter(
            |kind| matches!(kind, FrameKind::Deferred(_)),
            |_| "a callback of the deferred queue is run".to_owned(),
        );
        session.frame().filter(|_| entered).map(|frame| {
            frame.begun += 1;
            // The next callback that stays queued performs all acts up to there.
            let kept = frame.acts.iter().find_map(|done| match done.act {
                Act::Kept(number) => Some(number),
                _ => None,
            });
            let is_last = frame.kind == FrameKind::Deferred(frame.begun);
            (frame.begun, kept, is_last)
        })
    });
    let Some((number, kept, is_last)) = entered else { return false };
    let is_kept = kept == Some(number);
    let does_rest = is_kept || is_last;
    while let Some(done) = next_act(replay, |done, _| match done.act {
        Act::Kept(_) => false,
        // Its key is still waiting for its own callback.
        Act::Defer(key, existed) if !is_kept => cx.replay().is_deferred(key) == existed,
        _ if does_rest || done.alive.is_none() => true,
        // An act recorded with fewer callbacks waiting belongs to a later one.
        _ => alive_before(done, cx.replay().held()) >= i64::from(cx.replay().alive()),
    }) {
        perform(replay, cx, done);
    }
    if is_kept {
        replay.with(|session| session.frame().map(|frame| frame.acts.pop_front()));
    }
    if is_last {
        leave_microtasks(replay, cx);
    }
    release_later(replay, cx);
    is_kept
}

/// The next act of the frame, if `may` allows it now.
fn next_act(replay: &Replay, may: impl FnOnce(&Done, ()) -> bool) -> Option<Done> {
    let first = replay.with(|session| {
        if session.is_over() {
            return None;
        }
        let frame = session.frame()?;
        // The panic itself records that it is one, and stops the run if the policy says so.
        let is_last = |(at, done): (usize, &Done)| done.act == [Act::Fail, Act::Stop][at.min(1)];
        if frame.outcome == Outcome::Panicked
            && (1..=2).contains(&frame.acts.len())
            && frame.acts.iter().enumerate().all(is_last)
        {
            frame.acts.clear();
        }
        frame.acts.front().copied()
    });
    let done = first?;
    if !may(&done, ()) {
        return None;
    }
    replay.with(|session| session.frame().map(|frame| frame.acts.pop_front()));
    Some(done)
}

/// Queues a microtask of the recorded loop's host for the drain that comes next; that queues the others.
pub(super) fn bring_host_microtasks(replay: &Rc<Replay>, cx: &mut Cx<'_>) {
    let next = replay.with(|session| session.frame().map(|frame| frame.kind));
    if matches!(next, Some(FrameKind::Microtasks { .. })) && cx.replay().microtasks() == 0 {
        queue_microtasks(replay, cx, 1);
    }
}

/// Queues the microtasks that the frame leaves behind.
fn leave_microtasks(replay: &Rc<Replay>, cx: &mut Cx<'_>) {
    let queued = cx.replay().microtasks() as u64;
    let left = replay.with(|session| session.microtasks_left(queued));
    queue_microtasks(replay, cx, left.saturating_sub(queued));
}

fn queue_microtasks(replay: &Rc<Replay>, cx: &mut Cx<'_>, count: u64) {
    let count = replay.with(|session| session.afford(count));
    (0..count).for_each(|_| cx.replay().host_microtask(replay.microtask()));
}

/// References of every kind before an act, computed from the recorded count after it.
fn alive_before(done: &Done, held: i64) -> i64 {
    let change = match done.act {
        Act::Work { .. } | Act::Register { .. } => 1,
        Act::Change(Operation::ReferenceSource(_, true)) | Act::ReferenceUnknownSource(true) => 1,
        Act::Change(Operation::CancelWork(_) | Operation::Remove(_)) => -1,
        Act::Change(Operation::ReferenceSource(_, false)) | Act::ReferenceUnknownSource(false) => -1,
        // Releases made in advance do not count until they are balanced.
        Act::Hold(delta) => held.saturating_add(delta.into()).max(0) - held.max(0),
        Act::Change(Operation::Futures(delta)) => i64::from(delta),
        _ => 0,
    };
    done.alive.map_or(i64::MAX, |alive| i64::from(alive) - change)
}

impl Replay {
    /// Performs an act from outside of all callbacks; a clock reading includes the timers armed from it.
    pub(super) fn perform_outside(self: &Rc<Self>, cx: &mut Cx<'_>, done: Done, arms: &[Done]) {
        match done.act {
            _ if self.is_over() => {}
            Act::Read => arm(self, cx, arms),
            _ => perform(self, cx, done),
        }
    }

    /// Marks what the next shutdown cancels, according to the recording.
    pub(super) fn expect_shutdown(&self, cx: &mut Cx<'_>) {
        for event in self.with(|session| session.cancelled()) {
            match event {
                Event::TimerCleared { timer } => {
                    // A timer that is gone was not cancelled.
                    let _ = key(self, timer).map(|timer| cx.set_timer_on_shutdown(timer, OnShutdown::Cancel));
                }
                Event::IoRemoved { source } => {
                    let _ = cx.set_source_on_shutdown(source, OnShutdown::Cancel);
                }
                Event::WorkSettled { task, .. } => drop(cx.set_work_on_shutdown(task, OnShutdown::Cancel)),
                _ => {}
            }
        }
    }
}

fn perform(replay: &Rc<Replay>, cx: &mut Cx<'_>, done: Done) {
    if done.alive.is_some() && !replay.with(|session| session.is_all_shown()) {
        let before = u64::try_from(alive_before(&done, cx.replay().held())).unwrap_or(0);
        let missing = before.saturating_sub(u64::from(cx.replay().alive()));
        let ahead = replay.with(|session| session.microtasks_ahead());
        let queued = cx.replay().microtasks() as u64;
        queue_microtasks(replay, cx, missing.min(ahead.saturating_sub(queued)));
    }
    if !act(replay, cx, &done) {
        replay.with(|session| session.refuse(&done));
    }
}

/// Returns false if it could not be done.
fn act(replay: &Rc<Replay>, cx: &mut Cx<'_>, done: &Done) -> bool {
    match done.act {
        Act::Post { tag, origin, parent, .. } => {
            // The poll of a future, a post between two ticks, or what tells the owner of a source that its callback
            // failed, brings its own origin.
            let tells = origin == Origin::Local && cx.ready().is_some();
            if origin == Origin::Future || tells || cx.task() != parent || cx.task().is_none() {
                cx.replay().queue(replay.tagged(tag), origin, parent);
            } else {
                cx.post(replay.tagged(tag));
            }
        }
        Act::Immediate(_, tag) => drop(cx.immediate(replay.tagged(tag))),
        Act::AfterLoop(_, tag, _) => drop(cx.after_loop(replay.tagged(tag))),
        Act::Read => read_and_arm(replay, cx),
        // An arm without a clock reading: none of these timers is armed here.
        Act::Arm { .. } => return false,
        Act::Defer(key, _) => drop(cx.defer(key, deferred(replay))),
        Act::Undefer(key) => return cx.undefer(key),
        // The drain itself returns this.
        Act::Kept(_) => {}
        Act::Reload => cx.reload(),
        Act::Work { tag, .. } => {
            let (done, rejected) = (replay.remote(tag), replay.tagged(tag));
            return cx.work(TagOf::Global(tag), move |_| done, move |_| rejected).is_ok();
        }
        Act::Register { tag, referenced, interest, .. } => {
            let options = Options::default().on_shutdown(OnShutdown::Finish);
            let options = if referenced { options } else { options.unreferenced() };
            let interest = interest.map_or(Interest::READABLE, Interest::from_bits_truncate);
            let task = replay.tagged(tag);
            return cx.replay().register(options, SimSource::new(), interest, task).is_ok();
        }
        Act::Change(change) => {
            let timer = |timer| key(replay, timer);
            let handler = |_, tag| replay.tagged(tag);
            return change
                .rename(Some, timer, Some, Some)
                .is_some_and(|change| change.carry_out(cx, handler));
        }
        Act::ReferenceUnknownSource(_) => return false,
        Act::Hold(delta) => cx.replay().reference(RefKind::Handle, delta),
        Act::Stop => cx.stop(),
        Act::Shutdown(within_ns) => cx.shutdown(Shutdown::within(Duration::from_nanos(within_ns))),
        Act::Fail => cx.fail("recorded"),
        Act::Microtask => cx.microtask(replay.microtask()),
        Act::Release => cx.release_later("recorded"),
        // The access itself.
        Act::Heap => {}
    }
    true
}

fn key(replay: &Replay, timer: TimerId) -> Option<loop_core::Timer> {
    replay.with(|session| session.timers.get(&timer).copied())
}

/// Reads the clock and arms what follows in the frame.
fn read_and_arm(replay: &Rc<Replay>, cx: &mut Cx<'_>) {
    // While it shuts down, the loop itself unreferences each new timer as it is armed.
    let shuts_down = cx.is_shutting_down();
    let (mut last, next_timer) = (None, cx.replay().next_timer());
    let next = || {
        let done = next_act(replay, |done, ()| match done.act {
            Act::Arm { .. } => true,
            Act::Change(Operation::ReferenceTimer(timer, false)) => {
                shuts_down && timer >= next_timer && last.take() == Some(timer)
            }
            _ => false,
        })?;
        if let Act::Arm { timer, .. } = done.act {
            last = Some(timer);
        }
        Some(done)
    };
    arm(replay, cx, &std::iter::from_fn(next).collect::<Vec<_>>());
}

/// Reads the clock and arms nothing, one timer, one again, or many at one reading.
fn arm(replay: &Rc<Replay>, cx: &mut Cx<'_>, arms: &[Done]) {
    let arms = arms.iter().filter_map(|done| match done.act {
        Act::Arm { timer, tag, delay_ns, period_ns } => {
            Some((timer, tag, Duration::from_nanos(delay_ns), period_ns.map(Duration::from_nanos)))
        }
        _ => None,
    });
    let arms = arms.collect::<Vec<_>>();
    let next = cx.replay().next_timer();
    let armed = match arms.as_slice() {
        [(id, tag, delay, period)] => {
            let task = replay.tagged(*tag);
            let again = period.map_or(Delay::Once(*delay), Delay::Every);
            match key(replay, *id).filter(|timer| cx.replay().is_armed(*timer)) {
                Some(timer) => {
                    cx.replay().refresh_timer(timer, again);
                    return;
                }
                None if *id < next => vec![cx.replay().arm_again(*id, again, task)],
                None => match period {
                    Some(period) => cx.set_interval(*period, task).into_iter().collect(),
                    None => vec![cx.set_timeout(*delay, task)],
                },
            }
        }
        arms => {
            let timers = arms.iter().map(|(_, tag, delay, _)| (*delay, replay.tagged(*tag)));
            cx.set_timeouts(timers.collect::<Vec<_>>())
        }
    };
    for timer in armed {
        replay.with(|session| session.timers.insert(timer.id(), timer));
        if !cx.is_shutting_down() {
            let _ = cx.set_timer_on_shutdown(timer, OnShutdown::Finish);
        }
    }
}
