//! Holds that a mechanism exists once: files that show the marks of one are listed here with their reason, and a new one
//! has to be added on purpose.

use std::collections::BTreeSet;

use syn::Item;

use crate::rust_files;

/// Shorter files need a reason.
const LINES_MIN: usize = 60;

/// A file that names more kinds of events than this reads the stream as a whole.
const EVENT_KINDS_MAX: usize = 15;

/// Files that read the event stream as a whole.
const STREAM_READERS: [(&str, &str); 21] = [
    ("inspector/rerun/src/act.rs", "what a loop did and what came from outside"),
    ("inspector/rerun/src/check/compared.rs", "which decisions a check compares"),
    ("inspector/rerun/src/check/replay_session.rs", "plays what came from outside into a loop"),
    ("inspector/rerun/src/check/start.rs", "the state that a recording begins with"),
    ("inspector/rerun/src/check/window.rs", "where a check can begin and must end"),
    ("inspector/rerun/src/what_if/script/read.rs", "a recording as a script for another policy"),
    ("inspector/src/describe/event.rs", "an event as text"),
    ("inspector/src/describe/input.rs", "an event as text: what came from outside"),
    ("inspector/src/describe/loop_kinds.rs", "an event as text: the other kinds of loops"),
    ("inspector/src/pages/log.rs", "the families that the log filters by"),
    ("loop-core/src/event_loop/snapshot.rs", "writes a loop's state as events"),
    ("probes/src/chronology.rs", "the times in an event"),
    ("traces/src/chrome/phrase.rs", "an event as arguments of a Chrome event"),
    ("traces/src/export/name.rs", "the name of an exported event"),
    ("traces/src/export/survey.rs", "the rows that an export needs, before it writes"),
    ("traces/src/synthetic/loop_kinds.rs", "writes a stream for tests: the other kinds of loops"),
    ("traces/src/synthetic/stream_builder.rs", "writes a stream for tests"),
    ("traces/src/timeline/fold.rs", "the fold"),
    ("traces/src/timeline/keep_alive/refs.rs", "a part of the fold"),
    ("traces/src/timeline/loops.rs", "a part of the fold: which loop an event belongs to"),
    ("traces/src/timeline/queues.rs", "a part of the fold"),
];

/// Environments of the one engine of loops.
const ORACLES: [&str; 3] = [
    "inspector/rerun/src/check/replay_session/answers.rs",
    "inspector/rerun/src/what_if/world/oracle.rs",
    "loop-core/src/sim.rs",
];

/// Files that write the unit of a time.
const DURATION_WRITERS: [(&str, &str); 6] = [
    ("inspector/src/view/breakdown.rs", "the column of exact nanoseconds"),
    ("inspector/src/view/shares.rs", "the parts of a total, all in the unit of the total"),
    ("traces/src/analysis/condition.rs", "reads and writes bounds exactly"),
    (
        "traces/src/analysis/gate/reasons.rs",
        "a value that differs from its bound by less than the usual digits",
    ),
    ("traces/src/units.rs", "everything else"),
    ("inspector/src/shell/copy.rs", "a time that the command line reads again"),
];

/// Source of the product without tests, benches and examples: its path and text, without comments and inline tests.
fn production() -> impl Iterator<Item = (String, String)> {
    let is_test = |path: &str| {
        path.starts_with("tests/")
            || ["/tests/", "/tests.rs", "/benches/", "/examples/", "_tests.rs"]
                .iter()
                .any(|part| path.contains(part))
    };
    rust_files().into_iter().filter(move |(path, _)| !is_test(path)).map(|(path, text)| {
        let code = text.split("#[cfg(test)]\nmod tests {").next().expect("a split has a first part");
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        (path, lines.collect::<Vec<_>>().join("\n"))
    })
}

/// The kinds of events that `code` names.
fn event_kinds(code: &str) -> usize {
    let named = code.split("Event::").skip(1);
    let before = code.split("Event::").map(|part| part.chars().next_back());
    let of_events = before.zip(named).filter(|(before, _)| !before.is_some_and(char::is_alphanumeric));
    let kinds = of_events.filter_map(|(_, rest)| rest.split(|c: char| !c.is_alphanumeric()).next());
    kinds.filter(|kind| kind.starts_with(char::is_uppercase)).collect::<BTreeSet<_>>().len()
}

fn assert_listed(found: Vec<String>, listed: &[&str], what: &str) {
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    let listed: BTreeSet<&str> = listed.iter().copied().collect();
    let new: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(
        new.is_empty(),
        "{what}: use what is there, or list with a reason in tests/house/once.rs: {new:#?}"
    );
    assert!(gone.is_empty(), "{what}: no longer the case, so remove from tests/house/once.rs: {gone:#?}");
}

#[test]
fn the_stream_is_read_as_a_whole_in_known_places() {
    let found = production().filter(|(_, code)| event_kinds(code) > EVENT_KINDS_MAX).map(|(path, _)| path);
    assert_listed(found.collect(), &STREAM_READERS.map(|(path, _)| path), "files that read all events");
}

#[test]
fn the_engine_has_three_environments() {
    let found = production().filter(|(_, code)| code.contains("Oracle for ")).map(|(path, _)| path);
    assert_listed(found.collect(), &ORACLES, "oracles");
}

