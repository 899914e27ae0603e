//! Renders a page as JUnit XML: a test case for each metric with a verdict, and for each gate.
//!
//! Gates fail; a verdict alone does not, just as it does not affect the exit code: `worse` only appears in the output
//! of the case. Undecided cases are skipped. The dialect is the one that Jenkins, GitLab and the GitHub actions read:
//! `testsuites`, `testsuite` with its counts, `testcase` with `failure` or `skipped`. `quick-junit` would also write
//! `skipped` at `testsuites`, which the schema of Jenkins' xUnit plugin does not allow.

use std::io;

use loop_traces::analysis::diff::Verdict;
use loop_traces::analysis::gate::Outcome;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{Page, describe_gate};

/// A test case and its result.
struct Case {
    name: String,
    end: End,
    said: String,
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Passed,
    Failed,
    Skipped,
}

/// Renders the page.
///
/// # Errors
///
/// Not in practice, because it writes to a vector.
pub fn render(page: &Page) -> io::Result<String> {
    let suites = [("verdicts", verdicts(page)), ("gates", gates(page))];
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all = || suites.iter().flat_map(|(_, cases)| cases);
    let root = writer.create_element("testsuites").with_attribute(("name", "loopscope"));
    // The schema of Jenkins' xUnit plugin has no `skipped` attribute here.
    let counted = counts(all());
    let known = counted.iter().filter(|(name, _)| *name != "skipped");
    let root = root.with_attributes(known.map(|(name, count)| (*name, count.as_str())));
    root.write_inner_content(|writer| {
        for (name, cases) in suites.iter().filter(|(_, cases)| !cases.is_empty()) {
            let suite = writer.create_element("testsuite").with_attribute(("name", *name));
            let suite = suite
                .with_attributes(counts(cases.iter()).iter().map(|(name, count)| (*name, count.as_str())));
            suite
                .write_inner_content(|writer| cases.iter().try_for_each(|case| write(writer, name, case)))?;
        }
        Ok(())
    })?;
    let mut xml = String::from_utf8(writer.into_inner()).map_err(io::Error::other)?;
    xml.push('\n');
    Ok(xml)
}

fn counts<'a>(cases: impl Iterator<Item = &'a Case>) -> [(&'static str, String); 4] {
    let ends: Vec<End> = cases.map(|case| case.end).collect();
    let of = |end| ends.iter().filter(|found| **found == end).count().to_string();
    [
        ("tests", ends.len().to_string()),
        ("failures", of(End::Failed)),
        ("errors", "0".to_owned()),
        ("skipped", of(End::Skipped)),
    ]
}

fn write(writer: &mut Writer<Vec<u8>>, suite: &str, case: &Case) -> io::Result<()> {
    let class = format!("loopscope.{suite}");
    let element = writer.create_element("testcase").with_attribute(("name", case.name.as_str()));
    let element = element.with_attribute(("classname", class.as_str())).with_attribute(("time", "0"));
    element.write_inner_content(|writer| {
        let (said, text) = (("message", case.said.as_str()), BytesText::new(&case.said));
        match case.end {
            End::Passed => writer.create_element("system-out").write_text_content(text),
            End::Failed => {
                let failure = writer.create_element("failure").with_attribute(said);
                failure.with_attribute(("type", "gate")).write_text_content(text)
            }
            End::Skipped => writer.create_element("skipped").with_attribute(said).write_empty(),
        }?;
        Ok(())
    })?;
    Ok(())
}

fn verdicts(page: &Page) -> Vec<Case> {
    let case = |row: &super::Row| {
        let mut said = vec![format!(
            "{}: {} to {}, {} ({})",
            row.verdict.name(),
            row.base,
            row.candidate,
            row.change,
            row.interval
        )];
        said.extend(row.details.iter().cloned());
        let said = said.join("; ");
        let end = if row.verdict == Verdict::Undecided { End::Skipped } else { End::Passed };
        Case { name: row.metric.clone(), end, said }
    };
    page.rows.iter().map(case).collect()
}

fn gates(page: &Page) -> Vec<Case> {
    let cases = page.gates.iter().map(|gate| {
        let end = match gate.outcome {
            outcome if page.fails(outcome) => End::Failed,
            Outcome::Undecided => End::Skipped,
            _ => End::Passed,
        };
        Case { name: loop_probes::text::printable(&gate.gate), end, said: describe_gate(gate) }
    });
    cases.collect()
}
