//! The stream that a reader hands out: labels before their first use, events in order, and each gap at the record that
//! follows it, or at the end.

use std::collections::HashMap;

use super::clocks::Clocks;
use super::error::ReadError;
use super::image::{Image, Words};
use super::rings::Rings;
use crate::chronology::Chronology;
use crate::event::{Event, LabelKind};
use crate::ids::{SourceId, Ticks, Timestamp};
use crate::merge::Merge;
use crate::record::Packed;
use crate::shared::layout::{LABELS_MAX, head};
use crate::stamped::Stamped;
use crate::text::InlineText;

/// Maximum number of missing rings that are reported one by one: a damaged count must not fill memory.
const MISSING_MAX: u64 = 4096;

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) merge: Merge,
    /// Labels handed out so far, so that each is emitted once.
    known: HashMap<(LabelKind, u32), InlineText>,
    labels_read: usize,
    pub(super) dropped_labels: u64,
    /// Where the stream begins. A worker's ring reaches further back than that of a busy loop; events from before
    /// would make the loop look idle in that time.
    pub(super) begin: Option<Ticks>,
    /// Records from before `begin`: read, and lost.
    pub(super) passed_over: u64,
    pub(super) passed_over_lost: u64,
    pub(super) chronology: Chronology,
    /// Events whose times contradict each other.
    contradictions: u64,
    /// Time of the last event handed out.
    pub(super) last_at: Timestamp,
    /// Missing rings that were reported.
    pub(super) missing_reported: u64,
}

impl Stream {
    /// The stream of a session that started at `started`.
    pub(super) fn new(started: Timestamp, begin: Option<Ticks>) -> Self {
        Self {
            merge: Merge::default(),
            known: HashMap::new(),
            labels_read: 0,
            dropped_labels: 0,
            begin,
            passed_over: 0,
            passed_over_lost: 0,
            chronology: Chronology::new(started),
            contradictions: 0,
            last_at: started,
            missing_reported: 0,
        }
    }

    /// Appends the labels that the table has gained.
    pub(super) fn read_labels(&mut self, image: &Image, out: &mut Vec<Stamped>) -> Result<(), ReadError> {
        let Words([used, dropped]) = image.words(head::LABELS_USED)?;
        self.dropped_labels = dropped;
        let used = usize::try_from(used).unwrap_or(usize::MAX).min(image.plan().labels_max);
        while self.labels_read < used {
            let label = image.label(self.labels_read)?;
            self.labels_read += 1;
            if let Some((kind, id, text)) = label {
                self.add_label(SourceId(0), kind, id, text, out);
            }
        }
        Ok(())
    }

    pub(super) fn add_label(
        &mut self,
        source: SourceId,
        kind: LabelKind,
        id: u32,
        text: InlineText,
        out: &mut Vec<Stamped>,
    ) {
        if self.learn(kind, id, text) {
            let event = Event::Label { kind, id, text: text.into() };
            out.push(Stamped { at: self.last_at, source, event });
        }
    }

    /// Remembers a label; true if it is new.
    fn learn(&mut self, kind: LabelKind, id: u32, text: InlineText) -> bool {
        if self.known.len() >= 2 * LABELS_MAX {
            return true;
        }
        self.known.insert((kind, id), text) != Some(text)
    }

    /// Events whose times contradict each other, or those of their emitter's previous event.
    pub(super) const fn contradictions(&self) -> u64 {
        self.contradictions + self.chronology.steps_back()
    }

    /// The largest step back of an emitter's times.
    pub(super) const fn back_ns_max(&self) -> u64 {
        self.chronology.back_ns_max()
    }

    /// Hands out the events up to `watermark`.
    pub(super) fn release(&mut self, clocks: &mut Clocks, watermark: Ticks, out: &mut Vec<Stamped>) {
        let mut merge = std::mem::take(&mut self.merge);
        let begin = self.begin.unwrap_or_default();
        merge.release(watermark, |raw| {
            match raw.event {
                Event::Label { .. } => {}
                _ if raw.at >= begin => {}
                Event::Lost { count, .. } => {
                    self.passed_over_lost += count;
                    return;
                }
                event => {
                    self.passed_over += Packed::new(raw.at, event).parts() as u64;
                    return;
                }
            }
            let at = clocks.map.convert(raw.at);
            self.last_at = self.last_at.max(at);
            if let Event::Label { kind, id, text } = raw.event
                && !self.learn(kind, id, text.get())
            {
                return;
            }
            let event = raw.event.map_time(|time| clocks.map.peek(time));
            let stamped = Stamped { at, source: raw.source, event };
            if self.chronology.allows(&stamped, clocks.map.faults().error_ns_max) {
                out.push(stamped);
            } else {
                self.contradictions += 1;
            }
        });
        self.merge = merge;
    }

    /// Reports records missing behind the last event of a ring, once all events were handed out.
    pub(super) fn release_end_gaps(&self, rings: &mut Rings, clocks: &Clocks, out: &mut Vec<Stamped>) {
        let at = self.last_at;
        out.extend(rings.take_end_gaps().map(|gap| {
            let from = gap.from.map_or(at, |from| clocks.map.peek(from).min(at));
            Stamped { at, source: gap.source, event: Event::Lost { count: gap.count, from } }
        }));
    }

    /// Reports `missing` unreadable rings in all. What their emitters did is unknown, so each is a gap.
    pub(super) fn report_missing(&mut self, missing: u64, out: &mut Vec<Stamped>) {
        let missing = missing.min(MISSING_MAX);
        for _ in self.missing_reported..missing {
            out.push(self.unknown_loss());
        }
        self.missing_reported = self.missing_reported.max(missing);
    }

    /// A gap of unknown length at the end of the stream so far.
    pub(super) const fn unknown_loss(&self) -> Stamped {
        let at = self.last_at;
        Stamped { at, source: SourceId(0), event: Event::Lost { count: 1, from: at } }
    }

    /// Notes the time of the last event that was handed out.
    pub(super) fn note_last(&mut self, out: &[Stamped]) {
        self.last_at = out.last().map_or(self.last_at, |last| self.last_at.max(last.at));
    }
}
