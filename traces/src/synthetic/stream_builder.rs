//! Plays a [`Script`]: emits the ticks of a synthetic loop in the order of a real one.

use loop_probes::event::{
    ClockPoint, Event, GcAction, GcReason, LabelKind, Origin, Outcome, Phase, Placement, PollReason, Queue,
    RefKind,
};
use loop_probes::ids::{IoSource, LabelId, NonMax, SourceId, Tag, TaskId, TimerId, Timestamp};
use loop_probes::stamped::Stamped;
use loop_probes::text::Text;

use super::agenda_scene::AgendaScene;
use super::script::{Expected, LOOP, Random, STALL_LIMIT_NS, START_NS, Script, TAGS};

const TIMER_PERIODS_NS: [u64; 3] = [1_000_000, 10_000_000, 100_000_000];

struct Queued {
    task: TaskId,
    tag: Tag,
    at: Timestamp,
}

pub(super) struct StreamBuilder<'a> {
    pub(super) script: &'a Script,
    random: Random,
    pub(super) loop_kinds_random: Random,
    agenda: AgendaScene,
    pub(super) now: Timestamp,
    emitted: Vec<Stamped>,
    tasks: Vec<Queued>,
    timers: [Timestamp; 3],
    workers_free: Vec<Timestamp>,
    next_task: u64,
    heap_bytes: u64,
    heap_bytes_last: u64,
    polled_ns: u64,
    tasks_run: u32,
    damaged: bool,
    pub(super) expected: Expected,
}

impl<'a> StreamBuilder<'a> {
    pub(super) fn new(script: &'a Script) -> Self {
        let now = Timestamp(START_NS);
        Self {
            script,
            random: Random::new(script.seed),
            loop_kinds_random: Random::new(script.seed ^ 0xface),
            agenda: AgendaScene::new(script.seed, script.agenda_workers, now),
            now,
            emitted: Vec::new(),
            tasks: Vec::new(),
            timers: TIMER_PERIODS_NS.map(|period| now.plus_ns(period)),
            workers_free: vec![now; usize::from(script.workers)],
            next_task: 1,
            heap_bytes: 4 << 20,
            heap_bytes_last: 4 << 20,
            polled_ns: 0,
            tasks_run: 0,
            damaged: false,
            expected: Expected::default(),
        }
    }

    pub(super) fn play(mut self) -> (Vec<Stamped>, Expected) {
        self.emit_labels();
        for tick in 1..=u64::from(self.script.ticks) {
            self.tick(tick);
        }
        self.stop();
        // Workers write to rings of their own; a merged stream is sorted by time.
        self.emitted.sort_by_key(|stamped| stamped.at);
        (self.emitted, self.expected)
    }

