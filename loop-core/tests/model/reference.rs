//! The model: lists and the effect of each step of a turn on them, a second implementation that is written
//! without regard to speed.

mod acts;
mod drain;
mod order;

use std::collections::{BTreeMap, VecDeque};

use loop_core::Policy;
use loop_core::policy::{DrainRule, ExitRule, PollRule, SignalRule, SourceRule, TimerRule};

use order::Does;

use super::program::{ExternalEvent, HANDLED, Node, Program, SOURCES};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Drained,
    Stopped,
    /// The loop would have waited for ever.
    Stuck,
}

/// The model's view of a task, an immediate or a completion.
#[derive(Clone)]
struct Entry {
    node: Node,
    /// Whether it is the completion of a job.
    job: bool,
}

struct Timer {
    due: u64,
    /// Increases with each arming; `None` if the timer is not armed.
    armed: Option<u64>,
    firing: bool,
    referenced: bool,
    interval: Option<(u64, u32)>,
    delay: u64,
    node: Node,
}

struct Deferred {
    number: u64,
    key: u64,
    node: Node,
}

struct Immediate {
    number: usize,
    node: Node,
    referenced: bool,
}

struct Source {
    node: Node,
    registered: bool,
    referenced: bool,
    /// Ready to read, to write; and when each direction was last called.
    ready: [bool; 2],
    called: [u64; 2],
}

enum World {
    Happens(ExternalEvent),
    JobEnds(Node),
}

pub(super) struct Model {
    policy: Policy,
    pub(super) log: Vec<(u64, u32)>,
    now: u64,
    /// The clock reading at the end of a poll, for the timers that follow it.
    reading: Option<u64>,
    tasks: VecDeque<Entry>,
    budget: u32,
    micro: VecDeque<Node>,
    deferred: VecDeque<Deferred>,
    /// Callbacks that this tick may still run although they were added while a drain was running.
    deferred_budget: u32,
    deferred_posted: u64,
    immediates: Vec<Immediate>,
    immediates_set: usize,
    after_loop: Vec<Node>,
    timers: Vec<Timer>,
    armings: u64,
    sources: Vec<Source>,
    /// Sources that the last poll reported as ready.
    reported: Vec<usize>,
    calls: u64,
    handlers: [Node; HANDLED],
    signals: VecDeque<usize>,
    posted: VecDeque<Entry>,
    finished: VecDeque<Node>,
    jobs: u32,
    worker_free: u64,
    holds: i64,
    releases_later: i64,
    /// Net change of references by other threads since the loop last looked.
    held_outside: i64,
    stop_outside: bool,
    /// Whether another thread woke the loop, which has not looked at its posts since.
    woken: bool,
    /// Whether the loop was woken since its last poll, so that the next poll does not wait.
    looks: bool,
    stop: bool,
    reload: bool,
    /// A callback reloaded, and the work that it queued has not been drained yet.
    owes_drain: bool,
    world: BTreeMap<(u64, u64), World>,
    external_events: u64,
    /// The number of external events that callbacks caused.
    caused_count: u32,
}

impl Model {
    pub(super) fn new(policy: Policy, program: &Program) -> Self {
        let source = |node: &Node, place: usize| Source {
            node: node.clone(),
            registered: true,
            referenced: false,
            ready: [false; 2],
            called: [place as u64 + 1; 2],
        };
        let start = program.start.iter().map(|node| Entry { node: node.clone(), job: false });
        let mut model = Self {
            log: Vec::new(),
            now: 0,
            reading: None,
            tasks: start.collect(),
            budget: policy.tasks_per_tick,
            micro: VecDeque::new(),
            deferred: VecDeque::new(),
            deferred_budget: policy.tasks_per_tick,
            deferred_posted: 0,
            immediates: Vec::new(),
            immediates_set: 0,
            after_loop: Vec::new(),
            timers: Vec::new(),
            armings: 0,
            sources: (0..SOURCES).map(|place| source(&program.sources[place], place)).collect(),
            reported: Vec::new(),
            calls: SOURCES as u64,
            handlers: program.handlers.clone(),
            signals: VecDeque::new(),
            posted: VecDeque::new(),
            finished: VecDeque::new(),
            jobs: 0,
            worker_free: 0,
            holds: 0,
            releases_later: 0,
            held_outside: 0,
            stop_outside: false,
            woken: false,
            looks: false,
            stop: false,
            reload: false,
            owes_drain: false,
            world: BTreeMap::new(),
            external_events: 0,
            caused_count: 0,
            policy,
        };
        for (at, external_event) in &program.world {
            model.plan(*at, World::Happens(external_event.clone()));
        }
        model
    }

