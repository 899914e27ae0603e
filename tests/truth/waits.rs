//! Queue waits, signal latency, slow tasks, and the delay that each tag caused, computed from the definitions in the
//! book.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::decoder::Trace;
use super::figures::{CANCELLED, spread};
use super::number;

const PHASE: u8 = 3;
const POLL: u8 = 4;
const TASK_QUEUED: u8 = 5;
const TASK_RAN: u8 = 6;
const MICROTASKS: u8 = 7;
const DEFERRED_RAN: u8 = 9;
const IMMEDIATES: u8 = 10;
const TIMER_FIRED: u8 = 12;
const SIGNAL_DELIVERED: u8 = 16;
const GC_RAN: u8 = 19;
const LOOP_STOPPED: u8 = 31;
const TICK_START: u8 = 1;
const IO_READY: u8 = 33;

/// A wait longer than this is late.
const LATE_NS: u64 = 1_000_000;
/// A run longer than this is slow.
const SLOW_NS: u64 = 10_000_000;

/// The value of `--late-timers` for the report under test.
const LISTED: usize = 10_000;

/// The keys of a line of `delay_caused`, by what waited.
const KINDS: [&str; 3] = ["/timers_ns", "/signals_ns", "/tasks_ns"];

/// One late wait: the place of its kind in [`KINDS`], its loop, and its time.
#[derive(Clone, Copy, Debug)]
struct Wait {
    kind: usize,
    source: u32,
    from: u64,
    to: u64,
}

/// An extent of a loop's time, and the line of the table of delay that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Extent {
    start: u64,
    /// Of those that began together, the one that ended first wins.
    end: Reverse<u64>,
    /// Of those that also ended together, the one recorded first.
    place: Reverse<usize>,
    cause: String,
}

/// The delay of one line, by what waited, and the number of waits.
#[derive(Debug, Default, PartialEq, Eq)]
struct Caused {
    ns: [u64; 3],
    delayed: u64,
}

/// The waits in the events.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    queue_wait_ns: HashMap<String, Vec<u64>>,
    /// Tasks that were still queued when their loop stopped.
    never_ran_ns: HashMap<String, Vec<u64>>,
    signal_latency_ns: Vec<u64>,
    slow: HashMap<u64, u64>,
    run_ns: HashMap<String, u64>,
    late: Vec<Wait>,
    extents: HashMap<u32, Vec<Extent>>,
    /// Polls outside callbacks, with their deadlines.
    polls: HashMap<u32, Vec<(u64, u64, Option<u64>)>>,
}

impl Waits {
    pub(crate) fn of(trace: &Trace, overdue: impl Iterator<Item = (u32, u64, u64)>) -> Self {
        let mut waits = Self::default();
        let name = |tag: u16| trace.tag(tag);
        let of_kind = |kind: u8| trace.events.iter().filter(move |event| event.kind == kind);
        let reports_queueing: HashSet<u32> = of_kind(TASK_QUEUED).map(|event| event.source).collect();
        let of_timers: HashMap<(u32, u64), u64> = of_kind(TIMER_FIRED)
            .map(|event| ((event.source, event.field(1)), event.field(3).max(event.at)))
            .collect();
        let of_signals: HashSet<(u32, u64)> =
            of_kind(SIGNAL_DELIVERED).map(|event| (event.source, event.field(1))).collect();
        let mut queued: HashMap<(u32, u64), (u16, u64)> = HashMap::new();
        let (mut stopped, mut closed): (HashMap<u32, u64>, HashMap<u32, u64>) = Default::default();
        for event in &trace.events {
            let (source, at) = (event.source, event.at);
            let mut late = |kind, from, to: u64| {
                if to.saturating_sub(from) > LATE_NS {
                    waits.late.push(Wait { kind, source, from, to });
                }
            };
            match event.kind {
                TICK_START => drop(stopped.remove(&source)),
                LOOP_STOPPED => {
                    stopped.entry(source).or_insert(at);
                    closed.insert(source, at);
                }
                TASK_QUEUED => drop(queued.insert((source, event.field(0)), (event.tag, event.time(4)))),
                TASK_RAN if event.field(1) == CANCELLED => drop(queued.remove(&(source, event.field(0)))),
                TASK_RAN => {
                    let (task, from, start) = (event.field(0), event.time(2), event.time(3));
                    queued.remove(&(source, task));
                    *waits.run_ns.entry(name(event.tag)).or_default() += at - start;
                    if at - start > SLOW_NS {
                        waits.slow.insert(task, at - start);
                    }
                    if !of_timers.contains_key(&(source, task))
                        && (from < start || reports_queueing.contains(&source))
                    {
                        waits.queue_wait_ns.entry(name(event.tag)).or_default().push(start - from);
                        if !of_signals.contains(&(source, task)) {
                            late(2, from, start);
                        }
                    }
                }
                TIMER_FIRED => late(0, event.field(2), event.field(3).max(at)),
                SIGNAL_DELIVERED => {
                    waits.signal_latency_ns.push(at - event.time(2));
                    late(1, event.time(2), at);
                }
                _ => {}
            }
            waits.extent(event, &name(event.tag), &of_timers);
        }
        for ((source, task), (tag, from)) in queued {
            // Tasks queued after the stop waited until the loop was closed.
            let ended = stopped.get(&source).filter(|stopped| from <= **stopped).or(closed.get(&source));
            let Some(to) = ended else { continue };
            waits.never_ran_ns.entry(name(tag)).or_default().push(to.saturating_sub(from));
            if to.saturating_sub(from) > LATE_NS && !of_signals.contains(&(source, task)) {
                waits.late.push(Wait { kind: 2, source, from, to: *to });
            }
        }
        let overdue = overdue.filter(|(_, due, stop)| stop - due > LATE_NS);
        waits.late.extend(overdue.map(|(source, from, to)| Wait { kind: 0, source, from, to }));
        waits
    }

