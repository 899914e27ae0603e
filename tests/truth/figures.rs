//! The figures of a report, computed in the simplest way: all samples in a list, sorted.

use std::collections::HashMap;

use serde_json::Value;

use super::decoder::{Decoded, Trace};
use super::number;

const TICK_START: u8 = 1;
const TICK_END: u8 = 2;
const PHASE: u8 = 3;
const POLL: u8 = 4;
const TASK_RAN: u8 = 6;
const MICROTASKS: u8 = 7;
const TIMER_ARMED: u8 = 11;
const TIMER_FIRED: u8 = 12;
const TIMER_CLEARED: u8 = 13;
const SIGNAL_ARRIVED: u8 = 15;
const SIGNAL_DELIVERED: u8 = 16;
const GC_DECISION: u8 = 18;
const GC_RAN: u8 = 19;
const IO_READY: u8 = 33;
const LOOP_STOPPED: u8 = 31;
const LOST: u8 = 40;
const INPUT_CLOCK: u8 = 43;
const SNAPSHOT_TIMER: u8 = 48;

/// The outcome of a task that was cancelled before it ran.
pub(crate) const CANCELLED: u64 = 4;

/// The outcome of a future's timer, which wakes the future.
const WOKE: u64 = 6;

/// The index of the start among an event's fields, for kinds that have one.
const fn start_field(kind: u8) -> Option<usize> {
    match kind {
        PHASE => Some(1),
        TICK_END | GC_RAN | 9 | 10 | 37 => Some(2),
        POLL | TASK_RAN | MICROTASKS | IO_READY => Some(3),
        38 | 78 => Some(1),
        _ => None,
    }
}

/// A late timer, according to the events.
#[derive(Clone, Copy, Debug)]
struct Fired {
    task: u64,
    due: u64,
    fired: u64,
    source: u32,
}

/// A timer that was due when its loop stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overdue {
    pub(crate) source: u32,
    pub(crate) due: u64,
    pub(crate) stopped: u64,
    period: Option<u64>,
}

/// The timers of all loops, and when those loops stopped.
#[derive(Debug, Default)]
struct Armed {
    /// When each is due and its period, by loop and number; an interval is not due from its firing to its next period.
    timers: HashMap<(u32, u64), (Option<u64>, Option<u64>)>,
    /// The timer of each loop that fired last.
    fired: HashMap<u32, u64>,
    stopped: HashMap<u32, u64>,
}

impl Armed {
    fn see(&mut self, event: &Decoded) {
        /// The reading with which an interval's next period begins.
        const INTERVAL: u64 = 6;
        let (source, timer) = (event.source, event.field(0));
        match event.kind {
            TIMER_ARMED | SNAPSHOT_TIMER => {
                let _ = self.timers.insert((source, timer), (Some(event.field(1)), event.optional(2)));
            }
            TIMER_CLEARED => drop(self.timers.remove(&(source, timer))),
            TIMER_FIRED => {
                self.fired.insert(source, timer);
                self.timers.retain(|key, (_, period)| *key != (source, timer) || period.is_some());
                self.timers.entry((source, timer)).and_modify(|(due, _)| *due = None);
            }
            INPUT_CLOCK if event.field(0) == INTERVAL => {
                let fired = self.fired.get(&source).and_then(|timer| self.timers.get_mut(&(source, *timer)));
                if let Some((due, Some(period))) = fired {
                    *due = Some(event.field(1) + *period);
                }
            }
            TICK_START => drop(self.stopped.remove(&source)),
            LOOP_STOPPED => _ = self.stopped.entry(source).or_insert(event.at),
            _ => {}
        }
    }

    /// The lag and the period of those that were due when their loop stopped.
    fn overdue(&self) -> impl Iterator<Item = Overdue> {
        self.timers.iter().filter_map(|((source, _), (due, period))| {
            let (due, stopped) = ((*due)?, *self.stopped.get(source)?);
            (due < stopped).then_some(Overdue { source: *source, due, stopped, period: *period })
        })
    }
}

/// An extent of time on a loop's thread.
#[derive(Clone, Copy, Debug)]
struct Extent {
    source: u32,
    kind: u8,
    task: u64,
    start: u64,
    end: u64,
}

/// The number of a tick, its start, and its polls.
type OpenTick = (u64, u64, Vec<(u64, u64)>);

