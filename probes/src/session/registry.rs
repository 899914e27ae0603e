//! State that a session's threads share under its lock: the occupied places of the table of rings, and the labels.

use std::collections::HashMap;
use std::sync::Arc;

use super::gate::Gate;
use crate::event::LabelKind;
use crate::ids::SourceId;
use crate::memory::Region;
use crate::record::RECORD_BYTES;
use crate::ring::{MemoryView, PollLimits, RECORD_WORDS, Reader, RingSlots, Start};
use crate::shared::create::SharedFile;
use crate::shared::header::{Header, NewPlace};
use crate::shared::layout::UNSHARED_AT;
use crate::text::{InlineText, TEXTS_REST};

/// Maximum number of texts of a kind that a session keeps. Errors with ever different messages must not fill memory,
/// the header's table or a trace; names are usually literals, so more of them are kept.
pub(super) const fn texts_max(kind: LabelKind) -> usize {
    match kind {
        LabelKind::Text => 512,
        LabelKind::Tag | LabelKind::Span | LabelKind::Source | LabelKind::Io => 2048,
    }
}

#[derive(Debug, Default)]
pub(super) struct Registry {
    places: Vec<Place>,
    /// Labels by kind and text, and by kind and number.
    ids: HashMap<(LabelKind, InlineText), u32>,
    texts: HashMap<(LabelKind, u32), InlineText>,
    /// Number of interned labels, by kind.
    interned: HashMap<LabelKind, usize>,
    last_label: u32,
    /// Bytes of rings after the file's fixed part.
    ring_bytes: usize,
    /// Number of rings that did not fit into the file, so that only this process reads them.
    unshared: u64,
    /// Why the last of them did not fit.
    no_room: String,
    /// Whether writers wait for the draining reader.
    held: bool,
}

#[derive(Debug)]
struct Place {
    slots: RingSlots,
    gate: Arc<Gate>,
    slots_at: u64,
    capacity: u32,
    name: InlineText,
    /// The number of its current emitter.
    source: u32,
    generation: u32,
    open: bool,
    written: u64,
}

/// A ring that a recorder may now write to.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) place: usize,
    pub(crate) slots: RingSlots,
    pub(crate) gate: Arc<Gate>,
    /// The number of the emitter. It is new if the place's last emitter had another name.
    pub(crate) source: SourceId,
    pub(crate) name: InlineText,
    /// Records written by earlier recorders of this place.
    pub(crate) written: u64,
    /// The previous emitter of this place.
    pub(crate) before: Option<(SourceId, InlineText)>,
}

impl Registry {
    /// Finds a place for a new recorder: preferably one left by a recorder of the same name, so that short-lived
    /// threads do not use up memory; else a new one; else any that is free.
    pub(super) fn open(
        &mut self,
        header: &Header,
        file: Option<&SharedFile>,
        name: &str,
        capacity: u32,
    ) -> Option<Opened> {
        let name = InlineText::new(name);
        let left = |place: &Place| !place.open && place.capacity == capacity;
        let same = self.places.iter().position(|place| left(place) && place.name == name);
        let index = match same {
            Some(index) => index,
            None if self.places.len() < header.plan().places => {
                self.add(header, file, name, capacity);
                self.places.len() - 1
            }
            None => self.places.iter().position(left)?,
        };
        let place = &mut self.places[index];
        let before = (place.generation > 0).then_some((SourceId(place.source), place.name));
        if before.is_some_and(|(_, last)| last != name) {
            // The numbers of one place are this far apart, so that every emitter has its own.
            place.source = place.source.checked_add(header.plan().places as u32)?;
        }
        place.open = true;
        place.generation += 1;
        place.name = name;
        header.open_place(
            index,
            NewPlace {
                generation: place.generation,
                source: place.source,
                began: place.written,
                slots_at: place.slots_at,
                capacity,
                thread: u64::from(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()),
                name,
            },
        );
        Some(Opened {
            place: index,
            slots: place.slots.clone(),
            gate: Arc::clone(&place.gate),
            source: SourceId(place.source),
            name,
            written: place.written,
            before,
        })
    }

