//! Tasklets of the agenda: who added each, and what each did.
//!
//! Tasklets added by a callback lie between its start and its end. Acts of a tasklet lie in the stretch in which its
//! worker ran it: posts name their worker, and additions are in the ring of the worker. All others came from elsewhere.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use loop_probes::event::{Event, Outcome, Priority};
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};

use super::super::cost::Sample;
use super::reading::{AgendaReader, FinishedTasklet, Reading, Worker};
use super::{Act, ArrivalKind, NONE, Op, RunId, Tasklet, finish};

impl Reading {
    /// Processes an event of an emitter other than the loop, or of its agenda.
    pub(super) fn see_agenda(&mut self, at: Timestamp, source: SourceId, event: Event) {
        match event {
            Event::AgendaAdded { task, tag, priority, .. } => self.added(at, source, task, tag, priority),
            Event::AgendaRan { task, tag, priority, outcome, queued, start, .. } => {
                let known = self.agenda.waiting.remove(&task);
                let tasklet = known.unwrap_or_else(|| {
                    let tasklet = self.new_tasklet(tag, priority);
                    self.agenda.at_start_ended = self.agenda.at_start_ended.saturating_add(1);
                    self.arrived(queued, ArrivalKind::Tasklet(tasklet));
                    tasklet
                });
                let (queued, start) = (queued.max(self.begin), start.max(self.begin));
                let cost_ns = at.ns_since(start);
                let earlier = self.script.tasklets[tasklet as usize];
                self.script.tasklets[tasklet as usize] =
                    Tasklet { outcome, cost_ns, is_known: true, ..earlier };
                self.agenda.ran.push(FinishedTasklet { worker: source, queued, start, end: at, tasklet });
                if let Some(worker) = self.agenda.worker(source) {
                    *worker = Worker { last: Some((task, tasklet)), end: at };
                }
                self.agenda.pending = self.agenda.pending.saturating_sub(1);
                if self.agenda.pending == 0 {
                    self.outside.idle_at = Some(at);
                }
            }
            Event::WorkerState { .. } => drop(self.agenda.worker(source)),
            _ if self.agenda.workers.contains_key(&source) => {
                let operation = self.operation(at, &event);
                self.agenda.ops.extend(operation.map(|what| (source, at, what)));
            }
            _ => {}
        }
    }

    fn added(&mut self, at: Timestamp, source: SourceId, task: TaskId, tag: Tag, priority: Priority) {
        let tasklet = self.new_tasklet(tag, priority);
        self.agenda.waiting.insert(task, tasklet);
        self.agenda.pending = self.agenda.pending.saturating_add(1);
        match self.agenda.workers.get(&source) {
            // It asked to run again, right at its end.
            Some(Worker { last: Some((last, earlier)), end }) if *last == task && *end == at => {
                self.script.tasklets[*earlier as usize].next = tasklet;
                self.outside.idle_at = self.outside.idle_at.filter(|idle| *idle != at);
            }
            Some(_) => self.agenda.ops.push((source, at, Op::Tasklet(tasklet))),
            None => self.open.push((at, None, Op::Tasklet(tasklet))),
        }
    }

    fn new_tasklet(&mut self, tag: Tag, priority: Priority) -> u32 {
        self.script.tasklets.push(Tasklet {
            tag,
            priority,
            outcome: Outcome::Done,
            cost_ns: 0,
            wake_ns: None,
            acts: NONE,
            next: NONE,
            is_known: false,
        });
        (self.script.tasklets.len() - 1) as u32
    }

    /// A post of another thread: of a worker, or of an unknown one.
    pub(super) fn posted(&mut self, queued: Timestamp, poster: Option<SourceId>, run: RunId) {
        match poster.filter(|poster| self.agenda.workers.contains_key(poster)) {
            Some(worker) => self.agenda.ops.push((worker, queued, Op::Post(run))),
            None => self.arrived(queued, ArrivalKind::Post(run)),
        }
    }

    /// Turns an act that no run explains into an arrival.
    pub(super) fn arrived_at_agenda(&mut self, at: Timestamp, what: Op) {
        match what {
            Op::Post(run) => self.arrived(at, ArrivalKind::Post(run)),
            Op::Tasklet(tasklet) => self.arrived(at, ArrivalKind::Tasklet(tasklet)),
            _ => {}
        }
    }

