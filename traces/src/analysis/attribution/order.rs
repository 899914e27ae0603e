//! The order used by the [sweep](super::sweep): by beginning, outer before inner; of equal extents, the later one in
//! the stream first, because a parent is recorded after its children.
//!
//! Spans arrive in the order in which they ended, and nearly always nest or lie apart. Then no sort is needed: each is
//! preceded by those that ended before it began, and by those that contain it.

use super::sweep::Node;

pub(super) fn sort(nodes: &mut Vec<Node>) {
    match nested(nodes) {
        Some(sorted) => *nodes = sorted,
        None => sort_any(nodes),
    }
}

fn sort_any(nodes: &mut [Node]) {
    nodes.reverse();
    nodes.sort_by(|a, b| a.start.cmp(&b.start).then(b.end.cmp(&a.end)));
}

/// `None` if they are not in the order of their ends, or overlap without nesting.
fn nested(nodes: &[Node]) -> Option<Vec<Node>> {
    // For each node, the first one that lies within it.
    let mut firsts: Vec<usize> = Vec::with_capacity(nodes.len());
    let mut outermost: Vec<usize> = Vec::new();
    for (place, node) in nodes.iter().enumerate() {
        let in_order = place == 0 || nodes[place - 1].end <= node.end;
        if !in_order || node.start >= node.end {
            return None;
        }
        let mut first = place;
        while let Some(inner) = outermost.last().copied().filter(|it| nodes[*it].start >= node.start) {
            first = firsts[inner];
            outermost.pop();
        }
        if outermost.last().is_some_and(|before| nodes[*before].end > node.start) {
            return None;
        }
        firsts.push(first);
        outermost.push(place);
    }
    let mut sorted = nodes.to_vec();
    // The first ones within each of the nodes that contain the current one.
    let mut outer: Vec<usize> = outermost;
    outer.clear();
    for (place, node) in nodes.iter().enumerate().rev() {
        while outer.last().is_some_and(|first| *first > place) {
            outer.pop();
        }
        sorted[firsts[place] + outer.len()] = *node;
        outer.push(firsts[place]);
    }
    Some(sorted)
}

#[cfg(test)]
mod tests {
    use loop_probes::ids::{LabelId, Timestamp};
    use proptest::prelude::*;

    use super::*;
    use crate::analysis::attribution::What;
    use crate::analysis::attribution::sweep::Layer;

    fn nodes(extents: &[(u64, u64)]) -> Vec<Node> {
        let node = |(place, (start, end)): (usize, &(u64, u64))| {
            let what = What::Span { label: LabelId(place as u32) };
            Node::new(Timestamp(*start), Timestamp(*end), what, Layer::Ran)
        };
        extents.iter().enumerate().map(node).collect()
    }

    /// The nodes in order.
    fn order(nodes: &[Node]) -> Vec<What> {
        nodes.iter().map(|node| node.what).collect()
    }

    #[test]
    fn what_nests_is_put_in_order_without_a_sort() {
        let nested = nested(&nodes(&[(1, 2), (2, 3), (1, 3), (4, 5), (4, 5), (0, 6), (6, 7)]));
        let starts: Vec<u64> = nested.expect("it nests").iter().map(|node| node.start.0).collect();
        assert_eq!(starts, [0, 1, 1, 2, 4, 4, 6]);
    }

    proptest! {
        #[test]
        fn it_is_as_if_sorted(
            mut extents in prop::collection::vec((0u64..16, 0u64..8), 0..12),
            by_end in any::<bool>(),
        ) {
            extents.iter_mut().for_each(|(start, end)| *end += *start);
            if by_end {
                extents.sort_by_key(|(_, end)| *end);
            }
            let (mut some, mut other) = (nodes(&extents), nodes(&extents));
            sort(&mut some);
            sort_any(&mut other);
            prop_assert_eq!(order(&some), order(&other));
        }
    }
}
