//! The answer as a page: before, after, change; what changed most; what was assumed.
//!
//! Green is better and red is worse, where one of the two is; without colour a word says it.

use loop_traces::units::{count, duration, percent};
use ratatui::style::Style;

use crate::rerun::what_if::{Answer, Changed, Changes, Kind, Side};
use crate::text::{self, cut, fill, line, wrap};
use crate::theme::Theme;

/// Changes below this share are noise of the model itself.
const SAME: f64 = 0.02;

/// Columns of a name.
const NAME: usize = 26;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    Less,
    /// Neither: it only tells how much happened.
    Neither,
}

struct Row {
    name: String,
    before: f64,
    after: f64,
    show: fn(f64) -> String,
    better: Better,
}

struct Page {
    out: String,
    theme: Theme,
    columns: usize,
    /// Nothing was changed: nothing is better or worse.
    is_identity: bool,
}

/// The page, for a screen of `columns`.
pub(super) fn render(answer: &Answer, changes: &Changes, theme: Theme, columns: usize) -> String {
    let mut page = Page { out: String::new(), theme, columns, is_identity: changes.is_identity() };
    page.head(answer, changes);
    page.rows(&rows(&answer.before, &answer.after));
    page.changed(&answer.changed);
    page.assumptions(&answer.assumptions);
    text::finish(page.out, theme)
}

fn ns(value: f64) -> String {
    duration(value as u64)
}

fn whole(value: f64) -> String {
    count(value as u64)
}

fn rows(before: &Side, after: &Side) -> Vec<Row> {
    let (b, a) = (&before.summary, &after.summary);
    let row = |name: &str, before: u64, after: u64, show, better| Row {
        name: name.to_owned(),
        before: before as f64,
        after: after as f64,
        show,
        better,
    };
    let (lag, run) = ((b.timers.lag_ns, a.timers.lag_ns), (b.ticks.run_ns, a.ticks.run_ns));
    let limit = duration(b.ticks.stall_limit_ns);
    vec![
        row("timer lag      p50", lag.0.p50, lag.1.p50, ns, Better::Less),
        row("               p90", lag.0.p90, lag.1.p90, ns, Better::Less),
        row("               p99", lag.0.p99, lag.1.p99, ns, Better::Less),
        row("               max", lag.0.max, lag.1.max, ns, Better::Less),
        row("tick run       p99", run.0.p99, run.1.p99, ns, Better::Less),
        row("               max", run.0.max, run.1.max, ns, Better::Less),
        row(&format!("stalls over {limit}"), b.ticks.stalls, a.ticks.stalls, whole, Better::Less),
        row("queue wait     p99", before.queue_wait_ns_p99, after.queue_wait_ns_p99, ns, Better::Less),
        row("queue depth    max", before.queue_depth_max, after.queue_depth_max, whole, Better::Less),
        Row {
            name: "utilization".to_owned(),
            before: b.ticks.utilization,
            after: a.ticks.utilization,
            show: percent,
            better: Better::Neither,
        },
        row("ticks", b.ticks.count, a.ticks.count, whole, Better::Neither),
        row("tasks run", b.tasks.count, a.tasks.count, whole, Better::Neither),
        row("timers fired", b.timers.fired, a.timers.fired, whole, Better::Neither),
        row("GC runs", b.gc.run_ns.count, a.gc.run_ns.count, whole, Better::Neither),
        row("span", b.span_ns, a.span_ns, ns, Better::Neither),
    ]
}

/// A change, and whether it is one.
fn change(before: f64, after: f64) -> (String, bool) {
    let is_same = (after - before).abs() <= before.abs() * SAME;
    let told = match (before, after) {
        _ if is_same => "=".to_owned(),
        (0.0, _) => "new".to_owned(),
        (_, 0.0) => "gone".to_owned(),
        _ if after / before >= 3.0 => format!("×{:.1}", after / before),
        _ if before / after >= 3.0 => format!("÷{:.1}", before / after),
        _ => format!("{:+.0}%", (after / before - 1.0) * 100.0),
    };
    (told, !is_same)
}

