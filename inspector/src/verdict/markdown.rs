//! Renders a page as Markdown for a pull request: the headline, the verdicts, the gates, and other changes folded away.

use std::fmt::Write as _;

use loop_probes::text::printable;
use loop_traces::analysis::diff::Verdict;
use loop_traces::analysis::gate::Outcome;

use super::{Page, describe_gate};

/// Maximum number of changes shown without a verdict.
const CHANGES_SHOWN: usize = 20;

/// Renders the page.
#[must_use]
pub fn render(page: &Page) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    if let Some((verdict, sentence)) = &page.headline {
        let _ = writeln!(out, "{} **{}**: {}\n", sign(*verdict), verdict.name(), cell(sentence));
    }
    if !page.rows.is_empty() {
        out.push_str("| verdict | metric | base | now | change | 95% interval | p | |\n|---|---|--:|--:|--:|---|--:|---|\n");
    }
    for row in &page.rows {
        let details: Vec<String> = row.details.iter().map(|detail| cell(detail)).collect();
        let _ = writeln!(
            out,
            "| {} {} | `{}` | {} | {} | {} | {} | {} | {} |",
            sign(row.verdict),
            row.verdict.name(),
            code(&row.metric),
            row.base,
            row.candidate,
            row.change,
            row.interval,
            row.p,
            details.join("<br>")
        );
    }
    if !page.gates.is_empty() {
        let blank = if out.is_empty() { "" } else { "\n" };
        let _ =
            writeln!(out, "{blank}**{}**\n\n| gate | wanted | measured |\n|---|---|---|", page.gates_line());
    }
    for gate in &page.gates {
        let sign = match gate.outcome {
            outcome if page.fails(outcome) => "🔴",
            Outcome::Undecided => "🟡",
            _ => "🟢",
        };
        let _ = writeln!(
            out,
            "| {sign} {} | {} | {} |",
            gate.outcome.name(),
            cell(&gate.gate),
            cell(&describe_gate(gate))
        );
    }
    if !page.changes.is_empty() {
        out.push_str("\n<details><summary>What changed most, without a verdict</summary>\n\n");
        out.push_str("| metric | base | now | change |\n|---|--:|--:|--:|\n");
        for moved in page.changes.iter().take(CHANGES_SHOWN) {
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} |",
                code(&moved.metric),
                moved.base,
                moved.candidate,
                moved.change
            );
        }
        out.push_str("\n</details>\n");
    }
    for note in &page.notes {
        let _ = write!(out, "\n> {}\n", cell(note));
    }
    out
}

const fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Worse => "🔴",
        Verdict::Better => "🟢",
        Verdict::Same => "⚪",
        Verdict::Undecided => "🟡",
    }
}

/// Escapes markup and cell separators in the text of a cell.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in printable(text).chars() {
        match letter {
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '~' | '#' | '@' => {
                out.push('\\');
                out.push(letter);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            letter => out.push(letter),
        }
    }
    out
}

/// Escapes code for a cell, which a backquote or a bar would end.
fn code(text: &str) -> String {
    text.replace('`', "'").replace('|', "\\|")
}
