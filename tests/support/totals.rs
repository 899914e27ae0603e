//! The part of a summary that must be the same live and from the file.

use serde_json::Value;

/// Everything except its source and the counts of the demo's clients.
pub(crate) fn totals(summary: &Value) -> Value {
    let mut totals = summary.clone();
    let object = totals.as_object_mut().expect("a summary is an object");
    object.remove("source");
    object.remove("workload");
    totals
}
