//! Measures what a loop does while it has nothing to do until a timer is due: system calls and processor time.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use loop_probes::clock::monotonic_now;

use crate::lag::{KINDS, OURS, alarm};
use crate::measure::Effort;
use crate::os::{cpu_time_ns, marker};
use crate::table::{Report, Section, Target, figure};
use crate::traced::{self, SECOND_RUN, by_name};
use crate::{peers, uv};

pub(crate) fn run(effort: Effort, report: &mut Report) -> Result<()> {
    let delay = Duration::from_millis(if effort.quick { 250 } else { 1_000 });
    let delay_ms = delay.as_millis().to_string();
    let text = format!(
        "Each loop in a process of its own, from arming a timer of {delay_ms} ms until its callback, after one \
         timer as a warm-up: system calls of all threads (counted with ptrace), those of them made *while it \
         waits*, that is without the first and the last tenth of that time; and processor time of another run, \
         without ptrace."
    );
    let head = ["", "calls", "while it waits", "processor time, µs", "which calls"];
    let mut section = Section::new("A loop that waits", text, &head);
    for (name, make) in KINDS {
        if make()?.is_none() {
            continue;
        }
        let calls = traced::run(&["idle", name, &delay_ms]);
        let inside = calls.as_ref().map_or(f64::NAN, |calls| {
            let (Some(first), Some(last)) = (calls.first(), calls.last()) else { return 0.0 };
            let margin_ns = delay.as_nanos() as u64 / 10;
            let awake = |at| first.at.plus_ns(margin_ns) < at && at.plus_ns(margin_ns) < last.at;
            calls.iter().filter(|call| awake(call.at)).count() as f64
        });
        let count =
            calls.as_ref().map_or_else(|error| format!("– ({error:#})"), |calls| calls.len().to_string());
        let names = calls.map_or_else(|_| String::new(), |calls| by_name(&calls));
        let inside_cell = if inside.is_nan() { "–".to_owned() } else { inside.to_string() };
        section.row(name, [count, inside_cell, figure(processor_ns(name, &delay_ms)? / 1e3), names]);
        if name == OURS {
            let what = "system calls of a loop that waits, until its deadline";
            report.targets.push(Target::at_most(0.0, " calls", what, inside));
        }
    }
    if uv::version().is_none() {
        section.note(peers::NO_LIBUV);
    }
    report.sections.push(section);
    Ok(())
}

/// The processor time of one wait, measured in a separate process.
fn processor_ns(name: &str, delay_ms: &str) -> Result<f64> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([SECOND_RUN, "idle", name, delay_ms]).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output()?;
    ensure!(output.status.success(), "the process that waits failed");
    let text = String::from_utf8(output.stdout)?;
    text.trim().parse().with_context(|| format!("the process that waits said {text:?}"))
}

/// Runs in the separate process: waits between two marks, and returns the processor time of the wait.
pub(crate) fn wait(name: &str, delay_ms: &str) -> Result<u64> {
    let delay = Duration::from_millis(delay_ms.parse()?);
    let mut alarm = alarm(name)?.ok_or_else(|| anyhow!("{name} is missing"))?;
    alarm.ring(Duration::from_millis(10))?;
    let start = monotonic_now();
    let before_ns = cpu_time_ns();
    marker();
    alarm.ring(delay)?;
    marker();
    let spent_ns = cpu_time_ns() - before_ns;
    // libuv starts from its own, rounded clock.
    ensure!(monotonic_now().ns_since(start) + 1_000_000 >= delay.as_nanos() as u64, "{name} woke early");
    Ok(spent_ns)
}
