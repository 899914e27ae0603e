//! The slab of timers: for each its id, when it is due, as which arming, and what its owner keeps with it. A timer's
//! key is an index into it. All of a timer is in one place: among a million, memory is what one pays for.
//!
//! Whoever lets a timer wait holds an [`Arming`], and asks here whether it still stands: no arming has the number of
//! another. So to clear a timer is to cross out its number, wherever it waits.

/// The sequence of a timer that is not armed: it fires, or waits to be armed again.
const UNARMED: u64 = 0;
/// The sequence of a place that has no timer.
const FREE: u64 = u64::MAX;

/// In whole cache lines, so that no timer lies across more of them than it needs.
#[derive(Debug)]
#[repr(align(64))]
struct Place<E> {
    id: u64,
    due: u64,
    /// The number of this arming, from 1.
    sequence: u64,
    /// What stays here when the timer goes is of no use, and holds nothing.
    entry: E,
}

/// One arming of a timer, as it is sorted: by due time, equal ones in arming order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arming {
    pub(super) due: u64,
    pub(super) sequence: u64,
    pub(super) node: u32,
}

/// An arming as it waits: the number's lower half tells it from all others of its timer but each four-billionth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiting {
    pub(super) due: u64,
    node: u32,
    mark: u32,
}

impl Waiting {
    /// What waits nowhere.
    pub(super) const NOTHING: Self = Self { due: u64::MAX, node: u32::MAX, mark: 0 };
}

impl Arming {
    #[inline]
    pub(super) fn waiting(self) -> Waiting {
        Waiting { due: self.due, node: self.node, mark: self.sequence as u32 }
    }
}

/// All timers. See the [module](self).
#[derive(Debug)]
pub(super) struct Slab<E> {
    places: Vec<Place<E>>,
    /// Places without a timer, the last one to be taken first. Not in the places: to follow them from place to place
    /// would make each arming wait for the memory of the one before.
    free: Vec<u32>,
    /// Timers that are armed.
    armed: usize,
}

impl<E> Default for Slab<E> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), armed: 0 }
    }
}

impl<E> Slab<E> {
    /// A place for a new timer.
    #[inline]
    pub(super) fn take(&mut self, id: u64, entry: E) -> u32 {
        let new = Place { id, due: 0, sequence: UNARMED, entry };
        if let Some(node) = self.free.pop() {
            self.places[node as usize] = new;
            return node;
        }
        let node = u32::try_from(self.places.len()).expect("2^32 timers do not fit into memory");
        self.places.push(new);
        node
    }

    #[inline]
    pub(super) fn entry(&self, node: u32) -> &E {
        &self.places[node as usize].entry
    }

    #[inline]
    pub(super) fn entry_mut(&mut self, node: u32) -> &mut E {
        &mut self.places[node as usize].entry
    }

    /// Gives a place back. With the last timer all places go, so that the next ones are side by side in the order of
    /// their arming again.
    #[inline]
    pub(super) fn free(&mut self, node: u32) {
        self.places[node as usize].sequence = FREE;
        self.free.push(node);
        if self.free.len() == self.places.len() {
            self.places.clear();
            self.free.clear();
        }
    }

    /// Whether `node` is the place of the timer with this id.
    #[inline]
    pub(super) fn is(&self, node: u32, id: u64) -> bool {
        self.places.get(node as usize).is_some_and(|place| place.id == id && place.sequence != FREE)
    }

    #[inline]
    pub(super) fn id(&self, node: u32) -> u64 {
        self.places[node as usize].id
    }

    /// Timers that are armed.
    #[inline]
    pub(super) fn armed(&self) -> usize {
        self.armed
    }

    /// Places, with and without a timer.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// When and as which arming the timer of `node` is armed; `None` where it is not.
    #[inline]
    pub(super) fn arming(&self, node: u32) -> Option<Arming> {
        let Place { due, sequence, .. } = self.places[node as usize];
        (sequence != UNARMED && sequence != FREE).then_some(Arming { due, sequence, node })
    }

    /// Whether that arming still stands.
    #[inline]
    pub(super) fn stands(&self, arming: Arming) -> bool {
        self.places.get(arming.node as usize).is_some_and(|place| place.sequence == arming.sequence)
    }

    /// The arming that waits there, where it still stands.
    #[inline]
    pub(super) fn standing(&self, Waiting { due, node, mark }: Waiting) -> Option<Arming> {
        let Place { due: armed, sequence, .. } = *self.places.get(node as usize)?;
        let stands = armed == due && sequence as u32 == mark && sequence != UNARMED && sequence != FREE;
        stands.then_some(Arming { due, sequence, node })
    }

    /// Notes an arming, which the earlier one of the same timer gives way to.
    #[inline]
    pub(super) fn arm(&mut self, node: u32, due: u64, sequence: u64) -> Arming {
        let place = &mut self.places[node as usize];
        self.armed += usize::from(place.sequence == UNARMED);
        (place.due, place.sequence) = (due, sequence);
        Arming { due, sequence, node }
    }

    /// Takes back the arming of a timer; false where it was not armed.
    #[inline]
    pub(super) fn disarm(&mut self, node: u32) -> bool {
        let was = std::mem::replace(&mut self.places[node as usize].sequence, UNARMED);
        let was_armed = was != UNARMED && was != FREE;
        self.armed -= usize::from(was_armed);
        was_armed
    }
}