    fn plan(&mut self, at: u64, what: World) {
        self.external_events += 1;
        self.world.insert((at, self.external_events), what);
    }

    /// Milliseconds since the start of the world.
    pub(super) fn elapsed_ms(&self) -> u64 {
        self.now
    }

    /// References of all kinds.
    pub(super) fn alive(&self) -> u32 {
        let timers =
            self.timers.iter().filter(|timer| timer.referenced && (timer.armed.is_some() || timer.firing));
        let immediates = self.immediates.iter().filter(|immediate| immediate.referenced);
        let sources = self.sources.iter().filter(|source| source.registered && source.referenced);
        let queued = self.tasks.len() + self.micro.len() + self.deferred.len() + self.after_loop.len();
        let counted = timers.count() + immediates.count() + sources.count() + queued;
        counted as u32 + self.jobs + self.holds.max(0) as u32
    }

    fn is_drained(&self) -> bool {
        self.policy.exit == ExitRule::Unreferenced && self.alive() == 0
    }

    fn has_news(&self) -> bool {
        let has_arrivals = !self.posted.is_empty() || !self.signals.is_empty();
        has_arrivals || self.held_outside != 0 || self.stop_outside || self.woken
    }

    pub(super) fn run(&mut self) -> Ended {
        let exits_in_turn = order::of(&self.policy.name).contains(&Does::Exit);
        loop {
            self.stop |= std::mem::take(&mut self.stop_outside);
            if std::mem::take(&mut self.stop) {
                return Ended::Stopped;
            }
            if !exits_in_turn && self.is_drained() && !self.has_news() {
                return Ended::Drained;
            }
            if let Some(ended) = self.turn() {
                return ended;
            }
        }
    }

    fn turn(&mut self) -> Option<Ended> {
        (self.budget, self.reading) = (self.policy.tasks_per_tick, None);
        self.deferred_budget = self.policy.tasks_per_tick;
        for does in order::of(&self.policy.name) {
            if self.owes_drain {
                self.drain();
            }
            match does {
                Does::References => {
                    self.stop |= std::mem::take(&mut self.stop_outside);
                    self.holds += std::mem::take(&mut self.held_outside);
                }
                Does::Signals => self.take_signals(),
                Does::Posts => self.take_posted(),
                Does::Finished => {
                    let most = self.policy.jobs_per_read.map_or(usize::MAX, |most| most as usize);
                    let taken: Vec<_> = self.finished.drain(..self.finished.len().min(most)).collect();
                    self.tasks.extend(taken.into_iter().map(|node| Entry { node, job: true }));
                }
                Does::Pass => drop(self.pass()),
                Does::Passes => self.passes(),
                Does::Immediates => self.run_immediates(),
                Does::LateDrain if self.policy.drain == DrainRule::AfterEveryPass => self.drain(),
                Does::LateDrain => {}
                Does::Drain => self.drain(),
                Does::Exit if self.is_drained() && !self.has_news() => return Some(Ended::Drained),
                Does::Exit => {}
                Does::Releases => self.holds -= std::mem::take(&mut self.releases_later),
                Does::Poll if !self.poll() => return Some(Ended::Stuck),
                Does::Poll => {}
                Does::Sources => self.call_sources(),
                Does::Timers => self.fire(),
                Does::AfterLoop => self.run_after_loop(),
            }
        }
        None
    }

