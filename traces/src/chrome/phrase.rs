//! Names, categories and numbers of events for viewers.
//!
//! speedscope identifies a slice by its name and arguments together, so slices carry no numbers that differ from run to
//! run unless requested (`details`); instants always carry theirs.

use std::io::Write;

use loop_probes::event::{Event, Outcome};
use loop_probes::ids::Timestamp;

use crate::attribution::Breakdown;
use crate::export::json::JsonOut;
use crate::export::name::Frame;
use crate::labels::Labels;
use crate::timeline::{command_name, signal_name};

/// The category of a slice; `None` if the event is not a slice.
pub(super) const fn slice_category(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::TickEnd { .. } => "tick",
        Event::Phase { .. } => "phase",
        Event::Poll { .. } => "poll",
        Event::TaskRan { outcome: Outcome::Woke, .. } => "wake",
        Event::TaskRan { .. } => "task",
        Event::Microtasks { .. } => "microtasks",
        Event::DeferredRan { .. } => "deferred",
        Event::Immediates { .. } => "immediates",
        Event::IoReady { .. } => "io",
        // A worker that resumes: the slice is what it was stopped for.
        Event::GcRan { .. } | Event::GcRendezvous { .. } | Event::WorkerState { .. } => "gc",
        Event::WorkRan { .. } => "work",
        Event::AgendaRan { .. } => "agenda",
        Event::Pumped { .. } => "pump",
        Event::ShutdownEnded { .. } => "shutdown",
        Event::Span { .. } => "span",
        _ => return None,
    })
}

/// The category of an instant; `None` if the event is not an instant.
pub(super) const fn instant_category(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::SignalArrived { .. } | Event::SignalDelivered { .. } | Event::SignalDropped { .. } => "signal",
        Event::GcDecision { .. } | Event::GcMode { .. } => "gc",
        Event::TimerFired { .. } => "timer",
        Event::Lost { .. } => "recorder",
        Event::Exception { .. } | Event::Violation { .. } | Event::SlowTask { .. } => "trouble",
        Event::Command { .. } => "command",
        Event::ShutdownBegan { .. } => "shutdown",
        Event::LoopStopped { .. } => "loop",
        Event::Mark { .. } => "mark",
        _ => return None,
    })
}

/// The name of a slice or an instant, as a JSON string.
pub(super) fn name<W: Write>(out: &mut JsonOut<W>, event: &Event, labels: &Labels) {
    if let Some(frame) = Frame::of(event) {
        let (prefix, name) = frame.name(labels);
        out.raw("\"").raw(prefix).escaped(&name).raw("\"");
        return;
    }
    match event {
        Event::ShutdownBegan { .. } => out.string("shutdown began"),
        Event::Mark { label } => out.string(&labels.span(*label)),
        Event::SignalArrived { signo, .. } => out.raw("\"").raw(&signal_name(*signo)).raw(" arrived\""),
        Event::SignalDelivered { signo, .. } => out.raw("\"").raw(&signal_name(*signo)).raw(" delivered\""),
        Event::SignalDropped { .. } => out.string("signals dropped"),
        Event::GcDecision { action, .. } => out.raw("\"gc ").raw(action.name()).raw("\""),
        Event::GcMode { mode, .. } => out.raw("\"gc pace ").raw(mode.name()).raw("\""),
        Event::TimerFired { tag, .. } => out.raw("\"timer ").escaped(&labels.tag(*tag)).raw("\""),
        Event::Lost { .. } => out.string("records lost"),
        Event::Exception { .. } => out.string("exception"),
        Event::Violation { .. } => out.string("violation"),
        Event::SlowTask { .. } => out.string("slow task"),
        Event::Command { byte, .. } => out.string(&format!("command {}", command_name(*byte))),
        Event::LoopStopped { .. } => out.string("loop stopped"),
        other => out.string(other.name()),
    };
}

/// Arguments as the inside of a JSON object.
pub(super) struct Args<'a, W> {
    out: &'a mut JsonOut<W>,
    any: bool,
}

impl<'a, W: Write> Args<'a, W> {
    pub(super) fn new(out: &'a mut JsonOut<W>) -> Self {
        Self { out, any: false }
    }

    fn key(&mut self, key: &str) {
        self.out.raw(if self.any { ",\"" } else { ",\"args\":{\"" }).raw(key).raw("\":");
        self.any = true;
    }

    pub(super) fn number(&mut self, key: &str, value: impl Into<u64>) -> &mut Self {
        self.key(key);
        self.out.number(value.into());
        self
    }

    pub(super) fn micros(&mut self, key: &str, ns: u64) -> &mut Self {
        self.key(key);
        self.out.micros(ns);
        self
    }

    pub(super) fn text(&mut self, key: &str, text: &str) -> &mut Self {
        self.key(key);
        self.out.string(text);
        self
    }

    /// A breakdown: its lines in order, each with its name and its microseconds.
    pub(super) fn breakdown(&mut self, breakdown: &Breakdown, labels: &Labels) -> &mut Self {
        self.key("blame");
        for (place, share) in breakdown.shares.iter().enumerate() {
            self.out.raw(if place == 0 { "[" } else { "," }).raw("{\"what\":");
            self.out.string(&share.what.describe(labels)).raw(",\"us\":").micros(share.ns).raw("}");
        }
        self.out.raw("]");
        self
    }

