//! The timer rules one by one, then all of them against a plain list.

use proptest::prelude::*;

use super::*;

fn at(ns: u64) -> Timestamp {
    Timestamp(ns)
}

fn period(ns: u64) -> Option<NonZeroU64> {
    NonZeroU64::new(ns)
}

/// Fires everything due at `now`, one callback after the other, each starting at `now`.
fn fire(timers: &mut TimerQueue<u32>, now: u64) -> Vec<(u64, u64)> {
    let mut pass = timers.begin_pass(at(now));
    let mut fired = Vec::new();
    while let Some(one) = timers.pop_due(&mut pass) {
        fired.push((one.timer.id().0, one.skipped));
        timers.finish(one.timer, at(now));
    }
    fired
}

#[test]
fn b19_equal_due_times_fire_in_arming_order_and_a_refreshed_one_goes_behind() {
    let mut timers = TimerQueue::new();
    let ids: Vec<_> = (0..3).map(|n| timers.arm(at(10), None, n)).collect();
    timers.arm(at(5), None, 9);
    assert!(timers.rearm(ids[0], at(10), None));
    assert_eq!(timers.next_due(), Some(at(5)));
    assert_eq!(fire(&mut timers, 9), [(4, 0)]);
    assert_eq!(fire(&mut timers, 10), [(2, 0), (3, 0), (1, 0)]);
    assert!(timers.is_empty());
}

#[test]
fn b21_an_interval_is_due_a_period_after_its_callback_started() {
    let mut timers = TimerQueue::new();
    let timer = timers.arm(at(100), period(100), 0);
    let mut pass = timers.begin_pass(at(100));
    assert_eq!(timers.pop_due(&mut pass).unwrap().skipped, 0);
    assert_eq!(timers.finish(timer, at(130)), Finished::Armed(at(230)));
    assert_eq!(timers.next_due(), Some(at(230)));
}

#[test]
fn b21_an_interval_says_what_it_skipped() {
    for (lag, skipped) in [(0, 0), (99, 0), (100, 1), (199, 1), (1_234, 12)] {
        let mut timers = TimerQueue::new();
        timers.arm(at(100), period(100), 0);
        assert_eq!(fire(&mut timers, 100 + lag), [(1, skipped)], "lag {lag}");
    }
}

#[test]
fn b21_an_interval_can_be_cleared_in_its_own_callback() {
    let mut timers = TimerQueue::new();
    let timer = timers.arm(at(1), period(1), 7);
    let mut pass = timers.begin_pass(at(1));
    timers.pop_due(&mut pass);
    assert_eq!(timers.clear(timer), Some(7));
    assert_eq!(timers.finish(timer, at(1)), Finished::Cleared);
    assert_eq!((timers.len(), timers.next_due(), timers.referenced()), (0, None, 0));
}

#[test]
fn l01_a_timer_never_fires_early_and_huge_delays_do_not_overflow() {
    let mut timers = TimerQueue::new();
    timers.arm(due_after(at(1_000), Duration::from_nanos(1)), None, 0);
    assert_eq!(fire(&mut timers, 1_000), []);
    assert_eq!(fire(&mut timers, 1_001), [(1, 0)]);
    for (now, delay) in [(1, Duration::MAX), (u64::MAX - 1, Duration::from_nanos(5))] {
        assert_eq!(due_after(at(now), delay), NEVER);
        timers.arm(NEVER, None, 0);
    }
    assert_eq!(timers.next_due(), None);
    assert_eq!(fire(&mut timers, u64::MAX), []);
    assert_eq!(timers.referenced(), 2);
    let late = timers.arm(at(3), period(u64::MAX), 0);
    assert_eq!(fire(&mut timers, 5), [(late.id().0, 0)]);
    assert_eq!(timers.next_due(), None, "start + period is past the end of time");
}

#[test]
fn l02_a_zero_delay_timer_armed_again_in_its_callback_waits_for_the_next_pass() {
    let mut timers = TimerQueue::new();
    let timer = timers.arm(at(10), None, 0);
    let other = timers.arm(at(12), None, 0);
    let mut pass = timers.begin_pass(at(20));
    assert_eq!(timers.pop_due(&mut pass).unwrap().timer, timer);
    // Both due before what is left of this pass: one by the clock, one in the past.
    assert!(timers.rearm(timer, at(11), None));
    let new = timers.arm(at(0), None, 0);
    assert_eq!(timers.finish(timer, at(20)), Finished::Armed(at(11)));
    assert_eq!(timers.pop_due(&mut pass).unwrap().timer, other);
    timers.finish(other, at(20));
    assert_eq!(timers.pop_due(&mut pass), None);
    assert_eq!(fire(&mut timers, 20), [(new.id().0, 0), (timer.id().0, 0)]);
}