/// The figures that follow from the events.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) ticks: u64,
    pub(crate) tasks: u64,
    pub(crate) timers_fired: u64,
    pub(crate) late_timers: u64,
    busy_ns: u64,
    poll_wait_ns: u64,
    tick_run_ns: Vec<u64>,
    stall_limit_ns: u64,
    armed: u64,
    cleared: u64,
    skipped: u64,
    lag_ns: Vec<u64>,
    lag_corrected_ns: Vec<u64>,
    /// Late timers with [`LONG_SERIES`] or more of these samples.
    long_series: usize,
    /// The timers that were due when their loop stopped, and their samples in the two distributions of lag.
    overdue: u64,
    pub(crate) overdue_timers: Vec<Overdue>,
    overdue_lag_ns: [Vec<u64>; 2],
    checkpoints: u64,
    microtasks: u64,
    gc_decided: [u64; 3],
    gc_run_ns: Vec<u64>,
    signals: [u64; 2],
    run_ns_by_tag: HashMap<String, Vec<u64>>,
    fired: Vec<Fired>,
    extents: Vec<Extent>,
    stalls: HashMap<u64, u64>,
}

impl Figures {
    pub(crate) fn of(trace: &Trace) -> Self {
        let stall_limit_ns = trace.metadata["stall_limit_ns"].as_u64().expect("metadata has it");
        let mut figures = Self { stall_limit_ns, ..Self::default() };
        let mut open: HashMap<u32, OpenTick> = HashMap::new();
        let mut periods: HashMap<(u32, u64), u64> = HashMap::new();
        let mut armed = Armed::default();
        for event in &trace.events {
            assert_ne!(event.kind, LOST, "a recording in the process loses nothing");
            figures.count(event, trace);
            armed.see(event);
            match event.kind {
                TICK_START => drop(open.insert(event.source, (event.field(0), event.at, Vec::new()))),
                POLL => {
                    if let Some((.., polls)) = open.get_mut(&event.source) {
                        polls.push((event.time(3), event.at));
                    }
                }
                TICK_END => {
                    let Some((tick, start, polls)) = open.remove(&event.source) else { continue };
                    assert_eq!((tick, start), (event.field(0), event.time(2)), "a tick ends as it began");
                    figures.tick_ended(tick, start, event.at, polls);
                }
                TIMER_ARMED | SNAPSHOT_TIMER => {
                    let period = event.optional(2);
                    let key = (event.source, event.field(0));
                    match period {
                        Some(period) => periods.insert(key, period),
                        None => periods.remove(&key),
                    };
                }
                TIMER_FIRED => {
                    // Other timers of its pass may have run since the clock reading that found it due.
                    let due = event.field(2);
                    let fired = event.field(3).max(event.at);
                    let lag = fired.saturating_sub(due);
                    figures.lag_ns.push(lag);
                    let period = periods.get(&(event.source, event.field(0))).filter(|period| **period > 0);
                    let skipped = period.map_or(0, |period| lag / period);
                    assert!(skipped >= event.field(4), "the loop skips whole periods");
                    figures.skipped += skipped;
                    figures.long_series += usize::from(skipped >= LONG_SERIES);
                    figures.lag_corrected_ns.extend(corrected(lag, period.copied()));
                    figures.fired.push(Fired { task: event.field(1), due, fired, source: event.source });
                }
                _ => {}
            }
        }
        figures.overdue_timers = armed.overdue().collect();
        for Overdue { due, stopped, period, .. } in figures.overdue_timers.clone() {
            let lag = stopped - due;
            figures.overdue += 1;
            figures.late_timers += u64::from(lag > 1_000_000);
            let skipped = period.map_or(0, |period| lag / period);
            figures.skipped += skipped;
            figures.long_series += usize::from(skipped >= LONG_SERIES);
            figures.overdue_lag_ns[0].push(lag);
            figures.overdue_lag_ns[1].extend(corrected(lag, period));
        }
        figures
    }

    fn count(&mut self, event: &Decoded, trace: &Trace) {
        if let Some(start) = start_field(event.kind).map(|field| event.time(field)) {
            let task = match event.kind {
                TASK_RAN => event.field(0),
                IO_READY => event.field(2),
                _ => 0,
            };
            let Decoded { source, kind, at: end, .. } = *event;
            self.extents.push(Extent { source, kind, task, start, end });
        }
        match event.kind {
            TASK_RAN if ![CANCELLED, WOKE].contains(&event.field(1)) => {
                self.tasks += 1;
                let tag = trace.tag(event.tag);
                self.run_ns_by_tag.entry(tag).or_default().push(event.at - event.time(3));
            }
            MICROTASKS => {
                self.checkpoints += 1;
                self.microtasks += event.field(1);
            }
            TIMER_ARMED => self.armed += 1,
            TIMER_CLEARED => self.cleared += 1,
            TIMER_FIRED => {
                self.timers_fired += 1;
                let fired = event.field(3).max(event.at);
                self.late_timers += u64::from(fired.saturating_sub(event.field(2)) > 1_000_000);
            }
            SIGNAL_ARRIVED => self.signals[0] += 1,
            SIGNAL_DELIVERED => self.signals[1] += 1,
            GC_DECISION => self.gc_decided[event.field(0) as usize - 1] += 1,
            GC_RAN => self.gc_run_ns.push(event.at - event.time(2)),
            _ => {}
        }
    }

