//! How an import changed its input. The trace carries this record, and reports repeat it, because their figures depend
//! on each repair.

use std::collections::BTreeMap;

use loop_probes::metadata::Metadata;
use loop_probes::text::printable;
use serde::{Deserialize, Serialize};

use crate::source::{IMPORT, SourceKind};
use crate::units::{count, counted, percent};

/// Maximum number of kinds read for each list of a file. An import writes fewer.
const KINDS_MAX: usize = 64;

/// Maximum number of characters kept of a name.
const NAME_MAX: usize = 80;

/// Maximum number of left-out threads listed.
pub(crate) const LARGEST: usize = 5;

/// The kind, in [`ImportSummary::dropped`], of loops beyond the limit per trace.
pub const LOOP_BEYOND_LIMIT: &str = "loop_beyond_limit";

/// How a file from another program became a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
#[non_exhaustive]
pub struct ImportSummary {
    /// The program that wrote the file, where known.
    pub producer: Option<String>,
    /// Input accepted although it deviates from the format, by kind.
    pub repaired: BTreeMap<String, u64>,
    /// Input missing from the trace, by kind.
    pub dropped: BTreeMap<String, u64>,
    /// Dropped events that may have been slices of the imported loops.
    pub dropped_of_loops: u64,
    /// Threads that are not loops.
    pub left_out: LeftOut,
    /// Loops that leave no gap in which they could wait; they may be CPU profiles.
    pub loops_without_waits: u64,
}

impl ImportSummary {
    /// The summary of the import that a trace came from. `None` if it was not imported.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Option<Self> {
        if SourceKind::of_trace(metadata) != SourceKind::Chrome {
            return None;
        }
        let summary =
            metadata.settings.get(IMPORT).and_then(|summary| serde_json::from_str::<Self>(summary).ok());
        let mut summary = summary.unwrap_or_default();
        let name = |text: &str| printable(text).chars().take(NAME_MAX).collect::<String>();
        let clean = |counts: &BTreeMap<String, u64>| {
            counts.iter().take(KINDS_MAX).map(|(kind, number)| (name(kind), *number)).collect()
        };
        summary.producer = summary.producer.map(|producer| name(&producer));
        summary.repaired = clean(&summary.repaired);
        summary.dropped = clean(&summary.dropped);
        summary.left_out.largest.truncate(LARGEST);
        for thread in &mut summary.left_out.largest {
            for text in [&mut thread.name, &mut thread.pid, &mut thread.tid] {
                *text = name(text);
            }
        }
        Some(summary)
    }

    /// Whether there were more loops than a trace can have.
    pub(crate) fn left_out_loops(&self) -> bool {
        self.dropped.get(LOOP_BEYOND_LIMIT).is_some_and(|loops| *loops > 0)
    }

    /// A warning about loops that may be CPU profiles. `None` if every loop waits.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        let loops = counted(self.loops_without_waits, "loop never waits", "loops never wait");
        (self.loops_without_waits > 0)
            .then(|| format!("{loops}, so this may be a CPU profile rather than a loop"))
    }

    /// The origin of the trace: `Chrome JSON by viztracer`.
    #[must_use]
    pub fn from(&self) -> String {
        match &self.producer {
            Some(producer) => format!("Chrome JSON by {producer}"),
            None => "Chrome JSON".to_owned(),
        }
    }
}

/// Threads that are not loops, and their slices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LeftOut {
    /// Number of these threads, without those that have no slice.
    pub threads: u64,
    /// Number of slices on these threads.
    pub slices: u64,
    /// Slices of all threads, loops included.
    pub slices_of: u64,
    /// The threads with the most slices, largest first; at most five.
    pub largest: Vec<LeftOutThread>,
}

/// A thread that is not a loop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LeftOutThread {
    /// The name of the thread, with its process.
    pub name: String,
    /// The process id, as the file gives it.
    pub pid: String,
    /// The thread id, as the file gives it.
    pub tid: String,
    /// Number of slices on the thread.
    pub slices: u64,
}

impl LeftOut {
    /// Formats the number of threads, their share of the slices, and the largest. `None` if every thread with slices is
    /// a loop.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        if self.threads == 0 {
            return None;
        }
        let share = self.slices as f64 / self.slices_of.max(1) as f64;
        let largest = self.largest.iter().map(|thread| {
            format!("{} ({}/{}) {}", thread.name, thread.pid, thread.tid, count(thread.slices))
        });
        Some(format!(
            "{} with {} of {} slices ({}): {}",
            counted(self.threads, "thread", "threads"),
            count(self.slices),
            count(self.slices_of),
            percent(share),
            largest.collect::<Vec<_>>().join(", ")
        ))
    }
}