    pub(super) fn end(&mut self) {
        if self.any {
            self.out.raw("}");
        }
    }
}

const fn yes_or_no(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// The arguments of a slice.
pub(super) fn slice_args<W: Write>(out: &mut JsonOut<W>, event: &Event, details: bool) {
    let mut args = Args::new(out);
    match *event {
        Event::TaskRan { outcome, .. }
        | Event::WorkRan { outcome, .. }
        | Event::AgendaRan { outcome, .. }
            if outcome != Outcome::Done =>
        {
            args.text("outcome", outcome.name());
        }
        Event::Poll { reason, .. } => {
            args.text("reason", reason.name());
        }
        Event::Pumped { handled, ready, .. } => {
            args.text("handled", yes_or_no(handled)).text("because", if ready { "ready" } else { "time" });
        }
        Event::ShutdownEnded { finished, cancelled, left, .. } => {
            args.number("finished", finished).number("cancelled", cancelled).number("left", left);
        }
        _ => {}
    }
    if details {
        match *event {
            Event::TickEnd { tick, tasks_run, .. } => {
                args.number("tick", tick).number("tasks_run", tasks_run);
            }
            Event::Poll { ready, timeout_ns, .. } => {
                args.number("ready", ready);
                if let Some(timeout_ns) = timeout_ns {
                    args.micros("timeout_us", timeout_ns);
                }
            }
            Event::TaskRan { task, queued, start, .. }
            | Event::WorkRan { task, queued, start, .. }
            | Event::AgendaRan { task, queued, start, .. } => {
                args.number("task", task.0);
                if queued < start {
                    args.micros("queue_wait_us", start.ns_since(queued));
                }
            }
            Event::Microtasks { ran, left, .. } => {
                args.number("ran", ran).number("left", left);
            }
            Event::DeferredRan { ran, kept, .. } => {
                args.number("ran", ran).number("kept", kept);
            }
            Event::Immediates { ran, moved_to_next, .. } => {
                args.number("ran", ran).number("moved_to_next", moved_to_next);
            }
            Event::IoReady { source, readiness, task, .. } => {
                args.number("source", source.0).number("readiness", readiness).number("task", task.0);
            }
            Event::GcRan { heap_bytes_before, heap_bytes_after, .. } => {
                args.number("heap_bytes_before", heap_bytes_before)
                    .number("heap_bytes_after", heap_bytes_after);
            }
            Event::Pumped { timeout_ns, .. } => {
                args.micros("timeout_us", timeout_ns);
            }
            Event::GcRendezvous { arrived, expected, .. } => {
                args.number("arrived", arrived).number("expected", expected);
            }
            _ => {}
        }
    }
    args.end();
}

/// The arguments of an instant, including the breakdown if it was late.
pub(super) fn instant_args<W: Write>(
    out: &mut JsonOut<W>,
    at: Timestamp,
    event: &Event,
    labels: &Labels,
    blame: Option<&Breakdown>,
) {
    let mut args = Args::new(out);
    match *event {
        Event::SignalArrived { signo, depth, arrived } => {
            args.number("signo", signo).number("depth", depth).micros("waited_us", at.ns_since(arrived));
        }
        Event::SignalDelivered { signo, task, arrived } => {
            args.number("signo", signo).number("task", task.0).micros("latency_us", at.ns_since(arrived));
        }
        Event::SignalDropped { total } => {
            args.number("total", total);
        }
        Event::GcDecision { reason, heap_bytes, threshold_bytes, .. } => {
            args.text("reason", reason.name());
            args.number("heap_bytes", heap_bytes).number("threshold_bytes", threshold_bytes);
        }
        Event::GcMode { unchanged_ticks, .. } => {
            args.number("unchanged_ticks", unchanged_ticks);
        }
        Event::TimerFired { timer, task, due, fired, skipped, .. } => {
            args.number("timer", timer.0).number("task", task.0);
            args.micros("lag_us", at.max(fired).ns_since(due)).number("skipped", skipped);
        }
        Event::Lost { count, from } => {
            args.number("count", count).micros("within_us", at.ns_since(from));
        }
        Event::Exception { task, message } => {
            args.text("message", &labels.text(message));
            if let Some(task) = task {
                args.number("task", task.0);
            }
        }
        Event::Violation { rule } => {
            args.text("rule", &labels.text(rule));
        }
        Event::SlowTask { task, tag, limit_ns, start } => {
            args.text("tag", &labels.tag(tag)).number("task", task.0);
            args.micros("run_us", at.ns_since(start)).micros("limit_us", limit_ns);
        }
        Event::Command { byte, known } => {
            args.number("byte", byte).text("known", yes_or_no(known));
        }
        Event::ShutdownBegan { deadline } => {
            args.micros("limit_us", deadline.ns_since(at));
        }
        Event::LoopStopped { reason } => {
            args.text("reason", reason.name());
        }
        _ => {}
    }
    if let Some(blame) = blame {
        args.breakdown(blame, labels);
    }
    args.end();
}
