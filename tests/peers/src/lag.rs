//! Measures timer lag on a loop with nothing else to do, and what that loop does while it waits (`idle.rs`).

mod alarms;

use std::time::Duration;

use anyhow::{Result, anyhow};
use loop_probes::clock::monotonic_now;
use loop_probes::ids::Timestamp;

use crate::measure::{Effort, Samples, Subject, interleave_one};
use crate::table::{Report, Section, Target, figure, times};
use crate::{peers, uv};

const DELAY: Duration = Duration::from_millis(1);

/// A loop with one timer.
pub(crate) trait Alarm {
    /// Waits for a timer with this delay; returns the time at which its callback ran.
    fn ring(&mut self, delay: Duration) -> Result<Timestamp>;
}

type Make = fn() -> Result<Option<Box<dyn Alarm>>>;

/// The loops: the floor first, then ours.
pub(crate) const KINDS: [(&str, Make); 9] = [
    ("timerfd, bare", || Ok(Some(Box::new(alarms::Bare::new()?)))),
    (OURS, || Ok(Some(Box::new(alarms::Ours::new()?)))),
    (POLLING, || Ok(Some(Box::new(alarms::Polling::new()?)))),
    (CALLOOP, || Ok(Some(Box::new(alarms::Calloop::new()?)))),
    (SMOL, || Ok(Some(Box::new(alarms::Smol)))),
    ("mio", || Ok(Some(Box::new(alarms::Mio::new()?)))),
    ("tokio, one thread", || Ok(Some(Box::new(alarms::Tokio::new()?)))),
    ("libuv", || Ok(alarms::Libuv::new().map(|alarm| Box::new(alarm) as Box<dyn Alarm>))),
    ("nanosleep, no loop", || Ok(Some(Box::new(alarms::Sleeping)))),
];
pub(crate) const OURS: &str = "**`set_timeout`**";
const POLLING: &str = "polling";
const CALLOOP: &str = "calloop";
const SMOL: &str = "async-io (smol)";

/// The loop with this name; `None` if its library is missing.
pub(crate) fn alarm(name: &str) -> Result<Option<Box<dyn Alarm>>> {
    let (_, make) =
        KINDS.iter().find(|(kind, _)| *kind == name).ok_or_else(|| anyhow!("no loop is {name}"))?;
    make()
}

pub(crate) fn run(effort: Effort, report: &mut Report) -> Result<()> {
    let mut subjects = Vec::new();
    for (name, make) in KINDS {
        let Some(mut alarm) = make()? else { continue };
        subjects.push(Subject::new(name, move || {
            let due = monotonic_now().plus_ns(DELAY.as_nanos() as u64);
            let rang = alarm.ring(DELAY).expect("a loop can wait");
            // libuv uses the clock reading of its last turn, rounded down, so it may fire up to a millisecond
            // early.
            (rang.as_ns() as f64 - due.as_ns() as f64) / 1e3
        }));
    }
    let columns = interleave_one(effort.rounds(60, 1_001), subjects);
    let text = "One timer of 1 ms on an otherwise idle loop, one loop after the other: microseconds from when it \
        was due until its callback ran.";
    let head = ["µs", "p50", "p99", "relative to the first"];
    let mut section = Section::new("The lag of a 1 ms timer", text, &head);
    let Some(floor) = columns.first() else { return Ok(()) };
    for column in &columns {
        let cells = [figure(column.median()), figure(column.quantile(0.99)), times(column.ratio(floor))];
        section.row(&column.name, cells);
    }
    if uv::version().is_none() {
        section.note(peers::NO_LIBUV);
    }
    report.sections.push(section);
    let find = |name: &str| columns.iter().find(|column| column.name == name);
    let (Some(ours), Some(calloop), Some(smol)) = (find(OURS), find(CALLOOP), find(SMOL)) else {
        return Ok(());
    };
    for (name, other) in [("calloop", calloop), ("async-io", smol)] {
        // No worse means equal, within the variation between runs.
        let mut aim =
            |what: String, measured| report.targets.push(Target::at_most(1.05, " ×", what, measured));
        aim(format!("1 ms timer lag, relative to {name}'s (p50)"), ours.ratio(other));
        aim(format!("the same, relative to {name}'s (p99)"), p99(ours) / p99(other));
    }
    Ok(())
}

fn p99(samples: &Samples) -> f64 {
    samples.quantile(0.99)
}