impl Page {
    fn paint(&self, style: Style, text: &str) -> String {
        text::paint(self.theme, style, text)
    }

    fn line(&mut self, text: &str) {
        line!(self.out, "{}", text.trim_end());
    }

    fn head(&mut self, answer: &Answer, changes: &Changes) {
        let source = &answer.before.summary.source;
        let told = format!(
            "{} · policy {} · {}",
            source.name,
            source.policy,
            duration(answer.before.summary.span_ns)
        );
        self.line(&told);
        let what = format!("what if: {changes}");
        self.line(&self.paint(self.theme.strong(), &what));
        if changes.is_identity() {
            self.line("the recording against its own model: what differs here is the model's error");
        }
        self.line("");
    }

    fn rows(&mut self, rows: &[Row]) {
        let head = format!("{:NAME$}{:>12}{:>12}{:>12}", "", "BEFORE", "AFTER", "CHANGE");
        self.line(&self.paint(self.theme.dim(), &head));
        for row in rows {
            let told = self.verdict(row.before, row.after, row.better, 12);
            let (before, after) = ((row.show)(row.before), (row.show)(row.after));
            self.line(&format!("{:NAME$}{before:>12}{after:>12}{told}", row.name));
        }
    }

    /// The change, in its column, with its colour and its word.
    fn verdict(&self, before: f64, after: f64, better: Better, width: usize) -> String {
        let (told, has_changed) = change(before, after);
        let told = format!("{told:>width$}");
        match if self.is_identity { Better::Neither } else { better } {
            Better::Less if has_changed && after < before => {
                self.paint(self.theme.live(), &format!("{told}  better"))
            }
            Better::Less if has_changed => self.paint(self.theme.over(), &format!("{told}  worse")),
            Better::Less | Better::Neither if !has_changed => self.paint(self.theme.dim(), &told),
            Better::Less | Better::Neither => told,
        }
    }

    fn changed(&mut self, changed: &[Changed]) {
        let moved = |b: u64, a: u64| change(b as f64, a as f64).1;
        let has_changed = |changed: &&Changed| {
            let (b, a) = (changed.before, changed.after);
            moved(b.p50_ns, a.p50_ns) || moved(b.p99_ns, a.p99_ns)
        };
        let changed: Vec<&Changed> = changed.iter().filter(has_changed).collect();
        if changed.is_empty() {
            return;
        }
        self.line("");
        let head = format!(
            "{:NAME$}{:>9}{:>9}  {:>9}{:>9}{:>10}",
            "CHANGED MOST", "P50", "P99", "P50", "P99", "P99"
        );
        let over = format!("{:NAME$}{:>18}  {:>18}{:>10}", "", "BEFORE", "AFTER", "CHANGE");
        self.line(&self.paint(self.theme.dim(), &over));
        self.line(&self.paint(self.theme.dim(), &head));
        for changed in changed {
            let what = match changed.what {
                Kind::TimerLag => "lag",
                Kind::QueueWait => "wait",
            };
            let name = fill(&cut(&format!("{what:<5}{}", changed.tag), NAME - 1), NAME);
            let (before, after) = (changed.before, changed.after);
            let figures = |count: u64, p50, p99| match count {
                0 => format!("{:>9}{:>9}", "-", "-"),
                _ => format!("{:>9}{:>9}", duration(p50), duration(p99)),
            };
            // Who is not there any more is no better for it.
            let better = if before.count > 0 && after.count > 0 { Better::Less } else { Better::Neither };
            let told = self.verdict(before.p99_ns as f64, after.p99_ns as f64, better, 10);
            self.line(&format!(
                "{name}{}  {}{told}",
                figures(before.count, before.p50_ns, before.p99_ns),
                figures(after.count, after.p50_ns, after.p99_ns),
            ));
        }
    }

    fn assumptions(&mut self, lines: &[String]) {
        self.line("");
        self.line(&self.paint(self.theme.dim(), "ASSUMED"));
        for line in lines {
            self.line(&format!("- {}", wrap(line, self.columns.saturating_sub(2), 2)));
        }
    }
}
