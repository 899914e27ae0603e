//! Faults of the machine and of the engine: suspensions, processors that others use, collections, microtasks, signals.

use super::case::{Case, MainCause};
use super::finding::{Finding, LookAt, Rule};
use crate::timeline::{Cause, signal_name};
use crate::units::{count, counted, duration, percent, position, rate};

/// The share of the busy time from which collections and microtasks are a fault.
const OF_BUSY_MIN: f64 = 0.3;

/// The share of all time from which they are.
const OF_SPAN_MIN: f64 = 0.05;

/// Fewest collections that are too many.
const COLLECTIONS_MIN: u64 = 10;

/// Signals a second from which they are a storm, and the fewest of them.
const SIGNALS_A_SECOND_MIN: f64 = 1_000.0;
const SIGNALS_MIN: u64 = 1_000;

/// What a dropped signal costs: nobody knows when it would have been delivered, so it ranks like a late one.
const DROPPED_NS: u64 = 1_000_000;

impl Case<'_> {
    /// Periods in which nothing of the process ran.
    pub(super) fn suspended(&self) -> Option<Finding> {
        let suspensions = &self.timeline.suspensions;
        if suspensions.count == 0 {
            return None;
        }
        let first = self.timeline.first_at().unwrap_or_default();
        let since = suspensions.recent.iter().next().map(|it| it.start);
        let lasts = duration(suspensions.total_ns);
        let sentence = match (suspensions.count, since) {
            (1, Some(since)) => {
                format!("The process was suspended once, for {lasts} at {}", position(since.ns_since(first)))
            }
            (number, _) => {
                format!("The process was suspended {}, for {lasts} in all", counted(number, "time", "times"))
            }
        };
        let finding =
            self.by(Cause::Suspended, Rule::Suspended, sentence, suspensions.total_ns, LookAt::DelayCaused);
        // What waits afterwards is its backlog, whatever it then waits for. A stall may contain it.
        let is_longest = suspensions.total_ns >= self.timeline.stalls.busy_ns / 2;
        let cost_ns = if is_longest { u64::MAX - 1 } else { finding.cost_ns };
        Some(Finding {
            cost_ns,
            count: Some(suspensions.count),
            run_ns: Some(suspensions.total_ns / suspensions.count),
            since: since.filter(|_| suspensions.recent.len() as u64 == suspensions.count),
            ..finding
        })
    }

    /// Threads that were runnable and had no processor.
    pub(super) fn busy_machine(&self) -> Option<Finding> {
        if !self.is_machine_busy() {
            return None;
        }
        let pressure = &self.timeline.pressure;
        let preempted_ns = self.preempted_ns();
        let caused_ns = self.impact(Cause::LateWakeup).map_or(0, |impact| impact.total_ns());
        if preempted_ns == 0 && !self.matters(caused_ns) {
            return None;
        }
        let sentence = format!(
            "The machine is too busy: threads of this program waited {} for a processor in {}",
            duration(pressure.delayed_ns?),
            duration(pressure.observed_ns)
        );
        let finding = self.by(Cause::LateWakeup, Rule::BusyMachine, sentence, preempted_ns, LookAt::Pressure);
        Some(Finding { who: None, ..finding })
    }

    /// Polls that ended late, by the system's fault or by the loop's own.
    pub(super) fn late_wakeups(&self) -> Option<Finding> {
        let caused_ns = |cause| self.impact(cause).map_or(0, |impact| impact.total_ns());
        let (rule, cause, sentence) = match caused_ns(Cause::Overslept) > caused_ns(Cause::LateWakeup) {
            true => (Rule::Overslept, Cause::Overslept, "The loop asked to sleep although something was due"),
            false if self.is_machine_busy() => return None,
            false => (Rule::LateWakeups, Cause::LateWakeup, "The system wakes the loop late"),
        };
        let finding = self.by(cause, rule, sentence.to_owned(), 0, LookAt::LateTimers);
        self.matters(caused_ns(cause)).then_some(finding)
    }

    /// Whether time is a large part of what the loops did.
    fn is_much(&self, ns: u64) -> bool {
        ns > 0
            && ns as f64 >= self.busy_ns() as f64 * OF_BUSY_MIN
            && ns as f64 >= self.timeline.span_ns() as f64 * OF_SPAN_MIN
    }

    fn share_of_busy(&self, ns: u64) -> String {
        percent((ns as f64 / self.busy_ns().max(1) as f64).min(1.0))
    }

    /// Collections that take much of the time.
    pub(super) fn collections(&self) -> Option<Finding> {
        let runs = &self.timeline.gc.run_ns;
        let (number, total_ns) = (runs.count(), runs.total());
        if number < COLLECTIONS_MIN || !self.is_much(total_ns) {
            return None;
        }
        let typical_ns = runs.known_quantile(0.5);
        let per_second = number as f64 * 1e9 / self.timeline.span_ns().max(1) as f64;
        let sentence = format!(
            "Collections take {} of the busy time: {} a second, {} each",
            self.share_of_busy(total_ns),
            rate(per_second),
            duration(typical_ns)
        );
        let finding = self.by(Cause::Gc, Rule::GcThrash, sentence, total_ns, LookAt::Gc);
        Some(Finding { count: Some(number), run_ns: typical_ns, ..finding })
    }

    /// Microtasks that take much of the time, or a stall.
    pub(super) fn microtasks(&self) -> Option<Finding> {
        let microtasks = &self.timeline.microtasks;
        let total_ns = microtasks.run_ns.total();
        let is_of_microtasks = |cause: &Cause| matches!(cause, Cause::Microtasks(_));
        let stalls = self.timeline.stalls.newest_first().filter_map(|stall| MainCause::of(&stall.blame));
        let stalled = stalls.map(|main| main.cause).find(is_of_microtasks);
        if stalled.is_none() && !self.is_much(total_ns) {
            return None;
        }
        let worst = self.impacts.iter().map(|impact| impact.cause).find(is_of_microtasks);
        let after = worst.or(stalled).and_then(|cause| match cause {
            Cause::Microtasks(Some(tag)) => Some(self.timeline.labels.tag(tag).into_owned()),
            _ => None,
        });
        let most = microtasks.ran_per_checkpoint.max();
        let longest_ns = microtasks.run_ns.max();
        let after = after.map_or_else(String::new, |tag| format!(" after {tag}"));
        let (share, lasts) = (self.share_of_busy(total_ns), duration(longest_ns));
        let sentence = match most {
            1 => format!("Single microtasks{after} take {share} of the busy time: up to {lasts}"),
            _ => format!(
                "Microtasks{after} take {share} of the busy time: up to {} in a row, for {lasts}",
                count(most)
            ),
        };
        let cause = worst.or(stalled).unwrap_or(Cause::Microtasks(None));
        let finding = self.by(cause, Rule::MicrotaskFlood, sentence, total_ns, LookAt::Microtasks);
        Some(Finding { count: Some(microtasks.ran), run_ns: Some(longest_ns), ..finding })
    }

    /// Signals that were dropped, or that come faster than a loop takes them.
    pub(super) fn signals(&self) -> Option<Finding> {
        let signals = &self.timeline.signals;
        let (arrived, dropped) = (signals.arrived(), signals.dropped());
        let per_second = arrived as f64 * 1e9 / self.timeline.span_ns().max(1) as f64;
        let latency_ns = signals.latency_ns();
        // Signals that are delivered at once are no fault, however many they are.
        let late_ns = latency_ns.total_above(self.timeline.config().late_signal_ns);
        let is_storm = arrived >= SIGNALS_MIN && per_second >= SIGNALS_A_SECOND_MIN && self.matters(late_ns);
        if dropped == 0 && !is_storm {
            return None;
        }
        let most = signals.by_signo.iter().max_by_key(|signal| signal.arrived)?;
        let cost_ns = latency_ns.total().saturating_add(dropped.saturating_mul(DROPPED_NS));
        let who = signal_name(most.signo);
        let end = match dropped {
            0 => format!("delivered up to {} late", duration(latency_ns.max())),
            number => format!("{} dropped", count(number)),
        };
        let text = match arrived {
            0 => format!("Signals were dropped: {}", count(dropped)),
            _ => format!(
                "Signals arrive faster than they are taken: {arrived} signals, most of them {who}, {end}",
                arrived = count(arrived)
            ),
        };
        Some(Finding {
            who: Some(who).filter(|_| arrived > 0),
            count: Some(arrived),
            delay_caused_ns: Some(latency_ns.total()),
            delayed: Some(latency_ns.count()),
            ..Finding::new(Rule::SignalStorm, text, cost_ns, Some(LookAt::Signals))
        })
    }
}
