//! What the handles, recorders and local readers of a session share.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::SharingError;
use super::gate::Gate;
use super::registry::{Opened, Registry};
use crate::clock::{Anchor, Clock as _, SystemClock};
use crate::event::LabelKind;
use crate::metadata::Metadata;
use crate::ring::RingSlots;
use crate::shared::create::SharedFile;
use crate::shared::header::Header;
use crate::text::InlineText;

/// The contents of a session. Readers in the same process hold it too, without keeping the session open.
pub(crate) struct Inner {
    pub(crate) header: Header,
    pub(crate) metadata: Metadata,
    pub(crate) clock: SystemClock,
    /// Two anchors taken at the session's start.
    pub(crate) anchors: [Anchor; 2],
    pub(super) file: Option<SharedFile>,
    pub(super) capacity: u32,
    pub(super) pid: u32,
    pub(super) registry: Mutex<Registry>,
    /// Whether the session has ended for this process.
    pub(super) ended: AtomicBool,
    /// Whether the file is marked as ended, and removed.
    pub(super) finished: AtomicBool,
    /// Whether the file was truncated.
    pub(super) off: AtomicBool,
}

impl Inner {
    /// The rate of the record clock when the session started.
    pub(crate) fn ticks_per_ms(&self) -> u64 {
        let [first, second] = self.anchors;
        let elapsed_ns = second.monotonic.ns_since(first.monotonic).max(1);
        let ticks = second.ticks.0.saturating_sub(first.ticks.0);
        (u128::from(ticks) * 1_000_000 / u128::from(elapsed_ns)).clamp(1, 1 << 40) as u64
    }

    pub(super) fn registry(&self) -> MutexGuard<'_, Registry> {
        // A panic under the lock leaves counts that are each valid on their own.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a ring; `None` if there is no place for it.
    pub(super) fn open(&self, name: &str, capacity: u32) -> Option<Opened> {
        self.registry().open(&self.header, self.file.as_ref(), name, capacity)
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

    /// Names a number; true if the name is new.
    pub(crate) fn name(&self, kind: LabelKind, id: u32, text: &str) -> bool {
        self.registry().name(&self.header, kind, id, InlineText::new(text))
    }

    /// The number of a text, and the text to announce if it is new.
    pub(crate) fn intern(&self, kind: LabelKind, text: &str) -> (u32, Option<InlineText>) {
        self.registry().intern(&self.header, kind, InlineText::new(text))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Whether the file is known to be truncated: only reads flags.
    pub(crate) fn is_off(&self) -> bool {
        self.off.load(Ordering::Relaxed) || self.header.is_lost()
    }

    /// Checks whether the file is still whole; once it is not, the session is off.
    pub(crate) fn is_whole(&self) -> bool {
        let Some(file) = &self.file else { return true };
        // After the session's end the file is removed: its length no longer matters, but lost records do.
        let is_removed = self.finished.load(Ordering::Acquire);
        if !self.is_off() && !self.registry().is_lost() && (is_removed || !file.is_cut()) {
            return true;
        }
        self.off.store(true, Ordering::Relaxed);
        false
    }

    /// Fails if other processes cannot read the whole session.
    pub(super) fn check(&self) -> Result<(), SharingError> {
        let Some(path) = self.path().map(Path::to_owned) else { return Ok(()) };
        if !self.is_whole() {
            return Err(SharingError::Truncated { path });
        }
        let registry = self.registry();
        match registry.unshared() {
            0 => Ok(()),
            rings => Err(SharingError::NoRoom { path, rings, reason: registry.no_room().to_owned() }),
        }
    }

    /// The file, if the session is shared.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(SharedFile::path)
    }

    /// False in a forked process: it shares the mapping, but the session is its parent's.
    pub(crate) fn is_ours(&self) -> bool {
        std::process::id() == self.pid
    }

    /// Ends the session for the readers of this process.
    pub(super) fn end_locally(&self) {
        if self.is_ours() {
            self.ended.store(true, Ordering::Release);
        }
    }

    pub(super) fn finish(&self) {
        // Reading the rings of a truncated file would fault.
        let is_whole = self.is_whole();
        self.end_locally();
        if self.is_ours() && !self.finished.swap(true, Ordering::AcqRel) {
            if is_whole {
                self.registry().note_written(&self.header);
            }
            self.header.end(self.clock.ticks());
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
