//! What a reader hands out: labels before their first use, events in order, gaps at the record that follows, or at the end if none does.

use super::image::Words;
use super::{ProcessReader, ReadError};
use crate::clock::Clock as _;
use crate::event::{Event, LabelKind};
use crate::ids::{SourceId, Ticks};
use crate::record::Packed;
use crate::shared::layout::{LABELS_MAX, head};
use crate::stamped::Stamped;
use crate::text::InlineText;

/// Most missing rings that are reported one by one: a damaged count must not fill memory.
const MISSING_MAX: u64 = 4096;

impl ProcessReader {
    pub(super) fn read_labels(&mut self, out: &mut Vec<Stamped>) -> Result<(), ReadError> {
        let Words([used, dropped, sources]) = self.image.words(head::LABELS_USED)?;
        (self.dropped_labels, self.dropped_sources) =
            (dropped, sources.saturating_sub(self.image.unshared()));
        let used = usize::try_from(used).unwrap_or(usize::MAX).min(self.image.plan().labels_max);
        while self.labels_read < used {
            let label = self.image.label(self.labels_read)?;
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
        if self.is_news(kind, id, text) {
            out.push(Stamped {
                at: self.last_at,
                source,
                event: Event::Label { kind, id, text: text.into() },
            });
        }
    }

    /// Whether a label is new; remembers it as known.
    fn is_news(&mut self, kind: LabelKind, id: u32, text: InlineText) -> bool {
        if self.known.len() >= 2 * LABELS_MAX {
            return true;
        }
        self.known.insert((kind, id), text) != Some(text)
    }

    pub(super) fn release(&mut self, watermark: Ticks, out: &mut Vec<Stamped>) {
        let mut merge = std::mem::take(&mut self.merge);
        let begin = self.begin.unwrap_or_default();
        merge.release(watermark, |_, raw| {
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
            let at = self.map.convert(raw.at);
            self.last_at = self.last_at.max(at);
            if let Event::Label { kind, id, text } = raw.event
                && !self.is_news(kind, id, text.get())
            {
                return;
            }
            let stamped =
                Stamped { at, source: raw.source, event: raw.event.map_time(|time| self.map.peek(time)) };
            if self.chronology.allows(&stamped, self.map.faults().error_ns_max) {
                out.push(stamped);
            } else {
                self.contradictions += 1;
            }
        });
        self.merge = merge;
    }

    /// Reports records missing behind the last event of a ring, once all events were handed out.
    pub(super) fn release_end_gaps(&mut self, out: &mut Vec<Stamped>) {
        let at = self.last_at;
        out.extend(self.rings.take_end_gaps().map(|gap| {
            let from = gap.from.map_or(at, |from| self.map.peek(from).min(at));
            Stamped { at, source: gap.source, event: Event::Lost { count: gap.count, from } }
        }));
    }

    /// Reports rings of which nothing can be read. What their emitters did is unknown, so each is a gap.
    pub(super) fn report_missing(&mut self, out: &mut Vec<Stamped>) {
        let missing = self.dropped_sources().saturating_add(self.unreadable_sources()).min(MISSING_MAX);
        let lost = Event::Lost { count: 1, from: self.last_at };
        for _ in self.missing_reported..missing {
            out.push(Stamped { at: self.last_at, source: SourceId(0), event: lost });
        }
        self.missing_reported = self.missing_reported.max(missing);
    }

    /// Fails if the file was truncated. Once it was, what it has is not believed again, even if it is extended.
    pub(super) fn expect_whole(&self) -> Result<(), ReadError> {
        if self.is_truncated { Err(self.image.truncated()) } else { self.image.expect_whole() }
    }

    /// Ends the stream if `error` says that the file was truncated: with everything held back, then a gap, because what
    /// had not been read is gone, and nothing is recorded any more.
    pub(super) fn note_truncation(&mut self, error: &ReadError, out: &mut Vec<Stamped>) {
        if self.is_truncated || !matches!(error, ReadError::Truncated { .. }) {
            return;
        }
        self.release(Ticks(u64::MAX), out);
        self.release_end_gaps(out);
        self.is_truncated = true;
        let lost = Event::Lost { count: 1, from: self.last_at };
        out.push(Stamped { at: self.last_at, source: SourceId(0), event: lost });
    }

    /// Reads rings, labels and anchor; emits new labels.
    pub(super) fn gather(&mut self, gently: bool, out: &mut Vec<Stamped>) -> Result<bool, ReadError> {
        let mut names = Vec::new();
        let mut horizon = self.horizon();
        let read = self.rings.refresh(&self.image, &mut names).and_then(|()| {
            self.rings.poll(&self.image, self.clock.now(), gently, &mut horizon, &mut self.merge)
        });
        for (source, name) in names {
            self.add_label(SourceId(source), LabelKind::Source, source, name, out);
        }
        let more = read?;
        self.read_labels(out)?;
        self.settle_clock();
        self.notice_sleep();
        if let Some(anchor) = self.image.latest_anchor()?
            && anchor.ticks > self.anchor_at
        {
            self.anchor_at = anchor.ticks;
            self.ahead_ns = self.image.clock_ahead_ns(&anchor);
            self.map.add_anchor(anchor);
        }
        Ok(more)
    }
}
