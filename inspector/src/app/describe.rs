//! Events, emitters and blame in words. Names come from the label table, which made them printable already.

use loop_probes::event::{Event, LabelKind};
use loop_probes::ids::{Tag, Timestamp};
use loop_probes::recorder::Running;
use loop_probes::text::printable;
use loop_traces::labels::Labels;
use loop_traces::source::NowRunning;
use loop_traces::timeline::{SpanKind, signal_name};

use crate::units::{bytes, count, duration};

/// The tag that an event is about.
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
        | Event::SnapshotTask { tag, .. } => Some(*tag),
        _ => None,
    }
}

/// What an event that was recorded at `at` says, without its kind.
#[must_use]
pub fn event(at: Timestamp, event: &Event, labels: &Labels) -> String {
    let ran = |start: &Timestamp| duration(at.ns_since(*start));
    match event {
        Event::TickStart { tick } => format!("tick {}", count(*tick)),
        Event::TickEnd { tick, tasks_run, start } => {
            let noun = if *tasks_run == 1 { "task" } else { "tasks" };
            format!("tick {}  {tasks_run} {noun}  {}", count(*tick), ran(start))
        }
        Event::Phase { phase, start } => format!("{phase}  {}", ran(start)),
        Event::Poll { reason, ready, timeout_ns, start } => {
            let timeout = timeout_ns.map_or_else(|| "for ever".to_owned(), duration);
            format!("{reason}  timeout {timeout}  waited {}  {ready} ready", ran(start))
        }
        Event::TaskQueued { task, tag, place, parent, .. } => {
            let parent = parent.map_or_else(String::new, |parent| format!("  by #{parent}"));
            let (queue, origin, depth) = (place.queue, place.origin, place.depth);
            format!("{} #{task}  in {queue} from {origin}  depth {depth}{parent}", labels.tag(*tag))
        }
        Event::TaskRan { task, tag, outcome, queued, start } => format!(
            "{} #{task}  {outcome}  run {}  waited {}",
            labels.tag(*tag),
            ran(start),
            duration(start.ns_since(*queued))
        ),
        Event::Microtasks { trigger, ran: microtasks, left, start } => {
            let after = trigger.map_or_else(String::new, |task| format!("  after #{task}"));
            let left = if *left > 0 { format!("  {left} left") } else { String::new() };
            format!("{microtasks} ran{left}  {}{after}", ran(start))
        }
        Event::DeferredPosted { key, existed } => {
            format!("key {key:#x}{}", if *existed { "  existed" } else { "" })
        }
        Event::DeferredRan { ran: entries, kept, start } => {
            format!("{entries} ran  {kept} kept  {}", ran(start))
        }
        Event::Immediates { ran: entries, moved_to_next, start } => {
            format!("{entries} ran  {moved_to_next} moved to next  {}", ran(start))
        }
        Event::TimerArmed { timer, tag, due, period_ns } => {
            let period = period_ns.map_or_else(String::new, |period| format!("  every {}", duration(period)));
            format!("timer {timer} {}  due in {}{period}", labels.tag(*tag), duration(due.ns_since(at)))
        }
        Event::TimerFired { timer, tag, task, due, fired, skipped } => {
            let skipped = if *skipped > 0 { format!("  skipped {skipped}") } else { String::new() };
            let lag = duration(fired.ns_since(*due));
            format!("timer {timer} {} #{task}  lag {lag}{skipped}", labels.tag(*tag))
        }
        Event::TimerCleared { timer } => format!("timer {timer}"),
        Event::TimerRef { timer, referenced } => {
            format!("timer {timer}  {}", if *referenced { "referenced" } else { "unreferenced" })
        }
        Event::ImmediateRef { task, referenced } => {
            format!("#{task}  {}", if *referenced { "referenced" } else { "unreferenced" })
        }
        Event::DeferredRemoved { key } | Event::SnapshotDeferred { key } => format!("key {key:#x}"),
        Event::InputGc { reason } => reason.to_string(),
        Event::QueueDepth { queue, depth } => format!("{queue}  {depth}"),
        Event::SignalArrived { signo, depth, .. } => format!("{}  depth {depth}", signal_name(*signo)),
        Event::SignalDelivered { signo, task, arrived } => {
            format!("{} #{task}  latency {}", signal_name(*signo), ran(arrived))
        }
        Event::SignalDropped { total } => format!("{} in all", count(*total)),
        Event::GcDecision { action, reason, heap_bytes, threshold_bytes } => {
            format!("{action}  {reason}  heap {} of {}", bytes(*heap_bytes), bytes(*threshold_bytes))
        }
        Event::GcRan { heap_bytes_before, heap_bytes_after, start } => {
            format!("{} to {}  {}", bytes(*heap_bytes_before), bytes(*heap_bytes_after), ran(start))
        }
        Event::GcMode { mode, unchanged_ticks } => format!("{mode}  after {unchanged_ticks} unchanged"),
        Event::WorkQueued { task, tag, depth, parent } => {
            let parent = parent.map_or_else(String::new, |parent| format!("  by #{parent}"));
            format!("{} #{task}  depth {depth}{parent}", labels.tag(*tag))
        }
        Event::WorkRan { task, tag, worker, outcome, queued, start } => format!(
            "{} #{task}  {outcome}  worker {worker}  run {}  waited {}",
            labels.tag(*tag),
            ran(start),
            duration(start.ns_since(*queued))
        ),
        Event::WorkSettled { task, tag } => format!("{} #{task}", labels.tag(*tag)),
        Event::IoRegistered { source, tag } => format!("{} on {}", labels.tag(*tag), labels.io(*source)),
        Event::IoReady { source, tag, task, start, .. } => {
            format!("{} #{task} on {}  {}", labels.tag(*tag), labels.io(*source), ran(start))
        }
        Event::IoRemoved { source } => labels.io(*source).into_owned(),
        Event::Exception { task, message } => {
            let task = task.map_or_else(String::new, |task| format!("#{task}  "));
            format!("{task}{}", labels.text(*message))
        }
        Event::Violation { rule } => labels.text(*rule).into_owned(),
        Event::SlowTask { task, tag, limit_ns, start } => {
            format!("{} #{task}  {} of {}", labels.tag(*tag), ran(start), duration(*limit_ns))
        }
        Event::Span { label, start } => format!("{}  {}", labels.span(*label), ran(start)),
        Event::Mark { label } => labels.span(*label).into_owned(),
        Event::Lost { count: lost, .. } => format!("{} records", count(*lost)),
        Event::Label { kind, id, text } => {
            format!("{} {id} is {}", label_noun(*kind), printable(text.as_str()))
        }
        Event::LoopStopped { reason } => reason.to_string(),
        Event::Wake { coalesced, .. } => format!("{coalesced} coalesced"),
        Event::RefChanged { what, delta, alive } => format!("{what} {delta:+}  alive {alive}"),
        Event::InputClock { point, .. } => point.to_string(),
        Event::InputBatch { queue, taken } => format!("{queue}  {taken} taken"),
        Event::InputHeap { heap_bytes } => bytes(*heap_bytes),
        Event::IoLabel { source, label } => format!("{} is {}", labels.io(*source), labels.text(*label)),
        Event::Pumped { handled, ready, timeout_ns, start } => {
            let why = if *ready { "ready" } else { "polled" };
            let what = if *handled { "handled" } else { "nothing" };
            format!("{what}  {why}  up to {}  {}", duration(*timeout_ns), ran(start))
        }
        Event::ShutdownBegan { deadline } => format!("due in {}", duration(deadline.ns_since(at))),
        Event::ShutdownEnded { finished, cancelled, left, start } => {
            format!("{finished} finished  {cancelled} cancelled  {left} left  {}", ran(start))
        }
        other => fields_of(other),
    }
}

