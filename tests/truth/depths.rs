//! Queue depths, computed by counting the tasks that were queued and have not started.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::decoder::Trace;
use super::number;

const TICK_START: u8 = 1;
const TASK_QUEUED: u8 = 5;
const TASK_RAN: u8 = 6;
const MICROTASKS: u8 = 7;
const DEFERRED_POSTED: u8 = 8;
const DEFERRED_RAN: u8 = 9;
const TIMER_ARMED: u8 = 11;
const TIMER_FIRED: u8 = 12;
const TIMER_CLEARED: u8 = 13;
const QUEUE_DEPTH: u8 = 14;
const SIGNAL_ARRIVED: u8 = 15;
const LOOP_STOPPED: u8 = 31;
const INPUT_BATCH: u8 = 44;
const SNAPSHOT_TIMER: u8 = 48;
const SNAPSHOT_END: u8 = 53;
const DEFERRED_REMOVED: u8 = 58;
const TASKS: u64 = 1;
const CONCURRENT: u64 = 2;
const DEFERRED: u64 = 4;
const TIMERS: u64 = 5;
const MICROTASK_QUEUE: u64 = 6;
const SIGNALS: u64 = 7;

/// The depth of a queue from the time at which it is first known.
#[derive(Debug, Default)]
struct Steps(Vec<(u64, u64)>);

impl Steps {
    /// The median over time while the loop ran.
    fn median(&self, ran: &[(u64, u64)]) -> Option<u64> {
        let mut lasted: Vec<(u64, u64)> = Vec::new();
        for (place, (from, depth)) in self.0.iter().enumerate() {
            let until = self.0.get(place + 1).map_or(u64::MAX, |(at, _)| *at);
            let ns = ran.iter().map(|(start, end)| until.min(*end).saturating_sub(*from.max(start))).sum();
            lasted.push((*depth, ns));
        }
        lasted.sort_unstable();
        let mut rank = lasted.iter().map(|(_, ns)| ns).sum::<u64>().div_ceil(2);
        let reaches = |(_, ns): &&(u64, u64)| {
            let is_there = rank <= *ns && *ns > 0;
            rank = rank.saturating_sub(*ns);
            is_there
        };
        lasted.iter().find(reaches).map(|(depth, _)| *depth)
    }
}

