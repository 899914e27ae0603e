//! The second pass: how the slices of every thread nest, how many there are, and which threads are loops.

use std::io;

use super::gather::Gathered;
use super::nest::{Nest, Nested, Slice};
use super::record::{EventRecord, Kind, WORDS};
use super::role::{Role, Roles};
use super::sorted::Sorted;
use super::tally::{dropped, repaired};
use super::threads::{Thread, Threads};
use super::{ImportError, Progress};

/// Names that main threads of known loops have.
const LOOP_NAMES: [&str; 5] =
    ["CrRendererMain", "CrBrowserMain", "JavaScriptMainThread", "node", "MainThread"];

/// Most threads that an error lists.
const LISTED_MAX: usize = 20;

/// Slices and instants, as Perfetto's table of slices has them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) slices: u64,
    pub(super) instants: u64,
}

/// Most records of one time that are put into Perfetto's order.
const EQUAL_MAX: usize = 1 << 16;

/// What the pass counts.
#[derive(Debug, Default)]
struct Survey {
    counts: Counts,
    overlapping: u64,
    too_deep: u64,
    lost_ends: u64,
}

/// Goes through all records once, in the order that Perfetto gives them.
pub(super) fn survey(
    gathered: &mut Gathered,
    records: &Sorted<WORDS>,
    progress: &mut dyn FnMut(Progress),
) -> io::Result<Counts> {
    let mut survey = Survey::default();
    let mut roles = Roles::new(gathered.producer);
    let mut nests: Vec<Nest> = gathered.threads.all().map(|_| Nest::default()).collect();
    let mut equal: Vec<EventRecord> = Vec::new();
    for (done, words) in records.iter()?.enumerate() {
        if done % (1 << 16) == 0 {
            progress(Progress::Sorting { records: done as u64 });
        }
        let Some(record) = EventRecord::from_words(words?) else { continue };
        if equal.first().is_some_and(|first| first.ts != record.ts) || equal.len() >= EQUAL_MAX {
            survey.take(&mut equal, gathered, &mut nests, &mut roles);
        }
        equal.push(record);
    }
    survey.take(&mut equal, gathered, &mut nests, &mut roles);
    let (mut unfinished, mut cut) = (0, 0);
    for nest in &mut nests {
        unfinished += nest.finish(0, &mut |_, _| {});
        cut += nest.cut;
    }
    gathered.dropped.add(dropped::OVERLAPPING, survey.overlapping);
    gathered.dropped.add(dropped::NESTED_TOO_DEEP, survey.too_deep);
    gathered.dropped.add(dropped::END_WITHOUT_BEGIN, survey.lost_ends);
    gathered.repaired.add(repaired::BEGIN_WITHOUT_END, unfinished);
    gathered.repaired.add(repaired::CUT_TO_NEST, cut);
    Ok(survey.counts)
}

impl Survey {
    /// Takes records of one time.
    fn take(
        &mut self,
        equal: &mut Vec<EventRecord>,
        gathered: &mut Gathered,
        nests: &mut [Nest],
        roles: &mut Roles,
    ) {
        let sorts = gathered.any_complete
            && equal.first().is_some_and(|first| gathered.sorted_from.is_some_and(|from| first.ts >= from));
        equal.sort_by_key(|record| (if sorts { record.rank_of_perfetto() } else { 0 }, record.place));
        for record in equal.drain(..) {
            let role = roles.of(&gathered.names, record.name, record.category);
            let thread = gathered.threads.get_mut(record.thread);
            self.see(&record, role, thread, &mut nests[record.thread as usize]);
        }
    }

    fn see(&mut self, record: &EventRecord, role: Role, thread: &mut Thread, nest: &mut Nest) {
        thread.last = thread.last.max(record.ts);
        match record.kind {
            Kind::Begin | Kind::Complete | Kind::Instant => {
                match nest.begin(slice_of(record), &mut |_, _| {}) {
                    Nested::At(_) if record.kind == Kind::Instant => self.counts.instants += 1,
                    Nested::At(depth) => {
                        self.counts.slices += 1;
                        thread.slices += 1;
                        // Instants stand on the stack, but are nothing that a slice could lie in.
                        let around = &nest.open()[..depth];
                        thread.top_level += u64::from(around.iter().all(|open| open.dur == Some(0)));
                        thread.turns += u64::from(role == Role::Turn);
                    }
                    Nested::Overlaps => self.overlapping += 1,
                    Nested::TooDeep => self.too_deep += 1,
                }
            }
            Kind::End | Kind::EndAtBegin => {
                let found = nest.end(record.ts, record.name, record.category, &mut |_, _| {});
                self.lost_ends += u64::from(!found);
            }
            Kind::AsyncBegin => {
                self.counts.slices += 1;
                thread.callbacks += u64::from(role == Role::Callback);
            }
            Kind::Point => self.counts.instants += 1,
            Kind::AsyncEnd | Kind::FlowOut | Kind::FlowIn | Kind::FlowNext | Kind::Depth => {}
        }
    }
}

