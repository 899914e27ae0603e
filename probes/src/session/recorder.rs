//! The recorder: the handle through which an instrumented loop writes its events.
//!
//! The hot path is a branch on whether anything is recorded, packing the event into a few words (for a known variant
//! only shifts remain), one compare that covers the end of the lap, a full ring and a fork, and five stores.

mod ring_writer;
mod running;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::{Clock, SystemClock};
use crate::event::{Event, LabelKind};
use crate::ids::{LabelId, SourceId, Tag, Ticks};

pub(crate) use ring_writer::RingWriter;
pub use running::Running;

/// Writes the events of one emitter to its ring. `Send` but not `Sync`: one thread at a time writes, without a lock.
///
/// ```compile_fail
/// fn is_sync<T: Sync>() {}
/// is_sync::<loop_probes::recorder::Recorder>();
/// ```
#[derive(Debug)]
pub struct Recorder {
    sink: Sink,
    /// Two threads must not write at the same time.
    _not_sync: PhantomData<Cell<()>>,
}

enum Sink {
    Off,
    Ring(Arc<RingWriter>),
    Capture(Captured, Option<DrainPause>),
    /// Receives each event at once.
    Tap(Box<dyn Fn(Ticks, Event<Ticks>) + Send>),
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Off => f.write_str("Off"),
            Self::Ring(ring) => ring.fmt(f),
            Self::Capture(captured, _) => captured.fmt(f),
            Self::Tap(_) => f.write_str("Tap"),
        }
    }
}

/// Decides when the loop pauses to drain its recorder, and does the draining.
struct DrainPause {
    should_drain: Box<dyn Fn() -> bool + Send>,
    pause_to_drain: Box<dyn Fn() + Send>,
}

type Captured = Arc<Mutex<CapturedEvents>>;

#[derive(Debug, Default)]
struct CapturedEvents {
    events: Vec<(Ticks, Event<Ticks>)>,
    labels: HashMap<(LabelKind, u32), String>,
}

/// The events written by a capturing recorder.
#[derive(Debug)]
pub struct Capture(Captured);

impl Capture {
    /// Takes the events recorded since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<(Ticks, Event<Ticks>)> {
        std::mem::take(&mut locked(&self.0).events)
    }

    /// The label given to a number.
    #[must_use]
    pub fn label(&self, kind: LabelKind, id: u32) -> Option<String> {
        locked(&self.0).labels.get(&(kind, id)).cloned()
    }
}

