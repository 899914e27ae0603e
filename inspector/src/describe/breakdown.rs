//! Explains the lines of a breakdown, for first-time readers.

use loop_traces::attribution::What;

/// Explains the sum.
pub const SUM: &str = "the lines add up to the nanosecond; Enter opens the tick";

/// Explains the sum of a tick that has not ended.
pub const SUM_SO_FAR: &str = "the lines add up to the nanosecond so far; open parts are lower bounds";

/// Explains a line.
#[must_use]
pub const fn what(what: &What) -> &'static str {
    match what {
        What::Task { .. } => "a task; Enter opens all of its tag",
        What::Io { .. } => "a readiness callback; Enter opens all of its tag",
        What::Microtasks { after: Some(_) } => {
            "microtasks; Enter opens the tag after whose task most of them ran"
        }
        What::Microtasks { after: None } => "microtasks, after no task in particular",
        What::Deferred => "entries of the deferred queue",
        What::Immediates => "immediates, less the tasks that ran for them",
        What::Gc => "collections",
        What::Span { .. } => "a labelled span of the program",
        What::Phase(_) => "the phase itself, less what ran in it",
        What::ShortRuns(_) => "a phase with runs too short and too many to be stored",
        What::Poll => "a poll that was not to wait; in a slow task, its own polls",
        What::Overslept => "asleep as long as the loop asked, though something was due or waited",
        What::LateWakeup => "poll returned after its deadline: the system woke the loop late",
        What::Suspended => "the whole process was stopped, or the machine slept",
        What::Others { .. } => "the smallest parts, summed",
        What::BeforeRecording => "before the first event of the recording: not measured",
        What::Evicted => "evicted from history: open the saved trace",
        What::Unknown { .. } => "records of this time were lost",
        What::Unattributed => "no events cover this time",
        _ => "",
    }
}
