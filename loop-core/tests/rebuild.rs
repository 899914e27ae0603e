//! Tests that the record is enough to repeat every decision: timers and the GC controller, rebuilt from a
//! snapshot in the middle of a stream and fed only the inputs that follow it, decide exactly as the loop did.

use std::cell::RefCell;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::rc::Rc;

use fastrand::Rng;
use loop_core::gc::{GcConfig, GcController, GcDecision, GcModeChange, GcState};
use loop_core::low_level::timer::{Finished, TimerPass, TimerQueue};
use loop_core::sim::{Sim, SimHeap};
use loop_core::{Builtin, HeapHost, Policy, Timer, TimerHandle};
use loop_probes::event::{ClockPoint, Event, GcAction, GcReason, Phase, PollReason};
use loop_probes::ids::{Tag, Ticks, TimerId, Timestamp};

use crate::kit::{Cx, World, ms, pick};

/// The state that is rebuilt.
struct Rebuilt {
    timers: TimerQueue<Tag>,
    /// The timers by the ids that they have in the record.
    keys: HashMap<TimerId, Timer>,
    gc: GcController,
    until: Option<Timestamp>,
    before_poll: Timestamp,
    /// The clock reading for the next heap check, and whether the controller's timers can be due by it.
    reading: (Timestamp, bool),
    gc_reading: Timestamp,
    collecting: bool,
    decision: Option<GcDecision>,
    mode: Option<GcModeChange>,
    /// What was due and armed when the poll returned, until the pass begins.
    due: Option<TimerPass>,
    pass: Option<TimerPass>,
    firing: Option<(Timer, Timestamp)>,
    decided: Decided,
}

/// Counts of the repeated decisions, so that the tests cannot pass for lack of events.
#[derive(Debug, Default)]
struct Decided {
    fired: u32,
    skipped: u32,
    waits: u32,
    checks: Vec<(GcAction, GcReason)>,
    modes: u32,
    snapshots: u32,
    armed_again: u32,
}

/// The state in a snapshot; `events` starts with its first part.
fn restore(config: GcConfig, next_timer: TimerId, events: &[Event<Ticks>]) -> (Rebuilt, usize) {
    let mut timers = TimerQueue::new();
    let mut keys = HashMap::new();
    let mut gc = GcController::new(config, Timestamp(0));
    let mut until = None;
    for (index, event) in events.iter().enumerate() {
        match *event {
            Event::SnapshotGc { .. } => gc = GcController::restore(config, GcState::of_part(event).unwrap()),
            Event::InputGc { reason } => request_gc(&mut gc, reason),
            Event::InputRun { until_ns } => until = until_ns.map(Timestamp),
            Event::SnapshotTimer { timer, tag, due, period_ns, referenced } => {
                let key = timers.restore(timer, due, period_ns.and_then(NonZeroU64::new), referenced, tag);
                assert_eq!(keys.insert(timer, key), None, "a snapshot names a timer once");
            }
            Event::SnapshotEnd { left_out, .. } => {
                assert_eq!(left_out, 0);
                timers.skip_ids_to(next_timer);
                let rebuilt = Rebuilt {
                    timers,
                    keys,
                    gc,
                    until,
                    before_poll: Timestamp(0),
                    reading: (Timestamp(0), false),
                    gc_reading: Timestamp(0),
                    collecting: false,
                    decision: None,
                    mode: None,
                    due: None,
                    pass: None,
                    firing: None,
                    decided: Decided::default(),
                };
                return (rebuilt, index + 1);
            }
            _ => {}
        }
    }
    panic!("the snapshot has no end");
}

fn request_gc(gc: &mut GcController, reason: GcReason) {
    match reason {
        GcReason::Requested => gc.request(),
        GcReason::Pressure => gc.pressure(),
        other => panic!("{other} is no notice"),
    }
}