fn locked(captured: &Captured) -> MutexGuard<'_, CapturedEvents> {
    captured.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recorder {
    /// A recorder that drops everything.
    #[must_use]
    pub const fn disabled() -> Self {
        Self::new(Sink::Off)
    }

    /// A recorder for tests: keeps all events, in order, in memory.
    #[must_use]
    pub fn capture() -> (Self, Capture) {
        Self::capture_with(None)
    }

    /// Like [`capture`](Self::capture), for re-executing a recording: the answers of `should_drain` decide when the
    /// loop pauses between two tasks and calls `pause_to_drain`.
    #[must_use]
    pub fn capture_with_pauses(
        should_drain: impl Fn() -> bool + Send + 'static,
        pause_to_drain: impl Fn() + Send + 'static,
    ) -> (Self, Capture) {
        let (should_drain, pause_to_drain) = (Box::new(should_drain), Box::new(pause_to_drain));
        Self::capture_with(Some(DrainPause { should_drain, pause_to_drain }))
    }

    fn capture_with(drain_pause: Option<DrainPause>) -> (Self, Capture) {
        let captured = Captured::default();
        (Self::new(Sink::Capture(Arc::clone(&captured), drain_pause)), Capture(captured))
    }

    /// A recorder that passes each event to `tap` at once and drops names: re-executions compare events as they
    /// arrive.
    #[must_use]
    pub fn tap(tap: impl Fn(Ticks, Event<Ticks>) + Send + 'static) -> Self {
        Self::new(Sink::Tap(Box::new(tap)))
    }

    pub(crate) fn on_ring(ring: RingWriter) -> Self {
        Self::new(Sink::Ring(Arc::new(ring)))
    }

    /// A recorder on a writer that is also used elsewhere on the same thread.
    #[cfg(feature = "tracing")]
    pub(crate) const fn sharing(ring: Arc<RingWriter>) -> Self {
        Self::new(Sink::Ring(ring))
    }

    const fn new(sink: Sink) -> Self {
        Self { sink, _not_sync: PhantomData }
    }

    /// Whether events are kept.
    #[inline(always)]
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        match &self.sink {
            Sink::Off => false,
            Sink::Ring(ring) => ring.is_ours(),
            Sink::Capture(..) | Sink::Tap(_) => true,
        }
    }

    /// Records `event`, which happened (or ended) at `at`. Times must not go backwards within a recorder.
    #[inline(always)]
    pub fn record(&self, at: Ticks, event: Event<Ticks>) {
        match &self.sink {
            Sink::Off => {}
            Sink::Ring(ring) => ring.record(at, event),
            Sink::Capture(captured, _) => capture(captured, at, event),
            Sink::Tap(tap) => tap(at, event),
        }
    }

    /// Records `event` with the current time and returns that time. A disabled recorder reads no clock and returns
    /// 0.
    #[inline(always)]
    pub fn record_now(&self, event: Event<Ticks>) -> Ticks {
        match &self.sink {
            Sink::Off => Ticks(0),
            Sink::Ring(ring) => {
                let now = ring.clock().ticks();
                ring.record(now, event);
                now
            }
            Sink::Capture(..) | Sink::Tap(_) => {
                let now = SystemClock::new().ticks();
                self.record(now, event);
                now
            }
        }
    }

    /// Sets what the loop is doing from `at` on.
    #[inline(always)]
    pub fn set_running(&self, at: Ticks, running: Running) {
        if let Sink::Ring(ring) = &self.sink {
            ring.set_running(at, running);
        }
    }

    /// Notes in the ring file how many records were written, so that readers know how many a damaged file lacks. Only
    /// for emitters that never call [`set_running`](Self::set_running), which does the same.
    #[inline]
    pub fn note_written(&self) {
        if let Sink::Ring(ring) = &self.sink {
            ring.note_written();
        }
    }

    /// Names a tag, in the label table and in the stream.
    pub fn name_tag(&self, at: Ticks, tag: Tag, text: &str) {
        self.name(at, LabelKind::Tag, u32::from(tag.0), text);
    }

    /// Names a number chosen by the program, in the label table and in the stream: a source of readiness
    /// ([`LabelKind::Io`]), or a tag.
    pub fn name(&self, at: Ticks, kind: LabelKind, id: u32, text: &str) {
        match &self.sink {
            Sink::Off | Sink::Tap(_) => {}
            Sink::Ring(ring) => ring.name(at, kind, id, text),
            Sink::Capture(captured, _) => {
                locked(captured).labels.insert((kind, id), text.to_owned());
            }
        }
    }

    /// The id of `text`: the same text of the same kind always has the same id. A session keeps the first 512
    /// [texts](LabelKind::Text) and 2048 of each other kind; all further ones share an id whose text says so. Not
    /// for hot paths.
    pub fn intern(&self, at: Ticks, kind: LabelKind, text: &str) -> LabelId {
        match &self.sink {
            Sink::Off | Sink::Tap(_) => LabelId(0),
            Sink::Ring(ring) => ring.intern(at, kind, text),
            Sink::Capture(captured, _) => {
                let labels = &mut locked(captured).labels;
                let known = labels.iter().find(|(key, known)| key.0 == kind && *known == text);
                // Each kind is numbered separately, as in a session: names of other kinds make no difference.
                let last = labels.keys().filter(|key| key.0 == kind).map(|key| key.1).max().unwrap_or(0);
                let id = known.map_or(last + 1, |(key, _)| key.1);
                labels.insert((kind, id), text.to_owned());
                LabelId(id)
            }
        }
    }

    /// This emitter's number in its process; `None` if there is no ring.
    #[must_use]
    pub fn source(&self) -> Option<SourceId> {
        self.ring_writer().map(|ring| ring.source())
    }

    /// Records written so far, counting each part; 0 if there is no ring.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.ring_writer().map_or(0, |ring| ring.written())
    }

    /// Whether the loop should drain between two tasks, because three quarters of the ring are undrained. Always
    /// false unless the session is lossless.
    #[inline]
    #[must_use]
    pub fn should_drain(&self) -> bool {
        match &self.sink {
            Sink::Ring(ring) => ring.should_drain(),
            Sink::Capture(_, Some(drain_pause)) => (drain_pause.should_drain)(),
            Sink::Off | Sink::Capture(..) | Sink::Tap(_) => false,
        }
    }

    /// Calls the hook given to [`Session::on_full`](crate::session::Session::on_full) now. Loops do this between
    /// two tasks when they [should drain](Self::should_drain).
    pub fn pause_to_drain(&self) {
        match &self.sink {
            Sink::Ring(ring) => ring.pause_to_drain(),
            Sink::Capture(_, Some(drain_pause)) => (drain_pause.pause_to_drain)(),
            Sink::Off | Sink::Capture(..) | Sink::Tap(_) => {}
        }
    }

    /// Reads all clocks about once a second (sooner at first) and records a [`Calibration`](Event::Calibration).
    /// Call it once a tick, with the tick's time.
    #[inline]
    pub fn calibrate_if_due(&self, at: Ticks) {
        if let Sink::Ring(ring) = &self.sink {
            ring.calibrate_if_due(at);
        }
    }

    pub(crate) const fn ring_writer(&self) -> Option<&Arc<RingWriter>> {
        match &self.sink {
            Sink::Ring(ring) => Some(ring),
            _ => None,
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Sink::Ring(ring) = &self.sink {
            ring.close();
        }
    }
}

#[cold]
fn capture(captured: &Captured, at: Ticks, event: Event<Ticks>) {
    locked(captured).events.push((at, event));
}
