//! Tags by name: those of the recording, those of this process, and the names most similar to an unknown one.

use loop_probes::ids::Tag;
use loop_probes::tags::tag_of_label;
use loop_probes::text::printable;
use loop_traces::suggest::nearest;

use super::script::Script;
use crate::RerunError;

/// The names of the recorded tags, indexed by tag; `None` if nothing of a tag was recorded.
pub(super) struct Names(Vec<Option<String>>);

impl Names {
    pub(super) fn of(script: &Script) -> Self {
        let mut names = Vec::new();
        for run in &script.runs {
            let place = usize::from(run.tag.0);
            if place >= names.len() {
                names.resize(place + 1, None);
            }
            if names[place].is_none() {
                names[place] = Some(script.labels.tag(run.tag).into_owned());
            }
        }
        let arms = script.arms.iter().map(|arm| arm.tag);
        let tasklets = script.tasklets.iter().map(|tasklet| tasklet.tag);
        for tag in arms.chain(script.sources.iter().map(|source| source.tag)).chain(tasklets) {
            let place = usize::from(tag.0);
            if place >= names.len() {
                names.resize(place + 1, None);
            }
            names[place].get_or_insert_with(|| script.labels.tag(tag).into_owned());
        }
        Self(names)
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &String)> {
        self.0.iter().enumerate().filter_map(|(place, name)| Some((place, name.as_ref()?)))
    }

    /// The recorded tags with that name.
    pub(super) fn find<'a>(
        &'a self,
        option: &'static str,
        name: &'a str,
    ) -> Result<impl Iterator<Item = usize> + 'a, RerunError> {
        let mut places =
            self.iter().filter(move |(_, known)| *known == name).map(|(place, _)| place).peekable();
        if places.peek().is_some() {
            return Ok(places);
        }
        let known = self.iter().filter(|(place, _)| *place > 0).map(|(_, known)| known.clone());
        let near = nearest(name, known);
        Err(RerunError::UnknownTag { option, tag: printable(name), near })
    }

    /// This process's tags with the same names.
    pub(super) fn in_this_process(&self) -> Vec<Tag> {
        let tag = |(place, name): (usize, &Option<String>)| match name {
            Some(name) if place > 0 => tag_of_label(name),
            _ => Tag(0),
        };
        self.0.iter().enumerate().map(tag).collect()
    }
}