    fn extent(&mut self, event: &super::decoder::Decoded, tag: &str, fired: &HashMap<(u32, u64), u64>) {
        let (start, cause) = match event.kind {
            TASK_RAN => {
                // To waiting work, the task of a timer starts when the timer fired.
                let fired = fired.get(&(event.source, event.field(0))).copied().unwrap_or(0);
                (event.time(3).max(fired), tag.to_owned())
            }
            IO_READY => (event.time(3), format!("io {tag}")),
            GC_RAN => (event.time(2), "gc".to_owned()),
            MICROTASKS => (event.time(3), "(microtasks)".to_owned()),
            DEFERRED_RAN => (event.time(2), "deferred".to_owned()),
            IMMEDIATES => (event.time(2), "immediates".to_owned()),
            PHASE => (event.time(1), "(phase)".to_owned()),
            POLL => {
                let polls = self.polls.entry(event.source).or_default();
                return polls.push((event.time(3), event.at, event.optional(2)));
            }
            _ => return,
        };
        let extents = self.extents.entry(event.source).or_default();
        extents.push(Extent { start, end: Reverse(event.at), place: Reverse(extents.len()), cause });
    }

    /// Cuts the time of a loop into stretches, each of the extent that began last. Polls within callbacks belong to the
    /// callbacks; other polls take precedence over everything.
    fn stretches(&self, source: u32) -> Vec<(u64, u64, String)> {
        let mut extents = self.extents.get(&source).cloned().unwrap_or_default();
        let is_callback = |extent: &&Extent| !["(phase)", "gc"].contains(&&*extent.cause);
        let mut callbacks: Vec<(u64, u64)> =
            extents.iter().filter(is_callback).map(|extent| (extent.start, extent.end.0)).collect();
        callbacks.sort_unstable();
        for (start, end, timeout) in self.polls.get(&source).into_iter().flatten() {
            let within = |(from, to): &(u64, u64)| from <= start && end <= to;
            let before = callbacks.partition_point(|(from, _)| from <= start);
            if callbacks[..before].iter().rev().take(64).any(within) {
                continue;
            }
            let deadline = timeout.map_or(*end, |ns| start.saturating_add(ns)).clamp(*start, *end);
            let asked = if *timeout == Some(0) { "poll" } else { "overslept" };
            let late = if *timeout == Some(0) { "poll" } else { "late wakeup" };
            for (start, end, cause) in [(*start, deadline, asked), (deadline, *end, late)] {
                let place = Reverse(extents.len());
                extents.push(Extent { start, end: Reverse(end), place, cause: cause.to_owned() });
            }
        }
        let mut changes: Vec<(u64, bool, usize)> = Vec::new();
        let extents: Vec<Extent> = extents.into_iter().filter(|it| it.start < it.end.0).collect();
        for (place, extent) in extents.iter().enumerate() {
            changes.extend([(extent.start, true, place), (extent.end.0, false, place)]);
        }
        changes.sort_unstable();
        let mut active: BTreeSet<&Extent> = BTreeSet::new();
        let (mut stretches, mut last) = (Vec::new(), 0);
        for (at, begins, place) in changes {
            if let Some(extent) = active.last().filter(|_| at > last) {
                stretches.push((last, at, extent.cause.clone()));
            }
            last = at;
            let extent = &extents[place];
            let _ = if begins { active.insert(extent) } else { active.remove(extent) };
        }
        stretches
    }

    /// The delay that each line caused.
    fn caused(&self) -> HashMap<String, Caused> {
        let mut caused: HashMap<String, Caused> = HashMap::new();
        let mut by_source: HashMap<u32, Vec<(u64, u64, String)>> = HashMap::new();
        for wait in &self.late {
            let stretches = by_source.entry(wait.source).or_insert_with(|| self.stretches(wait.source));
            let first = stretches.partition_point(|(_, end, _)| *end <= wait.from);
            let during = stretches[first..].iter().take_while(|(start, ..)| *start < wait.to);
            let mut delayed_by = HashSet::new();
            for (start, end, cause) in during {
                let ns = *end.min(&wait.to) - *start.max(&wait.from);
                let line = caused.entry(cause.clone()).or_default();
                line.ns[wait.kind] += ns;
                line.delayed += u64::from(delayed_by.insert(cause));
            }
        }
        caused
    }

