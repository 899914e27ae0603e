//! The events of the result before they are sorted.
//!
//! Whether a thread is a loop, and what a slice means, depends on later slices, so events are emitted out of order and
//! sorted before they are written. Names become tags and labels of the trace here.

use std::io::{self, Read, Write};

use indexmap::IndexSet;
use loop_probes::event::{Event, LabelKind};
use loop_probes::ids::{LabelId, SourceId, Tag, Timestamp};
use loop_probes::record::{PARTS_MAX, Packed, unpack};
use loop_probes::stamped::Stamped;
use loop_probes::text::Text;

use super::names::{Names, label_text};
use super::sorted::{Record, put_words, take_words};

/// Maximum number of tags, and of labels of spans and marks. A trace has 16 bits for a tag.
const NAMED_MAX: u32 = 60_000;

/// An event of the result.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsorted {
    pub(super) at: Timestamp,
    /// Counts up: the order at equal times.
    pub(super) order: u64,
    pub(super) source: SourceId,
    /// `None` for a task that leaves its queue: not an event, but the queue's depth changes.
    pub(super) event: Option<Event>,
}

impl Record for Unsorted {
    type Key = (Timestamp, u64);

    fn key(&self) -> (Timestamp, u64) {
        (self.at, self.order)
    }

    fn spill(&self, out: &mut impl Write) -> io::Result<()> {
        let packed = self.event.map(|event| Packed::new(self.at, event));
        let parts = packed.as_ref().map_or(0, Packed::parts) as u64;
        put_words(out, &[self.at.0, self.order, u64::from(self.source.0) << 8 | parts])?;
        packed.iter().flat_map(|packed| packed.records(0)).try_for_each(|record| put_words(out, &record))
    }

    fn take(from: &mut impl Read) -> io::Result<Self> {
        let [at, order, source] = take_words(from)?;
        let parts = (source & 0xff) as usize;
        let mut records = [[0; 4]; PARTS_MAX];
        let records = records.get_mut(..parts).ok_or(io::ErrorKind::InvalidData)?;
        for record in &mut *records {
            *record = take_words(from)?;
        }
        let event = match parts {
            0 => None,
            _ => Some(unpack::<Timestamp>(records).map_err(io::Error::other)?.1),
        };
        Ok(Self { at: Timestamp(at), order, source: SourceId((source >> 8) as u32), event })
    }
}

/// The tags and labels that names have become.
#[derive(Debug, Default)]
pub(super) struct NamedAs {
    tags: IndexSet<u32>,
    labels: IndexSet<u32>,
}

impl NamedAs {
    /// The tag of a name. The last tag stands for all further names.
    pub(super) fn tag(&mut self, name: u32) -> Tag {
        Tag((self.tags.insert_full(name).0 as u32 + 1).min(NAMED_MAX) as u16)
    }

    /// The label of a name. The last label stands for all further names.
    pub(super) fn label(&mut self, name: u32) -> LabelId {
        LabelId((self.labels.insert_full(name).0 as u32 + 1).min(NAMED_MAX))
    }

    /// Names that share the last tag, and names that share the last label.
    pub(super) fn sharing(&self) -> u64 {
        let own = NAMED_MAX as usize - 1;
        let of = |named: &IndexSet<u32>| named.len().saturating_sub(own) as u64;
        of(&self.tags) + of(&self.labels)
    }

    /// The events that introduce them.
    pub(super) fn introductions(&self, names: &Names) -> Vec<Stamped> {
        let introduced = |kind, named: &IndexSet<u32>| {
            let ids = (1..=NAMED_MAX).zip(named);
            let text = |id, name: &u32| if id == NAMED_MAX { "(others)" } else { names.text(*name) };
            ids.map(|(id, name)| introduction(kind, id, text(id, name), SourceId(1))).collect::<Vec<_>>()
        };
        [introduced(LabelKind::Tag, &self.tags), introduced(LabelKind::Span, &self.labels)].concat()
    }
}

/// The event that introduces a name.
pub(super) fn introduction(kind: LabelKind, id: u32, text: &str, source: SourceId) -> Stamped {
    let text = if text.is_empty() { "(no name)".to_owned() } else { label_text(text) };
    Stamped { at: Timestamp(0), source, event: Event::Label { kind, id, text: Text::new(&text) } }
}

#[cfg(test)]
mod tests {
    use loop_probes::event::{Origin, Placement, Queue};
    use loop_probes::ids::TaskId;

    use super::*;

    #[test]
    fn what_is_spilled_comes_back() {
        let queued = Event::TaskQueued {
            task: TaskId(1 << 40),
            tag: Tag(7),
            place: Placement { queue: Queue::Tasks, origin: Origin::Concurrent, depth: 0 },
            parent: None,
            poster: Some(SourceId(3)),
            queued: Timestamp(5),
        };
        let events = [Some(Event::TickStart { tick: 1 }), None, Some(queued)];
        let mut spilled = Vec::new();
        for (order, event) in (0..).zip(events) {
            Unsorted { at: Timestamp(1 << 50), order, source: SourceId(u32::MAX), event }
                .spill(&mut spilled)
                .unwrap();
        }
        let mut rest = &spilled[..];
        for (order, event) in (0..).zip(events) {
            let read = Unsorted::take(&mut rest).unwrap();
            assert_eq!((read.at, read.order, read.source), (Timestamp(1 << 50), order, SourceId(u32::MAX)));
            assert_eq!(read.event, event);
        }
        assert!(rest.is_empty() && Unsorted::take(&mut rest).is_err());
    }

    #[test]
    fn names_beyond_the_limit_share_the_last_tag() {
        let (mut named, names) = (NamedAs::default(), Names::default());
        let tags: Vec<Tag> = (0..NAMED_MAX + 2).map(|name| named.tag(name)).collect();
        assert_eq!((tags[0], tags[1], named.tag(0)), (Tag(1), Tag(2), Tag(1)));
        assert_eq!(tags[NAMED_MAX as usize - 1..], [Tag(NAMED_MAX as u16); 3]);
        assert_eq!(named.sharing(), 3);
        let introduced = named.introductions(&names);
        assert_eq!(introduced.len(), NAMED_MAX as usize);
        let last = introduced.last().map(|stamped| stamped.event);
        assert!(
            matches!(last, Some(Event::Label { id: NAMED_MAX, text, .. }) if text.get().as_str() == "(others)")
        );
    }
}
