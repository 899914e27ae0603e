//! The tick in progress: gathers what happens until its end. There is one per emitter, reused from tick to tick, so
//! that the fold allocates nothing once it has seen its largest tick.

use loop_probes::event::Phase;
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};

use super::config::TimelineConfig;
use super::last_activity::{LastActivity, StreamEnd};
use super::poll_wait::PollWait;
use super::ticks::{LongestRun, PhaseTimes, SpanRange, TickSummary};
use crate::attribution::Waiter;
use crate::attribution::sweep::Nodes;
use crate::span::{SpanKind, TickSpan};

/// A wait that was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) kind: Waiter,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// The state of one emitter's current tick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OpenTick {
    pub(crate) source: SourceId,
    pub(crate) open: bool,
    tick: u64,
    start: Timestamp,
    damaged: bool,
    polls: PollWait,
    poll_phase: PollWait,
    phases: PhaseTimes,
    longest: Option<LongestRun>,
    /// The last task or readiness callback.
    pub(crate) last_run: Option<(TaskId, Tag)>,
    /// The task of the last signal: its wait is the signal's.
    pub(crate) signal_task: Option<TaskId>,
    /// When the emitter's last event was recorded.
    pub(crate) last: Timestamp,
    /// Whether records were lost since the last event of the tick.
    pub(crate) in_gap: bool,
    /// The time of the last event before a poll whose record comes next. A clock reading shows that the poll has ended.
    pub(crate) poll_since: Option<Timestamp>,
    /// What the emitter was last seen doing, unless a later event ended it.
    pub(crate) seen: Option<LastActivity>,
    /// Whether the emitter has ticks.
    pub(crate) ticked: bool,
    /// Whether it polls in its ticks, as loops do, rather than between them.
    pub(crate) polls_in_ticks: bool,
    /// When the loop stopped, unless it has begun a tick since.
    pub(crate) stopped: Option<Timestamp>,
    /// When the last tick ended, and its busy time in nanoseconds.
    pub(crate) last_ended: Option<(Timestamp, u64)>,
    /// When the loop was closed. Another one may use its ring after that.
    pub(crate) closed: Option<Timestamp>,
    /// Records are missing from here on, and no later one shows that the loop did not stop there.
    pub(crate) may_have_stopped: Option<Timestamp>,
    pub(crate) tasks_queued: u32,
    pub(crate) timers_fired: u32,
    pub(crate) timers_late: u32,
    microtasks_run: u32,
    gc_runs: u32,
    gc_run_ns: u64,
    /// Waits over the limit that ended in the tick.
    pub(crate) waits: Vec<Wait>,
    spans: Vec<TickSpan>,
    left_out: u32,
    /// Spans shorter than these are left out: the limit for callbacks, and the one for phases and polls.
    shortest_kept_ns: [u64; 2],
    /// The tick's state before records were lost, which is still right if no other event followed.
    before_loss: Option<Box<Self>>,
}

impl OpenTick {
    pub(crate) fn new(source: SourceId) -> Self {
        Self { source, ..Self::default() }
    }

    pub(crate) fn begin(&mut self, tick: u64, start: Timestamp) {
        let Self { source, last, polls_in_ticks, waits, mut spans, mut polls, mut poll_phase, .. } =
            std::mem::take(self);
        spans.clear();
        polls.reset(start);
        poll_phase.reset(start);
        // Waits from a tick whose end was lost are charged with this tick's.
        let kept = Self { source, last, polls_in_ticks, waits, spans, polls, poll_phase, ..Self::default() };
        *self = Self { open: true, ticked: true, tick, start, ..kept };
    }

    /// The tick's number, while it is open.
    pub(crate) fn number(&self) -> Option<u64> {
        self.open.then_some(self.tick)
    }

    /// The tick's source, number and start, while it is open.
    pub(crate) fn going_on(&self) -> Option<(SourceId, u64, Timestamp)> {
        self.open.then_some((self.source, self.tick, self.start))
    }

    /// The spans kept so far, while it is open.
    pub(crate) fn spans(&self) -> &[TickSpan] {
        if self.open { &self.spans } else { &[] }
    }

