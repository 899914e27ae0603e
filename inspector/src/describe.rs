//! Describes events, spans and emitters in words. Names come from the label table, which has made them printable.

mod event;
mod input;
mod loop_kinds;

pub use event::event;

use loop_probes::event::Event;
use loop_probes::ids::{Tag, Timestamp};
use loop_probes::recorder::Running;
use loop_traces::labels::Labels;
use loop_traces::source::NowRunning;
use loop_traces::timeline::{SpanKind, signal_name};

use crate::units::{bytes, duration};

/// The tag of an event, if it has one.
#[must_use]
pub const fn tag_of(event: &Event) -> Option<Tag> {
    match event {
        Event::TaskQueued { tag, .. }
        | Event::TaskRan { tag, .. }
        | Event::TimerArmed { tag, .. }
        | Event::TimerFired { tag, .. }
        | Event::WorkQueued { tag, .. }
        | Event::WorkRan { tag, .. }
        | Event::WorkSettled { tag, .. }
        | Event::AgendaAdded { tag, .. }
        | Event::AgendaRan { tag, .. }
        | Event::IoRegistered { tag, .. }
        | Event::IoReady { tag, .. }
        | Event::SlowTask { tag, .. }
        | Event::SnapshotTimer { tag, .. }
        | Event::SnapshotTask { tag, .. }
        | Event::SnapshotPending { tag, .. } => Some(*tag),
        _ => None,
    }
}

/// Describes a span of a tick: its name, and its details.
#[must_use]
pub fn span(kind: &SpanKind, labels: &Labels) -> (String, String) {
    match kind {
        SpanKind::Phase(phase) => (phase.to_string(), String::new()),
        SpanKind::Poll { reason, ready, timeout_ns } => {
            let timeout = timeout_ns.map_or_else(|| "infinite".to_owned(), duration);
            ("poll".to_owned(), format!("{reason}, timeout {timeout}, {ready} ready"))
        }
        SpanKind::Task { task, tag, outcome, queue_wait_ns } => {
            let waited = queue_wait_ns.map(|ns| format!("waited {}", duration(ns)));
            let ended = (outcome.code() != 0).then(|| outcome.to_string());
            let remarks: Vec<String> = waited.into_iter().chain(ended).collect();
            (format!("{} #{task}", labels.tag(*tag)), remarks.join(", "))
        }
        SpanKind::Microtasks { ran, left, .. } => {
            let left = if *left > 0 { format!(", {left} left") } else { String::new() };
            ("microtasks".to_owned(), format!("{ran} ran{left}"))
        }
        SpanKind::Deferred { ran, kept } => ("deferred".to_owned(), format!("{ran} ran, {kept} kept")),
        SpanKind::Immediates { ran, moved_to_next } => {
            ("immediates".to_owned(), format!("{ran} ran, {moved_to_next} for the next tick"))
        }
        SpanKind::Io { source, tag, task, .. } => {
            (format!("{} #{task}", labels.tag(*tag)), format!("io on {}", labels.io(*source)))
        }
        SpanKind::Gc { heap_bytes_before, heap_bytes_after } => (
            "collection".to_owned(),
            format!("{} to {}", bytes(*heap_bytes_before), bytes(*heap_bytes_after)),
        ),
        SpanKind::Pump { handled, ready, timeout_ns } => {
            ("pump".to_owned(), loop_kinds::pumped(*handled, *ready, *timeout_ns))
        }
        SpanKind::Span { label } => (labels.span(*label).into_owned(), "span".to_owned()),
        SpanKind::Timer { timer, tag, lag_ns, skipped, .. } => {
            let skipped = if *skipped > 0 { format!(", skipped {skipped}") } else { String::new() };
            (
                format!("timer {timer} {}", labels.tag(*tag)),
                format!("fired, lag {}{skipped}", duration(*lag_ns)),
            )
        }
        SpanKind::Signal { signo, latency_ns, .. } => {
            (format!("signal {}", signal_name(*signo)), format!("delivered after {}", duration(*latency_ns)))
        }
        SpanKind::GcDecision { action, reason, heap_bytes, .. } => {
            (format!("gc {action}"), format!("{reason}, heap {}", bytes(*heap_bytes)))
        }
        SpanKind::Mark { label } => (labels.span(*label).into_owned(), "mark".to_owned()),
        other => (other.describe(labels), String::new()),
    }
}

/// Describes what an emitter is doing at `now`: `in ReadFile #8812 for 3.20s`, `in poll, deadline overdue by 2.00s`.
#[must_use]
pub fn running(now_running: &NowRunning, labels: &Labels, now: Timestamp) -> String {
    let lasted = duration(now.ns_since(now_running.since));
    let doing = doing(now_running, labels);
    match now_running.running {
        Running::Outside | Running::Phase(_) | Running::Task { .. } => format!("{doing} for {lasted}"),
        Running::Poll { deadline: Some(deadline) } if now > deadline => {
            format!("{doing}, deadline overdue by {}", duration(now.ns_since(deadline)))
        }
        Running::Poll { deadline: Some(deadline) } => {
            format!("{doing} for {lasted}, {} to go", duration(deadline.ns_since(now)))
        }
        Running::Poll { deadline: None } => format!("{doing} for {lasted}, without a deadline"),
    }
}

/// Describes what an emitter was doing when last seen: `in ReadFile #8812`.
#[must_use]
pub fn doing(now_running: &NowRunning, labels: &Labels) -> String {
    match now_running.running {
        Running::Outside => "between ticks".to_owned(),
        Running::Phase(phase) => format!("in phase {phase}"),
        Running::Task { task, tag } => format!("in {} #{task}", labels.tag(tag)),
        Running::Poll { .. } => "in poll".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loop_probes::event::{LabelKind, Phase};
    use loop_probes::ids::{SourceId, TaskId};

    #[test]
    fn a_hang_names_its_task_and_duration() {
        let mut labels = Labels::default();
        labels.learn(LabelKind::Tag, 3, "ReadFile");
        let now = Timestamp(5_000_000_000);
        let described = |running, since| {
            let now_running = NowRunning { source: SourceId(1), running, since: Timestamp(since) };
            super::running(&now_running, &labels, now)
        };
        let task = Running::Task { task: TaskId(8_812), tag: Tag(3) };
        assert_eq!(described(task, 1_800_000_000), "in ReadFile #8812 for 3.20s");
        let poll = Running::Poll { deadline: Some(Timestamp(3_000_000_000)) };
        assert_eq!(described(poll, 1_000_000_000), "in poll, deadline overdue by 2.00s");
        assert_eq!(described(Running::Phase(Phase::Gc), 4_990_000_000), "in phase gc for 10.0ms");
    }
}