/// Compares depths of a trace with one loop; with several, their depths over time are no single figure.
pub(crate) fn compare(trace: &Trace, report: &Value, name: &str) {
    let loops: HashSet<u32> =
        trace.events.iter().filter(|event| event.kind == TICK_START).map(|event| event.source).collect();
    let [source] = loops.iter().copied().collect::<Vec<_>>()[..] else { return };
    let events: Vec<_> = trace.events.iter().filter(|event| event.source == source).collect();
    let mut ran: Vec<(u64, u64)> = Vec::new();
    let mut is_stopped = true;
    let mut tasks: HashMap<u64, u64> = HashMap::new();
    let mut changes: Vec<(u64, i64)> = Vec::new();
    let (mut known_from, mut timers) = (u64::MAX, Steps::default());
    // The period of each armed timer, and of those that a snapshot has listed so far.
    let (mut armed, mut listed) = (HashMap::new(), HashMap::new());
    // Deferred callbacks; those that run leave the queue only at the end of their drain.
    let mut deferred = 0_u64;
    let mut max: HashMap<u64, u64> = HashMap::new();
    for event in &events {
        let at = event.at;
        if is_stopped && event.kind != LOOP_STOPPED {
            ran.push((if ran.is_empty() { 0 } else { at }, u64::MAX));
            is_stopped = false;
        }
        let mut reached = |queue: u64, depth: u64| {
            let max: &mut u64 = max.entry(queue).or_default();
            *max = depth.max(*max);
        };
        match event.kind {
            LOOP_STOPPED if !is_stopped => {
                ran.last_mut().expect("it ran").1 = at;
                is_stopped = true;
            }
            TASK_QUEUED => {
                let placement = event.field(1);
                reached(placement >> 4 & 0xf, placement >> 8);
                if placement >> 4 & 0xf == TASKS {
                    tasks.insert(event.field(0), at);
                    known_from = known_from.min(at);
                    changes.push((at, 1));
                }
            }
            TASK_RAN if tasks.remove(&event.field(0)).is_some() => changes.push((event.time(3), -1)),
            QUEUE_DEPTH => {
                let (queue, depth) = (event.field(0), event.field(1));
                reached(queue, depth);
                match queue {
                    TASKS => known_from = known_from.min(at),
                    TIMERS => timers.0.push((at, depth)),
                    DEFERRED => assert_eq!(depth, deferred, "{name}: callbacks deferred at {at}"),
                    _ => {}
                }
            }
            INPUT_BATCH if event.field(0) == CONCURRENT => reached(CONCURRENT, event.field(1)),
            SIGNAL_ARRIVED => reached(SIGNALS, event.field(1)),
            SNAPSHOT_TIMER => drop(listed.insert(event.field(0), event.optional(2))),
            SNAPSHOT_END => {
                known_from = known_from.min(at);
                armed = std::mem::take(&mut listed);
                timers.0.push((at, armed.len() as u64));
            }
            TIMER_ARMED => drop(armed.insert(event.field(0), event.optional(2))),
            TIMER_CLEARED => drop(armed.remove(&event.field(0))),
            // An interval stays armed.
            TIMER_FIRED => armed.retain(|timer, period| *timer != event.field(0) || period.is_some()),
            MICROTASKS => reached(MICROTASK_QUEUE, event.field(1) + event.field(2)),
            DEFERRED_POSTED if event.field(1) == 0 => {
                deferred += 1;
                reached(DEFERRED, deferred);
            }
            DEFERRED_REMOVED => deferred -= 1,
            DEFERRED_RAN => deferred = deferred + event.field(1) - event.field(0),
            _ => {}
        }
        if let TIMER_ARMED | TIMER_CLEARED | TIMER_FIRED | SNAPSHOT_END = event.kind {
            reached(TIMERS, armed.len() as u64);
            if !timers.0.is_empty() {
                timers.0.push((at, armed.len() as u64));
            }
        }
    }
    // A task that starts at the instant at which the next one is queued has left first.
    changes.sort_unstable();
    let (mut depth, mut counted) = (0_i64, Steps(vec![(known_from, 0)]));
    for (at, change) in changes {
        depth += change;
        counted.0.push((at, u64::try_from(depth).unwrap_or(0)));
    }
    for queue in report["queues"].as_array().expect("a list") {
        let (code, steps) = match queue["queue"].as_str().expect("a name") {
            "tasks" => (TASKS, Some(&counted)),
            "timers" => (TIMERS, Some(&timers)),
            "concurrent" => (CONCURRENT, None),
            "signals" => (SIGNALS, None),
            "deferred" => (DEFERRED, None),
            "microtasks" => (MICROTASK_QUEUE, None),
            _ => continue,
        };
        let deepest = max.get(&code).copied().unwrap_or(0);
        let most = queue.pointer("/depth/max_bounds/1").unwrap_or(&queue["depth"]["max"]);
        assert_eq!(most.as_u64(), Some(deepest), "{name}: {queue}");
        if code == MICROTASK_QUEUE {
            assert_eq!(number(queue, "/depth/max") > 0, deepest > 0, "{name}: {queue}");
        } else if code != DEFERRED {
            assert_eq!(number(queue, "/depth/max"), deepest, "{name}: {queue}");
        }
        if code == DEFERRED {
            continue;
        }
        let median = steps.and_then(|steps| steps.median(&ran));
        let shown = queue["depth"]["p50"].as_u64();
        let near = |(shown, exact): (u64, u64)| shown.abs_diff(exact) * 100 <= exact;
        assert!(
            shown.is_some() == median.is_some() && shown.zip(median).is_none_or(near),
            "{name}: a median of {median:?}, not {queue}"
        );
    }
}
