//! Measures the cost of recording for a saturated loop: runs the demo under `--load max` with its ring and
//! without, in interleaved pairs, so that a change in the machine's speed affects both sides.
//!
//! ```text
//! cargo bench -p loopscope --bench recorder_cost [-- PAIRS SECONDS]
//! ```

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::process::Command;

use serde_json::Value;

fn answered_per_s(arguments: &[&str], seconds: &str) -> f64 {
    let output = Command::new(env!("CARGO_BIN_EXE_loopscope"))
        .args(["demo", "--load", "max", "--json", "--duration", seconds])
        .args(arguments)
        .env("LOOPSCOPE_CONFIG", "/dev/null")
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).expect("the summary is JSON");
    summary["workload"]["answered_per_s"].as_f64().expect("a rate")
}

fn main() {
    let numbers: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let pairs: usize = numbers.first().map_or(12, |pairs| pairs.parse().expect("PAIRS is a number"));
    let seconds = format!("{}s", numbers.get(1).map_or("3", String::as_str));
    let mut costs = Vec::with_capacity(pairs);
    println!("{:>4}  {:>14}  {:>14}  {:>8}", "pair", "with ring /s", "without /s", "cost");
    for pair in 0..pairs {
        // The order within the pair alternates.
        let (with, without) = if pair % 2 == 0 {
            let with = answered_per_s(&[], &seconds);
            (with, answered_per_s(&["--no-ring"], &seconds))
        } else {
            let without = answered_per_s(&["--no-ring"], &seconds);
            (answered_per_s(&[], &seconds), without)
        };
        let cost = 1.0 - with / without;
        println!("{:>4}  {with:>14.0}  {without:>14.0}  {:>7.1}%", pair + 1, cost * 100.0);
        costs.push(cost);
    }
    costs.sort_by(f64::total_cmp);
    let (least, most) = (costs[0] * 100.0, costs[pairs - 1] * 100.0);
    println!("cost of recording: median {:.1}% (from {least:.1}% to {most:.1}%)", costs[pairs / 2] * 100.0);
}
