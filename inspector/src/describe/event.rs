//! Describes events: dispatches to the other files of this module for the rarer kinds.

use loop_probes::event::{Event, LabelKind};
use loop_probes::ids::Timestamp;
use loop_probes::text::printable;
use loop_traces::labels::Labels;
use loop_traces::timeline::signal_name;

use super::{input, loop_kinds};
use crate::units::{bytes, count, counted, duration};

/// Describes the content of an event that was recorded at `at`, without the name of its kind.
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
            let timeout = timeout_ns.map_or_else(|| "infinite".to_owned(), duration);
            format!("{reason}  timeout {timeout}  waited {}  {ready} ready", ran(start))
        }
        Event::TaskQueued { task, tag, place, parent, .. } => {
            let parent = parent.map_or_else(String::new, |parent| format!("  by #{}", parent.get()));
            let (queue, origin, depth) = (place.queue, place.origin, place.depth);
            format!("{} #{task}  in {queue} from {origin}  depth {depth}{parent}", labels.tag(*tag))
        }
        Event::TaskRan { task, tag, outcome, queued, start } => {
            let waited_ns = (queued < start).then(|| start.ns_since(*queued));
            let waited = waited_ns.map_or_else(String::new, |ns| format!("  waited {}", duration(ns)));
            format!("{} #{task}  {outcome}  run {}{waited}", labels.tag(*tag), ran(start))
        }
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
        Event::TimerFired { timer, tag, task, skipped, .. } => {
            let skipped = if *skipped > 0 { format!("  skipped {skipped}") } else { String::new() };
            let waited = event.timer_wait(at);
            let lag = duration(waited.map(|(due, began)| began.ns_since(due)));
            format!("timer {timer} {} #{task}  lag {lag}{skipped}", labels.tag(*tag))
        }
        Event::TimerCleared { timer } => format!("timer {timer}"),
        Event::TimerRef { timer, referenced } => {
            format!("timer {timer}  {}", if *referenced { "referenced" } else { "unreferenced" })
        }
        Event::ImmediateRef { task, referenced } => {
            format!("#{task}  {}", if *referenced { "referenced" } else { "unreferenced" })
        }
        Event::DeferredRemoved { key } | Event::SnapshotDeferred { key, kept: false } => {
            format!("key {key:#x}")
        }
        Event::SnapshotDeferred { key, kept: true } => format!("key {key:#x}, kept"),
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
            let parent = parent.map_or_else(String::new, |parent| format!("  by #{}", parent.get()));
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
        Event::Suspended { asleep_ns: 0, start, .. } => ran(start),
        Event::Suspended { asleep_ns, start, .. } => {
            format!("{}  machine slept {}", ran(start), duration(*asleep_ns))
        }
        Event::Crashed {} => "last sign of the process".to_owned(),
        Event::Lost { count: lost, .. } => counted(*lost, "record", "records"),
        Event::Label { kind, id, text } => {
            format!("{} {id} is {}", label_noun(*kind), printable(text.get().as_str()))
        }
        Event::LoopStopped { reason } => reason.to_string(),
        Event::Wake { coalesced, .. } => format!("{coalesced} coalesced"),
        Event::RefChanged { what, delta, alive } => format!("{what} {delta:+}  alive {alive}"),
        Event::InputClock { point, .. } => point.to_string(),
        Event::InputBatch { queue, taken } => format!("{queue}  {taken} taken"),
        Event::InputHeap { heap_bytes } => bytes(*heap_bytes),
        Event::InputReturned { task, value } => format!("#{task}  {value}"),
        other => loop_kinds::event(at, other, labels)
            .or_else(|| input::event(at, other, labels))
            .unwrap_or_default(),
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
