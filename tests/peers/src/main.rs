//! loop-core beside what its users would pick instead, all of them in one run.
//!
//! ```sh
//! cargo run --release --manifest-path tests/peers/Cargo.toml > docs/src/peers.md   # all parts: the page
//! cargo run --release --manifest-path tests/peers/Cargo.toml -- timers --quick     # one part, short
//! ```
//!
//! It prints the page itself, so no figure on it was typed by hand. One file a part, one function a subject; what
//! they share is `measure.rs` (rounds, medians, ratios), `table.rs` (what is printed), `os.rs` and `uv.rs` (the
//! floors and libuv) and `traced.rs` (counting system calls). A package of its own, outside of the workspace:
//! nobody compiles tokio to test loopscope.

mod measure;
mod os;
mod page;
mod peers;
mod table;
mod tasks;
mod timers;
mod uv;

use std::process::ExitCode;

use anyhow::{Result, bail};

use measure::Effort;
use table::Report;

type Part = fn(Effort, &mut Report) -> Result<()>;

const PARTS: [(&str, Part); 2] = [
    ("tasks", tasks::run),
    ("timers", timers::run),
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

fn run() -> Result<()> {
    let mut effort = Effort { quick: false };
    let mut only = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => effort.quick = true,
            // `cargo bench` says so.
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
