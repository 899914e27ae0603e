//! Measures the cost per event of folding, writing, reading and exporting, over a synthetic recording: `cargo
//! bench -p loop-traces --features synthetic`. Figures are medians of several rounds.
//!
//! `-- fold` runs only the lines whose names start with it, and `-- --once` runs each only once over a shorter
//! recording, for counting instructions (`callgrind --toggle-collect='traces::line*'`).

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::env::args;
use std::hint::black_box;
use std::io::{Cursor, sink};
use std::path::Path;

use loop_probes::clock::monotonic_now;
use loop_probes::stamped::Stamped;
use loop_traces::chrome::export::{ExportOptions, export};
use loop_traces::chrome::lint::lint;
use loop_traces::export::folded::{self, FoldedOptions};
use loop_traces::export::{TimeRange, csv, speedscope};
use loop_traces::reader::TraceReader;
use loop_traces::source::{EventSource, SourceState};
use loop_traces::summary::Summary;
use loop_traces::synthetic::Script;
use loop_traces::timeline::Timeline;
use loop_traces::writer::{TraceWriter, WriteOptions, WriteStats};

const ROUNDS: usize = 9;

fn main() {
    let script = Script { ticks: if is_once() { 4_000 } else { 40_000 }, ..Script::default() };
    let events = script.events();
    let (file, written) = write(&script, &events);
    let (per_event, per_record) = (events.len() as f64, written.records as f64);
    println!("{} events, {} records, {} bytes", events.len(), written.records, written.bytes);
    println!("{:<48}{:>9.2} bytes", "file, per record", written.bytes as f64 / per_record);

    line("fold, per event", per_event, || {
        let mut timeline = Timeline::of(&script.metadata());
        timeline.extend(black_box(&events));
        black_box(timeline);
    });
    let crowded = Script {
        ticks: if is_once() { 100 } else { 400 },
        tasks_max: 600,
        stall_every: 0,
        ..Script::default()
    };
    let late = crowded.events();
    line("fold where most tasks wait too long, per event", late.len() as f64, || {
        let mut timeline = Timeline::of(&crowded.metadata());
        timeline.extend(black_box(&late));
        black_box(timeline);
    });
    line("write (columns + zstd 1), per record", per_record, || drop(black_box(write(&script, &events))));
    line("read (to events), per record", per_record, || {
        black_box(read(&file));
    });
    let source = script.source();
    line("Chrome export (two passes), per event", per_event, || {
        black_box(export(|| Ok(source.clone()), ExportOptions::default(), sink()).expect("nothing can fail"));
    });
    line("CSV export (two passes), per event", per_event, || {
        black_box(
            csv::export(|| Ok(source.clone()), TimeRange::default(), sink()).expect("nothing can fail"),
        );
    });
    line("folded export (two passes), per event", per_event, || {
        let options = FoldedOptions::default();
        black_box(folded::export(|| Ok(source.clone()), options, sink()).expect("nothing can fail"));
    });
    line("speedscope export (two passes), per event", per_event, || {
        let range = TimeRange::default();
        black_box(speedscope::export(|| Ok(source.clone()), range, sink()).expect("nothing can fail"));
    });
    if is_wanted("lint") {
        let mut chrome = Vec::new();
        export(|| Ok(source.clone()), ExportOptions::default(), &mut chrome).expect("nothing can fail");
        let linted = lint(&chrome[..], |finding| panic!("{finding:?}")).expect("it is our own").events;
        line("lint of the Chrome export, per event of it", linted as f64, || {
            black_box(lint(&chrome[..], |_| ()).expect("it is our own"));
        });
    }
    let mut timeline = Timeline::of(&script.metadata());
    timeline.extend(&events);
    line("summary, each", 1.0, || drop(black_box(Summary::new(&source, &timeline))));
}

#[inline(never)]
fn line(what: &str, units: f64, mut run: impl FnMut()) {
    if !is_wanted(what) {
        return;
    }
    let once = is_once();
    if !once {
        run();
    }
    let mut rounds: Vec<u64> = (0..if once { 1 } else { ROUNDS })
        .map(|_| {
            let start = monotonic_now();
            run();
            monotonic_now().ns_since(start)
        })
        .collect();
    rounds.sort_unstable();
    println!("{what:<48}{:>9.1} ns", rounds[rounds.len() / 2] as f64 / units);
}

fn is_once() -> bool {
    args().any(|arg| arg == "--once")
}

fn is_wanted(what: &str) -> bool {
    let mut wanted = args().skip(1).filter(|arg| !arg.starts_with('-')).peekable();
    wanted.peek().is_none() || wanted.any(|wanted| what.starts_with(&wanted))
}

fn write(script: &Script, events: &[Stamped]) -> (Vec<u8>, WriteStats) {
    let mut file = Vec::new();
    let mut writer =
        TraceWriter::new(&mut file, Path::new("bench"), &script.metadata(), WriteOptions::default())
            .expect("a vector takes everything");
    writer.append(events).expect("a vector takes everything");
    let stats = writer.finish().expect("a vector takes everything");
    (file, stats)
}

fn read(file: &[u8]) -> usize {
    let mut reader = TraceReader::new(Cursor::new(file), Path::new("bench")).expect("it was written whole");
    let (mut batch, mut count) = (Vec::new(), 0);
    loop {
        let state = reader.poll(&mut batch).expect("it was written whole");
        count += batch.len();
        batch.clear();
        if state == SourceState::Ended {
            return count;
        }
    }
}
