//! The writer's view of the header: the same words on the heap (a private session) or mapped (a shared one).

use std::sync::atomic::{Ordering, fence};

use super::identity::Identity;
use super::layout::{self, Plan, head, place};
use super::original::FileIdentity;
use super::{LAYOUT_MAJOR, LAYOUT_MINOR};
use crate::clock::{Anchor, TickUnit};
use crate::event::{Event, LabelKind};
use crate::ids::Ticks;
use crate::memory::Region;
use crate::text::InlineText;

/// The header, the table of rings and the label table of one session.
#[derive(Debug)]
pub(crate) struct Header {
    region: Region,
    plan: Plan,
}

/// Contents of a new place in the table of rings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewPlace {
    pub(crate) generation: u32,
    /// The emitter's number, and its first record.
    pub(crate) source: u32,
    pub(crate) began: u64,
    pub(crate) slots_at: u64,
    pub(crate) capacity: u32,
    pub(crate) thread: u64,
    pub(crate) name: InlineText,
}

impl Header {
    /// Fills an empty region.
    pub(crate) fn new(
        region: Region,
        plan: Plan,
        identity: &Identity,
        unit: TickUnit,
        anchors: [Anchor; 2],
        metadata: &[u8],
    ) -> Self {
        let header = Self { region, plan };
        let words = [
            (head::VERSION, u64::from(LAYOUT_MAJOR) << 32 | u64::from(LAYOUT_MINOR)),
            (head::FIXED_BYTES, plan.fixed_bytes as u64),
            (head::PID, u64::from(identity.pid)),
            (head::PID_NAMESPACE, identity.pid_namespace),
            (head::TIME_NAMESPACE, identity.time_namespace),
            (head::START_TIME, identity.start_time),
            (head::BOOT_ID, identity.boot_id[0]),
            (head::BOOT_ID + 1, identity.boot_id[1]),
            (head::TICK_UNIT, unit as u64),
            (head::PLACES, plan.places as u64),
            (head::TABLE_AT, plan.table_at as u64),
            (head::META_AT, plan.meta_at as u64),
            (head::META_BYTES, metadata.len() as u64),
            (head::LABELS_AT, plan.labels_at as u64),
            (head::LABELS_MAX, plan.labels_max as u64),
            (head::KIND_MAX, u64::from(Event::<Ticks>::KIND_MAX)),
        ];
        for (word, value) in words {
            header.set(word, value);
        }
        for (word, anchor) in [(head::ANCHOR_FIRST, anchors[0]), (head::ANCHOR_SECOND, anchors[1])] {
            for (index, value) in anchor_words(anchor).into_iter().enumerate() {
                header.set(word + index, value);
            }
        }
        header.set_latest_anchor(anchors[1]);
        for (index, chunk) in metadata.chunks(8).enumerate() {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            header.set(plan.meta_at / 8 + index, u64::from_ne_bytes(bytes));
        }
        header.publish(head::STATE, layout::STATE_RECORDING);
        header.publish(head::MAGIC, layout::MAGIC);
        header
    }

    /// Stores the identity of the file that has this header, and the whole identity again.
    pub(crate) fn set_file(&self, file: FileIdentity) {
        for (index, value) in file.to_words().into_iter().enumerate() {
            self.set(head::FILE + index, value);
        }
        for (index, word) in head::IDENTITY.into_iter().enumerate() {
            self.set(head::IDENTITY_AGAIN + index, self.word(word));
        }
    }

    pub(crate) const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Reads a word, for readers in the same process.
    pub(crate) fn word(&self, word: usize) -> u64 {
        self.region.word(word).load(Ordering::Acquire)
    }

    /// Whether its file was truncated.
    pub(crate) fn is_lost(&self) -> bool {
        self.region.is_lost()
    }

    /// Number of words in the header.
    pub(crate) const fn len(&self) -> usize {
        self.region.len()
    }

    /// Marks the session as ended cleanly at `now`.
    pub(crate) fn end(&self, now: Ticks) {
        // 0 would mean that the time is not recorded.
        self.set(head::ENDED_AT, now.0.max(1));
        self.publish(head::STATE, layout::STATE_ENDED);
    }

    /// Records that the process exists at `now`.
    pub(crate) fn note_alive(&self, now: Ticks) {
        self.region.word(head::ALIVE_AT).fetch_max(now.0, Ordering::Relaxed);
    }

