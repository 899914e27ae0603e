//! The threads of a trace: their identity, and how many slices each has.
//!
//! Two threads are never merged. A file may name more threads than fit into memory: beyond a limit, only those asked
//! for are kept apart, and the events of the others are counted as left out.

use std::collections::HashMap;

use indexmap::IndexMap;
use loop_probes::text::printable;

use crate::chrome::read::EventId;

/// Maximum number of threads kept apart.
const THREADS_MAX: usize = 1 << 20;

/// Maximum number of processes with a name.
const PROCESSES_MAX: usize = 1 << 14;

/// Maximum number of bytes of non-numeric thread ids, in total.
const ID_BYTES_MAX: usize = 64 << 20;

/// Threads kept apart beyond the limit because they were asked for: more than a trace can have loops.
const ASKED_MAX: usize = 1024;

/// Process and thread, as the file has them.
type Ids<'a> = (EventId<'a>, EventId<'a>);

/// What is known of one thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Thread {
    pub(super) name: Option<Box<str>>,
    pub(super) slices: u64,
    /// Slices that lie in no other slice.
    pub(super) top_level: u64,
    /// Callbacks that Node records as asynchronous pairs.
    pub(super) callbacks: u64,
    /// Slices that are turns of a known loop.
    pub(super) turns: u64,
    /// Tasks of a message loop.
    pub(super) loop_tasks: u64,
    pub(super) last: i64,
    /// Events of which something is missing that may have been a slice: its time, its length, or a place among the others.
    pub(super) dropped: u64,
    /// The time of the last begin, and how many begins at that time have no end yet.
    open_begins: (i64, u32),
}

impl Thread {
    /// Notes a begin, in file order.
    pub(super) fn begun(&mut self, at: i64) {
        let (last, open) = &mut self.open_begins;
        (*last, *open) = (at, if *last == at { open.saturating_add(1) } else { 1 });
    }

    /// Whether an end closes a slice that began at the same time.
    pub(super) fn ends_at_begin(&mut self, at: i64) -> bool {
        let (last, open) = &mut self.open_begins;
        let ends = *last == at && *open > 0;
        *open -= u32::from(ends);
        ends
    }
}

/// All threads.
#[derive(Debug)]
pub(super) struct Threads {
    all: IndexMap<Ids<'static>, Thread>,
    processes: HashMap<EventId<'static>, String>,
    last: Option<(Ids<'static>, Option<u32>)>,
    /// The names or ids by which threads were asked for.
    asked: Vec<String>,
    limit: usize,
    id_bytes: usize,
    /// Whether an event of a thread beyond the limit was left out.
    has_left_out: bool,
    /// Threads asked for by a name that came when some of their events may have been left out already.
    late: Vec<String>,
}

impl Default for Threads {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Threads {
    /// Keeps the threads in `asked` apart regardless of the limit.
    pub(super) fn new(asked: &[String]) -> Self {
        Self::with_limit(asked, THREADS_MAX)
    }

    pub(super) fn with_limit(asked: &[String], limit: usize) -> Self {
        Self {
            all: IndexMap::new(),
            processes: HashMap::new(),
            last: None,
            asked: asked.to_vec(),
            limit,
            id_bytes: 0,
            has_left_out: false,
            late: Vec::new(),
        }
    }

    /// The number of a thread; `None` for one beyond the limit.
    pub(super) fn number(&mut self, pid: &EventId<'_>, tid: &EventId<'_>) -> Option<u32> {
        // Most events are of the same thread as the one before.
        if let Some(((last_pid, last_tid), number)) = &self.last
            && last_pid == pid
            && last_tid == tid
        {
            return *number;
        }
        let ids = (pid.clone().into_owned(), tid.clone().into_owned());
        let number = self.find_or_add(&ids);
        self.has_left_out |= number.is_none();
        self.last = Some((ids, number));
        number
    }

    /// The number of a thread, added if there is room or if it was asked for.
    fn find_or_add(&mut self, ids: &Ids<'static>) -> Option<u32> {
        let known = self.all.get_index_of(ids).map(|place| place as u32);
        let has_room = self.all.len() < self.limit && self.id_bytes < ID_BYTES_MAX;
        known.or_else(|| (has_room || self.is_asked(ids)).then(|| self.add(ids.clone())))
    }

    fn add(&mut self, ids: Ids<'static>) -> u32 {
        let bytes = |id: &EventId<'_>| if let EventId::Text(text) = id { text.len() } else { 0 };
        self.id_bytes += bytes(&ids.0) + bytes(&ids.1);
        self.all.insert_full(ids, Thread::default()).0 as u32
    }

    /// Whether it was asked for by its number or as `PID/TID`.
    fn is_asked(&self, (pid, tid): &Ids<'_>) -> bool {
        let is = |word: &String| is_called(word, pid, tid);
        self.all.len() < self.limit.saturating_add(ASKED_MAX) && self.asked.iter().any(is)
    }

    /// Names a process. `false` if there are too many names.
    pub(super) fn name_process(&mut self, pid: &EventId<'_>, name: &str) -> bool {
        let has_room = self.processes.len() < PROCESSES_MAX;
        if has_room {
            self.processes.insert(pid.clone().into_owned(), short(name));
        }
        has_room
    }