    fn take_signals(&mut self) {
        for _ in 0..self.signals.len() {
            let Some(node) = self.signals.pop_front().and_then(|signal| self.handlers.get(signal)) else {
                continue;
            };
            self.tasks.push_back(Entry { node: node.clone(), job: false });
            if self.policy.signals == SignalRule::OnePerTurn {
                break;
            }
        }
    }

    fn take_posted(&mut self) {
        let sets_aside = order::of(&self.policy.name).contains(&Does::Finished);
        self.looks |= std::mem::take(&mut self.woken);
        for entry in std::mem::take(&mut self.posted) {
            if entry.job && sets_aside {
                self.finished.push_back(entry.node);
            } else {
                self.tasks.push_back(entry);
            }
        }
    }

    /// Returns whether a task reloaded.
    fn pass(&mut self) -> bool {
        let mut ran = false;
        while self.budget > 0 {
            let Some(Entry { node, job }) = self.tasks.pop_front() else { break };
            self.budget -= 1;
            ran = true;
            let reloaded = self.run_node(&node);
            self.jobs -= u32::from(job);
            if reloaded {
                return true;
            }
        }
        if ran && self.policy.drain == DrainRule::AfterEveryPass {
            self.drain();
        }
        false
    }

    fn passes(&mut self) {
        loop {
            let reloaded = self.pass();
            self.take_posted();
            if reloaded || self.budget == 0 {
                return;
            }
            if self.tasks.is_empty() {
                self.drain();
                self.take_posted();
            }
            if self.tasks.is_empty() {
                return;
            }
        }
    }

    fn run_immediates(&mut self) {
        let set_before = self.immediates_set;
        while let Some(first) = self.immediates.first()
            && first.number < set_before
        {
            let immediate = self.immediates.remove(0);
            if self.run_node(&immediate.node) {
                return;
            }
        }
    }

    fn run_after_loop(&mut self) {
        let mut callbacks: VecDeque<_> = std::mem::take(&mut self.after_loop).into();
        while let Some(node) = callbacks.pop_front() {
            if self.run_node(&node) {
                break;
            }
        }
        let added = std::mem::take(&mut self.after_loop);
        self.after_loop = callbacks.into_iter().chain(added).collect();
    }

