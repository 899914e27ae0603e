//! The part of a summary that must not differ between what was told live and what the file tells.

use serde_json::Value;

/// Everything but where it comes from, and what the demo's clients counted.
pub(crate) fn totals(summary: &Value) -> Value {
    let mut totals = summary.clone();
    let object = totals.as_object_mut().expect("a summary is an object");
    object.remove("source");
    object.remove("workload");
    totals
}
