//! A ledger that is open: of what, and where its lines lead.
//!
//! It is a copy of what the timeline said when it was opened. What happened does not change any more, so a page
//! of it stays true while the loop goes on and while a replay moves.

use loop_probes::ids::{Tag, Timestamp};
use loop_traces::analysis::attribution::{Ledger, What};
use loop_traces::timeline::{LateTimer, Stall, TickSummary};

use super::lists::LateRow;
use super::state::TickKey;

/// What a ledger is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Subject {
    /// A tick: a stall, more often than not.
    Tick(TickSummary),
    /// A timer that fired too late.
    Timer(LateTimer),
}

/// An open ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// What it is of.
    pub subject: Subject,
    /// The tick in which it came to its end, where that is kept, and when that tick ended.
    pub tick: Option<(TickKey, Timestamp)>,
    /// Who used the time; `None` where what ran then is no longer kept.
    pub ledger: Option<Ledger>,
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
    /// The ledger of a stall.
    #[must_use]
    pub fn of_stall(stall: &Stall) -> Self {
        let tick = stall.tick;
        Self {
            subject: Subject::Tick(tick),
            tick: Some((TickKey::of(&tick), tick.end)),
            ledger: Some(stall.blame.clone()),
        }
    }

    /// The ledger of a timer that fired late in `tick`.
    #[must_use]
    pub fn of_late(row: &LateRow, tick: Option<&TickSummary>) -> Self {
        Self {
            subject: Subject::Timer(row.late),
            tick: tick.map(|tick| (TickKey::of(tick), tick.end)),
            ledger: row.blame.clone(),
        }
    }

    /// Its lines; the sum is one more.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.ledger.as_ref().map_or(0, |ledger| ledger.shares.len())
    }

    /// Where a line leads.
    #[must_use]
    pub fn lead(&self, row: usize) -> Lead {
        let share = self.ledger.as_ref().and_then(|ledger| ledger.shares.get(row));
        match share.map(|share| share.what) {
            Some(What::Task { tag, .. } | What::Io { tag, .. }) => Lead::Tag(tag),
            _ => Lead::Tick,
        }
    }
}
