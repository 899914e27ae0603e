//! Compares a demo's summary with the counts of its clients. They agree at any speed of the machine, unlike the
//! amount served per second.

use serde_json::Value;

/// The demo's timers, by the tags of their tasks.
const TIMERS: [&str; 5] = ["Heartbeat1ms", "Average10ms", "Sweep100ms", "Collect500ms", "collection limit"];

/// The number of tasks of `tag` that ran.
pub(crate) fn ran(summary: &Value, tag: &str) -> u64 {
    let tags = summary["tasks"]["by_tag"].as_array().expect("a summary lists tags");
    let found = tags.iter().find(|found| found["tag"] == tag);
    found.map_or(0, |found| found["count"].as_u64().expect("a count"))
}

/// Checks that each answered request ran a task, each request that ran a task was sent, and each timer that fired ran a
/// task.
pub(crate) fn assert_served(summary: &Value) {
    let number = |of: &str, what: &str| summary[of][what].as_u64().expect("a number");
    let (sent, answered) = (number("workload", "sent"), number("workload", "answered"));
    let requests = ran(summary, "Echo") + ran(summary, "HttpRequest");
    assert!(0 < answered && answered <= requests && requests <= sent, "{answered} <= {requests} <= {sent}");
    assert!(requests < number("tasks", "count"), "the loop also has tasks of its own");
    assert_eq!(TIMERS.iter().map(|tag| ran(summary, tag)).sum::<u64>(), number("timers", "fired"));
    assert!(TIMERS[..3].iter().all(|tag| ran(summary, tag) > 0), "{}", summary["tasks"]["by_tag"]);
}
