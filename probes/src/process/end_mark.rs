//! The header's mark of the session's end, and the rings that may contradict it.

use super::error::ReadError;
use super::image::{Image, RingFile, Words};
use super::liveness::ProcessState;
use super::slots::Slots;
use crate::metadata::Metadata;
use crate::shared::layout::{PLACE_OPEN, place};

/// The state of the process, and whether its rings contradict the mark of its end. If they do, the mark is not believed.
pub(super) fn state(image: &Image) -> Result<(ProcessState, bool), ReadError> {
    let observed = image.observed();
    // Checked last: a process that ends marks its file before it releases its lock.
    if !image.has_ended()? {
        return Ok((observed, false));
    }
    // A session may end in the middle of a tick, and then the time of its end is in the header, too.
    let is_contradicted = !image.has_end_time()? && is_in_tick(image)?;
    Ok((if is_contradicted { observed } else { ProcessState::Ended }, is_contradicted))
}

/// The file's process and its state, for lists.
pub(crate) fn describe(file: RingFile) -> Result<(Metadata, ProcessState), ReadError> {
    let image = Image::File(file);
    Ok((image.metadata().clone(), state(&image)?.0))
}

/// Whether some loop is in the middle of a tick, as far as the records in the file show. A loop whose recorder was closed
/// is in none.
fn is_in_tick(image: &Image) -> Result<bool, ReadError> {
    if !image.is_file() {
        return Ok(false);
    }
    let (is_still, mut scratch) = (image.is_still(), Vec::new());
    for index in 0..image.plan().places {
        let at = image.plan().place_word(index);
        let Words([place_state, slots_at, capacity]) = image.words(at + place::STATE)?;
        if place_state & 0xffff_ffff != PLACE_OPEN {
            continue;
        }
        if let Some(slots) = Slots::find(image, index, slots_at, capacity, is_still)?
            && slots.open_tick(image, &mut scratch)?.is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    use crate::event::Event;
    use crate::ids::{SourceId, Ticks};
    use crate::process::{ProcessReader, ProcessState};
    use crate::ring::Start;
    use crate::session::Session;
    use crate::shared::layout::{STATE_ENDED, head};
    use crate::shared::original::adopt;
    use crate::stamped::Stamped;

    /// Marks the session of a ring file as ended.
    fn mark(path: &Path) {
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(&STATE_ENDED.to_ne_bytes(), head::STATE as u64 * 8).unwrap();
    }

    fn read(path: &Path) -> (Vec<Stamped>, ProcessReader) {
        let (mut reader, mut out) = (ProcessReader::open(path, Start::Oldest).unwrap(), Vec::new());
        reader.flush(&mut out).unwrap();
        (out, reader)
    }

    #[test]
    fn a_dead_process_in_the_middle_of_a_tick_did_not_end_its_session() {
        let folder = tempfile::tempdir().unwrap();
        let session = Session::builder("test").shared_in(&folder.path().join("rings")).unwrap();
        let recorder = session.recorder("loop");
        let copy = folder.path().join("copy.ring");
        let marked = || {
            std::fs::copy(session.path().unwrap(), &copy).unwrap();
            adopt(&copy);
            mark(&copy);
            read(&copy)
        };
        let start = recorder.record_now(Event::TickStart { tick: 1 });
        let (events, reader) = marked();
        assert_eq!((reader.state(), reader.contradicts_end()), (ProcessState::Crashed, true));
        let last = events.last().unwrap();
        assert!(matches!(last.event, Event::Lost { count: 1, .. }) && last.source == SourceId(0), "{last:?}");
        assert_eq!((reader.lost_records(), reader.uncounted_gaps()), (1, 1));

        recorder.record_now(Event::TickEnd { tick: 1, tasks_run: 0, start });
        let (_, reader) = marked();
        assert_eq!((reader.state(), reader.contradicts_end()), (ProcessState::Ended, false));
        assert_eq!((reader.lost_records(), reader.uncounted_gaps()), (0, 0));
        // A recorder that was closed in the middle of a tick records no more, whatever became of its process.
        recorder.record(Ticks(u64::MAX >> 1), Event::TickStart { tick: 2 });
        drop(recorder);
        assert_eq!(marked().1.state(), ProcessState::Ended);
    }

    #[test]
    fn a_session_that_ends_in_the_middle_of_a_tick_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let session = Session::builder("test").shared_in(&folder.path().join("rings")).unwrap();
        let recorder = session.recorder("loop");
        for tick in 1..=10 {
            recorder.record_now(Event::TickStart { tick });
        }
        let [path, left] = ["opened", "left"].map(|name| folder.path().join(name));
        std::fs::hard_link(session.path().unwrap(), &path).unwrap();
        session.finish();
        let (events, reader) = read(&path);
        assert_eq!((reader.state(), reader.contradicts_end()), (ProcessState::Ended, false));
        assert_eq!((reader.lost_records(), reader.uncounted_gaps()), (0, 0));
        assert!(matches!(events.last().unwrap().event, Event::TickStart { tick: 10 }), "{events:?}");

        // What the disk lacks of the ring is known, too.
        let mut bytes = std::fs::read(&path).unwrap();
        let ring = bytes.len() - crate::ring::CAPACITY_DEFAULT as usize * 32;
        bytes[ring + 6 * 32..].fill(0);
        std::fs::write(&left, bytes).unwrap();
        let (_, reader) = read(&left);
        assert_eq!((reader.state(), reader.lost_records()), (ProcessState::Ended, 4));
        assert_eq!(reader.uncounted_gaps(), 1);
    }

    #[test]
    fn a_process_that_still_records_has_not_ended_its_session_and_keeps_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let rings = [folder.path().join("rings")];
        let session = Session::builder("test").shared_in(&rings[0]).unwrap();
        let recorder = session.recorder("loop");
        let start = recorder.record_now(Event::TickStart { tick: 1 });
        mark(session.path().unwrap());
        let (events, mut reader) = read(session.path().unwrap());
        assert_eq!((reader.state(), reader.contradicts_end()), (ProcessState::Running, true));
        assert!(!events.iter().any(|stamped| matches!(stamped.event, Event::Lost { .. })), "{events:?}");
        assert_eq!(crate::discover::list_in(&rings).rings[0].state, ProcessState::Running);

        recorder.record_now(Event::TickEnd { tick: 1, tasks_run: 0, start });
        reader.flush(&mut Vec::new()).unwrap();
        assert_eq!((reader.state(), reader.contradicts_end()), (ProcessState::Ended, false));
        assert!(crate::discover::list_in(&rings).rings.is_empty());
        assert!(session.path().unwrap().exists(), "its lock is held");
    }
}
