//! The changes that a what-if makes.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use loop_traces::units;

/// The changes of a re-execution. The default changes nothing: the identity, which shows how accurate the model of the
/// recording is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// The name of another policy.
    pub policy: Option<String>,
    /// Factors for the run time of callbacks, by tag.
    pub scale: Vec<(String, f64)>,
    /// Tags whose callbacks never happen, and neither does what they alone started.
    pub drop: Vec<String>,
    /// The time limit of a tick's task passes.
    pub budget: Option<Duration>,
    /// The GC controller, switched on or off.
    pub gc: Option<bool>,
    /// The number of pool workers.
    pub workers: Option<u16>,
    /// Take a snapshot at the start of every tick rather than every few seconds, so that the new recording can be
    /// re-executed from any of them.
    pub snapshot_every_tick: bool,
    /// Restricts the arrivals.
    pub filter: Filter,
}

/// Selects the arrivals that are repeated; the minimizer narrows it. The default selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Leaves out arrivals before the first or after the second time, in nanoseconds after the beginning; the run ends
    /// at the second.
    pub window_ns: Option<(u64, u64)>,
    /// Leaves out callbacks of all other tags.
    pub tags: Option<BTreeSet<String>>,
    /// Leaves out all other arrivals; numbered from 0.
    pub arrivals: Option<BTreeSet<usize>>,
}

impl Changes {
    /// Whether nothing is changed.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Changes {
    /// Writes the changes as command-line options.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        words.extend(self.policy.iter().map(|policy| format!("--policy {policy}")));
        words.extend(self.scale.iter().map(|(tag, factor)| format!("--scale {tag}={factor}")));
        words.extend(self.drop.iter().map(|tag| format!("--drop {tag}")));
        let ns = |budget: Duration| u64::try_from(budget.as_nanos()).unwrap_or(u64::MAX);
        words.extend(self.budget.map(|budget| format!("--budget {}", units::duration(ns(budget)))));
        words.extend(self.gc.map(|on| format!("--gc {}", if on { "on" } else { "off" })));
        words.extend(self.workers.map(|workers| format!("--workers {workers}")));
        if self.filter != Filter::default() {
            words.push("part of the arrivals".to_owned());
        }
        if words.is_empty() {
            return f.write_str("nothing changed");
        }
        f.write_str(&words.join(" "))
    }
}
