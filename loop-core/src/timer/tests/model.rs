//! Both orders compared with a plain list: random programs of arming, clearing, passes, callbacks that
//! interfere, clock jumps, snapshots.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Arm {
        delay: u64,
        period: u64,
    },
    Rearm {
        which: usize,
        delay: u64,
    },
    Clear {
        which: usize,
    },
    /// Clears the timer due first.
    ClearFirst,
    Reference {
        which: usize,
        on: bool,
    },
    /// Fires timers due at `by` from now, at most this many; each callback does this to that timer.
    Fire {
        by: u64,
        most: u64,
        inner: Inner,
        which: usize,
    },
    /// Time passes, and nothing is due.
    Advance {
        by: u64,
    },
    /// The clock is set back: must not affect the wheel.
    Back {
        by: u64,
    },
    /// A new queue takes over the armed timers.
    Restore,
}

#[derive(Clone, Copy, Debug)]
enum Inner {
    Nothing,
    ArmNow,
    ArmLater(u64),
    RearmNow,
    Clear,
    Unreference,
    /// The fired one-shot stays and can be re-armed.
    Park,
}

/// Few distinct times, so that many are equal; and all magnitudes.
fn delay() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..20_u64,
        2 => 0..5_000_u64,
        4 => (0..64_u32, any::<u64>()).prop_map(|(bits, any)| any >> bits),
        1 => Just(u64::MAX),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let inner = prop_oneof![
        Just(Inner::Nothing),
        Just(Inner::ArmNow),
        delay().prop_map(Inner::ArmLater),
        Just(Inner::RearmNow),
        Just(Inner::Clear),
        Just(Inner::Unreference),
        Just(Inner::Park),
    ];
    let which = 0..60_usize;
    let most = prop_oneof![4 => Just(u64::MAX), 1 => 0..3_u64];
    prop_oneof![
        12 => (delay(), 0..8_u64).prop_map(|(delay, period)| Step::Arm { delay, period: period.saturating_sub(4) }),
        3 => (which.clone(), delay()).prop_map(|(which, delay)| Step::Rearm { which, delay }),
        2 => which.clone().prop_map(|which| Step::Clear { which }),
        2 => Just(Step::ClearFirst),
        1 => (which.clone(), any::<bool>()).prop_map(|(which, on)| Step::Reference { which, on }),
        5 => (delay(), most, inner, which).prop_map(|(by, most, inner, which)| Step::Fire { by, most, inner, which }),
        1 => delay().prop_map(|by| Step::Advance { by }),
        1 => delay().prop_map(|by| Step::Back { by }),
        1 => Just(Step::Restore),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Armed,
    Fires,
    Parked,
}

/// A timer in the plain list.
#[derive(Clone, Copy, Debug)]
struct Plain {
    key: Timer,
    due: u64,
    sequence: u64,
    period: u64,
    referenced: bool,
    state: State,
}

/// The queue, and the list that serves as its reference.
struct Both {
    order: Order,
    timers: TimerQueue<u32>,
    list: Vec<Plain>,
    keys: Vec<Timer>,
    sequence: u64,
    now: u64,
}

impl Both {
    fn new(order: Order) -> Self {
        let timers = TimerQueue::in_order(order);
        Self { order, timers, list: Vec::new(), keys: Vec::new(), sequence: 0, now: 0 }
    }

    fn plain(&mut self, key: Timer) -> Option<&mut Plain> {
        self.list.iter_mut().find(|timer| timer.key == key)
    }

    fn arm(&mut self, delay: u64, ns: u64) {
        let due = self.now.saturating_add(delay);
        let key = self.timers.arm(at(due), period(ns), 0);
        self.sequence += 1;
        self.keys.push(key);
        let (sequence, state) = (self.sequence, State::Armed);
        self.list.push(Plain { key, due, sequence, period: ns, referenced: true, state });
    }

    fn rearm(&mut self, key: Timer, delay: u64, ns: u64) {
        let due = self.now.saturating_add(delay);
        self.sequence += 1;
        let sequence = self.sequence;
        let found = self.plain(key).map(|timer| {
            *timer = Plain { due, sequence, period: ns, state: State::Armed, ..*timer };
        });
        assert_eq!(self.timers.rearm(key, at(due), period(ns)), found.is_some());
    }

    fn clear(&mut self, key: Timer) {
        let before = self.list.len();
        self.list.retain(|timer| timer.key != key);
        assert_eq!(self.timers.clear(key).is_some(), self.list.len() < before);
    }

    fn reference(&mut self, key: Timer, on: bool) {
        let wanted = self.plain(key).map(|timer| std::mem::replace(&mut timer.referenced, on) != on);
        assert_eq!(self.timers.set_referenced(key, on), wanted);
    }

    /// The next firing of a pass that began when `bound` armings had been made.
    fn next(&self, bound: u64) -> Option<Plain> {
        let is_due = |timer: &&Plain| {
            let is_old = timer.state == State::Armed && timer.sequence <= bound;
            is_old && timer.due <= self.now && timer.due < u64::MAX
        };
        let due = self.list.iter().filter(is_due);
        due.min_by_key(|timer| match self.order {
            Order::Due => (timer.due, timer.sequence),
            Order::Arming => (timer.sequence, 0),
        })
        .copied()
    }

