//! The slab of timers: for each its id, when it is due, and as which arming. A timer's key is an index into it.
//!
//! Whoever lets a timer wait holds an [`Arming`], and asks here whether it still stands: no arming has the number of
//! another. So to clear a timer is to cross out its number, wherever it waits.

/// The sequence of a timer that is not armed: it fires, or waits to be armed again.
const UNARMED: u64 = 0;
/// The sequence of a place that has no timer.
const FREE: u64 = u64::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    id: u64,
    due: u64,
    /// The number of this arming, from 1.
    sequence: u64,
}

/// One arming of a timer, as it is sorted: by due time, equal ones in arming order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arming {
    pub(super) due: u64,
    pub(super) sequence: u64,
    pub(super) node: u32,
}

/// All timers. See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    /// Places without a timer, the last one to be taken first. Beside the nodes: to follow them through the nodes
    /// would make each arming wait for the memory of the one before.
    free: Vec<u32>,
}

impl Nodes {
    /// A place for a new timer.
    #[inline]
    pub(super) fn take(&mut self, id: u64) -> u32 {
        let new = Node { id, due: 0, sequence: UNARMED };
        if let Some(node) = self.free.pop() {
            self.nodes[node as usize] = new;
            return node;
        }
        let node = u32::try_from(self.nodes.len()).expect("2^32 timers do not fit into memory");
        self.nodes.push(new);
        node
    }

    /// Gives a place back. With the last timer all places go, so that the next ones are side by side in the order of
    /// their arming again.
    #[inline]
    pub(super) fn free(&mut self, node: u32) {
        self.nodes[node as usize].sequence = FREE;
        self.free.push(node);
        if self.free.len() == self.nodes.len() {
            self.nodes.clear();
            self.free.clear();
        }
    }

    /// Whether `node` is the place of the timer with this id.
    #[inline]
    pub(super) fn is(&self, node: u32, id: u64) -> bool {
        self.nodes.get(node as usize).is_some_and(|place| place.id == id && place.sequence != FREE)
    }

    #[inline]
    pub(super) fn id(&self, node: u32) -> u64 {
        self.nodes[node as usize].id
    }

    /// Places, with and without a timer.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// When and as which arming the timer of `node` is armed; `None` where it is not.
    #[inline]
    pub(super) fn arming(&self, node: u32) -> Option<Arming> {
        let Node { due, sequence, .. } = self.nodes[node as usize];
        (sequence != UNARMED && sequence != FREE).then_some(Arming { due, sequence, node })
    }

    /// Whether that arming still stands.
    #[inline]
    pub(super) fn stands(&self, arming: Arming) -> bool {
        self.nodes.get(arming.node as usize).is_some_and(|place| place.sequence == arming.sequence)
    }

    /// Notes an arming, which the earlier one of the same timer gives way to.
    #[inline]
    pub(super) fn arm(&mut self, node: u32, due: u64, sequence: u64) -> Arming {
        let place = &mut self.nodes[node as usize];
        (place.due, place.sequence) = (due, sequence);
        Arming { due, sequence, node }
    }

    /// Takes back the arming of a timer.
    #[inline]
    pub(super) fn disarm(&mut self, node: u32) {
        self.nodes[node as usize].sequence = UNARMED;
    }
}
