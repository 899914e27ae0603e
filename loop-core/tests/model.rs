//! Random programs under virtual time, against a model that is small enough to be seen to be right.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use loop_core::{Builtin, Policy};
use loop_probes::event::StopReason;
use proptest::prelude::*;

use crate::invariants;
use crate::kit::{Cx, World, ms};

/// What a callback does.
#[derive(Clone, Debug)]
enum Act {
    Post(Node),
    Micro(Node),
    Defer(u64, Node),
    Immediate(Node),
    Timer(u64, Node),
    /// Fires so many times, then clears itself.
    Interval(u64, u32, Node),
    /// Clears the timer with this number, modulo how many there were.
    Clear(usize),
    /// Restarts a timer with its whole delay.
    Refresh(usize),
    Reference(usize, bool),
    Works(u64),
    Stop,
}

/// A callback. Its name is its place in the program.
#[derive(Clone, Debug)]
struct Node {
    name: u32,
    acts: Rc<Vec<Act>>,
}

fn node(depth: u32) -> BoxedStrategy<Node> {
    let acts = if depth == 0 {
        Just(Vec::new()).boxed()
    } else {
        prop::collection::vec(act(depth - 1), 0..5).boxed()
    };
    (any::<u32>(), acts).prop_map(|(name, acts)| Node { name, acts: Rc::new(acts) }).boxed()
}

fn act(depth: u32) -> BoxedStrategy<Act> {
    let inner = || node(depth);
    prop_oneof![
        3 => inner().prop_map(Act::Post),
        3 => inner().prop_map(Act::Micro),
        2 => (0..3_u64, inner()).prop_map(|(key, node)| Act::Defer(key, node)),
        3 => inner().prop_map(Act::Immediate),
        4 => (0..6_u64, inner()).prop_map(|(delay, node)| Act::Timer(delay, node)),
        1 => (1..6_u64, 1..4_u32, inner()).prop_map(|(period, times, node)| Act::Interval(period, times, node)),
        2 => any::<usize>().prop_map(Act::Clear),
        2 => any::<usize>().prop_map(Act::Refresh),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(timer, on)| Act::Reference(timer, on)),
        2 => (0..8_u64).prop_map(Act::Works),
        1 => Just(Act::Stop),
    ]
    .boxed()
}

/// The model: lists, and the order of a turn written down once more.
#[derive(Default)]
struct Model {
    log: Vec<(u64, u32)>,
    now: u64,
    tasks: VecDeque<Node>,
    micro: VecDeque<Node>,
    deferred: Vec<(u64, Node)>,
    immediates: Vec<Node>,
    timers: Vec<Timer>,
    armings: u64,
    stop: bool,
}

struct Timer {
    due: u64,
    /// Later armings fire later among equals; `None` is "not armed".
    armed: Option<u64>,
    firing: bool,
    referenced: bool,
    interval: Option<(u64, u32)>,
    delay: u64,
    node: Node,
}

impl Model {
    fn arm(&mut self, delay: u64, interval: Option<(u64, u32)>, node: &Node) {
        self.armings += 1;
        let (due, armed) = (self.now + delay, Some(self.armings));
        let node = node.clone();
        self.timers.push(Timer { due, armed, firing: false, referenced: true, interval, delay, node });
    }

    fn refresh(&mut self, index: usize) {
        let timer = &mut self.timers[index];
        // What runs once has nothing left to run while it fires.
        if timer.armed.is_some() || (timer.firing && timer.interval.is_some()) {
            self.armings += 1;
            (timer.due, timer.armed) = (self.now + timer.delay, Some(self.armings));
        }
    }

    fn call(&mut self, node: &Node) {
        self.log.push((self.now, node.name));
        for act in node.acts.iter() {
            let timers = self.timers.len();
            match act {
                Act::Post(node) => self.tasks.push_back(node.clone()),
                Act::Micro(node) => self.micro.push_back(node.clone()),
                Act::Defer(key, node) => {
                    if self.deferred.iter().all(|(other, _)| other != key) {
                        self.deferred.push((*key, node.clone()));
                    }
                }
                Act::Immediate(node) => self.immediates.push(node.clone()),
                Act::Timer(delay, node) => self.arm(*delay, None, node),
                Act::Interval(period, times, node) => self.arm(*period, Some((*period, *times)), node),
                Act::Clear(timer) if timers > 0 => {
                    let timer = &mut self.timers[timer % timers];
                    (timer.armed, timer.firing) = (None, false);
                }
                Act::Refresh(timer) if timers > 0 => self.refresh(timer % timers),
                Act::Reference(timer, on) if timers > 0 => self.timers[timer % timers].referenced = *on,
                Act::Clear(_) | Act::Refresh(_) | Act::Reference(..) => {}
                Act::Works(took) => self.now += took,
                Act::Stop => self.stop = true,
            }
        }
    }

    fn run(&mut self, node: &Node) {
        self.call(node);
        self.drain();
    }

    fn drain(&mut self) {
        self.checkpoint();
        let mut batch: VecDeque<_> = std::mem::take(&mut self.deferred).into();
        while let Some((_, node)) = batch.pop_front() {
            // A key of the batch that has not run yet is still queued.
            let added = std::mem::take(&mut self.deferred);
            let waiting = batch.len();
            self.deferred = batch.into_iter().chain(added).collect();
            self.call(&node);
            let added = self.deferred.split_off(waiting);
            batch = std::mem::replace(&mut self.deferred, added).into();
        }
        self.checkpoint();
    }

    fn checkpoint(&mut self) {
        while let Some(node) = self.micro.pop_front() {
            self.call(&node);
        }
    }

