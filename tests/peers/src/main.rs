//! Compares loop-core with the alternatives that its users would choose, all in one run.
//!
//! ```sh
//! cargo run --release --manifest-path tests/peers/Cargo.toml > docs/src/peers.md   # all parts: the page
//! cargo run --release --manifest-path tests/peers/Cargo.toml -- timers --quick     # one part, short
//! ```
//!
//! It prints the page itself, so no figure on it is typed by hand. Each part has a file and each subject a
//! function; shared are `measure.rs` (rounds, medians, ratios), `table.rs` (output), `os.rs` and `uv.rs` (the
//! floors and libuv) and `traced.rs` (counting system calls). This is a package outside of the workspace, so that
//! testing loopscope does not compile tokio.

mod idle;
mod lag;
mod measure;
mod os;
mod page;
mod peers;
mod posts;
mod spans;
mod table;
mod tasks;
mod timers;
mod traced;
mod uv;
mod wake;

use std::process::ExitCode;

use anyhow::{Result, bail};

use measure::Effort;
use table::Report;

type Part = fn(Effort, &mut Report) -> Result<()>;

const PARTS: [(&str, Part); 7] = [
    ("tasks", tasks::run),
    ("timers", timers::run),
    ("wake", wake::run),
    ("posts", posts::run),
    ("lag", lag::run),
    ("idle", idle::run),
    ("spans", spans::run),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            page::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// What this program does when one of its parts starts it again as a separate process.
fn second_run(words: &[String]) -> Result<()> {
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["coalesced", name] => wake::coalesced(name),
        ["idle", name, delay_ms] => {
            page::answer(idle::wait(name, delay_ms)?);
            Ok(())
        }
        _ => bail!("a second run is for this program alone"),
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((first, words)) = arguments.split_first()
        && first == traced::SECOND_RUN
    {
        return second_run(words);
    }
    let mut effort = Effort { quick: false };
    let mut only = Vec::new();
    for argument in arguments {
        match argument.as_str() {
            "--quick" => effort.quick = true,
            // `cargo bench` passes it.
            "--bench" => {}
            name if PARTS.iter().any(|(part, _)| *part == name) => only.push(argument),
            other => {
                let parts: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
                bail!("{other} is no part: take some of {}, and --quick", parts.join(", "));
            }
        }
    }
    let mut report = Report::default();
    for (name, part) in PARTS {
        if only.is_empty() || only.iter().any(|wanted| wanted == name) {
            page::say(&format!("{name} …"));
            part(effort, &mut report)?;
        }
    }
    page::print(effort, only.is_empty(), &report);
    Ok(())
}
