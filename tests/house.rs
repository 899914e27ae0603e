//! Checks the house rules that the compiler does not: dependencies between crates and between files, the length of a
//! file, its opening comment, and the entries at the top level.

#[path = "house/drawing.rs"]
mod drawing;
#[path = "house/graph.rs"]
mod graph;
#[path = "house/once.rs"]
mod once;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use graph::Graph;
use serde_json::json;

const LINES_MAX: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_owned()
}

/// Files that git tracks or would track, by path relative to the root.
fn files() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git runs");
    assert!(listed.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&listed.stderr));
    let text = String::from_utf8(listed.stdout).expect("paths are UTF-8");
    text.lines().filter(|path| root().join(path).is_file()).map(str::to_owned).collect()
}

fn rust_files() -> Vec<(String, String)> {
    let files = files();
    let rust = files.into_iter().filter(|path| path.ends_with(".rs"));
    rust.map(|path| {
        let text = std::fs::read_to_string(root().join(&path)).expect("a tracked file can be read");
        (path, text)
    })
    .collect()
}

/// Cargo's metadata for the packages of `folder`.
fn metadata(folder: &Path) -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(folder)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

#[test]
fn crates_depend_only_on_the_allowed_ones() {
    let metadata = metadata(&root());
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut arrows: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        // Dependencies between the built crates. A test may depend on a lower one, never on a higher one (cargo
        // refuses cycles).
        let known = package["dependencies"].as_array().expect("dependencies").iter();
        let known = known.filter(|dependency| dependency["kind"] != "dev");
        let mut known: Vec<&str> =
            known.filter_map(|d| d["name"].as_str()).filter(|name| ours.contains(name)).collect();
        known.sort_unstable();
        known.dedup();
        arrows.insert(package["name"].as_str().expect("a name"), known);
    }
    let drawn = BTreeMap::from([
        ("loop-probes", vec![]),
        ("loop-core", vec!["loop-probes"]),
        ("loop-traces", vec!["loop-probes"]),
        // No command and no screen, which are in loopscope.
        ("loop-rerun", vec!["loop-core", "loop-probes", "loop-traces"]),
        ("loop-demo", vec!["loop-core", "loop-probes"]),
        ("loopscope", vec!["loop-demo", "loop-probes", "loop-rerun", "loop-traces"]),
    ]);
    assert_eq!(arrows, drawn, "the architecture does not allow this dependency between crates");
}

/// Libraries of the comparison benches that the workspace also uses.
const SHARED: [&str; 9] = [
    "anyhow",
    "libc",
    "libloading",
    "loop-core",
    "loop-probes",
    "loop-traces",
    "polling",
    "tracing",
    "tracing-subscriber",
];
/// A dependency of the terminal library; our code never calls it.
const UNDER_CROSSTERM: &str = "mio";

#[test]
fn the_workspace_builds_no_peers() {
    let peers = root().join("tests/peers");
    let metadata = metadata(&peers);
    let package = &metadata["packages"].as_array().expect("packages")[0];
    assert_eq!(package["publish"].as_array().map(Vec::len), Some(0), "tests/peers is not to be published");
    let known = package["dependencies"].as_array().expect("dependencies").iter();
    let siblings: Vec<&str> =
        known.filter_map(|d| d["name"].as_str()).filter(|name| !SHARED.contains(name)).collect();
    for expected in ["tokio", "calloop", "async-io", "flume", UNDER_CROSSTERM] {
        assert!(siblings.contains(&expected), "{expected} is no peer any more: update the list in this test");
    }
    let locked = std::fs::read_to_string(root().join("Cargo.lock")).expect("there is a Cargo.lock");
    for name in siblings.iter().filter(|name| **name != UNDER_CROSSTERM) {
        let entry = format!("name = \"{name}\"\n");
        assert!(
            !locked.contains(&entry),
            "{name} is in Cargo.lock: the workspace builds what only tests/peers may"
        );
    }
    let metadata = self::metadata(&root());
    for package in metadata["packages"].as_array().expect("packages") {
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let name = dependency["name"].as_str().expect("a name");
            assert!(!siblings.contains(&name), "{}: {name} belongs to tests/peers", package["name"]);
        }
    }
}

/// Third-party crates that a package is built from on Linux, including build scripts and procedural macros.
fn crates_under(package: &str) -> usize {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--offline", "--locked", "--edges", "normal,build", "--prefix", "none"]);
    command.args(["--target", "x86_64-unknown-linux-gnu", "--format", "{p}", "--package", package]);
    let output = command.current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    let named = text.lines().map(|line| line.split_once(" (").map_or(line, |(name, _)| name));
    let others = named.filter(|name| !name.is_empty() && !name.starts_with("loop"));
    others.collect::<BTreeSet<_>>().len()
}

#[test]
fn the_book_says_how_many_crates_there_are() {
    let page = std::fs::read_to_string(root().join("docs/src/dependencies.md")).expect("there is a page");
    for package in ["loop-probes", "loop-core", "loop-traces", "loop-rerun", "loop-demo", "loopscope"] {
        let row = format!("| `{package}` | {} |", crates_under(package));
        assert!(page.contains(&row), "docs/src/dependencies.md should have {row}");
    }
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = rust_files()
        .into_iter()
        .map(|(path, text)| (text.lines().count(), path))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert!(
        long.is_empty(),
        "files above {LINES_MAX} lines, each to be split at its ideas:\n{}",
        long.join("\n")
    );
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = rust_files()
        .into_iter()
        .filter(|(_, text)| !text.lines().take(3).any(|line| line.starts_with("//!")))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "files that do not open with //!:\n{}", silent.join("\n"));
}