    /// Names a thread.
    pub(super) fn name_thread(&mut self, pid: &EventId<'_>, tid: &EventId<'_>, name: &str) {
        let ids = (pid.clone().into_owned(), tid.clone().into_owned());
        let name = short(name);
        let number = match self.find_or_add(&ids) {
            Some(number) => number,
            None if self.asked.contains(&name) && self.all.len() < self.limit.saturating_add(ASKED_MAX) => {
                if self.has_left_out {
                    self.late.push(format!("{pid}/{tid}"));
                }
                self.add(ids.clone())
            }
            None => return,
        };
        self.last = Some((ids, Some(number)));
        self.get_mut(number).name = Some(name.into_boxed_str());
    }

    /// Threads, as `PID/TID`, that were asked for by names that came too late to keep all their events.
    pub(super) fn late(&self) -> &[String] {
        &self.late
    }

    pub(super) fn all(&self) -> impl ExactSizeIterator<Item = &Thread> + '_ {
        self.all.values()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn get(&self, number: u32) -> &Thread {
        &self.all[number as usize]
    }

    pub(super) fn get_mut(&mut self, number: u32) -> &mut Thread {
        &mut self.all[number as usize]
    }

    /// The process and thread ids of thread `number`, as in the file.
    pub(super) fn ids(&self, number: u32) -> (&EventId<'static>, &EventId<'static>) {
        self.all.get_index(number as usize).map(|((pid, tid), _)| (pid, tid)).unwrap_or(NO_IDS)
    }

    /// Whether `word` denotes this thread: by its name, its number, or as `PID/TID`.
    pub(super) fn is_called(&self, number: u32, word: &str) -> bool {
        let (pid, tid) = self.ids(number);
        self.get(number).name.as_deref() == Some(word) || is_called(word, pid, tid)
    }

    pub(super) fn process_name(&self, pid: &EventId<'_>) -> Option<&str> {
        self.processes.iter().find(|(known, _)| *known == pid).map(|(_, name)| &**name)
    }

    /// The display name of a thread: its name, preceded by that of its process, if any.
    pub(super) fn title(&self, number: u32) -> String {
        let (pid, tid) = self.ids(number);
        let name = self.get(number).name.as_deref().map_or_else(|| format!("thread {tid}"), str::to_owned);
        match self.process_name(pid) {
            Some(process) if process != name => format!("{process} · {name}"),
            _ => name,
        }
    }
}

/// The ids returned for a thread that does not exist.
const NO_IDS: (&EventId<'static>, &EventId<'static>) = (&EventId::Number(0), &EventId::Number(0));

fn is_called(word: &str, pid: &EventId<'_>, tid: &EventId<'_>) -> bool {
    let is = |word: &str, id: &EventId<'_>| match id {
        EventId::Number(number) => word.parse() == Ok(*number) && word == number.to_string(),
        EventId::Text(text) => text == word,
    };
    // Either of them may contain a slash itself.
    let mut slashes = word.match_indices('/').map(|(at, _)| (&word[..at], &word[at + 1..]));
    is(word, tid) || slashes.any(|(first, second)| is(first, pid) && is(second, tid))
}

fn short(name: &str) -> String {
    printable(name).chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(number: i64) -> EventId<'static> {
        EventId::Number(number)
    }

    #[test]
    fn threads_are_never_merged_and_what_is_beyond_the_limit_has_no_number() {
        let mut threads = Threads::with_limit(&[], 3);
        let numbers: Vec<_> = (1..=5).map(|tid| threads.number(&id(1), &id(tid))).collect();
        assert_eq!(numbers, [Some(0), Some(1), Some(2), None, None]);
        assert_eq!(threads.number(&id(1), &id(2)), Some(1), "those before are still known");
        assert_eq!(threads.number(&id(1), &id(4)), None);
        threads.name_thread(&id(1), &id(5), "main");
        assert_eq!((threads.len(), threads.late().len()), (3, 0), "it was not asked for");
    }

    #[test]
    fn a_requested_thread_is_found_beyond_the_limit() {
        let asked = ["9".to_owned(), "2/7".to_owned(), "main".to_owned()];
        let mut threads = Threads::with_limit(&asked, 1);
        assert_eq!(threads.number(&id(1), &id(1)), Some(0));
        threads.name_thread(&id(1), &id(5), "main");
        assert_eq!(threads.number(&id(1), &id(5)), Some(1), "its name came before anything was left out");
        assert_eq!(threads.number(&id(1), &id(7)), None, "it is another process's");
        assert_eq!(threads.number(&id(2), &id(7)), Some(2));
        assert_eq!(threads.number(&id(1), &id(9)), Some(3));
        assert!(threads.late().is_empty());
        threads.name_thread(&id(3), &id(7), "main");
        assert_eq!(threads.late(), ["3/7"], "events of it may have been left out by then");
    }

    #[test]
    fn ids_that_are_long_texts_have_a_limit_of_their_own() {
        let mut threads = Threads::default();
        let text = |number: usize| EventId::Text(format!("{number}{}", "x".repeat(16 << 20)).into());
        let numbers: Vec<_> = (0..6).map(|number| threads.number(&id(1), &text(number)).is_some()).collect();
        assert_eq!(numbers, [true, true, true, true, false, false]);
    }

    #[test]
    fn words_are_names_numbers_or_both_numbers() {
        let text = EventId::Text("a/b".into());
        for (word, pid, tid, is) in [
            ("7", &id(1), &id(7), true),
            ("1/7", &id(1), &id(7), true),
            ("07", &id(1), &id(7), false),
            ("1", &id(1), &id(7), false),
            ("a/b", &id(1), &text, true),
            ("1/a/b", &id(1), &text, true),
        ] {
            assert_eq!(is_called(word, pid, tid), is, "{word}");
        }
    }
}
