//! A mistake on the command line, in one line: clap's message, its tips, and the usage.

/// The error of a command line without line breaks. Ends with the usage, or with how to get it.
#[must_use]
pub fn one_line(error: &clap::Error) -> String {
    let rendered = error.render().to_string();
    let mut line = String::new();
    let mut usage = None;
    for part in rendered.lines().map(str::trim).filter(|part| !part.is_empty()) {
        let part = part.strip_prefix("error: ").unwrap_or(part);
        if let Some(found) = part.strip_prefix("Usage: ") {
            usage = Some(found);
        } else if !part.starts_with("For more information") {
            let separator = match part {
                _ if line.is_empty() => "",
                _ if line.ends_with(':') || part.starts_with('[') => " ",
                // A list of arguments.
                _ if part.starts_with(['-', '<']) => ", ",
                _ => "; ",
            };
            line = line + separator + part;
        }
    }
    match usage {
        Some(usage) => format!("{line}; usage: {usage}"),
        None => format!("{line}; --help shows the usage"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cli;
    use super::one_line;

    #[track_caller]
    fn assert_said(words: &[&str], expected: &str) {
        let words = std::iter::once("loopscope").chain(words.iter().copied()).map(Into::into);
        assert_eq!(one_line(&Cli::read(words).unwrap_err()), expected);
    }

    #[test]
    fn each_mistake_is_one_line_with_its_way_out() {
        assert_said(
            &["demo", "--seed", "seven"],
            "invalid value 'seven' for '--seed <N>': invalid digit found in string; --help shows the usage",
        );
        assert_said(
            &["report", "a", "--format", "gif"],
            "invalid value 'gif' for '--format <FORMAT>' [possible values: text, json, junit, markdown]; --help shows \
             the usage",
        );
        assert_said(
            &["export"],
            "the following required arguments were not provided: --output <OUT>, <FILE|RING>; usage: loopscope export \
             --output <OUT> <FILE|RING>",
        );
        assert_said(
            &["report", "a", "--formt", "json"],
            "unexpected argument '--formt' found; tip: a similar argument exists: '--format'; usage: loopscope report \
             --format <FORMAT> <FILE|RING>",
        );
        assert_said(
            &["diff", "a", "--", "b", "--", "c"],
            "more than one --: write the runs as BASE... -- CANDIDATE...; --help shows the usage",
        );
    }
}
