//! The session: one process's recording, from which each emitting thread gets a [`Recorder`].
//!
//! ```text
//! Session ── recorder("loop") ──► Recorder ──► ring 1 ─┐
//!    │  └─── recorder("worker") ► Recorder ──► ring 2 ─┤   in memory, or in a file
//!    ├── header: identity, anchors, table of rings, labels ─┤   that other processes read
//!    └── reader() ◄────────────────────────────────────┘
//! ```
//!
//! Dropping the last handle (or [`finish`](Session::finish)) ends the session cleanly: the file is marked as ended and
//! removed. After a crash, a kill or a panic it stays for a post-mortem.

mod builder;
mod error;
mod gate;
mod handle;
mod inner;
pub(crate) mod recorder;
mod registry;
mod suspensions;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use crate::clock::SystemClock;
use crate::event::LabelKind;
use crate::ids::Tag;
use crate::metadata::Metadata;
use crate::ring::nearest_capacity;
use crate::tags;

pub use builder::SessionBuilder;
pub use error::{SessionError, SharingError};
pub(crate) use gate::Gate;
pub(crate) use handle::Handle;
pub(crate) use inner::Inner;
use recorder::Recorder;

/// A handle on a recording. Clones are handles on the same recording.
///
/// ```
/// use loop_probes::event::Event;
/// use loop_probes::ring::Start;
/// use loop_probes::session::Session;
///
/// let session = Session::builder("my-server").policy("epoll").private();
/// let mut reader = session.reader(Start::Oldest);
/// let recorder = session.recorder("main loop");
/// recorder.record_now(Event::TickStart { tick: 1 });
///
/// let mut events = Vec::new();
/// reader.flush(&mut events)?;
/// assert_eq!(events.last().map(|stamped| stamped.event), Some(Event::TickStart { tick: 1 }));
/// # Ok::<(), loop_probes::process::ReadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    handle: Option<Arc<Handle>>,
}

impl Session {
    /// A session that records nothing; its recorders cost one branch per event.
    #[must_use]
    pub const fn disabled() -> Self {
        Self { handle: None }
    }

    fn new(inner: Inner) -> Self {
        Self { handle: Some(Arc::new(Handle::new(inner))) }
    }

    pub(crate) const fn handle(&self) -> Option<&Arc<Handle>> {
        self.handle.as_ref()
    }

    /// Whether anything is recorded.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.handle.is_some()
    }

    /// Opens a ring for the calling thread's events, shown as `name`. If all places are taken, returns a disabled
    /// recorder, and readers count it. If the file has no room for the ring, only readers in this process see it;
    /// others count it as missing: [`unshared`](Self::unshared).
    #[must_use]
    pub fn recorder(&self, name: &str) -> Recorder {
        self.open(name, self.handle.as_ref().map_or(0, |handle| handle.capacity))
    }

    /// Like [`recorder`](Self::recorder), with a ring of about `records` records (the next power of two, between
    /// [`CAPACITY_MIN`](crate::ring::CAPACITY_MIN) and [`CAPACITY_MAX`](crate::ring::CAPACITY_MAX)).
    #[must_use]
    pub fn recorder_with_capacity(&self, name: &str, records: u32) -> Recorder {
        self.open(name, nearest_capacity(records))
    }

    fn open(&self, name: &str, capacity: u32) -> Recorder {
        let writer = self.handle.as_ref().and_then(|handle| handle.open(name, capacity, true));
        writer.map_or_else(Recorder::disabled, Recorder::on_ring)
    }

    /// The tag of a kind of task: the same name has the same tag in every loop and probe of the process. Takes a
    /// lock; not for hot paths.
    #[must_use]
    pub fn tag(&self, name: &str) -> Tag {
        let tag = tags::tag_of_label(name);
        if let Some(handle) = self.handle.as_ref().filter(|handle| handle.is_ours()) {
            handle.name(LabelKind::Tag, u32::from(tag.0), name);
        }
        tag
    }

    /// Makes the recording lossless: before a recorder overwrites a record that the [draining
    /// reader](Self::draining_reader) has not polled, it calls `drain` on its own thread. `drain` polls that reader
    /// (behind a lock that a draining thread takes as well); if it frees no room, the recorder gives up, overwrites,
    /// and continues. Set it before opening the first recorder; only the first call counts. `drain` is dropped with
    /// the session's last handle, so it must not hold a handle or a recorder of this session (a reader is fine).
    pub fn on_full(&self, drain: Arc<dyn Fn() + Send + Sync>) {
        if let Some(handle) = &self.handle
            && handle.set_hook(drain)
        {
            handle.registry().hold();
        }
    }

    /// The session's description of its process; `None` if it is disabled.
    #[must_use]
    pub fn metadata(&self) -> Option<&Metadata> {
        self.handle.as_ref().map(|handle| &handle.metadata)
    }

    /// The file that other processes read; `None` if the session is private or disabled.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.handle.as_ref()?.path()
    }

    /// Number of rings that did not fit into the file: only readers in this process see them.
    #[must_use]
    pub fn unshared(&self) -> u64 {
        self.handle.as_ref().map_or(0, |handle| handle.unshared())
    }

    /// Checks that other processes can read the whole session; cheap enough to call several times a second. A private
    /// or disabled session shares nothing, so nothing can be missing.
    ///
    /// # Errors
    ///
    /// [`SharingError`] if they cannot.
    pub fn check(&self) -> Result<(), SharingError> {
        self.handle.as_ref().map_or(Ok(()), |handle| handle.check())
    }

    /// The clock whose [`ticks`](crate::clock::Clock::ticks) this session's records carry.
    #[must_use]
    pub fn clock(&self) -> SystemClock {
        self.handle.as_ref().map_or_else(SystemClock::new, |handle| handle.clock)
    }

    /// Ends the session for the readers of this process, which return the rest and end. The file stays until
    /// [`finish`](Self::finish): if the program is killed while it saves what they returned, its ring is still there.
    pub fn end_locally(&self) {
        if let Some(handle) = &self.handle {
            handle.end_locally();
        }
    }

    /// Ends the session cleanly now, rather than when the last handle is dropped: marks the file as ended and removes
    /// it. Remaining recorders keep writing for readers that have the file open.
    pub fn finish(&self) {
        if let Some(handle) = &self.handle {
            handle.finish();
        }
    }
}

impl Recorder {
    /// The session that this recorder writes to; a disabled one if there is none.
    #[must_use]
    pub fn session(&self) -> Session {
        Session { handle: self.ring_writer().and_then(|writer| writer.handle()) }
    }
}
