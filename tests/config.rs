//! Tests the config file: where it is looked for, what wins over it, that it takes effect, and what its mistakes say.

use std::fs;
use std::process::Output;
use std::time::Duration;

use crate::support::program::{Place, text};
use crate::support::screen::{SIZE, leave, start};

/// Writes a config file in `place`, and returns its path.
fn written(place: &Place, content: &str) -> String {
    let file = place.file("config.toml");
    fs::write(&file, content).expect("the place is ours");
    text(&file).to_owned()
}

/// A short recording.
fn recorded(place: &Place) -> String {
    let trace = place.file("a.looptrace");
    let record = ["demo", "--duration", "500ms", "--no-tui", "--stall", "20ms", "--record", text(&trace)];
    place.succeed(&record);
    text(&trace).to_owned()
}

/// Runs the binary without the variable that keeps it from the default place, which is in `home`.
fn run_at_home(place: &Place, home: &str, arguments: &[&str]) -> Output {
    let mut command = place.command(arguments);
    command.env_remove("LOOPSCOPE_CONFIG").env_remove("XDG_CONFIG_HOME").env("HOME", home);
    command.output().expect("the binary starts")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, stderr(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_printed_file_is_valid_with_and_without_its_comments() {
    let place = Place::new();
    let printed = place.succeed(&["config"]);
    place.succeed(&["ps", "--config", &written(&place, &printed)]);
    let settings: Vec<&str> = printed.lines().filter_map(|line| line.strip_prefix('#')).collect();
    let settings: Vec<&str> = settings.into_iter().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(settings.len(), 8, "{printed}");
    place.succeed(&["ps", "--config", &written(&place, &settings.join("\n"))]);
}

#[test]
fn the_book_shows_the_printed_file() {
    let book = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/dashboard.md");
    let book = fs::read_to_string(book).expect("there is a book");
    let printed = Place::new().succeed(&["config"]);
    assert!(book.contains(&format!("```toml\n{printed}```\n")), "docs/src/dashboard.md shows another file");
}

#[test]
fn the_file_is_created_once_where_it_is_looked_for() {
    let place = Place::new();
    let home = text(&place.file("home")).to_owned();
    let path = format!("{home}/.config/loopscope/config.toml");
    assert_eq!(stdout(&run_at_home(&place, &home, &["config", "--path"])), format!("{path}\n"));
    // Without a file, everything works.
    assert!(run_at_home(&place, &home, &["ps"]).status.success());
    assert_eq!(stdout(&run_at_home(&place, &home, &["config", "--write"])), format!("wrote {path}\n"));
    assert_eq!(fs::read_to_string(&path).expect("it was written"), place.succeed(&["config"]));
    assert!(run_at_home(&place, &home, &["ps"]).status.success());
    fs::write(&path, "fps = 5000\n").expect("it is ours");
    let again = run_at_home(&place, &home, &["config", "--write"]);
    assert_eq!((again.status.code(), stderr(&again).lines().count()), (Some(3), 1));
    assert!(stderr(&again).contains(&format!("{path} exists and is left as it is")), "{}", stderr(&again));
    assert_eq!(fs::read_to_string(&path).expect("it is still there"), "fps = 5000\n");
    // It is read at this place.
    let wrong = run_at_home(&place, &home, &["ps"]);
    assert_eq!(wrong.status.code(), Some(2));
    let expected = format!("loopscope: {path}:1:7: fps cannot be 5000; write a whole number from 1 to 120\n");
    assert_eq!(stderr(&wrong), expected);
    // What helps to repair it does not read it.
    for arguments in [&["config"][..], &["config", "--path"], &["completions", "bash"], &["man"], &["--help"]]
    {
        assert!(run_at_home(&place, &home, arguments).status.success(), "{arguments:?}");
    }
    assert!(run_at_home(&place, &home, &["ps", "--config", "/dev/null"]).status.success());
    let nowhere = run_at_home(&place, "", &["config", "--write"]);
    assert!(nowhere.status.code() == Some(2) && stderr(&nowhere).contains("set HOME or XDG_CONFIG_HOME"));
}

#[test]
fn the_flag_beats_the_variable_and_that_the_default_place() {
    let place = Place::new();
    let path = |flag: &[&str], variables: &[(&str, &str)]| {
        let mut command = place.command(&[&["config", "--path"], flag].concat());
        command.env_remove("LOOPSCOPE_CONFIG").env("HOME", "/home/a").env("XDG_CONFIG_HOME", "/xdg");
        stdout(&command.envs(variables.iter().copied()).output().expect("the binary starts"))
    };
    assert_eq!(path(&[], &[]), "/xdg/loopscope/config.toml\n");
    assert_eq!(path(&[], &[("XDG_CONFIG_HOME", "")]), "/home/a/.config/loopscope/config.toml\n");
    assert_eq!(path(&[], &[("LOOPSCOPE_CONFIG", "own.toml")]), "own.toml\n");
    assert_eq!(path(&["--config", "flag.toml"], &[("LOOPSCOPE_CONFIG", "own.toml")]), "flag.toml\n");
    let missing = text(&place.file("none.toml")).to_owned();
    let line = place.fail(2, &["ps", "--config", &missing]);
    assert!(line.contains(&format!("no config file {missing}, which --config names")), "{line}");
    let named = place.command(&["ps"]).env("LOOPSCOPE_CONFIG", &missing).output().expect("it starts");
    assert_eq!(named.status.code(), Some(2));
    assert!(
        stderr(&named).contains(&format!("{missing}, which LOOPSCOPE_CONFIG names")),
        "{}",
        stderr(&named)
    );
}

#[test]
fn mistakes_are_one_printable_line_with_place_and_key() {
    let place = Place::new();
    for (content, expected) in [
        ("fps = 60\nthem = \"dark\"\n", ":2:1: unknown key \"them\"; the keys are theme, color, "),
        ("\n  theme = \"drak\"\n", ":2:11: theme cannot be \"drak\"; write \"dark\", \"light\", "),
        ("ascii = \"yes\"", ":1:9: ascii cannot be \"yes\"; write true or false\n"),
        ("speed = \"2 times\"", ":1:9: speed cannot be \"2 times\"; write a factor from 0.01 to 1000"),
        ("[dashboard]\nfps = 1", ":1:2: unknown key \"dashboard\"; "),
        ("fps = 1\nfps = 2", ":2:1: invalid TOML: duplicate key"),
        ("theme = dark", ":1:9: invalid TOML: string values must be quoted"),
        ("\"\\u001b[2J\" = 1", ":1:1: unknown key \"\\u{1b}[2J\"; "),
        ("theme = '\u{202e}'", ":1:9: theme cannot be '\\u{202e}'; "),
    ] {
        let file = written(&place, content);
        let line = place.fail(2, &["ps", "--config", &file]);
        assert!(line.contains(&format!("{file}{expected}")), "{line}");
    }
    fs::write(place.file("config.toml"), b"fps = 60\n# \xff").expect("the place is ours");
    let file = text(&place.file("config.toml")).to_owned();
    let line = place.fail(2, &["ps", "--config", &file]);
    assert!(line.contains(&format!("{file}: it is not UTF-8 in line 2, column 3; ")), "{line}");
    let long = written(&place, &format!("#{}", "x".repeat(64 << 10)));
    let line = place.fail(2, &["ps", "--config", &long]);
    assert!(line.contains("it is longer than 65536 bytes; --config /dev/null does without it"), "{line}");
    let deep = written(&place, &format!("fps = {}", "[".repeat(60_000)));
    assert!(place.fail(2, &["ps", "--config", &deep]).contains(":1:"));
    let folder = text(&place.file("")).to_owned();
    assert!(place.fail(2, &["ps", "--config", &folder]).contains("it is a folder"));
    let fifo = text(&place.file("fifo")).to_owned();
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    assert!(place.fail(2, &["ps", "--config", &fifo]).contains("it is not a regular file"));
}

#[test]
fn flags_beat_the_environment_and_that_the_file() {
    let place = Place::new();
    let trace = recorded(&place);
    let has_color = |content: &str, variables: &[(&str, &str)], flags: &[&str]| {
        let file = written(&place, content);
        let mut command = place.command(&[&["report", &trace, "--config", &file], flags].concat());
        stdout(&command.envs(variables.iter().copied()).output().expect("the binary starts"))
            .contains('\u{1b}')
    };
    let always = "color = \"always\"";
    assert!(!has_color("", &[], &[]), "standard output is a pipe");
    assert!(has_color(always, &[], &[]));
    assert!(!has_color(always, &[("NO_COLOR", "1")], &[]));
    assert!(!has_color(always, &[], &["--color", "never"]));
    assert!(!has_color(always, &[], &["--color", "auto"]));
    assert!(has_color("color = \"never\"", &[("CLICOLOR_FORCE", "1")], &[]));
    let is_ascii = |content: &str, locale: &str, flags: &[&str]| {
        let file = written(&place, content);
        let mut command = place.command(&[&["report", &trace, "--config", &file], flags].concat());
        stdout(&command.env("LC_ALL", locale).output().expect("the binary starts")).is_ascii()
    };
    assert!(!is_ascii("", "C.UTF-8", &[]) && is_ascii("ascii = true", "C.UTF-8", &[]));
    assert!(is_ascii("ascii = false", "C", &[]));
    assert!(!is_ascii("ascii = true", "C", &["--no-ascii"]));
    assert!(is_ascii("", "C.UTF-8", &["--no-ascii", "--ascii"]), "the last one counts");
}

#[test]
fn a_snapshot_begins_as_the_file_says() {
    let place = Place::new();
    let trace = recorded(&place);
    let shown = |content: &str, flags: &[&str]| {
        let file = written(&place, content);
        place.succeed(&[&["snapshot", &trace, "--config", &file], flags].concat())
    };
    for (page, tab) in
        [("tags", "[3 Tags]"), ("timers", "[4 Timers]"), ("log", "[5 Log]"), ("handles", "[6 Handles]")]
    {
        let screen = shown(&format!("page = \"{page}\""), &[]);
        assert!(screen.contains(tab), "{screen}");
    }
    assert!(shown("page = \"log\"", &["--page", "agenda"]).contains("[7 Agenda]"));
    assert!(shown("page = \"log\"", &["--keys", "Esc"]).contains("[1 Overview]"));
    let header = |screen: String| screen.lines().nth(2).expect("there are three rows").to_owned();
    assert!(header(shown("", &[])).contains(" 60s: "));
    assert!(header(shown("window = \"all\"", &[])).contains(" all: "));
    assert!(header(shown("window = \"all\"", &["--window", "10s"])).contains(" 10s: "));
    let first = |screen: &str| {
        let rows = screen.lines().skip_while(|line| !line.contains("COUNT"));
        rows.skip(1)
            .filter_map(|row| row.split_whitespace().nth(1))
            .take(3)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let by_name = first(&shown("sort = \"tag\"", &["--page", "tags"]));
    assert!(by_name.len() == 3 && by_name.is_sorted(), "{by_name:?}");
    let by_caused = first(&shown("sort = \"tag\"", &["--page", "tags", "--sort", "caused"]));
    assert_eq!(by_caused, first(&shown("", &["--page", "tags"])));
    let picture = |flags: &[&str]| shown("theme = \"light\"", &[&["--format", "svg"], flags].concat());
    assert_eq!(picture(&[]), shown("", &["--format", "svg", "--theme", "light"]));
    assert_eq!(picture(&["--theme", "dark"]), shown("", &["--format", "svg"]));
    assert_ne!(picture(&[]), picture(&["--theme", "dark"]));
}

/// The colours of the text on the screen.
fn colours(screen: &vt100::Screen) -> Vec<vt100::Color> {
    let cells = (0..SIZE.1).flat_map(|row| (0..SIZE.0).map(move |column| (row, column)));
    cells.filter_map(|(row, column)| screen.cell(row, column).map(vt100::Cell::fgcolor)).collect()
}

#[test]
fn the_dashboard_begins_as_the_file_says() {
    let place = Place::new();
    let file = written(
        &place,
        "theme = \"light\"\nwindow = \"10s\"\npage = \"timers\"\nascii = true\nfps = 20\nspeed = 0.1\n",
    );
    let own = [("LOOPSCOPE_CONFIG", file.as_str()), ("LC_ALL", "C.UTF-8")];
    let terminal = start(&place, &["demo", "--stall", "40ms"], &own);
    let seen = terminal
        .wait_for("the page of the file", |text| text.contains("[4 Timers]") && text.contains(" 10s: "));
    assert!(seen.is_ascii(), "{seen}");
    // Colours that only one of the palettes has: of keys, and of secondary text.
    let [dark, light] = [[252, 244], [236, 242]].map(|numbers| numbers.map(vt100::Color::Idx));
    terminal.look(|screen| {
        let found = colours(screen);
        assert!(light.iter().all(|colour| found.contains(colour)), "{found:?}");
        assert!(!dark.iter().any(|colour| found.contains(colour)), "{found:?}");
    });
    leave(terminal);
    // Flags win.
    let flags = ["demo", "--theme", "dark", "--window", "all", "--page", "log", "--no-ascii"];
    let mut terminal = start(&place, &flags, &own);
    terminal.wait_for("the page of the flags", |text| {
        text.contains("[5 Log]") && text.contains(" all: ") && text.contains('│')
    });
    terminal.look(|screen| assert!(dark.iter().all(|colour| colours(screen).contains(colour))));
    terminal.send("\x1b").unwrap();
    terminal.wait_for("the overview", |text| text.contains("[1 Overview]"));
    leave(terminal);
    let trace = recorded(&place);
    let terminal = start(&place, &["replay", &trace, "--page", "overview"], &own);
    terminal.wait_for("the speed of the file", |text| text.contains("0.1x") && text.contains("[1 Overview]"));
    leave(terminal);
}

#[test]
fn a_mistake_in_the_file_is_said_before_the_dashboard_begins() {
    let place = Place::new();
    let file = written(&place, "window = \"1min\"\n");
    let mut terminal = start(&place, &["demo"], &[("LOOPSCOPE_CONFIG", &file)]);
    assert_eq!(terminal.wait().exit_code(), 2);
    // The terminal may show it a moment after the end.
    let said = terminal.wait_for("the mistake", |text| text.contains("5min"));
    assert!(said.replace('\n', "").contains(":1:10: window cannot be \"1min\"; write \"10s\", "), "{said}");
    std::thread::sleep(Duration::from_millis(50));
    assert!(!terminal.look(vt100::Screen::alternate_screen));
}
