//! Records the traces of `traces/corpus/`: each is a small program on the loop that ships, in a virtual world.
//!
//! ```text
//! cargo run -p loopscope --example corpus               all of them, into traces/corpus/
//! cargo run -p loopscope --example corpus -- NAME…      these
//! ```
//!
//! Virtual time makes a recording the same every time, to the last event: a test compares what this records with
//! what is committed. What must hold of each is in the TOML beside it, which nobody generates.

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

/// Writes a recording as a trace, in one block: these are small and read whole.
fn save(recording: &Recording, path: &Path) -> Result<WriteStats, WriteError> {
    let options = WriteOptions { level: 19, records_per_block: usize::MAX, ..WriteOptions::at_rest() };
    let mut writer = TraceWriter::new(NewFile::create(path)?, path, &recording.metadata, options)?;
    writer.append(&recording.events)?;
    writer.finish()
}
