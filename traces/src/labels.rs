//! The label table: names for the numbers in events.
//!
//! Labels come from the recorded program, so they are made printable when learnt, and their number is limited: a
//! damaged file must not exhaust memory.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use loop_probes::event::{Event, LabelKind};
use loop_probes::ids::{IoSource, LabelId, SourceId, Tag};
use loop_probes::text::printable;

/// Maximum number of labels kept, of all kinds together.
pub const LABELS_MAX: usize = 1 << 16;

/// Names of tags, spans, emitters, readiness sources and texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    tags: Vec<Option<TagName>>,
    /// The tags of each name. Several may share one: names are cut to the length of a record.
    tags_named: HashMap<Box<str>, BTreeSet<u16>>,
    others: HashMap<(LabelKind, u32), Box<str>>,
    /// The program's explanations of readiness sources.
    explained: HashMap<IoSource, LabelId>,
    refused: u64,
}

/// The name of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TagName {
    name: Box<str>,
    /// With the tag's number, if several have this name: `Work #7`.
    numbered: Option<Box<str>>,
}

impl TagName {
    fn shown(&self) -> &str {
        self.numbered.as_deref().unwrap_or(&self.name)
    }
}

impl Labels {
    /// Names `id` of `kind` `text`, replacing an earlier name. Escapes control characters.
    pub fn learn(&mut self, kind: LabelKind, id: u32, text: &str) {
        let text = || printable(text).into_boxed_str();
        if let (LabelKind::Tag, Ok(tag)) = (kind, u16::try_from(id)) {
            self.learn_tag(tag, text());
        } else if self.others.len() < LABELS_MAX || self.others.contains_key(&(kind, id)) {
            self.others.insert((kind, id), text());
        } else {
            self.refused += 1;
        }
    }

    /// Names a tag. Each of several tags with equal names gets its number as a suffix, as loops do.
    fn learn_tag(&mut self, tag: u16, name: Box<str>) {
        let place = usize::from(tag);
        if place >= self.tags.len() {
            self.tags.resize(place + 1, None);
        }
        let before = self.tags[place].take().map(|before| before.name);
        if let Some(before) = before.filter(|before| *before != name)
            && let Some(tags) = self.tags_named.get_mut(&before)
        {
            tags.remove(&tag);
            match tags.first().copied() {
                None => drop(self.tags_named.remove(&before)),
                Some(last) if tags.len() == 1 => self.number_tag(last, false),
                Some(_) => {}
            }
        }
        let tags = self.tags_named.entry(name.clone()).or_default();
        tags.insert(tag);
        let (count, first) = (tags.len(), tags.iter().copied().find(|other| *other != tag));
        self.tags[place] = Some(TagName { name, numbered: None });
        self.number_tag(tag, count > 1);
        if let Some(other) = first.filter(|_| count == 2) {
            self.number_tag(other, true);
        }
    }

    /// Shows a tag with its number, or without.
    fn number_tag(&mut self, tag: u16, is_shared: bool) {
        if let Some(Some(known)) = self.tags.get_mut(usize::from(tag)) {
            known.numbered = is_shared.then(|| format!("{} #{tag}", known.name).into_boxed_str());
        }
    }

    /// Learns the name that `event` defines, if any.
    #[inline]
    pub fn learn_event(&mut self, event: &Event) {
        match event {
            Event::Label { kind, id, text } => self.learn(*kind, *id, text.get().as_str()),
            Event::IoLabel { source, label } => {
                if self.explained.len() < LABELS_MAX || self.explained.contains_key(source) {
                    self.explained.insert(*source, *label);
                } else {
                    self.refused += 1;
                }
            }
            _ => {}
        }
    }

