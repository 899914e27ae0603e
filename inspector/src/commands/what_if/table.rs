//! The answer as a page: before, after, change; what changed most; what was assumed.
//!
//! Green is better and red is worse, where one of the two is; without colour a word says it.

use loop_traces::units::{change, count, duration, percent};
use ratatui::style::Style;

use crate::rerun::what_if::{Answer, Changed, Changes, Kind, Side};
use crate::text::{self, cut, fill, line, wrap};
use crate::theme::Theme;

/// Changes below this share are none.
const SAME: f64 = 0.02;

/// Columns of a name, and of a tag's.
const NAME: usize = 26;
const TAG: usize = 24;

/// Figures that the first glance names.
const NAMED: usize = 3;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    Less,
    /// Neither: it only tells how much happened.
    Neither,
}

struct Row {
    group: String,
    statistic: &'static str,
    before: f64,
    after: f64,
    /// Without the change, where that is known.
    model: Option<f64>,
    show: fn(f64) -> String,
    better: Better,
}

/// What is to be said about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Better,
    Worse,
    /// The model alone is off by as much.
    Model,
    /// There is a change, and neither is better.
    Changed,
    Same,
}

struct Page {
    out: String,
    theme: Theme,
    columns: usize,
    /// Something was changed, and ran to its end: it is better or worse.
    judges: bool,
}

