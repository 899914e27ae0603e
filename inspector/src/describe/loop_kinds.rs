//! Describes events of features that only some loops use (the agenda, commands, pumps, shutdown), and of snapshots and
//! sources.

use loop_probes::event::Event;
use loop_probes::ids::Timestamp;
use loop_traces::labels::Labels;
use loop_traces::timeline::{RefName, command_name};

use crate::units::{counted, duration};

/// Describes an event of a feature that only some loops use, a snapshot or a source; `None` for other events.
pub(super) fn event(at: Timestamp, event: &Event, labels: &Labels) -> Option<String> {
    let ran = |start: &Timestamp| duration(at.ns_since(*start));
    Some(match event {
        Event::AgendaAdded { task, tag, priority, depth } => {
            format!("{} #{task}  {priority}  depth {depth}", labels.tag(*tag))
        }
        Event::AgendaRan { task, tag, priority, worker, outcome, queued, start } => format!(
            "{} #{task}  {priority}  {outcome}  worker {worker}  run {}  waited {}",
            labels.tag(*tag),
            ran(start),
            duration(start.ns_since(*queued))
        ),
        Event::WorkerState { worker, from, to } => format!("worker {worker}  {from} to {to}"),
        Event::GcRendezvous { arrived, expected, start } if arrived < expected => {
            format!("abandoned after {}: {arrived} of {expected} workers stopped", ran(start))
        }
        Event::GcRendezvous { arrived, start, .. } => {
            format!("{arrived} {} met after {}", if *arrived == 1 { "worker" } else { "workers" }, ran(start))
        }
        Event::Command { byte, known } => {
            format!("{}{}", command_name(*byte), if *known { "" } else { "  unknown" })
        }
        Event::Pumped { handled, ready, timeout_ns, start } => {
            format!("{}  {}", pumped(*handled, *ready, *timeout_ns), ran(start))
        }
        Event::ShutdownBegan { deadline } => format!("{} at most", duration(deadline.ns_since(at))),
        Event::ShutdownEnded { finished, cancelled, left, start } => {
            format!("{finished} finished  {cancelled} cancelled  {left} left  {}", ran(start))
        }
        Event::IoLabel { source, label } => format!("io {source} is {}", labels.any(*label)),
        Event::IoModified { source, interest } => {
            format!("{}  interest {}", labels.io(*source), interests(*interest))
        }
        Event::SnapshotBegin { tick, .. } => format!("at tick {tick}"),
        Event::SnapshotEnd { parts, left_out } => {
            let left = if *left_out > 0 { format!("  {left_out} left out") } else { String::new() };
            format!("{}{left}", counted(u64::from(*parts), "part", "parts"))
        }
        Event::SnapshotRef { what, count } => format!("{what}  {count}"),
        Event::SnapshotPending { what, tag, label, count } => {
            let name = RefName { what: *what, tag: *tag, label: *label };
            format!("{what} {}  {count}", name.describe(labels))
        }
        Event::SnapshotTimer { timer, tag, due, period_ns, referenced } => {
            let period = period_ns.map_or_else(String::new, |period| format!("  every {}", duration(period)));
            let unreferenced = if *referenced { "" } else { "  unreferenced" };
            let due = duration(due.ns_since(at));
            format!("timer {timer} {}  due in {due}{period}{unreferenced}", labels.tag(*tag))
        }
        Event::SnapshotTask { task, tag, queue, queued } => {
            format!("{} #{task}  in {queue} for {}", labels.tag(*tag), ran(queued))
        }
        Event::SnapshotQueue { queue, depth } => format!("{queue}  {depth}"),
        Event::InputRun { until_ns: None } => "until nothing keeps it alive".to_owned(),
        Event::InputRun { until_ns: Some(until) } => {
            format!("for {}", duration(Timestamp(*until).ns_since(at)))
        }
        _ => return None,
    })
}

/// Describes a pump of a foreign loop: its result, and why it was pumped.
pub(super) fn pumped(handled: bool, ready: bool, timeout_ns: u64) -> String {
    let why = if ready { "it was ready" } else { "its timer was due" };
    let what = if handled { "handled" } else { "nothing to do" };
    let waited = match timeout_ns {
        0 => "without waiting".to_owned(),
        _ => format!("up to {}", duration(timeout_ns)),
    };
    format!("{what}, {why}, {waited}")
}

pub(super) fn interests(bits: u8) -> String {
    let asked = names(bits, &["readable", "writable", "priority"]);
    if asked.is_empty() { "nothing".to_owned() } else { asked.join(", ") }
}

/// The names of the bits that are set, lowest first.
pub(super) fn names<'a>(bits: u8, names: &[&'a str]) -> Vec<&'a str> {
    let set = names.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    set.map(|(_, name)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use loop_probes::event::{LabelKind, Outcome, Priority, RefKind};
    use loop_probes::ids::{IoSource, LabelId, Tag, TaskId};

    fn described(event: Event) -> String {
        let mut labels = Labels::default();
        labels.learn(LabelKind::Tag, 3, "Compact");
        labels.learn(LabelKind::Text, 9, "HTTP on 8080");
        labels.learn_event(&Event::IoLabel { source: IoSource(4), label: LabelId(9) });
        super::event(Timestamp(5_000_000), &event, &labels).expect("it is one of these")
    }

    #[test]
    fn tasklets_and_workers_are_named() {
        let (task, tag, priority) = (TaskId(7), Tag(3), Priority::Low);
        assert_eq!(
            described(Event::AgendaAdded { task, tag, priority, depth: 2 }),
            "Compact #7  low  depth 2"
        );
        let (queued, start) = (Timestamp(1_000_000), Timestamp(4_000_000));
        let ran =
            Event::AgendaRan { task, tag, priority, worker: 1, outcome: Outcome::Failed, queued, start };
        assert_eq!(described(ran), "Compact #7  low  failed  worker 1  run 1.00ms  waited 3.00ms");
        let missed = Event::GcRendezvous { arrived: 3, expected: 4, start };
        assert_eq!(described(missed), "abandoned after 1.00ms: 3 of 4 workers stopped");
    }

    #[test]
    fn sources_are_named_by_their_explanation() {
        let source = IoSource(4);
        assert_eq!(
            described(Event::IoModified { source, interest: 3 }),
            "HTTP on 8080  interest readable, writable"
        );
        assert_eq!(described(Event::IoLabel { source, label: LabelId(9) }), "io 4 is HTTP on 8080");
        let pending = Event::SnapshotPending { what: RefKind::Timer, tag: Tag(3), label: None, count: 2 };
        assert_eq!(described(pending), "timer Compact  2");
    }

    #[test]
    fn commands_are_characters_or_numbers() {
        assert_eq!(described(Event::Command { byte: b'D', known: true }), "D");
        assert_eq!(described(Event::Command { byte: 7, known: false }), "0x07  unknown");
    }
}
