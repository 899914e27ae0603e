//! One simulated run: a program that emits, a ring, a recorder that polls it by a virtual clock, and faults.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use fastrand::Rng;
use loop_probes::clock::TickUnit;
use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Ticks, Timestamp};
use loop_probes::process::ProcessReader;
use loop_probes::recorder::Recorder;
use loop_probes::ring::Start;
use loop_probes::session::Session;
use loop_probes::stamped::Stamped;
use loop_traces::source::EventSource;
use loop_traces::synthetic::Script;
use loop_traces::writer::{TraceWriter, WriteOptions};
use loopscope::io::sink::{SAVING_PERIOD, save_at};

use super::disk::{Disk, Faults};

/// The longest jump of the clock, in nanoseconds: within the uptime of any machine that has just built this test, because
/// readers hold back events in the future of their clock.
const JUMP_NS_MAX: u64 = 1 << 35;

/// The choices of a seed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) script: Script,
    /// The capacity of each ring, in records.
    pub(crate) capacity: u32,
    /// Emitters wait for the recorder, as in a process that records itself.
    pub(crate) lossless: bool,
    /// One poll in eight is late by this many periods.
    pub(crate) late_polls: u64,
    /// The recorder is killed at this event.
    pub(crate) kill_at: Option<usize>,
    /// The thread that drains the rings dies at this event, and the program goes on without it.
    pub(crate) drain_dies_at: Option<usize>,
    /// The clock jumps ahead by this many nanoseconds at this event, as after a suspension. It never jumps back:
    /// `CLOCK_MONOTONIC` cannot.
    pub(crate) jump: Option<(usize, u64)>,
    pub(crate) disk: Faults,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let ticks = random.u32(1..60);
        let script = Script {
            seed: random.u64(..),
            ticks,
            tasks_max: random.u32(1..6),
            workers: random.u16(..3),
            stall_every: random.u32(..20),
            spans: random.bool(),
            loop_kinds: random.bool(),
            ..Script::default()
        };
        let lossless = random.bool();
        let events = script.events().len();
        let mut one_in = |of: u32| random.u32(..of) == 0;
        let (kills, dies, fills) = (one_in(4), one_in(6), one_in(6));
        let (short_writes, truncate_fails, sync_fails) = (one_in(3), one_in(3), one_in(6));
        let jumps = one_in(8) && script.workers == 0;
        // Emitters that wait for their recorder drain the rings themselves.
        let drain_dies = one_in(8) && !lossless && !kills;
        Self {
            seed,
            capacity: if random.bool() { 128 } else { 65_536 },
            lossless,
            late_polls: if lossless || random.bool() { 0 } else { random.u64(1..200) },
            kill_at: kills.then(|| random.usize(..events)),
            drain_dies_at: drain_dies.then(|| random.usize(..events)),
            jump: jumps.then(|| (random.usize(..events), random.u64(1..JUMP_NS_MAX))),
            disk: Faults {
                dies_at_byte: dies.then(|| random.usize(..40_000)),
                full_at_byte: fills.then(|| random.usize(..40_000)),
                short_writes,
                truncate_fails,
                sync_fails,
            },
            script,
        }
    }

    /// The events that the program emits. Names are not events: they come from a separate table.
    pub(crate) fn events(&self) -> Vec<Stamped> {
        let scripted = self.script.events();
        let scripted: Vec<Stamped> =
            scripted.into_iter().filter(|stamped| !matches!(stamped.event, Event::Label { .. })).collect();
        let Some(first) = scripted.first() else { return scripted };
        // At the machine's start, because events in the future of a ring's clock are held back until then.
        let (begin, from) = (1, first.at.as_ns());
        let jump = self.jump.and_then(|(place, ns)| Some((scripted.get(place)?.at, ns)));
        // Spans that began before the suspension keep their start.
        let later = |at: Timestamp| jump.map_or(0, |(after, ns)| if at >= after { ns } else { 0 });
        let moved = |at: Timestamp| Timestamp(at.as_ns().saturating_sub(from) + begin + later(at));
        let moved = scripted.iter().map(|Stamped { at, source, event }| {
            let event = match event.map_time(moved) {
                Event::TimerFired { timer, tag, task, due, fired, skipped } => {
                    Event::TimerFired { timer, tag, task, due: moved(due), fired: moved(fired), skipped }
                }
                event => event,
            };
            Stamped { at: moved(*at), source: *source, event }
        });
        moved.collect()
    }
}

/// What remains of a recording.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) bytes: Vec<u8>,
    /// The time by the program's clock at which the recorder was killed between two events.
    pub(crate) killed_at: Option<Timestamp>,
    /// Whether it was killed, then or in the middle of a write.
    pub(crate) dead: bool,
    /// Whether any call to save or to close reported an error.
    pub(crate) reported: bool,
    /// Whether a call to save succeeded although a write had failed.
    pub(crate) hid_failure: bool,
    /// Whether closing reported success; `None` if nothing was there to close.
    pub(crate) closed: Option<bool>,
    /// Whether a write failed.
    pub(crate) failed: bool,
    /// Whether it was closed successfully.
    pub(crate) finished: bool,
    /// Whether it took the place of an older file before it was closed.
    pub(crate) replaces: bool,
}

