//! Tests of rendered pages: their wording, and that no name can break a format.

use super::*;
use crate::theme::Theme;

const TAG: &str = "<b>|`x`\u{1b}[2J & \"y\"";

fn gate(outcome: Outcome) -> Judgement {
    let json = loop_traces::analysis::gate::Gate::new(
        format!("task.{TAG}.count").parse().expect("a metric"),
        loop_traces::analysis::gate::Limit::Max(3.0),
    );
    let run =
        loop_traces::analysis::diff::Run { name: String::new(), summary: summary(outcome), metadata: None };
    json.expect("a gate").judge(&run).expect("it compares nothing")
}

/// A summary whose tag ran once, may have run more often (`Undecided`), or ran nine times (`Failed`).
fn summary(outcome: Outcome) -> loop_traces::summary::Summary {
    let source = loop_traces::synthetic::Script { ticks: 1, ..Default::default() }.source();
    let mut timeline = loop_traces::timeline::Timeline::new(Default::default());
    timeline.extend(source.events());
    let mut summary = loop_traces::summary::Summary::new(&source, &timeline);
    let tag = summary.tasks.by_tag.first_mut().expect("a task ran");
    (tag.tag, tag.count) = (TAG.to_owned(), if outcome == Outcome::Failed { 9 } else { 1 });
    summary.lost_records = if outcome == Outcome::Undecided { 9 } else { 0 };
    summary
}

#[test]
fn names_cannot_break_a_format() {
    let page = Page::of_gates(vec![gate(Outcome::Held), gate(Outcome::Undecided)], true);
    let text = text::render(&page, Theme::new(false, false), 80);
    assert!(text.starts_with("1 of 2 gates failed\nheld  "), "{text}");
    assert!(text.contains("undecided") && !text.contains('\u{1b}'), "{text:?}");
    let markdown = markdown::render(&page);
    assert!(markdown.contains("&lt;b&gt;\\|\\`x\\`\\\\u{1b}") && !markdown.contains('\u{1b}'), "{markdown}");
    let xml = junit::render(&page).expect("a vector takes everything");
    assert!(xml.contains("&lt;b&gt;|`x`\\u{1b}[2J &amp; &quot;y&quot;"), "{xml}");
    assert!(xml.contains("tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\""), "{xml}");
    let root = xml.lines().nth(1).expect("the root");
    assert!(!root.contains("skipped"), "the strictest schema has it on suites only: {root}");
    assert_eq!(page.failure().expect("strict").matches("at most 3").count(), 1);
    let lenient = Page::of_gates(vec![gate(Outcome::Undecided)], false);
    assert_eq!(lenient.failure(), None);
    assert!(lenient.warning().expect("it is open").contains("--strict"));
    let both = Page::of_gates(vec![gate(Outcome::Failed), gate(Outcome::Undecided)], false);
    assert_eq!(both.gates_line(), "1 of 2 gates failed, 1 undecided");
    assert!(both.failure().is_some() && both.warning().is_some(), "one does not hide the other");
    assert!(junit::render(&lenient).expect("a vector").contains("<skipped message="));
}

#[test]
fn a_line_names_at_most_twenty_gates() {
    let page = |strict| Page::of_gates(vec![gate(Outcome::Undecided); 25_000], strict);
    for line in [page(true).failure(), page(false).warning()] {
        let line = line.expect("all are undecided");
        assert_eq!(line.matches("at most 3").count(), 20);
        assert!(line.ends_with("; and 24,980 more"), "{line}");
    }
}

#[test]
fn a_worse_tag_is_not_reported_as_most_changed() {
    use loop_traces::analysis::diff::{Run, compare};

    let side = |factors: [f64; 2], tags: usize| -> Vec<Run> {
        let run = |by: u64| {
            let mut summary = summary(Outcome::Held);
            let template = summary.tasks.by_tag.remove(0);
            let tag = |tag: usize| {
                let mut one = template.clone();
                (one.tag, one.count) = (format!("tag {tag}"), 100);
                let ns = (10_000 + 20 * by) as f64 * factors.get(tag).unwrap_or(&1.0);
                (one.run_ns.count, one.run_ns.mean, one.run_ns.gmean) =
                    (100, Some(ns as u64), Some(ns as u64));
                one
            };
            summary.tasks.by_tag = (0..tags).map(tag).collect();
            Run { name: by.to_string(), summary, metadata: None }
        };
        (0..5).map(run).collect()
    };
    let compared = compare(&side([1.0, 1.0], 6), &side([1.3, 0.5], 6), &Default::default());
    assert!(
        sentence(&compared.primary[0]).starts_with("tag 0 runs 30% longer, tag 1 50% shorter"),
        "{compared:?}"
    );
    let details = |compared: &Comparison| row(&compared.primary[0], compared.machine_speed.is_some()).details;
    assert!(details(&compared)[0].starts_with("tag 0 is the worst of 6 tags"), "{compared:?}");
    // Fewer than four tags do not show the machine's speed.
    for (tags, says) in [(6, true), (4, true), (3, false), (2, false)] {
        let compared = compare(&side([1.0, 1.0], tags), &side([1.3, 1.0], tags), &Default::default());
        let first = &details(&compared)[0];
        assert!(first.starts_with(&format!("tag 0 changed most of {tags} tags")), "{first}");
        assert_eq!(first.ends_with("; the machine's speed is taken out"), says, "{first}");
    }
}
