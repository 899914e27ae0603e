//! Measures the cost of arming, clearing and firing a timer among a thousand and among a million, compared with
//! floors, in one run.
//!
//! `cargo bench -p loop-core --bench timers [-- LARGEST]`. Delays are random, up to an hour, and timers are cleared in
//! random order. Each subject is filled and emptied once before it is measured, so that no figure includes the kernel's
//! cost of fresh pages. Times are processor time of the thread. Rounds are interleaved and each figure is the median of
//! its rounds, because a shared machine drifts.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::hint::black_box;
use std::time::Duration;

use loop_core::low_level::timer::{Finished, NEVER, TimerQueue};
use loop_core::policy::TimerRule;
use loop_core::sim::{Sim, SimLoop};
use loop_core::{Context, EventLoop, Policy, Task, Timer};
use loop_probes::ids::Timestamp;
use rustix::time::{ClockId, clock_gettime};

const HOUR_NS: u64 = 3_600_000_000_000;

/// Pseudo-random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.roll(last as u64 + 1) as usize);
        }
    }
}

/// Processor time of this thread. Nothing here waits, and a sample of a million takes so long that a busy
/// machine would preempt it midway.
fn computed() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Nanoseconds per operation, of the `count` that `work` performs.
fn each(count: usize, work: impl FnOnce()) -> f64 {
    let start = computed();
    work();
    (computed() - start).as_nanos() as f64 / count as f64
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A store of timers.
trait Subject {
    type Key: Copy;
    fn arm(&mut self, due: u64, value: u64) -> Self::Key;
    fn clear(&mut self, key: Self::Key);
    /// Looks up when the next timer is due, and fires it; false if none is left.
    fn fire_next(&mut self) -> bool;
    /// Fires all timers due at `now`.
    fn fire_all(&mut self, now: u64);
}

impl Subject for TimerQueue<u64> {
    type Key = Timer;

    fn arm(&mut self, due: u64, value: u64) -> Timer {
        Self::arm(self, Timestamp(due), None, value)
    }

    fn clear(&mut self, key: Timer) {
        black_box(Self::clear(self, key));
    }

    fn fire_next(&mut self) -> bool {
        let Some(due) = self.next_due() else { return false };
        self.fire_all(due.0);
        true
    }

    fn fire_all(&mut self, now: u64) {
        let pass = self.begin_pass(Timestamp(now));
        while let Some(fired) = self.pop_due(&pass) {
            if let Finished::Done(value) = self.finish(fired.timer, Timestamp(now)) {
                black_box(value);
            }
        }
    }
}

/// A binary heap whose cleared entries stay until they reach the top.
#[derive(Default)]
struct Heap {
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    values: Vec<Option<u64>>,
    free: Vec<u32>,
    sequence: u64,
}

impl Subject for Heap {
    type Key = u32;

    fn arm(&mut self, due: u64, value: u64) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.values.push(None);
            self.values.len() as u32 - 1
        });
        self.values[slot as usize] = Some(value);
        self.sequence += 1;
        self.heap.push(Reverse((due, self.sequence, slot)));
        slot
    }

    fn clear(&mut self, key: u32) {
        black_box(self.values[key as usize].take());
    }

    fn fire_next(&mut self) -> bool {
        let Some(Reverse((_, _, slot))) = self.heap.pop() else { return false };
        black_box(self.values[slot as usize].take());
        self.free.push(slot);
        true
    }

    fn fire_all(&mut self, _now: u64) {
        while self.fire_next() {}
    }
}

/// A tree ordered by (due, sequence), which is also the key.
#[derive(Default)]
struct Tree {
    tree: BTreeMap<(u64, u64), u64>,
    sequence: u64,
}

impl Subject for Tree {
    type Key = (u64, u64);

    fn arm(&mut self, due: u64, value: u64) -> (u64, u64) {
        self.sequence += 1;
        self.tree.insert((due, self.sequence), value);
        (due, self.sequence)
    }

    fn clear(&mut self, key: (u64, u64)) {
        black_box(self.tree.remove(&key));
    }

    fn fire_next(&mut self) -> bool {
        self.tree.pop_first().map(black_box).is_some()
    }

    fn fire_all(&mut self, _now: u64) {
        while self.fire_next() {}
    }
}

const COLUMNS: [&str; 5] = ["arm", "clear as armed", "clear at random", "fire, one a pass", "fire, one pass"];