    fn tick_ended(&mut self, tick: u64, start: u64, end: u64, mut polls: Vec<(u64, u64)>) {
        polls.sort_unstable();
        let (mut waited, mut until) = (0, start);
        for (from, to) in polls {
            waited += to.saturating_sub(from.max(until));
            until = until.max(to);
        }
        let busy = end - start - waited;
        self.ticks += 1;
        self.busy_ns += busy;
        self.poll_wait_ns += waited;
        self.tick_run_ns.push(busy);
        if busy > self.stall_limit_ns {
            self.stalls.insert(tick, busy);
        }
    }

    /// The counts and distributions.
    pub(crate) fn compare(&self, report: &Value, name: &str) {
        let exact = [
            ("/ticks/count", self.ticks),
            ("/ticks/busy_ns", self.busy_ns),
            ("/ticks/poll_wait_ns", self.poll_wait_ns),
            ("/ticks/stalls", self.stalls.len() as u64),
            ("/tasks/count", self.tasks),
            ("/timers/armed", self.armed),
            ("/timers/fired", self.timers_fired),
            ("/timers/cleared", self.cleared),
            ("/timers/overdue", self.overdue),
            ("/timers/overdue_at_stop", self.overdue),
            ("/timers/skipped", self.skipped),
            ("/timers/late", self.late_timers),
            ("/microtasks/checkpoints", self.checkpoints),
            ("/microtasks/ran", self.microtasks),
            ("/gc/collect", self.gc_decided[0]),
            ("/gc/defer", self.gc_decided[1]),
            ("/gc/skip", self.gc_decided[2]),
            ("/signals/arrived", self.signals[0]),
            ("/signals/delivered", self.signals[1]),
        ];
        for (pointer, expected) in exact {
            assert_eq!(number(report, pointer), expected, "{name}: {pointer}");
        }
        let all_ns = self.busy_ns + self.poll_wait_ns;
        // Without a whole tick it is unknown.
        let utilization = (self.ticks > 0).then(|| self.busy_ns as f64 / all_ns as f64);
        let shown = report["ticks"]["utilization"].as_f64();
        let same = |(shown, exact): (f64, f64)| (shown - exact).abs() < 1e-9;
        assert!(
            shown.is_some() == utilization.is_some() && shown.zip(utilization).is_none_or(same),
            "{name}: a utilization of {shown:?}, exactly {utilization:?}"
        );
        let [lag, lag_corrected] = &self.overdue_lag_ns;
        spread(report, "/ticks/run_ns", &self.tick_run_ns, &[], name);
        spread(report, "/timers/lag_ns", &self.lag_ns, lag, name);
        let lag_corrected = [&*self.lag_corrected_ns, lag_corrected].concat();
        spread_of_series(report, "/timers/lag_corrected_ns", lag_corrected, self.long_series, name);
        spread(report, "/gc/run_ns", &self.gc_run_ns, &[], name);
        // A tag of which no task ran is listed for the tasks that waited when the loop stopped.
        let by_tag = report["tasks"]["by_tag"].as_array().expect("a list").iter();
        let by_tag: Vec<&Value> = by_tag.filter(|tag| tag["count"] != 0).collect();
        assert_eq!(by_tag.len(), self.run_ns_by_tag.len(), "{name}: {by_tag:?}");
        for tag in by_tag {
            let label = tag["tag"].as_str().expect("a name");
            let runs = self.run_ns_by_tag.get(label).unwrap_or_else(|| panic!("{name}: {label}"));
            assert_eq!(number(tag, "/count"), runs.len() as u64, "{name}: {label}");
            spread(tag, "/run_ns", runs, &[], name);
        }
    }

