//! The writer of one ring, with its place in the table, its clock, its *now running* cell and its gate.

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::running::Running;
use crate::clock::{Clock as _, SystemClock};
use crate::event::{Event, LabelKind};
use crate::fork_guard::ForkSafePosition;
use crate::ids::{LabelId, SourceId, Ticks};
use crate::record::{Packed, Stamp};
use crate::ring::{RingSlots, Writer};
use crate::session::gate::Gate;
use crate::session::handle::Handle;
use crate::session::inner::Inner;
use crate::session::registry::Opened;
use crate::shared::layout::place;
use crate::text::InlineText;

/// Intervals before the first calibrations, in milliseconds; the last value repeats.
const CALIBRATION_MS: [u64; 5] = [10, 30, 100, 300, 1000];

#[derive(Debug)]
pub(crate) struct RingWriter {
    writer: Writer<RingSlots, ForkSafePosition>,
    clock: SystemClock,
    next_calibration: AtomicU64,
    running_version: AtomicU32,
    running_at: usize,
    session: Arc<Inner>,
    handle: Weak<Handle>,
    /// Keeps the session open until the recorder is dropped.
    keeps: Mutex<Option<Arc<Handle>>>,
    gate: Arc<Gate>,
    place: usize,
    source: SourceId,
    ticks_per_ms: u64,
    calibrations: AtomicU32,
    /// The longest wait for a calibration, in ticks.
    calibration_max: u64,
    closed: AtomicBool,
}

impl RingWriter {
    pub(crate) fn new(handle: &Arc<Handle>, opened: Opened, keeps: bool) -> io::Result<Self> {
        let session = Arc::clone(handle.inner());
        let position = match ForkSafePosition::new() {
            Ok(position) => position,
            Err(error) => {
                session.close(opened.place, opened.written);
                return Err(error);
            }
        };
        let [first, _] = session.anchors;
        let ticks_per_ms = session.ticks_per_ms();
        let writer = Self {
            writer: Writer::new(opened.slots, position, opened.written, opened.gate.limit()),
            clock: session.clock,
            next_calibration: AtomicU64::new(0),
            running_version: AtomicU32::new(0),
            running_at: session.header.plan().place_word(opened.place) + place::RUNNING,
            gate: opened.gate,
            place: opened.place,
            source: opened.source,
            ticks_per_ms,
            calibration_max: ticks_per_ms * CALIBRATION_MS[CALIBRATION_MS.len() - 1],
            calibrations: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            session,
            handle: Arc::downgrade(handle),
            keeps: Mutex::new(keeps.then(|| Arc::clone(handle))),
        };
        writer
            .next_calibration
            .store(first.ticks.0 + writer.ticks_per_ms * CALIBRATION_MS[0], Ordering::Relaxed);
        if let Some(before) = opened.before {
            writer.announce(before, opened.name);
        }
        Ok(writer)
    }

    /// Announces in the stream that a reused ring changed hands: the previous emitter, then the new one if it
    /// differs.
    fn announce(&self, before: (SourceId, InlineText), name: InlineText) {
        let now = (self.source, name);
        let reported = [Some(before), Some(now).filter(|now| *now != before)];
        for (SourceId(id), text) in reported.into_iter().flatten() {
            self.write(&Packed::label(self.clock.ticks(), LabelKind::Source, id, text));
        }
    }

    #[inline(always)]
    pub(crate) fn record(&self, at: Ticks, event: Event<Ticks>) {
        let packed = Packed::new(at, event);
        if !self.writer.write_short(&packed) {
            // A copy, so that the original is never referenced and can stay in registers.
            let long = packed;
            self.write(&long);
        }
    }

    /// Writes any event: handles labels, several records, the end of a lap, a full ring, a session that is off, and
    /// forks.
    #[inline(never)]
    fn write(&self, packed: &Packed) {
        if !self.writer.is_ours() {
            return;
        }
        let mut gate = self.gate.limit();
        let end = self.writer.written() + packed.parts() as u64;
        if end > gate {
            gate = self.make_room(end);
        }
        if self.session.is_off() || self.writer.slots().is_lost() {
            self.writer.shut();
            self.gate.release();
            return;
        }
        self.writer.write(packed);
        self.writer.open(gate);
    }

    /// Lets the session drain, if it is lossless.
    #[cold]
    pub(crate) fn pause_to_drain(&self) {
        let handle = self.handle.upgrade();
        if let Some(hook) = handle.as_ref().and_then(|handle| handle.hook())
            && !IN_HOOK.replace(true)
        {
            let _left = HookGuard;
            hook();
        }
    }

    /// Lets the session drain. If that frees nothing, does not ask again for an eighth of the ring.
    #[cold]
    fn make_room(&self, end: u64) -> u64 {
        self.pause_to_drain();
        let gate = self.gate.limit();
        if end <= gate {
            return gate;
        }
        let given_up = end + self.writer.capacity() / 8;
        self.session.header.add_overrun(self.place, given_up - gate.max(self.writer.written()));
        self.gate.give_up(given_up);
        given_up
    }

