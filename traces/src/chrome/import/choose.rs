//! The second pass: nests and counts the slices of every thread, and decides which threads are loops.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::io;

use loop_probes::text::printable;

use super::enclosing::{OpenContents, Search};
use super::gather::{Counts, Gathered};
use super::names::Names;
use super::nest::{Nest, Nested, Slice, depth_max};
use super::posted::is_of_message_loop;
use super::record::{EventRecord, Kind};
use super::role::{Role, Roles};
use super::sorted::Sorted;
use super::status::{ImportError, Progress};
use super::tally::{dropped, repaired};
use super::threads::{Thread, Threads};
use crate::chrome::read::EventId;
use crate::import_summary::{LARGEST, LeftOut, LeftOutThread};

/// Names used by threads that run a loop. Chromium's main threads are also called `Cr…Main`.
const LOOP_NAMES: [&str; 6] = [
    "JavaScriptMainThread",
    "node",
    "MainThread",
    "Chrome_InProcRendererThread",
    "Chrome_InProcGpuThread",
    "Chrome_InProcUtilityThread",
];

fn is_loop_name(name: &str) -> bool {
    let of_chromium = || name.strip_prefix("Cr").is_some_and(|rest| rest.len() > 4 && rest.ends_with("Main"));
    LOOP_NAMES.contains(&name) || of_chromium()
}

/// Maximum number of threads that an error lists.
const LISTED_MAX: usize = 20;

/// Maximum number of records with equal times that are put into Perfetto's order.
const EQUAL_MAX: usize = 1 << 16;

/// Counts of the pass.
#[derive(Debug, Default)]
struct Survey {
    counts: Counts,
    overlapping: u64,
    too_deep: u64,
    lost_ends: u64,
    search: Search,
}

/// The state of a thread during the pass.
#[derive(Debug)]
struct Open {
    nest: Nest,
    contents: OpenContents,
}

/// Passes over all records once, in Perfetto's order.
pub(super) fn survey(
    gathered: &mut Gathered,
    records: &Sorted<EventRecord>,
    progress: &mut dyn FnMut(Progress),
) -> io::Result<Counts> {
    let mut survey = Survey::default();
    let mut roles = Roles::new(gathered.producer);
    let depth = depth_max(gathered.threads.len());
    let opened = |_| Open { nest: Nest::with_depth(depth), contents: OpenContents::default() };
    let mut open: Vec<Open> = gathered.threads.all().map(opened).collect();
    let mut equal: Vec<EventRecord> = Vec::new();
    for (done, record) in records.iter()?.enumerate() {
        if done % (1 << 16) == 0 {
            progress(Progress::Sorting { records: done as u64 });
        }
        let record = record?;
        if equal.first().is_some_and(|first| first.ts != record.ts) || equal.len() >= EQUAL_MAX {
            survey.take(&mut equal, gathered, &mut open, &mut roles);
        }
        equal.push(record);
    }
    survey.take(&mut equal, gathered, &mut open, &mut roles);
    let (mut unfinished, mut cut) = (0, 0);
    for (thread, Open { nest, contents }) in open.iter_mut().enumerate() {
        let thread = thread as u32;
        let last = gathered.threads.get(thread).last;
        let search = &mut survey.search;
        unfinished += nest.finish(last, &mut |slice, depth, is_over| {
            let role = roles.of(&gathered.names, slice.name, slice.category);
            search.closed(contents, (thread, slice, depth), role, (!is_over).then_some(last));
        });
        cut += nest.cut;
    }
    let contents: Vec<OpenContents> = open.into_iter().map(|open| open.contents).collect();
    gathered.repaired.add(repaired::FORGOTTEN, survey.search.forgotten);
    gathered.enclosing = survey.search.finish(&contents, &|thread| gathered.threads.get(thread).last);
    gathered.dropped.add(dropped::OVERLAPPING, survey.overlapping);
    gathered.dropped.add(dropped::NESTED_TOO_DEEP, survey.too_deep);
    gathered.dropped.add(dropped::END_WITHOUT_BEGIN, survey.lost_ends);
    gathered.repaired.add(repaired::BEGIN_WITHOUT_END, unfinished);
    gathered.repaired.add(repaired::CUT_TO_NEST, cut);
    Ok(survey.counts)
}

