//! The report of [`Command::Dump`](super::Command::Dump): the loop's state.

use std::fmt;
use std::time::Duration;

use crate::agenda::Statistics;
use crate::event_loop::Metrics;
use crate::keep_alive::Pending;

/// A loop's state. `Display` writes it as lines of text.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Name of the loop's policy.
    pub policy: String,
    /// Number of the current tick.
    pub tick: u64,
    /// Counters since the loop began.
    pub metrics: Metrics,
    /// What keeps the loop alive, by name.
    pub pending: Vec<Pending>,
    /// Statistics of the agenda, if the self-pipe has one.
    pub agenda: Option<Statistics>,
    /// Commands received, including unknown ones.
    pub commands: u64,
    /// Bytes that were not a command.
    pub commands_unknown: u64,
    /// Bytes refused because the pipe was full.
    pub commands_refused: u64,
    /// Agenda collections run for [`Command::Collect`](super::Command::Collect).
    pub collections: u64,
    /// Agenda collections that failed.
    pub collections_failed: u64,
    /// Collect commands served by a collection that was already requested.
    pub collections_joined: u64,
    /// Program and process id of each running process.
    pub running: Vec<(String, u32)>,
    /// Processes waiting to be started.
    pub waiting: usize,
    /// Processes that ended, or could not be started.
    pub ended: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Metrics { tasks_run, io_ready, panics, polls, idle_ns, .. } = self.metrics;
        writeln!(f, "loop: policy {}, tick {}", self.policy, self.tick)?;
        let idle = Duration::from_nanos(idle_ns);
        writeln!(
            f,
            "  {tasks_run} tasks run, {io_ready} sources called, {panics} panics, {polls} polls, idle {idle:.1?}"
        )?;
        for Pending { what, name, count } in &self.pending {
            writeln!(f, "  active handle: {what} {name} {count}")?;
        }
        let (commands, unknown, refused) = (self.commands, self.commands_unknown, self.commands_refused);
        writeln!(f, "commands: {commands} taken, {unknown} unknown, {refused} refused by a full pipe")?;
        let (collections, failed, joined) =
            (self.collections, self.collections_failed, self.collections_joined);
        writeln!(f, "collections: {collections} done, {failed} failed, {joined} joined another")?;
        writeln!(
            f,
            "processes: {} running, {} waiting, {} ended",
            self.running.len(),
            self.waiting,
            self.ended
        )?;
        for (program, pid) in &self.running {
            writeln!(f, "  running {program} {pid}")?;
        }
        match &self.agenda {
            Some(agenda) => agenda.fmt(f),
            None => Ok(()),
        }
    }
}
