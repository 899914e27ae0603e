//! `loopscope man` and `loopscope completions`: the manual pages, and scripts for shells.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_mangen::Man;
use loop_probes::text::printable;
use loop_traces::suggest::nearest;

use crate::cli::Cli;
use crate::io::exit::CommandError;
use crate::io::stdout;

/// Prints the manual page of a verb, or that of loopscope, which lists the verbs.
pub(super) fn run(verb: Option<&str>) -> Result<(), CommandError> {
    let mut all = Cli::command();
    // Computes the full names of the verbs (`loopscope-report`), which the pages use.
    all.build();
    let command = match verb {
        None => all,
        Some(verb) => all.find_subcommand(verb).cloned().ok_or_else(|| {
            let verbs = all.get_subcommands().map(|command| command.get_name().to_owned());
            let near = nearest(verb, verbs).join(", ");
            CommandError::Usage(format!("there is no command \"{}\"; did you mean {near}", printable(verb)))
        })?,
    };
    let page = page(command);
    let page =
        page.map_err(|error| CommandError::Input(format!("cannot render the manual page: {error}")))?;
    stdout::print(&String::from_utf8_lossy(&page))
}

/// Prints a completion script.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "loopscope", &mut script);
    stdout::print(&String::from_utf8_lossy(&script))
}

/// Renders a page. Its synopsis is the usage line of the help: the default synopsis would repeat the list of options.
fn page(mut command: clap::Command) -> io::Result<Vec<u8>> {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").replace('\\', "\\e").replace('-', "\\-");
    let (has_verbs, has_more) = (command.has_subcommands(), command.get_after_help().is_some());
    let man = Man::new(command).source(concat!("loopscope ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    write!(page, ".SH SYNOPSIS\n{usage}\n")?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_verbs {
        man.render_subcommands_section(&mut page)?;
    }
    if has_more {
        man.render_extra_section(&mut page)?;
    }
    man.render_version_section(&mut page)?;
    Ok(page)
}
