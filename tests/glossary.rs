//! Tests names that users see against the glossary: the keys of the JSON summary, the metrics and the heads of columns
//! consist of its terms, and no text uses a word that a term has replaced.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::program::{Place, text};
use loop_traces::analysis::metric::Metric;
use proc_macro2::{TokenStream, TokenTree};
use serde_json::Value;
use syn::visit::Visit;

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

/// Collects the names that the source gives to JSON: fields of structs that serialize, and keys of `json!`.
#[derive(Default)]
struct JsonNames(BTreeSet<String>);

impl JsonNames {
    /// In `json!`, a string before a colon is a key.
    fn keys(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (place, token) in tokens.iter().enumerate() {
            match (token, tokens.get(place + 1)) {
                (TokenTree::Group(group), _) => self.keys(group.stream()),
                (TokenTree::Literal(key), Some(TokenTree::Punct(next))) if next.as_char() == ':' => {
                    self.0.insert(key.to_string().trim_matches('"').to_owned());
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for JsonNames {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if !item.attrs.iter().any(|attribute| names(attribute, "derive", "Serialize").is_some()) {
            return;
        }
        for field in &item.fields {
            let serde =
                |option: &str| field.attrs.iter().find_map(|attribute| names(attribute, "serde", option));
            if serde("skip").is_none() && serde("flatten").is_none() {
                let name = serde("rename").or_else(|| field.ident.as_ref().map(ToString::to_string));
                self.0.extend(name);
            }
        }
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        if called.path.segments.last().is_some_and(|name| name.ident == "json") {
            self.keys(called.tokens.clone());
        }
    }
}

/// The value of `option` in the list of `attribute`, if it is called `name` and has that option; it may be empty.
fn names(attribute: &syn::Attribute, name: &str, option: &str) -> Option<String> {
    let mut found = None;
    if attribute.path().is_ident(name) {
        let read = attribute.parse_nested_meta(|meta| {
            let value = meta.value().and_then(|value| value.parse::<syn::Lit>());
            if meta.path.is_ident(option) {
                found = Some(match value {
                    Ok(syn::Lit::Str(text)) => text.value(),
                    _ => String::new(),
                });
            }
            Ok(())
        });
        read.expect("an attribute of the source is a list");
    }
    found
}

/// The source files in a folder, without tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("there is source").map(|entry| entry.expect("a file").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let folders = folders.iter().filter(|path| !path.ends_with("tests"));
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    files.filter(|path| !path.ends_with("tests.rs")).chain(folders.flat_map(|path| sources(path))).collect()
}

#[test]
fn keys_of_every_command_are_made_of_terms() {
    let mut names = JsonNames::default();
    for folder in ["inspector/src", "inspector/rerun/src", "traces/src"] {
        for path in sources(&project().join(folder)) {
            let code = fs::read_to_string(&path).expect("the source can be read");
            names.visit_file(&syn::parse_file(&code).expect("the source parses"));
        }
    }
    let JsonNames(mut keys) = names;
    // Bounds are pairs in JSON.
    keys.retain(|key| !["lo", "hi"].contains(&key.as_str()));
    // Of `diff`, `rerun`, `lint`, `import` and `ps`.
    for key in ["shift_interval", "assumptions", "not_in_firefox", "own_recording", "started_wall_ns"] {
        assert!(keys.contains(key), "{key} is in the source: {keys:?}");
    }
    let unknown = unknown(keys);
    assert!(unknown.is_empty(), "docs/src/glossary.md has no words for the keys {unknown:?}");
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