/// The page, for a screen of `columns`.
pub(super) fn render(answer: &Answer, changes: &Changes, theme: Theme, columns: usize) -> String {
    let judges = !changes.is_identity() && answer.cut_short.is_none();
    let mut page = Page { out: String::new(), theme, columns: columns.clamp(60, 120), judges };
    let rows = rows(answer);
    page.head(answer, changes);
    if judges {
        page.glance(&rows);
    }
    page.line("");
    page.rows(&rows);
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

fn rows(answer: &Answer) -> Vec<Row> {
    let row = |group: &str, statistic, of: fn(&Side) -> f64, show, better| Row {
        group: group.to_owned(),
        statistic,
        before: of(&answer.before),
        after: of(&answer.after),
        model: answer.model.as_ref().map(of),
        show,
        better,
    };
    let less = |group: &str, statistic, of, show| row(group, statistic, of, show, Better::Less);
    let told = |group: &str, of, show| row(group, "", of, show, Better::Neither);
    let limit = duration(answer.before.summary.ticks.stall_limit_ns);
    let mut rows = vec![
        less("timer lag", "p50", |side| side.summary.timers.lag_ns.p50 as f64, ns),
        less("timer lag", "p90", |side| side.summary.timers.lag_ns.p90 as f64, ns),
        less("timer lag", "p99", |side| side.summary.timers.lag_ns.p99 as f64, ns),
        less("timer lag", "max", |side| side.summary.timers.lag_ns.max as f64, ns),
        less("tick run", "p99", |side| side.summary.ticks.run_ns.p99 as f64, ns),
        less("tick run", "max", |side| side.summary.ticks.run_ns.max as f64, ns),
        less(&format!("stalls over {limit}"), "", |side| side.summary.ticks.stalls as f64, whole),
        less("queue wait", "p99", |side| side.queue_wait_ns_p99 as f64, ns),
        less("tasklet wait", "p99", |side| side.tasklet_wait_ns_p99.unwrap_or(0) as f64, ns),
        less("queue depth", "max", |side| side.queue_depth_max as f64, whole),
        told("utilization", |side| side.summary.ticks.utilization, percent),
        told("ticks", |side| side.summary.ticks.count as f64, whole),
        told("tasks run", |side| side.summary.tasks.count as f64, whole),
        told("timers fired", |side| side.summary.timers.fired as f64, whole),
        told("GC runs", |side| side.summary.gc.run_ns.count as f64, whole),
        told("span", |side| side.summary.span_ns as f64, ns),
    ];
    if answer.before.tasklet_wait_ns_p99.is_none() {
        rows.retain(|row| row.group != "tasklet wait");
    }
    rows
}

fn times(factor: f64) -> String {
    if factor < 100.0 { format!("{factor:.1}") } else { whole(factor) }
}

/// A change, and whether it is one. Two values that are known exactly can be many times apart, and be nothing at all,
/// which the share of an estimate cannot: that is said as a factor, either way, and in a word.
fn moved(before: f64, after: f64) -> (String, bool) {
    let is_same = (after - before).abs() <= before.abs() * SAME;
    let told = match (before, after) {
        _ if is_same => "=".to_owned(),
        (0.0, _) => "new".to_owned(),
        (_, 0.0) => "gone".to_owned(),
        _ if after / before >= 3.0 => format!("×{}", times(after / before)),
        _ if before / after >= 3.0 => format!("÷{}", times(before / after)),
        _ => change(after / before - 1.0),
    };
    (told, !is_same)
}

impl Row {
    /// Its name and its change.
    fn told(&self) -> String {
        // The limit of a stall is in the table.
        let group = self.group.split(" over ").next().unwrap_or_default();
        let space = if self.statistic.is_empty() { "" } else { " " };
        format!("{group}{space}{} {}", self.statistic, moved(self.before, self.after).0)
    }
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
        if let Some(why) = answer.cut_short {
            self.line(&self.paint(self.theme.over(), &format!("cut short: {why}")));
        }
    }

    /// What got better and what got worse, by how many times it did.
    fn glance(&mut self, rows: &[Row]) {
        let mut found = false;
        let words =
            [(Verdict::Better, self.theme.live(), "better"), (Verdict::Worse, self.theme.over(), "worse")];
        for (wanted, style, word) in words {
            let is_wanted = |row: &&Row| self.verdict(row.before, row.after, row.model, row.better) == wanted;
            let mut named: Vec<&Row> = rows.iter().filter(is_wanted).collect();
            let times = |row: &Row| (row.after.max(0.5) / row.before.max(0.5)).ln().abs();
            named.sort_by(|a, b| times(b).total_cmp(&times(a)));
            let mut told: Vec<String> = named.iter().map(|row| row.told()).collect();
            let room = self.columns - "better   - 99 more".len();
            while told.len() > NAMED || (told.len() > 1 && told.join(" · ").chars().count() > room) {
                told.pop();
            }
            if told.len() < named.len() {
                told.push(format!("{} more", named.len() - told.len()));
            }
            if !told.is_empty() {
                found = true;
                let line = format!("{}  {}", self.paint(style, &format!("{word:<6}")), told.join(" · "));
                self.line(&line);
            }
        }
        if !found {
            self.line("neither better nor worse: nothing changed by more than the model itself is off");
        }
    }

    fn rows(&mut self, rows: &[Row]) {
        let head = format!("{:NAME$}{:>12}{:>12}{:>12}", "", "BEFORE", "AFTER", "CHANGE");
        self.line(&self.paint(self.theme.dim(), &head));
        let (mut last, mut by_model) = ("", false);
        for row in rows {
            let verdict = self.verdict(row.before, row.after, row.model, row.better);
            by_model |= verdict == Verdict::Model;
            let told = self.change(row.before, row.after, verdict, 12);
            let (before, after) = ((row.show)(row.before), (row.show)(row.after));
            let name = match row.group.as_str() {
                _ if row.statistic.is_empty() => row.group.clone(),
                group if group == last => format!("{:15}{}", "", row.statistic),
                group => format!("{group:15}{}", row.statistic),
            };
            last = &row.group;
            self.line(&format!("{name:NAME$}{before:>12}{after:>12}{told}"));
        }
        if by_model {
            self.line(
                &self
                    .paint(self.theme.dim(), "model: the model alone, without the change, is off by as much"),
            );
        }
    }

    fn verdict(&self, before: f64, after: f64, model: Option<f64>, better: Better) -> Verdict {
        let off = model.map_or(0.0, |model| (model - before).abs());
        match better {
            _ if !moved(before, after).1 => Verdict::Same,
            _ if !self.judges => Verdict::Changed,
            // In its own direction, or in the other: a change says something where it is larger.
            _ if (after - before).abs() <= off => Verdict::Model,
            Better::Neither => Verdict::Changed,
            Better::Less if after < before => Verdict::Better,
            Better::Less => Verdict::Worse,
        }
    }

    /// The change, in its column, with its colour and its word.
    fn change(&self, before: f64, after: f64, verdict: Verdict, width: usize) -> String {
        let told = format!("{:>width$}", moved(before, after).0);
        match verdict {
            Verdict::Better => self.paint(self.theme.live(), &format!("{told}  better")),
            Verdict::Worse => self.paint(self.theme.over(), &format!("{told}  worse")),
            Verdict::Model => self.paint(self.theme.dim(), &format!("{told}  model")),
            Verdict::Changed => told,
            Verdict::Same => self.paint(self.theme.dim(), &told),
        }
    }

    fn changed(&mut self, changed: &[Changed]) {
        let has_moved = |b: u64, a: u64| moved(b as f64, a as f64).1;
        let has_changed = |changed: &&Changed| {
            let (b, a) = (changed.before, changed.after);
            has_moved(b.p50_ns, a.p50_ns) || has_moved(b.p99_ns, a.p99_ns)
        };
        let changed: Vec<&Changed> = changed.iter().filter(has_changed).collect();
        if changed.is_empty() {
            return;
        }
        self.line("");
        let head =
            format!("{:TAG$}{:>9}{:>9}  {:>9}{:>9}{:>10}", "CHANGED MOST", "P50", "P99", "P50", "P99", "P99");
        let over = format!("{:TAG$}{:>18}  {:>18}{:>10}", "", "BEFORE", "AFTER", "CHANGE");
        self.line(&self.paint(self.theme.dim(), &over));
        self.line(&self.paint(self.theme.dim(), &head));
        for changed in changed {
            let what = match changed.what {
                Kind::TimerLag => "lag",
                Kind::QueueWait | Kind::TaskletWait => "wait",
            };
            let name = fill(&cut(&format!("{what:<5}{}", changed.tag), TAG - 1), TAG);
            let (before, after) = (changed.before, changed.after);
            let figures = |count: u64, p50, p99| match count {
                0 => format!("{:>9}{:>9}", "-", "-"),
                _ => format!("{:>9}{:>9}", duration(p50), duration(p99)),
            };
            // Who is not there any more is no better for it.
            let better = if before.count > 0 && after.count > 0 { Better::Less } else { Better::Neither };
            let (p99, model) = ((before.p99_ns as f64, after.p99_ns as f64), changed.model);
            let verdict = self.verdict(p99.0, p99.1, model.map(|model| model.p99_ns as f64), better);
            let told = self.change(p99.0, p99.1, verdict, 10);
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
