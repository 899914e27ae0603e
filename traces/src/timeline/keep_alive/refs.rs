//! One loop's references: the last snapshot, updated by the events since.

use std::collections::{BTreeMap, HashMap, HashSet};

use loop_probes::event::{ClockPoint, Event, Queue, RefKind, StopReason};
use loop_probes::ids::{IoSource, LabelId, Tag, TaskId, TimerId, Timestamp};

use crate::labels::Labels;

const KINDS: usize = RefKind::ALL.len();

/// The name of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName {
    /// What the reference belongs to: a timer, a source, a job, …
    pub what: RefKind,
    /// Tag of the reference; `untagged` if it has none.
    pub tag: Tag,
    /// Label with the reference's name, if the name is not a tag's.
    pub label: Option<LabelId>,
}

impl RefName {
    /// A reference of a known kind without a name.
    #[must_use]
    pub const fn unnamed(what: RefKind) -> Self {
        Self { what, tag: Tag(0), label: None }
    }

    /// The name: a label's text, a tag's name, or `unnamed`; for tasks and immediates, which are not tracked by name,
    /// `queued`.
    #[must_use]
    pub fn describe(&self, labels: &Labels) -> String {
        match self.label {
            Some(label) => labels.any(label).into_owned(),
            None if self.tag == Tag(0) && is_queued(self.what) => "queued".to_owned(),
            None if self.tag == Tag(0) => "unnamed".to_owned(),
            None => labels.tag(self.tag).into_owned(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ArmedTimer {
    tag: Tag,
    referenced: bool,
    /// `None` while unknown: for an interval that fired, until its next period has begun.
    due: Option<Timestamp>,
    period_ns: Option<u64>,
}

/// The references at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Picture {
    by_kind: [i64; KINDS],
    names: BTreeMap<RefName, i64>,
    /// Whether tasks or immediates are among the names.
    queued_named: bool,
    /// Callbacks that wait for the end of the turn, which count as tasks.
    after_loop: i64,
    /// Immediates that do not keep the loop alive.
    unreferenced: HashSet<TaskId>,
    timers: HashMap<TimerId, ArmedTimer>,
    /// When the first of the timers beyond the limit is due, or was: it may have fired since.
    beyond_limit: Option<Timestamp>,
    /// Whether a timer fired that was not armed before: its loop may not record that it arms timers.
    fires_unarmed: bool,
}

impl Picture {
    fn is_beyond_limit(&mut self, due: Timestamp) {
        self.beyond_limit = Some(self.beyond_limit.map_or(due, |first| first.min(due)));
    }

    /// Adds the timers that were armed `before` this snapshot, which had no room for all of them.
    fn keep_timers_of(&mut self, before: &Self, limit: usize) {
        for (timer, armed) in &before.timers {
            if !self.timers.contains_key(timer) && !keep(&mut self.timers, *timer, *armed, limit) {
                self.is_beyond_limit(armed.due.unwrap_or_default());
            }
        }
        if let Some(due) = before.beyond_limit {
            self.is_beyond_limit(due);
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Refs {
    /// Whether the loop has reported references, and was not closed since.
    pub(super) is_reported: bool,
    pub(super) as_of: Option<Timestamp>,
    pub(super) left_out: u32,
    /// Whether records were lost since the last snapshot.
    pub(crate) has_lost: bool,
    now: Picture,
    /// Timers that were armed when records were lost, and may have fired in them, until something shows what became of
    /// them.
    before_loss: HashMap<TimerId, ArmedTimer>,
    /// A snapshot whose end has not been read yet.
    gathering: Option<Picture>,
    /// The name each source was registered with, which snapshots lack, and whether it keeps the loop alive.
    sources: HashMap<IoSource, (RefName, bool)>,
    /// The source registered last, until it is known to be referenced.
    registered: Option<IoSource>,
    /// The timer that fired last, and its task, which runs without having been queued.
    fired: Option<(TaskId, TimerId)>,
    limit: usize,
}

/// Whether an event concerns references. Most do not.
#[inline]
pub(super) const fn concerns(event: &Event) -> bool {
    matches!(
        event,
        Event::RefChanged { .. }
            | Event::Immediates { .. }
            | Event::TimerArmed { .. }
            | Event::TimerFired { .. }
            | Event::TimerCleared { .. }
            | Event::TimerRef { .. }
            | Event::InputClock { point: ClockPoint::Interval, .. }
            | Event::IoRegistered { .. }
            | Event::IoLabel { .. }
            | Event::IoRemoved { .. }
            | Event::WorkQueued { .. }
            | Event::WorkSettled { .. }
            | Event::QueueDepth { queue: Queue::Tasks | Queue::Immediates | Queue::Timers, .. }
            | Event::SnapshotBegin { .. }
            | Event::ImmediateRef { .. }
            | Event::SnapshotTimer { .. }
            | Event::SnapshotTask { queue: Queue::AfterLoop, .. }
            | Event::SnapshotRef { .. }
            | Event::SnapshotPending { .. }
            | Event::SnapshotEnd { .. }
            | Event::LoopStopped { reason: StopReason::Closed }
            | Event::Lost { .. }
    )
}

impl Refs {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Whether a snapshot has listed everything that the loop had armed, and no records were lost since.
    pub(crate) fn is_listed(&self) -> bool {
        self.as_of.is_some() && self.left_out == 0
    }

    /// Whether a timer fired that no event or snapshot has armed.
    pub(crate) const fn fires_unarmed(&self) -> bool {
        self.now.fires_unarmed
    }

    pub(super) fn kind(&self, what: RefKind) -> Option<u64> {
        self.as_of.map(|_| self.now.by_kind[place(what)].max(0).cast_unsigned())
    }

    /// Calls `visit` with every name and its count. If the names of a kind add up to more than its count, only the count is
    /// passed, without names.
    pub(super) fn each_held(&self, mut visit: impl FnMut(RefName, u64)) {
        if self.as_of.is_none() {
            return;
        }
        for what in RefKind::ALL {
            let count = self.now.by_kind[place(*what)].max(0).cast_unsigned();
            let named = || {
                let names = self.now.names.iter().filter(|(name, count)| name.what == *what && **count > 0);
                names.map(|(name, count)| (*name, count.cast_unsigned()))
            };
            let sum = named().map(|(_, count)| count).fold(0, u64::saturating_add);
            if sum <= count {
                named().for_each(|(name, count)| visit(name, count));
            }
            let rest = if sum <= count { count - sum } else { count };
            // A signal handler is counted, but does not keep a waiting loop alive.
            if rest > 0 && *what != RefKind::Signal {
                visit(RefName::unnamed(*what), rest);
            }
        }
    }

    pub(super) fn see(&mut self, at: Timestamp, event: &Event) {
        match *event {
            Event::SnapshotBegin { .. } => self.gathering = Some(Picture::default()),
            Event::SnapshotEnd { left_out, .. } => {
                if let Some(mut picture) = self.gathering.take() {
                    if left_out > 0 {
                        picture.keep_timers_of(&self.now, self.limit);
                    }
                    (self.now, self.as_of, self.left_out) = (picture, Some(at), left_out);
                    (self.is_reported, self.has_lost) = (true, false);
                    if left_out == 0 {
                        self.before_loss.clear();
                    }
                }
            }
            Event::SnapshotRef { what, count } => self.gather(|picture| {
                picture.by_kind[place(what)] = i64::from(count);
            }),
            Event::SnapshotPending { what, tag, label, count } => {
                let (name, limit) = (RefName { what, tag, label }, self.limit);
                self.gather(|picture| {
                    picture.queued_named |= is_queued(what);
                    add(&mut picture.names, name, i64::from(count), limit);
                });
            }
            Event::SnapshotTimer { timer, tag, due, period_ns, referenced } => {
                let (armed, limit) = (ArmedTimer { tag, referenced, due: Some(due), period_ns }, self.limit);
                self.gather(|picture| {
                    if !keep(&mut picture.timers, timer, armed, limit) {
                        picture.is_beyond_limit(due);
                    }
                });
            }
            Event::SnapshotTask { queue: Queue::AfterLoop, .. } => {
                self.gather(|picture| picture.after_loop += 1);
            }
            Event::ImmediateRef { task, referenced } => self.immediate_referenced(task, referenced),
            Event::Lost { .. } => {
                let Picture { timers, beyond_limit, .. } = std::mem::take(&mut self.now);
                self.now.beyond_limit = beyond_limit;
                for (timer, armed) in timers {
                    if !keep(&mut self.before_loss, timer, armed, self.limit) {
                        self.now.is_beyond_limit(armed.due.unwrap_or_default());
                    }
                }
                (self.gathering, self.as_of, self.fired) = (None, None, None);
                self.has_lost = true;
            }
            Event::LoopStopped { .. } => self.is_reported = false,
            Event::RefChanged { what, delta, .. } => {
                self.is_reported = true;
                let count = &mut self.now.by_kind[place(what)];
                *count = count.saturating_add(i64::from(delta));
                if (what, delta) == (RefKind::Io, 1) {
                    self.source_referenced();
                }
            }
            Event::IoRegistered { source, tag } => {
                let name = RefName { what: RefKind::Io, tag, label: None };
                keep(&mut self.sources, source, (name, false), self.limit);
                self.registered = Some(source);
            }
            Event::IoLabel { source, label } => self.explained(source, label),
            Event::IoRemoved { source } => {
                if let Some((name, true)) = self.sources.remove(&source) {
                    self.name(name, -1);
                }
            }
            Event::TimerArmed { timer, tag, due, period_ns } => self.armed(timer, tag, due, period_ns),
            Event::TimerFired { timer, task, .. } => {
                self.fired = Some((task, timer));
                self.timer_fired(timer);
            }
            Event::InputClock { now, .. } => self.period_began(now),
            Event::TimerCleared { timer } => self.disarmed(timer),
            Event::TimerRef { timer, referenced } => self.timer_referenced(timer, referenced),
            Event::QueueDepth { queue: Queue::Timers, depth } => self.timers_counted(depth),
            // Without a snapshot, earlier references are unknown.
            _ if self.as_of.is_none() => {}
            Event::Immediates { moved_to_next: depth, .. }
            | Event::QueueDepth { queue: Queue::Immediates, depth } => self.immediates_counted(depth),
            Event::WorkQueued { tag, .. } => self.name(work(tag), 1),
            Event::WorkSettled { tag, .. } => self.name(work(tag), -1),
            Event::QueueDepth { queue: Queue::Tasks, depth } => self.queued(Queue::Tasks, depth),
            _ => {}
        }
    }

    /// A task joined a queue, which is `depth` deep now. Tasks and immediates come and go too fast to be tracked by name.
    #[inline]
    pub(super) fn queued(&mut self, queue: Queue, depth: u32) {
        match queue {
            Queue::Tasks => self.count(RefKind::Task, i64::from(depth) + self.now.after_loop),
            Queue::AfterLoop => {
                self.now.after_loop += 1;
                self.count(RefKind::Task, self.now.by_kind[place(RefKind::Task)] + 1);
            }
            Queue::Immediates => {
                self.count(RefKind::Immediate, self.now.by_kind[place(RefKind::Immediate)] + 1);
            }
            _ => {}
        }
    }

    /// A task left its queue, unless it is a timer's.
    #[inline]
    pub(super) fn left(&mut self, task: TaskId, queue: Option<Queue>) {
        if self.fired.take_if(|(fired, _)| *fired == task).is_some() {
            return;
        }
        let what = if queue == Some(Queue::Immediates) { RefKind::Immediate } else { RefKind::Task };
        if what == RefKind::Immediate && self.now.unreferenced.remove(&task) {
            return;
        }
        if queue == Some(Queue::AfterLoop) {
            self.now.after_loop = (self.now.after_loop - 1).max(0);
        }
        self.count(what, (self.now.by_kind[place(what)] - 1).max(0));
    }

    /// Notes that there are `count` tasks or immediates. If the number has changed, the names of the last snapshot are
    /// outdated.
    #[inline]
    fn count(&mut self, what: RefKind, count: i64) {
        let before = std::mem::replace(&mut self.now.by_kind[place(what)], count);
        if before != count && self.now.queued_named {
            self.now.names.retain(|name, _| name.what != what);
            self.now.queued_named = self.now.names.keys().any(|name| is_queued(name.what));
        }
    }

    /// Notes that there are `depth` immediates, referenced or not.
    fn immediates_counted(&mut self, depth: u32) {
        if depth == 0 {
            self.now.unreferenced.clear();
        }
        self.count(RefKind::Immediate, (i64::from(depth) - self.now.unreferenced.len() as i64).max(0));
    }

    fn immediate_referenced(&mut self, task: TaskId, referenced: bool) {
        let limit = self.limit;
        let gathering = self.gathering.is_some();
        let unreferenced = &mut self.gathering.as_mut().unwrap_or(&mut self.now).unreferenced;
        let changed = match referenced {
            true => unreferenced.remove(&task),
            false => unreferenced.len() < limit && unreferenced.insert(task),
        };
        // A snapshot counts only those that are referenced.
        if changed && !gathering {
            let count = self.now.by_kind[place(RefKind::Immediate)] + if referenced { 1 } else { -1 };
            self.count(RefKind::Immediate, count.max(0));
        }
    }

    /// Number of armed timers that are tracked.
    pub(crate) fn armed_count(&self) -> u32 {
        u32::try_from(self.now.timers.len()).unwrap_or(u32::MAX)
    }

    fn gather(&mut self, part: impl FnOnce(&mut Picture)) {
        self.gathering.as_mut().map(part);
    }

    fn name(&mut self, name: RefName, delta: i64) {
        add(&mut self.now.names, name, delta, self.limit);
    }

    /// A source became referenced: the one just registered, if any; otherwise it is unknown which.
    fn source_referenced(&mut self) {
        let registered = self.registered.take().and_then(|source| self.sources.get_mut(&source));
        if let Some((name, referenced @ false)) = registered {
            *referenced = true;
            let name = *name;
            self.name(name, 1);
        }
    }

    fn explained(&mut self, source: IoSource, label: LabelId) {
        let Some((name, referenced)) = self.sources.get_mut(&source) else { return };
        let before = std::mem::replace(name, RefName { label: Some(label), ..*name });
        let (after, count) = (*name, i64::from(*referenced));
        self.name(before, -count);
        self.name(after, count);
    }

    /// Timers have no other events for their references: names and count change together.
    fn timer(&mut self, tag: Tag, delta: i64) {
        self.name(RefName { what: RefKind::Timer, tag, label: None }, delta);
        self.now.by_kind[place(RefKind::Timer)] += delta;
    }

    fn armed(&mut self, timer: TimerId, tag: Tag, due: Timestamp, period_ns: Option<u64>) {
        self.is_seen(timer);
        // An interval is armed again with each firing: one lookup is enough.
        if let Some(armed) = self.now.timers.get_mut(&timer) {
            *armed = ArmedTimer { tag, due: Some(due), period_ns, ..*armed };
            return;
        }
        // A timer beyond the limit would be counted when armed but not when removed, so it is not counted at all.
        if self.now.timers.len() < self.limit {
            self.now.timers.insert(timer, ArmedTimer { tag, referenced: true, due: Some(due), period_ns });
            self.timer(tag, 1);
        } else {
            self.now.is_beyond_limit(due);
        }
    }

    /// `depth` timers are armed, including the tracked ones. If there are no more, none is left beyond the limit. While a
    /// timer's callback runs, it is unknown whether `depth` includes that timer.
    fn timers_counted(&mut self, depth: u32) {
        if self.fired.is_none() && depth as usize <= self.now.timers.len() {
            self.now.beyond_limit = None;
        }
    }

    /// A fired interval stays, and is due again once its next period has begun. If it was armed before a loss, it is known
    /// to be armed still.
    fn timer_fired(&mut self, timer: TimerId) {
        match self.now.timers.get_mut(&timer) {
            Some(armed) if armed.period_ns.is_some() => armed.due = None,
            Some(_) => self.disarmed(timer),
            None => self.fired_after_loss(timer),
        }
    }

    fn fired_after_loss(&mut self, timer: TimerId) {
        let armed = self.before_loss.remove(&timer);
        self.now.fires_unarmed |= armed.is_none() && self.now.beyond_limit.is_none();
        let Some(armed) = armed.filter(|armed| armed.period_ns.is_some()) else { return };
        if !keep(&mut self.now.timers, timer, ArmedTimer { due: None, ..armed }, self.limit) {
            self.now.is_beyond_limit(armed.due.unwrap_or_default());
        } else if armed.referenced {
            self.timer(armed.tag, 1);
        }
    }

    /// An event shows what became of this timer.
    fn is_seen(&mut self, timer: TimerId) {
        if !self.before_loss.is_empty() {
            self.before_loss.remove(&timer);
        }
    }

    /// The number of timers due before `time` that may or may not have fired, and how many of them are intervals.
    pub(crate) fn may_be_overdue(&self, time: Timestamp) -> [u64; 2] {
        let due = self.before_loss.values().filter(|armed| armed.due.is_none_or(|due| due < time));
        due.fold([0; 2], |[all, intervals], armed| {
            [all + 1, intervals + u64::from(armed.period_ns.is_some())]
        })
    }

    /// The next period of the interval that fired last begins at `now`.
    fn period_began(&mut self, now: Timestamp) {
        let fired = self.fired.and_then(|(_, timer)| self.now.timers.get_mut(&timer));
        if let Some(ArmedTimer { due, period_ns: Some(period_ns), .. }) = fired {
            *due = Some(now.plus_ns(*period_ns));
        }
    }

    /// Calls `visit` with each tracked armed timer and its due time. An interval is due again one period after its callback
    /// began, even if that is still running.
    pub(crate) fn each_armed(&self, mut visit: impl FnMut(TimerId, Tag, Timestamp, Option<u64>)) {
        for (timer, armed) in &self.now.timers {
            if let Some(due) = armed.due {
                visit(*timer, armed.tag, due, armed.period_ns);
            }
        }
    }

    /// When the first of the timers that are not tracked is due, or was.
    pub(crate) const fn due_beyond_limit(&self) -> Option<Timestamp> {
        self.now.beyond_limit
    }

    pub(crate) fn has_source(&self, tag: Tag) -> bool {
        self.sources.values().any(|(name, _)| name.tag == tag)
    }

    fn disarmed(&mut self, timer: TimerId) {
        self.is_seen(timer);
        if let Some(armed) = self.now.timers.remove(&timer)
            && armed.referenced
        {
            self.timer(armed.tag, -1);
        }
    }

    fn timer_referenced(&mut self, timer: TimerId, referenced: bool) {
        let Some(armed) = self.now.timers.get_mut(&timer) else { return };
        if std::mem::replace(&mut armed.referenced, referenced) != referenced {
            let tag = armed.tag;
            self.timer(tag, if referenced { 1 } else { -1 });
        }
    }
}

/// Whether references of this kind are what waits in a queue.
pub(super) const fn is_queued(what: RefKind) -> bool {
    matches!(what, RefKind::Task | RefKind::Immediate)
}

const fn work(tag: Tag) -> RefName {
    RefName { what: RefKind::Work, tag, label: None::<LabelId> }
}

const fn place(what: RefKind) -> usize {
    what.code() as usize - 1
}

fn add(names: &mut BTreeMap<RefName, i64>, name: RefName, delta: i64, limit: usize) {
    if names.len() >= limit && !names.contains_key(&name) {
        return;
    }
    let count = names.entry(name).or_default();
    *count = count.saturating_add(delta);
    if *count == 0 {
        names.remove(&name);
    }
}

/// Returns whether there was room.
fn keep<K: Eq + std::hash::Hash, V>(kept: &mut HashMap<K, V>, key: K, value: V, limit: usize) -> bool {
    let has_room = kept.len() < limit || kept.contains_key(&key);
    if has_room {
        kept.insert(key, value);
    }
    has_room
}
