//! The page around the tables: the machine, the versions, the command.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints its figures")]

use crate::measure::Effort;
use crate::peers;
use crate::table::{Report, wrapped};

const COMMAND: &str = "cargo run --release --manifest-path tests/peers/Cargo.toml";

/// Reports progress on the terminal.
pub(crate) fn say(what: &str) {
    eprintln!("{what}");
}

/// Passes a second run's result to the first.
pub(crate) fn answer(number: u64) {
    println!("{number}");
}

/// Prints the page, or some of its sections.
pub(crate) fn print(effort: Effort, whole: bool, report: &Report) {
    if whole {
        println!("# Comparison with other libraries\n");
        println!("<!-- Written by the command below: change `tests/peers`, not this file. -->\n");
        println!("```sh\n{COMMAND} > docs/src/peers.md\n```\n");
        let method = "`loop-core` and the usual alternatives, measured in one run. Samples of all subjects are \
            interleaved; a figure is the median of its samples, a ratio the median of the ratios per round. On a \
            shared machine the figures drift by more than most of the differences, so read the ratios. Ours are in \
            bold.";
        println!("{}\n", wrapped(method));
        println!("{}", wrapped(&format!("Machine: {}. Versions: {}.", machine(), peers::versions())));
    }
    if effort.quick {
        println!("\n**A quick run: too few rounds to quote.**");
    }
    println!("{}", report.to_string().trim_end());
}

fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let virtual_machine = if cpus.contains(" hypervisor ") { ", virtual" } else { "" };
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // Without the suffix added by a distribution or a host.
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    format!("{model}, {cores} cores{virtual_machine}, Linux {kernel}")
}