/// One round of a subject: nanoseconds by column. Time advances by three hours.
fn round<S: Subject>(subject: &mut S, count: usize, dice: &mut Dice, now: &mut u64) -> [f64; COLUMNS.len()] {
    let delays: Vec<u64> = (0..count).map(|_| dice.roll(HOUR_NS)).collect();
    let mut keys = Vec::with_capacity(count);
    let fill = |subject: &mut S, keys: &mut Vec<S::Key>, now: u64| {
        keys.clear();
        each(count, || keys.extend(delays.iter().map(|delay| subject.arm(now + delay, *delay))))
    };
    fill(subject, &mut keys, *now);
    let one_a_pass = each(count, || while subject.fire_next() {});
    *now += HOUR_NS;
    fill(subject, &mut keys, *now);
    *now += HOUR_NS;
    let one_pass = each(count, || subject.fire_all(*now));
    let arm = fill(subject, &mut keys, *now);
    let clear_all =
        |subject: &mut S, keys: &[S::Key]| each(count, || keys.iter().for_each(|key| subject.clear(*key)));
    let as_armed = clear_all(subject, &keys);
    *now += HOUR_NS;
    // Lazy subjects still have to discard the cleared entries.
    subject.fire_all(*now);
    fill(subject, &mut keys, *now);
    dice.shuffle(&mut keys);
    let at_random = clear_all(subject, &keys);
    *now += HOUR_NS;
    subject.fire_all(*now);
    [arm, as_armed, at_random, one_a_pass, one_pass]
}

fn stores(count: usize) {
    let rounds = (2_000_000 / count).clamp(7, 101);
    let (mut wheel, mut shuffled) = (TimerQueue::new(), TimerQueue::new());
    // A timer that stays armed keeps the freed slots in the order in which they were freed.
    shuffled.arm(NEVER, None, 0);
    let (mut heap, mut tree) = (Heap::default(), Tree::default());
    let (mut dice, mut nows) = (Dice(0x9E37_79B9_7F4A_7C15), [1; 4]);
    let mut figures: [[Vec<f64>; COLUMNS.len()]; 4] = Default::default();
    for number in 0..=rounds {
        let rows = [
            round(&mut wheel, count, &mut dice, &mut nows[0]),
            round(&mut shuffled, count, &mut dice, &mut nows[1]),
            round(&mut heap, count, &mut dice, &mut nows[2]),
            round(&mut tree, count, &mut dice, &mut nows[3]),
        ];
        // The first round warms up pages and capacities.
        if number > 0 {
            let cells = figures.iter_mut().flatten().zip(rows.into_iter().flatten());
            cells.for_each(|(column, value)| column.push(value));
        }
    }
    println!("{count} timers, ns each (median of {rounds} rounds)");
    println!("  {:<28}{}", "", COLUMNS.map(|name| format!("{name:>18}")).concat());
    let names = ["wheel", "wheel, places at random", "BinaryHeap, lazy clear", "BTreeMap"];
    for (name, columns) in names.iter().zip(&mut figures) {
        println!(
            "  {name:<28}{}",
            columns.each_mut().map(|column| format!("{:18.1}", median(column))).concat()
        );
    }
}

/// Repeatedly clears the first timer, all in one slot, and looks up the next one each time, while others are
/// added.
fn cleared_minimum(count: usize) {
    const STEPS: usize = 200_000;
    let mut dice = Dice(11);
    let dues: Vec<u64> = (0..count + STEPS).map(|_| (1 << 52) + dice.roll(HOUR_NS)).collect();
    let mut tree: BTreeMap<(u64, usize), ()> = (0..count).map(|n| ((dues[n], n), ())).collect();
    let mut firsts = Vec::with_capacity(STEPS);
    let with_tree = each(STEPS, || {
        for (n, due) in dues.iter().enumerate().skip(count) {
            tree.insert((*due, n), ());
            firsts.extend(tree.pop_first().map(|((_, first), ())| first));
        }
    });
    let mut wheel = TimerQueue::new();
    let mut keys: Vec<Timer> = dues[..count].iter().map(|due| wheel.arm(Timestamp(*due), None, 0)).collect();
    let with_wheel = each(STEPS, || {
        for (due, first) in dues[count..].iter().zip(&firsts) {
            keys.push(wheel.arm(Timestamp(*due), None, 0));
            Subject::clear(&mut wheel, keys[*first]);
            black_box(wheel.next_due());
        }
    });
    println!(
        "  {count:>9} timers: one armed, the first cleared, the next asked for: {with_wheel:6.1} ns, a tree {with_tree:6.1}"
    );
}

