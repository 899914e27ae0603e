//! Reads the words of a session, in this process's memory or in a file. Neither is trusted.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, retry_on_intr};

use super::error::{OpenError, ReadError};
use super::liveness::{self, ProcessState};
use crate::clock::{self, Anchor, SystemClock, TickUnit, monotonic_now};
use crate::event::LabelKind;
use crate::ids::{Ticks, Timestamp};
use crate::memory::WORD_BYTES;
use crate::metadata::Metadata;
use crate::session::Inner;
use crate::shared::LAYOUT_MAJOR;
use crate::shared::identity::{self, Identity};
use crate::shared::layout::{
    LABEL_WORDS, LABELS_MAX, MAGIC, META_BYTES_MAX, PLACES_MAX, Plan, STATE_ENDED, head, place,
};
use crate::shared::original::FileIdentity;
use crate::text::InlineText;

/// Maximum time between two readings, one of each clock.
const AWAKE_NS: u64 = 1_000_000_000;

/// Tries to read a cell while its writer is changing it.
const CELL_TRIES: usize = 4;

#[derive(Debug)]
pub(super) enum Image {
    /// The image of a disabled session: no words at all.
    Nothing(Metadata),
    Local {
        session: Arc<Inner>,
        drains: bool,
    },
    File(RingFile),
}

/// Consecutive words.
#[derive(Debug)]
pub(super) struct Words<const N: usize>(pub(super) [u64; N]);

/// A ring file written by another process.
#[derive(Debug)]
pub(crate) struct RingFile {
    file: File,
    path: PathBuf,
    plan: Plan,
    identity: Identity,
    metadata: Metadata,
    unit: TickUnit,
    /// The two of the session's start.
    anchors: [Anchor; 2],
    /// Whether its record clock is one that this process can read.
    shares_clock: bool,
    /// Whether it is the file that the process created, and not a copy of it.
    is_original: bool,
    /// Length of the file when it was opened, in bytes. It never shrinks unless someone truncates it.
    bytes: u64,
}

/// The plan of an image that has no words.
const EMPTY: Plan =
    Plan { places: 0, table_at: 0, meta_at: 0, meta_bytes: 0, labels_at: 0, labels_max: 0, fixed_bytes: 0 };

impl Image {
    pub(super) fn metadata(&self) -> &Metadata {
        match self {
            Self::Nothing(metadata) => metadata,
            Self::Local { session, .. } => &session.metadata,
            Self::File(file) => &file.metadata,
        }
    }

    /// The unit of the record clock.
    pub(super) fn unit(&self) -> TickUnit {
        match self {
            Self::Nothing(_) => TickUnit::Monotonic,
            Self::Local { session, .. } => session.clock.unit(),
            Self::File(file) => file.unit,
        }
    }

    /// The anchors of the session's start.
    pub(super) fn anchors(&self) -> &[Anchor] {
        match self {
            Self::Nothing(_) => &[],
            Self::Local { session, .. } => &session.anchors,
            Self::File(file) => &file.anchors,
        }
    }

    pub(super) fn plan(&self) -> &Plan {
        match self {
            Self::Nothing(_) => &EMPTY,
            Self::Local { session, .. } => session.header.plan(),
            Self::File(file) => &file.plan,
        }
    }

    /// Reads words from word `at` on, followed by an acquire fence.
    pub(super) fn words<const N: usize>(&self, at: usize) -> Result<Words<N>, ReadError> {
        let mut words = [0; N];
        match self {
            Self::Nothing(_) => {}
            Self::Local { session, .. } => {
                for (index, word) in words.iter_mut().enumerate() {
                    if at + index < session.header.len() {
                        *word = session.header.word(at + index);
                    }
                }
            }
            Self::File(file) => file.read(at, &mut words)?,
        }
        fence(Ordering::Acquire);
        Ok(Words(words))
    }

    /// A stamped cell; `None` if it is empty or its writer keeps changing it.
    pub(super) fn cell<const N: usize>(&self, at: usize) -> Result<Option<(u64, [u64; N])>, ReadError> {
        for _ in 0..CELL_TRIES {
            let Words([before]) = self.words(at)?;
            let Words(payload) = self.words::<N>(at + 1)?;
            let Words([after]) = self.words(at)?;
            if before == after && before != 0 {
                return Ok(Some((before, payload)));
            }
        }
        Ok(None)
    }