#[test]
fn l03_a_cleared_timer_never_fires_also_when_cleared_in_the_same_pass() {
    let mut timers = TimerQueue::new();
    let ids: Vec<_> = (0..3).map(|n| timers.arm(at(n), None, 0)).collect();
    let mut pass = timers.begin_pass(at(9));
    assert_eq!(timers.pop_due(&mut pass).unwrap().timer, ids[0]);
    assert!(timers.clear(ids[1]).is_some());
    timers.finish(ids[0], at(9));
    assert_eq!(timers.pop_due(&mut pass).unwrap().timer, ids[2]);
    timers.finish(ids[2], at(9));
    assert_eq!(timers.clear(ids[0]), None);
    assert!(!timers.rearm(ids[0], at(1), None));
    assert_eq!(timers.set_referenced(ids[0], false), None);
}

#[test]
fn l04_an_overdue_interval_fires_once_a_pass() {
    let mut timers = TimerQueue::new();
    timers.arm(at(10), period(10), 0);
    assert_eq!(fire(&mut timers, 95), [(1, 8)]);
    assert_eq!(timers.next_due(), Some(at(105)));
}

#[test]
fn b23_references_are_counted_once() {
    let mut timers = TimerQueue::new();
    let timer = timers.arm(at(1), None, 0);
    assert_eq!(timers.set_referenced(timer, false), Some(true));
    assert_eq!(timers.set_referenced(timer, false), Some(false));
    assert_eq!(timers.referenced(), 0);
    assert!(timers.rearm(timer, at(2), None));
    assert_eq!(timers.referenced(), 0, "arming again keeps it as it was");
    assert_eq!(timers.set_referenced(timer, true), Some(true));
    assert_eq!(timers.referenced(), 1);
}

#[test]
fn a_snapshot_lists_in_arming_order_and_restores() {
    let mut timers = TimerQueue::new();
    let first = timers.arm(at(9), None, 1);
    timers.arm(at(3), period(4), 2);
    timers.rearm(first, at(3), None);
    let listed: Vec<_> = timers.armed().iter().map(|armed| (armed.timer.id().0, armed.due.0)).collect();
    assert_eq!(listed, [(2, 3), (1, 3)]);
    let mut copy = TimerQueue::new();
    for one in timers.armed() {
        copy.restore(one.timer.id(), one.due, one.period_ns, one.referenced, *one.value);
    }
    assert_eq!((copy.armed(), copy.next_id()), (timers.armed(), timers.next_id()));
    assert_eq!(fire(&mut copy, 3), fire(&mut timers, 3));
    copy.skip_ids_to(TimerId(50));
    assert_eq!(copy.arm(at(1), None, 0).id(), TimerId(50));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Arm {
        delay: u64,
        period: u64,
    },
    Rearm {
        which: u64,
        delay: u64,
    },
    Clear {
        which: u64,
    },
    Reference {
        which: u64,
        on: bool,
    },
    /// Fires what is due `by` later; every callback does this to that timer.
    Fire {
        by: u64,
        inner: Inner,
        which: u64,
    },
}

#[derive(Clone, Copy, Debug)]
enum Inner {
    Nothing,
    ArmNow,
    RearmNow,
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let inner =
        prop_oneof![Just(Inner::Nothing), Just(Inner::ArmNow), Just(Inner::RearmNow), Just(Inner::Clear)];
    prop_oneof![
        4 => (0..20_u64, 0..8_u64).prop_map(|(delay, period)| Step::Arm { delay, period }),
        2 => (1..30_u64, 0..20_u64).prop_map(|(which, delay)| Step::Rearm { which, delay }),
        1 => (1..30_u64).prop_map(|which| Step::Clear { which }),
        1 => (1..30_u64, any::<bool>()).prop_map(|(which, on)| Step::Reference { which, on }),
        3 => (0..15_u64, inner, 1..30_u64).prop_map(|(by, inner, which)| Step::Fire { by, inner, which }),
    ]
}

/// A timer of the plain list: (id, due, sequence, period, referenced, fires now).
#[derive(Clone, Copy, Debug)]
struct Plain {
    id: u64,
    due: u64,
    sequence: u64,
    period: u64,
    referenced: bool,
    fires: bool,
}

#[derive(Default)]
struct Model {
    timers: Vec<Plain>,
    made: u64,
    sequence: u64,
}

impl Model {
    fn arm(&mut self, due: u64, period: u64) {
        self.made += 1;
        self.sequence += 1;
        let (id, sequence) = (self.made, self.sequence);
        self.timers.push(Plain { id, due, sequence, period, referenced: true, fires: false });
    }