    #[inline]
    pub(crate) fn set_running(&self, at: Ticks, running: Running) {
        if !self.writer.is_ours() {
            return;
        }
        let (kind, tag, detail) = running.to_cell();
        let version = self.running_version.load(Ordering::Relaxed).wrapping_add(1);
        self.running_version.store(version, Ordering::Relaxed);
        let stamp = Stamp::new(version, kind.code(), tag.0, false, 0, 1);
        self.session.header.write_cell(self.running_at, stamp.0, &[at.0, detail, self.writer.written()]);
    }

    /// Notes in the header how many records were written.
    #[inline]
    pub(crate) fn note_written(&self) {
        if self.writer.is_ours() {
            self.session.header.note_written(self.place, self.writer.written());
        }
    }

    #[inline]
    pub(crate) fn calibrate_if_due(&self, at: Ticks) {
        // Due unless the next one is ahead by at most the longest wait, so that a clock that jumped back is
        // calibrated at once.
        let ahead = self.next_calibration.load(Ordering::Relaxed).wrapping_sub(at.0).wrapping_sub(1);
        if ahead >= self.calibration_max {
            self.calibrate(at);
        }
    }

    #[cold]
    fn calibrate(&self, at: Ticks) {
        if !self.writer.is_ours() {
            return;
        }
        let count = self.calibrations.fetch_add(1, Ordering::Relaxed) as usize + 1;
        let wait_ms = CALIBRATION_MS[count.min(CALIBRATION_MS.len() - 1)];
        self.next_calibration.store(at.0.saturating_add(self.ticks_per_ms * wait_ms), Ordering::Relaxed);
        let anchor = self.clock.anchor();
        self.session.note_anchor(anchor);
        let event =
            Event::Calibration { ticks: anchor.ticks, monotonic: anchor.monotonic, wall_ns: anchor.wall_ns };
        self.record(at, event);
        self.note_written();
    }

    pub(crate) fn name(&self, at: Ticks, kind: LabelKind, id: u32, text: &str) {
        if self.is_ours() && self.session.name(kind, id, text) {
            self.write(&Packed::label(at, kind, id, InlineText::new(text)));
        }
    }

    pub(crate) fn intern(&self, at: Ticks, kind: LabelKind, text: &str) -> LabelId {
        if !self.is_ours() {
            return LabelId(0);
        }
        let (id, news) = self.session.intern(kind, text);
        if let Some(text) = news {
            self.write(&Packed::label(at, kind, id, text));
        }
        LabelId(id)
    }

    #[inline(always)]
    pub(crate) fn is_ours(&self) -> bool {
        self.writer.is_ours()
    }

    #[inline(always)]
    pub(crate) const fn clock(&self) -> &SystemClock {
        &self.clock
    }

    pub(crate) const fn source(&self) -> SourceId {
        self.source
    }

    pub(crate) fn handle(&self) -> Option<Arc<Handle>> {
        self.handle.upgrade()
    }

    pub(crate) fn written(&self) -> u64 {
        self.writer.written()
    }

    #[inline]
    pub(crate) fn should_drain(&self) -> bool {
        self.gate.is_nearly_full(self.writer.written())
    }

    /// Returns the place to the table.
    pub(crate) fn close(&self) {
        if self.session.is_ours() && !self.closed.swap(true, Ordering::Relaxed) {
            self.session.close(self.place, self.writer.written());
            drop(self.keeps.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

/// For the `tracing` adapter, which shares a writer with a recorder.
#[cfg(feature = "tracing")]
impl RingWriter {
    /// Whether it writes for that session, and the session is still open.
    pub(crate) fn is_of(&self, handle: &Weak<Handle>) -> bool {
        Weak::ptr_eq(&self.handle, handle) && !self.has_ended()
    }

    /// Whether both write for one session.
    pub(crate) fn is_sibling(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.session, &other.session)
    }

    /// Whether the session has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.session.has_ended()
    }

    /// Whether the recorder is gone. Another may have its place by now.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

thread_local! {
    /// Set while this thread is in a hook: recording from inside the hook, in any ring, must not call another.
    static IN_HOOK: Cell<bool> = const { Cell::new(false) };
}

/// Resets the flag on leaving the hook, also on a panic.
struct HookGuard;

impl Drop for HookGuard {
    fn drop(&mut self) {
        IN_HOOK.set(false);
    }
}

impl Handle {
    /// Opens a ring; counts a dropped source if none is free. `keeps`: whether the writer keeps the session open.
    pub(crate) fn open(self: &Arc<Self>, name: &str, capacity: u32, keeps: bool) -> Option<RingWriter> {
        // A forked child must not write into its parent's file, nor wait for a lock that was held at the time
        // of the fork.
        if !self.is_ours() || !self.is_whole() {
            return None;
        }
        let opened = self.inner().open(name, capacity);
        let writer = opened.and_then(|opened| RingWriter::new(self, opened, keeps).ok());
        if writer.is_none() {
            self.header.add_dropped_source();
        }
        writer
    }
}
