//! The demo's agenda: the work that `--policy agenda` gives to worker threads beside the loop.
//!
//! Requests are checked before they are answered (high priority). Averages and the checksums of a new log come next
//! (normal). The served files are indexed when nothing else is waiting (low). For a collection, all workers stop, and
//! words that occurred only once are dropped from the index. Commands to collect, and all other operator commands, arrive
//! through the loop's self-pipe.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _, RandomState};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loop_core::agenda::{Agenda, AgendaError, AgendaHandle, AgendaWorker, Priority, Tasklet};
use loop_core::self_pipe::{Command, CommandSender, SelfPipe, SelfPipeError};
use loop_core::work_pool::PendingWork;
use loop_core::{Any, Context, Handle};
use loop_probes::session::Session;

use super::connection::{ConnectionId, Slot};
use super::schedule::{FILES, Route};
use super::task::{DemoRemote, DemoTask};

/// Number of workers: enough to show that they share the work, few enough to show queueing.
const WORKERS: u16 = 3;
/// How long a collection waits for the workers to stop.
const COLLECT_WITHIN: Duration = Duration::from_millis(50);
/// Interval between collections.
const COLLECT_EVERY: Duration = Duration::from_millis(500);
/// Time limit for shutting down the agenda.
const END_WITHIN: Duration = Duration::from_secs(2);
/// Rounds of a request's keyed hash, so that guessing a token is slow.
const HASH_ROUNDS: u32 = 4_000;
/// Number of lines indexed between two safe points for collections.
const LINES_A_STEP: usize = 64;
/// Maximum number of words in the index between two collections.
const WORDS_MAX: usize = 500_000;

/// Occurrences of each word, by its hash.
type Index = HashMap<u64, u32>;

/// The demo's agenda while it runs, with the client that submits work to it.
#[derive(Debug)]
pub(crate) struct DemoAgenda {
    agenda: Agenda,
    agenda_client: AgendaClient,
}

impl DemoAgenda {
    /// Starts the workers, which post their results to the loop behind `posts`.
    pub(crate) fn start(
        session: &Session,
        posts: Handle<DemoTask>,
        files: PathBuf,
    ) -> Result<Self, AgendaError> {
        let agenda = Agenda::builder().workers(WORKERS).attach(&posts).session(session).build()?;
        let agenda_client = AgendaClient {
            agenda: agenda.handle(),
            posts,
            files: files.into(),
            index: Arc::default(),
            words: RandomState::new(),
        };
        Ok(Self { agenda, agenda_client })
    }

    /// A handle for submitting work.
    pub(crate) fn agenda_client(&self) -> AgendaClient {
        self.agenda_client.clone()
    }

    /// Ends the workers after their loop has ended, without their remaining work.
    pub(crate) fn end(mut self) {
        let left = self.agenda.shutdown(PendingWork::HandBack, Some(END_WITHIN));
        let (handed_back, unjoined) = (left.handed_back.len(), left.unjoined.len());
        tracing::info!(handed_back, unjoined, "the agenda has ended");
    }
}

/// Submits work to the agenda, from any thread.
#[derive(Clone, Debug)]
pub(crate) struct AgendaClient {
    agenda: AgendaHandle,
    posts: Handle<DemoTask>,
    files: Arc<std::path::Path>,
    index: Arc<Mutex<Index>>,
    words: RandomState,
}

impl AgendaClient {
    /// Checks a request on a worker, then posts it back to the loop. Returns false if the agenda has ended.
    pub(crate) fn check(&self, id: ConnectionId, slot: Slot, route: Option<Route>) -> bool {
        let posts = self.posts.clone();
        let check = Tasklet::once("CheckRequest", move |_| {
            let token = stretched(id.0, slot, HASH_ROUNDS);
            // Refused only after the loop has ended, when no answer is awaited.
            let _ = posts.post(DemoRemote::Checked(id, slot, route, token));
        });
        self.agenda.add(check.priority(Priority::High)).is_ok()
    }

    /// Summarizes the watchdog's gaps: their 99th percentile becomes a measurement.
    pub(crate) fn average(&self, mut gaps_ns: Vec<u64>) {
        let posts = self.posts.clone();
        self.add(Tasklet::once("Average", move |_| {
            gaps_ns.sort_unstable();
            let p99 = gaps_ns.get(gaps_ns.len() * 99 / 100).copied().unwrap_or(0);
            let _ = posts.post(DemoRemote::Metric(u32::try_from(p99 / 1_000).unwrap_or(u32::MAX)));
        }));
    }