    pub(crate) fn compare(&self, report: &Value, name: &str) {
        let by_tag = report["tasks"]["by_tag"].as_array().expect("a list");
        let of = |waits: &HashMap<String, Vec<u64>>, tag: &str| waits.get(tag).cloned().unwrap_or_default();
        for tag in by_tag {
            let label = tag["tag"].as_str().expect("a name");
            let (ended, cut) = (of(&self.queue_wait_ns, label), of(&self.never_ran_ns, label));
            spread(tag, "/queue_wait_ns", &ended, &cut, &format!("{name}: {label}"));
        }
        for label in self.queue_wait_ns.keys().chain(self.never_ran_ns.keys()) {
            assert!(by_tag.iter().any(|tag| tag["tag"] == **label), "{name}: {label} is not listed");
        }
        spread(report, "/signals/latency_ns", &self.signal_latency_ns, &[], name);
        self.compare_lists(report, name);
        self.compare_delay(report, name);
    }

    /// Late signals and slow tasks are those that the events show, and their breakdowns sum to them.
    fn compare_lists(&self, report: &Value, name: &str) {
        let sum = |of: &Value| -> u64 {
            of["blame"].as_array().expect("a list").iter().map(|line| number(line, "/ns")).sum()
        };
        let slow = report["slow_tasks"].as_array().expect("a list");
        assert_eq!(slow.len(), self.slow.len().min(LISTED), "{name}: slow tasks");
        for slow in slow {
            let run = number(slow, "/run_ns");
            assert_eq!(self.slow.get(&number(slow, "/task")), Some(&run), "{name}: {slow}");
            assert_eq!(sum(slow), run, "{name}: {slow}");
        }
        let mut signals: Vec<u64> = self.late.iter().filter(|wait| wait.kind == 1).map(Wait::ns).collect();
        signals.sort_unstable_by_key(|ns| Reverse(*ns));
        signals.truncate(LISTED);
        let shown = report["late_signals"].as_array().expect("a list");
        let latencies: Vec<u64> = shown.iter().map(|signal| number(signal, "/latency_ns")).collect();
        assert_eq!(latencies, signals, "{name}: late signals, worst first");
        assert!(shown.iter().all(|signal| sum(signal) == number(signal, "/latency_ns")), "{name}");
    }

    /// Delay caused: every late wait counts in full, and each tag, handler and poll with the part of the wait that it took.
    fn compare_delay(&self, report: &Value, name: &str) {
        let lines = report["delay_caused"].as_array().expect("a list");
        for (kind, key) in KINDS.iter().enumerate() {
            let all: u64 = lines.iter().map(|line| number(line, key)).sum();
            let waited: u64 = self.late.iter().filter(|wait| wait.kind == kind).map(Wait::ns).sum();
            assert_eq!(all, waited, "{name}: {key} of all lines is the sum of all late waits");
        }
        for line in lines {
            let sum: u64 = KINDS.iter().map(|key| number(line, key)).sum();
            assert_eq!(number(line, "/delay_caused_ns"), sum, "{name}: {line}");
        }
        let is_partial = |line: &Value| {
            let tag = line["tag"].as_str().unwrap_or_default();
            ["evicted", "before the recording", "suspended"].contains(&tag) || tag.ends_with("its short runs")
        };
        if lines.iter().any(is_partial) {
            return;
        }
        let caused = self.caused();
        let is_named =
            |cause: &str| self.run_ns.contains_key(cause) || cause.starts_with("io ") || cause == "gc";
        let none = Caused::default();
        let shown = lines.iter().map(|line| line["tag"].as_str().expect("a name"));
        for cause in caused.keys().map(String::as_str).chain(shown).filter(|cause| is_named(cause)) {
            let line = lines.iter().find(|line| line["tag"] == cause);
            let ns = KINDS.map(|key| line.map_or(0, |line| number(line, key)));
            let delayed = line.map_or(0, |line| number(line, "/delayed"));
            let expected = caused.get(cause).unwrap_or(&none);
            assert_eq!(*expected, Caused { ns, delayed }, "{name}: delay caused by {cause}: {line:?}");
            if let (Some(run), Some(line)) = (self.run_ns.get(cause), line) {
                assert_eq!(number(line, "/run_ns"), *run, "{name}: {line}");
            }
        }
        // Only timers: posts and signals that arrive during a poll have a rule of their own.
        for cause in ["overslept", "late wakeup", "poll"] {
            let line = lines.iter().find(|line| line["tag"] == cause);
            let expected = caused.get(cause).map_or(0, |caused| caused.ns[0]);
            assert_eq!(line.map_or(0, |line| number(line, KINDS[0])), expected, "{name}: {cause}");
        }
    }
}

impl Wait {
    fn ns(&self) -> u64 {
        self.to - self.from
    }
}
