//! Selects the loop of a trace to re-execute: one rule for all commands.

use std::collections::HashMap;

use loop_probes::event::Event;
use loop_probes::ids::SourceId;
use loop_probes::stamped::Stamped;
use loop_probes::text::printable;
use loop_traces::labels::Labels;
use loop_traces::source::EventSource;

use super::RerunError;
use super::refusal::{self, Evidence};

/// Maximum number of loops tracked.
const LOOPS_MAX: usize = 1024;

/// The loops found in the part of a trace read so far.
#[derive(Debug, Default)]
pub(super) struct Loops {
    ticks: HashMap<SourceId, u64>,
    /// Kept for every emitter, because records may be lost before its first tick.
    evidence: HashMap<SourceId, Evidence>,
    labels: Labels,
}

/// The loop to re-execute.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chosen {
    pub(super) source: SourceId,
    /// Its name.
    pub name: String,
    /// It was named by the user; otherwise it is the loop with the most ticks.
    pub is_named: bool,
    /// The names of the other loops in the trace, the one with the most ticks first.
    pub others: Vec<String>,
}

impl Loops {
    pub(super) fn see(&mut self, stamped: &Stamped) {
        match stamped.event {
            Event::TickStart { .. } => {
                if let Some(ticks) = self.ticks.get_mut(&stamped.source) {
                    *ticks += 1;
                } else if self.ticks.len() < LOOPS_MAX {
                    self.ticks.insert(stamped.source, 1);
                }
            }
            Event::Label { .. } => self.labels.learn_event(&stamped.event),
            _ => {}
        }
        let has_room = self.evidence.len() < LOOPS_MAX;
        if Evidence::is_one(&stamped.event) && (has_room || self.evidence.contains_key(&stamped.source)) {
            self.evidence.entry(stamped.source).or_default().see(&stamped.event);
        }
    }

    /// Why the loop `chosen` from `source`, which was read to its end, cannot be re-executed; without one, why none
    /// can.
    pub(super) fn refuse(&self, source: &dyn EventSource, chosen: Option<&Chosen>) -> RerunError {
        let evidence = chosen.map(|chosen| self.evidence.get(&chosen.source).copied().unwrap_or_default());
        refusal::refuse(source, evidence)
    }

    pub(super) fn len(&self) -> usize {
        self.ticks.len()
    }

    /// Selects the loop named `wanted`, or the first of those with the most ticks.
    pub(super) fn choose(&self, trace: &str, wanted: Option<&str>) -> Result<Chosen, RerunError> {
        let mut loops: Vec<(SourceId, u64)> = self.ticks.iter().map(|(id, ticks)| (*id, *ticks)).collect();
        loops.sort_by_key(|(id, ticks)| (std::cmp::Reverse(*ticks), *id));
        let mut names: Vec<String> =
            loops.iter().map(|(id, _)| printable(&self.labels.source(*id))).collect();
        if loops.is_empty() {
            return Err(RerunError::NoLoop { name: printable(trace) });
        }
        let place = wanted.map_or(Some(0), |wanted| names.iter().position(|name| name == wanted));
        let Some(place) = place else {
            let wanted = printable(wanted.unwrap_or_default());
            return Err(RerunError::UnknownLoop { name: printable(trace), wanted, loops: names });
        };
        let name = names.remove(place);
        Ok(Chosen { source: loops[place].0, name, is_named: wanted.is_some(), others: names })
    }
}

impl Chosen {
    /// Says which loop was selected, if there are several.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let why = if self.is_named { "" } else { ", the one with the most ticks" };
        let others = self.others.join(", ");
        (!others.is_empty())
            .then(|| format!("loop {}{why}; others in the trace (--loop): {others}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use loop_probes::event::LabelKind;
    use loop_probes::ids::Timestamp;
    use loop_probes::text::InlineText;

    use super::*;

    fn loops(named: &[(&str, u64)]) -> Loops {
        let mut loops = Loops::default();
        for (id, (name, ticks)) in named.iter().enumerate() {
            let source = SourceId(id as u32 + 1);
            let label = Event::Label { kind: LabelKind::Source, id: source.0, text: InlineText::new(name) };
            loops.see(&Stamped { at: Timestamp(0), source, event: label });
            for tick in 0..*ticks {
                loops.see(&Stamped { at: Timestamp(tick), source, event: Event::TickStart { tick } });
            }
        }
        loops
    }

    #[test]
    fn the_loop_with_the_most_ticks_is_taken_unless_another_is_named() {
        let loops = loops(&[("first", 2), ("second", 5), ("third", 5)]);
        let most = loops.choose("t", None).unwrap();
        assert_eq!(
            (most.name.as_str(), &most.others[..]),
            ("second", &["third".to_owned(), "first".into()][..])
        );
        assert!(most.told().unwrap().contains("the most ticks"));
        let named = loops.choose("t", Some("first")).unwrap();
        assert_eq!((named.source, named.is_named), (SourceId(1), true));
        let told = loops.choose("t", Some("fourth")).unwrap_err().to_string();
        assert!(told.starts_with("--loop fourth") && told.contains("second, third, first"), "{told}");
    }

    #[test]
    fn of_one_loop_nothing_is_said_and_without_one_there_is_nothing_to_do() {
        assert_eq!(loops(&[("only", 1)]).choose("t", None).unwrap().told(), None);
        assert!(matches!(Loops::default().choose("t", None), Err(RerunError::NoLoop { .. })));
    }
}