impl Rebuilt {
    fn feed(&mut self, event: &Event<Ticks>) {
        match *event {
            Event::InputRun { until_ns } => self.until = until_ns.map(Timestamp),
            Event::InputClock { point, now } => self.clock(point, now),
            Event::InputGc { reason } => request_gc(&mut self.gc, reason),
            Event::InputHeap { heap_bytes } => self.heap(heap_bytes),
            Event::GcDecision { action, reason, heap_bytes, threshold_bytes } => {
                let expected = GcDecision { action, reason, heap_bytes, threshold_bytes };
                assert_eq!(self.decision.take(), Some(expected));
                self.decided.checks.push((action, reason));
            }
            Event::GcMode { mode, unchanged_ticks } => {
                assert_eq!(self.mode.take(), Some(GcModeChange { mode, unchanged_ticks }));
                self.decided.modes += 1;
            }
            Event::TimerArmed { timer, tag, due, period_ns } => {
                let period_ns = period_ns.and_then(NonZeroU64::new);
                if let Some(key) = self.keys.get(&timer).filter(|key| self.timers.value(**key).is_some()) {
                    assert!(self.timers.rearm(*key, due, period_ns));
                } else {
                    // A new timer, or one that fired and that a handle kept.
                    let is_kept = timer < self.timers.next_id();
                    let key = match is_kept {
                        true => self.timers.restore(timer, due, period_ns, true, tag),
                        false => self.timers.arm(due, period_ns, tag),
                    };
                    assert_eq!(key.id(), timer);
                    self.keys.insert(timer, key);
                    self.decided.armed_again += u32::from(is_kept);
                }
            }
            Event::TimerCleared { timer } => assert!(self.timers.clear(self.keys[&timer]).is_some()),
            Event::TimerRef { timer, referenced } => {
                assert_eq!(self.timers.set_referenced(self.keys[&timer], referenced), Some(true));
            }
            Event::TimerFired { .. } => self.fired(event),
            Event::Phase { phase: Phase::Timers, .. } => {
                self.finish();
                let pass = self.pass.take().expect("a timer fired");
                assert_eq!(self.timers.pop_due(&pass), None, "the loop left one out");
            }
            Event::Poll { reason, timeout_ns, .. } => self.polled(reason, timeout_ns),
            Event::TickEnd { .. } => {
                if let Some(due) = self.due.take() {
                    assert_eq!(self.timers.pop_due(&due), None, "the loop fired nothing");
                }
                assert_eq!((self.decision, self.mode, self.collecting), (None, None, false));
            }
            _ => {}
        }
    }

    fn clock(&mut self, point: ClockPoint, now: Timestamp) {
        let gc_is_due = self.gc.next_due().is_some_and(|due| due <= now);
        match point {
            ClockPoint::Tick => self.reading = (now, gc_is_due),
            ClockPoint::BeforePoll => (self.reading, self.before_poll) = ((now, false), now),
            ClockPoint::AfterPoll => {
                self.reading = (now, gc_is_due);
                self.due = Some(self.timers.begin_pass(now));
            }
            ClockPoint::Interval => self.firing.as_mut().expect("an interval fires").1 = now,
            ClockPoint::Gc => self.gc_reading = now,
            ClockPoint::Until => assert!(self.until.is_some()),
            ClockPoint::Arm | ClockPoint::Timers | ClockPoint::Shutdown | ClockPoint::Budget => {}
        }
    }

    fn heap(&mut self, heap_bytes: u64) {
        if std::mem::take(&mut self.collecting) {
            self.gc.collected(self.gc_reading, heap_bytes);
        } else {
            let (now, timers_are_due) = self.reading;
            self.reading.1 = false;
            self.decision = if timers_are_due {
                self.gc.on_timers(now, heap_bytes)
            } else {
                Some(self.gc.check(now, heap_bytes))
            };
            self.collecting = self.decision.is_some_and(|decision| decision.action == GcAction::Collect);
        }
        if !self.collecting {
            self.mode = self.gc.take_mode_change();
        }
    }

