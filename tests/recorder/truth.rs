//! Compares what a reader concludes from the file with what was emitted.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::Path;

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::record::Packed;
use loop_probes::stamped::Stamped;
use loop_traces::analysis::diff::Run;
use loop_traces::analysis::gate::{Gate, Limit, Outcome};
use loop_traces::reader::{ReadError, TraceReader};
use loop_traces::source::{EventSource, SourceState};
use loop_traces::summary::Summary;
use loop_traces::timeline::Timeline;

use super::complete;
use super::world::{Plan, Saved};

/// The most that a kill may lose: the age of a block plus a poll.
const LOST_AT_A_KILL_NS: u64 = 50_000_000;

/// The contents read back.
#[derive(Debug)]
struct Back {
    events: Vec<Stamped>,
    finished: bool,
    summary: Summary,
}

pub(crate) struct Truth<'a> {
    plan: &'a Plan,
    saved: &'a Saved,
    emitted: &'a [Stamped],
    back: Result<Back, ReadError>,
}

/// The ticks of a loop up to a given time.
#[derive(Debug, Default, PartialEq)]
struct Ticks {
    stalls: u64,
    /// The start of the tick that is open at that time.
    open: Option<Timestamp>,
}

impl<'a> Truth<'a> {
    pub(crate) fn new(plan: &'a Plan, saved: &'a Saved, emitted: &'a [Stamped]) -> Self {
        Self { plan, saved, emitted, back: read(&saved.bytes) }
    }

    pub(crate) fn failed(&self) -> bool {
        self.saved.failed
    }

    pub(crate) fn lost(&self) -> bool {
        self.back.as_ref().is_ok_and(|back| back.events.iter().any(is_loss))
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.back.as_ref().is_ok_and(|back| back.finished)
    }

    pub(crate) fn is_headless(&self) -> bool {
        self.back.is_err()
    }

    pub(crate) fn has_stall(&self) -> bool {
        self.back.as_ref().is_ok_and(|back| back.summary.ticks.stalls > 0)
    }

    /// Whether everything that was emitted is in the file, which was closed.
    pub(crate) fn is_complete(&self) -> bool {
        self.back.as_ref().is_ok_and(|back| back.finished && !back.events.iter().any(is_loss))
    }

    /// Every failure of the disk is reported, and no other.
    fn reports(&self) -> Result<(), String> {
        let Saved { dead, failed, reported, closed, .. } = *self.saved;
        let sync_fails = self.plan.disk.sync_fails && closed.is_some();
        if !dead && reported != (failed || sync_fails) {
            return Err(format!(
                "failed writes: {failed}, failing syncs: {sync_fails}, reported: {reported}"
            ));
        }
        if !dead && closed == Some(true) && !self.saved.finished {
            return Err("closing it succeeded without a sync".to_owned());
        }
        if self.saved.hid_failure || failed && closed == Some(true) {
            return Err("a call succeeded after a failed write".to_owned());
        }
        Ok(())
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        self.reports()?;
        let back = match &self.back {
            Ok(back) => back,
            // A file is unreadable only if the header is missing.
            Err(_) if self.saved.dead || self.saved.failed => return Ok(()),
            Err(error) => return Err(format!("a recording that went on cannot be read: {error}")),
        };
        if self.saved.replaces && back.events.is_empty() {
            return Err("it replaced an older file without any event".to_owned());
        }
        let read = self.sequences(back)?;
        self.nothing_old_is_missing(&read)?;
        if self.saved.finished && !self.saved.failed && !self.saved.dead && !back.finished {
            return Err("it was closed, and reads as cut".to_owned());
        }
        let accounted = |(source, all): (&SourceId, &Vec<Stamped>)| read.get(source) == Some(&all.len());
        if back.finished && !self.by_source().iter().all(accounted) {
            return Err("it reads as whole, but events are missing without a loss".to_owned());
        }
        self.conclusions(back)
    }

    fn by_source(&self) -> HashMap<SourceId, Vec<Stamped>> {
        let mut by_source: HashMap<SourceId, Vec<Stamped>> = HashMap::new();
        for stamped in self.emitted {
            by_source.entry(stamped.source).or_default().push(*stamped);
        }
        by_source
    }

    /// For each emitter, the file has what it emitted, in order, minus exactly what it reports as lost. Returns the
    /// number of events accounted for.
    fn sequences(&self, back: &Back) -> Result<HashMap<SourceId, usize>, String> {
        let all = self.by_source();
        let (mut places, mut skips): (HashMap<SourceId, usize>, HashMap<SourceId, u64>) = Default::default();
        for stamped in &back.events {
            if let Event::Lost { count, .. } = stamped.event {
                *skips.entry(stamped.source).or_default() += count;
                continue;
            }
            let truth = all.get(&stamped.source).map_or(&[][..], Vec::as_slice);
            let place = places.entry(stamped.source).or_default();
            let mut skip = skips.remove(&stamped.source).unwrap_or(0);
            while skip > 0 {
                let lost = truth.get(*place).ok_or("more is lost than there was")?;
                let parts = Packed::new(lost.at, lost.event).records(lost.source.0).count() as u64;
                skip = skip.checked_sub(parts).ok_or_else(|| format!("part of {lost:?} is lost"))?;
                *place += 1;
            }
            match truth.get(*place) {
                Some(expected) if expected == stamped => *place += 1,
                other => return Err(format!("read {stamped:?} where {other:?} was emitted")),
            }
        }
        Ok(places)
    }

