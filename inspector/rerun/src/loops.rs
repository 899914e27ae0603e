//! Selects the loop of a trace to re-execute: one rule for all commands.

use std::collections::HashMap;

use loop_probes::event::Event;
use loop_probes::ids::SourceId;
use loop_probes::stamped::Stamped;
use loop_probes::text::printable;
use loop_traces::labels::Labels;
use loop_traces::source::EventSource;
use loop_traces::timeline::{self, is_of_a_loop};

use super::RerunError;
use super::refusal::{self, Evidence};

/// Maximum number of loops tracked.
const LOOPS_MAX: usize = 1024;

/// The loops found in the part of a trace read so far.
#[derive(Debug, Default)]
pub(super) struct Loops {
    /// All loops, in the order in which they appear.
    all: Vec<SourceId>,
    /// Tick counts.
    ticks: HashMap<SourceId, u64>,
    /// Kept for every emitter, because records may be lost before its first tick.
    evidence: HashMap<SourceId, Evidence>,
    labels: Labels,
}

/// Which loop a command re-executes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted<'a> {
    /// The one with the most ticks.
    Longest,
    /// The one with this name in reports.
    Named(&'a str),
    /// The loop selected earlier, from a longer recording that contains this one.
    Same(&'a ChosenLoop),
}

impl<'a> From<Option<&'a str>> for Wanted<'a> {
    fn from(name: Option<&'a str>) -> Self {
        name.map_or(Self::Longest, Self::Named)
    }
}

/// The loop to re-execute.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChosenLoop {
    pub(super) source: SourceId,
    /// The loop's name, as in reports.
    pub name: String,
    /// Whether the user named the loop; otherwise it is the loop with the most ticks.
    pub is_named: bool,
    /// The names of the other loops in the trace, the one with the most ticks first.
    pub others: Vec<String>,
}

impl Loops {
    pub(super) fn see(&mut self, stamped: &Stamped) {
        if self.all.last() != Some(&stamped.source)
            && is_of_a_loop(&stamped.event)
            && self.all.len() < LOOPS_MAX
            && !self.all.contains(&stamped.source)
        {
            self.all.push(stamped.source);
        }
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
    pub(super) fn refuse(&self, source: &dyn EventSource, chosen: Option<&ChosenLoop>) -> RerunError {
        let evidence = chosen.map(|chosen| self.evidence.get(&chosen.source).copied().unwrap_or_default());
        refusal::refuse(source, evidence)
    }

    pub(super) fn len(&self) -> usize {
        self.ticks.len()
    }

    /// The names of all loops, as reports have them. A report knows the first loops only, and so do their names.
    fn names(&self) -> HashMap<SourceId, String> {
        let mut names: HashMap<SourceId, String> = HashMap::new();
        for known in [&self.all[..], &self.all[..self.all.len().min(timeline::LOOPS_MAX)]] {
            names.extend(known.iter().copied().zip(self.labels.of_loops(known)));
        }
        names
    }

    /// Selects a loop: of those with the most ticks, the first.
    pub(super) fn choose(&self, trace: &str, wanted: Wanted<'_>) -> Result<ChosenLoop, RerunError> {
        let mut loops: Vec<(SourceId, u64)> = self.ticks.iter().map(|(id, ticks)| (*id, *ticks)).collect();
        loops.sort_by_key(|(id, ticks)| (std::cmp::Reverse(*ticks), *id));
        let mut known = self.names();
        let name = |(id, _): &(SourceId, u64)| {
            known.remove(id).unwrap_or_else(|| self.labels.source(*id).into_owned())
        };
        let mut names: Vec<String> = loops.iter().map(name).collect();
        if loops.is_empty() {
            return Err(RerunError::NoLoop { name: printable(trace) });
        }
        let place = match wanted {
            Wanted::Longest => Ok(0),
            Wanted::Named(wanted) => names.iter().position(|name| name == wanted).ok_or(wanted),
            Wanted::Same(chosen) => {
                loops.iter().position(|(id, _)| *id == chosen.source).ok_or(&*chosen.name)
            }
        };
        let place = match place {
            Ok(place) => place,
            Err(wanted) => {
                let (name, wanted) = (printable(trace), printable(wanted));
                return Err(RerunError::UnknownLoop { name, wanted, loops: names });
            }
        };
        if let Wanted::Same(chosen) = wanted {
            return Ok(chosen.clone());
        }
        let name = names.remove(place);
        let is_named = matches!(wanted, Wanted::Named(_));
        Ok(ChosenLoop { source: loops[place].0, name, is_named, others: names })
    }
}

impl ChosenLoop {
    /// Says which loop was selected, if there are several.
    #[must_use]
    pub fn describe(&self) -> Option<String> {
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
    use loop_probes::text::Text;

    use super::*;

    fn loops(named: &[(&str, u64)]) -> Loops {
        let mut loops = Loops::default();
        for (id, (name, ticks)) in named.iter().enumerate() {
            let source = SourceId(id as u32 + 1);
            let label = Event::Label { kind: LabelKind::Source, id: source.0, text: Text::new(name) };
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
        let most = loops.choose("t", Wanted::Longest).unwrap();
        assert_eq!(
            (most.name.as_str(), &most.others[..]),
            ("second", &["third".to_owned(), "first".into()][..])
        );
        assert!(most.describe().unwrap().contains("the most ticks"));
        let named = loops.choose("t", Wanted::Named("first")).unwrap();
        assert_eq!((named.source, named.is_named), (SourceId(1), true));
        let message = loops.choose("t", Wanted::Named("fourth")).unwrap_err().to_string();
        assert!(
            message.starts_with("--loop fourth") && message.contains("second, third, first"),
            "{message}"
        );
    }

    #[test]
    fn equal_names_have_the_number_that_reports_give_them() {
        let loops = loops(&[("a", 3), ("b", 1), ("b", 2)]);
        assert_eq!(loops.choose("t", Wanted::Longest).unwrap().others, ["b #3", "b #2"]);
        let named = |name| loops.choose("t", Wanted::Named(name)).map(|chosen| chosen.source);
        assert_eq!((named("b #2").unwrap(), named("b #3").unwrap()), (SourceId(2), SourceId(3)));
        let message = named("b").unwrap_err().to_string();
        assert!(message.ends_with("it has a, b #3, b #2"), "{message}");
    }

    #[test]
    fn of_one_loop_nothing_is_said_and_without_one_there_is_nothing_to_do() {
        assert_eq!(loops(&[("only", 1)]).choose("t", Wanted::Longest).unwrap().describe(), None);
        assert!(matches!(Loops::default().choose("t", Wanted::Longest), Err(RerunError::NoLoop { .. })));
    }
}
