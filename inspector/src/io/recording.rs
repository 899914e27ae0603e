//! Lossless recording of this process's own session.
//!
//! A thread drains the rings. If it falls behind, the emitter whose ring is full drains in its place, through the
//! session's hook. One [`Sink`] saves all drained events. It also folds them, unless a dashboard reads them from a
//! [`Tap`] and folds them itself.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use loop_probes::metadata::Metadata;
use loop_probes::process::{ProcessReader, ProcessState};
use loop_probes::session::Session;
use loop_probes::stamped::Stamped;
use loop_traces::source::{EventSource, NowRunning, SourceCounts, SourceError, SourceKind, SourceState};
use loop_traces::timeline::Timeline;
use loop_traces::writer::WriteStats;

use super::exit::CommandError;
use super::sink::Sink;

/// A running recording.
#[derive(Debug)]
pub struct Recording {
    drain: Arc<Drain>,
    thread: Option<JoinHandle<()>>,
}

struct Drain {
    inner: Mutex<Inner>,
    stop: AtomicBool,
}

struct Inner {
    source: ProcessReader,
    sink: Sink,
    batch: Vec<Stamped>,
    tapped: Option<Vec<Stamped>>,
    state: SourceState,
    /// The error after which nothing was read. The process continues, unrecorded.
    failed: Option<SourceError>,
}

impl Recording {
    /// Starts recording `session`, to the file `record` if given. Must be called before the session's first recorder is
    /// created.
    ///
    /// # Errors
    ///
    /// [`CommandError::Input`] if the file cannot be created or no thread can be started.
    pub fn start(session: &Session, record: Option<&Path>) -> Result<Self, CommandError> {
        Self::begin(session, record, None)
    }

    /// Like [`start`](Self::start), but passes all events to a dashboard instead of folding them.
    ///
    /// # Errors
    ///
    /// Same as for [`start`](Self::start).
    pub fn start_tapped(session: &Session, record: Option<&Path>) -> Result<(Self, Tap), CommandError> {
        let recording = Self::begin(session, record, Some(Vec::new()))?;
        let tap = recording.source();
        Ok((recording, tap))
    }

    fn begin(
        session: &Session,
        record: Option<&Path>,
        tapped: Option<Vec<Stamped>>,
    ) -> Result<Self, CommandError> {
        let source = session.draining_reader().with_heartbeat().with_pressure();
        let sink = Sink::new(source.metadata(), record)?;
        let (batch, state) = (Vec::new(), SourceState::Live);
        let inner = Inner { source, sink, batch, tapped, state, failed: None };
        let drain = Arc::new(Drain { inner: Mutex::new(inner), stop: AtomicBool::new(false) });
        let hook = Arc::downgrade(&drain);
        session.on_full(Arc::new(move || {
            if let Some(drain) = hook.upgrade() {
                drain.lock().poll();
            }
        }));
        // If the session is disabled, there is nothing to drain.
        let thread = session.is_enabled().then(|| {
            let drain = Arc::clone(&drain);
            let thread = std::thread::Builder::new().name("recorder".to_owned());
            thread.spawn(move || drain.run())
        });
        let thread = thread
            .transpose()
            .map_err(|error| CommandError::Input(format!("cannot start the recording thread: {error}")))?;
        Ok(Self { drain, thread })
    }

    /// The recorded stream as a source. It has no events unless the recording was started with a tap, only metadata.
    #[must_use]
    pub fn source(&self) -> Tap {
        let inner = self.drain.lock();
        let (metadata, name) = (inner.source.metadata().clone(), EventSource::name(&inner.source).to_owned());
        drop(inner);
        Tap { drain: Arc::clone(&self.drain), metadata, name }
    }

    /// Ends the session and its recording; returns what [`finish`](Self::finish) does. The ring file is removed last: a
    /// program that is killed before that leaves a closed recording, or its ring.
    pub fn finish_with(self, session: &Session) -> (Timeline, Result<Option<WriteStats>, CommandError>) {
        session.end_locally();
        let finished = self.finish();
        session.finish();
        finished
    }

    /// Ends the recording after the session has ended. Returns its timeline, which is empty if there was a tap, and the
    /// statistics of the file.
    pub fn finish(mut self) -> (Timeline, Result<Option<WriteStats>, CommandError>) {
        self.drain.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The panic hook has reported a panic of the thread, and the drained events are still available.
            let _ = thread.join();
        }
        let mut inner = self.drain.lock();
        while inner.poll() != SourceState::Ended && inner.failed.is_none() {}
        let metadata = inner.source.metadata().clone();
        let sink = std::mem::replace(&mut inner.sink, Sink::empty(&metadata));
        let drained = inner.failed.as_ref().map_or(Ok(()), |error| Err(CommandError::input(error)));
        drop(inner);
        let (timeline, written) = sink.finish_after(&drained);
        (timeline, drained.and(written))
    }
}