    /// Stores the latest anchor. One caller at a time.
    pub(crate) fn set_latest_anchor(&self, anchor: Anchor) {
        let version = self.word(head::ANCHOR_LATEST).wrapping_add(1).max(1);
        self.write_cell(head::ANCHOR_LATEST, version, &anchor_words(anchor));
    }

    /// Whether the latest anchor is older at `now` than `apart_max`, or than the time from the first anchor to it.
    pub(crate) fn needs_anchor(&self, now: Ticks, apart_max: u64) -> bool {
        let [first, latest] = [head::ANCHOR_FIRST, head::ANCHOR_LATEST + 1].map(|word| self.word(word));
        now.0.saturating_sub(latest) >= latest.saturating_sub(first).min(apart_max)
    }

    /// Fills in a place and marks it as open. One caller at a time.
    pub(crate) fn open_place(&self, index: usize, new: NewPlace) {
        let at = self.plan.place_word(index);
        self.publish(at + place::STATE, u64::from(new.generation) << 32);
        fence(Ordering::Release);
        self.set(at + place::SLOTS_AT, new.slots_at);
        self.set(at + place::CAPACITY, u64::from(new.capacity));
        self.set(at + place::THREAD, new.thread);
        self.set(at + place::SOURCE, u64::from(new.source));
        self.set(at + place::BEGAN, new.began);
        self.set(at + place::RUNNING, 0);
        for (offset, word) in new.name.to_words().into_iter().enumerate() {
            self.set(at + place::NAME + offset, word);
        }
        self.publish(at + place::STATE, u64::from(new.generation) << 32 | layout::PLACE_OPEN);
        self.region.word(head::TABLE_CHANGES).fetch_add(1, Ordering::Release);
    }

    /// Marks a place as closed. One caller at a time.
    pub(crate) fn close_place(&self, index: usize, generation: u32, written: u64) {
        let at = self.plan.place_word(index);
        self.set(at + place::WRITTEN, written);
        self.publish(at + place::STATE, u64::from(generation) << 32 | layout::PLACE_CLOSED);
    }

    /// Notes how many records of a place were written so far. Only its writer does that while it is open.
    #[inline]
    pub(crate) fn note_written(&self, index: usize, written: u64) {
        self.set(self.plan.place_word(index) + place::WRITTEN, written);
    }

    /// Notes that at least `written` records of a place were written. Any thread may call this.
    pub(crate) fn note_written_at_least(&self, index: usize, written: u64) {
        self.region.word(self.plan.place_word(index) + place::WRITTEN).fetch_max(written, Ordering::Relaxed);
    }

    /// Counts records of a place that overwrote undrained ones.
    pub(crate) fn add_overrun(&self, index: usize, records: u64) {
        self.add(self.plan.place_word(index) + place::OVERRUN, records);
    }

    /// Counts a recorder that found no place.
    pub(crate) fn add_dropped_source(&self) {
        self.add(head::SOURCES_DROPPED, 1);
    }

    /// Appends to the label table; counts the label if the table is full. One caller at a time.
    pub(crate) fn add_label(&self, kind: LabelKind, id: u32, text: InlineText) {
        let used = self.word(head::LABELS_USED) as usize;
        if used >= self.plan.labels_max {
            self.add(head::LABELS_DROPPED, 1);
            return;
        }
        let at = self.plan.label_word(used);
        self.set(at, u64::from(kind.code()) << 32 | u64::from(id));
        for (offset, word) in text.to_words().into_iter().enumerate() {
            self.set(at + 1 + offset, word);
        }
        self.publish(head::LABELS_USED, used as u64 + 1);
    }

    /// Writes a stamped cell the way the ring writes a record: invalid first, its stamp last.
    #[inline]
    pub(crate) fn write_cell(&self, at: usize, stamp: u64, payload: &[u64]) {
        self.set(at, 0);
        fence(Ordering::Release);
        for (index, value) in payload.iter().enumerate() {
            self.set(at + 1 + index, *value);
        }
        self.publish(at, stamp);
    }

    #[inline]
    fn set(&self, word: usize, value: u64) {
        self.region.word(word).store(value, Ordering::Relaxed);
    }

    #[inline]
    fn publish(&self, word: usize, value: u64) {
        self.region.word(word).store(value, Ordering::Release);
    }

    fn add(&self, word: usize, value: u64) {
        self.region.word(word).fetch_add(value, Ordering::Relaxed);
    }
}

const fn anchor_words(anchor: Anchor) -> [u64; 3] {
    [anchor.ticks.0, anchor.monotonic.0, anchor.wall_ns]
}