    /// The latest anchor that the process took.
    pub(super) fn latest_anchor(&self) -> Result<Option<Anchor>, ReadError> {
        Ok(self.cell::<3>(head::ANCHOR_LATEST)?.map(|(_, words)| anchor(&words)))
    }

    /// Notes that the process exists at `now`, if this reader drains a recording: if the process is killed while its
    /// loop hangs, the note shows for how long it hung.
    pub(super) fn note_alive(&self, now: Ticks) {
        if let Self::Local { session, drains: true } = self {
            session.header.note_alive(now);
        }
    }

    /// The last moment at which the process noted that it exists.
    pub(super) fn alive_at(&self) -> Result<Option<Ticks>, ReadError> {
        let Words([alive]) = self.words(head::ALIVE_AT)?;
        Ok((alive != 0).then_some(Ticks(alive)))
    }

    /// A label; `None` if its kind is unknown to this version, or its text is invalid.
    pub(super) fn label(&self, index: usize) -> Result<Option<(LabelKind, u32, InlineText)>, ReadError> {
        let Words::<LABEL_WORDS>([first, text @ .., _]) = self.words(self.plan().label_word(index))?;
        let kind = u8::try_from(first >> 32).ok().and_then(LabelKind::from_code);
        Ok(kind.zip(InlineText::from_words(text)).map(|(kind, text)| (kind, first as u32, text)))
    }

    /// Rings that are missing from the file but can be read in this process.
    pub(super) fn unshared(&self) -> u64 {
        match self {
            Self::Local { session, .. } => session.unshared(),
            Self::Nothing(_) | Self::File(_) => 0,
        }
    }

    /// How far this process's monotonic clock is ahead of the recording process's, which took `anchor`: their time
    /// namespaces may differ. Both share the wall clock.
    pub(super) fn clock_ahead_ns(&self, anchor: &Anchor) -> i64 {
        let Self::File(file) = self else { return 0 };
        if file.identity.time_namespace == identity::namespace("time") {
            return 0;
        }
        let wall_ns = |monotonic: u64, wall_ns: u64| wall_ns.wrapping_sub(monotonic).cast_signed();
        let here = wall_ns(monotonic_now().0, clock::wall_ns());
        wall_ns(anchor.monotonic.0, anchor.wall_ns).wrapping_sub(here)
    }

    /// Whether the process has marked its session as ended. Cheap.
    pub(super) fn has_ended(&self) -> Result<bool, ReadError> {
        match self {
            Self::Nothing(_) => Ok(true),
            Self::Local { session, .. } => Ok(session.has_ended()),
            Self::File(_) => Ok(self.words::<1>(head::STATE)?.0[0] == STATE_ENDED),
        }
    }

    /// Whether the process noted when its session ended.
    pub(super) fn has_end_time(&self) -> Result<bool, ReadError> {
        Ok(self.words::<1>(head::ENDED_AT)?.0[0] != 0)
    }

    /// Fails if the file was truncated since it was opened, even if nothing missing is being read.
    pub(super) fn expect_whole(&self) -> Result<(), ReadError> {
        let is_whole = match self {
            // Nothing can be missing.
            Self::Nothing(_) => true,
            Self::Local { session, .. } => session.is_whole(),
            Self::File(file) => file.file.metadata().map_err(|error| file.failed(error))?.len() >= file.bytes,
        };
        if is_whole { Ok(()) } else { Err(self.truncated()) }
    }

    /// The error of a file that was truncated.
    pub(super) fn truncated(&self) -> ReadError {
        let path = match self {
            Self::Nothing(_) => None,
            Self::Local { session, .. } => session.path(),
            Self::File(file) => Some(file.path.as_path()),
        };
        ReadError::Truncated { path: path.unwrap_or(Path::new("")).to_owned() }
    }

    /// Whether the process still exists but no longer runs any of its code.
    pub(super) fn is_exiting(&self) -> bool {
        matches!(self, Self::File(file) if liveness::is_exiting(&file.identity))
    }

    /// An anchor taken by this process, if it must lie on a line with those of the file: the clocks are the same, and
    /// the machine never slept, which would stop one of them.
    pub(super) fn own_anchor(&self, clock: SystemClock) -> Option<Anchor> {
        let Self::File(file) = self else { return None };
        let is_same = file.shares_clock && file.identity.time_namespace == identity::namespace("time");
        let has_slept = clock::asleep_ns() > AWAKE_NS;
        (is_same && !has_slept).then(|| clock.anchor())
    }