    fn fired(&mut self, event: &Event<Ticks>) {
        let Event::TimerFired { timer, tag, due, fired, skipped, .. } = *event else { return };
        self.finish();
        if self.due.take().is_some() {
            // Readiness callbacks have run since then, and may have armed a timer that is due already.
            self.pass = Some(self.timers.begin_pass(fired));
        }
        let pass = self.pass.as_ref().expect("timers fire after a poll");
        let popped = self.timers.pop_due(pass).expect("something is due");
        assert_eq!((popped.timer.id(), popped.due, popped.fired), (timer, due, fired));
        assert_eq!((popped.skipped, self.timers.value(popped.timer)), (u64::from(skipped), Some(&tag)));
        self.firing = Some((popped.timer, fired));
        self.decided.fired += 1;
        self.decided.skipped += skipped;
    }

    fn finish(&mut self) {
        if let Some((timer, started)) = self.firing.take() {
            let _: Finished<Tag> = self.timers.finish(timer, started);
        }
    }

    fn polled(&mut self, reason: PollReason, timeout_ns: Option<u64>) {
        let nearest = [self.timers.next_due(), self.gc.next_due(), self.until].into_iter().flatten().min();
        match reason {
            PollReason::Timer => {
                let deadline = nearest.expect("something ends the wait");
                assert_eq!(timeout_ns, Some(deadline.ns_since(self.before_poll)));
                self.decided.waits += 1;
            }
            PollReason::NonBlock => assert_eq!(timeout_ns, Some(0)),
            PollReason::Idle | PollReason::Default => panic!("the GC controller always has something due"),
        }
    }

    /// A later snapshot agrees.
    fn compare(&mut self, parts: &[Event<Ticks>]) {
        let expected = pick!(parts, Event::SnapshotTimer { timer, tag, due, period_ns, referenced }
            => (timer, tag, due, period_ns, referenced));
        let own = self.timers.armed().into_iter().map(|armed| {
            (
                armed.timer.id(),
                *armed.value,
                armed.due,
                armed.period_ns.map(NonZeroU64::get),
                armed.referenced,
            )
        });
        assert_eq!(own.collect::<Vec<_>>(), expected, "in arming order");
        assert_eq!(parts.iter().find_map(GcState::of_part), Some(self.gc.state()));
        let notices = pick!(parts, Event::InputGc { reason } => reason);
        assert_eq!(self.gc.notices().collect::<Vec<_>>(), notices);
        self.decided.snapshots += 1;
    }
}

/// Rebuilds the state from the snapshot that begins at `from`, and repeats every decision after it.
fn decide_again(config: GcConfig, events: &[Event<Ticks>], from: usize) -> Decided {
    let Event::SnapshotBegin { next_timer, .. } = events[from] else { panic!("{:?}", events[from]) };
    let (mut rebuilt, parts) = restore(config, next_timer, &events[from + 1..]);
    let mut next = from + 1 + parts;
    while let Some(event) = events.get(next) {
        next += 1;
        if matches!(event, Event::SnapshotBegin { .. }) {
            let end = events[next..].iter().position(|event| matches!(event, Event::SnapshotEnd { .. }));
            let end = next + end.expect("a snapshot has an end");
            rebuilt.compare(&events[next..end]);
            next = end;
        } else {
            rebuilt.feed(event);
        }
    }
    rebuilt.decided
}

/// A program that does everything that programs can do with timers and the heap.
struct Churn {
    dice: Rng,
    heap: SimHeap,
    timers: Vec<Timer>,
    handles: Vec<TimerHandle<Builtin>>,
    sim: Sim,
    is_quiet: bool,
}

