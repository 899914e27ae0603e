//! Makes up events of any kind, with made-up fields.

use loop_probes::event::{Event, FIELDS_MAX, Fields};
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::record::{Packed, Record};
use loop_probes::stamped::Stamped;

use super::plan::Plan;

/// An event of any kind with made-up fields; `None` if they do not decode to an event. Times mostly increase
/// from `now`.
pub(crate) fn event(plan: &mut Plan<'_>, now: &mut u64) -> Option<Stamped> {
    let code = plan.byte() % (Event::<Timestamp>::KINDS.len() as u8 + 4);
    let step = plan.number();
    *now = if step > u64::from(u32::MAX) { step } else { now.saturating_add(step * 1000) };
    let mut fields = Fields { tag: (plan.byte() % 8).into(), words: [0; FIELDS_MAX], len: FIELDS_MAX };
    let used = usize::from(plan.byte()) % (FIELDS_MAX + 1);
    for word in &mut fields.words[..used] {
        *word = plan.number();
    }
    let at = Timestamp(*now);
    let event = Event::from_fields(code, at, &fields).ok()?;
    Some(Stamped { at, source: SourceId((plan.byte() % 5).into()), event })
}

/// The records of an event, as in a file.
pub(crate) fn records(stamped: &Stamped) -> Vec<Record> {
    Packed::new(stamped.at, stamped.event).records(stamped.source.0).collect()
}
