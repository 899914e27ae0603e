//! What is to be different.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use loop_traces::units;

/// What is to be different in a re-execution. The default changes nothing: the identity, which shows how good the
/// model of the recording is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Another policy, by name.
    pub policy: Option<String>,
    /// Tags whose callbacks take so many times as long.
    pub scale: Vec<(String, f64)>,
    /// Tags whose callbacks never happen, nor what only they started.
    pub drop: Vec<String>,
    /// A tick's task passes end after so much time.
    pub budget: Option<Duration>,
    /// The GC controller, switched on or off.
    pub gc: Option<bool>,
    /// Workers of the pool.
    pub workers: Option<u16>,
    /// Its own recording has a snapshot at the start of every tick, and not every few seconds: it can be executed again
    /// from any of them.
    pub snapshot_every_tick: bool,
    /// Less than everything arrives.
    pub filter: Filter,
}

/// Which part of what arrived arrives again: what a minimizer narrows down. The default leaves nothing out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Nothing arrives earlier than the first or later than the second, in nanoseconds after the beginning of the
    /// stretch; the run ends with the second.
    pub window_ns: Option<(u64, u64)>,
    /// Callbacks of other tags never happen.
    pub tags: Option<BTreeSet<String>>,
    /// Other arrivals never happen: their numbers, from 0.
    pub arrivals: Option<BTreeSet<usize>>,
}

impl Changes {
    /// Whether nothing is to be different.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Changes {
    /// As the options of the command line say it.
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