struct Recording {
    source: ProcessReader,
    writer: Option<TraceWriter<Disk>>,
    /// The time of the next poll.
    next_poll: Timestamp,
    disk: Disk,
    /// Whether any call reported an error.
    reported: bool,
    /// Whether a call succeeded although a write had failed.
    hid_failure: bool,
}

impl Recording {
    fn poll(&mut self, now: Timestamp) {
        let Some(writer) = &mut self.writer else { return };
        let mut batch = Vec::new();
        self.source.poll(&mut batch).expect("its own memory can be read");
        let next = now.plus_ns(SAVING_PERIOD.as_nanos() as u64);
        let is_err = save_at(writer, &batch, EventSource::counts(&self.source), now, next).is_err();
        self.reported |= is_err;
        self.hid_failure |= !is_err && self.disk.state().failed;
    }
}

pub(crate) struct World {
    plan: Plan,
    disk: Disk,
    /// Recorders write to it until it is dropped.
    _session: Session,
    recorders: Vec<Recorder>,
    recording: Arc<Mutex<Recording>>,
    events: Vec<Stamped>,
}

impl World {
    pub(crate) fn new(plan: &Plan) -> Self {
        let events = plan.events();
        let session = Session::builder("simulated")
            .capacity(plan.capacity)
            .tick_unit(TickUnit::Monotonic)
            .stall_limit_ns(plan.script.metadata().stall_limit_ns)
            .private();
        let source = if plan.lossless { session.draining_reader() } else { session.reader(Start::Oldest) };
        let disk = Disk::new(&plan.disk, plan.seed);
        let metadata = source.metadata().clone();
        let writer =
            TraceWriter::new(disk.clone(), Path::new("simulated"), &metadata, WriteOptions::default());
        let begin = events.first().map_or(Timestamp(0), |first| first.at);
        // A header that could not be written leaves no file behind.
        let reported = writer.is_err();
        let recording = Recording {
            source,
            writer: writer.ok(),
            next_poll: begin,
            disk: disk.clone(),
            reported,
            hid_failure: false,
        };
        let recording = Arc::new(Mutex::new(recording));
        if plan.lossless {
            let hook = Arc::downgrade(&recording);
            session.on_full(Arc::new(move || {
                if let Some(recording) = hook.upgrade() {
                    let mut recording = recording.lock().unwrap_or_else(PoisonError::into_inner);
                    let now = recording.next_poll;
                    recording.poll(now);
                }
            }));
        }
        let emitters = events.iter().map(|stamped| stamped.source.0).max().unwrap_or(1);
        let recorders = (1..=emitters).map(|number| session.recorder(&format!("emitter {number}"))).collect();
        Self { plan: plan.clone(), disk, _session: session, recorders, recording, events }
    }

    pub(crate) fn run(self) -> (Saved, Vec<Stamped>) {
        let mut random = Rng::with_seed(self.plan.seed ^ 0x9011);
        let mut killed_at = None;
        for (place, stamped) in self.events.iter().enumerate() {
            let mut recording = self.recording.lock().unwrap_or_else(PoisonError::into_inner);
            // A long jump is skipped, not polled through.
            let periods = stamped.at.ns_since(recording.next_poll) / SAVING_PERIOD.as_nanos() as u64;
            if periods > 100 {
                recording.next_poll = stamped.at;
            }
            while recording.next_poll <= stamped.at {
                let now = recording.next_poll;
                recording.poll(now);
                let late = self.plan.late_polls * u64::from(random.u8(..8) == 0);
                recording.next_poll = now.plus_ns(SAVING_PERIOD.as_nanos() as u64 * (1 + late));
            }
            if self.plan.kill_at == Some(place) {
                killed_at = Some(stamped.at);
                break;
            }
            if self.plan.drain_dies_at == Some(place) {
                killed_at = Some(stamped.at);
                // A dead thread drops nothing and writes nothing any more.
                self.disk.state().dead = true;
                std::mem::forget(recording.writer.take());
            }
            drop(recording);
            let (at, event) = (Ticks(stamped.at.as_ns()), stamped.event.map_time(|at| Ticks(at.as_ns())));
            self.recorder(stamped.source).record(at, event);
        }
        let mut recording = self.recording.lock().unwrap_or_else(PoisonError::into_inner);
        if killed_at.is_some() {
            self.disk.state().dead = true;
        }
        let now = recording.next_poll;
        recording.poll(now);
        let closed = recording.writer.take().map(|writer| writer.finish().is_ok());
        let reported = recording.reported || closed == Some(false);
        let disk = self.disk.state();
        let (bytes, failed, finished) = (disk.bytes.clone(), disk.failed, disk.finished);
        let (dead, replaces) = (disk.dead, disk.replaces);
        (
            Saved {
                bytes,
                killed_at,
                dead,
                reported,
                hid_failure: recording.hid_failure,
                closed,
                failed,
                finished,
                replaces,
            },
            self.events.clone(),
        )
    }

    fn recorder(&self, source: SourceId) -> &Recorder {
        &self.recorders[source.0 as usize - 1]
    }
}