enum Work {
    Nothing,
}

impl Task for Work {
    type Remote = Self;
    loop_core::tags!("Nothing");

    fn run(self, _: &mut Context<'_, Self>) {}
}

/// The same through a loop's public interface, unrecorded: on the machine's clock, but fired in virtual time.
fn through_a_loop(count: usize) {
    let rounds = (2_000_000 / count).clamp(5, 51);
    let mut real = EventLoop::<Work>::new().expect("the system has a poller");
    let sim = Sim::new();
    let mut virtual_time: SimLoop<Work> = sim.build(EventLoop::builder());
    let mut dice = Dice(5);
    let mut figures: [Vec<f64>; 5] = Default::default();
    for number in 0..=rounds {
        let delays: Vec<Duration> = (0..count).map(|_| Duration::from_nanos(dice.roll(HOUR_NS))).collect();
        let row = real.with(|cx| {
            let readings = each(count, || {
                (0..count).for_each(|_| {
                    black_box(cx.now());
                })
            });
            let mut keys = Vec::with_capacity(count);
            let arm =
                each(count, || keys.extend(delays.iter().map(|delay| cx.set_timeout(*delay, Work::Nothing))));
            dice.shuffle(&mut keys);
            let clear = each(count, || keys.drain(..).for_each(|key| assert!(cx.clear_timer(key))));
            let timers = delays.iter().map(|delay| (*delay, Work::Nothing));
            let many = each(count, || keys = cx.set_timeouts(timers));
            keys.drain(..).for_each(|key| assert!(cx.clear_timer(key)));
            [arm, many, clear, readings]
        });
        virtual_time.with(|cx| cx.set_timeouts(delays.iter().map(|delay| (*delay, Work::Nothing))));
        sim.advance(Duration::from_secs(3_600));
        let fire = each(count, || {
            virtual_time.turn().expect("a virtual poller");
        });
        if number > 0 {
            figures
                .iter_mut()
                .zip(row.into_iter().chain([fire]))
                .for_each(|(column, value)| column.push(value));
        }
    }
    let [arm, many, clear, readings, fire] = figures.each_mut().map(|column| median(column));
    println!(
        "  {count:>9} timers: set_timeout {arm:7.1} (a clock reading alone {readings:.1})   set_timeouts {many:6.1}   \
         clear_timer {clear:6.1}   fired in one turn {fire:6.1}"
    );
}

/// The cost of a turn with this many timers armed, one of which is due. It is armed last, so that a scan would have to see
/// all others.
fn a_turn(policy: Policy, count: u64) -> f64 {
    let sim = Sim::new();
    let mut event_loop: SimLoop<Work> = sim.build(EventLoop::builder().policy(policy));
    event_loop
        .with(|cx| cx.set_timeouts((0..count).map(|n| (Duration::from_secs(3_600 + n), Work::Nothing))));
    let mut turns: Vec<f64> = (0..21)
        .map(|_| {
            each(100, || {
                for _ in 0..100 {
                    event_loop.with(|cx| cx.set_timeout(Duration::ZERO, Work::Nothing));
                    event_loop.turn().expect("a virtual poller");
                }
            })
        })
        .collect();
    median(&mut turns)
}

fn main() {
    let largest = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(1_000_000);
    let sizes = || [1_000, 10_000, 100_000, 1_000_000].into_iter().filter(move |size| *size <= largest);
    sizes().for_each(stores);
    println!("the first timer cleared again and again, in a slot of all");
    sizes().for_each(cleared_minimum);
    println!("through a loop, no recorder, ns each");
    sizes().for_each(through_a_loop);
    println!("a turn that fires one of many timers, and arming that one, ns (virtual time)");
    for count in [0, 10, 1_000, 10_000] {
        let mut one = Policy::bun();
        one.timers = TimerRule::OnePerTurn;
        println!(
            "  {count:>9} timers: due order {:8.0}   arming order, one a turn {:8.0}",
            a_turn(Policy::bun(), count),
            a_turn(one, count)
        );
    }
}