    /// Computes the checksum of every served file, for the first lines of a new log.
    pub(crate) fn checksum_files(&self) {
        for file in 0..FILES {
            let (path, posts) = (self.file(file), self.posts.clone());
            let checksum = Tasklet::once("ChecksumFile", move |_| {
                let sum = std::fs::read(path)?
                    .iter()
                    .fold(0u32, |sum, byte| sum.rotate_left(3).wrapping_mul(0x0100_0193) ^ u32::from(*byte));
                let _ = posts.post(DemoRemote::Metric(sum));
                Ok::<(), io::Error>(())
            });
            // Failures go to the log, to explain why it is incomplete.
            self.add(checksum.owner(&self.posts, move |failure| DemoRemote::Failed(failure.to_string())));
        }
    }

    /// Indexes the words of a served file at low priority.
    pub(crate) fn index_file(&self, file: usize) {
        let (path, index, words) = (self.file(file % FILES), Arc::clone(&self.index), self.words.clone());
        let index_file = Tasklet::once("IndexFile", move |worker| {
            let text = std::fs::read_to_string(path)?;
            index_text(&text, worker, &index, &words);
            Ok::<(), io::Error>(())
        });
        self.add(index_file.priority(Priority::Low));
    }

    /// Opens the loop's self-pipe, by which the returned sender commands the loop and its agenda. Reports go to `log`.
    pub(crate) fn open_pipe(
        &self,
        cx: &mut Context<'_, DemoTask>,
        log: fn(&str),
    ) -> Result<CommandSender, SelfPipeError> {
        let index = Arc::clone(&self.index);
        let pipe = SelfPipe::new(DemoTask::Any).agenda(self.agenda.clone()).collect_within(COLLECT_WITHIN);
        pipe.collector(move || lock(&index).retain(|_, count| *count > 1))
            .on_collected(|collected| match collected {
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "no collection"),
            })
            .on_dump(move |_, report| log(&report.to_string()))
            .on_unknown(|_, byte| tracing::warn!(byte, "no such command"))
            .open(cx)
    }

    fn add(&self, tasklet: Tasklet) {
        // Refused only after the agenda has ended, when the result is not awaited.
        let _ = self.agenda.add(tasklet);
    }

    fn file(&self, file: usize) -> PathBuf {
        self.files.join(format!("{file}.txt"))
    }
}

/// Makes the loop send itself a command to collect twice a second.
pub(crate) fn collect_regularly(
    cx: &mut Context<'_, DemoTask>,
    commands: &CommandSender,
) -> Result<(), loop_core::RequestError> {
    let commands = commands.clone();
    let collect = Any::repeat("Collect500ms", move |_| {
        // A full pipe already contains commands to collect.
        let _ = commands.send(Command::Collect);
    });
    cx.set_interval(COLLECT_EVERY, DemoTask::Any(collect)).map(drop)
}

fn lock(index: &Mutex<Index>) -> MutexGuard<'_, Index> {
    // A panic during an update leaves slightly wrong counts, which is acceptable.
    index.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An iterated hash of a request's slot.
fn stretched(connection: u64, slot: Slot, rounds: u32) -> u64 {
    let mut token = connection;
    for round in 0..rounds {
        let mut hasher = DefaultHasher::new();
        (token, slot, round).hash(&mut hasher);
        token = hasher.finish();
    }
    token
}

fn index_text(text: &str, worker: &AgendaWorker<'_>, index: &Mutex<Index>, words: &RandomState) {
    let lines: Vec<&str> = text.lines().collect();
    for lines in lines.chunks(LINES_A_STEP) {
        let mut found = Index::new();
        for word in lines.iter().flat_map(|line| line.split_whitespace()) {
            *found.entry(words.hash_one(word)).or_default() += 1;
        }
        let mut index = lock(index);
        if index.len() < WORDS_MAX {
            for (word, count) in found {
                *index.entry(word).or_default() += count;
            }
        }
        drop(index);
        worker.safe_point();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_depends_on_everything_that_it_is_made_of() {
        let token = |connection, slot, rounds| stretched(connection, Slot(slot), rounds);
        assert_eq!(token(1, 2, 100), token(1, 2, 100));
        let tokens = [token(1, 2, 100), token(2, 2, 100), token(1, 3, 100), token(1, 2, 101)];
        for (place, one) in tokens.iter().enumerate() {
            assert!(!tokens[..place].contains(one));
        }
    }
}
