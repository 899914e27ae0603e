//! What a demo's summary says, held against what its clients counted: equal at any speed of the machine, where how
//! much was served in a second is not.

use serde_json::Value;

/// Timers of the demo, by the tags of their tasks.
const TIMERS: [&str; 5] = ["Heartbeat1ms", "Average10ms", "Sweep100ms", "Collect500ms", "collection limit"];

/// How many tasks of `tag` ran.
pub(crate) fn ran(summary: &Value, tag: &str) -> u64 {
    let tags = summary["tasks"]["by_tag"].as_array().expect("a summary lists tags");
    let found = tags.iter().find(|found| found["tag"] == tag);
    found.map_or(0, |found| found["count"].as_u64().expect("a count"))
}

/// Each request that was answered ran a task, and each that ran one was sent; so did each timer that fired.
pub(crate) fn assert_served(summary: &Value) {
    let number = |of: &str, what: &str| summary[of][what].as_u64().expect("a number");
    let (sent, answered) = (number("workload", "sent"), number("workload", "answered"));
    let requests = ran(summary, "Echo") + ran(summary, "HttpRequest");
    assert!(0 < answered && answered <= requests && requests <= sent, "{answered} <= {requests} <= {sent}");
    assert!(requests < number("tasks", "count"), "the loop has tasks of its own too");
    assert_eq!(TIMERS.iter().map(|tag| ran(summary, tag)).sum::<u64>(), number("timers", "fired"));
    assert!(TIMERS[..3].iter().all(|tag| ran(summary, tag) > 0), "{}", summary["tasks"]["by_tag"]);
}
