//! What is compared: the runs of both sides, the metrics that get verdicts, and how strictly they are judged.

use loop_probes::metadata::Metadata;

use crate::analysis::metric::{Metric, Sense};
use crate::summary::Summary;

/// The accepted rate of false alarms in comparisons of equals.
pub const ALPHA: f64 = 0.05;

/// The share below which a change does not matter: the default of [`Options::margin`].
pub const MARGIN: f64 = 0.05;

/// The share within which runs are the same: the default of [`Options::same_within`]. Twice the margin, because five
/// runs a side with a scatter of 5% cannot show less.
pub const SAME_WITHIN: f64 = 0.1;

/// The primary metrics unless `--primary` names others: is any task slower, are timers later, does the loop stall
/// longer?
///
/// Three, because with five runs against five the smallest p-values are 2/252, 4/252 and 6/252. Of three metrics, the
/// one over all tags gets half of the 5%, for which any of these p-values is enough, and the others get a quarter each,
/// for which only the first is. Of six, each gets a sixth, for which the first is enough; of seven, nothing would ever
/// be significant.
///
/// Lag counts skipped periods, and stalls count by their time: one stall per second lies below any percentile of
/// something that happens a thousand times a second.
pub const PRIMARIES: [&str; 3] = ["task.*.run.gmean", "timer_lag_corrected.p99", "stalls.busy"];

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The run's display name: a path.
    pub name: String,
    /// The summary of the run.
    pub summary: Summary,
    /// The program and machine that were recorded. `None` if only the summary was saved.
    pub metadata: Option<Metadata>,
}

/// Options of a comparison.
#[derive(Clone, Debug)]
pub struct Options {
    /// The metrics that get verdicts.
    pub primaries: Vec<Metric>,
    /// A change by a smaller share is neither worse nor better.
    pub margin: f64,
    /// Runs are the same if they are shown to differ by less than this share.
    pub same_within: f64,
}

impl Default for Options {
    fn default() -> Self {
        let known = PRIMARIES.iter().filter_map(|name| name.parse().ok());
        Self { primaries: known.collect(), margin: MARGIN, same_within: SAME_WITHIN }
    }
}

/// Why metrics cannot be primary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrimaryError {
    /// More of the metric is neither better nor worse.
    #[error("{metric} cannot be a primary metric: more of it is neither better nor worse")]
    Senseless {
        /// Name of the metric.
        metric: String,
    },
    /// The metric is listed twice.
    #[error("{metric} is a primary metric already")]
    Twice {
        /// Name of the metric.
        metric: String,
    },
    /// The list is empty.
    #[error("a comparison needs a primary metric")]
    None,
}

impl Options {
    /// Sets other primaries.
    ///
    /// # Errors
    ///
    /// [`PrimaryError`] if one of them cannot have a verdict.
    pub fn with_primaries(self, primaries: Vec<Metric>) -> Result<Self, PrimaryError> {
        if primaries.is_empty() {
            return Err(PrimaryError::None);
        }
        for (place, metric) in primaries.iter().enumerate() {
            if metric.sense() == Sense::Neither {
                return Err(PrimaryError::Senseless { metric: metric.to_string() });
            }
            if primaries[..place].contains(metric) {
                return Err(PrimaryError::Twice { metric: metric.to_string() });
            }
        }
        Ok(Self { primaries, ..self })
    }
}
