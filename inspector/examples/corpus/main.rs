//! Records the traces in `traces/corpus/`. Each is a small program that runs on the real loop, in a virtual
//! world.
//!
//! ```text
//! cargo run -p loopscope --example corpus               all of them, into traces/corpus/
//! cargo run -p loopscope --example corpus -- NAME…      these
//! ```
//!
//! Virtual time makes every recording of a program identical, to the last event, so a test compares the output
//! of this example with the committed traces. The expectations for each trace are in the TOML file beside it,
//! which is written by hand.

#[path = "scenarios.rs"]
mod scenarios;

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use loop_traces::writer::{NewFile, TraceWriter, WriteError, WriteOptions, WriteStats};
use scenarios::{Recording, SCENARIOS, Scenario};

fn main() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus");
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(name) = wanted.iter().find(|name| !SCENARIOS.iter().any(|known| known.name == name.as_str()))
    {
        let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        anyhow::bail!("there is no scenario {name:?}; there are {}", names.join(", "));
    }
    let chosen = |scenario: &&Scenario| wanted.is_empty() || wanted.iter().any(|name| name == scenario.name);
    for scenario in SCENARIOS.iter().filter(chosen) {
        let path = folder.join(format!("{}.looptrace", scenario.name));
        let stats =
            save(&scenario.record(), &path).with_context(|| format!("recording {}", scenario.name))?;
        writeln!(std::io::stdout(), "{:6} events, {:6} bytes  {}", stats.events, stats.bytes, scenario.name)?;
    }
    Ok(())
}

/// Writes a recording as a trace with a single block: these recordings are small and read whole.
fn save(recording: &Recording, path: &Path) -> Result<WriteStats, WriteError> {
    let options = WriteOptions { level: 19, records_per_block: usize::MAX, ..WriteOptions::at_rest() };
    let mut writer = TraceWriter::new(NewFile::create(path)?, path, &recording.metadata, options)?;
    writer.append(&recording.events)?;
    writer.finish()
}