impl Survey {
    /// Takes records with equal times.
    fn take(
        &mut self,
        equal: &mut Vec<EventRecord>,
        gathered: &mut Gathered,
        open: &mut [Open],
        roles: &mut Roles,
    ) {
        let sorts = gathered.any_complete
            && equal.first().is_some_and(|first| gathered.sorted_from.is_some_and(|from| first.ts >= from));
        equal.sort_by_key(|record| (if sorts { record.rank_of_perfetto() } else { 0 }, record.place));
        let Gathered { names, threads, .. } = gathered;
        for record in equal.drain(..) {
            let thread = threads.get_mut(record.thread);
            self.see(&record, thread, &mut open[record.thread as usize], names, roles);
        }
    }

    fn see(
        &mut self,
        record: &EventRecord,
        thread: &mut Thread,
        Open { nest, contents }: &mut Open,
        names: &Names,
        roles: &mut Roles,
    ) {
        let role = roles.of(names, record.name, record.category);
        let search = &mut self.search;
        let mut closed = |contents: &mut OpenContents, slice: Slice, depth: usize| {
            let role = roles.of(names, slice.name, slice.category);
            search.closed(contents, (record.thread, slice, depth), role, None);
        };
        thread.last = thread.last.max(record.ts);
        match record.kind {
            Kind::Instant => {
                self.counts.instants += 1;
                nest.instant(slice_of(record), &mut |slice, depth| closed(contents, slice, depth));
            }
            Kind::Begin | Kind::Complete => {
                let slice = Slice { extra: record.place, ..slice_of(record) };
                match nest.begin(slice, &mut |slice, depth| closed(contents, slice, depth)) {
                    Nested::At(depth) => {
                        thread.last = thread.last.max(slice.end().unwrap_or(record.ts));
                        self.counts.slices += 1;
                        thread.slices += 1;
                        // No slice can lie in one without an extent.
                        let enclosing = &nest.open()[..depth];
                        thread.top_level += u64::from(enclosing.iter().all(|open| open.dur == Some(0)));
                        thread.turns += u64::from(role == Role::Turn);
                        thread.loop_tasks += u64::from(is_of_message_loop(names.text(record.name)));
                        contents.begin(&slice, depth, role, enclosing.last());
                    }
                    Nested::Overlaps => {
                        self.overlapping += 1;
                        thread.dropped += 1;
                    }
                    Nested::TooDeep => {
                        self.too_deep += 1;
                        thread.dropped += 1;
                    }
                }
            }
            Kind::End | Kind::EndAtBegin => {
                let (name, category) = (record.name, record.category);
                let found = nest.end(record.ts, name, category, &mut |slice, depth| {
                    closed(contents, slice, depth);
                });
                self.lost_ends += u64::from(!found);
                // Before the thread's first slice it ends what began before the file, which is in no figure. Later, a
                // begin is missing.
                thread.dropped += u64::from(!found && thread.slices > 0);
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

/// Why a thread was chosen as a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChosenBy {
    /// The user asked for the thread.
    Asked,
    /// The thread has the turns of a known loop.
    Turns,
    /// The thread has a name that main threads of these programs use.
    Name,
    /// The thread is the main thread of its process: both have the same number.
    MainThread,
    /// The thread runs the tasks of a message loop, and its process has no known main thread.
    Tasks,
    /// No thread is known to be a loop; this one has the most top-level slices.
    MostSlices,
}

impl ChosenBy {
    /// Describes it in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked for",
            Self::Turns => "has the turns of a loop",
            Self::Name => "has the name of a main thread",
            Self::MainThread => "is its process's main thread (equal numbers)",
            Self::Tasks => "runs the tasks of a message loop",
            Self::MostSlices => "a guess: it has the most top-level slices",
        }
    }
}

/// Chooses the threads that become loops, by number.
pub(super) fn choose(threads: &Threads, asked: &[String]) -> Result<Vec<(u32, ChosenBy)>, ImportError> {
    let all = || 0..threads.len() as u32;
    let numbered = |what: ChosenBy, is: &dyn Fn(u32) -> bool| -> Vec<(u32, ChosenBy)> {
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
        return Ok(numbered(ChosenBy::Asked, &is_asked));
    }
    let by_turns = numbered(ChosenBy::Turns, &|number| threads.get(number).turns > 0);
    if !by_turns.is_empty() {
        return Ok(by_turns);
    }
    let by_process = of_processes(threads);
    if !by_process.is_empty() {
        return Ok(by_process);
    }
    let weight = |number: &u32| threads.get(*number).top_level + threads.get(*number).callbacks;
    let most = all().filter(|number| weight(number) > 0).min_by_key(|number| Reverse(weight(number)));
    Ok(most.map(|number| (number, ChosenBy::MostSlices)).into_iter().collect())
}

/// The loops of each process: the threads with names of main threads; if there are none, the thread with its process's
/// number; if there is none either, all that run the tasks of a message loop.
fn of_processes(threads: &Threads) -> Vec<(u32, ChosenBy)> {
    let mut best: HashMap<&EventId<'_>, ChosenBy> = HashMap::new();
    let rank = |chosen: ChosenBy| match chosen {
        ChosenBy::Name => 0,
        ChosenBy::MainThread => 1,
        _ => 2,
    };
    let found: Vec<(u32, ChosenBy)> = (0..threads.len() as u32)
        .filter_map(|number| {
            let thread = threads.get(number);
            let (pid, tid) = threads.ids(number);
            let has_slices = thread.top_level + thread.callbacks > 0;
            let chosen = if !has_slices {
                return None;
            } else if thread.name.as_deref().is_some_and(is_loop_name) {
                ChosenBy::Name
            } else if pid == tid {
                ChosenBy::MainThread
            } else if thread.loop_tasks + thread.callbacks > 0 {
                ChosenBy::Tasks
            } else {
                return None;
            };
            let best = best.entry(pid).or_insert(chosen);
            if rank(chosen) < rank(*best) {
                *best = chosen;
            }
            Some((number, chosen))
        })
        .collect();
    found.into_iter().filter(|(number, chosen)| best.get(threads.ids(*number).0) == Some(chosen)).collect()
}

/// Summarises the threads that are not among `loops`.
pub(super) fn left_out(threads: &Threads, loops: &[(u32, ChosenBy)]) -> LeftOut {
    let taken: HashSet<u32> = loops.iter().map(|(number, _)| *number).collect();
    let slices = |number: &u32| threads.get(*number).slices;
    let others = (0..threads.len() as u32).filter(|number| !taken.contains(number) && slices(number) > 0);
    let mut others: Vec<u32> = others.collect();
    others.sort_by_key(|number| Reverse(slices(number)));
    let largest = others.iter().take(LARGEST).map(|number| {
        let (pid, tid) = threads.ids(*number);
        LeftOutThread {
            name: threads.title(*number),
            pid: printable(&pid.to_string()),
            tid: printable(&tid.to_string()),
            slices: slices(number),
        }
    });
    LeftOut {
        threads: others.len() as u64,
        slices: others.iter().map(slices).sum(),
        slices_of: threads.all().map(|thread| thread.slices).sum(),
        largest: largest.collect(),
    }
}

/// Lists the threads with slices, those with the most top-level slices first, for users who have to choose.
pub(super) fn list(threads: &Threads) -> String {
    let mut places: Vec<u32> = (0..threads.len() as u32)
        .filter(|place| threads.get(*place).slices + threads.get(*place).callbacks > 0)
        .collect();
    places.sort_by_key(|place| Reverse(threads.get(*place).top_level));
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
