//! Collects a divergence: what was recorded, what happened instead, and the events around it.

use loop_probes::event::Event;
use loop_probes::ids::Ticks;

use super::ReplaySession;
use crate::act::{Act, Done};
use crate::check::{Divergence, Happened};

impl ReplaySession {
    /// Reports an act that could not be done as recorded.
    pub(in crate::check) fn refuse(&mut self, done: &Done) {
        if !self.is_over() {
            self.part(Happened::Other(format!("cannot {}", describe_raw(&done.act))));
        }
    }

    /// Reports an event that was not recorded, given in full and as compared.
    pub(super) fn part_with(&mut self, raw: &Event<Ticks>, event: Event<()>) {
        let Some(entry) = self.recorded.front() else { return };
        let differences = differences(entry.event, event);
        self.part(Happened::Event { event: raw.map_time(|_| entry.at), differences });
    }

    pub(super) fn part(&mut self, happened: Happened) {
        let Some(entry) = self.recorded.front() else { return };
        let stamped = |entry| self.recorded.stamped(entry);
        self.diverged = Some(Box::new(Divergence {
            tick: self.tick,
            loop_number: 1,
            at_ns: entry.at.ns_since(self.began),
            recorded: stamped(entry),
            happened,
            before: self.history.iter().map(stamped).collect(),
            after: self.recorded.ahead().skip(1).take(2).map(stamped).collect(),
            labels: self.recorded.stream.labels.clone(),
        }));
    }

    /// Reports that the loop ended or failed while the recording goes on.
    pub(in crate::check) fn part_at_end(&mut self, how: &str) {
        if !self.is_over() {
            self.part(Happened::Other(how.to_owned()));
        }
    }
}

fn describe_raw(act: &Act) -> String {
    let text = match act {
        Act::Change(change) => format!("{change:?}"),
        Act::ReferenceUnknownSource(_) => "ReferenceSource".to_owned(),
        act => format!("{act:?}"),
    };
    let end = text.find([' ', '(', '{']).unwrap_or(text.len());
    format!("do what was recorded: {}", text[..end].to_lowercase())
}

/// The fields in which two events of the same kind differ, as happened and as recorded.
fn differences(recorded: Event<()>, happened: Event<()>) -> Option<String> {
    let (recorded, happened) = (format!("{recorded:?}"), format!("{happened:?}"));
    let ((kind, recorded), (other, happened)) = (recorded.split_once('{')?, happened.split_once('{')?);
    let pairs = || happened.split(", ").zip(recorded.split(", "));
    if kind != other || pairs().count() == 0 {
        return None;
    }
    let clean = |text: &str| text.trim_matches(|sign| " }".contains(sign)).to_owned();
    let differing = pairs().filter(|(happened, recorded)| happened != recorded);
    let texts = differing.map(|(happened, recorded)| {
        let recorded = recorded.split_once(": ").map_or(recorded, |(_, value)| value);
        format!("{}, recorded {}", clean(happened), clean(recorded))
    });
    Some(texts.collect::<Vec<_>>().join("; "))
}
