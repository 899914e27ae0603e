//! The slab of timers: for each timer its id, due time, arming sequence, and the owner's data. A timer's key contains its
//! index in the slab. All data of a timer is in one entry, because memory access dominates the cost of a million timers.
//!
//! The wheel and other structures hold [`Arming`]s, and ask the slab whether each is still valid. No two armings have
//! the same sequence, so clearing a timer only resets its sequence here; its stale armings are removed later.

/// The sequence of a timer that is not armed, because it is firing or parked.
const UNARMED: u64 = 0;
/// The sequence of an empty place.
const FREE: u64 = u64::MAX;

/// An entry of the slab, aligned so that it spans no more cache lines than necessary.
#[derive(Debug)]
#[repr(align(64))]
struct TimerPlace<E> {
    id: u64,
    due: u64,
    /// Sequence of the current arming, from 1; [`UNARMED`] or [`FREE`] without one.
    sequence: u64,
    /// The owner's data. In a free entry it is unused and must own nothing.
    entry: E,
}

/// One arming of a timer. Sorts by due time, then by arming order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arming {
    pub(super) due: u64,
    pub(super) sequence: u64,
    pub(super) node: u32,
}

/// An arming as stored while it waits. To save space, it has only the lower half of the sequence, which distinguishes it
/// from the timer's other armings unless exactly a multiple of 2³² armings lie in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiting {
    pub(super) due: u64,
    node: u32,
    mark: u32,
}

impl Waiting {
    /// Sorts before every arming, and is never valid.
    pub(super) const UNKNOWN: Self = Self { due: 0, node: u32::MAX, mark: 0 };
}

impl Arming {
    #[inline]
    pub(super) fn waiting(self) -> Waiting {
        Waiting { due: self.due, node: self.node, mark: self.sequence as u32 }
    }
}

/// Storage of all timers. See the [module](self).
#[derive(Debug)]
pub(super) struct Slab<E> {
    places: Vec<TimerPlace<E>>,
    /// Free places; the last one is used first. A separate list, because a list linked through the places would make each
    /// arming wait for the memory of the previous one.
    free: Vec<u32>,
    /// Number of armed timers.
    armed: usize,
}

impl<E> Default for Slab<E> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), armed: 0 }
    }
}

impl<E> Slab<E> {
    /// Takes a place for a new timer.
    #[inline]
    pub(super) fn take(&mut self, id: u64, entry: E) -> u32 {
        let new = TimerPlace { id, due: 0, sequence: UNARMED, entry };
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

    /// Frees a place. When the last timer goes, all places are dropped, so that the next timers are again stored
    /// side by side in arming order.
    #[inline]
    pub(super) fn free(&mut self, node: u32) {
        self.places[node as usize].sequence = FREE;
        self.free.push(node);
        if self.free.len() == self.places.len() {
            self.places.clear();
            self.free.clear();
        }
    }

    /// Whether `node` is the place of the timer `id`.
    #[inline]
    pub(super) fn is(&self, node: u32, id: u64) -> bool {
        self.places.get(node as usize).is_some_and(|place| place.id == id && place.sequence != FREE)
    }

    #[inline]
    pub(super) fn id(&self, node: u32) -> u64 {
        self.places[node as usize].id
    }

    /// Number of armed timers.
    #[inline]
    pub(super) fn armed(&self) -> usize {
        self.armed
    }

    /// Number of places, with and without a timer.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The current arming of the timer at `node`; `None` if it is not armed.
    #[inline]
    pub(super) fn arming(&self, node: u32) -> Option<Arming> {
        let TimerPlace { due, sequence, .. } = self.places[node as usize];
        (sequence != UNARMED && sequence != FREE).then_some(Arming { due, sequence, node })
    }

    /// Whether `arming` is still its timer's current one.
    #[inline]
    pub(super) fn stands(&self, arming: Arming) -> bool {
        self.places.get(arming.node as usize).is_some_and(|place| place.sequence == arming.sequence)
    }

    /// Completes a waiting arming, if it is still its timer's current one.
    #[inline]
    pub(super) fn standing(&self, Waiting { due, node, mark }: Waiting) -> Option<Arming> {
        let TimerPlace { due: armed, sequence, .. } = *self.places.get(node as usize)?;
        let stands = armed == due && sequence as u32 == mark && sequence != UNARMED && sequence != FREE;
        stands.then_some(Arming { due, sequence, node })
    }

    /// Records an arming, which supersedes the timer's earlier one.
    #[inline]
    pub(super) fn arm(&mut self, node: u32, due: u64, sequence: u64) -> Arming {
        let place = &mut self.places[node as usize];
        self.armed += usize::from(place.sequence == UNARMED);
        (place.due, place.sequence) = (due, sequence);
        Arming { due, sequence, node }
    }

    /// Cancels the arming of a timer, if it is armed.
    #[inline]
    pub(super) fn disarm(&mut self, node: u32) {
        let was = std::mem::replace(&mut self.places[node as usize].sequence, UNARMED);
        self.armed -= usize::from(was != UNARMED && was != FREE);
    }
}
