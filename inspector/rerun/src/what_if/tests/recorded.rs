//! A small shop, recorded in loop-core's own virtual world: every kind of callback, at known times.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use loop_core::gc::Heap;
use loop_core::poller::{Interest, Readiness};
use loop_core::sim::{Sim, SimSource};
use loop_core::tag::tag_of_label;
use loop_core::{Builtin, Context, EventLoop, HeapHost, TagOf};
use loop_probes::event::{Event, LabelKind};
use loop_probes::ids::{SourceId, Tag, Ticks, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::recorder::Recorder;
use loop_probes::stamped::Stamped;
use loop_probes::tags;
use loop_probes::text::Text;
use loop_traces::source::{MemorySource, SourceKind};

type Cx<'a, 'b> = &'a mut Context<'b, Builtin>;

/// An event as a recorder captures it.
type Captured = (Ticks, Event<Ticks>);

const fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

/// A heap that grows with the beats.
#[derive(Clone, Default)]
struct Store(Rc<Cell<u64>>);

impl Heap for Store {
    fn bytes(&self) -> u64 {
        self.0.get()
    }

    fn collect(&mut self) {
        self.0.set(self.0.get() / 2);
    }
}

/// The events as a source.
pub(crate) fn program(events: Vec<Stamped>) -> MemorySource {
    let mut metadata = Metadata::new("shop");
    metadata.policy = "bun".to_owned();
    MemorySource::new("shop", SourceKind::Trace, metadata, events)
}

/// The recording of the shop.
pub(crate) fn shop() -> MemorySource {
    let sim = Sim::new();
    let (recorder, capture) = Recorder::capture();
    let (workers, jobs) = Recorder::capture();
    sim.worker_recorder(workers);
    sim.job_durations([us(2_000); 64]);
    let store = Store::default();
    let builder = EventLoop::<Builtin>::builder().recorder(recorder).host(HeapHost(store.clone()));
    let mut event_loop = sim.build(builder);
    let source = SimSource::new();
    let handle = event_loop.handle();
    for at_us in [3_300, 3_900, 12_345, 20_001] {
        let (handle, sim_too) = (handle.clone(), Cloned(sim.clock().clone()));
        sim.at(us(at_us), move || {
            let clock = sim_too.0.clone();
            let posted = Builtin::remote("posted", move |cx| {
                clock.advance(us(200));
                let clock = clock.clone();
                cx.defer(7, move |_| {
                    clock.advance(us(10));
                    false
                });
            });
            handle.post(posted).unwrap();
        });
    }
    for at_us in [2_050, 2_051, 12_530, 15_530, 22_030, 22_730] {
        sim.ready_at(us(at_us), &source, Readiness::READABLE);
    }
    sim.signal_at(us(11_700), 10);
    sim.at(us(32_050), move || handle.stop());
    event_loop.with(|cx| set_up(cx, &sim, &source, &store));
    event_loop.run().unwrap();
    drop(event_loop);
    stamped(capture.take(), jobs.take())
}

/// The events of a loop and of its workers as a source.
pub(super) fn stamped(own: Vec<Captured>, jobs: Vec<Captured>) -> MemorySource {
    let stamp = |source| {
        move |(at, event): Captured| Stamped {
            at: Timestamp(at.0),
            source: SourceId(source),
            event: event.map_time(|time| Timestamp(time.0)),
        }
    };
    let mut events: Vec<Stamped> = own.into_iter().map(stamp(1)).collect();
    events.extend(jobs.into_iter().map(stamp(2)));
    events.sort_by_key(|stamped| stamped.at);
    let names = tags::named_after(Tag(0)).into_iter().map(|(tag, name)| Stamped {
        at: Timestamp(0),
        source: SourceId(1),
        event: Event::Label { kind: LabelKind::Tag, id: u32::from(tag.0), text: Text::new(&name) },
    });
    program(names.chain(events).collect())
}

/// The clock of a world, for what could cross threads.
struct Cloned(loop_core::sim::SimClock);

fn set_up(cx: Cx<'_, '_>, sim: &Sim, source: &std::sync::Arc<SimSource>, store: &Store) {
    let task = |label, takes: Duration| {
        let sim = sim.clone();
        Builtin::once(label, move |_| sim.advance(takes))
    };
    let (beats, world, grown) = (Cell::new(0_u64), sim.clone(), store.clone());
    let beat = Builtin::repeat("beat", move |cx| {
        beats.set(beats.get() + 1);
        grown.0.set(grown.0.get() + 1_000);
        world.advance(us(40));
        let inner = world.clone();
        let task = |label, takes: Duration| {
            let sim = inner.clone();
            Builtin::once(label, move |_| sim.advance(takes))
        };
        if beats.get() % 3 == 0 {
            cx.post(task("child", us(50)));
            cx.microtask(task("microtask", us(5)));
        }
        if beats.get() % 5 == 0 {
            cx.immediate(task("immediate", us(15)));
            cx.after_loop(task("after", us(12)));
        }
        if beats.get() == 8 {
            let late = cx.set_timeout(us(2_500), task("late", us(30)));
            cx.set_timeout(us(900), task("once", us(30)));
            cx.clear_timer(late);
        }
        world.advance(us(60));
    });
    cx.set_interval(us(1_000), beat).unwrap();
    cx.set_timeout(us(7_100), task("slow", us(4_000)));
    let world = sim.clone();
    let signal = Builtin::repeat("signal", move |_| world.advance(us(25)));
    cx.on_signal(10, signal).unwrap();
    let world = sim.clone();
    let io = Builtin::repeat("socket", move |cx| {
        world.advance(us(20));
        for _ in 0..2 {
            let world = world.clone();
            cx.post(Builtin::once("request", move |cx| request(cx, &world)));
        }
    });
    cx.register(source.clone(), Interest::READABLE, io).unwrap();
}

fn request(cx: Cx<'_, '_>, sim: &Sim) {
    sim.advance(us(300));
    let clock = sim.clock().clone();
    let job = TagOf::Global(tag_of_label("read"));
    let done = move |_: &loop_core::work_pool::Worker<'_>| {
        let clock = clock.clone();
        Builtin::remote("read", move |_| clock.advance(us(30)))
    };
    cx.work(job, done, |rejected| panic!("{rejected}")).unwrap();
}