impl Drain {
    fn run(&self) {
        while !self.stop.load(Ordering::Acquire) {
            let mut inner = self.lock();
            let state = inner.poll();
            let period = inner.sink.period(inner.source.suggested_period());
            drop(inner);
            if state != SourceState::More {
                std::thread::park_timeout(period);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn poll(&mut self) -> SourceState {
        self.batch.clear();
        self.state = EventSource::poll(&mut self.source, &mut self.batch).unwrap_or_else(|error| {
            self.failed = Some(error);
            SourceState::Ended
        });
        let counts = self.source.counts();
        match &mut self.tapped {
            // The dashboard folds these.
            Some(tapped) => {
                self.sink.save(&self.batch, counts);
                tapped.extend_from_slice(&self.batch);
            }
            None => self.sink.absorb(&self.batch, counts),
        }
        self.state
    }
}

impl std::fmt::Debug for Drain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drain").finish_non_exhaustive()
    }
}

/// The recorded stream for a dashboard, which therefore shows exactly what the file contains.
#[derive(Debug)]
pub struct Tap {
    drain: Arc<Drain>,
    metadata: Metadata,
    name: String,
}

impl Tap {
    /// The error after which nothing more was saved.
    #[must_use]
    pub fn why_not_saved(&self) -> Option<String> {
        self.drain.lock().sink.failed().map(ToString::to_string)
    }
}

impl EventSource for Tap {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Ring
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn poll(&mut self, out: &mut Vec<Stamped>) -> Result<SourceState, SourceError> {
        let mut inner = self.drain.lock();
        if let Some(tapped) = &mut inner.tapped {
            out.append(tapped);
        }
        Ok(inner.state)
    }

    fn counts(&self) -> SourceCounts {
        self.drain.lock().source.counts()
    }

    fn running(&mut self) -> Vec<NowRunning> {
        EventSource::running(&mut self.drain.lock().source)
    }

    fn process_state(&self) -> Option<ProcessState> {
        let inner = self.drain.lock();
        if inner.failed.is_some() { None } else { inner.source.process_state() }
    }

    fn is_closed(&self) -> bool {
        let inner = self.drain.lock();
        inner.failed.is_none() && inner.source.is_closed()
    }

    fn suggested_period(&self) -> Duration {
        self.drain.lock().source.suggested_period()
    }
}

#[cfg(test)]
mod tests {
    use loop_probes::event::Event;
    use loop_probes::instrument::LoopProbe;
    use loop_traces::reader::TraceReader;

    use super::*;

    #[test]
    fn a_session_that_records_nothing_needs_no_thread_and_ends() {
        let recording = Recording::start(&Session::disabled(), None).unwrap();
        assert!(recording.thread.is_none());
        let (timeline, written) = recording.finish();
        assert_eq!(timeline.first_at(), None);
        assert!(written.unwrap().is_none());
    }

    #[test]
    fn a_tapped_recording_does_not_fold() {
        let session = Session::builder("tapped").private();
        let (recording, mut tap) = Recording::start_tapped(&session, None).unwrap();
        drop(LoopProbe::new(&session, "main loop").tick());
        session.finish();
        let (timeline, _written) = recording.finish();
        assert_eq!(timeline.events, 0);
        let mut events = Vec::new();
        assert_eq!(tap.poll(&mut events).unwrap(), SourceState::Ended);
        assert_eq!(events.iter().filter(|stamped| matches!(stamped.event, Event::TickEnd { .. })).count(), 1);
    }

    #[test]
    fn the_ring_of_a_recorded_session_stays_until_its_recording_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let (ring, saved) = (folder.path().join("rings"), folder.path().join("a.looptrace"));
        let session = Session::builder("recorded").shared_in(&ring).unwrap();
        let recording = Recording::start(&session, Some(&saved)).unwrap();
        drop(LoopProbe::new(&session, "main loop").tick());
        let ring = session.path().unwrap().to_owned();
        session.end_locally();
        recording.finish().1.unwrap();
        assert!(ring.exists() && TraceReader::open(&saved).unwrap().is_closed());
        let recording = Recording::start(&session, None).unwrap();
        recording.finish_with(&session).1.unwrap();
        assert!(!ring.exists());
    }
}
