//! Tests GLib's main context, pumped by a loop of ours in another process: the pumps and the active handles are visible
//! from outside.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::program::{Place, Running, example, wait_for};
use serde_json::Value;

/// The exit code of the example if GLib is missing.
const MISSING: i32 = 2;

#[test]
fn pumps_and_active_handles_are_shown() {
    let place = Place::new();
    let mut pump = Command::new(example("loop-core", "pump"));
    pump.env("LOOPSCOPE_DIR", place.rings()).stderr(Stdio::piped());
    let mut pump = Running::start(&mut pump);
    let line = BufReader::new(pump.stderr()).lines().next().unwrap().unwrap();
    if !line.starts_with("process ") {
        assert!(line.contains("cannot find GLib") && line.contains("install it"), "{line}");
        assert_eq!(pump.wait().code(), Some(MISSING));
        return;
    }
    let pid = pump.pid().to_string();
    let mut report = Value::Null;
    wait_for("pumps of both kinds", || {
        report = place.json(&["report", &pid, "--json"]);
        let [count, ready] = ["count", "ready"].map(|field| report["pumps"][field].as_u64().unwrap_or(0));
        // Pumps for a ready descriptor, and pumps for GLib's own timer.
        ready > 0 && count > ready
    });
    let held = report["keep_alive"].as_array().unwrap();
    let holds = |what: &str, name: &str| held.iter().any(|held| held["what"] == what && held["name"] == name);
    assert!(holds("handle", "GLib") && holds("timer", "ours"), "{held:?}");
    pump.signal("TERM");
    assert!(pump.wait().success());
}
