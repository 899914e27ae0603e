//! Folds losses of records, and the records that end them.

use loop_probes::event::Event;
use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;

use crate::timeline::Timeline;
use crate::timeline::gaps::start_of;

impl Timeline {
    /// Notes when an emitter last wrote a record. A recorder's sample or a reported loss is no action of the emitter.
    #[inline]
    pub(super) fn recorded(&mut self, place: usize, stamped: &Stamped) {
        if let Event::Running { .. } | Event::Lost { .. } = stamped.event {
            return;
        }
        let open = &mut self.open[place];
        open.last = stamped.at;
        if std::mem::take(&mut open.in_gap) {
            self.gap_ended(place, stamped);
        }
    }

    #[cold]
    #[inline(never)]
    fn gap_ended(&mut self, place: usize, stamped: &Stamped) {
        self.loss_bounds.gap_ended(place, stamped.at);
        self.gaps[place].reaches(start_of(stamped));
    }

    fn last_record(&self, place: Option<usize>) -> Option<Timestamp> {
        place.map(|place| self.open[place].last).filter(|last| *last > Timestamp(0))
    }

    /// When a gap reported as `from` to `to` begins: everything since the emitter's last record may be missing.
    pub(super) fn gap_from(&self, place: Option<usize>, from: Timestamp, to: Timestamp) -> Timestamp {
        self.last_record(place).map_or(from, |last| last.min(from)).min(to)
    }

    pub(super) fn records_lost(&mut self, place: Option<usize>, from: Timestamp, to: Timestamp, count: u64) {
        self.lost_records = self.lost_records.saturating_add(count);
        self.rates.lost(to);
        if count > 0 {
            self.loops.lost = count;
        }
        let open = place.and_then(|place| self.open[place].going_on()).map(|(_, _, start)| start);
        let from = self.gap_from(place, from, to);
        let counts = (count, self.loops.lost);
        self.loss_bounds.lost(place, self.last_record(place), (from, to), counts, open);
        if let Some(place) = place {
            self.open[place].lost(from);
            self.gaps[place].lost(from, to, count);
        }
        self.history.lost(from, to);
    }

    /// Handles records that are missing since `from`, if any, although no loss is reported: timers may have fired and
    /// tasks may have run.
    pub(super) fn lost_silently(&mut self, place: usize, from: Option<Timestamp>, at: Timestamp) {
        if let Some(from) = from {
            self.rates.lost(at);
            self.history.lost(from, at);
            let lost = Event::Lost { count: 1, from };
            self.queues.see(at, Some(place), &lost);
            self.keep_alive.see(at, place, &lost);
        }
    }
}
