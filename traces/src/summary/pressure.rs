//! Contention for processors, as a summary has it.

use serde::{Deserialize, Serialize};

use crate::timeline::{Pressure, Timeline};

/// How much processors were wanted and not had while the recorder looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct PressureSummary {
    /// The time for which there are counts.
    pub observed_ns: u64,
    /// Time in which a task of the machine waited for a processor (`some` of `/proc/pressure/cpu`, which the kernel updates
    /// every two seconds); null where the kernel did not say.
    pub waited_ns: Option<u64>,
    /// Time in which the hypervisor ran something else, on all processors together.
    pub stolen_ns: Option<u64>,
    /// Time for which the threads of the process waited for a processor, all together.
    pub delayed_ns: Option<u64>,
}

impl PressureSummary {
    pub(super) fn of(timeline: &Timeline) -> Option<Self> {
        let &Pressure { observed_ns, waited_ns, stolen_ns, delayed_ns } = &timeline.pressure;
        (observed_ns > 0).then_some(Self { observed_ns, waited_ns, stolen_ns, delayed_ns })
    }

    /// This part of the observed time.
    pub(crate) fn share(&self, ns: u64) -> f64 {
        ns as f64 / self.observed_ns.max(1) as f64
    }
}