const fn label_noun(kind: LabelKind) -> &'static str {
    match kind {
        LabelKind::Tag => "tag",
        LabelKind::Span => "span",
        LabelKind::Source => "source",
        LabelKind::Io => "io",
        LabelKind::Text => "text",
    }
}

/// The rarer kinds as their fields say it.
fn fields_of(event: &Event) -> String {
    let text = format!("{event:?}");
    let fields = text.split_once('{').map_or("", |(_, fields)| fields);
    printable(fields.trim_end_matches('}').trim())
}

/// A span of an opened tick: its name, and what else there is to say of it.
#[must_use]
pub fn span(kind: &SpanKind, labels: &Labels) -> (String, String) {
    match kind {
        SpanKind::Phase(phase) => (phase.to_string(), String::new()),
        SpanKind::Poll { reason, ready, timeout_ns } => {
            let timeout = timeout_ns.map_or_else(|| "for ever".to_owned(), duration);
            ("poll".to_owned(), format!("{reason}, timeout {timeout}, {ready} ready"))
        }
        SpanKind::Task { task, tag, outcome, queue_wait_ns } => {
            let ended = if outcome.code() == 0 { String::new() } else { format!(", {outcome}") };
            (format!("{} #{task}", labels.tag(*tag)), format!("waited {}{ended}", duration(*queue_wait_ns)))
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

/// What an emitter does: `in ReadFile #8812 for 3.2s`, `in poll, deadline overdue by 2.0s`.
#[must_use]
pub fn running(now_running: &NowRunning, labels: &Labels, now: Timestamp) -> String {
    let lasted = duration(now.ns_since(now_running.since));
    match now_running.running {
        Running::Outside => format!("outside of its ticks for {lasted}"),
        Running::Phase(phase) => format!("in phase {phase} for {lasted}"),
        Running::Task { task, tag } => format!("in {} #{task} for {lasted}", labels.tag(tag)),
        Running::Poll { deadline: Some(deadline) } if now > deadline => {
            format!("in poll, deadline overdue by {}", duration(now.ns_since(deadline)))
        }
        Running::Poll { deadline: Some(deadline) } => {
            format!("in poll for {lasted}, {} to go", duration(deadline.ns_since(now)))
        }
        Running::Poll { deadline: None } => format!("in poll for {lasted}, without a deadline"),
    }
}

/// What an emitter did when it was last seen: `in ReadFile #8812`.
#[must_use]
pub fn doing(now_running: &NowRunning, labels: &Labels) -> String {
    match now_running.running {
        Running::Outside => "outside of its ticks".to_owned(),
        Running::Phase(phase) => format!("in phase {phase}"),
        Running::Task { task, tag } => format!("in {} #{task}", labels.tag(tag)),
        Running::Poll { .. } => "in poll".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loop_probes::event::Phase;
    use loop_probes::ids::{SourceId, TaskId};

    #[test]
    fn a_hang_says_in_what_and_since_when() {
        let mut labels = Labels::default();
        labels.learn(LabelKind::Tag, 3, "ReadFile");
        let now = Timestamp(5_000_000_000);
        let says = |running, since| {
            let now_running = NowRunning { source: SourceId(1), running, since: Timestamp(since) };
            super::running(&now_running, &labels, now)
        };
        let task = Running::Task { task: TaskId(8_812), tag: Tag(3) };
        assert_eq!(says(task, 1_800_000_000), "in ReadFile #8812 for 3.2s");
        let poll = Running::Poll { deadline: Some(Timestamp(3_000_000_000)) };
        assert_eq!(says(poll, 1_000_000_000), "in poll, deadline overdue by 2.0s");
        assert_eq!(says(Running::Phase(Phase::Gc), 4_990_000_000), "in phase gc for 10.0ms");
    }
}
