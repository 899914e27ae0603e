//! The part of the summary about contention for processors.

use serde::{Deserialize, Serialize};

use crate::timeline::{Pressure, Timeline};

/// Time for which runnable tasks waited for a processor, while a recorder sampled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct PressureSummary {
    /// Time covered by the samples.
    pub observed_ns: u64,
    /// Time in which a task of the machine waited for a processor (`some` of `/proc/pressure/cpu`, which the kernel updates
    /// every two seconds); null if the kernel does not provide it.
    pub waited_ns: Option<u64>,
    /// Time in which the hypervisor ran something else, summed over all processors.
    pub stolen_ns: Option<u64>,
    /// Time for which threads of the process waited for a processor, summed over all threads.
    pub delayed_ns: Option<u64>,
}

impl PressureSummary {
    pub(super) fn of(timeline: &Timeline) -> Option<Self> {
        let &Pressure { observed_ns, waited_ns, stolen_ns, delayed_ns } = &timeline.pressure;
        (observed_ns > 0).then_some(Self { observed_ns, waited_ns, stolen_ns, delayed_ns })
    }

    /// `ns` as a share of the observed time.
    pub(crate) fn share(&self, ns: u64) -> f64 {
        ns as f64 / self.observed_ns.max(1) as f64
    }
}
