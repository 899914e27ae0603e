//! Describes a divergence: what was recorded, what happened instead, and the events around it.

use loop_probes::event::Event;
use loop_probes::ids::Ticks;

use super::super::Divergence;
use super::super::window::ComparedEvent;
use super::ReplaySession;
use crate::rerun::act::{Act, Done};

impl ReplaySession {
    /// Reports an act that could not be done as recorded.
    pub(in crate::rerun::check) fn refuse(&mut self, done: &Done) {
        if !self.is_over() {
            let what = format!("cannot {}", describe_raw(&done.act));
            self.part(&what);
        }
    }

    /// Describes what happened, at the time of the recorded event; with the exact numbers where words may round them.
    pub(super) fn describe_pair(&self, raw: &Event<Ticks>, event: Event<()>) -> String {
        let Some(entry) = self.recorded.front() else { return String::new() };
        let text =
            crate::describe::event(entry.at, &raw.map_time(|_| entry.at), &self.recorded.stream.labels);
        let differs =
            differences(entry.event, event).map_or_else(String::new, |fields| format!("  ({fields})"));
        format!("{}  {text}{differs}", raw.name())
    }

    fn line(&self, entry: &ComparedEvent) -> String {
        let text = crate::describe::event(entry.at, &entry.raw, &self.recorded.stream.labels);
        format!("{}  {text}", entry.raw.name())
    }

    pub(super) fn part(&mut self, happened: &str) {
        let Some(entry) = self.recorded.front() else { return };
        let before = self.history.iter().map(|entry| self.line(entry)).collect();
        let after = self.recorded.ahead().skip(1).take(2).map(|entry| self.line(entry)).collect();
        self.diverged = Some(Box::new(Divergence {
            tick: self.tick,
            loop_number: 1,
            at_ns: entry.at.ns_since(self.began),
            recorded: self.line(entry),
            happened: happened.to_owned(),
            before,
            after,
        }));
    }

    /// Reports that the loop ended or failed while the recording goes on.
    pub(in crate::rerun::check) fn part_at_end(&mut self, how: &str) {
        if !self.is_over() {
            self.part(how);
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