#[test]
fn durations_are_written_in_one_way() {
    let units = ["ns", "µs", "us", "ms"];
    let marks: Vec<String> = units
        .iter()
        .flat_map(|unit| {
            [format!("}}{unit}\""), format!("}}{unit} "), format!("}} {unit}"), format!("\"{unit}\"")]
        })
        .collect();
    let of_figures = |path: &str| path.starts_with("inspector/src") || path.starts_with("traces/src");
    let found = production()
        .filter(|(path, code)| of_figures(path) && marks.iter().any(|mark| code.contains(mark.as_str())))
        .map(|(path, _)| path);
    assert_listed(found.collect(), &DURATION_WRITERS.map(|(path, _)| path), "files that write units of time");
}

#[test]
fn a_stall_is_decided_in_one_place() {
    let compares =
        |line: &str| line.contains("stall_limit_ns") && (line.contains(" > ") || line.contains(" < "));
    let found = production()
        .filter(|(path, code)| path.starts_with("traces/src") && code.lines().any(compares))
        .map(|(path, _)| path);
    assert_listed(
        found.collect(),
        &["traces/src/timeline/open_tick.rs"],
        "files that decide what a stall is",
    );
}

/// Public enums of the libraries that programs build on. Others have to take further variants into account.
#[test]
fn public_enums_can_grow() {
    /// A new variant must break what matches them.
    const CLOSED: [(&str, &str); 4] = [
        ("TagOf", "a task has a number or a label"),
        ("Running", "every reader must place what a loop is doing"),
        ("ProcessState", "every reader must place the state of a process"),
        ("TickUnit", "a counter has a known rate or needs measuring"),
    ];
    let mut found = Vec::new();
    for (path, code) in production() {
        if !path.starts_with("probes/src") && !path.starts_with("loop-core/src") {
            continue;
        }
        for item in syn::parse_file(&code).expect("the source parses").items {
            let Item::Enum(item) = item else { continue };
            let can_grow = item.attrs.iter().any(|attribute| attribute.path().is_ident("non_exhaustive"));
            if matches!(item.vis, syn::Visibility::Public(_)) && !can_grow {
                found.push(item.ident.to_string());
            }
        }
    }
    assert_listed(found, &CLOSED.map(|(name, _)| name), "public enums without #[non_exhaustive]");
}

/// Reasons for short files, and the files.
const SHORT: [(&str, &[&str]); 6] = [
    (
        "declares and re-exports the modules of a folder or crate",
        &[
            "inspector/rerun/src/lib.rs",
            "inspector/src/app.rs",
            "inspector/src/io.rs",
            "inspector/src/lib.rs",
            "inspector/src/main.rs",
            "inspector/src/pages.rs",
            "inspector/src/pages/overview/view.rs",
            "inspector/src/view.rs",
            "loop-core/src/agenda.rs",
            "loop-core/src/future.rs",
            "loop-core/src/queue.rs",
            "probes/src/adapters.rs",
            "traces/src/analysis.rs",
            "traces/src/chrome.rs",
        ],
    ),
    (
        "each page of the dashboard has a module and a view",
        &[
            "inspector/src/pages/agenda.rs",
            "inspector/src/pages/handles.rs",
            "inspector/src/pages/tags.rs",
            "inspector/src/pages/tags/view.rs",
        ],
    ),
    (
        "each verb of the command line has a file for its arguments and one for its implementation",
        &[
            "inspector/src/cli/export.rs",
            "inspector/src/cli/lint.rs",
            "inspector/src/cli/minimize.rs",
            "inspector/src/commands/diagnostics.rs",
            "inspector/src/commands/replay.rs",
        ],
    ),
    (
        "a part of the fold, the summary, the report or an export, found by its name",
        &[
            "inspector/src/app/figures/keep_alive.rs",
            "traces/src/export/agenda_tracks.rs",
            "traces/src/report/loops.rs",
            "traces/src/report/spans.rs",
            "traces/src/summary/lists.rs",
            "traces/src/summary/loops.rs",
            "traces/src/summary/pressure.rs",
            "traces/src/timeline/futures.rs",
            "traces/src/timeline/pressure.rs",
            "traces/src/timeline/shutdown.rs",
        ],
    ),
    (
        "a type or trait below several files, which would otherwise form a circle",
        &[
            "inspector/src/view/time.rs",
            "loop-core/src/body.rs",
            "loop-core/src/failure.rs",
            "loop-core/src/host.rs",
            "loop-core/src/payload.rs",
            "loop-core/src/timer/arming_order.rs",
            "probes/src/process/copies.rs",
            "probes/src/process/evidence.rs",
            "probes/src/process/horizon.rs",
            "probes/src/session/handle.rs",
            "probes/src/stamped.rs",
            "traces/src/suggest.rs",
        ],
    ),
    (
        "one mechanism, complete",
        &[
            "inspector/rerun/src/check/replay_session/residue.rs",
            "inspector/rerun/src/scratch.rs",
            "inspector/src/shell/fixture.rs",
            "loop-core/src/signal/install.rs",
            "loop-core/src/sim/clock.rs",
            "traces/src/export/passes.rs",
        ],
    ),
];

#[test]
fn short_files_have_a_reason() {
    let lengths: Vec<(String, usize)> =
        rust_files().into_iter().map(|(path, text)| (path, text.lines().count())).collect();
    let is_short = |path: &str| lengths.iter().any(|(other, lines)| other == path && *lines < LINES_MIN);
    let found = production().map(|(path, _)| path).filter(|path| is_short(path)).collect();
    let listed: Vec<&str> = SHORT.iter().flat_map(|(_, files)| files.iter().copied()).collect();
    assert_listed(found, &listed, "short files");
}
