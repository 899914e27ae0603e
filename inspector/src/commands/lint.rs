//! `loopscope lint`: reports how viewers read a Chrome trace, with one line per finding and a table of rules.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use loop_traces::cells::table::{Column, Table};
use loop_traces::chrome::lint::{Effect, Finding, LintReport, RULES, Rule, Viewer, lint};
use serde_json::{Value, json};

use crate::cli::LintArgs;
use crate::io::exit::CommandError;
use crate::io::input::{STDIN, open_file, shown};
use crate::io::stdout;
use crate::text::{row, wrap};
use crate::units;

/// Findings printed per rule without `--all`.
const PRINTED_MAX: u64 = 5;

pub(super) fn run(args: &LintArgs) -> Result<(), CommandError> {
    let name = shown(&args.input);
    let unreadable = |error| CommandError::Input(format!("cannot read {name}: {error}"));
    let input: Box<dyn Read> = if args.input == Path::new(STDIN) {
        Box::new(io::stdin().lock())
    } else {
        Box::new(open_file(&args.input).map_err(unreadable)?)
    };
    let viewers: Vec<Viewer> = if args.viewer.is_empty() {
        Viewer::ALL.to_vec()
    } else {
        args.viewer.iter().map(|viewer| Viewer::from(*viewer)).collect()
    };
    let out = BufWriter::new(stdout::lock()?);
    let mut page = Page {
        out,
        name: &name,
        viewers,
        json: args.json,
        counts: HashMap::new(),
        width: stdout::width(),
        kept: Vec::new(),
        begun: false,
    };
    let mut written = Ok(());
    let report = lint(input, |finding| {
        if written.is_ok() {
            written = page.take(finding, args.all);
        }
    })
    .map_err(|error| CommandError::Input(format!("{name} {error}")))?;
    let written = written.and_then(|()| page.finish(&report)).and_then(|()| page.out.flush());
    stdout::settle(written)?;
    let losers = page.losers();
    if losers.is_empty() {
        return Ok(());
    }
    let verb = if losers.len() == 1 { "loses" } else { "lose" };
    let names: Vec<&str> = losers.iter().map(|viewer| viewer.name()).collect();
    Err(CommandError::Check(format!("{} {verb} something of {name}", names.join(", "))))
}

struct Page<'a, W> {
    out: W,
    name: &'a str,
    viewers: Vec<Viewer>,
    json: bool,
    counts: HashMap<&'static str, u64>,
    /// The width of the table and of the text after it.
    width: usize,
    /// Findings to print at the end.
    kept: Vec<Finding>,
    begun: bool,
}

