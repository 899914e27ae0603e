//! Blocks of labels, which name ids that occur in records.

use loop_probes::event::{Event, LabelKind};
use loop_probes::text::{TEXT_BYTES_MAX, Text};

use super::{PENDING_LABELS_MAX, TraceReader};
use crate::format::u32_at;

impl<R> TraceReader<R> {
    /// Learns the labels in `bytes`; returns whether they are well-formed. Otherwise it learns none.
    pub(super) fn learn_labels(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            match split_label(rest) {
                Some((.., after)) => rest = after,
                None => return false,
            }
        }
        rest = bytes;
        while let Some((kind, id, text, after)) = split_label(rest) {
            // A label kind known only to newer writers names nothing that this reader shows.
            if let Some(kind) = LabelKind::from_code(kind) {
                self.labels.learn(kind, id, text);
                if self.pending_labels.len() < PENDING_LABELS_MAX {
                    self.pending_labels.push(Event::Label { kind, id, text: Text::new(text) });
                }
            }
            rest = after;
        }
        true
    }
}

/// Takes a label's kind, id and text off `bytes`.
fn split_label(bytes: &[u8]) -> Option<(u8, u32, &str, &[u8])> {
    let (head, rest) = bytes.split_at_checked(6)?;
    let len = Some(usize::from(head[5])).filter(|len| *len <= TEXT_BYTES_MAX)?;
    let (text, rest) = rest.split_at_checked(len)?;
    Some((head[0], u32_at(head, 1), std::str::from_utf8(text).ok()?, rest))
}
