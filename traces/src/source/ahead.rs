//! Reading ahead: decoding takes about as long as what follows it, so it has a thread of its own.

use std::ops::DerefMut;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use loop_probes::stamped::Stamped;

use super::{EventSource, SourceCounts, SourceError, SourceState};
use crate::format::StoredBlock;

/// The result of one poll.
#[derive(Debug)]
pub struct Batch {
    /// The events, in stream order.
    pub events: Vec<Stamped>,
    /// The blocks of a trace that hold exactly these events, if [known](EventSource::take_blocks).
    pub(crate) blocks: Vec<StoredBlock>,
    /// The source's counts after the poll.
    pub counts: SourceCounts,
}

/// Polls `source` in a thread of `scope` until it has ended, has nothing more at present, or fails, which comes after the
/// events read before. The thread ends early if the receiver is dropped, and returns the source.
pub fn read_ahead<'scope, S>(
    scope: &'scope Scope<'scope, '_>,
    mut source: S,
) -> (Receiver<Result<Batch, SourceError>>, ScopedJoinHandle<'scope, S>)
where
    S: DerefMut<Target: EventSource> + Send + 'scope,
{
    // Without room in the channel, one batch is read while another is visited.
    let (sender, batches) = sync_channel(0);
    let thread = scope.spawn(move || {
        let mut longest = 0;
        loop {
            let mut events = Vec::with_capacity(longest);
            let state = source.poll(&mut events);
            longest = longest.max(events.len());
            let batch = Batch { events, blocks: source.take_blocks(), counts: source.counts() };
            let is_dropped = sender.send(Ok(batch)).is_err();
            match state {
                Ok(SourceState::More) if !is_dropped => {}
                Ok(_) => return source,
                Err(error) => {
                    // It is lost only without a receiver.
                    let _ = sender.send(Err(error));
                    return source;
                }
            }
        }
    });
    (batches, thread)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;
    use std::thread;

    use loop_probes::metadata::Metadata;

    use super::*;
    use crate::format::error::ReadError;
    use crate::source::{AnySource, MemorySource, SourceKind};
    use crate::synthetic::Script;

    /// Has one event a poll, and fails instead of having the last one.
    struct Failing(MemorySource, Vec<Stamped>);

    impl EventSource for Failing {
        fn metadata(&self) -> &Metadata {
            self.0.metadata()
        }

        fn kind(&self) -> SourceKind {
            self.0.kind()
        }

        fn name(&self) -> &str {
            self.0.name()
        }

        fn counts(&self) -> SourceCounts {
            self.0.counts()
        }

        fn poll(&mut self, out: &mut Vec<Stamped>) -> Result<SourceState, SourceError> {
            out.push(self.1.remove(0));
            let source = io::Error::other("unreadable");
            let error = ReadError::Io { path: PathBuf::from("t"), offset: 0, source };
            if self.1.len() > 1 { Ok(SourceState::More) } else { Err(error.into()) }
        }
    }

    #[test]
    fn all_events_are_read_up_to_the_end_or_an_error() {
        let script = Script { ticks: 3, ..Script::default() };
        let events = script.events();
        let read = |source: AnySource| {
            thread::scope(|scope| {
                let (batches, thread) = read_ahead(scope, source);
                let all: Vec<_> = batches.into_iter().map(|batch| batch.map(|batch| batch.events)).collect();
                thread.join().expect("it does not panic");
                let is_error = |last: &Result<_, _>| last.is_err();
                let has_failed = all.last().is_some_and(is_error);
                (all.into_iter().flatten().flatten().collect::<Vec<_>>(), has_failed)
            })
        };
        let source = MemorySource::new("t", SourceKind::Trace, script.metadata(), events.clone());
        assert_eq!(read(Box::new(source.clone())), (events.clone(), false));
        let but_one = events[..events.len() - 1].to_vec();
        assert_eq!(read(Box::new(Failing(source, events))), (but_one, true));
    }

    #[test]
    fn the_thread_ends_without_a_receiver() {
        let script = Script { ticks: 3, ..Script::default() };
        let mut source = Failing(
            MemorySource::new("t", SourceKind::Trace, script.metadata(), Vec::new()),
            script.events(),
        );
        let all = source.1.len();
        thread::scope(|scope| {
            let (batches, thread) = read_ahead(scope, &mut source);
            assert_eq!(batches.recv().map(|batch| batch.unwrap().events.len()), Ok(1));
            drop(batches);
            thread.join().expect("it does not panic");
        });
        assert_eq!(source.1.len(), all - 2, "one batch was visited, and one was read");
    }
}
