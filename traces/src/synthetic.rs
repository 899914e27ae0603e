//! A synthetic loop: event streams like those of a real loop, generated from a seed.
//!
//! For tests and benches of this crate and of its dependents (feature `synthetic`). A stream has ticks with all their
//! phases, tasks, timers, signals, collections, a work pool, stalls and gaps, optionally an agenda and the other features
//! of a loop, in merged order with plausible times. The same [`Script`] always gives the same events.

mod agenda_scene;
mod loop_kinds;
mod script;
mod stream_builder;

use loop_probes::stamped::Stamped;

use crate::source::{MemorySource, SourceKind};
pub use script::{Expected, Script, TAGS};
use stream_builder::StreamBuilder;

impl Script {
    /// The events, in merged order.
    #[must_use]
    pub fn events(&self) -> Vec<Stamped> {
        self.play().0
    }

    /// The events, and the figures that a fold of them must give.
    #[must_use]
    pub fn play(&self) -> (Vec<Stamped>, Expected) {
        StreamBuilder::new(self).play()
    }

    /// The events as a source.
    #[must_use]
    pub fn source(&self) -> MemorySource {
        MemorySource::new("synthetic", SourceKind::Ring, self.metadata(), self.events())
    }
}

#[cfg(test)]
pub(crate) mod strategy {
    //! Scripts for property tests.

    use loop_probes::event::{Event, FIELDS_MAX, Fields, Phase};
    use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};
    use loop_probes::recorder::Running;
    use loop_probes::stamped::Stamped;
    use proptest::prelude::*;

    use super::{MemorySource, Script, SourceKind};

    /// Arbitrary events, as in a hostile file: extreme values, few emitters, no order.
    pub(crate) fn hostile_events() -> impl Strategy<Value = Vec<Stamped>> {
        let number = || prop_oneof![0u64..20, any::<u32>().prop_map(u64::from), any::<u64>()];
        let codes = 1..=Event::<Timestamp>::KINDS.len() as u8;
        let event = (codes, number(), prop::array::uniform6(number()), any::<u16>(), 0u32..4);
        let event = event.prop_filter_map("out of range", |(code, at, some, tag, source)| {
            let mut words = [0; FIELDS_MAX];
            words[..6].copy_from_slice(&some);
            let (at, fields) = (Timestamp(at), Fields { tag, words, len: FIELDS_MAX });
            let event = Event::from_fields(code, at, &fields).ok()?;
            Some(Stamped { at, source: SourceId(source), event })
        });
        prop::collection::vec(event, 0..60)
    }

    /// Adds to `events` a recorder's samples of what the loop is running: for about one in `every` tasks, polls and
    /// collections, a sample in its middle and one at its end.
    pub(crate) fn with_running(events: &[Stamped], every: usize) -> Vec<Stamped> {
        let mut all: Vec<Stamped> = Vec::with_capacity(events.len() * 2);
        for (place, stamped) in events.iter().enumerate() {
            let said = match stamped.event {
                Event::TaskRan { task, tag, start, .. } => Some((Running::Task { task, tag }, start)),
                Event::Poll { start, timeout_ns, .. } => {
                    let deadline = timeout_ns.map(|timeout_ns| start.plus_ns(timeout_ns));
                    Some((Running::Poll { deadline }, start))
                }
                Event::Phase { phase: phase @ Phase::Gc, start } => Some((Running::Phase(phase), start)),
                _ => None,
            };
            let said = said.filter(|_| place.is_multiple_of(every));
            let at = |at, (running, since): (Running, Timestamp)| Stamped {
                at,
                source: stamped.source,
                event: running.event(since),
            };
            if let Some(said) = said {
                let middle = said.1.plus_ns(stamped.at.ns_since(said.1) / 2);
                let later = all.iter().rev().take_while(|earlier| earlier.at > middle).count();
                all.insert(all.len() - later, at(middle, said));
            }
            all.push(*stamped);
            all.extend(said.map(|said| at(stamped.at, said)));
        }
        all
    }

    /// Three ticks, and the first 3 ms of an `Echo` task in a fourth that began 15 ns earlier.
    pub(crate) fn hanging() -> MemorySource {
        let script = Script { ticks: 3, ..Script::default() };
        let mut events = script.events();
        let last = events.last().map_or(Timestamp(0), |last| last.at);
        let since = last.plus_ns(25);
        let running = Running::Task { task: TaskId(99_999), tag: Tag(1) }.event(since);
        let more = [(last.plus_ns(10), Event::TickStart { tick: 4 }), (since.plus_ns(3_000_000), running)];
        events.extend(more.map(|(at, event)| Stamped { at, source: SourceId(1), event }));
        MemorySource::new("t", SourceKind::Ring, script.metadata(), events)
    }

    /// Any small script.
    pub(crate) fn scripts() -> impl Strategy<Value = Script> {
        let numbers = (any::<u64>(), 1u32..60, 1u32..9, 0u16..4, 0u32..12, 0u32..12);
        let loop_kinds = (0u16..4, any::<bool>());
        let all = (numbers, any::<bool>(), prop::bool::weighted(0.1), loop_kinds);
        all.prop_map(|(numbers, spans, frozen, (agenda_workers, loop_kinds))| {
            let (seed, ticks, tasks_max, workers, stall_every, lost_every) = numbers;
            let whole = Script { seed, ticks, tasks_max, workers, stall_every, ..Script::default() };
            Script { lost_every, spans, agenda_workers, loop_kinds, frozen, ..whole }
        })
    }
}

#[cfg(test)]
mod tests {
    use loop_probes::ids::SourceId;

    use super::*;

    #[test]
    fn equal_scripts_give_equal_events() {
        let script = Script { lost_every: 90, ..Script::default() };
        assert_eq!(script.play(), script.play());
        assert_ne!(script.events(), Script { seed: 8, ..script.clone() }.events());
        let events = script.events();
        assert!(events.is_sorted_by_key(|stamped| stamped.at));
        assert!(events.iter().any(|stamped| stamped.source != SourceId(1)));
    }
}