pub(super) fn slice_of(record: &EventRecord) -> Slice {
    let dur = match record.kind {
        Kind::Complete => Some(i64::try_from(record.value).unwrap_or(i64::MAX)),
        Kind::Instant => Some(0),
        _ => None,
    };
    Slice { start: record.ts, dur, name: record.name, category: record.category, extra: 0 }
}

/// Why a thread was taken for a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Chosen {
    /// It was asked for.
    Asked,
    /// It has the turns of a loop that is known.
    Turns,
    /// It has the name that main threads of such programs have.
    Name,
    /// No thread is known as a loop; this one has the most slices that lie in no other.
    MostSlices,
}

impl Chosen {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked for",
            Self::Turns => "has the turns of a loop",
            Self::Name => "has the name of a main thread",
            Self::MostSlices => "a guess: it has the most top-level slices",
        }
    }
}

/// Which threads become loops, by number.
pub(super) fn choose(threads: &Threads, asked: &[String]) -> Result<Vec<(u32, Chosen)>, ImportError> {
    let all = || 0..threads.len() as u32;
    let numbered = |what: Chosen, is: &dyn Fn(u32) -> bool| -> Vec<(u32, Chosen)> {
        all().filter(|number| is(*number)).map(|number| (number, what)).collect()
    };
    if !asked.is_empty() {
        if let [late, ..] = threads.late() {
            return Err(ImportError::NamedTooLate { threads: threads.late().to_vec(), first: late.clone() });
        }
        let is_one = |word: &String| all().any(|number| threads.is_called(number, word));
        if let Some(missing) = asked.iter().find(|word| !is_one(word)) {
            return Err(ImportError::NoThread { asked: missing.clone(), known: list(threads) });
        }
        let is_asked = |number| asked.iter().any(|word| threads.is_called(number, word));
        return Ok(numbered(Chosen::Asked, &is_asked));
    }
    let by_turns = numbered(Chosen::Turns, &|number| threads.get(number).turns > 0);
    if !by_turns.is_empty() {
        return Ok(by_turns);
    }
    let by_name = numbered(Chosen::Name, &|number| {
        let thread = threads.get(number);
        let named = thread.name.as_deref().is_some_and(|name| LOOP_NAMES.contains(&name));
        named && thread.top_level + thread.callbacks > 0
    });
    if !by_name.is_empty() {
        return Ok(by_name);
    }
    let weight = |number: &u32| threads.get(*number).top_level + threads.get(*number).callbacks;
    let most =
        all().filter(|number| weight(number) > 0).min_by_key(|number| std::cmp::Reverse(weight(number)));
    Ok(most.map(|number| (number, Chosen::MostSlices)).into_iter().collect())
}

/// The threads with slices, those with the most first, for people who have to choose.
pub(super) fn list(threads: &Threads) -> String {
    let mut places: Vec<u32> = (0..threads.len() as u32)
        .filter(|place| threads.get(*place).slices + threads.get(*place).callbacks > 0)
        .collect();
    places.sort_by_key(|place| std::cmp::Reverse(threads.get(*place).top_level));
    let more = places.len().saturating_sub(LISTED_MAX);
    let mut listed: Vec<String> = places
        .iter()
        .take(LISTED_MAX)
        .map(|place| {
            let (pid, tid) = threads.ids(*place);
            format!("{} ({pid}/{tid})", threads.get(*place).name.as_deref().unwrap_or("unnamed"))
        })
        .collect();
    if more > 0 {
        listed.push(format!("and {more} more"));
    }
    if listed.is_empty() { "none".to_owned() } else { listed.join(", ") }
}
