//! Reads traces, rings and saved summaries as runs, for comparisons and gates.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::thread;

use loop_probes::text::printable_path;
use loop_traces::analysis::diff::Run;
use loop_traces::source::{EventSource, read_ahead};
use loop_traces::summary::{SCHEMA, Summary};
use loop_traces::timeline::{Timeline, TimelineConfig};

use crate::io::exit::CommandError;
use crate::io::input::{Input, starts_with};

/// Size limit of a saved summary, far above realistic sizes.
const SUMMARY_BYTES_MAX: u64 = 64 << 20;

/// A run, with warnings.
#[derive(Debug)]
pub(super) struct ReadRun {
    /// The run's summary and name.
    pub(super) run: Run,
    /// Warnings about missing or unreliable data, one per line.
    pub(super) warnings: Vec<String>,
}

/// Reads the run that `word` names: a trace, a ring, a process id, or the output of `report --json`.
///
/// # Errors
///
/// [`CommandError::Input`] if it cannot be read.
pub(super) fn read(word: &OsStr) -> Result<ReadRun, CommandError> {
    read_with_limits(word, |config| config)
}

/// Like [`read`], with the configuration of the timeline changed by `keep`.
///
/// # Errors
///
/// Same as for [`read`].
pub(super) fn read_with_limits(
    word: &OsStr,
    keep: impl FnOnce(TimelineConfig) -> TimelineConfig,
) -> Result<ReadRun, CommandError> {
    let path = Path::new(word);
    // Neither a trace nor a ring begins with a brace.
    if starts_with(path, b"{") {
        let run = Run { name: printable_path(path), summary: saved_summary(path)?, metadata: None };
        return Ok(ReadRun { run, warnings: Vec::new() });
    }
    let mut input = Input::open(word)?;
    let config = keep(TimelineConfig::of(input.source().metadata()));
    let timeline = fold(input.source(), config)?;
    let metadata = input.source().metadata().clone();
    let summary = Summary::new(input.source(), &timeline);
    let warnings = input.warnings();
    Ok(ReadRun { run: Run { name: printable_path(path), summary, metadata: Some(metadata) }, warnings })
}

/// Folds all events that `source` holds now.
///
/// # Errors
///
/// [`CommandError::Input`] if it cannot be read to its end.
pub(super) fn fold(
    source: &mut (dyn EventSource + Send),
    config: TimelineConfig,
) -> Result<Timeline, CommandError> {
    let mut timeline = Timeline::new(config);
    thread::scope(|scope| {
        let (batches, _) = read_ahead(scope, source);
        batches.into_iter().try_for_each(|batch| {
            let batch = batch.map_err(CommandError::input)?;
            timeline.extend(&batch.events);
            timeline.counts = batch.counts;
            Ok(())
        })
    })?;
    Ok(timeline)
}

fn saved_summary(path: &Path) -> Result<Summary, CommandError> {
    let failed = |error: &dyn std::fmt::Display| {
        CommandError::Input(format!(
            "{} is neither a trace nor a summary saved by `report --json`: {error}",
            printable_path(path)
        ))
    };
    let file = File::open(path).map_err(|error| failed(&error))?;
    let mut text = Vec::new();
    file.take(SUMMARY_BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| failed(&error))?;
    if text.len() as u64 > SUMMARY_BYTES_MAX {
        return Err(failed(&format!("it is longer than {} MiB", SUMMARY_BYTES_MAX >> 20)));
    }
    let summary: Summary = serde_json::from_slice(&text).map_err(|error| failed(&error))?;
    if summary.schema == SCHEMA {
        Ok(summary)
    } else {
        Err(failed(&format!("its schema is {}, but this version reads {SCHEMA}", summary.schema)))
    }
}