    fn alive(&self) -> bool {
        let timer =
            self.timers.iter().any(|timer| timer.referenced && (timer.armed.is_some() || timer.firing));
        timer || !self.tasks.is_empty() || !self.immediates.is_empty()
    }

    fn turn(&mut self) {
        loop {
            while let Some(node) = self.tasks.pop_front() {
                self.run(&node);
            }
            self.drain();
            if self.tasks.is_empty() {
                break;
            }
        }
        for node in std::mem::take(&mut self.immediates) {
            self.run(&node);
        }
        let must_not_wait =
            self.stop || !self.tasks.is_empty() || !self.immediates.is_empty() || !self.alive();
        let nearest = self.timers.iter().filter(|timer| timer.armed.is_some()).map(|timer| timer.due).min();
        if let Some(due) = nearest.filter(|_| !must_not_wait) {
            self.now = self.now.max(due);
        }
        self.fire();
    }

    fn fire(&mut self) {
        let (reading, before) = (self.now, self.armings);
        loop {
            let due =
                |timer: &Timer| timer.due <= reading && timer.armed.is_some_and(|armed| armed <= before);
            let indices = 0..self.timers.len();
            let next = indices.filter(|index| due(&self.timers[*index]));
            let Some(index) = next.min_by_key(|index| (self.timers[*index].due, self.timers[*index].armed))
            else {
                break;
            };
            let timer = &mut self.timers[index];
            (timer.armed, timer.firing) = (None, true);
            let (node, started) = (timer.node.clone(), self.now);
            let last = timer.interval.as_mut().is_some_and(|(_, left)| {
                *left = left.saturating_sub(1);
                *left == 0
            });
            self.call(&node);
            if last {
                // Its callback ends with clearing it, whatever it armed before.
                (self.timers[index].armed, self.timers[index].firing) = (None, false);
            }
            self.drain();
            let timer = &mut self.timers[index];
            if let (true, None, Some((period, _))) = (timer.firing, timer.armed, timer.interval) {
                self.armings += 1;
                (timer.due, timer.armed) = (started + period, Some(self.armings));
            }
            timer.firing = false;
        }
    }
}

/// The same program on the loop.
#[derive(Clone)]
struct Real {
    log: Rc<RefCell<Vec<(u64, u32)>>>,
    timers: Rc<RefCell<Vec<loop_core::Timer>>>,
    sim: loop_core::sim::Sim,
}

impl Real {
    fn call(&self, cx: &mut Cx<'_>, node: &Node) {
        self.log.borrow_mut().push((self.sim.elapsed().as_millis() as u64, node.name));
        for act in node.acts.iter() {
            self.act(cx, act);
        }
    }

    fn act(&self, cx: &mut Cx<'_>, act: &Act) {
        let picked = |timer: &usize| {
            let timers = self.timers.borrow();
            (!timers.is_empty()).then(|| timers[timer % timers.len()])
        };
        match act {
            Act::Post(node) => {
                cx.post(self.task(node));
            }
            Act::Micro(node) => cx.microtask(self.task(node)),
            Act::Defer(key, node) => {
                let (real, node) = (self.clone(), node.clone());
                cx.defer(*key, move |cx| {
                    real.call(cx, &node);
                    false
                });
            }
            Act::Immediate(node) => {
                cx.immediate(self.task(node));
            }
            Act::Timer(delay, node) => {
                let timer = cx.set_timeout(ms(*delay), self.task(node));
                self.timers.borrow_mut().push(timer);
            }
            Act::Interval(period, times, node) => {
                let (real, node, left) = (self.clone(), node.clone(), Cell::new(*times));
                let task = Builtin::repeat("node", move |cx| {
                    left.set(left.get().saturating_sub(1));
                    let timer = cx.timer().unwrap();
                    real.call(cx, &node);
                    if left.get() == 0 {
                        cx.clear_timer(timer);
                    }
                });
                let timer = cx.set_interval(ms(*period), task).unwrap();
                self.timers.borrow_mut().push(timer);
            }
            Act::Clear(timer) => {
                if let Some(timer) = picked(timer) {
                    cx.clear_timer(timer);
                }
            }
            Act::Refresh(timer) => {
                if let Some(timer) = picked(timer) {
                    let _ = cx.refresh_timer(timer);
                }
            }
            Act::Reference(timer, on) => {
                if let Some(timer) = picked(timer) {
                    // One that fired or was cleared has nothing to reference.
                    let _ = cx.set_timer_referenced(timer, *on);
                }
            }
            Act::Works(took) => self.sim.advance(ms(*took)),
            Act::Stop => cx.stop(),
        }
    }

    fn task(&self, node: &Node) -> Builtin {
        let (real, node) = (self.clone(), node.clone());
        Builtin::once("node", move |cx| real.call(cx, &node))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_programs_run_in_the_order_of_the_model(program in prop::collection::vec(node(3), 1..4)) {
        let mut world = World::with_policy(Policy::bun());
        let real = Real { log: Rc::default(), timers: Rc::default(), sim: world.sim.clone() };
        let mut model = Model::default();
        for node in &program {
            world.post(real.task(node));
            model.tasks.push_back(node.clone());
        }
        loop {
            let ended = world.lp.run().unwrap();
            while !std::mem::take(&mut model.stop) && model.alive() {
                model.turn();
            }
            prop_assert_eq!(&*real.log.borrow(), &model.log);
            if ended == StopReason::Drained {
                break;
            }
        }
        prop_assert!(!model.alive());
        invariants::check(&world.stamped());
    }
}
