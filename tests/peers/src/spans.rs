//! Measures the cost of recording that something began and ended: our records compared with the tracers that
//! programs use.

use std::hint::black_box;

use anyhow::Result;
use fastrace::Span;
use fastrace::collector::{Config, Reporter, SpanContext, SpanRecord};
use fastrace::local::LocalSpan;
use loop_probes::adapters::tracing::TracingLayer;
use loop_probes::clock::Clock;
use loop_probes::event::{Event, Outcome};
use loop_probes::ids::{Tag, TaskId, Ticks};
use loop_probes::recorder::Recorder;
use loop_probes::session::Session;
use tracing::Dispatch;
use tracing_chrome::ChromeLayerBuilder;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

use crate::measure::{Effort, Subject, interleave_one, ns_each};
use crate::table::{Report, Section, figure, times};

/// Spans per sample, fewer than fastrace keeps per root.
const BATCH: usize = 2_000;

/// A layer that ignores everything.
struct Nothing;

impl<S: tracing::Subscriber> Layer<S> for Nothing {}

/// Discards what was collected.
struct Nowhere;

impl Reporter for Nowhere {
    fn report(&mut self, _spans: Vec<SpanRecord>) {}
}

fn record(name: &str, clock: impl Clock + 'static, recorder: Recorder) -> Subject<'static> {
    Subject::new(name, move || {
        let recorder = black_box(&recorder);
        ns_each(BATCH, || {
            for number in 0..BATCH as u64 {
                let start = clock.ticks();
                let end = clock.ticks();
                let (tag, outcome) = (Tag(7), Outcome::Done);
                let queued = Ticks(start.0.saturating_sub(100));
                recorder.record(end, Event::TaskRan { task: TaskId(number), tag, outcome, queued, start });
            }
        })
    })
}

/// A span of `tracing`, under a given subscriber.
fn traced(name: &str, dispatch: Dispatch) -> Subject<'static> {
    Subject::new(name, move || {
        tracing::dispatcher::with_default(&dispatch, || {
            ns_each(BATCH, || (0..BATCH).for_each(|_| drop(tracing::info_span!("work").entered())))
        })
    })
}

fn fastrace_spans() -> Subject<'static> {
    fastrace::set_reporter(Nowhere, Config::default());
    Subject::new("fastrace: a local span in a root", || {
        let root = Span::root("root", SpanContext::random());
        let _guard = root.set_local_parent();
        ns_each(BATCH, || (0..BATCH).for_each(|_| drop(LocalSpan::enter_with_local_parent("work"))))
    })
}

fn puffin_spans() -> Subject<'static> {
    Subject::new("puffin: a scope in another", || {
        puffin::set_scopes_on(true);
        puffin::GlobalProfiler::lock().new_frame();
        let ns = {
            puffin::profile_scope!("outer");
            ns_each(BATCH, || {
                (0..BATCH).for_each(|_| {
                    puffin::profile_scope!("work");
                });
            })
        };
        puffin::set_scopes_on(false);
        ns
    })
}

pub(crate) fn run(effort: Effort, report: &mut Report) -> Result<()> {
    let session = Session::builder("peers").private();
    let clock = session.clock();
    let (chrome, _guard) = ChromeLayerBuilder::new().writer(std::io::sink()).build();
    let subjects = vec![
        Subject::new("two readings of the record clock", move || {
            ns_each(BATCH, || {
                for _ in 0..BATCH {
                    black_box((clock.ticks(), clock.ticks()));
                }
            })
        }),
        record("**two readings and a record**", clock, session.recorder("records")),
        record("**the same, recording disabled**", clock, Recorder::disabled()),
        traced(
            "**`tracing`, our layer**",
            Dispatch::new(Registry::default().with(TracingLayer::new(&session))),
        ),
        traced("`tracing`, a subscriber on other threads only", Dispatch::none()),
        traced(
            "`tracing`, a registry and a layer that does nothing",
            Dispatch::new(Registry::default().with(Nothing)),
        ),
        traced("tracing-chrome, to nowhere", Dispatch::new(Registry::default().with(chrome))),
        fastrace_spans(),
        puffin_spans(),
    ];
    let columns = interleave_one(effort.rounds(21, 301), subjects);
    let text = "Recording one span, its start and its end, on the thread that does the work. Any further processing \
        on other threads is not counted.";
    let mut section = Section::new("A span", text, &["what", "ns", "relative to the first"]);
    let Some(first) = columns.first() else { return Ok(()) };
    for column in &columns {
        section.row(&column.name, [figure(column.median()), times(column.ratio(first))]);
    }
    report.sections.push(section);
    Ok(())
}