    fn fire(&mut self, most: u64, inner: Inner, which: usize) {
        let bound = self.sequence;
        let pass = self.timers.begin_pass(at(self.now));
        for _ in 0..most {
            let Some(plain) = self.next(bound) else {
                assert_eq!(self.timers.pop_due(&pass), None);
                break;
            };
            let skipped = (self.now - plain.due).checked_div(plain.period).unwrap_or(0);
            let fired = self.timers.pop_due(&pass).unwrap();
            assert_eq!((fired.timer, fired.due.0, fired.skipped), (plain.key, plain.due, skipped));
            self.plain(plain.key).unwrap().state = State::Fires;
            self.call(plain, inner, which);
            self.check();
        }
    }

    /// The callback of `plain`, and its effects.
    fn call(&mut self, plain: Plain, inner: Inner, which: usize) {
        let other = self.keys.get(which).copied();
        match (inner, other) {
            (Inner::ArmNow, _) if self.keys.len() < 80 => self.arm(0, 0),
            (Inner::ArmLater(delay), _) if self.keys.len() < 80 => self.arm(delay, 0),
            (Inner::RearmNow, Some(other)) => self.rearm(other, 0, 0),
            (Inner::Clear, Some(other)) => self.clear(other),
            (Inner::Unreference, Some(other)) => self.reference(other, false),
            _ => {}
        }
        let fires = self.plain(plain.key).copied().filter(|timer| timer.state == State::Fires);
        if let (Inner::Park, Some(Plain { period: 0, key, .. })) = (inner, fires) {
            assert!(self.timers.park(key));
            self.plain(key).unwrap().state = State::Parked;
            return;
        }
        let finished = self.timers.finish(plain.key, at(self.now));
        match fires {
            Some(timer) if timer.period > 0 => {
                self.sequence += 1;
                let (due, sequence) = (self.now.saturating_add(timer.period), self.sequence);
                *self.plain(plain.key).unwrap() = Plain { due, sequence, state: State::Armed, ..timer };
                assert_eq!(finished, Finished::Armed(at(due)));
            }
            Some(_) => {
                self.list.retain(|timer| timer.key != plain.key);
                assert_eq!(finished, Finished::Done(0));
            }
            None => assert!(!matches!(finished, Finished::Done(_))),
        }
    }

    /// A new queue takes over the armed timers. Parked ones are not part of a snapshot.
    fn restore(&mut self) {
        let mut copy = TimerQueue::in_order(self.order);
        copy.advance(at(self.now));
        self.list.retain(|timer| timer.state == State::Armed);
        for armed in self.timers.armed() {
            let key =
                copy.restore(armed.timer.id(), armed.due, armed.period_ns, armed.referenced, *armed.value);
            let plain = self.list.iter_mut().find(|timer| timer.key == armed.timer).unwrap();
            let known = self.keys.iter_mut().find(|known| **known == armed.timer).unwrap();
            (plain.key, *known) = (key, key);
        }
        copy.skip_ids_to(self.timers.next_id());
        self.timers = copy;
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Arm { delay, period } => self.arm(delay, period),
            Step::Rearm { which, delay } => {
                let _ = self.keys.get(which).copied().map(|key| self.rearm(key, delay, 0));
            }
            Step::Clear { which } => {
                let _ = self.keys.get(which).copied().map(|key| self.clear(key));
            }
            Step::ClearFirst => {
                let armed = self.list.iter().filter(|timer| timer.state == State::Armed);
                let first = armed.min_by_key(|timer| timer.due).map(|timer| timer.key);
                let _ = first.map(|key| self.clear(key));
            }
            Step::Reference { which, on } => {
                let _ = self.keys.get(which).copied().map(|key| self.reference(key, on));
            }
            Step::Fire { by, most, inner, which } => {
                self.now = self.now.saturating_add(by);
                self.fire(most, inner, which);
            }
            Step::Advance { by } => {
                self.now = self.now.saturating_add(by);
                self.timers.advance(at(self.now));
            }
            Step::Back { by } => self.now = self.now.saturating_sub(by),
            Step::Restore => self.restore(),
        }
        self.check();
    }

    fn check(&mut self) {
        let mut armed: Vec<Plain> = self.list.clone();
        armed.retain(|timer| timer.state == State::Armed);
        armed.sort_by_key(|timer| timer.sequence);
        let wanted: Vec<_> = armed.iter().map(|timer| (timer.key, timer.due, timer.referenced)).collect();
        let got: Vec<_> =
            self.timers.armed().iter().map(|one| (one.timer, one.due.0, one.referenced)).collect();
        assert_eq!(got, wanted);
        let exist = || self.list.iter().filter(|timer| timer.state != State::Parked);
        assert_eq!(self.timers.len(), exist().count());
        assert_eq!(self.timers.referenced(), exist().filter(|timer| timer.referenced).count());
        let first = armed.iter().map(|timer| timer.due).min().filter(|due| *due < u64::MAX);
        assert_eq!(self.timers.next_due().map(|due| due.0), first);
    }
}

proptest! {
    #[test]
    fn behaves_like_a_plain_list(steps in proptest::collection::vec(step(), 0..120), by_arming in any::<bool>()) {
        let mut both = Both::new(if by_arming { Order::Arming } else { Order::Due });
        for step in steps {
            both.step(step);
        }
        // At the end, everything fires that ever will.
        both.now = u64::MAX;
        both.fire(u64::MAX, Inner::Nothing, 0);
    }
}