    /// Returns false if the poll would wait for ever.
    fn poll(&mut self) -> bool {
        if self.policy.poll == PollRule::WhenNoTask && !self.tasks.is_empty() {
            return true;
        }
        let queued = !self.tasks.is_empty()
            || !self.micro.is_empty()
            || !self.deferred.is_empty()
            || !self.immediates.is_empty()
            || !self.after_loop.is_empty();
        let looked_for = std::mem::take(&mut self.looks) || self.has_news();
        let looks = queued || looked_for || !self.finished.is_empty() || self.stop || self.is_drained();
        let nearest = self.timers.iter().filter(|timer| timer.armed.is_some()).map(|timer| timer.due).min();
        let default = self.policy.poll_timeout_default.map(|wait| self.now + wait.as_millis() as u64);
        let deadline = if looks { Some(self.now) } else { nearest.or(default) };
        loop {
            let mut woken = false;
            while let Some(entry) = self.world.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let what = entry.remove();
                woken |= self.happen(what);
            }
            let ready = self.sources.iter().any(|source| source.registered && source.ready != [false; 2]);
            self.reported = (0..SOURCES).filter(|source| self.sources[*source].ready != [false; 2]).collect();
            if woken || ready || deadline.is_some_and(|deadline| deadline <= self.now) {
                self.reading = Some(self.now);
                return true;
            }
            let next = self.world.keys().next().map(|(at, _)| *at);
            let Some(next) = [next, deadline].into_iter().flatten().min() else { return false };
            self.now = self.now.max(next);
        }
    }

    /// Returns whether the event wakes the loop.
    fn happen(&mut self, what: World) -> bool {
        match what {
            World::JobEnds(node) => self.posted.push_back(Entry { node, job: true }),
            World::Happens(ExternalEvent::Post(node)) => self.posted.push_back(Entry { node, job: false }),
            World::Happens(ExternalEvent::Signal(signal)) => self.signals.push_back(signal),
            World::Happens(ExternalEvent::Ready(source, writes)) => {
                self.sources[source].ready[usize::from(writes)] = true;
                return false;
            }
            World::Happens(ExternalEvent::Hold(on)) => {
                self.held_outside += if on { 1 } else { -1 };
                self.woken = true;
            }
            World::Happens(ExternalEvent::Stop) => (self.stop_outside, self.woken) = (true, true),
        }
        true
    }

    fn call_sources(&mut self) {
        // Each call handles both directions, or one, depending on the policy. The rest waits for the next poll.
        let ready = std::mem::take(&mut self.reported);
        if self.policy.sources == SourceRule::OnePerTurn {
            let directions = ready.iter().flat_map(|source| [(*source, 0), (*source, 1)]);
            let waiting = directions.filter(|(source, way)| {
                self.sources[*source].registered && self.sources[*source].ready[*way]
            });
            let next = waiting.min_by_key(|(source, way)| (self.sources[*source].called[*way], *way));
            let Some((source, way)) = next else { return };
            self.calls += 1;
            self.sources[source].called[way] = self.calls;
            self.sources[source].ready[way] = false;
            let node = self.sources[source].node.clone();
            self.run_node(&node);
            return;
        }
        for source in ready {
            // A source that has been removed since is not called.
            if self.sources[source].registered {
                self.sources[source].ready = [false; 2];
                let node = self.sources[source].node.clone();
                if self.run_node(&node) {
                    return;
                }
            }
        }
    }

    fn fire(&mut self) {
        let (reading, before) = (self.reading.take().unwrap_or(self.now), self.armings);
        loop {
            let due =
                |timer: &Timer| timer.due <= reading && timer.armed.is_some_and(|armed| armed <= before);
            let due: Vec<_> = (0..self.timers.len()).filter(|index| due(&self.timers[*index])).collect();
            let one_per_turn = self.policy.timers == TimerRule::OnePerTurn;
            let place = |index: &usize| {
                let timer = &self.timers[*index];
                (if one_per_turn { 0 } else { timer.due }, timer.armed)
            };
            let Some(index) = due.into_iter().min_by_key(place) else { return };
            if self.fire_one(index) || one_per_turn {
                return;
            }
        }
    }

    /// Returns whether the timer's callback reloaded.
    fn fire_one(&mut self, index: usize) -> bool {
        let timer = &mut self.timers[index];
        (timer.armed, timer.firing) = (None, true);
        let (node, started) = (timer.node.clone(), self.now);
        let last = timer.interval.as_mut().is_some_and(|(_, left)| {
            *left = left.saturating_sub(1);
            *left == 0
        });
        self.call(&node);
        if last {
            // The last firing clears the timer at the end of its callback, whatever the callback armed before.
            (self.timers[index].armed, self.timers[index].firing) = (None, false);
        }
        let reloaded = std::mem::take(&mut self.reload);
        self.owes_drain |= reloaded;
        if !reloaded {
            self.drain_after_task();
        }
        let timer = &mut self.timers[index];
        if let (true, None, Some((period, _))) = (timer.firing, timer.armed, timer.interval) {
            self.armings += 1;
            (timer.due, timer.armed) = (started + period, Some(self.armings));
        }
        timer.firing = false;
        reloaded
    }

    /// Calls `node` as a task, then drains. If the callback reloaded, returns true and does not drain.
    fn run_node(&mut self, node: &Node) -> bool {
        self.call(node);
        let reloaded = std::mem::take(&mut self.reload);
        self.owes_drain |= reloaded;
        if !reloaded {
            self.drain_after_task();
        }
        reloaded
    }

    fn drain_after_task(&mut self) {
        if self.policy.drain == DrainRule::AfterEveryTask {
            self.drain();
        }
    }
}
