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
mod gate;
mod handle;
pub mod recorder;
mod registry;
mod suspensions;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::{Anchor, SystemClock};
use crate::event::LabelKind;
use crate::ids::Tag;
use crate::metadata::Metadata;
use crate::ring::RingSlots;
use crate::shared::create::SharedFile;
use crate::shared::folder::FolderError;
use crate::shared::header::Header;
use crate::tags;
use crate::text::{InlineText, printable_path};

pub use builder::SessionBuilder;
pub(crate) use gate::Gate;
pub(crate) use handle::Handle;
use recorder::Recorder;
pub(crate) use registry::Opened;
use registry::Registry;
pub(crate) use suspensions::LEAST_ASLEEP_NS;

/// Why a shared session cannot be created. A program can continue with [`SessionBuilder::private`] or
/// [`Session::disabled`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The folder is unsuitable.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The file cannot be created, most often because the filesystem is full.
    #[error("no ring file of {bytes} bytes can be made in {}: {source}; set LOOPSCOPE_DIR to a folder with room", printable_path(.folder))]
    File {
        /// The folder.
        folder: PathBuf,
        /// The size of the file's fixed part, in bytes.
        bytes: usize,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file would exceed the process's limit on file sizes.
    #[error(
        "a ring file of {bytes} bytes is over this process's limit on file sizes, {limit} bytes; raise it (ulimit -f)"
    )]
    FileLimit {
        /// The size of the file's fixed part, in bytes.
        bytes: usize,
        /// The limit.
        limit: u64,
    },
    /// The handler for [`SessionBuilder::survive_truncation`] cannot be installed.
    #[error("no handler of SIGBUS can be installed: {0}")]
    Handler(#[source] std::io::Error),
}

/// What a shared session no longer shares.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SharingError {
    /// Everything: the file was truncated. See [`SessionBuilder::survive_truncation`].
    #[error("recording is off: the ring file {} was truncated", printable_path(.path))]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// Rings that found no room in the file. Readers of this process still see them.
    #[error("other processes cannot see {rings} rings of this one: {} has no room for them: {reason}", printable_path(.path))]
    NoRoom {
        /// The file.
        path: PathBuf,
        /// Number of rings.
        rings: u64,
        /// Why the last of them did not fit.
        reason: String,
    },
}

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

/// The contents of a session. Readers in the same process hold it too, and do not keep the session from ending.
pub(crate) struct Inner {
    pub(crate) header: Header,
    pub(crate) metadata: Metadata,
    pub(crate) clock: SystemClock,
    /// Two anchors taken at the session's start.
    pub(crate) anchors: [Anchor; 2],
    file: Option<SharedFile>,
    capacity: u32,
    pid: u32,
    registry: Mutex<Registry>,
    ended: AtomicBool,
    /// The file was truncated.
    off: AtomicBool,
}

impl Session {
    /// Returns a builder for a session of the program `program`.
    pub fn builder(program: impl Into<String>) -> SessionBuilder {
        SessionBuilder::new(program.into())
    }

    /// A session that records nothing; its recorders cost one branch per event.
    #[must_use]
    pub const fn disabled() -> Self {
        Self { handle: None }
    }

    fn new(inner: Inner) -> Self {
        Self { handle: Some(Arc::new(Handle::new(inner))) }
    }

    pub(crate) const fn from_handle(handle: Option<Arc<Handle>>) -> Self {
        Self { handle }
    }

    pub(crate) const fn handle(&self) -> Option<&Arc<Handle>> {
        self.handle.as_ref()
    }

