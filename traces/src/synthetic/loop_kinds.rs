//! Features of the synthetic loop that only some loops use: snapshots that name the active handles, commands, pumps of a
//! foreign loop, futures, a shutdown at the end.

use loop_probes::event::{
    Event, LabelKind, Origin, Phase, Placement, PollReason, Queue, RefKind, StopReason,
};
use loop_probes::ids::{IoSource, LabelId, Tag, TaskId, TimerId};
use loop_probes::text::Text;

use super::stream_builder::StreamBuilder;

/// Ticks from one snapshot to the next.
const SNAPSHOT_TICKS: u64 = 50;
const WATCHER: LabelId = LabelId(70);
const LISTENER: LabelId = LabelId(71);
/// The tag of futures.
pub(super) const FUTURE: Tag = Tag(9);

impl StreamBuilder<'_> {
    pub(super) fn name_loop_kinds(&mut self) {
        let text = Text::new;
        self.emit(Event::Label { kind: LabelKind::Tag, id: FUTURE.0.into(), text: text("Session") });
        self.emit(Event::Label { kind: LabelKind::Text, id: WATCHER.0, text: text("config watcher") });
        self.emit(Event::Label { kind: LabelKind::Text, id: LISTENER.0, text: text("HTTP on 8080") });
        self.emit(Event::IoLabel { source: IoSource(3), label: LISTENER });
    }

    pub(super) fn loop_kinds(&mut self, tick: u64) {
        if !self.script.loop_kinds {
            return;
        }
        if tick % SNAPSHOT_TICKS == 1 {
            self.snapshot(tick);
        }
        match self.loop_kinds_random.below(30) {
            0 => {
                let byte = [b'D', b'G', b'P', b'G', 0x07][self.loop_kinds_random.below(5) as usize];
                self.emit(Event::Command { byte, known: byte != 0x07 });
                self.expected.commands += 1;
            }
            1..4 => self.pump(),
            4 => self.emit(Event::RefChanged { what: RefKind::Future, delta: 1, alive: 5 }),
            5 => self.emit(Event::RefChanged { what: RefKind::Future, delta: -1, alive: 4 }),
            6..9 => self.wake_future(),
            _ => {}
        }
    }

    fn pump(&mut self) {
        let start = self.now;
        self.pass(12_000);
        let handled = self.loop_kinds_random.below(3) > 0;
        self.emit(Event::Pumped { handled, ready: handled, timeout_ns: 10_000_000, start });
        self.emit(Event::Phase { phase: Phase::Pump, start });
        self.expected.pumps += 1;
    }

    fn wake_future(&mut self) {
        let task = TaskId((1 << 22) + self.loop_kinds_random.below(900));
        let place = Placement { queue: Queue::Tasks, origin: Origin::Future, depth: 1 };
        let queued = self.now;
        self.emit(Event::TaskQueued { task, tag: FUTURE, place, parent: None, poster: None, queued });
        self.expected.futures_woken += 1;
    }

    fn snapshot(&mut self, tick: u64) {
        self.emit(Event::SnapshotBegin { tick, next_task: TaskId(tick), next_timer: TimerId(4) });
        let kinds = [(RefKind::Timer, 3), (RefKind::Io, 2), (RefKind::Handle, 1), (RefKind::Future, 1)];
        for (what, count) in kinds {
            self.emit(Event::SnapshotRef { what, count });
        }
        let names = [
            (RefKind::Timer, Tag(5), None, 3),
            (RefKind::Io, Tag(1), None, 2),
            (RefKind::Handle, Tag(0), Some(WATCHER), 1),
            (RefKind::Future, FUTURE, None, 1),
        ];
        for (what, tag, label, count) in names {
            self.emit(Event::SnapshotPending { what, tag, label, count });
        }
        for timer in 1..=3 {
            let (due, period_ns) = (self.now.plus_ns(timer), Some(timer * 1_000_000));
            let (timer, tag) = (TimerId(timer), Tag(5));
            self.emit(Event::SnapshotTimer { timer, tag, due, period_ns, referenced: true });
        }
        let parts = (kinds.len() + names.len() + 3) as u32;
        self.emit(Event::SnapshotEnd { parts, left_out: 0 });
    }

    /// Ends the loop, with a shutdown if `loop_kinds` is set.
    pub(super) fn stop(&mut self) {
        if !self.script.loop_kinds {
            self.emit(Event::LoopStopped { reason: StopReason::Stopped });
            return;
        }
        let start = self.now;
        self.emit(Event::ShutdownBegan { deadline: start.plus_ns(2_000_000_000) });
        self.pass(40_000);
        let polled = self.now;
        self.pass(90_000);
        let poll =
            Event::Poll { reason: PollReason::Timer, ready: 0, timeout_ns: Some(90_000), start: polled };
        self.emit(poll);
        self.emit(Event::ShutdownEnded { finished: 12, cancelled: 3, left: 1, start });
        self.emit(Event::LoopStopped { reason: StopReason::Shutdown });
    }
}
