//! The nodes of timers in one slab, linked into lists: the memory that the wheel and the arming order share.
//!
//! A node is 32 bytes, two to a cache line, and holds all that moving a timer needs; what a timer runs lies apart.
//! The first [`LISTS`] nodes are no timers but the heads of lists, so that a list is a ring without ends: a node
//! leaves its list through its two neighbours, in constant time and without knowing which list that is.
//!
//! A head's time words name the list's minimum as far as it is known. Appending keeps it; a node that leaves does
//! not look at it: the head then names an arming that is no more, which is how the next reader finds out.

/// Heads of lists: the wheel's slots, then the two lists beside the wheel.
pub(super) const LISTS: u32 = super::wheel::SLOTS + 2;
/// Timers that were armed during the pass and are due in it.
pub(super) const LATE: u32 = super::wheel::SLOTS;
/// Timers that never fire.
pub(super) const NEVER: u32 = super::wheel::SLOTS + 1;

/// The sequence of a timer that is not armed: it fires, or waits to be armed again.
const UNARMED: u64 = 0;
/// The sequence of a place that has no timer.
const FREE: u64 = u64::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    /// When the timer is due; of a head: when the minimum is.
    due: u64,
    /// The number of this arming, never used again; of a head: the minimum's.
    sequence: u64,
    /// The timer's id; of a head: the minimum's node.
    id: u64,
    next: u32,
    prev: u32,
}

/// One arming of a timer, as it is sorted: by due time, equal ones in arming order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arming {
    pub(super) due: u64,
    pub(super) sequence: u64,
    pub(super) node: u32,
}

/// All nodes. See the [module](self).
#[derive(Debug)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    /// Places without a timer, the last one to be taken first. Beside the nodes: to follow them through the nodes
    /// would make each arming wait for the memory of the one before.
    free: Vec<u32>,
}

impl Nodes {
    pub(super) fn new() -> Self {
        let head = |list| Node { due: 0, sequence: FREE, id: u64::from(list), next: list, prev: list };
        Self { nodes: (0..LISTS).map(head).collect(), free: Vec::new() }
    }

    /// A node for a new timer, in no list.
    #[inline]
    pub(super) fn take(&mut self, id: u64) -> u32 {
        if let Some(node) = self.free.pop() {
            self.nodes[node as usize] = Node { due: 0, sequence: UNARMED, id, next: node, prev: node };
            return node;
        }
        let node = u32::try_from(self.nodes.len()).expect("2^32 timers do not fit into memory");
        self.nodes.push(Node { due: 0, sequence: UNARMED, id, next: node, prev: node });
        node
    }

    /// Gives back the node of a timer that is in no list. With the last timer all places go, so that the next ones
    /// are side by side in the order of their arming again.
    #[inline]
    pub(super) fn free(&mut self, node: u32) {
        self.nodes[node as usize].sequence = FREE;
        self.free.push(node);
        if self.free.len() + LISTS as usize == self.nodes.len() {
            self.nodes.truncate(LISTS as usize);
            self.free.clear();
        }
    }

    /// Whether `node` is the place of the timer with this id.
    #[inline]
    pub(super) fn is(&self, node: u32, id: u64) -> bool {
        self.nodes.get(node as usize).is_some_and(|place| place.id == id && place.sequence != FREE)
    }

    /// The place behind the last.
    pub(super) fn end(&self) -> u32 {
        self.nodes.len() as u32
    }

    #[inline]
    pub(super) fn id(&self, node: u32) -> u64 {
        self.nodes[node as usize].id
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

    /// Notes the arming of a timer that is in no list.
    #[inline]
    pub(super) fn arm(&mut self, node: u32, due: u64, sequence: u64) -> Arming {
        let place = &mut self.nodes[node as usize];
        (place.due, place.sequence) = (due, sequence);
        Arming { due, sequence, node }
    }

    /// Takes the timer of `node` out of its list, where it is in one, and its arming back.
    #[inline]
    pub(super) fn disarm(&mut self, node: u32) {
        let Node { next, prev, .. } = self.nodes[node as usize];
        self.nodes[prev as usize].next = next;
        self.nodes[next as usize].prev = prev;
        let place = &mut self.nodes[node as usize];
        (place.sequence, place.next, place.prev) = (UNARMED, node, node);
    }

    /// Appends to a list.
    #[inline]
    pub(super) fn push(&mut self, list: u32, Arming { due, sequence, node }: Arming) {
        let head = &mut self.nodes[list as usize];
        let last = head.prev;
        head.prev = node;
        if last == list || due < head.due {
            (head.due, head.sequence, head.id) = (due, sequence, u64::from(node));
        }
        self.nodes[last as usize].next = node;
        let place = &mut self.nodes[node as usize];
        (place.prev, place.next) = (last, list);
    }

    #[inline]
    pub(super) fn is_empty(&self, list: u32) -> bool {
        self.nodes[list as usize].next == list
    }

    /// Whether a list has more than `limit` nodes; looks at no more than those.
    pub(super) fn is_longer(&self, list: u32, limit: usize) -> bool {
        self.iter(list).nth(limit).is_some()
    }

    /// The armings of a list, in its order.
    pub(super) fn iter(&self, list: u32) -> impl Iterator<Item = Arming> + '_ {
        let mut node = self.nodes[list as usize].next;
        std::iter::from_fn(move || {
            let Node { due, sequence, next, .. } = self.nodes[node as usize];
            let arming = (node != list).then_some(Arming { due, sequence, node });
            node = next;
            arming
        })
    }

    /// Empties a list and gives each of its nodes, linked nowhere any more, to `visit`, which may link it.
    #[inline]
    pub(super) fn drain(&mut self, list: u32, mut visit: impl FnMut(&mut Self, Arming)) {
        let mut node = self.nodes[list as usize].next;
        let head = &mut self.nodes[list as usize];
        (head.next, head.prev) = (list, list);
        while node != list {
            let place = &mut self.nodes[node as usize];
            let arming = Arming { due: place.due, sequence: place.sequence, node };
            let next = std::mem::replace(&mut place.next, node);
            place.prev = node;
            visit(self, arming);
            node = next;
        }
    }

    /// The minimum of a list that is not empty, where its head knows it.
    #[inline]
    pub(super) fn known_min(&self, list: u32) -> Option<Arming> {
        let Node { due, sequence, id, .. } = self.nodes[list as usize];
        let arming = Arming { due, sequence, node: id as u32 };
        self.stands(arming).then_some(arming)
    }

    /// Notes the minimum of a list.
    pub(super) fn note_min(&mut self, list: u32, Arming { due, sequence, node }: Arming) {
        let head = &mut self.nodes[list as usize];
        (head.due, head.sequence, head.id) = (due, sequence, u64::from(node));
    }

    /// The minimum of a list, which is looked for where its head does not know it.
    pub(super) fn min(&mut self, list: u32) -> Option<Arming> {
        if self.is_empty(list) {
            return None;
        }
        self.known_min(list).or_else(|| {
            let min = self.iter(list).min()?;
            self.note_min(list, min);
            Some(min)
        })
    }
}
