//! Statements on single events, which a summary cannot express: when the tasks of a tag ran, the lag of a timer at each
//! firing, which task ran before which.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use loop_probes::event::{Event, Outcome, Queue};
use loop_probes::ids::TaskId;
use loop_probes::stamped::Stamped;
use loop_traces::labels::Labels;
use serde::{Deserialize, Deserializer};

use super::spanned_text::SpannedText;

/// The start times of a tag's tasks and callbacks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunStarts {
    /// Name of the tag.
    pub(crate) tag: String,
    /// The start of each, from the first event of the trace.
    pub(crate) at: Vec<Span>,
}

/// The lags of a tag's timers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fired {
    /// Name of the tag.
    pub(crate) tag: String,
    /// The lag of each firing.
    pub(crate) lag: Vec<Span>,
    /// Periods skipped by each firing; if absent, none at all.
    #[serde(default)]
    pub(crate) skipped: Vec<u32>,
}

/// A time in readable form: `35ms`, `10ms 50us`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Nanoseconds.
    pub(crate) ns: u64,
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read =
            humantime::parse_duration(text).map_err(|error| format!("{text:?} is no time: {error}"))?;
        let ns = u64::try_from(read.as_nanos()).map_err(|_| format!("{text:?} is too long for any clock"))?;
        Ok(Self { ns })
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        SpannedText::deserialize(from).map(|SpannedText(span)| span)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In the notation of the file, so that it can be copied there.
        write!(f, "\"{}\"", humantime::format_duration(Duration::from_nanos(self.ns)))
    }
}

impl RunStarts {
    /// Describes the difference, if the statement does not hold.
    pub(crate) fn broken(&self, events: &[Stamped], labels: &Labels) -> Option<String> {
        let origin = events.iter().find(|stamped| !matches!(stamped.event, Event::Label { .. }))?.at;
        let starts = events.iter().filter_map(|stamped| match stamped.event {
            Event::TaskRan { outcome: Outcome::Cancelled | Outcome::Woke, .. } => None,
            Event::TaskRan { tag, start, .. } => Some((tag, start)),
            Event::IoReady { tag, start, .. } => Some((tag, start)),
            _ => None,
        });
        let of_tag = starts.filter(|(tag, _)| labels.tag(*tag) == self.tag);
        let at: Vec<Span> = of_tag.map(|(_, start)| Span { ns: start.ns_since(origin) }).collect();
        (at != self.at).then(|| format!("{} ran at {at:?}, not at {:?}", self.tag, self.at))
    }
}

impl Fired {
    /// Describes the difference, if the statement does not hold.
    pub(crate) fn broken(&self, events: &[Stamped], labels: &Labels) -> Option<String> {
        let fired = events.iter().filter_map(|stamped| match stamped.event {
            Event::TimerFired { tag, skipped, .. } => {
                stamped.timer_wait().map(|(due, began)| (tag, began.ns_since(due), skipped))
            }
            _ => None,
        });
        let of_tag = fired.filter(|(tag, ..)| labels.tag(*tag) == self.tag);
        let (lag, skipped): (Vec<Span>, Vec<u32>) =
            of_tag.map(|(_, ns, skipped)| (Span { ns }, skipped)).unzip();
        let expected = if self.skipped.is_empty() { vec![0; lag.len()] } else { self.skipped.clone() };
        if lag != self.lag {
            Some(format!("{} fired late by {lag:?}, not by {:?}", self.tag, self.lag))
        } else if skipped != expected {
            Some(format!("{} skipped {skipped:?} periods, not {expected:?}", self.tag))
        } else {
            None
        }
    }
}

/// Checks that the tasks of the task queue ran in the order in which they were posted, at least for each emitter;
/// describes the first violation.
pub(crate) fn out_of_order(events: &[Stamped], labels: &Labels) -> Option<String> {
    // The emitter of each task, and its number among the emitter's posts.
    let mut places: HashMap<TaskId, (u32, u64)> = HashMap::new();
    let mut posted: HashMap<u32, u64> = HashMap::new();
    let mut latest: HashMap<u32, u64> = HashMap::new();
    for stamped in events {
        match stamped.event {
            Event::TaskQueued { task, place, poster, .. }
                if matches!(place.queue, Queue::Tasks | Queue::Concurrent) =>
            {
                let poster = poster.map_or(0, |poster| poster.0);
                let next = posted.entry(poster).or_default();
                *next += 1;
                places.insert(task, (poster, *next));
            }
            Event::TaskRan { task, tag, .. } => {
                let Some((poster, place)) = places.remove(&task) else { continue };
                let before = latest.entry(poster).or_default();
                if place < *before {
                    let name = labels.tag(tag);
                    return Some(format!("task {name} #{task} ran behind one that was posted later"));
                }
                *before = place;
            }
            _ => {}
        }
    }
    None
}