    fn add(&mut self, header: &Header, file: Option<&SharedFile>, name: InlineText, capacity: u32) {
        let offset = header.plan().fixed_bytes + self.ring_bytes;
        let bytes = capacity as usize * RECORD_BYTES;
        let private = || Region::heap(capacity as usize * RECORD_WORDS);
        let (region, slots_at) = match file.map(|file| file.extend(offset, bytes)) {
            None => (private(), offset),
            Some(Ok(region)) => (region, offset),
            // The filesystem is full: this process can still read the ring. Other processes see that one is missing.
            Some(Err(error)) => {
                self.unshared += 1;
                self.no_room = error.to_string();
                header.add_dropped_source();
                (private(), UNSHARED_AT)
            }
        };
        if slots_at != UNSHARED_AT {
            self.ring_bytes += bytes;
        }
        self.places.push(Place {
            slots: RingSlots::new(Arc::new(region), self.places.len()),
            gate: Arc::new(Gate::new(u64::from(capacity), self.held)),
            slots_at: slots_at as u64,
            capacity,
            name,
            source: self.places.len() as u32 + 1,
            generation: 0,
            open: false,
            written: 0,
        });
    }

    pub(super) fn close(&mut self, header: &Header, index: usize, written: u64) {
        if let Some(place) = self.places.get_mut(index) {
            place.open = false;
            place.written = written;
            header.close_place(index, place.generation, written);
        }
    }

    /// Notes in the header how many records the open rings have, so that readers of a file that lacks the newest ones
    /// count them as lost.
    pub(super) fn note_written(&self, header: &Header) {
        let mut scratch = Vec::new();
        for (index, place) in self.places.iter().enumerate().filter(|(_, place)| place.open) {
            let mut reader = Reader::new(Start::Newest);
            let Ok(_) = reader.poll(&MemoryView(&place.slots), &mut scratch, PollLimits::ALL, |_| {});
            header.note_written_at_least(index, reader.next());
        }
    }

    pub(super) fn slots(&self, index: usize) -> Option<(RingSlots, Arc<Gate>)> {
        self.places.get(index).map(|place| (place.slots.clone(), Arc::clone(&place.gate)))
    }

    pub(super) const fn unshared(&self) -> u64 {
        self.unshared
    }

    /// Why the last ring did not fit.
    pub(super) fn no_room(&self) -> &str {
        &self.no_room
    }

    /// Whether the file was truncated under any of the rings.
    pub(super) fn is_lost(&self) -> bool {
        self.places.iter().any(|place| place.slots.is_lost())
    }

    /// Makes writers wait for the draining reader from now on.
    pub(super) fn hold(&mut self) {
        self.held = true;
        self.places.iter().for_each(|place| place.gate.hold());
    }

    pub(super) fn name(&mut self, header: &Header, kind: LabelKind, id: u32, text: InlineText) -> bool {
        let news = self.texts.insert((kind, id), text) != Some(text);
        if news {
            header.add_label(kind, id, text);
        }
        news
    }

    /// The number of `text`, or of its stand-in, and the text to announce if it is new.
    pub(super) fn intern(
        &mut self,
        header: &Header,
        kind: LabelKind,
        text: InlineText,
    ) -> (u32, Option<InlineText>) {
        if let Some(id) = self.ids.get(&(kind, text)) {
            return (*id, None);
        }
        let interned = self.interned.entry(kind).or_default();
        let text = if *interned < texts_max(kind) { text } else { InlineText::new(TEXTS_REST) };
        if let Some(id) = self.ids.get(&(kind, text)) {
            return (*id, None);
        }
        *interned += 1;
        self.last_label += 1;
        let id = self.last_label;
        self.ids.insert((kind, text), id);
        header.add_label(kind, id, text);
        (id, Some(text))
    }
}