    /// A tag's name; `tag 7` if it has none, and `untagged` for tag 0.
    #[must_use]
    pub fn tag(&self, tag: Tag) -> Cow<'_, str> {
        match self.tags.get(usize::from(tag.0)) {
            Some(Some(name)) => Cow::Borrowed(name.shown()),
            _ if tag.0 == 0 => Cow::Borrowed("untagged"),
            _ => Cow::Owned(format!("tag {tag}")),
        }
    }

    /// The name of a span or mark.
    #[must_use]
    pub fn span(&self, label: LabelId) -> Cow<'_, str> {
        self.other(LabelKind::Span, label.0, "span")
    }

    /// The text of an exception, a violated rule, or similar.
    #[must_use]
    pub fn text(&self, label: LabelId) -> Cow<'_, str> {
        self.other(LabelKind::Text, label.0, "text")
    }

    /// An emitter's name.
    #[must_use]
    pub fn source(&self, source: SourceId) -> Cow<'_, str> {
        self.other(LabelKind::Source, source.0, "source")
    }

    /// The program's explanation of a readiness source, if any, else its name.
    #[must_use]
    pub fn io(&self, source: IoSource) -> Cow<'_, str> {
        let explained = self.explained.get(&source).and_then(|label| self.interned(*label));
        explained.map_or_else(|| self.other(LabelKind::Io, source.0, "io"), Cow::Borrowed)
    }

    /// The text of a label of kind `Text` or `Span`; its number is unique within its program.
    #[must_use]
    pub fn any(&self, label: LabelId) -> Cow<'_, str> {
        self.interned(label).map_or_else(|| Cow::Owned(format!("label {label}")), Cow::Borrowed)
    }

    fn interned(&self, label: LabelId) -> Option<&str> {
        let kinds = [LabelKind::Text, LabelKind::Span];
        kinds.into_iter().find_map(|kind| self.known(kind, label.0))
    }

    /// The name of `id`, if known.
    #[must_use]
    pub fn known(&self, kind: LabelKind, id: u32) -> Option<&str> {
        if kind == LabelKind::Tag {
            return self.tags.get(usize::try_from(id).ok()?)?.as_ref().map(TagName::shown);
        }
        self.others.get(&(kind, id)).map(|text| &**text)
    }

    /// Labels discarded because there were too many.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    fn other(&self, kind: LabelKind, id: u32, noun: &str) -> Cow<'_, str> {
        match self.others.get(&(kind, id)) {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(format!("{noun} {id}")),
        }
    }

    /// The names of loops. Each of several loops with equal names gets its number as a suffix: if one kept the plain name,
    /// selecting it would hide the others.
    #[must_use]
    pub fn of_loops(&self, loops: &[SourceId]) -> Vec<String> {
        let labels: Vec<Cow<'_, str>> = loops.iter().map(|source| self.source(*source)).collect();
        let with_number = || loops.iter().zip(&labels).map(|(source, label)| format!("{label} #{source}"));
        let mut counts: HashMap<&str, usize> = HashMap::new();
        labels.iter().for_each(|label| *counts.entry(label).or_default() += 1);
        // A loop's own name may equal another's name with suffix: `a #2`.
        let numbered: HashSet<String> = with_number().collect();
        let named = labels.iter().zip(with_number()).map(|(label, with_number)| {
            let is_shared =
                counts.get(&**label).is_some_and(|count| *count > 1) || numbered.contains(&**label);
            if is_shared { with_number } else { label.clone().into_owned() }
        });
        named.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_one_name_are_told_apart() {
        let mut labels = Labels::default();
        let mut learn = |tag, name| labels.learn(LabelKind::Tag, tag, name);
        learn(1, "Long");
        learn(2, "Other");
        learn(7, "Long");
        learn(7, "Long");
        let names = |labels: &Labels| [1, 2, 7].map(|tag| labels.tag(Tag(tag)).into_owned());
        assert_eq!(names(&labels), ["Long #1", "Other", "Long #7"]);
        labels.learn(LabelKind::Tag, 7, "Renamed");
        assert_eq!(names(&labels), ["Long", "Other", "Renamed"]);
        labels.learn(LabelKind::Tag, 2, "Renamed");
        labels.learn(LabelKind::Tag, 1, "Renamed");
        assert_eq!(names(&labels), ["Renamed #1", "Renamed #2", "Renamed #7"]);
    }

    #[test]
    fn unnamed_ids_are_shown_as_numbers() {
        let mut labels = Labels::default();
        labels.learn(LabelKind::Tag, 3, "Echo\x1b[2J");
        labels.learn(LabelKind::Span, 9, "parse");
        assert_eq!(labels.tag(Tag(3)), "Echo\\u{1b}[2J");
        assert_eq!(labels.tag(Tag(4)), "tag 4");
        assert_eq!(labels.tag(Tag(0)), "untagged");
        assert_eq!(labels.span(LabelId(9)), "parse");
        assert_eq!(labels.text(LabelId(9)), "text 9");
    }

    #[test]
    fn a_source_is_named_by_its_explanation() {
        let mut labels = Labels::default();
        labels.learn_event(&Event::IoLabel { source: IoSource(3), label: LabelId(8) });
        assert_eq!(labels.io(IoSource(3)), "io 3", "its text was not recorded yet");
        labels.learn(LabelKind::Text, 8, "HTTP listener");
        assert_eq!((labels.io(IoSource(3)), labels.io(IoSource(4))), ("HTTP listener".into(), "io 4".into()));
        assert_eq!(
            (labels.any(LabelId(8)), labels.any(LabelId(9))),
            ("HTTP listener".into(), "label 9".into())
        );
    }

    #[test]
    fn labels_beyond_the_limit_are_counted() {
        let mut labels = Labels::default();
        for id in 0..LABELS_MAX as u32 + 5 {
            labels.learn(LabelKind::Text, id, "x");
        }
        labels.learn(LabelKind::Text, 1, "renamed");
        assert_eq!(labels.refused(), 5);
        assert_eq!(labels.text(LabelId(1)), "renamed");
    }
}