#[test]
fn the_top_level_is_the_drawn_one() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "clippy.toml",
        "rustfmt.toml",
        "deny.toml",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "loop-core",
        "inspector",
        "probes",
        "traces",
        "tests",
        "docs",
    ];
    for path in files() {
        let top = path.split('/').next().expect("a path has a first part");
        assert!(
            top.starts_with('.') || allowed.contains(&top),
            "{path}: nothing else stands at the top level"
        );
    }
}

/// The import graph of each package, by the package's folder.
static GRAPHS: LazyLock<BTreeMap<String, Graph>> = LazyLock::new(|| {
    let metadata = metadata(&root());
    let packages = metadata["packages"].as_array().expect("packages").iter();
    packages
        .map(|package| {
            let manifest = Path::new(package["manifest_path"].as_str().expect("a manifest"));
            let folder = manifest.parent().and_then(|folder| folder.strip_prefix(root()).ok());
            let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
            let others: Vec<String> = dependencies
                .filter_map(|dependency| dependency["rename"].as_str().or(dependency["name"].as_str()))
                .map(|name| name.replace('-', "_"))
                .collect();
            let targets = package["targets"].as_array().expect("targets").iter();
            let built =
                targets.filter(|target| target["kind"] == json!(["lib"]) || target["kind"] == json!(["bin"]));
            let roots: Vec<PathBuf> =
                built.map(|target| PathBuf::from(target["src_path"].as_str().expect("a path"))).collect();
            let name = package["name"].as_str().expect("a name");
            let folder = folder.and_then(Path::to_str).expect("a member lies in the workspace");
            (folder.to_owned(), Graph::read(&root(), name, &roots, &others))
        })
        .collect()
});

/// The modules of each folder of the workspace, and which of them use which.
fn folders() -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    GRAPHS.values().flat_map(Graph::folders).collect()
}

#[test]
fn modules_beside_one_another_depend_in_no_circle() {
    let mut found = String::new();
    for (folder, modules) in folders() {
        for circle in graph::circles(&modules) {
            for name in &circle {
                let inside = modules[*name].iter().filter(|used| circle.contains(used.as_str()));
                found.push_str(&format!("{folder}/{name} uses {:?}\n", inside.collect::<Vec<_>>()));
            }
        }
    }
    assert!(found.is_empty(), "modules that use one another in a circle:\n{found}");
}

/// A parent and a child that use each other also count as a circle.
#[test]
fn no_file_is_in_a_circle_of_files() {
    let found: Vec<&str> = GRAPHS.values().flat_map(Graph::files_in_circles).collect();
    assert!(found.is_empty(), "files that use themselves by way of others: {found:#?}");
}

/// Set to write the pictures of the modules instead of comparing them.
const DRAW: &str = "LOOPSCOPE_DRAW";

#[test]
fn the_book_shows_how_modules_depend() {
    let page = std::fs::read_to_string(root().join("docs/src/architecture.md")).expect("there is a page");
    for package in GRAPHS.keys() {
        let name = format!("images/modules-{}.svg", package.replace('/', "-"));
        let path = root().join("docs/src").join(&name);
        let drawn = drawing::draw(&folders()[&format!("{package}/src")]);
        if std::env::var_os(DRAW).is_some() {
            std::fs::write(&path, &drawn).expect("the picture can be written");
        }
        let saved = std::fs::read_to_string(&path).unwrap_or_default();
        let again = format!("{DRAW}=1 cargo test -p loopscope --test house");
        assert!(saved == drawn, "{name} shows other modules than {package} has: {again} draws it");
        assert!(page.contains(&format!("({name})")), "docs/src/architecture.md should show {name}");
    }
}

#[test]
fn only_the_view_knows_the_terminal_library() {
    for (file, crates) in GRAPHS.values().flat_map(|graph| &graph.crates) {
        let library = !file.starts_with("inspector/src/");
        assert!(!(library && crates.contains("ratatui")), "{file}: libraries know no ratatui");
    }
    let state = |file: &str| {
        ["app", "pages", "shell"].iter().any(|room| file.starts_with(&format!("inspector/src/{room}")))
    };
    let draws = |file: &str| file.split('/').any(|part| ["view", "view.rs", "screen.rs"].contains(&part));
    let mut seen = 0;
    for (file, used) in GRAPHS["inspector"].arrows.iter().filter(|(file, _)| state(file) && !draws(file)) {
        seen += 1;
        // State may use ratatui's rectangles, because the mouse finds rows by the same geometry as the drawing.
        let text = std::fs::read_to_string(root().join(file)).expect("it can be read");
        let uses = text.matches("ratatui").count();
        assert_eq!(uses, text.matches("ratatui::layout::").count(), "{file}: state draws nothing");
        let view = used.iter().find(|file| draws(file));
        assert_eq!(view, None, "{file}: the view knows the state, never the other way round");
    }
    assert!(seen > 20, "the dashboard has moved: update the folders in this test");
}

#[test]
fn the_readme_opens_with_the_commands_that_do_everything() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("there is a README");
    let opening: Vec<&str> = readme.lines().take(12).collect();
    let ci = std::fs::read_to_string(root().join(".ci/run")).expect("there is a .ci/run");
    for command in ["cargo run --release -- demo", "cargo test --workspace"] {
        assert!(opening.iter().any(|line| line.starts_with(command)), "{command} is not in the first lines");
    }
    assert!(ci.lines().any(|line| line == "cargo test --workspace"), ".ci/run tests by another command");
}
