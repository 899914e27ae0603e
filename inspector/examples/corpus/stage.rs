//! Runs a scenario on a recorded loop in a virtual world, and turns the recording into a trace.

use std::collections::BTreeMap;
use std::time::Duration;

use loop_core::sim::{Sim, SimClock, SimLoop};
use loop_core::tag::TagOf;
use loop_core::tag::tag_of_label;
use loop_core::{Builder, Builtin, Context, EventLoop, Policy};
use loop_probes::clock::Anchor;
use loop_probes::event::{Event, LabelKind};
use loop_probes::ids::{SourceId, Ticks, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::recorder::{Capture, Recorder};
use loop_probes::stamped::Stamped;
use loop_probes::text::Text;

/// The context that a scenario's tasks receive.
pub(crate) type Cx<'a> = Context<'a, Builtin>;

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) const fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

/// The tag of a job.
pub(crate) fn job(name: &str) -> TagOf {
    TagOf::Global(tag_of_label(name))
}

/// A loop in a virtual world, recorded.
pub(crate) struct Stage {
    pub(crate) sim: Sim,
    pub(crate) lp: SimLoop<Builtin>,
    recorded: Recorded,
}

/// The recordings of the loop and of its workers.
struct Recorded {
    policy: String,
    of_loop: Capture,
    of_workers: Capture,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::build(Policy::bun(), |builder| builder)
    }

    pub(crate) fn build(policy: Policy, set_up: impl FnOnce(Builder<Builtin>) -> Builder<Builtin>) -> Self {
        let sim = Sim::new();
        let ((recorder, of_loop), (workers, of_workers)) = (Recorder::capture(), Recorder::capture());
        sim.worker_recorder(workers);
        let recorded = Recorded { policy: policy.name.to_string(), of_loop, of_workers };
        let lp = sim.build(set_up(EventLoop::builder().policy(policy)).recorder(recorder));
        Self { sim, lp, recorded }
    }

    /// A task that runs for `takes`.
    pub(crate) fn task(&self, name: &'static str, takes: Duration) -> Builtin {
        self.then(name, takes, |_| ())
    }

    /// A task that does something and runs for `takes`.
    pub(crate) fn then(
        &self,
        name: &'static str,
        takes: Duration,
        then: impl FnOnce(&mut Cx<'_>) + 'static,
    ) -> Builtin {
        let sim = self.sim.clone();
        Builtin::once(name, move |cx| {
            then(cx);
            sim.advance(takes);
        })
    }

    /// A task that does something each time, and runs for `takes`.
    pub(crate) fn repeat(
        &self,
        name: &'static str,
        takes: Duration,
        mut then: impl FnMut(&mut Cx<'_>) + 'static,
    ) -> Builtin {
        let sim = self.sim.clone();
        Builtin::repeat(name, move |cx| {
            then(cx);
            sim.advance(takes);
        })
    }

    /// Runs until nothing keeps the loop alive or it has shut down.
    pub(crate) fn run(&mut self) {
        self.lp.run().expect("a virtual poller waits for what the script has, and these scripts have an end");
    }

    /// Runs until `elapsed` has passed since the start.
    pub(crate) fn run_until(&mut self, elapsed: Duration) {
        let until = SimClock::time_at(elapsed);
        self.lp.run_until(until).expect("a virtual poller waits no longer than the loop asks it to");
    }

    pub(crate) fn into_recording(self, name: &str) -> Recording {
        let Self { sim: _, lp, recorded } = self;
        // The events that the loop records when it is dropped belong to the recording.
        drop(lp);
        recorded.into_recording(name)
    }
}

/// A recording in memory, from which the trace is made.
pub(crate) struct Recording {
    pub(crate) metadata: Metadata,
    pub(crate) events: Vec<Stamped>,
}

/// The emitters' numbers start here, as in a ring file.
const LOOP: SourceId = SourceId(1);
const WORKERS: SourceId = SourceId(2);

impl Recorded {
    fn into_recording(self, name: &str) -> Recording {
        let mut events: Vec<Stamped> = Vec::new();
        for (capture, source) in [(&self.of_loop, LOOP), (&self.of_workers, WORKERS)] {
            // A virtual tick is a virtual nanosecond.
            let stamped = capture.take().into_iter().map(|(at, event)| Stamped {
                at: Timestamp(at.0),
                source,
                event: event.map_time(|ticks| Timestamp(ticks.0)),
            });
            events.extend(stamped);
        }
        // Sorted by time. Events with equal times keep their emitter's order, with the loop's events first.
        events.sort_by_key(|stamped| stamped.at);
        sort_pending(&mut events);
        let labels = self.renumber_tags(&mut events);
        Recording {
            metadata: metadata(name, self.policy),
            events: labels.into_iter().chain(events).collect(),
        }
    }

    /// Numbers the tags in order of appearance. Within the process they are numbered in order of creation,
    /// which other scenarios and tests affect. Returns the initial names.
    fn renumber_tags(&self, events: &mut [Stamped]) -> Vec<Stamped> {
        let mut numbers: BTreeMap<u16, u16> = BTreeMap::new();
        let mut labels = vec![label(LabelKind::Source, LOOP.0, "loop")];
        if events.iter().any(|stamped| stamped.source == WORKERS) {
            labels.push(label(LabelKind::Source, WORKERS.0, "workers"));
        }
        for stamped in events.iter_mut() {
            let mut fields = stamped.event.to_fields(stamped.at);
            if fields.tag != 0 {
                let next = numbers.len() as u16 + 1;
                let number = *numbers.entry(fields.tag).or_insert(next);
                if number == next {
                    let name = loop_probes::tags::name(loop_probes::ids::Tag(fields.tag));
                    labels.push(label(LabelKind::Tag, u32::from(number), name.as_deref().unwrap_or("?")));
                }
                fields.tag = number;
                stamped.event = Event::from_fields(stamped.event.code(), stamped.at, &fields)
                    .expect("another tag does not make an event of this vocabulary unreadable");
            }
        }
        // A capture numbers its first texts from 1.
        let texts = (1..=64).filter_map(|id| Some((id, self.of_loop.label(LabelKind::Text, id)?)));
        labels.extend(texts.map(|(id, text)| label(LabelKind::Text, id, &text)));
        labels
    }
}

/// Sorts the pending items of a snapshot by name. The loop lists them by tag number, which depends on the history of
/// the process.
fn sort_pending(events: &mut [Stamped]) {
    let name = |stamped: &Stamped| match stamped.event {
        Event::SnapshotPending { tag, label, .. } => Some((loop_probes::tags::name(tag), label)),
        _ => None,
    };
    for part in events.chunk_by_mut(|a, b| name(a).is_some() == name(b).is_some()) {
        if name(&part[0]).is_some() {
            part.sort_by_key(name);
        }
    }
}

fn label(kind: LabelKind, id: u32, text: &str) -> Stamped {
    let event = Event::Label { kind, id, text: Text::new(text) };
    Stamped { at: SimClock::START, source: LOOP, event }
}

/// Metadata without anything that differs between machines.
fn metadata(name: &str, policy: String) -> Metadata {
    let mut metadata = Metadata::new(format!("corpus {name}"));
    metadata.policy = policy;
    metadata.machine = "virtual".to_owned();
    metadata.command =
        ["cargo", "run", "-p", "loopscope", "--example", "corpus", "--", name].map(str::to_owned).into();
    metadata.started = Anchor { ticks: Ticks(SimClock::START.0), monotonic: SimClock::START, wall_ns: 0 };
    metadata
}
