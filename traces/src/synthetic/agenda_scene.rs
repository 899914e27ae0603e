//! A synthetic agenda for the synthetic loop: three priorities, workers with rings of their own, collections for which
//! all of them stop.
//!
//! The simulation never runs ahead: before each addition, the workers run the tasklets that they would have taken by then,
//! so depths, starts and waits agree to the nanosecond.

use std::collections::VecDeque;

use loop_probes::event::{Event, Outcome, Priority, WorkerPhase};
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};
use loop_probes::stamped::Stamped;

use super::script::{Expected, LOOP, Random};

/// The emitter number of worker 0; the others follow.
const FIRST_SOURCE: u32 = 100;
/// All workers stop for a collection every this many ticks; every `FAILED_EVERY` ticks, one of them fails to arrive.
const RENDEZVOUS_TICKS: u64 = 40;
const FAILED_EVERY: u64 = 160;

struct Tasklet {
    task: TaskId,
    tag: Tag,
    added: Timestamp,
}

pub(super) struct AgendaScene {
    random: Random,
    /// When each worker becomes free.
    free: Vec<Timestamp>,
    /// By priority, highest first.
    waiting: [VecDeque<Tasklet>; 3],
    next_task: u64,
}

const HIGHEST_FIRST: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

impl AgendaScene {
    pub(super) fn new(seed: u64, workers: u16, now: Timestamp) -> Self {
        let waiting = [VecDeque::new(), VecDeque::new(), VecDeque::new()];
        let free = vec![now; usize::from(workers)];
        Self { random: Random::new(seed ^ 0xa9e0_da00), free, waiting, next_task: 1 << 20 }
    }

    /// The names of its emitters.
    pub(super) fn sources(&self) -> impl Iterator<Item = (SourceId, String)> + '_ {
        (0..self.free.len()).map(|worker| (source(worker), format!("agenda {worker}")))
    }

    /// Adds tasklets in a tick that began at `now`; every [`RENDEZVOUS_TICKS`] ticks, all workers first stop for a
    /// collection. The loop records the additions, the workers everything else.
    pub(super) fn tick(&mut self, tick: u64, now: Timestamp, out: &mut Vec<Stamped>, sums: &mut Expected) {
        if self.free.is_empty() {
            return;
        }
        if tick.is_multiple_of(RENDEZVOUS_TICKS) {
            self.advance(now, out, sums);
            self.rendezvous(now, tick.is_multiple_of(FAILED_EVERY), out);
            sums.rendezvous += 1;
        }
        for _ in 0..self.random.below(4) {
            // Most have a high priority, so that tasklets of low priority wait.
            let place = [0, 0, 0, 1, 1, 2][self.random.below(6) as usize];
            self.add(place, now, out, sums);
        }
        sums.tasklets_waiting = self.waiting.iter().map(|queue| queue.len() as u64).sum();
    }

    fn add(&mut self, place: usize, now: Timestamp, out: &mut Vec<Stamped>, sums: &mut Expected) {
        self.advance(now, out, sums);
        let (task, tag) = (TaskId(self.next_task), Tag(1 + self.random.below(3) as u16));
        self.next_task += 1;
        self.waiting[place].push_back(Tasklet { task, tag, added: now });
        let (priority, depth) = (HIGHEST_FIRST[place], self.waiting[place].len() as u32);
        let event = Event::AgendaAdded { task, tag, priority, depth };
        out.push(Stamped { at: now, source: LOOP, event });
        sums.tasklets_added += 1;
    }

    /// Runs the tasklets that workers take before `until`.
    pub(super) fn advance(&mut self, until: Timestamp, out: &mut Vec<Stamped>, sums: &mut Expected) {
        loop {
            let next = self.free.iter().enumerate().min_by_key(|(_, free)| **free);
            let Some((worker, free)) = next.map(|(worker, free)| (worker, *free)) else { return };
            let earliest = self.waiting.iter().filter_map(|queue| queue.front()).map(|it| it.added).min();
            let Some(earliest) = earliest else { return };
            let start = free.max(earliest).plus_ns(700);
            if start >= until {
                return;
            }
            let ready =
                |queue: &VecDeque<Tasklet>| queue.front().is_some_and(|tasklet| tasklet.added < start);
            let Some(place) = self.waiting.iter().position(ready) else { return };
            let Some(tasklet) = self.waiting[place].pop_front() else { return };
            self.run(worker, place, &tasklet, start, out, sums);
        }
    }

    fn run(
        &mut self,
        worker: usize,
        place: usize,
        tasklet: &Tasklet,
        start: Timestamp,
        out: &mut Vec<Stamped>,
        sums: &mut Expected,
    ) {
        let end = start.plus_ns(90_000 + self.random.below(900_000));
        let outcome = if self.random.below(60) == 0 { Outcome::Failed } else { Outcome::Done };
        self.state(worker, start, WorkerPhase::Idle, WorkerPhase::Run, out);
        let Tasklet { task, tag, added } = *tasklet;
        let (priority, number) = (HIGHEST_FIRST[place], worker as u16);
        let event = Event::AgendaRan { task, tag, priority, worker: number, outcome, queued: added, start };
        out.push(Stamped { at: end, source: source(worker), event });
        self.state(worker, end, WorkerPhase::Run, WorkerPhase::Idle, out);
        self.free[worker] = end.plus_ns(300);
        sums.tasklets_run += 1;
        sums.tasklets_failed += u64::from(outcome == Outcome::Failed);
    }

    fn rendezvous(&mut self, asked: Timestamp, fails: bool, out: &mut Vec<Stamped>) {
        let arrivals: Vec<Timestamp> = self.free.iter().map(|free| (*free).max(asked).plus_ns(400)).collect();
        let met = arrivals.iter().copied().max().unwrap_or(asked);
        let expected = arrivals.len() as u32;
        for (worker, arrival) in arrivals.into_iter().enumerate() {
            let over = met.plus_ns(250_000);
            self.state(worker, arrival, WorkerPhase::Idle, WorkerPhase::Gc, out);
            self.state(worker, over, WorkerPhase::Gc, WorkerPhase::EndGc, out);
            self.state(worker, over.plus_ns(2_000), WorkerPhase::EndGc, WorkerPhase::Idle, out);
            self.free[worker] = over.plus_ns(2_500);
        }
        let event = Event::GcRendezvous { arrived: expected - u32::from(fails), expected, start: asked };
        out.push(Stamped { at: met, source: source(0), event });
    }

    fn state(
        &self,
        worker: usize,
        at: Timestamp,
        from: WorkerPhase,
        to: WorkerPhase,
        out: &mut Vec<Stamped>,
    ) {
        let event = Event::WorkerState { worker: worker as u16, from, to };
        out.push(Stamped { at, source: source(worker), event });
    }
}

const fn source(worker: usize) -> SourceId {
    SourceId(FIRST_SOURCE + worker as u32)
}
