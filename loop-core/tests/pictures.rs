//! Tests that the book's page about ticks shows what the policies do: its pictures contain their steps, in order, and
//! the tests that its table names exist.

use std::collections::HashSet;
use std::path::Path;

use loop_core::Policy;
use loop_core::policy::Step;

const PAGE: &str = include_str!("../../docs/src/tick.md");

/// The steps in a picture: the text behind each branch inside `tick()` and `auto_tick()`.
fn steps_of(picture: &str) -> Vec<String> {
    let branches =
        picture.lines().filter(|line| line.starts_with(" │   ├─ ") || line.starts_with(" │   └─ "));
    let name = |line: &str| {
        let text = line.chars().skip(8).collect::<String>();
        text.split("  ").next().unwrap_or_default().trim().to_owned()
    };
    branches.map(name).collect()
}

#[test]
fn the_pictures_of_the_book_are_the_steps_of_the_policies() {
    for name in Policy::NAMES {
        let policy = Policy::by_name(name).unwrap();
        let title = format!("```text\n policy {name}\n");
        let start = PAGE.find(&title).unwrap_or_else(|| panic!("no picture of {name}"));
        let picture = PAGE[start + title.len()..].split("```").next().unwrap();
        let steps = policy.tick.iter().chain(policy.auto_tick.iter());
        let expected: Vec<String> = steps.map(Step::to_string).collect();
        assert_eq!(steps_of(picture), expected, "the picture of {name}");
    }
}

/// The names of all functions below `folder`.
fn functions(folder: &Path, names: &mut HashSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let named = text
                .lines()
                .filter_map(|line| line.trim().strip_prefix("fn ")?.split('(').next().map(str::to_owned));
            names.extend(named);
        }
    }
}

#[test]
fn every_row_of_the_order_names_a_test_that_exists() {
    let mut known = HashSet::new();
    functions(Path::new(env!("CARGO_MANIFEST_DIR")), &mut known);
    let rows = PAGE.split("## Who runs before whom").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<&str> = rows.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 20, "the table is gone");
    for row in rows {
        let test = row.split('`').rev().nth(1).unwrap_or_else(|| panic!("no test in {row}"));
        assert!(known.contains(test), "no such test: {test}");
    }
}
