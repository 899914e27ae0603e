//! Runs the real binary in end-to-end tests: each test has its own runtime folder, and no process outlives it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, waitpid};
use serde_json::Value;

/// The longest wait for any condition: far beyond what a healthy program needs on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Keeps the program under test from reading the config file of the developer who runs the tests.
pub(crate) const NO_CONFIG: (&str, &str) = ("LOOPSCOPE_CONFIG", "/dev/null");

/// A folder for the rings and files of one test.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder can be made") }
    }

    /// The folder with the rings.
    pub(crate) fn rings(&self) -> PathBuf {
        self.folder.path().join("rings")
    }

    /// The path of a file in the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The environment of programs in this folder.
    pub(crate) fn environment(&self) -> [(String, String); 2] {
        let (name, file) = NO_CONFIG;
        [("LOOPSCOPE_DIR".to_owned(), text(&self.rings()).to_owned()), (name.to_owned(), file.to_owned())]
    }

    /// The binary, with this folder as its runtime folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loopscope"));
        command
            .args(arguments)
            .envs(self.environment())
            .env_remove("NO_COLOR")
            .env_remove("COLUMNS")
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary until it exits.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary starts")
    }

    /// Runs the binary, which must succeed, and returns its standard output.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "loopscope {arguments:?} ended with {}: {stderr}", output.status);
        String::from_utf8(output.stdout).expect("output is UTF-8")
    }

    /// Runs the binary, which must print JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.succeed(arguments);
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error} in {printed}"))
    }

    /// Runs the binary, which must fail with `code` and print one line, and returns the line.
    pub(crate) fn fail(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8(output.stderr).expect("messages are UTF-8");
        assert_eq!(output.status.code(), Some(code), "loopscope {arguments:?} said: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "one line, not:\n{stderr}");
        assert!(!stderr.trim_end().contains(char::is_control), "control characters in {stderr:?}");
        stderr
    }

    /// Starts a demo without a dashboard, and waits until its loop is listed and has recorded something.
    pub(crate) fn demo(&self, arguments: &[&str]) -> Running {
        // Longer than any test: the demo is killed at the end of the test.
        let mut command = self.command(&["demo", "--no-tui", "--duration", "600s"]);
        let demo = Running::start(command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()));
        self.wait_until_listed(&demo);
        // The process is listed before its loop runs.
        self.wait_until_past(&demo, 0);
        demo
    }

    /// Waits until the loop of `demo` has recorded more than `ticks` ticks.
    pub(crate) fn wait_until_past(&self, demo: &Running, ticks: u64) {
        let is_past = |report: Value| report["ticks"]["count"].as_u64() > Some(ticks);
        wait_for("ticks", || self.report(&demo.pid().to_string()).is_some_and(is_past));
    }

    /// Starts the book's echo server on a free port, and waits until its loop is listed. Returns its further output
    /// and its address.
    pub(crate) fn echo_server(&self) -> (Running, Lines<BufReader<ChildStderr>>, String) {
        let mut server = Command::new(example("loop-core", "echo"));
        server.arg("127.0.0.1:0").env("LOOPSCOPE_DIR", self.rings()).stderr(Stdio::piped());
        let mut server = Running::start(&mut server);
        let mut lines = BufReader::new(server.stderr()).lines();
        let line = lines.next().expect("it says where it listens").expect("what it says is UTF-8");
        let address = line.strip_prefix("echo on ").and_then(|line| line.split(';').next());
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        // The server listens before it has a ring.
        self.wait_until_listed(&server);
        (server, lines, address)
    }

    /// Waits until the loop of `process` is listed.
    pub(crate) fn wait_until_listed(&self, process: &Running) {
        wait_for("its loop to be listed", || {
            self.loops().iter().any(|found| found["pid"] == process.pid() && found["state"] == "running")
        });
    }

    /// Attaches to `process` until the summary satisfies `wanted`, and returns the summary.
    pub(crate) fn watch_until(
        &self,
        process: &Running,
        what: &str,
        mut wanted: impl FnMut(&Value) -> bool,
    ) -> Value {
        let (trace, summary) = (self.file("watched.looptrace"), self.file("watched.json"));
        let printed = File::create(&summary).expect("the place is ours");
        let pid = process.pid().to_string();
        let mut command = self.command(&["attach", &pid, "--json", "--record", text(&trace)]);
        let mut watching = Running::start(command.stdout(printed));
        wait_for(what, || self.report(text(&trace)).is_some_and(|saved| wanted(&saved)));
        watching.signal("INT");
        assert!(watching.wait().success(), "it was asked to end");
        let printed = std::fs::read(summary).expect("it was written");
        serde_json::from_slice(&printed).expect("a summary is JSON")
    }

    /// The current report on a process, or on a trace that is being written; `None` while it cannot be read
    /// yet.
    pub(crate) fn report(&self, of: &str) -> Option<Value> {
        let output = self.run(&["report", of, "--json"]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("a report is JSON"))
    }

    /// The output of `ps`.
    pub(crate) fn loops(&self) -> Vec<Value> {
        let listed = self.json(&["ps", "--json"]);
        listed.as_array().expect("ps --json prints a list").clone()
    }
}

/// A running process, which ends with the test.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts `command`.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self { child: command.spawn().expect("the program starts") }
    }

    /// Waits for the process to exit.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("a process can be waited for")
    }

    /// The id of the running process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process's standard error; panics if it is not piped or already taken.
    pub(crate) fn stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("standard error is piped")
    }

    /// The process's standard output; panics if it is not piped or already taken.
    pub(crate) fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("standard output is piped")
    }

    /// Sends the process a signal by name, for example `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "kill -s {name} failed");
    }

    /// Stops the process, and waits until its last thread has stopped: sending the signal does not wait for the effect.
    pub(crate) fn stop(&self) {
        self.signal("STOP");
        let pid = Pid::from_child(&self.child);
        let (_, status) =
            waitpid(Some(pid), WaitOptions::UNTRACED).expect("it is ours").expect("it is waited for");
        assert!(status.stopped(), "a stopped process, not {status:?}");
    }

    /// Kills the process, so that it cannot clean up.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a running process can be killed");
        self.child.wait().expect("a killed process can be waited for");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An example of a package, built beside the binary under test.
pub(crate) fn example(package: &str, name: &str) -> PathBuf {
    let profile = Path::new(env!("CARGO_BIN_EXE_loopscope")).parent().expect("the binary lies in a folder");
    let target = profile.parent().expect("the profile lies in the target folder");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--offline", "-p", package, "--example", name, "--target-dir"]);
    build.arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().expect("cargo runs").success(), "example {name} of {package} does not build");
    profile.join("examples").join(name)
}

/// Waits until `wanted` holds.
pub(crate) fn wait_for(what: &str, mut wanted: impl FnMut() -> bool) {
    let step = Duration::from_millis(30);
    for _ in 0..PATIENCE.as_millis() / step.as_millis() {
        if wanted() {
            return;
        }
        std::thread::sleep(step);
    }
    panic!("waited {PATIENCE:?} for {what}");
}

/// The path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}