impl<W: Write> Page<'_, W> {
    fn take(&mut self, finding: Finding, all: bool) -> io::Result<()> {
        if self.worst(finding.rule) == Effect::Fine {
            return Ok(());
        }
        let count = self.counts.entry(finding.rule.id).or_default();
        *count += 1;
        if all {
            // Not kept, because a file can have more findings than fit into memory.
            return self.print(&finding);
        }
        if *count <= PRINTED_MAX {
            self.kept.push(finding);
        }
        Ok(())
    }

    fn worst(&self, rule: &Rule) -> Effect {
        self.viewers.iter().map(|viewer| rule.effect(*viewer)).max().unwrap_or(Effect::Fine)
    }

    fn print(&mut self, finding: &Finding) -> io::Result<()> {
        let Finding { rule, place, detail } = finding;
        if self.json {
            write!(self.out, "{}", if self.begun { ",\n  " } else { "{\"findings\":[\n  " })?;
            self.begun = true;
            let line = json!({
                "rule": rule.id, "line": place.line, "byte": place.offset, "what": rule.what, "detail": detail,
                "effects": self.effects(rule),
            });
            return write!(self.out, "{line}");
        }
        let more = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        writeln!(
            self.out,
            "{}:{}:{} {} {}: {}{more}",
            self.name,
            place.line,
            place.offset,
            rule.id,
            self.affected_by(rule),
            rule.what
        )
    }

    /// Names the viewers that lose something if this rule is broken, or those that only warn if none loses anything.
    fn affected_by(&self, rule: &Rule) -> String {
        let loses = |viewer: &&Viewer| rule.effect(**viewer).loses();
        let minds = |viewer: &&Viewer| rule.effect(**viewer) != Effect::Fine;
        let names = |chosen: Vec<&Viewer>| chosen.iter().map(|it| it.name()).collect::<Vec<_>>().join(",");
        let losers: Vec<&Viewer> = self.viewers.iter().filter(loses).collect();
        if losers.is_empty() {
            return format!("{} (warning)", names(self.viewers.iter().filter(minds).collect()));
        }
        names(losers)
    }

    fn effects(&self, rule: &Rule) -> Value {
        let affected_by = self.viewers.iter().filter(|viewer| rule.effect(**viewer) != Effect::Fine);
        affected_by
            .map(|viewer| (viewer.name().to_owned(), json!(rule.effect(*viewer))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    fn broken(&self) -> impl Iterator<Item = (&'static Rule, u64)> + '_ {
        RULES.iter().filter_map(|rule| self.counts.get(rule.id).map(|count| (rule, *count)))
    }

    fn losers(&self) -> Vec<Viewer> {
        let loses = |viewer: &Viewer| self.broken().any(|(rule, _)| rule.effect(*viewer).loses());
        self.viewers.iter().copied().filter(loses).collect()
    }

    fn finish(&mut self, report: &LintReport) -> io::Result<()> {
        let mut kept = std::mem::take(&mut self.kept);
        kept.sort_by_key(|finding| (finding.place.offset, finding.rule.id));
        for finding in &kept {
            self.print(finding)?;
        }
        if self.json {
            return self.end_json(report);
        }
        let mut text = String::new();
        let events = units::counted(report.events, "event", "events");
        if self.counts.is_empty() {
            let _ = writeln!(text, "{}: {events}, no issues", self.name);
        } else {
            self.table(&mut text);
        }
        self.notes(report, &mut text);
        self.out.write_all(text.as_bytes())
    }

    fn table(&self, text: &mut String) {
        let viewers = self.viewers.iter().map(|viewer| Column::text(viewer.name(), 12));
        let heads = [Column::text("rule", 0), Column::figure("found", 11)];
        let mut table = Table::new(heads.into_iter().chain(viewers));
        for (rule, count) in self.broken() {
            let effects = self.viewers.iter().map(|viewer| rule.effect(*viewer).word().to_owned());
            table.row([rule.id.to_owned(), units::count(count)].into_iter().chain(effects));
        }
        text.push('\n');
        table.fit(self.width).write(text);
        let width = self.broken().map(|(rule, _)| rule.id.len()).max().unwrap_or(0);
        text.push_str("\nfixes:\n");
        for (rule, _) in self.broken() {
            let _ = writeln!(text, "{}", row(&format!("  {:<width$}  ", rule.id), rule.fix, self.width));
        }
    }

    fn notes(&self, report: &LintReport, text: &mut String) {
        let mut note = |viewer: Viewer, count: u64, what: &str| {
            if count > 0 && self.viewers.contains(&viewer) {
                let count = units::counted(count, "event", "events");
                let line = format!("{} does not show {count}: {what}", viewer.name());
                let _ = writeln!(text, "{}", wrap(&line, self.width, 0));
            }
        };
        note(Viewer::Speedscope, report.not_in_speedscope, "it reads only slices (X, B, E)");
        note(Viewer::Firefox, report.not_in_firefox, "it reads neither counters nor flows");
        if report.unchecked > 0 {
            let count = units::counted(report.unchecked, "event was", "events were");
            let line =
                format!("{count} not checked: too many at the same time, too large, or too late in the file");
            let _ = writeln!(text, "{}", wrap(&line, self.width, 0));
        }
    }

    fn end_json(&mut self, report: &LintReport) -> io::Result<()> {
        let rules: Vec<Value> = self
            .broken()
            .map(|(rule, count)| {
                let (what, fix) = (rule.what, rule.fix);
                json!({"rule": rule.id, "count": count, "what": what, "fix": fix, "effects": self.effects(rule)})
            })
            .collect();
        let viewers: Vec<&str> = self.viewers.iter().map(|viewer| viewer.name()).collect();
        let losers: Vec<&str> = self.losers().iter().map(|viewer| viewer.name()).collect();
        let rest = json!({
            "file": self.name, "events": report.events, "bytes": report.bytes, "unchecked": report.unchecked,
            "not_in_speedscope": report.not_in_speedscope, "not_in_firefox": report.not_in_firefox,
            "rules": rules, "viewers": viewers, "losing": losers,
        })
        .to_string();
        write!(self.out, "{}],\n{}\n", if self.begun { "\n" } else { "{\"findings\":[" }, &rest[1..])
    }
}
