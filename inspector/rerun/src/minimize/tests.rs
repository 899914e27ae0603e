//! A search ends when asked to, with the smallest part so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use loop_traces::analysis::condition::Condition;
use loop_traces::reader::TraceReader;
use loop_traces::source::{AnySource, EventSource, RERUN_OF, SourceError};
use loop_traces::summary::Summary;

use super::error::why_not_again;
use super::survey::Survey;
use super::{Ended, Limits, MinimizeError, Minimized, minimize};
use crate::what_if::Stop;
use crate::what_if::tests::cut::hanging;
use crate::what_if::tests::recorded::shop;

const LONG: Duration = Duration::from_secs(1 << 20);

fn search(
    budget: Duration,
    tries: u32,
    stop: Stop,
    output: &std::path::Path,
) -> Result<Minimized, MinimizeError> {
    let source = shop();
    let open = move || -> Result<AnySource, SourceError> { Ok(Box::new(source.clone())) };
    let limits = Limits { tries, budget, stop, watch: &mut |_| {} };
    let keep = keep();
    saved(output, |out| minimize(&open, &keep, limits, out))
}

/// Saves what `search` writes, if anything.
fn saved(
    output: &std::path::Path,
    search: impl FnOnce(&mut Vec<u8>) -> Result<Minimized, MinimizeError>,
) -> Result<Minimized, MinimizeError> {
    let mut bytes = Vec::new();
    let found = search(&mut bytes);
    assert_eq!(bytes.is_empty(), found.is_err());
    if found.is_ok() {
        std::fs::write(output, bytes).unwrap();
    }
    found
}

fn keep() -> Condition {
    "timer_lag.max > 3ms".parse().unwrap()
}

#[track_caller]
fn assert_shows_it(output: &std::path::Path) {
    let survey = Survey::of(&mut TraceReader::open(output).unwrap()).unwrap();
    assert_eq!(keep().holds(&survey.summary), Some(true));
}

#[test]
fn stopping_anywhere_returns_the_smallest_so_far() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("small.looptrace");
    let (mut stopped, mut smaller) = (0, 0);
    // The n-th check requests the end: within a reading, within a try, or between two.
    for nth in (0..60).chain((60..).step_by(37)) {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let stop = move || count.fetch_add(1, Ordering::Relaxed) >= nth;
        let found = search(LONG, 2000, Arc::new(stop), &output);
        match found {
            Err(MinimizeError::Stopped { .. }) => {
                stopped += 1;
                assert!(!output.exists() || smaller > 0, "nothing is saved");
            }
            Ok(Minimized { ended: Ended::Stopped, .. }) => {
                smaller += 1;
                assert_shows_it(&output);
            }
            Ok(Minimized { ended: Ended::Minimal, .. }) => break,
            other => panic!("{other:?}"),
        }
        // It ends within a few more checks: a running try is abandoned.
        let asked = asked.load(Ordering::Relaxed);
        assert!(asked < nth + 20, "{asked} after {nth}");
    }
    assert!(stopped > 5 && smaller > 10, "{stopped} {smaller}");
}

#[test]
fn without_time_or_tries_it_is_not_minimal() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("small.looptrace");
    let never = || -> Stop { Arc::new(|| false) };
    let refused = search(Duration::ZERO, 2000, never(), &output).unwrap_err();
    assert!(matches!(refused, MinimizeError::OutOfTime { budget_ns: 0 }), "{refused}");
    assert!(!output.exists());
    let found = search(LONG, 3, never(), &output).unwrap();
    assert_eq!((found.ended, found.tries), (Ended::Tries, 3));
    assert_shows_it(&output);
}

#[test]
fn the_result_depends_only_on_the_recording_and_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| {
        let output = folder.path().join(name);
        let found = search(LONG, 2000, Arc::new(|| false), &output).unwrap();
        assert_eq!(found.ended, Ended::Minimal);
        output
    });
    let metadata = TraceReader::open(&first).unwrap().metadata().clone();
    assert_eq!(metadata.settings[RERUN_OF], shop().name(), "and no file of the search's own");
    assert!(std::fs::read(first).unwrap() == std::fs::read(second).unwrap(), "the same bytes each time");
}

#[test]
fn a_condition_met_only_by_the_unfinished_tick_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("small.looptrace");
    let search = |keep: &str| {
        let open = || -> Result<AnySource, SourceError> { Ok(Box::new(hanging())) };
        let limits = Limits { tries: 2000, budget: LONG, stop: Arc::new(|| false), watch: &mut |_| {} };
        let keep = keep.parse().unwrap();
        saved(&output, |out| minimize(&open, &keep, limits, out))
    };
    let refused = search("stalls > 0").unwrap_err();
    assert!(matches!(refused, MinimizeError::OnlyInOpenTick { .. }), "{refused}");
    let message = refused.to_string();
    assert!(
        message.contains("only because of tick 30") && message.ends_with("without that one it is 0"),
        "{message}"
    );
    assert!(!output.exists());
    let found = search("timer_lag.max > 3ms").unwrap();
    assert_eq!(found.ended, Ended::Minimal);
    assert!(found.before.span_ns < 1_000_000_000, "the hang is not part of it: {:?}", found.before);
    assert_shows_it(&output);
}

/// A summary in which this many tasks ran and this many timers fired.
fn summary(tasks: u64, fired: u64) -> Summary {
    let mut summary = Survey::of(&mut shop()).unwrap().summary;
    (summary.tasks.count, summary.timers.fired) = (tasks, Some(fired));
    summary
}

#[test]
fn a_model_that_loses_tasks_blames_no_machine() {
    let lost = why_not_again(&summary(23, 11), &summary(4, 1));
    assert_eq!(
        lost,
        "the re-execution does not repeat the recording: 4 tasks instead of 23, 1 timer firing instead of 11"
    );
    assert!(why_not_again(&summary(23, 11), &summary(23, 11)).contains("a machine that was busy otherwise"));
}
