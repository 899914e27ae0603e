//! Describes the events that re-execution needs: inputs of the loop, its state in a snapshot, clock readings.

use loop_probes::event::{Event, LoopCall, PolicyField};
use loop_probes::ids::{LabelId, NonMax, Timestamp};
use loop_traces::labels::Labels;
use loop_traces::timeline::signal_name;

use super::loop_kinds::{interests, names};
use crate::units::{count, duration};

/// Describes a recorded input; `None` for other events.
pub(super) fn event(at: Timestamp, event: &Event, labels: &Labels) -> Option<String> {
    let referenced = |is: bool| if is { "referenced" } else { "unreferenced" };
    let by = |outside: bool| if outside { "from outside" } else { "by a callback" };
    Some(match event {
        Event::SnapshotPolicy { field, value } => format!("{field}  {}", value_of(*field, *value, labels)),
        Event::SnapshotLoop { due, calls, held, flags, .. } => {
            let (due, calls) = (duration(due.ns_since(at)), count(*calls));
            format!("{}next due in {due}  {calls} calls of sources  {held} held", states(*flags))
        }
        Event::SnapshotIo { source, tag, interest, referenced: is, .. } => {
            let (tag, source, asked) = (labels.tag(*tag), labels.io(*source), interests(*interest));
            format!("{tag} on {source}  asked about {asked}  {}", referenced(*is))
        }
        Event::SnapshotSignal { signo, tag } => format!("{} {}", signal_name(*signo), labels.tag(*tag)),
        Event::SnapshotWork { task, tag, parent } => {
            let parent = parent.map_or_else(String::new, |parent| format!("  by #{parent}"));
            format!("{} #{task}{parent}", labels.tag(*tag))
        }
        Event::SignalHandler { signo, tag, installed } => {
            let what = if *installed { "handler installed" } else { "handler removed" };
            format!("{} {}  {what}", signal_name(*signo), labels.tag(*tag))
        }
        Event::IoRef { source, referenced: is } => format!("{}  {}", labels.io(*source), referenced(*is)),
        Event::InputReady { source, readiness } => {
            format!("{}  {}", labels.io(*source), readied(*readiness))
        }
        Event::InputNews { ends: true } => "keeps it from ending".to_owned(),
        Event::InputNews { ends: false } => "keeps it from waiting".to_owned(),
        Event::InputStop { outside } => by(*outside).to_owned(),
        Event::InputCall { call } => called(*call).to_owned(),
        Event::InputShutdown { outside, within_ns } => {
            format!("{}  within {}", by(*outside), duration(*within_ns))
        }
        Event::SnapshotOrigin { task, origin, signo: 0 } => format!("#{task}  from {origin}"),
        Event::SnapshotOrigin { task, origin, signo } => {
            format!("#{task}  from {origin} {}", signal_name(*signo))
        }
        Event::CallbackRan { label, start } => {
            format!("{}  {}", labels.any(*label), duration(at.ns_since(*start)))
        }
        Event::Calibration { ticks, monotonic, .. } => {
            format!("{} ticks of the record clock are {}", count(ticks.0), duration(monotonic.0))
        }
        Event::Pressure { waited_ns, stolen_ns, delayed_ns, start } => {
            let of = |ns: &Option<NonMax<u64>>| duration(ns.map(NonMax::get));
            let (waited, stolen, delayed) = (of(waited_ns), of(stolen_ns), of(delayed_ns));
            let over = duration(at.ns_since(*start));
            format!("tasks waited {waited}  stolen {stolen}  threads delayed {delayed}  of {over}")
        }
        Event::InputRefs { delta } => format!("{delta:+}"),
        _ => return None,
    })
}

/// A policy value in its unit. The value of a rule is an index into a list that only the loop knows.
fn value_of(field: PolicyField, value: Option<u64>, labels: &Labels) -> String {
    let Some(value) = value else { return "no limit".to_owned() };
    match field {
        PolicyField::Name => {
            u32::try_from(value).map_or_else(|_| count(value), |id| labels.any(LabelId(id)).into_owned())
        }
        PolicyField::PollTimeoutDefault
        | PolicyField::PollGap
        | PolicyField::GcFast
        | PolicyField::GcSlow
        | PolicyField::GcOneShot
        | PolicyField::GcSample
        | PolicyField::SlowTaskLimit
        | PolicyField::SnapshotInterval
        | PolicyField::TaskTimePerTick => duration(value),
        _ => count(value),
    }
}

/// The names of readiness bits.
fn readied(bits: u8) -> String {
    names(bits, &["readable", "writable", "error", "hang-up"]).join(", ")
}

const fn called(call: LoopCall) -> &'static str {
    match call {
        LoopCall::Microtask => "a microtask was queued",
        LoopCall::HostMicrotasks => "the host has microtasks",
        LoopCall::Heap => "the heap may have changed",
        LoopCall::Release => "a reference is released before the next poll",
        LoopCall::Drain => "a drain follows",
        LoopCall::HostDrain => "a drain follows, including the host's microtasks",
        LoopCall::Turn => "one turn was called",
        LoopCall::Tick => "the first half of a turn was called",
        LoopCall::AutoTick => "the second half of a turn was called",
        LoopCall::Released => "references were released before the poll",
    }
}

/// The names of the flags of a [`SnapshotLoop`](Event::SnapshotLoop), each followed by two spaces.
fn states(flags: u8) -> String {
    let states = ["woken", "running", "watches a heap", "has futures", "asked to stop", "shutting down"];
    names(flags, &states).into_iter().map(|name| format!("{name}  ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use loop_probes::event::{Fields, LabelKind};
    use loop_probes::ids::IoSource;

    fn described(event: Event) -> String {
        let mut labels = Labels::default();
        labels.learn(LabelKind::Text, 9, "bun");
        labels.learn(LabelKind::Io, 4, "HTTP listener");
        super::event(Timestamp(5_000_000), &event, &labels).expect("it is one of these")
    }

    #[test]
    fn values_have_their_units() {
        let value = |field, value| described(Event::SnapshotPolicy { field, value });
        assert_eq!(value(PolicyField::GcFast, Some(1_000_000_000)), "gc-fast  1.00s");
        assert_eq!(value(PolicyField::TasksPerTick, Some(10_000)), "tasks-per-tick  10,000");
        assert_eq!(value(PolicyField::MicrotasksPerCheckpoint, None), "microtasks-per-checkpoint  no limit");
        assert_eq!(value(PolicyField::Name, Some(9)), "name  bun");
        assert_eq!(value(PolicyField::Name, Some(u64::MAX)), "name  18,446,744,073,709,551,615");
    }

    #[test]
    fn sources_and_states_are_named() {
        assert_eq!(
            described(Event::InputReady { source: IoSource(4), readiness: 1 }),
            "HTTP listener  readable"
        );
        assert_eq!(states(0b10_0101), "woken  watches a heap  shutting down  ");
        assert_eq!(described(Event::InputStop { outside: true }), "from outside");
    }

    /// Fails for an event kind without a description.
    #[test]
    fn every_kind_is_described_in_words() {
        for &(code, name) in Event::<Timestamp>::KINDS {
            let Ok(event) = Event::from_fields(code, Timestamp(5), &Fields::default()) else { continue };
            let text = super::super::event(Timestamp(5), &event, &Labels::default());
            assert!(!text.is_empty() && !text.contains(": ") && !text.contains('{'), "{code} {name}: {text}");
        }
    }
}