fn churn(state: &Rc<RefCell<Churn>>, cx: &mut Cx<'_>) {
    let mut this = state.borrow_mut();
    let this = &mut *this;
    this.sim.advance(std::time::Duration::from_micros(this.dice.u64(..400)));
    if this.is_quiet {
        return;
    }
    let again = Rc::clone(state);
    let one_shot = move || Builtin::once("one-shot", move |cx| churn(&again, cx));
    let index = this.dice.u64(..this.timers.len() as u64 + 1) as usize;
    let picked = this.timers.get(index).copied();
    match this.dice.u64(..40) {
        0 | 1 => this.timers.push(cx.set_timeout(ms(this.dice.u64(..9)), one_shot())),
        2 if this.timers.len() < 8 => {
            let again = Rc::clone(state);
            let interval = Builtin::repeat("interval", move |cx| churn(&again, cx));
            this.timers.push(cx.set_interval(ms(2 + this.dice.u64(..5)), interval).unwrap());
        }
        10 if this.handles.len() < 4 => {
            let again = Rc::clone(state);
            let kept = Builtin::repeat("kept", move |cx| churn(&again, cx));
            let timer = cx.set_timeout(ms(this.dice.u64(..9)), kept);
            this.timers.push(timer);
            this.handles.push(cx.timer_handle(timer).unwrap());
        }
        11 => {
            let index = this.dice.u64(..4) as usize;
            let _ = this.handles.get(index).map(|handle| cx.refresh_timer(handle.timer()));
        }
        3 | 4 => {
            if let Some(timer) = picked {
                cx.clear_timer(timer);
                this.timers.swap_remove(index);
            }
        }
        5 => {
            let _ = picked.map(|timer| cx.refresh_timer(timer));
        }
        6 => {
            let referenced = this.dice.u64(..2) == 0;
            let _ = picked.map(|timer| cx.set_timer_referenced(timer, referenced));
        }
        7 => cx.request_gc(),
        8 => cx.memory_pressure(),
        9 => this.sim.advance(ms(this.dice.u64(..12))),
        _ => this.heap.grow(this.dice.u64(..3) * this.dice.u64(..900)),
    }
}

fn record(policy: Policy) -> Vec<Event<Ticks>> {
    let heap = SimHeap::with_live(1_000);
    let mut world = World::build(|builder| builder.policy(policy).host(HeapHost(heap.clone())));
    let sim = world.sim.clone();
    let state = Rc::new(RefCell::new(Churn {
        dice: Rng::with_seed(7),
        heap,
        timers: Vec::new(),
        handles: Vec::new(),
        sim,
        is_quiet: false,
    }));
    for _ in 0..6 {
        let state = Rc::clone(&state);
        let beat = Builtin::repeat("beat", move |cx| churn(&state, cx));
        world.lp.with(|cx| cx.set_interval(ms(3), beat)).unwrap();
    }
    world.lp.run_for(ms(700)).unwrap();
    // A quiet period: the controller slows down, and speeds up again afterwards.
    state.borrow_mut().is_quiet = true;
    world.lp.run_for(ms(200)).unwrap();
    state.borrow_mut().is_quiet = false;
    world.lp.run_for(ms(200)).unwrap();
    world.events()
}

#[test]
fn timers_and_the_collector_decide_again_from_a_snapshot_in_the_middle() {
    let mut policy = Policy::bun();
    policy.gc.sample_ns = 0;
    policy.snapshot_interval = ms(90);
    policy.gc.fast_ns = 7_000_000;
    policy.gc.slow_ns = 40_000_000;
    policy.gc.one_shot_ns = 3_000_000;
    policy.gc.unchanged_max = 1;
    let config = policy.gc;
    let events = record(policy);
    let begins = (0..events.len()).filter(|at| matches!(events[*at], Event::SnapshotBegin { .. }));
    let begins: Vec<usize> = begins.collect();
    assert!(begins.len() > 8, "{} snapshots", begins.len());
    for from in &begins {
        decide_again(config, &events, *from);
    }
    let middle = decide_again(config, &events, begins[begins.len() / 2]);
    assert!(middle.fired > 200 && middle.waits > 50 && middle.snapshots > 3, "{middle:?}");
    let whole = decide_again(config, &events, begins[0]);
    assert!(whole.skipped > 0 && whole.modes > 1 && whole.armed_again > 0, "{whole:?}");
    for reason in [
        GcReason::Doubled,
        GcReason::Changed,
        GcReason::Unchanged,
        GcReason::OneShot,
        GcReason::Periodic,
        GcReason::Pressure,
        GcReason::Pending,
        GcReason::Requested,
    ] {
        assert!(whole.checks.iter().any(|(_, expected)| *expected == reason), "{reason} never came up");
    }
}
