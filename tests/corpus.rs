//! Tests the corpus: every saved regression is re-executed and checked against its TOML, and every generated one is
//! generated again. One test per trace, so that a failure names it: `cargo test --test corpus gc-thrash`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use loop_traces::reader::TraceReader;
use loop_traces::source::{EventSource as _, MemorySource, SourceKind};

#[path = "../inspector/examples/corpus/scenarios.rs"]
mod scenarios;
mod support {
    pub(crate) mod corpus;
}

use scenarios::{SCENARIOS, Scenario};
use support::corpus::{Case, cases};

/// Committed traces stay small.
const BYTES_MAX: u64 = 64 * 1024;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus")
}

fn main() {
    let arguments = Arguments::from_args();
    let tomls = cases(&folder()).expect("the corpus is there");
    let mut trials = vec![Trial::test("the corpus is whole", the_corpus_is_whole)];
    for toml in tomls {
        let name = toml.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        trials.push(Trial::test(format!("{name} holds"), move || holds(&toml)));
    }
    for scenario in SCENARIOS {
        let name = format!("{} is made again", scenario.name);
        trials.push(Trial::test(name, || is_made_again(scenario)));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// Checks every expectation in the TOML.
fn holds(toml: &Path) -> Result<(), Failed> {
    let case = Case::read(toml)?;
    let broken = case.broken()?;
    if broken.is_empty() { Ok(()) } else { Err(format!("{}\n{}", case.about(), broken.join("\n")).into()) }
}

/// The scenario, run on the current loop, meets its TOML and records the same events as the committed trace. Compressed
/// bytes may differ between versions of the compression library.
fn is_made_again(scenario: &Scenario) -> Result<(), Failed> {
    let case = Case::read(&folder().join(format!("{}.toml", scenario.name)))?;
    let mut trace = TraceReader::open(&case.trace)?;
    let committed = MemorySource::read(&mut trace)?;
    let again = scenario.record();
    let (metadata, events) = (again.metadata.clone(), again.events.clone());
    let broken = case.broken_in(&MemorySource::new(scenario.name, SourceKind::Trace, metadata, events));
    if !broken.is_empty() {
        return Err(format!("{}\n{}", case.about(), broken.join("\n")).into());
    }
    if *committed.metadata() != again.metadata {
        return Err(format!("the metadata is {:?}, not {:?}", again.metadata, committed.metadata()).into());
    }
    let differs = committed.events().iter().zip(&again.events).find(|(committed, again)| committed != again);
    if let Some((committed, again)) = differs {
        return Err(format!("recorded {again:?}, committed is {committed:?}{HINT}").into());
    }
    let (there, here) = (committed.events().len(), again.events.len());
    if there == here {
        Ok(())
    } else {
        Err(format!("recorded {here} events, committed are {there}{HINT}").into())
    }
}

const HINT: &str = "\nif the change is intended: cargo run -p loopscope --example corpus";

/// Each trace has a TOML, each TOML a trace, each scenario both, and no trace is large.
fn the_corpus_is_whole() -> Result<(), Failed> {
    let names = |extension: &str| -> Result<BTreeSet<String>, std::io::Error> {
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(folder())? {
            let path = entry?.path();
            if path.extension().is_some_and(|found| found == extension) {
                names.insert(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
            }
        }
        Ok(names)
    };
    let (traces, tomls) = (names("looptrace")?, names("toml")?);
    assert_eq!(traces, tomls, "each trace has a TOML, and each TOML a trace");
    for scenario in SCENARIOS {
        let case = Case::read(&folder().join(format!("{}.toml", scenario.name)))?;
        assert_eq!(case.made_by(), scenario.name, "a TOML names its generator");
    }
    for name in &traces {
        let bytes = std::fs::metadata(folder().join(format!("{name}.looptrace")))?.len();
        assert!(bytes <= BYTES_MAX, "{name} has {bytes} bytes, more than {BYTES_MAX}: minimize it");
    }
    Ok(())
}