    /// Assigns the acts of workers to their tasklets once everything was read. Returns how long workers took to take
    /// tasklets, when idle and from one to the next.
    pub(super) fn finish_agenda(&mut self) -> [Vec<Sample>; 2] {
        let AgendaReader { workers, mut ran, ops, at_start, at_start_ended, .. } =
            std::mem::take(&mut self.agenda);
        self.script.agenda_workers = workers.len() as u16;
        let unseen = at_start.saturating_sub(at_start_ended);
        self.script.start.held = self.script.start.held.saturating_add(unseen);
        ran.sort_by_key(|ran| (ran.worker, ran.start));
        let mut acts: Vec<(u32, Act)> = Vec::new();
        for (worker, at, what) in ops {
            let next = ran.partition_point(|ran| (ran.worker, ran.start) <= (worker, at));
            let by = next.checked_sub(1).map(|place| ran[place]);
            match by.filter(|ran| ran.worker == worker && at <= ran.end) {
                Some(ran) => acts.push((ran.tasklet, Act { after_ns: at.ns_since(ran.start), what })),
                None => self.arrived_at_agenda(at, what),
            }
        }
        acts.sort_by_key(|(tasklet, act)| (*tasklet, act.after_ns));
        for of_one in acts.chunk_by(|(one, _), (other, _)| one == other) {
            let list = self.script.acts.add(of_one.iter().map(|(_, act)| *act));
            self.script.tasklets[of_one[0].0 as usize].acts = list;
        }
        let known = self.script.tasklets.iter().filter(|tasklet| tasklet.is_known);
        let median_ns = finish::medians(known.map(|tasklet| (tasklet.tag.0, tasklet.cost_ns)).collect());
        for tasklet in self.script.tasklets.iter_mut().filter(|tasklet| !tasklet.is_known) {
            tasklet.cost_ns = median_ns(tasklet.tag);
        }
        taken(&ran, workers.len(), &mut self.script.tasklets)
    }
}

/// Samples of two delays: from adding a tasklet until an idle worker takes one, and from the end of a tasklet until its
/// busy worker takes the next. A busy worker may take the tasklet that an idle one was woken for; the idle worker would
/// have taken at least as long. A delay of the first kind ends when any of the idle workers takes its next tasklet, so
/// a tasklet that waits behind others does not prolong it.
fn taken(ran: &[FinishedTasklet], workers: usize, tasklets: &mut [Tasklet]) -> [Vec<Sample>; 2] {
    let sorted = |time: fn(&FinishedTasklet) -> Timestamp| {
        let mut times: Vec<Timestamp> = ran.iter().map(time).collect();
        times.sort_unstable();
        times
    };
    let (starts, ends) = (sorted(|ran| ran.start), sorted(|ran| ran.end));
    let before = |times: &[Timestamp], at| times.partition_point(|time| *time <= at);
    let (mut wake, mut next) = (Vec::new(), Vec::new());
    let mut earlier: Option<FinishedTasklet> = None;
    for (ran, arrival) in ran.iter().zip(arrivals(ran)) {
        if before(&starts, ran.queued) - before(&ends, ran.queued) < workers {
            let sample = Sample::between(ran.queued, arrival.map_or(ran.start, |at| at.min(ran.start)));
            tasklets[ran.tasklet as usize].wake_ns = Some(sample.ns);
            wake.push(sample);
        } else if let Some(earlier) = earlier.filter(|earlier| earlier.worker == ran.worker) {
            next.push(Sample::between(earlier.end, ran.start));
        }
        earlier = Some(*ran);
    }
    [wake, next]
}

/// For each of `ran`, sorted by worker and start: the first start of any worker that was idle when it was queued.
fn arrivals(ran: &[FinishedTasklet]) -> Vec<Option<Timestamp>> {
    let mut idle: Vec<(Timestamp, Timestamp)> = Vec::with_capacity(ran.len());
    for (place, one) in ran.iter().enumerate() {
        let earlier = place.checked_sub(1).map(|place| ran[place]);
        let since = earlier.filter(|earlier| earlier.worker == one.worker).map(|earlier| earlier.end);
        idle.push((since.unwrap_or_default(), one.start));
    }
    idle.sort_unstable();
    let mut queued: Vec<usize> = (0..ran.len()).collect();
    queued.sort_unstable_by_key(|place| ran[*place].queued);
    let (mut idle, mut ends) = (idle.into_iter().peekable(), BinaryHeap::new());
    let mut arrivals = vec![None; ran.len()];
    for place in queued {
        let at = ran[place].queued;
        while let Some((_, end)) = idle.next_if(|(since, _)| *since <= at) {
            ends.push(Reverse(end));
        }
        while ends.peek().is_some_and(|Reverse(end)| *end <= at) {
            ends.pop();
        }
        arrivals[place] = ends.peek().map(|Reverse(end)| *end);
    }
    arrivals
}
