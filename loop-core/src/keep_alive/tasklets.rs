//! Lets pending tasklets keep a loop alive, and lists them by name.
//!
//! The loop reads a shared count, so tasklets send it no messages. Only the end of the last tasklet wakes the loop,
//! because only that can end its run. Adding a tasklet to an idle agenda does not, since the loop reads the count before
//! it ends.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use loop_probes::event::RefKind;
use loop_probes::ids::Tag;

use super::Named;
use crate::wake_up::WakeUp;

/// The pending tasklets of one agenda.
pub(crate) trait PendingByTag: Send + Sync {
    /// Adds the number of waiting and running tasklets of each tag.
    fn add_to(&self, counts: &mut BTreeMap<Tag, u32>);
}

/// State shared by a loop and its agendas.
pub(crate) struct AgendaKeepAlive {
    /// Number of tasklets that wait or run, in all agendas.
    pending: AtomicU64,
    wake_up: Arc<WakeUp>,
    all_counts: Mutex<Vec<Weak<dyn PendingByTag>>>,
}

impl AgendaKeepAlive {
    pub(crate) fn new(wake_up: Arc<WakeUp>) -> Self {
        Self { pending: AtomicU64::new(0), wake_up, all_counts: Mutex::default() }
    }

    /// Number of tasklets that keep the loop alive.
    #[inline]
    pub(crate) fn pending(&self) -> u32 {
        u32::try_from(self.pending.load(Ordering::SeqCst)).unwrap_or(u32::MAX)
    }

    /// For re-execution: sets the count. A change to 0 wakes the loop, as the last tasklet did in the recording.
    pub(crate) fn replay(&self, pending: u32) {
        if self.pending.swap(pending.into(), Ordering::SeqCst) > 0 && pending == 0 {
            self.wake_up.wake();
        }
    }

    /// Appends the tasklets that keep the loop alive, by label.
    pub(crate) fn list(&self, named: &mut Vec<Named>) {
        if self.pending() == 0 {
            return;
        }
        let mut counts = BTreeMap::<Tag, u32>::new();
        let all_counts = self.all_counts.lock().unwrap_or_else(PoisonError::into_inner);
        for tag_counts in all_counts.iter().filter_map(Weak::upgrade) {
            tag_counts.add_to(&mut counts);
        }
        let by_tag = |(tag, count)| Named { what: RefKind::Agenda, tag, label: None, count };
        named.extend(counts.into_iter().map(by_tag));
    }
}

#[cfg(feature = "agenda")]
impl AgendaKeepAlive {
    /// Lists the tasklets of an agenda as long as it exists.
    pub(crate) fn register(&self, agenda: Weak<dyn PendingByTag>) {
        let mut all_counts = self.all_counts.lock().unwrap_or_else(PoisonError::into_inner);
        all_counts.retain(|known| known.strong_count() > 0);
        all_counts.push(agenda);
    }

    /// Counts an added tasklet.
    pub(crate) fn begin(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the end of a tasklet, with any outcome. The last one wakes the loop.
    pub(crate) fn end(&self) {
        if self.pending.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.wake_up.wake();
        }
    }
}

impl fmt::Debug for AgendaKeepAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keep").field("pending", &self.pending()).finish_non_exhaustive()
    }
}
