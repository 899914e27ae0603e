//! The threads of a trace: who they are, and how many slices each has.

use std::collections::HashMap;

use loop_probes::text::printable;

use crate::chrome::read::EventId;

/// Most threads told apart; the events of further ones count for the last.
const THREADS_MAX: usize = 1 << 14;

/// One thread of the trace.
#[derive(Clone, Debug)]
pub(super) struct Thread {
    pub(super) pid: EventId<'static>,
    pub(super) tid: EventId<'static>,
    pub(super) name: Option<String>,
    pub(super) slices: u64,
    pub(super) instants: u64,
    /// Slices that lie in no other.
    pub(super) top_level: u64,
    /// Callbacks that Node tells as asynchronous pairs.
    pub(super) callbacks: u64,
    /// Slices that a known loop has for its turns.
    pub(super) turns: u64,
    pub(super) last: i64,
    /// The time of the last begin, and the begins at that time whose end did not come yet.
    open_begins: (i64, u32),
}

impl Thread {
    /// A slice begins, as the file has it.
    pub(super) fn begun(&mut self, at: i64) {
        let (last, open) = &mut self.open_begins;
        (*last, *open) = (at, if *last == at { open.saturating_add(1) } else { 1 });
    }

    /// Whether an end ends what began at the same time.
    pub(super) fn ends_at_begin(&mut self, at: i64) -> bool {
        let (last, open) = &mut self.open_begins;
        let ends = *last == at && *open > 0;
        *open -= u32::from(ends);
        ends
    }
}

/// All threads.
#[derive(Debug, Default)]
pub(super) struct Threads {
    numbers: HashMap<(EventId<'static>, EventId<'static>), u32>,
    all: Vec<Thread>,
    processes: HashMap<EventId<'static>, String>,
    last: Option<(EventId<'static>, EventId<'static>, u32)>,
}

impl Threads {
    pub(super) fn number(&mut self, pid: &EventId<'_>, tid: &EventId<'_>) -> u32 {
        // Most events are of the same thread as the one before.
        if let Some((last_pid, last_tid, number)) = &self.last
            && last_pid == pid
            && last_tid == tid
        {
            return *number;
        }
        let key = (pid.clone().into_owned(), tid.clone().into_owned());
        let number = match self.numbers.get(&key) {
            Some(number) => *number,
            None if self.all.len() >= THREADS_MAX => THREADS_MAX as u32 - 1,
            None => {
                let number = self.all.len() as u32;
                self.all.push(Thread {
                    pid: key.0.clone(),
                    tid: key.1.clone(),
                    name: None,
                    slices: 0,
                    instants: 0,
                    top_level: 0,
                    callbacks: 0,
                    turns: 0,
                    last: 0,
                    open_begins: (0, 0),
                });
                self.numbers.insert(key.clone(), number);
                number
            }
        };
        self.last = Some((key.0, key.1, number));
        number
    }

    pub(super) fn name_process(&mut self, pid: &EventId<'_>, name: &str) {
        if self.processes.len() < THREADS_MAX {
            self.processes.insert(pid.clone().into_owned(), short(name));
        }
    }

    pub(super) fn name_thread(&mut self, number: u32, name: &str) {
        self.get_mut(number).name = Some(short(name));
    }

    pub(super) fn all(&self) -> &[Thread] {
        &self.all
    }

    pub(super) fn get(&self, number: u32) -> &Thread {
        &self.all[number as usize]
    }

    pub(super) fn get_mut(&mut self, number: u32) -> &mut Thread {
        &mut self.all[number as usize]
    }

    pub(super) fn process_name(&self, pid: &EventId<'_>) -> Option<&str> {
        self.processes.iter().find(|(known, _)| *known == pid).map(|(_, name)| &**name)
    }

    /// What a thread is called: its name, with its process where that has one.
    pub(super) fn title(&self, number: u32) -> String {
        let thread = self.get(number);
        let name = thread.name.clone().unwrap_or_else(|| format!("thread {}", thread.tid));
        match self.process_name(&thread.pid) {
            Some(process) if process != name => format!("{process} · {name}"),
            _ => name,
        }
    }
}

fn short(name: &str) -> String {
    printable(name).chars().take(64).collect()
}
