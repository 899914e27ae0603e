//! Reads, saves, folds and analyses the event stream that `loop-probes` records.
//!
//! All events enter through [`EventSource`](source::EventSource), whether they come from a live ring, a saved file or
//! an import. [`Timeline`](timeline::Timeline) folds them in bounded memory. The dashboard, the report and the
//! comparison read only that fold, so they cannot disagree, and a live view equals a replayed one.
//!
//! ```text
//!  ring ───┐                     ┌──> Timeline ──> Summary ──> report, comparison, gates
//!  file ───┼─> EventSource ──────┤       ▲  └────> dashboard
//!  import ─┘   (Stamped events)  │     Replay (any position, back and forth)
//!                                ├──> TraceWriter ──> .looptrace ──> TraceReader ─┐
//!                                └──> exports                 (an EventSource) <──┘
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | [`source`] | `EventSource`, its implementations for rings and for memory |
//! | [`format`](mod@format) | the `.looptrace` layout; `docs/src/trace-format.md` specifies it byte by byte |
//! | [`writer`], [`reader`] | writes the file while recording; reads it, even if damaged |
//! | [`timeline`] | the fold; `timeline/*` has one file for each of its parts |
//! | [`diagnosis`] | what is wrong most, in one sentence |
//! | [`attribution`] | breaks a stretch of time down into parts that sum to it |
//! | [`loss`] | bounds on figures where records were lost |
//! | [`analysis`] | pure functions: metrics by name, gates, comparison of runs |
//! | [`summary`], [`report`] | the results, as JSON and as a page of text |
//! | [`export`] | conversion to other programs' formats: CSV, folded stacks, speedscope |
//! | [`chrome`] | Chrome-trace JSON: export, import, and a lint for what viewers would drop |
//! | `nesting` | which slice lies within which: for import, lint, exports and attribution |
//! | [`labels`], [`histogram`], [`suggest`], [`peak`], [`recent`], [`units`], [`cells`] | building blocks |
//! | `synthetic` (feature `synthetic`) | generated event streams for tests and benches |
//!
//! # Examples
//!
//! Record a loop, save it, and read what happened:
//!
//! ```
//! use loop_probes::{instrument::LoopProbe, ring::Start, session::Session};
//! use loop_traces::source::{EventSource, SourceState};
//! use loop_traces::{reader::TraceReader, report, summary::Summary, timeline::Timeline, writer::TraceWriter};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let session = Session::builder("example").private();
//! let probe = LoopProbe::new(&session, "main");
//! let echo = probe.tag("Echo");
//! for _ in 0..3 {
//!     let _tick = probe.tick();
//!     let _task = probe.task(echo);
//! }
//!
//! let path = std::env::temp_dir().join(format!("example-{}.looptrace", std::process::id()));
//! let mut ring = session.reader(Start::Oldest);
//! let mut writer = TraceWriter::create(&path, EventSource::metadata(&ring))?;
//! let mut batch = Vec::new();
//! EventSource::poll(&mut ring, &mut batch)?;
//! writer.append(&batch)?;
//! writer.finish()?;
//!
//! let mut trace = TraceReader::open(&path)?;
//! let mut timeline = Timeline::of(trace.metadata());
//! loop {
//!     batch.clear();
//!     let state = trace.poll(&mut batch)?;
//!     timeline.extend(&batch);
//!     if state == SourceState::Ended {
//!         break;
//!     }
//! }
//! assert_eq!(timeline.ticks.count, 3);
//! let page = report::text(&Summary::new(&trace, &timeline));
//! assert!(page.contains("Echo"));
//! # std::fs::remove_file(&path)?;
//! # Ok(())
//! # }
//! ```

pub mod analysis;
pub mod attribution;
mod bounds;
pub mod cells;
pub mod chrome;
pub mod diagnosis;
pub mod export;
pub mod format;
pub mod histogram;
mod import_summary;
pub mod labels;
pub mod loss;
mod nesting;
pub mod peak;
pub mod reader;
pub mod recent;
pub mod report;
pub mod source;
mod span;
pub mod suggest;
pub mod summary;
#[cfg(any(test, feature = "synthetic"))]
pub mod synthetic;
pub mod timeline;
pub mod units;
pub mod writer;
