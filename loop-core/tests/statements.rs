//! Tests that each statement of what the loop promises has a test named after it. Renaming, ignoring or losing a
//! test must not silently leave its statement untested.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::kit::rust_sources;

/// The range of statement numbers in each family; [`BETWEEN`] lists numbers with a letter. Includes statements that are
/// not built.
///
/// b: Bun's event loop and its integrations; e: errors, shutdown, futures; r: the run loop over a foreign loop; q:
/// QuickJS's poll; a: the agenda and RefPerSys's loop; l: what users of loop libraries expect.
const FAMILIES: [(&str, std::ops::RangeInclusive<u32>); 6] =
    [("b", 0..=29), ("e", 1..=6), ("r", 1..=7), ("q", 1..=9), ("a", 1..=9), ("l", 1..=10)];
const BETWEEN: [&str; 2] = ["b04a", "a04a"];

/// Statements without a test, because the feature that they describe does not exist yet.
const NOT_BUILT: [(&str, &str); 4] = [
    ("b26", "HTTP/1.1 server and client, WebSocket"),
    ("b27", "filesystem tasks of the loop's own, file watching as concurrent tasks"),
    ("b28", "subprocesses of the loop's own"),
    ("b29", "zlib and brotli on the pool"),
];
/// Statements with a part about cost or time, each with the bench that measures it. Their tests check what does not
/// depend on the machine or its load. Lag beside busy workers, nanoseconds per turn and added latency do depend on it:
/// a test with a bound on them would fail on a loaded machine, or check nothing.
const MEASURED: [(&str, &str); 3] = [("e02", "busy"), ("q09", "timers"), ("r06", "pump")];

/// Tags of [`Builtin`](loop_core::Builtin) that b06 requires once the families above exist.
const TAGS_WANTED: usize = 90;

fn statements() -> BTreeSet<String> {
    let numbered = FAMILIES.into_iter().flat_map(|(family, numbers)| {
        numbers.map(move |number| format!("{family}{number:02}")).collect::<Vec<_>>()
    });
    numbered.chain(BETWEEN.map(str::to_owned)).collect()
}

/// The names of the tests in a source file, except for ignored ones.
fn tests(text: &str) -> Vec<String> {
    let (mut names, mut is_test) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        match line {
            "#[test]" => is_test = true,
            _ if line.starts_with("#[ignore") => is_test = false,
            _ if line.starts_with("#[") || line.starts_with("//") => {}
            _ => {
                let name = line.strip_prefix("fn ").and_then(|line| line.split(['(', '<']).next());
                names.extend(name.filter(|_| is_test).map(str::to_owned));
                is_test = false;
            }
        }
    }
    names
}

/// The statements at the start of a test's name: `b21_l04_an_overdue_interval` names two.
fn held(name: &str) -> impl Iterator<Item = &str> {
    name.split('_').take_while(|part| {
        let number = part.trim_start_matches(|c: char| c.is_ascii_lowercase());
        part.len() - number.len() == 1 && number.trim_end_matches('a').parse::<u32>().is_ok()
    })
}

#[test]
fn every_statement_has_a_test_that_is_named_after_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_sources(&root.join("src"), &mut files);
    rust_sources(&root.join("tests"), &mut files);
    let mut tests_of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        for test in tests(&std::fs::read_to_string(file).unwrap()) {
            for statement in held(&test) {
                tests_of.entry(statement.to_owned()).or_default().push(test.clone());
            }
        }
    }
    let statements = statements();
    let untested = statements.iter().filter(|statement| !tests_of.contains_key(*statement));
    let untested: Vec<_> = untested.map(String::as_str).collect();
    let not_built = NOT_BUILT.map(|(statement, _)| statement);
    assert_eq!(untested, not_built, "no test is named after these, which is right of the second only");
    let benches = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for (statement, bench) in MEASURED {
        assert!(tests_of.contains_key(statement), "{statement} has no test for what holds everywhere");
        let is_declared = benches.contains(&format!("[[bench]]\nname = \"{bench}\""));
        assert!(is_declared && root.join(format!("benches/{bench}.rs")).exists(), "{statement}: no {bench}");
    }
    let tags = <loop_core::Builtin as loop_core::Task>::TAGS.len();
    assert!(tags < TAGS_WANTED, "b06 has its {TAGS_WANTED} tags: let a test hold it");
    let unknown: Vec<_> = tests_of.iter().filter(|(statement, _)| !statements.contains(*statement)).collect();
    assert!(unknown.is_empty(), "tests of unknown statements: {unknown:?}");
}

#[test]
fn only_what_runs_counts_and_only_at_the_head_of_a_name() {
    let attributes = ["#[test]", "#[should_panic(expected = \"!\")]", "#[ignore = \"slow\"]"];
    let source = |attributes: &[&str]| format!("{}\nfn b01_b02_a_b03() {{\n", attributes.join("\n"));
    assert_eq!(tests(&source(&attributes[..1])), ["b01_b02_a_b03"]);
    assert_eq!(tests(&source(&attributes[..2])), ["b01_b02_a_b03"]);
    assert!(tests(&source(&attributes)).is_empty() && tests(&source(&attributes[1..2])).is_empty());
    assert_eq!(held("b01_b02_a_b03").collect::<Vec<_>>(), ["b01", "b02"]);
    assert_eq!(held("b04a_each_drain").collect::<Vec<_>>(), ["b04a"]);
    assert_eq!(held("a_post_ends_a_wait").count(), 0);
}
