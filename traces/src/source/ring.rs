//! A process's rings as a source, whether the process is running, stopped or crashed.

use std::time::Duration;

use loop_probes::ids::Timestamp;
use loop_probes::metadata::Metadata;
use loop_probes::process::{ProcessReader, ProcessState};
use loop_probes::stamped::Stamped;

use super::{EventSource, NowRunning, SourceCounts, SourceError, SourceKind, SourceState};

impl EventSource for ProcessReader {
    fn metadata(&self) -> &Metadata {
        Self::metadata(self)
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Ring
    }

    fn name(&self) -> &str {
        &Self::metadata(self).program
    }

    fn poll(&mut self, out: &mut Vec<Stamped>) -> Result<SourceState, SourceError> {
        let report = Self::poll(self, out)?;
        Ok(match report.state {
            _ if report.more => SourceState::More,
            state if state.is_alive() => SourceState::Live,
            _ => SourceState::Ended,
        })
    }

    fn flush(&mut self, out: &mut Vec<Stamped>) -> Result<(), SourceError> {
        // A ring that was read to its end has already returned it.
        if Self::state(self).is_alive() {
            Self::flush(self, out)?;
        }
        Ok(())
    }

    fn counts(&self) -> SourceCounts {
        SourceCounts {
            lost_records: self.lost_records(),
            before_attach: self.before_attach(),
            unknown_kinds: self.unknown_kinds(),
            malformed: self.malformed_events(),
            uncounted_gaps: self.uncounted_gaps(),
            clock_error_ns_max: self.clock_faults().error_ns_max,
        }
    }

    fn running(&mut self) -> Vec<NowRunning> {
        // If the file can no longer be read, the next poll reports why.
        Self::running(self).unwrap_or_default()
    }

    fn process_time(&self, ours: Timestamp) -> Timestamp {
        Self::process_time(self, ours)
    }

    fn process_state(&self) -> Option<ProcessState> {
        // A copy of a ring file shows nothing that followed, like a recording that was cut off.
        Some(self.state()).filter(|state| *state != ProcessState::Unclosed)
    }

    fn is_closed(&self) -> bool {
        self.state() == ProcessState::Ended
    }

    fn suggested_period(&self) -> Duration {
        Self::suggested_period(self)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::path::Path;

    use loop_probes::instrument::LoopProbe;
    use loop_probes::ring::Start;
    use loop_probes::session::Session;

    use super::*;
    use crate::reader::TraceReader;
    use crate::timeline::Timeline;
    use crate::writer::{TraceWriter, WriteOptions};

    #[test]
    fn a_real_ring_folds_to_the_same_live_and_replayed() {
        let session = Session::builder("real").policy("poll").private();
        let probe = LoopProbe::new(&session, "main loop");
        let mut source: Box<dyn EventSource> = Box::new(session.reader(Start::Oldest));
        let echo = probe.tag("Echo");
        let mut file = Vec::new();
        let metadata = source.metadata().clone();
        let mut writer =
            TraceWriter::new(&mut file, Path::new("t"), &metadata, WriteOptions::default()).unwrap();
        let mut live = Timeline::of(&metadata);
        for round in 0..20 {
            for _ in 0..10 {
                let _tick = probe.tick();
                let ready = probe.poll(Some(Duration::ZERO), || 1usize);
                assert_eq!(ready, 1);
                drop(probe.task(echo));
            }
            let mut batch = Vec::new();
            assert!(matches!(source.poll(&mut batch), Ok(SourceState::Live)));
            live.extend(&batch);
            writer.append(&batch).unwrap();
            if round == 10 {
                let now = source.running();
                assert_eq!(now.len(), 1);
                assert_eq!(now[0].running, loop_probes::recorder::Running::Outside);
            }
        }
        writer.finish().unwrap();
        assert_eq!((live.ticks.count, live.tasks_run, live.ticks.incomplete), (200, 200, 0));
        assert_eq!(live.labels.tag(echo), "Echo");
        // How long a readiness callback waited is unknown, not 0.
        let waited = &live.tags.tag(echo).unwrap().tasks.queue_wait_ns;
        assert!(waited.is_empty(), "{waited:?}");

        let mut reader = TraceReader::new(Cursor::new(file), Path::new("t")).unwrap();
        let mut replayed = Timeline::of(EventSource::metadata(&reader));
        let mut batch = Vec::new();
        while EventSource::poll(&mut reader, &mut batch).unwrap() != SourceState::Ended {}
        replayed.extend(&batch);
        assert_eq!(replayed, live);
    }
}
