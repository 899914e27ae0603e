//! Tests files of dead processes with stale pages: a *now running* cell older than the newest records, pages that
//! occur twice, and the notes of an emitter without a cell.

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
        let (_, reader) = read_copy(&session, folder.path(), |_| {});
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
    let (events, reader) = read_copy(&session, folder.path(), |bytes| {
        let at = bytes.len() - hostile::SLOTS * 32;
        bytes[at + 12 * 32..].fill(0);
    });
    assert_eq!(gaps(&events), [(8, 1)]);
    assert_eq!((reader.lost_records(), reader.rings_without_end()), (8, 1));
}

/// A ring of a dead process with `written` marks, whose bytes from its first slot on `change` changed.
fn changed(written: u64, change: impl FnOnce(&mut [u8])) -> (Vec<Stamped>, ProcessReader) {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::builder("test").capacity(512).shared_in(&folder.path().join("rings")).unwrap();
    let recorder = session.recorder("loop");
    (1..=written).for_each(|at| mark(&recorder, at));
    recorder.set_running(Ticks(written), Running::Outside);
    read_copy(&session, folder.path(), |bytes| {
        let at = bytes.len() - 512 * 32;
        change(&mut bytes[at..]);
    })
}

#[test]
fn a_page_that_is_there_twice_is_read_once() {
    for (from, to) in [(0, 2), (2, 0), (1, 2)] {
        let (events, reader) =
            changed(500, |slots| slots.copy_within(from * 4096..(from + 1) * 4096, to * 4096));
        let numbers = events.iter().filter_map(|stamped| match stamped.event {
            Event::TickStart { tick } => Some(tick),
            _ => None,
        });
        let different: std::collections::HashSet<u64> = numbers.collect();
        let read = times(&events).len();
        assert_eq!((read, different.len(), reader.malformed_events()), (372, 372, 128), "{from} to {to}");
    }
}

#[test]
fn a_page_of_another_ring_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::builder("test").capacity(512).shared_in(&folder.path().join("rings")).unwrap();
    let (one, two) = (session.recorder("one"), session.recorder("two"));
    for at in 1..=400 {
        mark(&one, at);
        mark(&two, 1_000 + at);
    }
    const PAGE: usize = 4096;
    let ring = 512 * 32;
    // The second ring is the last part of the file, behind the first.
    let pairs = [(0, ring + PAGE), (ring + PAGE, PAGE), (PAGE, ring + 3 * PAGE), (ring, PAGE)];
    for ((from, to), is_swap) in pairs.into_iter().flat_map(|pair| [(pair, false), (pair, true)]) {
        let (events, reader) = read_copy(&session, folder.path(), |bytes| {
            let rings = bytes.len() - 2 * ring;
            let replaced = bytes[rings + to..][..PAGE].to_vec();
            bytes[rings..].copy_within(from..from + PAGE, to);
            if is_swap {
                bytes[rings + from..][..PAGE].copy_from_slice(&replaced);
            }
        });
        let read: Vec<(u32, u64)> = events
            .iter()
            .filter_map(|stamped| match stamped.event {
                Event::TickStart { tick } => Some((stamped.source.0, tick)),
                _ => None,
            })
            .collect();
        let sources_agree = read.iter().all(|(source, tick)| (*source == 2) == (*tick > 1_000));
        let different: std::collections::HashSet<_> = read.iter().collect();
        assert!(sources_agree && different.len() == read.len(), "{from} to {to}");
        // The last written page of a ring has 16 records.
        let damaged = match is_swap {
            true if to == ring + 3 * PAGE => 128 + 16,
            true => 256,
            false => 128,
        };
        assert_eq!(reader.malformed_events(), damaged, "{from} to {to}, {is_swap}");
    }
}

#[test]
fn noise_at_the_beginning_of_a_ring_in_its_first_lap_hides_nothing_behind_it() {
    let mut noise = 3_u64;
    let mut next = || {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.to_be_bytes()[0]
    };
    let (events, reader) = changed(200, |slots| slots[..4096].fill_with(&mut next));
    assert_eq!((times(&events).len(), reader.lost_records(), reader.before_attach()), (72, 128, 0));
    let (events, reader) = changed(500, |slots| slots.fill_with(&mut next));
    let reported = (reader.lost_records() > 0, reader.rings_without_end());
    assert_eq!((times(&events).len(), reported), (0, (true, 1)), "all of it is noise");
}

#[test]
fn what_only_readers_tell_is_impossible_in_a_ring() {
    // The two kinds differ by one bit.
    let (events, reader) = changed(200, |slots| {
        let at = 50 * 32;
        let packed = crate::record::Packed::new(Ticks(51), Event::Crashed {});
        slots[at + 11] = crate::record::Stamp(packed.record(0, 0)[1]).kind();
    });
    assert_eq!((times(&events).len(), reader.malformed_events()), (199, 1));
}