    /// Whether anything is recorded.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.handle.is_some()
    }

    /// Opens a ring for the calling thread's events, shown as `name`. If all places are taken, the recorder is a
    /// disabled one, and readers see that one was left out. If the file has no room for the ring, only readers in this
    /// process see it, and others see that one is missing: [`unshared`](Self::unshared).
    #[must_use]
    pub fn recorder(&self, name: &str) -> Recorder {
        self.open(name, self.handle.as_ref().map_or(0, |handle| handle.capacity))
    }

    /// Like [`recorder`](Self::recorder), with a ring of about `records` records (the next power of two, between
    /// [`CAPACITY_MIN`](crate::ring::CAPACITY_MIN) and [`CAPACITY_MAX`](crate::ring::CAPACITY_MAX)).
    #[must_use]
    pub fn recorder_with_capacity(&self, name: &str, records: u32) -> Recorder {
        self.open(name, builder::capacity(records))
    }

    fn open(&self, name: &str, capacity: u32) -> Recorder {
        let pen = self.handle.as_ref().and_then(|handle| handle.open(name, capacity, true));
        pen.map_or_else(Recorder::disabled, Recorder::on_ring)
    }

    /// The tag of a kind of task, for every loop and probe of the process: the same name has the same tag. Takes a lock;
    /// not for hot paths.
    #[must_use]
    pub fn tag(&self, name: &str) -> Tag {
        let tag = tags::tag_of_label(name);
        if let Some(handle) = self.handle.as_ref().filter(|handle| handle.is_ours()) {
            handle.name(LabelKind::Tag, u32::from(tag.0), name);
        }
        tag
    }

    /// Makes the recording lossless: from now on a recorder whose next record would overwrite one that the [draining
    /// reader](Self::draining_reader) has not polled calls `drain` first, on its own thread. `drain` polls that reader
    /// (behind a lock that a draining thread takes as well); if it frees no room, the recorder gives up, overwrites,
    /// and continues. Set it before opening the first recorder; only the first call counts. `drain` is dropped with the
    /// session's last handle, so it must not hold a handle or a recorder of this session itself (holding a reader is
    /// fine).
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
        self.handle.as_ref()?.inner().path()
    }

    /// Number of rings that did not fit into the file: readers in this process see them, other processes do not.
    #[must_use]
    pub fn unshared(&self) -> u64 {
        self.handle.as_ref().map_or(0, |handle| handle.unshared())
    }

    /// Whether other processes can still read the whole session: cheap enough to call several times a second. A private
    /// or disabled session shares nothing, so nothing can be missing.
    ///
    /// # Errors
    ///
    /// [`SharingError`] with what they cannot read, and why.
    pub fn check(&self) -> Result<(), SharingError> {
        let Some((handle, path)) = self.handle.as_ref().zip(self.path()) else { return Ok(()) };
        let path = path.to_owned();
        if !handle.is_whole() {
            return Err(SharingError::Truncated { path });
        }
        let registry = handle.registry();
        match registry.unshared() {
            0 => Ok(()),
            rings => Err(SharingError::NoRoom { path, rings, reason: registry.no_room().to_owned() }),
        }
    }

    /// The clock whose [`ticks`](crate::clock::Clock::ticks) this session's records carry.
    #[must_use]
    pub fn clock(&self) -> SystemClock {
        self.handle.as_ref().map_or_else(SystemClock::new, |handle| handle.clock)
    }

    /// Ends the session cleanly now: the file is marked as ended and removed. Remaining recorders keep writing for
    /// readers that have the file open. Without this call it happens when the last handle is dropped.
    pub fn finish(&self) {
        if let Some(handle) = &self.handle {
            handle.finish();
        }
    }
}

impl Inner {
    /// The rate of the record clock when the session started.
    pub(crate) fn ticks_per_ms(&self) -> u64 {
        let [first, second] = self.anchors;
        let elapsed_ns = second.monotonic.ns_since(first.monotonic).max(1);
        let ticks = second.ticks.0.saturating_sub(first.ticks.0);
        (u128::from(ticks) * 1_000_000 / u128::from(elapsed_ns)).clamp(1, 1 << 40) as u64
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        // A panic under the lock leaves counts that are each valid on their own.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn close(&self, place: usize, written: u64) {
        self.registry().close(&self.header, place, written);
    }

    /// Number of rings that are not in the file.
    pub(crate) fn unshared(&self) -> u64 {
        self.registry().unshared()
    }

    /// The slots of a place, for readers of the same process.
    pub(crate) fn slots(&self, place: usize) -> Option<(RingSlots, Arc<Gate>)> {
        self.registry().slots(place)
    }

    /// Stores the newest anchor, unless another thread is doing so right now.
    pub(crate) fn note_anchor(&self, anchor: Anchor) {
        if let Ok(_one_at_a_time) = self.registry.try_lock() {
            self.header.set_latest_anchor(anchor);
        }
    }

    /// Names a number, once; true if the name is new.
    pub(crate) fn name(&self, kind: LabelKind, id: u32, text: &str) -> bool {
        self.registry().name(&self.header, kind, id, InlineText::new(text))
    }

    /// The number of a text; and the text to announce, if it is new.
    pub(crate) fn intern(&self, kind: LabelKind, text: &str) -> (u32, Option<InlineText>) {
        self.registry().intern(&self.header, kind, InlineText::new(text))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Whether the file was found to be truncated: only reads flags.
    pub(crate) fn is_off(&self) -> bool {
        self.off.load(Ordering::Relaxed) || self.header.is_lost()
    }

    /// Checks whether the file is still whole; once it is not, the session is off.
    pub(crate) fn is_whole(&self) -> bool {
        let Some(file) = &self.file else { return true };
        // After the session's end the file is removed: its length no longer matters, but lost records do.
        if !self.is_off() && !self.registry().is_lost() && (self.has_ended() || !file.is_cut()) {
            return true;
        }
        self.off.store(true, Ordering::Relaxed);
        false
    }

    /// The file, if the session is shared.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(SharedFile::path)
    }

    /// False in a forked process: it shares the mapping, but the session is its parent's.
    pub(crate) fn is_ours(&self) -> bool {
        std::process::id() == self.pid
    }

    fn finish(&self) {
        if self.is_ours() && !self.ended.swap(true, Ordering::AcqRel) {
            self.header.end();
            if let Some(file) = &self.file {
                file.remove();
            }
        }
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("pid", &self.pid).field("file", &self.file).finish_non_exhaustive()
    }
}
