//! Writes a synthetic recording and its Chrome export, for trying out readers and viewers: `cargo run -p
//! loop-traces --features synthetic --example synthetic -- OUT.looptrace OUT.json [TICKS] [SEED]`.

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use loop_traces::chrome::export::{ExportOptions, export};
use loop_traces::reader::TraceReader;
use loop_traces::report;
use loop_traces::source::{EventSource, SourceState};
use loop_traces::summary::Summary;
use loop_traces::synthetic::Script;
use loop_traces::timeline::Timeline;
use loop_traces::writer::TraceWriter;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(trace), Some(json)) = (args.next(), args.next()) else {
        return Err(
            "usage: synthetic OUT.looptrace OUT.json [TICKS] [SEED] [details] [frozen] [agenda]".into()
        );
    };
    let mut script = Script { lost_every: 170, ..Script::default() };
    if let Some(ticks) = args.next() {
        script.ticks = ticks.parse()?;
    }
    if let Some(seed) = args.next() {
        script.seed = seed.parse()?;
    }
    let flags: Vec<String> = args.collect();
    if flags.iter().any(|flag| flag == "agenda") {
        (script.agenda_workers, script.loop_kinds) = (3, true);
    }
    script.frozen = flags.iter().any(|flag| flag == "frozen");
    let options = ExportOptions { details: flags.iter().any(|flag| flag == "details"), ..Default::default() };

    let trace = Path::new(&trace);
    let (events, expected) = script.play();
    let mut writer = TraceWriter::create(trace, &script.metadata())?;
    writer.append(&events)?;
    let written = writer.finish()?;

    let mut reader = TraceReader::open(trace)?;
    let mut timeline = Timeline::of(reader.metadata());
    let mut batch = Vec::new();
    while reader.poll(&mut batch)? != SourceState::Ended {}
    timeline.extend(&batch);
    print!("{}", report::text(&Summary::new(&reader, &timeline)));

    let out = BufWriter::new(File::create(&json)?);
    let exported = export(|| Ok(TraceReader::open(trace)?), options, out)?;
    println!("\n{written:?}\n{exported:?}\n{expected:?}");
    Ok(())
}
