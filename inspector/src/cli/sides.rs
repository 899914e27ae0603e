//! The `--` of `diff`: it separates the two sides, and options may stand before, between and after them.
//!
//! To clap, as to every program, `--` ends the options, and `DiffArgs` declares it that way for help and completions.
//! No setting of clap allows options behind its `--`. When a command line is read, the `--` that separates the sides is replaced with a word that no shell can write and
//! that ends the base; clap does the rest.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, Error};
use loop_probes::text::printable;

/// The verb that has two sides.
const VERB: &str = "diff";

/// The separator, as written.
const WRITTEN: &str = "--";

/// The separator passed to clap: program arguments never contain a NUL.
const READ: &str = "\0--";

/// The usage hint.
const USAGE: &str = "write loopscope diff BASE… -- CANDIDATE…";

/// Matches a command line; the first word is the program.
///
/// # Errors
///
/// Clap's error, or the one it would give if it knew of the two sides.
pub(super) fn matches(command: &Command, mut words: Vec<OsString>) -> Result<ArgMatches, Error> {
    let Some(verb) = verb(command, &words).filter(|at| words[*at] == VERB) else {
        return command.clone().try_get_matches_from(words);
    };
    let separators = separators(command, &words, verb);
    if separators.len() > 1 {
        let message = format!("there are two sides to compare, so there is one {WRITTEN}: {USAGE}\n");
        return Err(Error::raw(ErrorKind::TooManyValues, message));
    }
    separators.iter().for_each(|at| words[*at] = READ.into());
    let command = command.clone().mut_subcommand(VERB, |diff| {
        // The order matters: an argument that is changed becomes the last one.
        let diff = diff.mut_arg("base", |base| base.value_terminator(READ));
        let diff = diff.mut_arg("candidate", |candidate| candidate.last(false));
        diff.override_usage("loopscope diff [OPTIONS] <BASE>... -- <CANDIDATE>...")
    });
    command.try_get_matches_from(words).map_err(|error| explained(error, !separators.is_empty()))
}

/// The index of the verb, after the global options.
fn verb(command: &Command, words: &[OsString]) -> Option<usize> {
    let mut at = 1;
    while is_option(words.get(at)?) {
        at += if takes_next(command.get_arguments(), &words[at]) { 2 } else { 1 };
    }
    Some(at)
}

/// The indices of each `--` after the verb, except those that are the value of an option.
fn separators(command: &Command, words: &[OsString], verb: usize) -> Vec<usize> {
    let of_verb = command.find_subcommand(VERB).into_iter().flat_map(Command::get_arguments);
    let options: Vec<&Arg> = command.get_arguments().chain(of_verb).collect();
    let is_value = |at: usize| takes_next(options.iter().copied(), &words[at - 1]);
    (verb + 1..words.len()).filter(|at| words[*at] == WRITTEN && !is_value(*at)).collect()
}

fn is_option(word: &OsStr) -> bool {
    word.len() > 1 && word.as_encoded_bytes().starts_with(b"-")
}

/// Whether `word` is one of `options` whose value is the next word.
fn takes_next<'a>(mut options: impl Iterator<Item = &'a Arg>, word: &OsStr) -> bool {
    let Some(long) = word.to_str().and_then(|word| word.strip_prefix("--")) else { return false };
    options.any(|option| {
        option.get_long() == Some(long) && matches!(option.get_action(), ArgAction::Set | ArgAction::Append)
    })
}

/// Rewrites an error of `diff` whose wording by clap would mislead.
fn explained(mut error: Error, is_separated: bool) -> Error {
    let about = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => word.clone(),
        Some(ContextValue::Strings(words)) => words.join(" "),
        _ => String::new(),
    };
    let missing = about(ContextKind::InvalidArg);
    let one_line = |message: &str| Error::raw(error.kind(), format!("{message}: {USAGE}\n"));
    match (error.kind(), is_separated) {
        (ErrorKind::MissingRequiredArgument, true) if missing.contains("<BASE>") => {
            one_line("there is nothing before --")
        }
        (ErrorKind::MissingRequiredArgument, false) if missing.contains("<BASE>") => {
            one_line("there is nothing to compare")
        }
        (ErrorKind::MissingRequiredArgument, true) if missing.contains("<CANDIDATE>") => {
            one_line("there is nothing behind --")
        }
        (ErrorKind::MissingRequiredArgument, false) if missing.contains("<CANDIDATE>") => {
            one_line("there is no -- between the two sides")
        }
        (ErrorKind::UnknownArgument, _) => {
            // Clap suggests putting it after a `--`, which is wrong here.
            error.remove(ContextKind::Suggested);
            if error.get(ContextKind::SuggestedArg).is_none() {
                let tip = format!("where it is a file, write ./{}", printable(&missing));
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
            }
            error
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests;