    fn find(&mut self, id: u64) -> Option<&mut Plain> {
        self.timers.iter_mut().find(|timer| timer.id == id)
    }

    fn rearm(&mut self, id: u64, due: u64, period: u64) -> bool {
        self.sequence += 1;
        let sequence = self.sequence;
        let found = self.find(id);
        found.map(|timer| *timer = Plain { due, sequence, period, fires: false, ..*timer }).is_some()
    }

    fn clear(&mut self, id: u64) -> bool {
        let before = self.timers.len();
        self.timers.retain(|timer| timer.id != id);
        self.timers.len() < before
    }

    /// What fires next in a pass at `now` that began when `bound` armings had been made.
    fn next(&self, now: u64, bound: u64) -> Option<Plain> {
        let due = self.timers.iter().filter(|t| !t.fires && t.due <= now && t.sequence <= bound);
        due.min_by_key(|timer| (timer.due, timer.sequence)).copied()
    }
}

/// The key of the timer with this id, or one that never was.
fn key(keys: &[Timer], id: u64) -> Timer {
    keys.get(id as usize).copied().unwrap_or(keys[0])
}

proptest! {
    #[test]
    fn behaves_like_a_plain_list(steps in proptest::collection::vec(step(), 0..80)) {
        let (mut timers, mut model, mut now) = (TimerQueue::new(), Model::default(), 0);
        let mut keys = vec![Timer { id: TimerId(0), slot: u32::MAX }];
        for step in steps {
            match step {
                Step::Arm { delay, period: ns } => {
                    model.arm(now + delay, ns);
                    keys.push(timers.arm(at(now + delay), period(ns), 0));
                    prop_assert_eq!(keys[model.made as usize].id().0, model.made);
                }
                Step::Rearm { which, delay } => {
                    let wanted = model.rearm(which, now + delay, 0);
                    prop_assert_eq!(timers.rearm(key(&keys, which), at(now + delay), None), wanted);
                }
                Step::Clear { which } => {
                    prop_assert_eq!(timers.clear(key(&keys, which)).is_some(), model.clear(which));
                }
                Step::Reference { which, on } => {
                    let wanted = model.find(which).map(|timer| std::mem::replace(&mut timer.referenced, on) != on);
                    prop_assert_eq!(timers.set_referenced(key(&keys, which), on), wanted);
                }
                Step::Fire { by, inner, which } => {
                    now += by;
                    let bound = model.sequence;
                    let mut pass = timers.begin_pass(at(now));
                    while let Some(plain) = model.next(now, bound) {
                        let fired = timers.pop_due(&mut pass);
                        prop_assert_eq!(fired.map(|one| (one.timer.id().0, one.due.0)), Some((plain.id, plain.due)));
                        let skipped = (now - plain.due).checked_div(plain.period).unwrap_or(0);
                        prop_assert_eq!(fired.map(|one| one.skipped), Some(skipped));
                        model.find(plain.id).unwrap().fires = true;
                        match inner {
                            Inner::Nothing => {}
                            Inner::ArmNow if model.made < 40 => {
                                model.arm(now, 0);
                                keys.push(timers.arm(at(now), None, 0));
                            }
                            Inner::ArmNow => {}
                            Inner::RearmNow => {
                                prop_assert_eq!(timers.rearm(key(&keys, which), at(now), None), model.rearm(which, now, 0));
                            }
                            Inner::Clear => {
                                prop_assert_eq!(timers.clear(key(&keys, which)).is_some(), model.clear(which));
                            }
                        }
                        timers.finish(key(&keys, plain.id), at(now));
                        match model.find(plain.id) {
                            Some(timer) if timer.fires && timer.period > 0 => {
                                let period = timer.period;
                                model.rearm(plain.id, now + period, period);
                            }
                            Some(timer) if timer.fires => {
                                model.clear(plain.id);
                            }
                            _ => {}
                        }
                    }
                    prop_assert_eq!(timers.pop_due(&mut pass), None);
                }
            }
            let mut listed = model.timers.clone();
            listed.sort_by_key(|timer| timer.sequence);
            let wanted: Vec<_> = listed.iter().map(|timer| (timer.id, timer.due, timer.referenced)).collect();
            let got: Vec<_> = timers.armed().iter().map(|t| (t.timer.id().0, t.due.0, t.referenced)).collect();
            prop_assert_eq!(got, wanted);
            prop_assert_eq!(timers.referenced(), model.timers.iter().filter(|timer| timer.referenced).count());
            prop_assert_eq!(timers.next_due().map(|due| due.0), model.timers.iter().map(|timer| timer.due).min());
        }
    }
}
