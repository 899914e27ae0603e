//! A ledger that is open: of what, and where its lines lead.
//!
//! It is a copy of what the timeline said when it was opened. What happened does not change any more, so a page
//! of it stays true while the loop goes on and while a replay moves.

use loop_probes::ids::{SourceId, Tag, Timestamp};
use loop_traces::analysis::attribution::{Ledger, What};
use loop_traces::labels::Labels;
use loop_traces::timeline::{LateSignal, LateTimer, SlowTask, TickSummary, signal_name};

use super::fold::Fold;
use super::state::TickKey;
use crate::units;

/// What a ledger is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Subject {
    /// A tick: a stall, more often than not.
    Tick(TickSummary),
    /// A timer that fired too late.
    Timer(LateTimer),
    /// A signal that was delivered too late.
    Signal(LateSignal),
    /// A task that ran for too long.
    Slow(SlowTask),
}

impl Subject {
    /// When it came to its end.
    #[must_use]
    pub const fn end(&self) -> Timestamp {
        match self {
            Self::Tick(tick) => tick.end,
            Self::Timer(late) => late.fired,
            Self::Signal(late) => late.delivered,
            Self::Slow(slow) => slow.end,
        }
    }

    /// What its ledger sums to, in nanoseconds.
    #[must_use]
    pub const fn lasted_ns(&self) -> u64 {
        match self {
            Self::Tick(tick) => tick.busy_ns,
            Self::Timer(late) => late.lag_ns(),
            Self::Signal(late) => late.latency_ns(),
            Self::Slow(slow) => slow.run_ns(),
        }
    }

    /// Its name in a list: the tag's, the signal's.
    #[must_use]
    pub fn name(&self, labels: &Labels) -> String {
        match self {
            Self::Tick(tick) => format!("tick {}", units::count(tick.tick)),
            Self::Timer(late) => labels.tag(late.tag).into_owned(),
            Self::Signal(late) => format!("signal {}", signal_name(late.signo)),
            Self::Slow(slow) => format!("{} #{}", labels.tag(slow.tag), slow.task),
        }
    }

    /// The title of its page.
    #[must_use]
    pub fn title(&self, labels: &Labels) -> String {
        let name = self.name(labels);
        match self {
            Self::Tick(tick) if tick.stall => format!("stall: {name}"),
            Self::Tick(_) => name,
            Self::Timer(late) => format!("late timer: {name} #{}", late.task),
            Self::Signal(late) => format!("late {name} #{}", late.task),
            Self::Slow(_) => format!("slow task: {name}"),
        }
    }
}

/// An open ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// What it is of.
    pub subject: Subject,
    /// Who used the time.
    pub ledger: Ledger,
    /// The tick in which it came to its end, where that is kept, and when that tick ended.
    pub tick: Option<(TickKey, Timestamp)>,
}

/// Where a line of a ledger leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// To a tag in full.
    Tag(Tag),
    /// To the tick in which it came to its end.
    Tick,
}

impl Account {
    /// Opens a ledger in `picture`.
    #[must_use]
    pub fn new(subject: Subject, ledger: Ledger, picture: &Fold) -> Self {
        let tick = match subject {
            Subject::Tick(tick) => Some(tick),
            _ => picture.tick_at(subject.end()).copied(),
        };
        Self { subject, ledger, tick: tick.map(|tick| (TickKey::of(&tick), tick.end)) }
    }

    /// Its rows: the lines and their sum.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.ledger.shares.len() + 1
    }

    /// Where a row leads.
    #[must_use]
    pub fn lead(&self, row: usize) -> Lead {
        match self.ledger.shares.get(row).map(|share| share.what) {
            Some(
                What::Task { tag, .. } | What::Io { tag, .. } | What::Microtasks { after: Some((_, tag)) },
            ) => Lead::Tag(tag),
            _ => Lead::Tick,
        }
    }
}