    /// Whether records of it are missing.
    pub(crate) const fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// The polls of the last tick: start, end, and how much of that was not poll.
    pub(crate) fn polls(&self) -> impl Iterator<Item = (Timestamp, Timestamp, u64)> + Clone + '_ {
        self.polls.extents()
    }

    /// The polls of the tick that began at `start`; none are known if another tick is open.
    pub(crate) fn polls_since(&self, start: Timestamp) -> PollWait {
        if self.open && self.start == start { self.polls.clone() } else { PollWait::since(start) }
    }

    /// Adds what has happened so far to `nodes`, while it is open.
    pub(crate) fn gather(&self, nodes: &mut Nodes) {
        if self.open {
            nodes.add_tick((self.start, self.last), &self.spans, self.left_out > 0);
        }
    }

    /// Spans kept so far.
    pub(crate) fn spans_kept(&self) -> usize {
        self.spans.len()
    }

    /// Notes that `span` ended, whether or not it belongs to a tick.
    #[inline]
    pub(crate) fn ended(&mut self, span: &TickSpan) {
        if (self.seen.is_some() || self.may_have_stopped.is_some()) && LastActivity::ends_with(span) {
            (self.seen, self.may_have_stopped) = (None, None);
        }
    }

    /// Notes that the clock was read after a poll, whose record follows.
    pub(crate) fn poll_over(&mut self) {
        self.poll_since = Some(self.last);
    }

    /// The last moment at which its events show that it was busy.
    pub(crate) fn last_busy(&self) -> Timestamp {
        self.poll_since.unwrap_or(self.last)
    }

    /// Records of this emitter are missing since `from`.
    pub(crate) fn lost(&mut self, from: Timestamp) {
        if self.open && !self.damaged {
            self.before_loss = Some(Box::new(self.clone()));
        }
        (self.seen, self.poll_since) = (None, None);
        (self.damaged, self.in_gap) = (true, true);
        if self.stopped.is_none() {
            self.may_have_stopped.get_or_insert(from);
        }
    }

    /// The last known state, and how far it is known, in a stream that ended like `end`. If only a loss followed, this is
    /// the state before the loss.
    pub(crate) fn as_known(&self, end: StreamEnd) -> (&Self, StreamEnd) {
        let is_all = |before: &&Self| self.seen.is_none() && before.last == self.last;
        match self.before_loss.as_deref().filter(is_all) {
            Some(before) => (before, StreamEnd::Cut),
            None => (self, end),
        }
    }

    // `add` and `keep` are inlined: a span passed through memory is read back before its store has completed.
    #[expect(clippy::inline_always, reason = "the fold is as fast as this: see above")]
    #[inline(always)]
    pub(crate) fn add(&mut self, span: TickSpan, config: &TimelineConfig) {
        let run_ns = span.run_ns();
        match span.what {
            SpanKind::Poll { .. } => {
                self.polls_in_ticks = true;
                self.polls.add(span.start, span.end);
            }
            SpanKind::Phase(Phase::Poll) => self.poll_phase.add(span.start, span.end),
            SpanKind::Phase(phase) => self.phases.add(phase, run_ns),
            SpanKind::Task { task, tag, .. } | SpanKind::Io { task, tag, .. } => {
                self.polls.ran(span.start, span.end);
                if self.longest.is_none_or(|longest| longest.run_ns < run_ns) {
                    self.longest = Some(LongestRun { task, tag, run_ns });
                }
            }
            SpanKind::Microtasks { ran, .. } => {
                self.polls.ran(span.start, span.end);
                self.microtasks_run = self.microtasks_run.saturating_add(ran);
            }
            SpanKind::Deferred { .. } | SpanKind::Immediates { .. } => self.polls.ran(span.start, span.end),
            SpanKind::Gc { .. } => {
                self.gc_runs += 1;
                self.gc_run_ns = self.gc_run_ns.saturating_add(run_ns);
            }
            _ => {}
        }
        self.keep(span, run_ns, config.spans_per_tick);
    }

    /// Keeps the longest spans. Phases and polls, which frame the tick, do not compete with what ran in them.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn keep(&mut self, span: TickSpan, run_ns: u64, limit: usize) {
        if run_ns < self.shortest_kept_ns[usize::from(is_frame(&span))] {
            self.left_out = self.left_out.saturating_add(1 + drop_polls_of(&mut self.spans, &span));
            return;
        }
        if self.spans.len() >= limit {
            self.thin_out();
        }
        if self.spans.len() < limit {
            self.spans.push(span);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    /// Drops the shorter half of the frames or of the rest, whichever are more, so that the cost per span does not grow
    /// with the tick.
    #[cold]
    #[inline(never)]
    fn thin_out(&mut self) {
        let before = self.spans.len();
        let frames = self.spans.iter().filter(|span| is_frame(span)).count();
        let thins_frames = frames > before / 2;
        let is_thinned = |span: &TickSpan| is_frame(span) == thins_frames;
        let mut lengths: Vec<u64> =
            self.spans.iter().filter(|span| is_thinned(span)).map(TickSpan::run_ns).collect();
        let dropped = lengths.len() / 2;
        if dropped == 0 {
            return;
        }
        let (_, shortest, longer) = lengths.select_nth_unstable(dropped);
        let shortest = *shortest;
        // Of the spans that are as short as the shortest kept one, the first are kept.
        let mut equals = 1 + longer.iter().filter(|run_ns| **run_ns == shortest).count();
        let mut stays = |run_ns: u64| {
            let is_equal = run_ns == shortest && equals > 0;
            equals -= usize::from(is_equal);
            is_equal || run_ns > shortest
        };
        // Compacts in place and in order; `kept` counts the spans that stay.
        let mut kept = 0;
        for place in 0..before {
            let span = self.spans[place];
            if !is_thinned(&span) || stays(span.run_ns()) {
                self.spans[kept] = span;
                kept += 1;
            } else {
                kept -= polls_of(&self.spans[..kept], &span);
            }
        }
        self.spans.truncate(kept);
        self.shortest_kept_ns[usize::from(thins_frames)] = shortest;
        self.left_out = self.left_out.saturating_add((before - self.spans.len()) as u32);
    }

    /// Ends the tick. The tick is incomplete if records were lost in it, or if its beginning was not seen; the last
    /// value returned tells whether it was.
    pub(crate) fn end(
        &mut self,
        tick: u64,
        tasks_run: u32,
        start: Timestamp,
        end: Timestamp,
        stall_limit_ns: u64,
    ) -> (TickSummary, &[TickSpan], bool) {
        let seen = self.open && self.tick == tick && self.start == start;
        if !seen {
            self.begin(tick, start);
        }
        let extent_ns = end.ns_since(start);
        let poll_wait_ns = self.polls.wait_ns(end);
        self.phases.add(Phase::Poll, self.poll_phase.wait_ns(end).saturating_sub(poll_wait_ns));
        let incomplete = !seen || self.damaged;
        let busy_ns = extent_ns - poll_wait_ns;
        self.last_ended = Some((end, busy_ns));
        self.open = false;
        self.seen = None;
        let summary = TickSummary {
            source: self.source,
            tick,
            start,
            end,
            busy_ns,
            poll_wait_ns,
            tasks_run,
            tasks_queued: self.tasks_queued,
            phases: self.phases,
            longest: self.longest,
            timers_fired: self.timers_fired,
            timers_late: self.timers_late,
            microtasks_run: self.microtasks_run,
            gc_runs: self.gc_runs,
            gc_run_ns: self.gc_run_ns,
            stall: !incomplete && is_stall(busy_ns, stall_limit_ns),
            incomplete,
            spans_left_out: self.left_out,
            spans: SpanRange::default(),
        };
        (summary, &self.spans, seen)
    }
}

/// Whether a tick with this busy time is a stall. `UnfinishedTick::is_stall` asks the same of a tick that has not ended.
pub(super) const fn is_stall(busy_ns: u64, stall_limit_ns: u64) -> bool {
    busy_ns > stall_limit_ns
}

/// The number of polls at the end of `spans` within the callback `span`, which are dropped with it.
fn polls_of(spans: &[TickSpan], span: &TickSpan) -> usize {
    let is_its = |poll: &&TickSpan| matches!(poll.what, SpanKind::Poll { .. }) && poll.start >= span.start;
    if span.what.is_callback() { spans.iter().rev().take_while(is_its).count() } else { 0 }
}

fn drop_polls_of(spans: &mut Vec<TickSpan>, span: &TickSpan) -> u32 {
    let dropped = polls_of(spans, span);
    spans.truncate(spans.len() - dropped);
    dropped as u32
}

const fn is_frame(span: &TickSpan) -> bool {
    matches!(span.what, SpanKind::Phase(_) | SpanKind::Poll { .. })
}

#[cfg(test)]
mod tests;