    /// The process's pid, if it is in this process's pid namespace.
    pub(super) fn pid_here(&self) -> Option<u32> {
        match self {
            Self::Nothing(_) => None,
            Self::Local { .. } => Some(std::process::id()),
            Self::File(file) => {
                let is_here =
                    file.identity.is_sound && file.identity.pid_namespace == identity::namespace("pid");
                is_here.then_some(file.identity.pid)
            }
        }
    }

    /// The current length of the file in bytes.
    pub(super) fn bytes(&self) -> Result<u64, ReadError> {
        match self {
            Self::File(file) => Ok(file.file.metadata().map_err(|error| file.failed(error))?.len()),
            Self::Nothing(_) | Self::Local { .. } => Ok(u64::MAX),
        }
    }

    pub(super) const fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Whether it is a file whose record clock is one that this process can read.
    pub(super) const fn shares_clock(&self) -> bool {
        matches!(self, Self::File(RingFile { shares_clock: true, .. }))
    }

    /// Whether nothing writes it any more.
    pub(super) fn is_still(&self) -> bool {
        matches!(self, Self::File(file) if file.is_still())
    }

    /// The state of the process, whether or not it has marked its session as ended.
    pub(super) fn observed(&self) -> ProcessState {
        match self {
            Self::File(file) => liveness::observe(&file.file, &file.identity, file.is_original),
            Self::Nothing(_) | Self::Local { .. } => ProcessState::Running,
        }
    }
}

impl RingFile {
    /// Opens and checks everything that later reads rely on.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_at(CWD, path.as_os_str(), path)
    }

    /// Like [`open`](Self::open), for a file in a folder. Errors name it `path`.
    pub(crate) fn open_at(folder: impl AsFd, name: &OsStr, path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { path: path.to_owned(), source };
        let no_file = || OpenError::NotAFile { path: path.to_owned() };
        let damaged = |what: &str| OpenError::Damaged { path: path.to_owned(), what: what.to_owned() };
        // A FIFO of this name must not block, and a link must not lead elsewhere.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match retry_on_intr(|| openat(&folder, name, flags, Mode::empty())) {
            Ok(file) => File::from(file),
            Err(Errno::LOOP) => return Err(no_file()),
            Err(error) => return Err(failed(error.into())),
        };
        let stat = file.metadata().map_err(failed)?;
        if !stat.is_file() {
            return Err(no_file());
        }
        let mut words = [0; head::WORDS];
        if stat.len() < (head::WORDS * WORD_BYTES) as u64 {
            return Err(OpenError::NotARing { path: path.to_owned() });
        }
        read_words(&file, 0, &mut words).map_err(failed)?;
        fence(Ordering::Acquire);
        if words[head::MAGIC] != MAGIC {
            return Err(OpenError::NotARing { path: path.to_owned() });
        }
        let found = (words[head::VERSION] >> 32) as u32;
        if found != LAYOUT_MAJOR {
            let path = path.to_owned();
            return Err(OpenError::OtherLayout { path, found, supported: LAYOUT_MAJOR });
        }
        let plan = plan(&words, stat.len()).map_err(damaged)?;
        if has_rings_behind(&file, &plan).map_err(failed)? {
            return Err(damaged("it has more rings than places for them"));
        }
        let unit = u8::try_from(words[head::TICK_UNIT]).ok().and_then(TickUnit::from_code);
        let identity = Identity {
            pid: u32::try_from(words[head::PID]).map_err(|_| damaged("its process id is out of range"))?,
            pid_namespace: words[head::PID_NAMESPACE],
            time_namespace: words[head::TIME_NAMESPACE],
            start_time: words[head::START_TIME],
            boot_id: [words[head::BOOT_ID], words[head::BOOT_ID + 1]],
            is_sound: head::IDENTITY
                .into_iter()
                .zip(&words[head::IDENTITY_AGAIN..])
                .all(|(word, again)| words[word] == *again),
        };
        let unit = unit.ok_or_else(|| damaged("its tick unit is unknown"))?;
        let mut json = vec![0; plan.meta_bytes];
        file.read_exact_at(&mut json, plan.meta_at as u64).map_err(failed)?;
        let metadata: Metadata = serde_json::from_slice(&json)
            .map_err(|error| damaged(&format!("its metadata is no JSON of ours: {error}")))?;
        let has_same_origin = unit == TickUnit::Tsc || identity.time_namespace == identity::namespace("time");
        let shares_clock = has_same_origin && identity.boot_id == identity::boot_id().map_err(failed)?;
        let anchors = [anchor(&words[head::ANCHOR_FIRST..]), anchor(&words[head::ANCHOR_SECOND..])];
        let created = FileIdentity::from_words([0, 1, 2].map(|word| words[head::FILE + word]));
        let is_original = FileIdentity::of(&file).map_err(failed)? == created;
        let (path, bytes) = (path.to_owned(), stat.len());
        Ok(Self { file, path, plan, identity, metadata, unit, anchors, shares_clock, is_original, bytes })
    }

    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) const fn file(&self) -> &File {
        &self.file
    }

    fn read(&self, at: usize, words: &mut [u64]) -> Result<(), ReadError> {
        read_words(&self.file, at, words).map_err(|error| self.failed(error))
    }

    pub(crate) fn failed(&self, error: io::Error) -> ReadError {
        let path = self.path.clone();
        if error.kind() == io::ErrorKind::UnexpectedEof {
            ReadError::Truncated { path }
        } else {
            ReadError::Io { path, source: error }
        }
    }

    /// Whether nothing writes the file any more.
    pub(crate) fn is_still(&self) -> bool {
        liveness::is_still(&self.file, &self.identity)
    }
}