    /// Checks that each late timer has fired (unless its loop stopped first), that its breakdown sums to its lag, and
    /// that each task in the breakdown ran at that time for that long.
    pub(crate) fn compare_late_timers(&self, report: &Value, name: &str) {
        let late = report["late_timers"].as_array().expect("a list");
        let at = |field: &Value| field.as_i64().expect("a time");
        for timer in late {
            if timer["fired_ns"].is_null() {
                let lag = number(timer, "/lag_ns");
                assert!(self.overdue_lag_ns[0].contains(&lag), "{name}: none was overdue as {timer}");
                continue;
            }
            let (task, lag) = (number(timer, "/task"), number(timer, "/lag_ns"));
            assert_eq!(at(&timer["fired_ns"]) - at(&timer["due_ns"]), lag.cast_signed(), "{name}: {timer}");
            let fired = self.fired.iter().find(|fired| fired.task == task && fired.fired - fired.due == lag);
            let fired = fired.unwrap_or_else(|| panic!("{name}: none fired as {timer}"));
            let lines = timer["blame"].as_array().expect("a list");
            assert_eq!(lines.iter().map(|line| number(line, "/ns")).sum::<u64>(), lag, "{name}: {timer}");
            for line in lines {
                let what = line["what"].as_str().expect("a name");
                let Some((_, task)) = what.strip_prefix("task ").and_then(|what| what.rsplit_once('#'))
                else {
                    continue;
                };
                let ran = self.own_time(task.parse().expect("an id"), fired);
                assert!(ran.contains(&number(line, "/ns")), "{name}: {what} ran for {ran:?} ns of {timer}");
            }
        }
    }

    /// The time that a task ran between due and fired: exact if nothing else is recorded inside it, else an upper
    /// limit.
    fn own_time(&self, task: u64, fired: &Fired) -> std::ops::RangeInclusive<u64> {
        let on_it = |extent: &&Extent| {
            extent.source == fired.source && extent.task == task && extent.kind == TASK_RAN
        };
        let run = self.extents.iter().find(on_it).unwrap_or_else(|| panic!("task {task} never ran"));
        // To waiting work, the task of a timer starts when the timer fired.
        let is_timers = |other: &&Fired| other.source == fired.source && other.task == task;
        let fired_at = self.fired.iter().find(is_timers).map_or(0, |other| other.fired);
        let start = run.start.max(fired_at);
        let overlap = run.end.min(fired.fired).saturating_sub(start.max(fired.due));
        let inside = |extent: &&Extent| {
            let same = extent.kind == TASK_RAN && extent.task == task;
            !same && extent.source == run.source && run.start <= extent.start && extent.end <= run.end
        };
        if self.extents.iter().any(|extent| inside(&extent)) { 0..=overlap } else { overlap..=overlap }
    }

    pub(crate) fn compare_stalls(&self, report: &Value, name: &str) {
        for stall in report["stalls"].as_array().expect("a list") {
            if stall["open"] == true {
                continue;
            }
            let (tick, run) = (number(stall, "/tick"), number(stall, "/run_ns"));
            assert_eq!(self.stalls.get(&tick), Some(&run), "{name}: {stall}");
            let lines = stall["blame"].as_array().expect("a list");
            assert_eq!(lines.iter().map(|line| number(line, "/ns")).sum::<u64>(), run, "{name}: {stall}");
        }
    }
}

/// Shorter series of samples are counted one by one.
const LONG_SERIES: u64 = 16;

/// The corrected samples of one timer's lag, as HdrHistogram computes them: the lag, and then one period less each,
/// down to the last positive value.
fn corrected(lag: u64, period: Option<u64>) -> impl Iterator<Item = u64> {
    let step = period.unwrap_or(0);
    (0..lag.checked_div(step).unwrap_or(0).max(1)).map(move |place| lag - place * step)
}

/// Percentiles must be within 1%, and the maximum exact; all are null without samples. What was
/// `cut_short` by the end of the loop is a sample like any other.
pub(crate) fn spread(report: &Value, pointer: &str, samples: &[u64], cut_short: &[u64], name: &str) {
    spread_of_series(report, pointer, [samples, cut_short].concat(), 0, name);
}

/// Like [`spread`], of samples among which there are long series: each may be counted off by one sample at any value.
fn spread_of_series(report: &Value, pointer: &str, mut sorted: Vec<u64>, long_series: usize, name: &str) {
    let shown = report.pointer(pointer).unwrap_or_else(|| panic!("{name}: {pointer}"));
    assert_eq!(number(shown, "/count"), sorted.len() as u64, "{name}: {pointer}");
    sorted.sort_unstable();
    let Some(max) = sorted.last() else {
        assert!(
            shown["p50"].is_null() && shown["max"].is_null(),
            "{name}: {pointer} of no sample is {shown}"
        );
        return;
    };
    assert_eq!(number(shown, "/max"), *max, "{name}: {pointer}");
    for (key, quantile) in [("/p50", 0.5), ("/p90", 0.9), ("/p99", 0.99)] {
        let rank = ((quantile * sorted.len() as f64).ceil() as usize).max(1) - 1;
        let lowest = sorted[rank.saturating_sub(long_series)];
        let highest = sorted[(rank + long_series).min(sorted.len() - 1)];
        let is = number(shown, key);
        assert!(
            is >= lowest - lowest / 100 && is <= highest + highest / 100,
            "{name}: {pointer}{key} is {is}, exactly {lowest} to {highest}"
        );
    }
}