    /// A uniform random number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.random.below(limit)
    }

    /// Advances time by a random amount between a half and one and a half of `ns`, unless the script is `frozen`.
    pub(super) fn pass(&mut self, ns: u64) {
        if !self.script.frozen {
            let ns = ns / 2 + self.below(ns);
            self.now = self.now.plus_ns(ns.max(1));
        }
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.emitted.push(Stamped { at: self.now, source: LOOP, event });
    }

    fn emit_labels(&mut self) {
        for (id, name) in TAGS.iter().enumerate() {
            let text = Text::new(name);
            self.emit(Event::Label { kind: LabelKind::Tag, id: id as u32, text });
        }
        self.emit(Event::Label { kind: LabelKind::Source, id: LOOP.0, text: Text::new("loop") });
        for worker in 0..u32::from(self.script.workers) {
            let text = Text::new(&format!("worker {worker}"));
            self.emit(Event::Label { kind: LabelKind::Source, id: worker + 2, text });
        }
        self.emit(Event::Label { kind: LabelKind::Span, id: 1, text: Text::new("parse \"header\"") });
        self.emit(Event::Label { kind: LabelKind::Io, id: 3, text: Text::new("listener") });
        for (source, name) in self.agenda.sources().collect::<Vec<_>>() {
            let text = Text::new(&name);
            self.emit(Event::Label { kind: LabelKind::Source, id: source.0, text });
        }
        if self.script.loop_kinds {
            self.name_loop_kinds();
        }
        self.emit(Event::RefChanged { what: RefKind::Io, delta: 1, alive: 4 });
    }

    fn tick(&mut self, tick: u64) {
        let start = self.now;
        (self.polled_ns, self.tasks_run, self.damaged) = (0, 0, false);
        self.emit(Event::TickStart { tick });
        self.emit(Event::QueueDepth { queue: Queue::Tasks, depth: self.tasks.len() as u32 });
        let concurrent = self.below(4) as u32;
        self.emit(Event::QueueDepth { queue: Queue::Concurrent, depth: concurrent });
        self.emit(Event::QueueDepth { queue: Queue::Timers, depth: 3 });
        self.loop_kinds(tick);
        self.agenda.tick(tick, self.now, &mut self.emitted, &mut self.expected);
        self.signals();
        self.concurrent(concurrent);
        self.gc_check();
        if self.script.lost_every > 0 && tick.is_multiple_of(u64::from(self.script.lost_every)) {
            let from = self.now;
            self.pass(5_000);
            let count = 1 + self.below(500);
            self.emit(Event::Lost { count, from });
            self.expected.lost_records += count;
            self.damaged = true;
        }
        let stalls = self.script.stall_every > 0 && tick.is_multiple_of(u64::from(self.script.stall_every));
        self.task_queue(stalls);
        self.immediates();
        self.poll();
        self.io();
        self.due_timers();
        self.pass(300);
        self.emit(Event::TickEnd { tick, tasks_run: self.tasks_run, start });
        self.account(start);
    }

    fn account(&mut self, start: Timestamp) {
        let expected = &mut self.expected;
        if self.damaged {
            expected.incomplete_ticks += 1;
            return;
        }
        let busy_ns = self.now.ns_since(start) - self.polled_ns;
        expected.ticks += 1;
        expected.busy_ns += busy_ns;
        expected.poll_wait_ns += self.polled_ns;
        expected.stalls += u64::from(busy_ns > STALL_LIMIT_NS);
    }

    fn signals(&mut self) {
        if self.below(9) > 0 {
            return;
        }
        let start = self.now;
        self.pass(200);
        let arrived = Timestamp(start.0 - self.below(90_000).min(start.0 - START_NS));
        self.emit(Event::SignalArrived { signo: 10, depth: 1, arrived });
        let task = self.queue(Tag(4), Origin::Signal, None);
        self.pass(200);
        self.emit(Event::Phase { phase: Phase::Signals, start });
        // A real loop delivers a signal when its task runs, in queue order; this one at once, to keep the test simple.
        self.emit(Event::SignalDelivered { signo: 10, task, arrived });
        self.expected.signals_delivered += 1;
    }

    fn concurrent(&mut self, taken: u32) {
        if taken == 0 {
            return;
        }
        let start = self.now;
        self.emit(Event::InputBatch { queue: Queue::Concurrent, taken });
        for _ in 0..taken {
            self.pass(80);
            self.queue(Tag(7), Origin::Concurrent, None);
        }
        self.emit(Event::Phase { phase: Phase::Concurrent, start });
    }

    fn queue(&mut self, tag: Tag, origin: Origin, parent: Option<TaskId>) -> TaskId {
        let task = TaskId(self.next_task);
        self.next_task += 1;
        self.tasks.push(Queued { task, tag, at: self.now });
        let place = Placement { queue: Queue::Tasks, origin, depth: self.tasks.len() as u32 };
        let poster = (origin == Origin::Concurrent).then_some(SourceId(2));
        let parent = parent.map(NonMax::from);
        self.emit(Event::TaskQueued { task, tag, place, parent, poster, queued: self.now });
        task
    }

    fn gc_check(&mut self) {
        let start = self.now;
        self.pass(150);
        self.emit(Event::InputHeap { heap_bytes: self.heap_bytes });
        let threshold_bytes = self.heap_bytes_last * 2;
        let (action, reason) = match self.heap_bytes {
            bytes if bytes > threshold_bytes => (GcAction::Collect, GcReason::Doubled),
            bytes if bytes != self.heap_bytes_last => (GcAction::Defer, GcReason::Changed),
            _ => (GcAction::Skip, GcReason::Unchanged),
        };
        self.emit(Event::GcDecision { action, reason, heap_bytes: self.heap_bytes, threshold_bytes });
        self.expected.gc_decisions += 1;
        if action == GcAction::Collect {
            let collecting = self.now;
            self.pass(900_000);
            let heap_bytes_before = self.heap_bytes;
            self.heap_bytes = 4 << 20;
            self.heap_bytes_last = self.heap_bytes;
            self.emit(Event::GcRan {
                heap_bytes_before,
                heap_bytes_after: self.heap_bytes,
                start: collecting,
            });
        }
        self.emit(Event::Phase { phase: Phase::Gc, start });
    }

    fn task_queue(&mut self, stalls: bool) {
        if self.tasks.is_empty() && !stalls {
            return;
        }
        let start = self.now;
        let blocker = stalls.then(|| self.queue(Tag(3), Origin::Local, None));
        for queued in std::mem::take(&mut self.tasks) {
            let blocks = blocker == Some(queued.task);
            self.run(&queued, if blocks { 35_000_000 } else { 9_000 });
        }
        self.pass(60);
        self.emit(Event::Phase { phase: Phase::Tasks, start });
    }

    fn run(&mut self, queued: &Queued, run_ns: u64) {
        self.pass(60);
        let start = self.now;
        let long = if self.below(40) == 0 { 30 } else { 1 };
        self.pass(run_ns * long / 2);
        if self.script.spans && self.below(5) == 0 {
            let begun = self.now;
            self.pass(run_ns / 4);
            self.emit(Event::Span { label: LabelId(1), start: begun });
        }
        self.pass(run_ns * long / 2);
        let outcome = if self.below(200) == 0 { Outcome::Failed } else { Outcome::Done };
        let Queued { task, tag, at } = *queued;
        self.emit(Event::TaskRan { task, tag, outcome, queued: at, start });
        self.tasks_run += 1;
        self.expected.tasks_run += 1;
        self.heap_bytes += self.below(60_000);
        if self.below(3) == 0 {
            let start = self.now;
            self.pass(1_500);
            let ran = 1 + self.below(5) as u32;
            self.emit(Event::Microtasks { trigger: Some(task), ran, left: 0, start });
            self.expected.microtasks_run += u64::from(ran);
        }
        if self.below(12) == 0 {
            let start = self.now;
            self.pass(2_000);
            self.emit(Event::DeferredRan { ran: 2, kept: 1, start });
        }
    }

    fn immediates(&mut self) {
        if self.below(6) == 0 {
            let start = self.now;
            self.pass(3_000);
            self.emit(Event::Immediates { ran: 3, moved_to_next: 1, start });
            self.emit(Event::Phase { phase: Phase::Immediates, start });
        }
    }

    fn poll(&mut self) {
        self.pass(100);
        self.emit(Event::InputClock { point: ClockPoint::BeforePoll, now: self.now });
        let start = self.now;
        let nearest = self.timers.iter().copied().min().unwrap_or(start);
        let timeout_ns = nearest.ns_since(start);
        let wait_ns = timeout_ns.min(20_000 + self.below(400_000));
        self.pass(400);
        if !self.script.frozen {
            self.now = self.now.plus_ns(wait_ns);
        }
        let reason = if timeout_ns == 0 { PollReason::NonBlock } else { PollReason::Timer };
        self.polled_ns = self.now.ns_since(start);
        self.emit(Event::Poll { reason, ready: 1, timeout_ns: Some(timeout_ns), start });
        self.pass(200);
        self.emit(Event::Phase { phase: Phase::Poll, start });
        self.emit(Event::InputClock { point: ClockPoint::AfterPoll, now: self.now });
    }

    fn io(&mut self) {
        let phase = self.now;
        for _ in 0..1 + self.below(2) {
            self.pass(60);
            let start = self.now;
            let parent = TaskId(self.next_task);
            self.next_task += 1;
            self.pass(2_500);
            for _ in 0..self.below(u64::from(self.script.tasks_max) + 1) {
                let tag = Tag(1 + self.below(3) as u16);
                let task = self.queue(tag, Origin::Io, Some(parent));
                self.work(task, tag);
                self.pass(300);
            }
            self.emit(Event::IoReady { source: IoSource(3), tag: Tag(1), readiness: 1, task: parent, start });
        }
        self.emit(Event::Phase { phase: Phase::Io, start: phase });
    }

    /// Some tasks send a job to the pool.
    fn work(&mut self, task: TaskId, tag: Tag) {
        if self.workers_free.is_empty() || self.below(5) > 0 {
            return;
        }
        let worker = self.below(self.workers_free.len() as u64) as usize;
        self.emit(Event::WorkQueued { task, tag, depth: 1, parent: None });
        let queued = self.now;
        let start = self.workers_free[worker].max(queued).plus_ns(self.below(9_000));
        let end = start.plus_ns(1_000 + self.below(200_000));
        self.workers_free[worker] = end;
        let event =
            Event::WorkRan { task, tag, worker: worker as u16, outcome: Outcome::Done, queued, start };
        self.emitted.push(Stamped { at: end, source: SourceId(worker as u32 + 2), event });
    }

    fn due_timers(&mut self) {
        let phase = self.now;
        let fired = self.now;
        for (place, period) in TIMER_PERIODS_NS.into_iter().enumerate() {
            let due = self.timers[place];
            if due > fired {
                continue;
            }
            let skipped = (fired.ns_since(due) / period) as u32;
            let task = TaskId(self.next_task);
            self.next_task += 1;
            let timer = TimerId(place as u64 + 1);
            let tag = Tag(5);
            self.pass(90);
            self.emit(Event::TimerFired { timer, tag, task, due, fired, skipped });
            self.expected.timers_fired += 1;
            self.run(&Queued { task, tag, at: due.min(self.now) }, 4_000);
            self.timers[place] = fired.plus_ns(period);
            self.emit(Event::TimerArmed { timer, tag, due: fired.plus_ns(period), period_ns: Some(period) });
        }
        if self.now > phase {
            self.emit(Event::Phase { phase: Phase::Timers, start: phase });
        }
    }
}
