//! Tests names that users see against the glossary: the keys of the JSON summary, the metrics and the heads of columns
//! consist of its terms, and no text uses a word that a term has replaced.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::program::{Place, text};
use loop_traces::analysis::metric::Metric;
use serde_json::Value;

/// Words that a term has replaced, or that say less than one.
const REPLACED: &[&str] = &[
    "anew",
    "everybody",
    "harm",
    "lateness",
    "ledger",
    "likewise",
    "meanwhile",
    "nobody",
    "somebody",
    "surroundings",
    "told",
    "victim",
    "whoever",
];

/// Phrases that labels and help avoid.
const PHRASES: &[&str] =
    &["for ever", "is over yet", "none that", "second, at most", "so many", "that which"];

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(project().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lowercase words of a text, in the singular.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|found: char| !found.is_ascii_alphanumeric() && found != '%')
        .filter(|word| !word.is_empty())
        .map(|word| word.to_ascii_lowercase())
        .map(|word| if word.len() > 3 { word.trim_end_matches('s').to_owned() } else { word })
}

/// The words of all terms: the first column of each table.
fn terms() -> BTreeSet<String> {
    let page = read("docs/src/glossary.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split('|').next());
    rows.flat_map(words).collect()
}

fn unknown(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let terms = terms();
    names.into_iter().filter(|name| words(name).any(|word| !terms.contains(&word))).collect()
}

fn keys_of(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let properties = members.get("properties").and_then(Value::as_object);
            keys.extend(properties.into_iter().flat_map(|properties| properties.keys().cloned()));
            members.values().for_each(|member| keys_of(member, keys));
        }
        Value::Array(items) => items.iter().for_each(|item| keys_of(item, keys)),
        _ => {}
    }
}

/// Drawn pages of the dashboard.
fn drawn() -> Vec<String> {
    let folder = project().join("inspector/src/screen/tests/snapshots");
    let files =
        fs::read_dir(folder).expect("there are drawn pages").map(|entry| entry.expect("a file").path());
    files.map(|path| fs::read_to_string(path).expect("it is text")).collect()
}

/// Words of capital letters in a text.
fn heads(text: &str) -> impl Iterator<Item = String> {
    let is_head = |word: &&str| {
        let letters = word.strip_suffix("/s").unwrap_or(word);
        letters.len() > 2 && letters.chars().all(|letter| letter.is_ascii_uppercase())
    };
    text.split_whitespace().filter(is_head).map(str::to_owned)
}

#[test]
fn keys_and_metrics_are_made_of_terms() {
    let schema = serde_json::from_str(&read("docs/src/summary.schema.json")).expect("it is JSON");
    let mut keys = BTreeSet::new();
    keys_of(&schema, &mut keys);
    assert!(keys.len() > 150, "{keys:?}");
    let unknown_keys = unknown(keys);
    assert!(unknown_keys.is_empty(), "docs/src/glossary.md has no words for the keys {unknown_keys:?}");

    let book = read("docs/src/compare.md");
    let rows = book.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let metrics: Vec<String> = rows
        .map(|name| name.replace(".STAT", ".p99"))
        .filter(|name| !name.contains([' ', '-']) && name.parse::<Metric>().is_ok())
        .map(|name| name.replace(".NAME", "").replace(".PRIORITY", ""))
        .collect();
    assert!(metrics.len() > 40, "{metrics:?}");
    let unknown_metrics = unknown(metrics);
    assert!(
        unknown_metrics.is_empty(),
        "docs/src/glossary.md has no words for the metrics {unknown_metrics:?}"
    );
}

#[test]
fn heads_of_columns_are_in_the_glossary() {
    let place = Place::new();
    let mut texts = drawn();
    let trace = place.file("demo.looptrace");
    for policy in ["bun", "agenda"] {
        let demo = [
            "demo",
            "--no-tui",
            "--duration",
            "1s",
            "--stall",
            "30ms",
            "--policy",
            policy,
            "--record",
            text(&trace),
        ];
        texts.push(place.succeed(&demo));
    }
    texts.push(place.succeed(&["rerun", text(&trace), "--workers", "1"]));
    let mut found: BTreeSet<String> = texts.iter().flat_map(|text| heads(text).collect::<Vec<_>>()).collect();
    // Part of the name of a handle.
    found.remove("HTTP");
    assert!(found.contains("DELAYED") && found.len() > 25, "{found:?}");
    let unknown = unknown(found);
    assert!(unknown.is_empty(), "docs/src/glossary.md does not have the heads {unknown:?}");
}

#[test]
fn no_text_uses_a_word_that_was_replaced() {
    let place = Place::new();
    let mut texts = drawn();
    for verb in [
        "demo", "ps", "attach", "record", "replay", "report", "export", "import", "lint", "rerun",
        "minimize", "diff",
    ] {
        texts.push(place.succeed(&[verb, "--help"]));
    }
    for text in &texts {
        let phrase = PHRASES.iter().find(|phrase| text.contains(**phrase));
        assert_eq!(phrase, None, "{text}");
    }
    texts.push(read("docs/src/summary.schema.json"));
    texts.push(read("docs/src/figures.md"));
    for text in texts {
        let found = words(&text).find(|word| REPLACED.contains(&word.as_str()));
        let line =
            found.as_ref().and_then(|word| text.lines().find(|line| line.to_lowercase().contains(word)));
        assert!(found.is_none(), "{found:?} in: {line:?}");
    }
}