    /// A kill loses the last 50 ms, if the recorder polled in time and the disk accepted its writes.
    fn nothing_old_is_missing(&self, read: &HashMap<SourceId, usize>) -> Result<(), String> {
        let Some(killed_at) = self.saved.killed_at.filter(|_| !self.saved.failed) else { return Ok(()) };
        let mut dies_in_a_write = self.plan.disk.dies_at_byte.is_some();
        dies_in_a_write &= self.saved.bytes.len() >= self.plan.disk.dies_at_byte.unwrap_or(0);
        if self.plan.late_polls > 0 || dies_in_a_write || self.plan.jump.is_some() {
            return Ok(());
        }
        for (source, all) in self.by_source() {
            let saved = read.get(&source).copied().unwrap_or(0);
            let missing = all.get(saved).filter(|next| next.at.plus_ns(LOST_AT_A_KILL_NS) < killed_at);
            if let Some(missing) = missing {
                let age_ms = killed_at.ns_since(missing.at) / 1_000_000;
                return Err(format!("{missing:?} was {age_ms} ms old at the kill, and is not there"));
            }
        }
        Ok(())
    }

    /// Conclusions from the file hold for what was emitted up to its last event.
    fn conclusions(&self, back: &Back) -> Result<(), String> {
        let summary = &back.summary;
        let real = back.events.iter().filter(|stamped| !is_loss(stamped));
        let Some(until) = real.map(|stamped| stamped.at).max() else { return Ok(()) };
        let truth = ticks(self.emitted, until, summary.ticks.stall_limit_ns);
        let lossless = !back.events.iter().any(is_loss);
        // An unfinished tick is a stall once it is over the limit.
        let stalls = truth.stalls + u64::from(self.open_stall(&truth, until, summary));
        let seen = summary.ticks.stalls;
        match summary.ticks.stalls_bounds {
            Some(bounds) if bounds.lo > stalls || bounds.hi.is_some_and(|hi| hi < stalls) => {
                return Err(format!("{stalls} stalls are not within {bounds:?}: {truth:?} at {until:?}"));
            }
            None if lossless && seen != stalls => {
                return Err(format!("{seen} stalls, but {truth:?} at {until:?}"));
            }
            _ => {}
        }
        let gate = Gate::new("stalls".parse().expect("a metric"), Limit::Max(0.0)).expect("a gate");
        let run = Run { name: String::new(), summary: summary.clone(), metadata: None };
        let judged = gate.judge(&run).expect("it needs no base");
        let calm = stalls == 0;
        if self.is_complete() {
            complete::check(self.emitted, &run)?;
        }
        match judged.outcome {
            Outcome::Undecided if self.is_complete() => {
                Err(format!("nothing is missing, and the gate is undecided: {judged:?}"))
            }
            Outcome::Held if !calm => Err(format!("the gate holds, but {truth:?} at {until:?}")),
            Outcome::Failed if calm => Err(format!("the gate fails, but {truth:?} at {until:?}")),
            _ => Ok(()),
        }
    }

    /// Whether the tick that is open at the end is already a stall.
    fn open_stall(&self, truth: &Ticks, until: Timestamp, summary: &Summary) -> bool {
        let waited = |start: Timestamp| -> u64 {
            let polls =
                self.emitted.iter().filter(|stamped| stamped.source == SourceId(1) && stamped.at <= until);
            let polls = polls.filter_map(|stamped| match stamped.event {
                Event::Poll { start: from, .. } if from >= start => Some(stamped.at.ns_since(from)),
                _ => None,
            });
            polls.sum()
        };
        truth.open.is_some_and(|start| {
            until.ns_since(start).saturating_sub(waited(start)) > summary.ticks.stall_limit_ns
        })
    }
}

fn is_loss(stamped: &Stamped) -> bool {
    matches!(stamped.event, Event::Lost { .. })
}

fn read(bytes: &[u8]) -> Result<Back, ReadError> {
    let mut reader = TraceReader::new(Cursor::new(bytes), Path::new("simulated"))?;
    let (mut events, mut timeline) = (Vec::new(), Timeline::of(EventSource::metadata(&reader)));
    loop {
        let begin = events.len();
        let state = EventSource::poll(&mut reader, &mut events).expect("what can be opened can be read");
        timeline.extend(&events[begin..]);
        if state == SourceState::Ended {
            break;
        }
    }
    timeline.counts = EventSource::counts(&reader);
    let summary = Summary::new(&reader, &timeline);
    events.retain(|stamped| !matches!(stamped.event, Event::Label { .. }));
    Ok(Back { events, finished: reader.is_finished(), summary })
}

/// The ticks of the loop, which is emitter 1, in what was emitted until `until`.
fn ticks(emitted: &[Stamped], until: Timestamp, limit_ns: u64) -> Ticks {
    let mut ticks = Ticks::default();
    let mut waited_ns = 0;
    for stamped in emitted.iter().filter(|stamped| stamped.source == SourceId(1) && stamped.at <= until) {
        match stamped.event {
            Event::TickStart { .. } => (ticks.open, waited_ns) = (Some(stamped.at), 0),
            Event::Poll { start, .. } => waited_ns += stamped.at.ns_since(start),
            Event::TickEnd { start, .. } => {
                ticks.open = None;
                ticks.stalls += u64::from(stamped.at.ns_since(start).saturating_sub(waited_ns) > limit_ns);
            }
            _ => {}
        }
    }
    ticks
}