fn read_words(file: &File, at: usize, words: &mut [u64]) -> io::Result<()> {
    file.read_exact_at(bytemuck::cast_slice_mut(words), at as u64 * WORD_BYTES as u64)
}

fn anchor(words: &[u64]) -> Anchor {
    Anchor { ticks: Ticks(words[0]), monotonic: Timestamp(words[1]), wall_ns: words[2] }
}

/// Whether there are rings between the last place of the table and the metadata. If so, the number of places is
/// damaged, and their events would be silently missing.
fn has_rings_behind(file: &File, plan: &Plan) -> io::Result<bool> {
    let room = plan.meta_at.saturating_sub(plan.table_at) / (place::WORDS * WORD_BYTES);
    for index in plan.places..room.min(PLACES_MAX) {
        let mut state = [0];
        read_words(file, plan.place_word(index), &mut state)?;
        if state != [0] {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The plan stated by a header, if it fits into the file.
fn plan(words: &[u64; head::WORDS], file_bytes: u64) -> Result<Plan, &'static str> {
    let bounded = |word: usize, max: usize, what| {
        usize::try_from(words[word]).ok().filter(|value| *value <= max).ok_or(what)
    };
    let fits = |at: usize, bytes: usize| {
        at.is_multiple_of(WORD_BYTES) && at.checked_add(bytes).is_some_and(|end| end as u64 <= file_bytes)
    };
    if words[head::PLACES] == 0 {
        return Err("it has no place for a ring");
    }
    let anywhere = usize::MAX / 2;
    let plan = Plan {
        places: bounded(head::PLACES, PLACES_MAX, "it has too many rings")?,
        table_at: bounded(head::TABLE_AT, anywhere, "its table of rings is out of range")?,
        meta_at: bounded(head::META_AT, anywhere, "its metadata is out of range")?,
        meta_bytes: bounded(head::META_BYTES, META_BYTES_MAX, "its metadata is too long")?,
        labels_at: bounded(head::LABELS_AT, anywhere, "its label table is out of range")?,
        labels_max: bounded(head::LABELS_MAX, LABELS_MAX, "it has too many labels")?,
        fixed_bytes: bounded(head::FIXED_BYTES, anywhere, "its fixed part is out of range")?,
    };
    if !fits(plan.table_at, plan.places * place::WORDS * WORD_BYTES) {
        return Err("its table of rings lies outside the file");
    }
    if !fits(plan.meta_at, plan.meta_bytes) {
        return Err("its metadata lies outside the file");
    }
    if !fits(plan.labels_at, plan.labels_max * LABEL_WORDS * WORD_BYTES) {
        return Err("its label table lies outside the file");
    }
    Ok(plan)
}
