//! The *now running* cell of a dead process, where it is older than the newest records, and what an emitter without one
//! notes.

use super::damage::{gaps, shared_in};
use super::*;

/// A record that follows a cell.
#[derive(Clone, Copy, Debug)]
enum Follows {
    Start,
    Task { start: u64 },
    Phase { start: u64 },
    Nested,
}

impl Follows {
    fn event(self) -> Event<Ticks> {
        let (task, tag) = (crate::ids::TaskId(2), Tag(1));
        match self {
            Self::Start => Event::TickStart { tick: 9 },
            Self::Task { start } => {
                let (outcome, queued) = (crate::event::Outcome::Done, Ticks(10));
                Event::TaskRan { task, tag, outcome, queued, start: Ticks(start) }
            }
            Self::Phase { start } => Event::Phase { phase: Phase::Io, start: Ticks(start) },
            Self::Nested => Event::TimerCleared { timer: crate::ids::TimerId(3) },
        }
    }
}

#[test]
fn what_the_cell_says_is_over_if_a_newer_record_ended_it() {
    let task = Follows::Task { start: 50 };
    for (records, is_over) in [
        (&[][..], false),
        (&[Follows::Start], true),
        (&[task], true),
        (&[Follows::Nested], false),
        (&[Follows::Nested, task], true),
        (&[Follows::Phase { start: 40 }], true),
        (&[Follows::Phase { start: 60 }], false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let session = shared_in(folder.path());
        let recorder = session.recorder("loop");
        mark(&recorder, 30);
        recorder.set_running(Ticks(50), Running::Task { task: crate::ids::TaskId(1), tag: Tag(1) });
        for record in records {
            recorder.record(Ticks(70), record.event());
        }
        // The process died, and the cell was not written again.
        let path = folder.path().join("copy.ring");
        std::fs::copy(session.path().unwrap(), &path).unwrap();
        let mut reader = ProcessReader::open(&path, Start::Oldest).unwrap();
        flush(&mut reader);
        assert_eq!(reader.running().unwrap().is_empty(), is_over, "{records:?}");
        assert_eq!((reader.malformed_events(), reader.lost_records()), (0, 0));
    }
}

#[test]
fn an_emitter_that_never_says_what_it_does_notes_how_much_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let session = shared_in(folder.path());
    let recorder = session.recorder("loop");
    (1..=20).for_each(|at| mark(&recorder, at));
    recorder.note_written();
    let mut bytes = std::fs::read(session.path().unwrap()).unwrap();
    let at = bytes.len() - hostile::SLOTS * 32;
    bytes[at + 12 * 32..].fill(0);
    let path = folder.path().join("copy.ring");
    std::fs::write(&path, &bytes).unwrap();
    let mut reader = ProcessReader::open(&path, Start::Oldest).unwrap();
    assert_eq!(gaps(&flush(&mut reader)), [(8, 1)]);
    assert_eq!((reader.lost_records(), reader.rings_without_end()), (8, 1));
}
